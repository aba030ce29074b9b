"""Facts and measurements out of the answers to a batch. Pure; no answer makes it raise.

What cannot be told is null, and `unknown` keeps what was answered instead, shortened.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from fleet.core.model import Json
from playbooks.base import Answer
from playbooks.facts import parse_bird, parse_frr, parse_linux
from playbooks.facts.commands import of_family
from playbooks.facts.redact import digest, redacted
from playbooks.facts.text import mapping, short, whole

Answers = Mapping[str, Answer]
T = TypeVar("T")
FORMAT = 1


class _Reader:
    """Reads sections out of answers and remembers which could not be told."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.unknown: dict[str, Json] = {}

    def text(self, name: str) -> str:
        answer = self.answers.get(name)
        return answer.out if answer is not None else ""

    def read(self, section: str, parser: Callable[..., T | None], *names: str, only_ok: bool = False) -> T | None:
        """The section by a parser of the answers of these names; None where one was not asked for or is unreadable.

        A command that failed without a word tells nothing; `only_ok`: nor does one that failed with words.
        """
        if any(name not in self.answers for name in names):
            return None
        failed = any(not self.answers[n].ok and (only_ok or not self.answers[n].out.strip()) for n in names)
        value = None if failed else parser(*(self.text(name) for name in names))
        if value is None:
            self.unknown[section] = short(self.text(names[0]))
        return value


def facts(answers: Answers, suite: str) -> dict[str, Json]:
    """What a device is: kernel, system, interfaces with NICs, routing suite with its configuration without secrets.

    Holds nothing that changes by itself (counters, times), so that equal facts mean that nothing has changed.
    """
    read = _Reader(answers)
    machine = mapping(read.read("memory", parse_linux.meminfo, "meminfo"))
    return {
        "version": FORMAT,
        "kernel": read.read("kernel", parse_linux.first_line, "kernel", only_ok=True),
        "boot_id": read.read("boot_id", parse_linux.boot_id, "boot_id"),
        "os": read.read("os", parse_linux.os_release, "os_release", only_ok=True),
        "hostname": read.read("hostname", parse_linux.first_line, "hostname", only_ok=True),
        "cpus": read.read("cpus", lambda text: whole(text.strip()), "cpus"),
        "memory_kb": machine.get("MemTotal"),
        "interfaces": _interfaces(read),
        "sysctl": read.read("sysctl", parse_linux.sysctls, "sysctl"),
        "routing": _routing(read, suite),
        "unknown": read.unknown,
    }


def _interfaces(read: _Reader) -> dict[str, Json] | None:
    links = read.read("interfaces", parse_linux.links, "links", only_ok=True)
    if links is None:
        return None
    addresses = read.read("addresses", parse_linux.addresses, "addresses", only_ok=True)
    return {
        name: {
            **mapping(row),
            "addresses": mapping(addresses).get(name, []) if addresses is not None else None,
            "nic": parse_linux.driver(read.text(f"driver:{name}")),
            "permanent_mac": parse_linux.permanent_mac(read.text(f"permanent_mac:{name}")),
            "channels": parse_linux.channels(read.text(f"channels:{name}")),
            "rings": parse_linux.rings(read.text(f"rings:{name}")),
        }
        for name, row in links.items()
    }


def _routing(read: _Reader, suite: str) -> dict[str, Json]:
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
    read = _Reader(answers)
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


def _frr(read: _Reader) -> dict[str, Json]:
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


def _bird(read: _Reader) -> dict[str, Json]:
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
