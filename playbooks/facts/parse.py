"""Facts and measurements out of the answers to a batch. Pure; no answer makes it raise.

What cannot be told is null, and `unknown` keeps what was answered instead, shortened.
"""

from collections.abc import Sequence

from fleet.core.model import Json
from playbooks.facts import interfaces, machine, parse_bird, parse_frr, parse_linux, parse_vpp
from playbooks.facts.commands import of_family
from playbooks.facts.reader import Answers, Reader
from playbooks.facts.redact import digest, redacted
from playbooks.facts.text import mapping

FORMAT = 1


def facts(answers: Answers, suite: str) -> dict[str, Json]:
    """What a device is: hardware, kernel, system, interfaces with NICs, routing suite with its configuration.

    Free of secrets. Holds nothing that changes by itself (counters, ages), so that equal facts mean that nothing has
    changed. `root`: were the commands run as root? What only root may read is null then, `unknown` says "needs root".
    Every key, its shape and its source: docs/facts.md.
    """
    root = machine.is_root(answers)
    read = Reader(answers, root=root)
    about = machine.facts(read)
    daemons = about.pop("daemons_seen")
    return {
        "version": FORMAT,
        "root": root,
        **about,
        "interfaces": interfaces.facts(read, about),
        **_beside(read),
        "sysctl": read.read("sysctl", parse_linux.sysctls, "sysctl"),
        "routing": _routing(read, suite) | {"daemon_list": daemons},
        "unknown": read.unknown,
    }


def _beside(read: Reader) -> dict[str, Json]:
    """What only some devices have: addresses of their own on lo, and VPP."""
    listed = interfaces.addresses(read)
    own = mapping(listed).get("lo") if listed is not None else None
    vpp = parse_vpp.facts(read.text("vpp"))
    return {**({"loopback": own} if own else {}), **({"vpp": vpp} if vpp else {})}


def _routing(read: Reader, suite: str) -> dict[str, Json]:
    options = None
    match suite:
        case "frr":
            options = read.read("zebra_options", parse_frr.zebra_options, "zebra")
            version: Json = read.read("routing", parse_frr.version, "version")
            daemons: Json = read.read("daemons", parse_frr.daemons, "daemons")
            running = read.read("running_config", _frr_config, "running_config", only_ok=True)
        case "bird":
            status = mapping(read.read("routing", parse_bird.status, "status"))
            version, daemons = status.get("version"), status.get("daemons")
            # BIRD cannot show what it runs; its file is what the next `configure` would load.
            running = read.read("running_config", lambda text: text or None, "saved_config", only_ok=True)
        case _:
            return {"suite": suite}
    saved = read.read("saved_config", lambda text: text or None, "saved_config", only_ok=True)
    return {
        "suite": suite,
        "version": version,
        "daemons": daemons,
        **({"zebra_options": options} if options is not None else {}),
        "running_config": redacted(running) if running is not None else None,
        "running_sha256": digest(running) if running is not None else None,
        "saved_config": redacted(saved) if saved is not None else None,
        "saved_sha256": digest(saved) if saved is not None else None,
    }


def _frr_config(text: str) -> str | None:
    """`show running-config` from its first real line; None for what is no configuration."""
    _, found, body = text.partition("Current configuration:\n")
    return body if found and "frr version" in body else None


def measurement(
    answers: Answers, suite: str, *, samples: Sequence[str] = (), sysctls: Sequence[str] = ()
) -> dict[str, Json]:
    """How a device is at this moment, for `fleet.core.checks`; `samples`: addresses whose routes are compared."""
    read = Reader(answers)
    made: dict[str, Json] = {
        "version": FORMAT,
        "boot_id": read.read("boot_id", parse_linux.boot_id, "boot_id"),
        "uptime_s": read.read("uptime", parse_linux.uptime_s, "uptime"),
        "kernel": read.read("kernel", parse_linux.first_line, "kernel", only_ok=True),
        "memory": read.read("memory", parse_linux.meminfo, "meminfo"),
        "interfaces": read.read("interfaces", parse_linux.counters, "counters", only_ok=True),
        "forwarded": parse_linux.forwarded(read.text("snmp"), read.text("snmp6")),
        "queues": {
            name.partition(":")[2]: found
            for name, answer in answers.items()
            if name.startswith("channels:") and (found := parse_linux.channels(answer.out)) is not None
        },
    }
    if "vpp" in answers:
        made["vpp"] = parse_vpp.now(read.text("vpp"))
    if sysctls:
        made["sysctl"] = read.read("sysctl", parse_linux.sysctls, "sysctl")
    match suite:
        case "frr":
            made |= _frr(read)
        case "bird":
            made |= _bird(read)
        case _:
            made["routing"] = {"suite": suite, "version": None}
    made["samples"] = list(samples)
    made["paths"] = paths(answers, suite, samples)
    made["unknown"] = read.unknown
    return made


def _frr(read: Reader) -> dict[str, Json]:
    return {
        "routing": {"suite": "frr", "version": read.read("routing", parse_frr.version, "version")},
        "bgp": read.read("bgp", parse_frr.bgp, "bgp"),
        "ospf": read.read("ospf", parse_frr.ospf, "ospf"),
        "ospf3": read.read("ospf3", parse_frr.ospf6, "ospf3"),
        "bfd": read.read("bfd", parse_frr.bfd, "bfd"),
        "routes": {
            "ipv4": read.read("routes4", parse_frr.routes, "routes4"),
            "ipv6": read.read("routes6", parse_frr.routes, "routes6"),
        },
        "daemons": read.read("daemons", parse_frr.daemons, "daemons"),
    }


def _bird(read: Reader) -> dict[str, Json]:
    status = mapping(read.read("routing", parse_bird.status, "status"))
    return {
        "routing": {"suite": "bird", "version": status.get("version")},
        "bgp": read.read("bgp", parse_bird.bgp, "protocols"),
        "ospf": read.read("ospf", lambda n, p: parse_bird.ospf(n, p, "ipv4"), "ospf", "protocols"),
        "ospf3": read.read("ospf3", lambda n, p: parse_bird.ospf(n, p, "ipv6"), "ospf", "protocols"),
        "bfd": read.read("bfd", parse_bird.bfd, "bfd"),
        "routes": {
            "ipv4": read.read("routes4", lambda text: parse_bird.routes(text, "ipv4"), "routes"),
            "ipv6": read.read("routes6", lambda text: parse_bird.routes(text, "ipv6"), "routes"),
        },
        "daemons": status.get("daemons"),
    }


def paths(answers: Answers, suite: str, samples: Sequence[str]) -> dict[str, Json]:
    """Address > {"rib": next hops of the daemon, "kernel": what the kernel does}; null where it cannot be told."""
    ribs: dict[str, list[list[str]] | None] = {}

    def text(name: str) -> str:
        return answers[name].out if name in answers else ""

    match suite:
        case "frr":
            for family in ("ipv4", "ipv6"):
                ribs |= parse_frr.rib_hops(text(f"rib:{family}"), of_family(samples, family))
        case "bird":
            ribs = {address: parse_bird.rib_hops(text(f"rib:{address}")) for address in samples}
    return {a: {"rib": ribs.get(a), "kernel": parse_linux.kernel_hop(text(f"get:{a}"))} for a in samples}


def kernel_routes(answers: Answers) -> list[tuple[str, str]]:
    """The kernel's unicast routes of both families; empty where they were not listed."""
    names = ("kernel_routes4", "kernel_routes6")
    texts = [answers[name].out for name in names if name in answers and answers[name].ok]
    return [route for text in texts for route in parse_linux.kernel_routes(text) or []]
