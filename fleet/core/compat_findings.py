"""What compatibility says about a plan: unplanned components, combinations, advisories on devices and neighbours."""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from fleet.core.compat import (
    ENOUGH_SOAK_H,
    Advisory,
    Answer,
    Combination,
    Evidence,
    Knowledge,
    Row,
    Says,
    Side,
    Status,
    Trigger,
    Weight,
    after,
    combinations,
    match,
)
from fleet.core.compat import Confidence as Sure
from fleet.core.compat_components import KERNEL, KINDS, Brought, Component, Running
from fleet.core.model import Finding, Reason, Severity
from fleet.core.versions import Version

# What a person with the right may override, with a reason. Everything else that is FATAL is mended, never overridden.
OVERRIDABLE = frozenset(
    {"component-unplanned", "compat-withdrawn", "compat-avoid", "advisory", "advisory-neighbour", "brings-unknown"}
)
# Adapters of a hypervisor: their firmware is none, their driver is the kernel's.
_VIRTUAL = frozenset({"virtio_net", "veth", "vmxnet3", "hv_netvsc", "xen_netfront", "ena", "tun", "bridge", "bonding"})
_NAMES_SHOWN = 30


@dataclass(frozen=True)
class Target:
    """A device of the plan: what runs on it, its managed neighbours, and whether it goes out of the topology."""

    device: Running
    neighbours: tuple[str, ...] = ()
    disruptive: bool = True


@dataclass(frozen=True)
class Meant:
    """What a change brings, and what of it is named as meant (path -> wanted version or flavour, "": any)."""

    brought: Brought
    intended: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Said:
    """A finding before the devices it holds for are gathered. `about`: what comes before their names."""

    code: str
    severity: Severity
    about: str
    found: str
    wanted: str
    remedy: str = ""


Said = Iterator[tuple[_Said, str]]


def look_at_components(
    targets: Collection[Target],
    neighbours: Mapping[str, Running],
    meant: Meant | None,
    knowledge: Knowledge,
    evidence: Mapping[tuple[object, ...], Evidence],
) -> tuple[Finding, ...]:
    """Every compatibility finding of a plan, one for all devices that it holds for. Never raises.

    `neighbours`: what runs on devices around the targets. `meant` None: the plan brings no artifact; then only what the
    change of the topology may set off is looked at. `evidence`: by `Combination.key`.
    """
    said: dict[_Said, list[str]] = defaultdict(list)
    for what, name in _all(targets, neighbours, meant, knowledge, evidence):
        said[what].append(name)
    found = [_finding(what, names) for what, names in said.items()]
    if meant is not None:
        found = [*_artifact(meant, targets), *found]
    return tuple(dict.fromkeys([*found, *(Finding("compat-data", Severity.WARN, r) for r in knowledge.wrong)]))


def combinations_after(targets: Collection[Target], meant: Meant | None) -> tuple[Combination, ...]:
    """Every combination that would run after the change: of these the fleet's own evidence is asked."""
    if meant is None:
        return ()
    return tuple(dict.fromkeys(c for t in targets for c in combinations(after(t.device, meant.brought))))


def _finding(what: _Said, names: list[str]) -> Finding:
    subject = " on ".join(part for part in (what.about, _named(names)) if part)
    return Finding(what.code, what.severity, Reason(subject, what.found, what.wanted, what.remedy))


def _named(names: Iterable[str]) -> str:
    """The names; of many, the first and a hash of all, so that an override binds to exactly these devices."""
    unique = list(dict.fromkeys(names))
    if len(unique) <= _NAMES_SHOWN:
        return ", ".join(unique)
    digest = hashlib.sha256("\n".join(unique).encode()).hexdigest()[:12]
    return f"{', '.join(unique[:_NAMES_SHOWN])} and {len(unique) - _NAMES_SHOWN} more (names {digest})"


