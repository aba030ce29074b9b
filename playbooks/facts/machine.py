"""The part of the facts that is about the machine as a whole. Pure; no answer makes it raise."""

from fleet.core.model import Json
from playbooks.facts import parse_linux, parse_machine
from playbooks.facts.reader import NEEDS_ROOT, Answers, Reader
from playbooks.facts.text import mapping, whole

_VPP = ("vpp", "vpp_main")


def is_root(answers: Answers) -> bool | None:
    """Were the commands run as root (`id -u`)? None where that cannot be told."""
    answer = answers.get("root")
    user = whole(answer.out.strip()) if answer is not None and answer.ok else None
    return None if user is None else user == 0


def facts(read: Reader) -> dict[str, Json]:
    """kernel, boot, system, processors, memory, modules, packages, dataplane, daemons that were seen running."""
    memory = mapping(read.read("memory", parse_linux.meminfo, "meminfo"))
    daemons = _daemons(read)
    return {
        "kernel": read.read("kernel", parse_linux.first_line, "kernel", only_ok=True),
        "boot_id": read.read("boot_id", parse_linux.boot_id, "boot_id"),
        "booted_at": read.read("booted_at", parse_machine.booted_at, "booted_at", only_ok=True),
        "cmdline": read.read("cmdline", parse_machine.cmdline, "cmdline", only_ok=True),
        "tainted": read.read("tainted", parse_machine.number, "tainted", only_ok=True),
        "os": read.read("os", parse_linux.os_release, "os_release", only_ok=True),
        "hostname": read.read("hostname", parse_linux.first_line, "hostname", only_ok=True),
        "cpus": read.read("cpus", parse_machine.number, "cpus"),
        "cpu": read.read("cpu", parse_machine.cpu, "cpu"),
        **({"identity": _identity(read)} if "identity" in read.answers else {}),
        "memory_kb": memory.get("MemTotal"),
        "modules": read.read("modules", parse_machine.modules, "modules"),
        "packages": read.read("packages", parse_machine.packages, "packages"),
        "dataplane": _dataplane(daemons),
        "daemons_seen": daemons,
    }


def _identity(read: Reader) -> dict[str, Json] | None:
    """UUID, serial number and product; null where there is no DMI (not a PC) or only root may read it."""
    found = parse_machine.identity(read.text("identity"))
    if found is not None and read.root is False and not (found["uuid"] and found["serial"]):
        read.unknown["identity"] = NEEDS_ROOT
        return None
    return found


def _daemons(read: Reader) -> dict[str, Json] | None:
    daemons = read.read("processes", parse_machine.processes, "processes")
    if daemons == {} and read.root is False:
        # With hidepid a user sees only what is his own: nothing seen does not mean nothing there.
        read.unknown["processes"] = NEEDS_ROOT
        return None
    return daemons


def _dataplane(daemons: dict[str, Json] | None) -> str | None:
    if daemons is None:
        return None
    return "vpp" if any(name in daemons for name in _VPP) else "kernel"
