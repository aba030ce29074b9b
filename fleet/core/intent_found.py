"""What the facts of a device say about one setting: a value, "unknown", or "not of this device". Pure; never raises."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fleet.core.intent_settings import Setting
from fleet.core.model import Json

_NOTHING: Mapping[str, Json] = {}
_SILENT = "the facts do not say"
# Part of a setting's name -> how the facts call what they could not read of an interface.
_SECTIONS = {
    "queues": "channels", "rings": "rings", "rss": "rss", "coalesce": "coalesce", "offload": "offloads",
    "priv_flags": "priv_flags", "affinity": "affinity", "rps": "rps", "xps": "xps",
}  # fmt: skip
# What people write and what `ethtool -k` prints.
_OFFLOADS = {
    "gro": "generic-receive-offload", "gso": "generic-segmentation-offload", "tso": "tcp-segmentation-offload",
    "lro": "large-receive-offload", "rx": "rx-checksumming", "tx": "tx-checksumming", "sg": "scatter-gather",
    "rxvlan": "rx-vlan-offload", "txvlan": "tx-vlan-offload", "ntuple": "ntuple-filters", "rxhash": "receive-hashing",
}  # fmt: skip
_SHORT = {long: short for short, long in _OFFLOADS.items()}


@dataclass(frozen=True)
class Value:
    """The facts say this."""

    value: Json


@dataclass(frozen=True)
class Unknown:
    """The facts do not say; why, as far as they say that."""

    why: str


@dataclass(frozen=True)
class NotApplicable:
    """The device has nothing that this setting is about."""

    why: str


Found = Value | Unknown | NotApplicable


def section(value: Json, key: str) -> Mapping[str, Json] | None:
    """A mapping under a key; None for anything else."""
    found = value.get(key) if isinstance(value, Mapping) else None
    return found if isinstance(found, Mapping) else None


def cards(facts: Json) -> dict[str, Mapping[str, Json]]:
    """Interface -> its facts, for those with a driver and queues, rings or a PCI address: what NIC settings are about.

    Bonds, bridges and VLANs have a driver's name as well, and none of the three.
    """
    found: dict[str, Mapping[str, Json]] = {}
    for name, about in (section(facts, "interfaces") or _NOTHING).items():
        nic = section(about, "nic")
        if nic is None or not isinstance(nic.get("driver"), str) or not nic["driver"] or name == "lo":
            continue
        bus = nic.get("bus")
        on_pci = isinstance(bus, str) and bus.count(":") == 2
        if on_pci or section(about, "channels") is not None or section(about, "rings") is not None:
            found[name] = about
    return found


def names_of(card: Mapping[str, Json]) -> frozenset[str]:
    """Under which a NIC model may be named: PCI ids "8086:1583" and the driver; in lower case."""
    nic = section(card, "nic") or _NOTHING
    pci = section(nic, "pci") or _NOTHING
    ids = f"{pci.get('vendor')}:{pci.get('device')}"
    return frozenset(n.lower() for n in (ids, nic.get("driver")) if isinstance(n, str) and n and "None" not in n)


def look_up(setting: Setting, name: str, interface: str, facts: Json) -> Found:
    """What the facts say about a setting; `name` stands for its `<...>`, `interface` is "" for the whole device."""
    if not isinstance(facts, Mapping) or not facts:
        return Unknown("never observed")
    if setting.per_interface:
        return _of_interface(setting.pattern, name, interface, facts)
    return _OF_DEVICE[setting.pattern](name, facts)


def _unknown(facts: Mapping[str, Json], *sections: str) -> Unknown:
    """Not known, with what the device answered instead."""
    said = section(facts, "unknown") or _NOTHING
    words = [f"{name}: {said[name]}" for name in sections if isinstance(said.get(name), str) and said[name]]
    return Unknown("; ".join(words)[:300] or _SILENT)


def _of_interface(pattern: str, name: str, interface: str, facts: Mapping[str, Json]) -> Found:
    listed = section(facts, "interfaces")
    if listed is None:
        return _unknown(facts, "interfaces")
    about = section(listed, interface)
    if about is None:
        return Unknown(f"no interface {interface} was seen" if interface else "no interface with a NIC was seen")
    value = _ON_CARD[pattern](about, name)
    if value is not None:
        return Value(value)
    what = f"flow {name}" if pattern.startswith("nic.flow_hash") else _SECTIONS.get(pattern.split(".")[1], "")
    said = _unknown(facts, f"{what}:{interface}", "ethtool")
    return said if said.why != _SILENT else Unknown(f"the driver of {interface} does not say")


def _queues(about: Mapping[str, Json], _: str) -> Json:
    """Combined where the card has that, else receive and transmit when they are alike, else both."""
    found = section(about, "channels") or _NOTHING
    most = section(found, "max") or _NOTHING
    combined, rx, tx = (found.get(key) for key in ("combined", "rx", "tx"))
    if isinstance(combined, int) and (combined > 0 or most.get("combined")):
        return combined
    if isinstance(rx, int) and isinstance(tx, int):
        return rx if rx == tx else {"rx": rx, "tx": tx}
    return None


def _under(*keys: str) -> Callable[[Mapping[str, Json], str], Json]:
    """The value under these keys of an interface, `<name>` standing for the name."""

    def value(about: Mapping[str, Json], name: str) -> Json:
        here: Json = about
        for key in keys:
            here = here.get(name if key == "<name>" else key) if isinstance(here, Mapping) else None
        return here

    return value


def _offload(about: Mapping[str, Json], name: str) -> Json:
    found = section(about, "offloads") or _NOTHING
    return next((found[n] for n in (name, _OFFLOADS.get(name, ""), _SHORT.get(name, "")) if n in found), None)


_ON_CARD: Mapping[str, Callable[[Mapping[str, Json], str], Json]] = {
    "nic.queues": _queues,
    "nic.rings.rx": _under("rings", "rx"),
    "nic.rings.tx": _under("rings", "tx"),
    "nic.rss.key": _under("rss", "key"),
    "nic.rss.indir": _under("rss", "indirection"),
    "nic.flow_hash.<protocol>": _under("flow_hash", "<name>"),
    "nic.coalesce.<name>": _under("coalesce", "<name>"),
    "nic.offload.<name>": _offload,
    "nic.priv_flags.<name>": _under("priv_flags", "<name>"),
    "nic.affinity": _under("affinity"),
    "nic.rps": _under("rps"),
    "nic.xps": _under("xps"),
}


def _text_of(value: Json, facts: Mapping[str, Json], name: str) -> Found:
    return Value(value) if isinstance(value, str) and value else _unknown(facts, name)


def _cmdline(name: str, facts: Mapping[str, Json]) -> Found:
    """The last value of a parameter, true for one without a value, false for one that is not there."""
    line = facts.get("cmdline")
    if not isinstance(line, str):
        return _unknown(facts, "cmdline")
    found: Json = False
    for word in line.split():
        key, equals, value = word.partition("=")
        if key.replace("-", "_") == name.replace("-", "_"):  # the kernel takes both (parameq in kernel/params.c)
            found = value.strip('"') if equals else True
    return Value(found)


def _sysctl(name: str, facts: Mapping[str, Json]) -> Found:
    value = (section(facts, "sysctl") or _NOTHING).get(name)
    return _unknown(facts, "sysctl") if value is None else Value(value)


def _module(name: str, facts: Mapping[str, Json]) -> Found:
    """The module's version, true where it has none, false where it is not loaded."""
    loaded = section(facts, "modules")
    if loaded is None:
        return _unknown(facts, "modules")
    here = {key.replace("-", "_"): about for key, about in loaded.items()}.get(name.replace("-", "_"), False)
    version = here.get("version") if isinstance(here, Mapping) else None
    return Value(here is not False if not isinstance(version, str) or not version else version)


