"""Processors, modules, packages and daemons out of the answers of discovery's scripts. Pure; no text makes it raise.

None means: cannot tell. Formats: `scripts.py`; recordings of kernel 6.18 and 6.1, dash and busybox.
"""

import re
from collections.abc import Mapping

from fleet.core.model import Json
from playbooks.facts.text import document, mapping, whole, word

AT_MOST = 4_000  # rows of any list: what a device may make us keep (a machine has some hundred modules)
_CPU = re.compile(r"^\S*/cpu([0-9]{1,5})/topology/(physical_package_id|thread_siblings_list):(.*)$", re.MULTILINE)
_NODE = re.compile(r"^\S*/node([0-9]{1,5})/cpulist:(.*)$", re.MULTILINE)
_ISOLATED = re.compile(r"^\S*/cpu/isolated:(.*)$", re.MULTILINE)
_CPULIST = re.compile(r"[0-9]{1,5}(?:-[0-9]{1,5})?(?:,[0-9]{1,5}(?:-[0-9]{1,5})?)*")
_MODULE = re.compile(
    r"^([A-Za-z0-9_-]{1,63}) [0-9]{1,12} \S+ \S+ (\w+) \S+(?: \(([A-Z+-]{1,16})\))?[ \t]*$", re.MULTILINE
)
_MODULE_VERSION = re.compile(r"^= ([A-Za-z0-9_-]{1,63}) ?(.*)$", re.MULTILINE)
_STAT = re.compile(r"^([0-9]{1,10}) \(([^)\n]{1,63})\) (.+)$", re.MULTILINE)
_STARTED = 19  # field 22 of /proc/PID/stat, counted after the name
_TICKS_PER_S = 100  # USER_HZ of every Linux that runs routers (x86, arm64, mips, riscv)
_IDENTITY = re.compile(r"^(product_(?:uuid|serial|name)) (.{1,100})$", re.MULTILINE)
_SECRET = re.compile(r"(?i)^([^=\s]*(?:passw|passphrase|secret|token|credential)[^=\s]*)=.+$")
_ARM = {"0x41": "ARM", "0x43": "Cavium", "0x48": "HiSilicon", "0x50": "Ampere", "0x51": "Qualcomm", "0xc0": "Ampere"}


def cpu_list(text: str) -> list[int] | None:
    """`0-3,8`: the numbers, sorted; empty for an empty line; None for anything else or more than 4,000."""
    line = text.strip()
    if not line:
        return []
    if not _CPULIST.fullmatch(line):
        return None
    found: set[int] = set()
    for part in line.split(","):
        first, _, last = part.partition("-")
        if int(last or first) - int(first) > AT_MOST or len(found) > AT_MOST:
            return None
        found.update(range(int(first), int(last or first) + 1))
    return sorted(found)


def identity(text: str) -> dict[str, Json] | None:
    """Script `identity`: uuid, serial, product as the firmware says them, null for those that it does not say."""
    found = {key: word(value) for key, value in _IDENTITY.findall(text)}
    if not found:
        return None
    return {
        key: found.get(f"product_{name}") for key, name in (("uuid", "uuid"), ("serial", "serial"), ("product", "name"))
    }


def cpu(text: str) -> dict[str, Json] | None:
    """Script `cpu`: vendor, model, sockets, cores, threads, numa_nodes, siblings, isolated; None without any CPU.

    `siblings`: the threads of each core, also where it has only one. `isolated`: as the kernel writes it, "" for none.
    Numbers are of CPUs that are online.
    """
    packages: dict[int, str] = {}
    groups: dict[int, tuple[int, ...]] = {}
    for number, what, value in _CPU.findall(text)[: 2 * AT_MOST]:
        if what == "physical_package_id":
            packages[int(number)] = value.strip()
        elif listed := cpu_list(value):
            groups[int(number)] = tuple(listed)
    if not packages:
        return None
    cores = {group for group in groups.values() if group} if packages.keys() == groups.keys() else None
    nodes = _NODE.findall(text)
    isolated = _ISOLATED.search(text)
    shut_off = isolated[1].strip() if isolated else ""
    known = isolated is not None and cpu_list(shut_off) is not None
    return {
        "vendor": _vendor(text),
        "model": _field(text, "model name") or _field(text, "CPU part"),
        "sockets": len(set(packages.values())),
        "cores": len(cores) if cores is not None else None,
        "threads": len(packages),
        "numa_nodes": len(nodes) or None,
        "siblings": [list(group) for group in sorted(cores)] if cores is not None else None,
        "isolated": shut_off[:250] if known else None,
    }


def _field(text: str, name: str) -> str | None:
    found = re.search(rf"^{name}[ \t]*:[ \t]*(.*)$", text, re.MULTILINE)
    return word(found[1].strip()) if found else None


def _vendor(text: str) -> str | None:
    implementer = _field(text, "CPU implementer")
    return _field(text, "vendor_id") or (_ARM.get(implementer, implementer) if implementer else None)


