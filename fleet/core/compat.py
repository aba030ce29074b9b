"""Which kernel, driver and firmware go together: rows of the matrix, advisories, and whether one speaks of a device.

Every answer is YES, NO or UNKNOWN; nothing here raises on what a device or a file says. A published row is a hint, the
fleet's own soaked hours count more, and a withdrawn row stays visible as withdrawn (story S0-10).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from fleet.core.compat_components import KERNEL, Adapter, Brought, Component, Running
from fleet.core.compat_hardware import flavour as flavour_of
from fleet.core.model import Reason
from fleet.core.versions import Range, Reader, Version


class Status(StrEnum):
    """Who says so: a vendor or project, this fleet's own people, or nobody any more."""

    PUBLISHED = "published"
    OWN = "own"
    WITHDRAWN = "withdrawn"


class Confidence(StrEnum):
    """How well the row's source supports it."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Says(StrEnum):
    """What a row says of its combination."""

    WORKS = "works"
    AVOID = "avoid"


class Side(StrEnum):
    """On which device an advisory's condition is looked at."""

    DEVICE = "device"
    NEIGHBOUR = "neighbour"


class Trigger(StrEnum):
    """When an advisory bites: while it runs, when the topology changes around it, or when the component is changed."""

    RUNNING = "running"
    TOPOLOGY = "topology"
    CHANGED = "changed"


class Weight(StrEnum):
    """What an advisory does to a plan: it stops it, or it is shown."""

    STOP = "stop"
    WARN = "warn"


class Answer(StrEnum):
    """Does a condition hold?"""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


def all_of(answers: Iterable[Answer]) -> Answer:
    """NO when one is NO, else UNKNOWN when one is UNKNOWN."""
    seen = set(answers)
    return Answer.NO if Answer.NO in seen else Answer.UNKNOWN if Answer.UNKNOWN in seen else Answer.YES


def any_of(answers: Iterable[Answer]) -> Answer:
    """YES when one is YES, else UNKNOWN when one is UNKNOWN; NO for none."""
    seen = set(answers)
    return Answer.YES if Answer.YES in seen else Answer.UNKNOWN if Answer.UNKNOWN in seen else Answer.NO


@dataclass(frozen=True)
class Combination:
    """What must go together on one adapter. Empty text: not known."""

    family: str
    model: str
    flavour: str
    driver: str
    kernel: str
    nvm: str
    api: str = ""
    cpu_vendor: str = ""

    def __str__(self) -> str:
        driver = f"{self.flavour} {self.driver}".strip() or "of unknown version"
        card = f" ({self.model})" if self.model else ""
        return f"{self.family}{card} {driver}, firmware {self.nvm or 'unknown'}, kernel {self.kernel or 'unknown'}"

    @property
    def key(self) -> tuple[object, ...] | None:
        """Equal for what counts as the very same combination; None while a part is unknown, or is no version."""
        parts = (Version.parse(self.driver), Version.parse(self.kernel), Version.nvm(self.nvm))
        if not self.flavour or any(isinstance(part, Reason) for part in parts):
            return None
        return (self.family, self.model, self.flavour, *parts)


def combinations(device: Running) -> tuple[Combination, ...]:
    """The distinct combinations of a device, one per kind of adapter."""
    return tuple(dict.fromkeys(combination(a, device) for a in device.adapters))


def combination(adapter: Adapter, device: Running) -> Combination:
    a = adapter
    return Combination(a.family, a.model, a.flavour, a.driver, device.kernel, a.nvm, a.api, device.cpu_vendor)