def _all(
    targets: Collection[Target],
    neighbours: Mapping[str, Running],
    meant: Meant | None,
    knowledge: Knowledge,
    evidence: Mapping[tuple[object, ...], Evidence],
) -> Said:
    """Devices on which the very same runs are looked at once: a fleet has few kinds and many devices."""
    looked: dict[tuple[object, ...], tuple[_Said, ...]] = {}
    for target in targets:
        key = (target.disruptive, *target.device.likeness)
        if key not in looked:
            looked[key] = tuple(said for said, _ in _on_target(target, meant, knowledge, evidence))
        yield from ((said, target.device.name) for said in looked[key])
    beside: dict[tuple[object, ...], tuple[_Said, ...]] = {}
    for name in dict.fromkeys(n for t in targets if t.disruptive for n in t.neighbours):
        neighbour = neighbours.get(name, Running(name))
        if neighbour.likeness not in beside:
            beside[neighbour.likeness] = tuple(_on_neighbour(neighbour, knowledge))
        yield from ((said, name) for said in beside[neighbour.likeness])


def _on_target(
    target: Target, meant: Meant | None, knowledge: Knowledge, evidence: Mapping[tuple[object, ...], Evidence]
) -> Said:
    device = target.device
    then = device if meant is None else after(device, meant.brought)
    if meant is not None:
        yield from _components(device, then, meant)
        for found in combinations(then):
            if found not in combinations(device) and found.family not in _VIRTUAL:
                own = evidence.get(found.key or (), Evidence())
                yield from ((said, device.name) for said in _combination(found, knowledge, own))
    yield from _advisories(target, then, knowledge)


# -- what the artifact itself says


def _artifact(meant: Meant, targets: Collection[Target]) -> Iterator[Finding]:
    what = meant.brought
    for reason in what.wrong:
        yield Finding("brings-unknown", Severity.FATAL, reason)
    if not what.components and not what.wrong:
        remedy = "List its kernel, drivers, firmware and routing suite; see docs/compat.md."
        reason = Reason(f"artifact {what.artifact}", "nothing in what it brings", "every component it brings", remedy)
        yield Finding("brings-unknown", Severity.FATAL, reason)
    known = {path for t in targets for path in (c.path for c in t.device.components)} | set(what.components)
    for path in meant.intended:
        if path not in known:
            remedy = "Name components as docs/compat.md does: kernel, driver.i40e, firmware.i40e, routing.frr."
            reason = Reason("intended", repr(path[:60]), f"a component that {what.artifact} brings", remedy)
            yield Finding("intended-unknown", Severity.WARN, reason)


# -- components: planned or not


def _components(device: Running, then: Running, meant: Meant) -> Said:
    for path, comes in sorted(meant.brought.components.items()):
        group = path.partition(".")[0]
        if group == "driver":
            continue  # looked at by what would run, below: also for those that the list does not name
        yield from _component(device, path, _now(device, path), comes, meant)
    for path in sorted({f"driver.{a.family}" for a in device.adapters}):
        yield from _driver(device, then, path, meant)


def _now(device: Running, path: str) -> tuple[Component, ...]:
    group, _, name = path.partition(".")
    if group != "firmware":
        return device.of(path)
    mine = [a for a in device.adapters if name in (a.model, a.family) and a.nvm]
    return tuple(dict.fromkeys(Component(path, a.nvm, api=a.api) for a in mine))


def _component(device: Running, path: str, now: tuple[Component, ...], comes: Component, meant: Meant) -> Said:
    group = KERNEL if path == KERNEL else path.partition(".")[0]
    if not now and group == "firmware" and "driver" not in device.unknown:
        return  # firmware for an adapter that this device does not have
    if not now and group in device.unknown:
        if _wanted(path, meant) is None:
            found = f"not known, {meant.brought.artifact} brings {comes}"
            remedy = f"Collect facts, or name {path} as intended."
            said = _Said("component-unknown", Severity.WARN, path, found, "what runs now, to compare with", remedy)
            yield said, device.name
        return
    for old in now or (Component(path, "none"),):
        yield from _changed(device, old, comes, meant)