def modules(text: str) -> dict[str, Json] | None:
    """Script `modules`: name > version (null where it has none) and flavour; None without /proc/modules.

    A module that is not part of the kernel's own tree is marked O in /proc/modules.
    """
    loaded = _MODULE.findall(text)[:AT_MOST]
    if not loaded:
        return None
    versions = dict(_MODULE_VERSION.findall(text))
    return {
        name: {
            "version": versions.get(name, "").strip()[:120] or None,
            "flavour": "vendor" if "O" in taint else "in-tree",
        }
        for name, state, taint in loaded
        if state == "Live"
    }


def versions_of_modules(text: str) -> dict[str, str]:
    """Script `modules`: the version of each module that says one, of those built into the kernel too."""
    return {name: version.strip()[:120] for name, version in _MODULE_VERSION.findall(text)[:AT_MOST]}


def packages(text: str) -> dict[str, Json] | None:
    """Script `packages`: name > version of the installed ones that matter; several versions of one: with commas."""
    head, _, rest = text.partition("\n")
    if head not in ("= dpkg", "= rpm", "= apk"):
        return None
    found: dict[str, list[str]] = {}
    for line in rest.splitlines()[:AT_MOST]:
        if pair := _package(head, line):
            found.setdefault(pair[0][:120], []).append(pair[1][:120])
    return {name: ", ".join(sorted(set(versions)))[:120] for name, versions in sorted(found.items())}


def _package(manager: str, line: str) -> tuple[str, str] | None:
    words = line.split()
    match manager, words:
        case "= dpkg", [name, version, status] if status[1:2] == "i":  # second letter: what it is, not what is wanted
            return name, version
        case "= rpm", [name, version]:
            return name, version
        case "= apk", [full] if found := re.fullmatch(r"(\S{1,120}?)-([0-9]\S*-r[0-9]{1,6})", full):
            return found[1], found[2]
        case _:
            return None


def processes(text: str) -> dict[str, Json] | None:
    """Script `processes`: daemon > pid and started_s (seconds after boot: it stays, while an age would not).

    A second process of one name is `NAME 2`, in the order of their start. None where no process could be seen.
    """
    if re.search(r"^= [1-9][0-9]{0,6}$", text, re.MULTILINE) is None:
        return None
    rows = []
    for pid, name, rest in _STAT.findall(text)[:AT_MOST]:
        fields = rest.split()
        ticks = whole(fields[_STARTED]) if len(fields) > _STARTED else None
        if ticks is not None and ticks >= 0:
            rows.append((ticks, int(pid), name))
    made: dict[str, Json] = {}
    for ticks, pid, name in sorted(rows):
        count = sum(key == name or key.startswith(f"{name} ") for key in made)
        made[name if not count else f"{name} {count + 1}"] = {"pid": pid, "started_s": ticks / _TICKS_PER_S}
    return made


def cmdline(text: str) -> str | None:
    """/proc/cmdline, at most 4,000 characters, values of what sounds like a secret taken out."""
    words = [_SECRET.sub(r"\1=(redacted)", part) for part in text.split()]
    return " ".join(words)[:AT_MOST] or None


def number(text: str) -> int | None:
    """One whole number and nothing else."""
    return whole(text.strip())


def booted_at(text: str) -> int | None:
    """The line btime of /proc/stat: seconds since 1970."""
    found = re.fullmatch(r"btime ([0-9]{1,12})", text.strip())
    return int(found[1]) if found else None


def devlink(text: str) -> dict[str, dict[str, Json]] | None:
    """`devlink -j dev info`: PCI address > serial, api, nvm (running), stored (what becomes active later)."""
    found = document(text)
    if not isinstance(found, Mapping) or not isinstance(found.get("info"), Mapping):
        return None
    made: dict[str, dict[str, Json]] = {}
    for handle, about in mapping(found["info"]).items():
        row = mapping(about)
        versions = mapping(row.get("versions"))
        running, stored = mapping(versions.get("running")), mapping(versions.get("stored"))
        made[handle.partition("/")[2][:64]] = {
            "serial": word(row.get("serial_number")),
            "api": word(running.get("fw.mgmt.api")),
            "running": {k[:64]: word(v) for k, v in list(running.items())[:64]},
            "stored": {k[:64]: word(v) for k, v in list(stored.items())[:64]},
        }
    return made


def driver_log(text: str) -> dict[str, str]:
    """Start messages of Intel drivers: PCI address > AdminQ API.

    `i40e 0000:01:00.0: fw 8.13.63341 api 1.12 nvm 8.00 0x80008b82 1.2839.0`. Empty where the log no longer has them.
    """
    pattern = r"([0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]): fw \S{1,40} api ([0-9]{1,5}\.[0-9]{1,5}) nvm "
    return dict(re.findall(pattern, text)[:AT_MOST])