@dataclass(frozen=True)
class Condition:
    """What must hold of an adapter and its device. What is not named holds always."""

    family: str = ""
    models: frozenset[str] = frozenset()
    flavour: str = ""
    driver: Range | None = None
    kernel: Range | None = None
    nvm: Range | None = None
    api: Range | None = None
    cpu_vendor: str = ""
    features: frozenset[str] = frozenset()

    def of_adapter(self, found: Combination) -> Answer:
        """Does it hold of this combination? Features are asked of the device."""
        return all_of(
            (
                _same(self.family, found.family),
                _among(self.models, found.model),
                _same(self.flavour, found.flavour),
                within(self.driver, found.driver),
                within(self.kernel, found.kernel),
                within(self.nvm, found.nvm, Version.nvm),
                within(self.api, found.api),
                _same(self.cpu_vendor, found.cpu_vendor),
            )
        )

    def of_device(self, device: Running) -> Answer:
        """Does it hold of a device: of its features, and of one of its adapters where it names hardware?"""
        known = {True: Answer.YES, False: Answer.NO, None: Answer.UNKNOWN}
        features = all_of(known[device.features.get(name)] for name in sorted(self.features))
        if not self.names_hardware:
            software = all_of((within(self.kernel, device.kernel), _same(self.cpu_vendor, device.cpu_vendor)))
            return all_of((features, software))
        adapters = any_of(self.of_adapter(c) for c in combinations(device))
        if adapters is Answer.NO and not device.adapters and "driver" in device.unknown:
            adapters = Answer.UNKNOWN
        return all_of((features, adapters))

    @property
    def names_hardware(self) -> bool:
        ranges = (self.driver, self.nvm, self.api)
        return bool(self.family or self.models or self.flavour or any(r is not None for r in ranges))


def _same(wanted: str, found: str) -> Answer:
    if not wanted or wanted == found:
        return Answer.YES
    return Answer.NO if found else Answer.UNKNOWN


def _among(wanted: frozenset[str], found: str) -> Answer:
    if not wanted or found in wanted:
        return Answer.YES
    return Answer.NO if found else Answer.UNKNOWN


def within(wanted: Range | None, found: str, read: Reader = Version.parse) -> Answer:
    """Is a version, as text, in a range? UNKNOWN for what is no version."""
    if wanted is None or not wanted.bounds:
        return Answer.YES
    version = read(found)
    if isinstance(version, Reason):
        return Answer.UNKNOWN
    return Answer.YES if wanted.holds(version) else Answer.NO


@dataclass(frozen=True)
class Told:
    """Where a row or an advisory comes from, and what became of it. Dates are ISO text, of its publication."""

    source: str
    confidence: Confidence
    status: Status = Status.PUBLISHED
    reference: tuple[str, ...] = ()
    since: str = ""
    until: str = ""
    withdrawn: str = ""
    because: str = ""
    place: str = ""  # file and line

    @property
    def in_words(self) -> str:
        made = f"{self.source} ({self.status}, confidence {self.confidence})"
        if self.status is not Status.WITHDRAWN:
            return made
        return f"{made}, withdrawn{f' on {self.withdrawn}' if self.withdrawn else ''}{_why(self.because)}"


def _why(text: str) -> str:
    return f": {text}" if text else ""


@dataclass(frozen=True)
class Row:
    """One row of the matrix: a combination, and whether it works."""

    id: str
    when: Condition
    told: Told
    says: Says = Says.WORKS
    last_known_good: str = ""
    note: str = ""


@dataclass(frozen=True)
class Advisory:
    """A known fault of a component in a range of versions, and where it bites."""

    id: str
    title: str
    component: str  # path: routing.frr, driver.i40e, kernel, dataplane.vpp
    versions: Range
    symptom: str
    workaround: str
    weight: Weight
    told: Told
    flavour: str = ""
    when: Condition = Condition()
    looks_at: frozenset[Side] = frozenset({Side.DEVICE})
    trigger: Trigger = Trigger.RUNNING
    limits: Mapping[str, int] = field(default_factory=dict)  # for limits: queues and the like, by name
    trace: frozenset[str] = frozenset()  # functions and modules of the panic that it causes

    def of(self, device: Running) -> Answer:
        """Does it speak of this device?"""
        if self.told.status is Status.WITHDRAWN:
            return Answer.NO
        group, _, name = self.component.partition(".")
        if group in {"driver", "firmware"}:
            return self._of_adapters(device, name, firmware=group == "firmware")
        found = [self._holds(c) for c in device.of(self.component)]
        if not found:
            return Answer.UNKNOWN if group in device.unknown and self._possible(device) else Answer.NO
        return all_of((any_of(found), self.when.of_device(device)))

    def _holds(self, component: Component) -> Answer:
        return all_of((within(self.versions, component.version), _same(self.flavour, component.flavour)))

    def _of_adapters(self, device: Running, family: str, *, firmware: bool) -> Answer:
        if "driver" in device.unknown and not device.adapters:
            return Answer.UNKNOWN
        read = Version.nvm if firmware else Version.parse
        here = [c for c in combinations(device) if c.family == family]
        each = (
            all_of(
                (
                    within(self.versions, c.nvm if firmware else c.driver, read),
                    _same(self.flavour, c.flavour),
                    replace(self.when, features=frozenset()).of_adapter(c),
                )
            )
            for c in here
        )
        return all_of((any_of(each), Condition(features=self.when.features).of_device(device)))

    def _possible(self, device: Running) -> bool:
        """Could the component be there at all? A device that runs one routing suite does not run the other."""
        suites = [c for c in device.components if c.path.startswith("routing.")]
        return not (self.component.startswith("routing.") and suites)


