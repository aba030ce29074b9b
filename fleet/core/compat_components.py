"""The components of a device: what runs on it now, what an artifact brings, and what a change means to change."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from fleet.core.compat_hardware import flavour, hardware
from fleet.core.model import Json, Reason

KERNEL = "kernel"
# Paths of components are "kernel" or KIND.NAME: driver.i40e, firmware.i40e, routing.frr, dataplane.vpp.
KINDS = frozenset({KERNEL, "driver", "firmware", "routing", "dataplane", "package", "file"})
# What an advisory may ask of a device beyond versions.
FEATURES = ("ospf3", "vpp", "ipv6-on-loopback", "stub-interface")
FLAVOURS = ("in-tree", "vendor")
_CPU_VENDORS = {"genuineintel": "intel", "authenticamd": "amd"}
_LOOPBACK = re.compile(r"(lo|dummy)\d+|loop\d*")


@dataclass(frozen=True)
class Component:
    """One component with its version. `api`: of firmware, the AdminQ API version. Empty text: not known."""

    path: str
    version: str = ""
    flavour: str = ""
    api: str = ""

    def __str__(self) -> str:
        return f"{self.flavour} {self.version}".strip() or "an unknown version"


@dataclass(frozen=True)
class Adapter:
    """One network adapter as it runs now."""

    interface: str
    family: str
    model: str
    flavour: str
    driver: str
    nvm: str
    api: str


@dataclass(frozen=True)
class Running:
    """What runs on one device. `features`: name -> True, False, or None where the facts do not say.

    `unknown`: groups of components that the facts do not tell (all of them, for a device never observed).
    """

    name: str
    kernel: str = ""
    cpu_vendor: str = ""
    components: tuple[Component, ...] = ()
    adapters: tuple[Adapter, ...] = ()
    features: Mapping[str, bool | None] = field(default_factory=dict)
    unknown: frozenset[str] = KINDS

    def of(self, path: str) -> tuple[Component, ...]:
        """The component of this path; several when adapters of one family differ."""
        return tuple(c for c in self.components if c.path == path)

    @property
    def likeness(self) -> tuple[object, ...]:
        """Equal for devices on which the very same runs: all but names, of the device and of its interfaces."""
        adapters = tuple(dict.fromkeys((a.family, a.model, a.flavour, a.driver, a.nvm, a.api) for a in self.adapters))
        features = tuple(sorted(self.features.items()))
        return (self.kernel, self.cpu_vendor, self.components, adapters, features, self.unknown)


def running(name: str, facts: Mapping[str, Json]) -> Running:
    """What the facts of a device say. Never raises: what is missing or of another shape is unknown."""
    kernel = _text(facts.get("kernel"))
    interfaces = facts.get("interfaces")
    modules = _mapping(facts.get("modules"))
    adapters = tuple(dict.fromkeys(_adapters(_mapping(interfaces), modules, kernel)))
    packages = facts.get("packages")
    routing = _mapping(facts.get("routing"))
    components = [
        *([Component(KERNEL, kernel)] if kernel else []),
        *(Component(f"driver.{a.family}", a.driver, a.flavour) for a in adapters),
        *(Component(f"firmware.{a.family}", a.nvm, api=a.api) for a in adapters if a.nvm),
        *_routing(routing),
        *(Component(f"package.{key}", _text(value)) for key, value in _mapping(packages).items()),
        *([Component("dataplane.vpp", version)] if (version := _vpp(facts)) else []),
    ]
    unknown = {
        *([] if kernel else [KERNEL]),
        *([] if isinstance(interfaces, Mapping) else ["driver", "firmware"]),
        *([] if isinstance(packages, Mapping) else ["package", "dataplane"]),
        *([] if routing.get("suite") == "none" or routing.get("version") else ["routing"]),
        "file",  # no observation lists the files of /lib/firmware
    }
    cpu = _text(_mapping(facts.get("cpu")).get("vendor")).lower()
    return Running(
        name=name,
        kernel=kernel,
        cpu_vendor=_CPU_VENDORS.get(cpu, cpu),
        components=tuple(dict.fromkeys(components)),
        adapters=adapters,
        features=_features(facts, routing, _mapping(interfaces)),
        unknown=frozenset(unknown),
    )


def _adapters(interfaces: Mapping[str, Json], modules: Mapping[str, Json], kernel: str) -> Iterator[Adapter]:
    for name, value in interfaces.items():
        row = _mapping(value)
        nic = _mapping(row.get("nic"))
        pci = _mapping(nic.get("pci") or row.get("pci"))
        driver = _text(nic.get("driver"))
        # A virtual interface (veth, bridge, bond) has a driver by name, and nothing that could go together or not.
        if not pci and not _text(nic.get("bus")):
            continue
        found = hardware(_text(pci.get("vendor")), _text(pci.get("device")), driver)
        if not found.family:
            continue
        version = _text(nic.get("version")) or _text(_mapping(modules.get(driver)).get("version"))
        said = nic.get("flavour") or row.get("flavour") or _mapping(modules.get(driver)).get("flavour")
        nvm = _text(nic.get("nvm")) or _text(nic.get("firmware")).partition(" ")[0]
        kind = said if said in FLAVOURS else flavour(found.family, version, kernel)
        yield Adapter(str(name), found.family, found.model, kind, version, nvm, _text(nic.get("api")))


def _routing(routing: Mapping[str, Json]) -> Iterator[Component]:
    suite = _text(routing.get("suite"))
    if suite and suite != "none":
        yield Component(f"routing.{suite}", _text(routing.get("version")))


def _vpp(facts: Mapping[str, Json]) -> str:
    return _text(_mapping(facts.get("packages")).get("vpp")) or _text(_mapping(facts.get("vpp")).get("version"))


def _features(
    facts: Mapping[str, Json], routing: Mapping[str, Json], interfaces: Mapping[str, Json]
) -> Mapping[str, bool | None]:
    """What advisories may ask of a device beyond versions."""
    config = routing.get("running_config")
    listed = routing.get("daemon_list") or routing.get("daemons")
    daemons = {str(d) for d in listed} if isinstance(listed, Mapping | list) else None
    dataplane = facts.get("dataplane")
    made: dict[str, bool | None] = {
        "ospf3": _has_ospf3(config, daemons),
        "vpp": dataplane == "vpp" if isinstance(dataplane, str) else None,
        "ipv6-on-loopback": _loopback(interfaces) if interfaces else None,
        "stub-interface": "stub yes" in config or "passive" in config if isinstance(config, str) else None,
    }
    return made


def _has_ospf3(config: Json, daemons: set[str] | None) -> bool | None:
    if isinstance(config, str) and ("router ospf6" in config or "ospf v3" in config):
        return True
    if daemons is not None and "ospf6d" in daemons:
        return True
    return False if isinstance(config, str) and config else None


def _loopback(interfaces: Mapping[str, Json]) -> bool:
    return any(
        ":" in str(address)
        for name, row in interfaces.items()
        if _LOOPBACK.fullmatch(str(name))
        for address in _sequence(_mapping(row).get("addresses"))
        if not str(address).startswith("fe80")
    )


# -- what an artifact brings


@dataclass(frozen=True)
class Brought:
    """What an artifact would put onto a device, and what in its list could not be read."""

    artifact: str
    components: Mapping[str, Component] = field(default_factory=dict)
    intended: frozenset[str] = frozenset()  # what choosing this artifact names by itself: a kernel package the kernel
    wrong: tuple[Reason, ...] = ()


def brought(kind: str, name: str, version: str, brings: Json) -> Brought:
    """Read `Artifact.brings`: [{kind, name, version, flavour, api}]. Never raises.

    An artifact that is one component itself (all but an image) brings at least that one, and choosing it names it.
    """
    label = f"{name} {version}".strip()
    made: dict[str, Component] = {}
    own = KERNEL if kind == KERNEL else f"{kind}.{name}" if kind in {"driver", "firmware", "package"} else ""
    if own:
        made[own] = Component(own, version, "vendor" if kind == "driver" else "")
    wrong: list[Reason] = []
    if brings is not None and not isinstance(brings, list):
        wrong.append(_wrong(label, f"a {type(brings).__name__}"))
    for number, value in enumerate(_sequence(brings), 1):
        component = _component(value)
        if isinstance(component, Component):
            made[component.path] = component
        else:
            wrong.append(_wrong(label, f"component {number}: {component}"))
    return Brought(label, made, frozenset({own} - {""}), tuple(wrong))


def _wrong(label: str, found: str) -> Reason:
    wanted = "a list of components, each with kind, name and version"
    return Reason(f"what {label} brings", found, wanted, "Mend the artifact's list; docs/compat.md shows one.")


def _component(value: Json) -> Component | str:
    """One component of the list, or what is wrong with it."""
    body = _mapping(value)
    kind, name, flavour_ = _text(body.get("kind")), _text(body.get("name")), _text(body.get("flavour"))
    version = _text(body.get("version")) or _text(body.get("nvm"))
    if kind not in KINDS or (kind != KERNEL and not name):
        return f"kind {kind[:40]!r}, name {name[:40]!r}"
    if flavour_ not in ("", *FLAVOURS):
        return f"flavour {flavour_[:40]!r}"
    if not version and flavour_ != "in-tree":  # an in-tree driver has the version of the kernel it comes with
        return f"{kind} {name[:40]} without a version"
    return Component(KERNEL if kind == KERNEL else f"{kind}.{name}", version, flavour_, _text(body.get("api")))


def intended(text: str) -> Mapping[str, str]:
    """What a change names as meant: "kernel, routing.frr=7.5, driver.i40e=in-tree" -> path -> wanted ("": any)."""
    made = {}
    for part in text.replace("\n", ",").split(","):
        path, _, wanted = part.partition("=")
        if path.strip():
            made[path.strip()] = wanted.strip()
    return made


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def _sequence(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _text(value: Json) -> str:
    return value.strip()[:200] if isinstance(value, str) else ""