def _driver(device: Running, then: Running, path: str, meant: Meant) -> Said:
    coming = then.of(path)
    if len(coming) != 1 or coming == device.of(path):
        return
    for old in device.of(path):
        if old.flavour == coming[0].flavour == "in-tree" and KERNEL in meant.brought.components:
            continue  # part of the kernel: it is planned exactly when the kernel is
        if not coming[0].version and not coming[0].flavour:
            found = f"{old} now, and {meant.brought.artifact} does not say which driver comes with its kernel"
            remedy = "List the driver with its flavour in what the artifact brings."
            said = _Said("component-unknown", Severity.WARN, path, found, "the driver that would be loaded", remedy)
            yield said, device.name
        else:
            yield from _changed(device, old, coming[0], meant)


def _changed(device: Running, old: Component, new: Component, meant: Meant) -> Said:
    equal = _equal(old, new)
    if equal is Answer.UNKNOWN:
        unread = old.version if isinstance(_read(old), Reason) else new.version
        said = _Said(
            "version-unread",
            Severity.WARN,
            new.path,
            f"{unread[:60]!r}, which is no version that can be compared",
            "a version such as 7.5 or 6.1.0-28-amd64",
            "It counts as another one.",
        )
        if old.version != "none":
            yield said, device.name
    wanted = _wanted(new.path, meant)
    if equal is Answer.YES or (wanted is not None and _as_wanted(new, wanted)):
        return
    turns = f", {old.flavour} > {new.flavour}" if old.flavour and new.flavour and old.flavour != new.flavour else ""
    want = f"{wanted} as intended" if wanted else "only components that the change names as intended"
    remedy = f"Name {new.path} in the change's input `intended` if it is meant, or choose an artifact without it."
    yield (
        _Said(
            "component-unplanned",
            Severity.FATAL,
            new.path,
            f"{_version(old)} > {_version(new)}{turns}, brought by {meant.brought.artifact}",
            want,
            remedy,
        ),
        device.name,
    )


def _version(component: Component) -> str:
    return "none" if component.version == "none" else str(component)


def _wanted(path: str, meant: Meant) -> str | None:
    """What was named for a component; "" = any version; None = it was not named."""
    if path in meant.intended:
        return meant.intended[path]
    return "" if path in meant.brought.intended else None


def _as_wanted(new: Component, wanted: str) -> bool:
    words = wanted.split()
    kind = [w for w in words if w in ("in-tree", "vendor")]
    version = [w for w in words if w not in ("in-tree", "vendor")]
    if kind and kind[0] != new.flavour:
        return False
    return not version or _equal(Component(new.path, version[0]), Component(new.path, new.version)) is Answer.YES


def _read(component: Component) -> Version | Reason:
    read = Version.nvm if component.path.startswith("firmware.") else Version.parse
    return read(component.version)


def _equal(old: Component, new: Component) -> Answer:
    """UNKNOWN for texts that differ and are not both versions."""
    if old.flavour != new.flavour and old.flavour and new.flavour:
        return Answer.NO
    if old.version == new.version:
        return Answer.YES
    a, b = _read(old), _read(new)
    if isinstance(a, Reason) or isinstance(b, Reason):
        return Answer.UNKNOWN
    return Answer.YES if a == b else Answer.NO


# -- combinations


def _combination(found: Combination, knowledge: Knowledge, own: Evidence) -> Iterator[_Said]:
    """What the matrix and the fleet's own evidence say of one combination that the change would make."""
    matched = match(knowledge, found)
    sure = [row for row, answer in matched if answer is Answer.YES]
    good = [r for r in sure if r.says is Says.WORKS and r.told.status is not Status.WITHDRAWN]
    withdrawn = [r for r in sure if r.told.status is Status.WITHDRAWN]
    avoid = [r for r in sure if r.says is Says.AVOID and r.told.status is not Status.WITHDRAWN]
    for row in withdrawn:
        yield _row("compat-withdrawn", Severity.WARN if good else Severity.FATAL, found, row, own)
    for row in avoid:
        severity = Severity.WARN if row.told.confidence is Sure.LOW else Severity.FATAL
        yield _row("compat-avoid", severity, found, row, own)
    if withdrawn or avoid or any(r.told.status is Status.OWN for r in good) or own.soaked_h >= ENOUGH_SOAK_H:
        return
    remedy = f"Soak it for a day before the next router; {own.in_words}."
    if good:
        listed = f"{found}, listed by row {good[0].id}: {good[0].told.in_words}"
        yield _Said("compat-hint", Severity.WARN, "", listed, "soaked hours of this fleet's own", remedy)
    elif maybe := [row for row, answer in matched if answer is Answer.UNKNOWN]:
        unsure = f"{found}; cannot tell whether row {maybe[0].id} speaks of it"
        yield _Said("compat-cannot-tell", Severity.WARN, "", unsure, "facts that decide it", remedy)
    else:
        yield _Said("compat-no-row", Severity.WARN, "", f"{found}, in no row", "a row or own evidence", remedy)