@dataclass(frozen=True)
class Knowledge:
    """All rows and advisories there are, and what was wrong in their files."""

    rows: tuple[Row, ...] = ()
    advisories: tuple[Advisory, ...] = ()
    wrong: tuple[Reason, ...] = ()


@dataclass(frozen=True)
class Evidence:
    """What this fleet itself knows of one combination: devices, targets that soaked on it, when it was seen."""

    devices: int = 0
    soaked: int = 0
    soaked_h: float = 0.0
    first_seen: str = ""
    last_seen: str = ""

    @property
    def in_words(self) -> str:
        """Without what changes from day to day: the words are part of a plan, and of what is approved."""
        if not self.devices and not self.soaked:
            return "no evidence of this fleet's own"
        since = f", first seen {self.first_seen[:10]}" if self.first_seen else ""
        return f"own evidence: {self.soaked} soaked for {self.soaked_h:.0f} h, on {self.devices} devices{since}"


# S0-12, S0-17: the leak took 10 to 11 hours to kill a router, and the build that held was tested for a day.
ENOUGH_SOAK_H = 24.0


def match(knowledge: Knowledge, found: Combination) -> tuple[tuple[Row, Answer], ...]:
    """The rows that speak of a combination, or may; own ones first, then published, then withdrawn."""
    order = list(Status)
    order.sort(key=lambda s: (Status.OWN, Status.PUBLISHED, Status.WITHDRAWN).index(s))
    answered = ((row, row.when.of_adapter(found)) for row in knowledge.rows if row.when.family == found.family)
    kept = [(row, answer) for row, answer in answered if answer is not Answer.NO]
    return tuple(sorted(kept, key=lambda pair: (pair[1] is Answer.UNKNOWN, order.index(pair[0].told.status))))


def after(device: Running, what: Brought) -> Running:
    """What would run on a device with everything that an artifact brings. What it does not list is unknown or stays."""
    brings = what.components
    kernel = brings[KERNEL].version if KERNEL in brings else device.kernel
    adapters = tuple(_adapter_after(a, device, what, kernel) for a in device.adapters)
    adapters = tuple(dict.fromkeys(adapters))
    families = {path for a in adapters for path in (f"driver.{a.family}", f"firmware.{a.family}")}
    replaced = {KERNEL, *brings, *families}
    if any(path.startswith("routing.") for path in brings):
        replaced |= {c.path for c in device.components if c.path.startswith("routing.")}
    others = [c for path, c in brings.items() if path.partition(".")[0] not in {KERNEL, "driver", "firmware"}]
    components = (
        *(c for c in device.components if c.path not in replaced),
        *([Component(KERNEL, kernel)] if kernel else []),
        *(Component(f"driver.{a.family}", a.driver, a.flavour) for a in adapters),
        *(Component(f"firmware.{a.family}", a.nvm, api=a.api) for a in adapters if a.nvm),
        *others,
    )
    return replace(device, kernel=kernel, adapters=adapters, components=tuple(dict.fromkeys(components)))


def _adapter_after(adapter: Adapter, device: Running, what: Brought, kernel: str) -> Adapter:
    driver, kind = adapter.driver, adapter.flavour
    if comes := what.components.get(f"driver.{adapter.family}"):
        driver = comes.version or kernel
        kind = comes.flavour or flavour_of(adapter.family, driver, kernel)
    elif KERNEL in what.components and kernel != device.kernel:
        # The kernel's own driver comes with it; whether a vendor's was built for the new kernel, nobody has said.
        follows = adapter.flavour == "in-tree"
        driver, kind = (kernel, "in-tree") if follows else ("", "")
    firmware = what.components.get(f"firmware.{adapter.model}") or what.components.get(f"firmware.{adapter.family}")
    nvm, api = (firmware.version, firmware.api) if firmware else (adapter.nvm, adapter.api)
    return replace(adapter, driver=driver, flavour=kind, nvm=nvm, api=api)