def _word(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None


def _of_family(key: str) -> Callable[[str, Mapping[str, Json]], Found]:
    """One value when all cards of the driver family say the same, else interface -> value, None where not told."""

    def look(family: str, facts: Mapping[str, Json]) -> Found:
        if section(facts, "interfaces") is None:
            return _unknown(facts, "interfaces")
        nics = {name: section(about, "nic") or _NOTHING for name, about in cards(facts).items()}
        mine = {name: _word(nic.get(key)) for name, nic in nics.items() if nic.get("driver") == family}
        if not mine:
            return _no_card(family, facts)
        if not any(mine.values()):
            return Unknown(f"not told by {', '.join(mine)}"[:300])
        return Value(next(iter(mine.values())) if len(set(mine.values())) == 1 else mine)

    return look


def _no_card(family: str, facts: Mapping[str, Json]) -> Found:
    """Not of this device only where every interface with a PCI address or queues has told its driver."""
    if cards(facts):
        return NotApplicable(f"no card with the driver {family}")
    return Unknown("no interface with a NIC was seen")


def _routing(key: str) -> Callable[[str, Mapping[str, Json]], Found]:
    def look(_: str, facts: Mapping[str, Json]) -> Found:
        routing = section(facts, "routing") or _NOTHING
        if routing.get("suite") == "none":
            return NotApplicable("it runs no routing suite")
        return _text_of(routing.get(key), facts, "routing")

    return look


def _adapter(_: str, facts: Mapping[str, Json]) -> Found:
    return _text_of((section(facts, "adapter") or _NOTHING).get("policy"), facts, "adapter")


def _vpp_begins(_: str, facts: Mapping[str, Json]) -> Found:
    """How VPP begins is asked for on the way to it; what it began with is not read from a router that has it."""
    found = _text_of(facts.get("dataplane"), facts, "dataplane")
    if isinstance(found, Unknown):
        return found
    has = "VPP runs" if found == Value("vpp") else "the kernel forwards"
    return NotApplicable(f"{has}: counts when a router goes to VPP")


def _vpp_config(_: str, facts: Mapping[str, Json]) -> Found:
    """The configuration that vppcfg applied last, as a mapping ("applied" of the section vpp; its text is "config")."""
    found = _text_of(facts.get("dataplane"), facts, "dataplane")
    if found != Value("vpp"):
        return found if isinstance(found, Unknown) else NotApplicable("the kernel forwards: counts once VPP does")
    applied = section(section(facts, "vpp"), "applied")
    return Unknown("no configuration of vppcfg that can be read") if applied is None else Value(dict(applied))


_BEGINS = ("keep", "access", "workers", "routes", "buffers", "loopback6", "members")
_OF_DEVICE: Mapping[str, Callable[[str, Mapping[str, Json]], Found]] = {
    "kernel.version": lambda _, facts: _text_of(facts.get("kernel"), facts, "kernel"),
    "kernel.cmdline.<parameter>": _cmdline,
    "kernel.sysctl.<key>": _sysctl,
    "kernel.modules.<module>": _module,
    "driver.<family>.flavour": _of_family("flavour"),
    "driver.<family>.version": _of_family("version"),
    "firmware.<family>.nvm": _of_family("nvm"),
    "routing.suite": _routing("suite"),
    "routing.suite_version": _routing("version"),
    "dataplane.kind": lambda _, facts: _text_of(facts.get("dataplane"), facts, "dataplane"),
    **{f"dataplane.{name}": _vpp_begins for name in _BEGINS},
    "dataplane.config": _vpp_config,
    "adapter.policy": _adapter,
}
