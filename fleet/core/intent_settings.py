"""The settings that a profile may hold: their names, values, where they lie in the facts. docs/intent.md lists them."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

from fleet.core import intent_vpp
from fleet.core.model import Json, Reason
from fleet.core.versions import Range, Version

# An interface in brackets: "nic.queues[eth1]". Interface names hold no slash or space (kernel: dev_valid_name).
_KEY = re.compile(r"(?P<path>[^\[\]]+)(?:\[(?P<interface>[^\[\]/\s]{1,64})\])?")
_CPUS = re.compile(r"[0-9]{1,5}(-[0-9]{1,5})?(,[0-9]{1,5}(-[0-9]{1,5})?)*")
_HEX_KEY = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){3,127}")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
# More CPUs than any machine has: an interval from 0 to a billion would be a list of a billion numbers.
MOST_CPUS = 8192


class Kind(StrEnum):
    """What a profile is about; each setting belongs to one kind."""

    NIC = "nic"
    KERNEL = "kernel"
    DRIVER = "driver"
    FIRMWARE = "firmware"
    ROUTING = "routing"
    DATAPLANE = "dataplane"
    ADAPTER = "adapter"


Check = Callable[[Json], "str | None"]  # what was wanted instead, or None


@dataclass(frozen=True)
class Setting:
    """One setting, or one family of them: the last `<...>` of its pattern stands for any name."""

    pattern: str
    kind: Kind
    about: str
    form: str
    check: Check

    @property
    def per_interface(self) -> bool:
        return self.kind is Kind.NIC

    def name_in(self, path: str) -> str | None:
        """What stands for `<...>` in a path of this pattern ("" where the pattern has none); None: not this one."""
        before, mark, after = self.pattern.partition("<")
        if not mark:
            return "" if path == self.pattern else None
        tail = after.partition(">")[2]
        found = path.startswith(before) and path.endswith(tail) and len(path) > len(before) + len(tail)
        return path[len(before) : len(path) - len(tail)] if found else None


def whole(least: int, most: int) -> Check:
    def check(value: Json) -> str | None:
        fits = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
        return None if fits else f"a whole number from {least} to {most}"

    return check


def one_of(*words: str) -> Check:
    return lambda value: None if value in words and isinstance(value, str) else f"one of {', '.join(words)}"


def a_text(value: Json) -> str | None:
    plain = isinstance(value, str) and value.strip() and len(value) <= 255 and value.isprintable()
    return None if plain else "a text of at most 255 characters on one line"


def a_word(value: Json) -> str | None:
    return None if isinstance(value, str) and _WORD.fullmatch(value) else "a name"


def a_truth(value: Json) -> str | None:
    return None if isinstance(value, bool) else "true or false"


def a_truth_or_number(value: Json) -> str | None:
    return None if isinstance(value, bool) or whole(0, 2**32 - 1)(value) is None else "true, false or a whole number"


def a_truth_or_text(value: Json) -> str | None:
    return None if isinstance(value, bool) or a_text(value) is None else "true (there), false (not there) or a text"


def a_sysctl(value: Json) -> str | None:
    number = isinstance(value, int) and not isinstance(value, bool)
    return None if number or a_text(value) is None else "a whole number or a text on one line"


def a_version(value: Json) -> str | None:
    if isinstance(value, str) and not isinstance(Range.parse(value), Reason):
        return None
    return "a version or a range of versions, such as 2.13.10, 6.1.* or >= 8.30"


def a_nvm(value: Json) -> str | None:
    if isinstance(value, str) and not isinstance(Range.parse(value, Version.nvm), Reason):
        return None
    return "an NVM version or a range of them, such as 8.30 or >= 8.30"


def a_module(value: Json) -> str | None:
    return None if isinstance(value, bool) or a_version(value) is None else "true, false or a version"


def an_rss_key(value: Json) -> str | None:
    fits = isinstance(value, str) and _HEX_KEY.fullmatch(value.lower())
    return None if fits else "bytes in hexadecimal with colons, as ethtool -x prints them"


def an_indirection(value: Json) -> str | None:
    queues = isinstance(value, list) and 0 < len(value) <= 4096 and all(whole(0, 1023)(q) is None for q in value)
    equal = isinstance(value, Mapping) and set(value) == {"equal"} and whole(1, 1024)(value["equal"]) is None
    return None if queues or equal else "a list of queues, one per bucket, or {equal: QUEUES}"


def a_flow_hash(value: Json) -> str | None:
    fits = isinstance(value, str) and 0 < len(value) <= 8 and set(value) <= set("mvtsdfnrep")
    return None if fits and len(set(value)) == len(value) else "letters as ethtool -N takes them, such as sdfn"


def a_cpu_list(value: Json) -> str | None:
    if isinstance(value, Mapping):
        fits = value and all(isinstance(k, str) and k and cpus(v) is not None for k, v in value.items())
        return None if fits else "CPUs of each queue or vector: {eth1-rx-0: 2, eth1-rx-1: 3}"
    return None if cpus(value) is not None else "CPUs such as 2-5,8, or those of each queue or vector"


def cpus(value: Json) -> frozenset[int] | None:
    """The CPUs of "2-5,8", of a number, or of a list of numbers; None for what is none of them."""
    if isinstance(value, int) and not isinstance(value, bool):
        return frozenset({value}) if 0 <= value < MOST_CPUS else None
    if isinstance(value, list):
        numbers = [v for v in value if isinstance(v, int) and not isinstance(v, bool) and 0 <= v < MOST_CPUS]
        return frozenset(numbers) if len(numbers) == len(value) else None
    if not isinstance(value, str) or not _CPUS.fullmatch(value):
        return None
    found: set[int] = set()
    for part in value.split(","):
        low, _, high = part.partition("-")
        first, last = int(low), int(high or low)
        if first > last or last >= MOST_CPUS:
            return None
        found.update(range(first, last + 1))
    return frozenset(found)


_N, _K, _D = Kind.NIC, Kind.KERNEL, Kind.DATAPLANE
SETTINGS: Sequence[Setting] = (
    Setting("nic.queues", _N, "queues (combined, or receive and transmit alike)", "8", whole(1, 1024)),
    Setting("nic.rings.rx", _N, "receive descriptors", "4096", whole(1, 65536)),
    Setting("nic.rings.tx", _N, "transmit descriptors", "4096", whole(1, 65536)),
    Setting("nic.rss.key", _N, "hash key", '"6d:5a:..."', an_rss_key),
    Setting("nic.rss.indir", _N, "indirection table", "{equal: 8}, or [0, 1, ...]", an_indirection),
    Setting("nic.flow_hash.<protocol>", _N, "fields that are hashed", "sdfn", a_flow_hash),
    Setting("nic.coalesce.<name>", _N, "interrupt coalescing", "50", a_truth_or_number),
    Setting("nic.offload.<name>", _N, "an offload", "true, false", a_truth),
    Setting("nic.priv_flags.<name>", _N, "a private flag of the driver", "true, false", a_truth),
    Setting("nic.affinity", _N, "CPUs that take its interrupts", '"2-5"', a_cpu_list),
    Setting("nic.rps", _N, "CPUs that receive packets (RPS)", '"2-5"', a_cpu_list),
    Setting("nic.xps", _N, "CPUs that send packets (XPS)", '"2-5"', a_cpu_list),
    Setting("kernel.version", _K, "running kernel", '"6.1.*"', a_version),
    Setting("kernel.cmdline.<parameter>", _K, "a parameter of the command line", '"2-5", true, false', a_truth_or_text),
    Setting("kernel.sysctl.<key>", _K, "a kernel setting", "1", a_sysctl),
    Setting("kernel.modules.<module>", _K, "a module: loaded, not loaded, its version", "true, false", a_module),
    Setting(
        "driver.<family>.flavour", Kind.DRIVER, "where the driver comes from", "in-tree, vendor",
        one_of("in-tree", "vendor"),
    ),
    Setting("driver.<family>.version", Kind.DRIVER, "version of the driver", '"2.14.*"', a_version),
    Setting("firmware.<family>.nvm", Kind.FIRMWARE, "firmware of the cards", '">= 8.30"', a_nvm),
    Setting("routing.suite", Kind.ROUTING, "routing suite", "frr, bird", one_of("frr", "bird")),
    Setting("routing.suite_version", Kind.ROUTING, "version of the routing suite", '"8.4.*"', a_version),
    Setting("dataplane.kind", _D, "what forwards", "kernel, vpp", one_of("kernel", "vpp")),
    Setting("dataplane.keep", _D, "interfaces that stay with the kernel", "eth0", intent_vpp.interfaces),
    Setting("dataplane.access", _D, "how VPP gets at packets", "dpdk, af_packet, af_xdp", one_of(*intent_vpp.ACCESS)),
    Setting("dataplane.workers", _D, "cores of VPP", "4", whole(0, 256)),
    Setting("dataplane.routes", _D, "routes that must fit", "1200000", whole(0, 20_000_000)),
    Setting("dataplane.buffers", _D, "buffers of packets, on each NUMA node", "128000", whole(2_048, 4_000_000)),
    Setting("dataplane.loopback6", _D, "takes the loopback's IPv6 addresses", "eth1", intent_vpp.an_interface),
    Setting("dataplane.members", _D, "what descriptions of members match", "a pattern", a_text),
    Setting("dataplane.config", _D, "laid over VPP's configuration", "{interfaces: {...}}", intent_vpp.a_config),
    Setting("adapter.policy", Kind.ADAPTER, "adapter policy of the service profile", "a name", a_word),
)  # fmt: skip


def split(key: str) -> tuple[str, str]:
    """Path and interface of "nic.queues[eth1]"; no interface is ""."""
    found = _KEY.fullmatch(key)
    return (found["path"], found["interface"] or "") if found else (key, "")


def join(path: str, interface: str) -> str:
    """The opposite of `split`."""
    return f"{path}[{interface}]" if interface else path


def setting_of(path: str) -> tuple[Setting, str] | None:
    """The setting of a path and what stands for its `<...>`; None: no such setting."""
    for setting in SETTINGS:
        name = setting.name_in(path)
        if name is not None and (name or "<" not in setting.pattern):
            return setting, name
    return None


def refuse(kind: str, key: str, value: Json) -> Reason | None:
    """Why a profile of this kind may not hold this setting with this value; None: it may. `null` is always a value."""
    path, interface = split(key)
    found = setting_of(path)
    if found is None:
        patterns = [s.pattern for s in SETTINGS]
        close = get_close_matches(path, patterns, n=1, cutoff=0.7)
        remedy = f"Did you mean {close[0]}? " if close else ""
        of_kind = [s.pattern for s in SETTINGS if s.kind == kind]
        return Reason(key[:100], "no such setting", "one of " + ", ".join(of_kind), remedy + "docs/intent.md has all.")
    setting, name = found
    if setting.kind != kind:
        return Reason(
            key,
            f"a {setting.kind} setting in a {kind} profile",
            f"{kind} settings",
            f"Put it into a {setting.kind} profile.",
        )
    if interface and not setting.per_interface:
        return Reason(key, f"the interface {interface}", "no interface: it is one for the device", f"Write {path}.")
    if name and not name.isprintable():
        return Reason(repr(key[:100]), "a character that is not printable", "a plain name")
    wanted = None if value is None else setting.check(value)
    if wanted is None:
        return None
    return Reason(key, _shown(value), wanted, f"It is {setting.about}; docs/intent.md shows each.")


def _shown(value: Json) -> str:
    text = repr(value) if not isinstance(value, bool) else str(value).lower()
    return text if len(text) <= 60 else text[:57] + "..."