def _row(code: str, severity: Severity, found: Combination, row: Row, own: Evidence) -> _Said:
    better = f"Last known good: {row.last_known_good}. " if row.last_known_good else ""
    return _Said(
        code,
        severity,
        str(found),
        f"row {row.id} of {row.told.in_words}",
        "a combination that is listed as working, or that this fleet has soaked itself",
        f"{better}{row.note + ' ' if row.note else ''}{own.in_words[:1].upper()}{own.in_words[1:]}.",
    )


# -- advisories


def _advisories(target: Target, then: Running, knowledge: Knowledge) -> Said:
    """On the device: what would newly be true of it, and what runs there that the drain itself may set off."""
    for advisory in knowledge.advisories:
        if Side.DEVICE not in advisory.looks_at:
            continue
        before, afterwards = advisory.of(target.device), advisory.of(then)
        if advisory.trigger is Trigger.CHANGED:
            same = target.device.of(advisory.component) == then.of(advisory.component)
            before = afterwards if same else Answer.NO
        if then is not target.device and before is not Answer.YES and afterwards is not Answer.NO:
            if afterwards is Answer.YES:
                yield _advised("advisory", advisory, then), target.device.name
            elif before is not Answer.UNKNOWN:
                yield _undecided("advisory", advisory), target.device.name
        elif before is Answer.YES and advisory.trigger is Trigger.TOPOLOGY and target.disruptive:
            yield _advised("advisory", advisory, target.device, weight=Weight.WARN), target.device.name


def _on_neighbour(neighbour: Running, knowledge: Knowledge) -> Iterator[_Said]:
    if neighbour.unknown >= KINDS:
        yield _unseen()
        return
    for advisory in knowledge.advisories:
        if Side.NEIGHBOUR not in advisory.looks_at:
            continue
        answer = advisory.of(neighbour)
        if answer is Answer.YES:
            yield _advised("advisory-neighbour", advisory, neighbour)
        elif answer is Answer.UNKNOWN:
            yield _undecided("advisory-neighbour", advisory)


def _unseen() -> _Said:
    return _Said(
        "neighbour-unknown",
        Severity.WARN,
        "neighbours",
        "never observed, so that no advisory can be looked up for them",
        "facts of every neighbour of a router that goes out of the topology",
        "Run ./manage.py collect for them.",
    )


def _advised(code: str, advisory: Advisory, device: Running, *, weight: Weight | None = None) -> _Said:
    severity = Severity.FATAL if (weight or advisory.weight) is Weight.STOP else Severity.WARN
    runs = ", ".join(dict.fromkeys(str(c) for c in device.of(advisory.component)))
    side = "neighbour" if code == "advisory-neighbour" else ""
    sources = ", ".join((advisory.told.in_words, *advisory.told.reference))
    return _Said(
        code,
        severity,
        f"{advisory.id}: {advisory.component} {runs}".strip() + (f" {side}" if side else ""),
        f"{advisory.symptom} (affects {advisory.versions}; {sources})",
        "a version without it, or its workaround",
        advisory.workaround,
    )


def _undecided(code: str, advisory: Advisory) -> _Said:
    return _Said(
        code,
        Severity.WARN,
        f"{advisory.id}: {advisory.component}",
        f"cannot tell whether it holds ({advisory.title}; affects {advisory.versions})",
        "facts that decide it",
        "Collect facts of it, and read its version.",
    )
