"""What the entries of the sections that may be left out say about each other and about the devices."""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence

from fleet.core import intent
from fleet.core.intent import ProfileValue
from fleet.core.model import Json
from inventory.importers.document import Document, Entry
from inventory.importers.plain import PLAIN, Plain
from inventory.importers.problems import Problem, did_you_mean, shown

# What the target of an assignment must be the name of.
_TARGETS = {"role": "a role of `routers`", "site": "a name in sites", "device": "a name in routers"}


def ways(document: Document) -> Iterator[Problem]:
    """Duplicates, claims of the same thing, unknown names; beacons and UCS."""
    named = {target: document.names(target) for spec in PLAIN for target in spec.refers.values()}
    for spec in PLAIN:
        entries = [e for e in document.entries(spec.section) if set(spec.columns) <= e.values.keys()]
        yield from _twice(spec, entries)
        for entry in document.entries(spec.section):
            for key, target in spec.refers.items():
                yield from _unknown(entry, key, target, named[target])
    for entry in document.entries("beacons"):
        prefix, address = entry.values.get("prefix"), entry.values.get("test_address")
        if prefix and address and ipaddress.ip_address(address) not in ipaddress.ip_network(prefix):
            yield entry.problem("test_address", address, f"an address in {prefix}", "Correct one of the two.")
    yield from _within_domains(document)


def _unknown(entry: Entry, key: str, target: str, known: Mapping[str, Entry]) -> Iterator[Problem]:
    """A name that its section does not have."""
    name = entry.values.get(key)
    if name is not None and name not in known:
        remedy = f"{did_you_mean(name, known)}Add it to {target} or correct the name."
        yield entry.problem(key, f"{shown(name)}, which is not in {target}", f"a name in {target}", remedy)


def _twice(spec: Plain, entries: list[Entry]) -> Iterator[Problem]:
    first: dict[Json, Entry] = {}
    for entry in entries:
        other = first.setdefault(spec.name(entry.values), entry)
        if other is not entry:
            yield _claimed(spec.key, entry, other, spec.key[-1], spec.name(entry.values))
        claim = spec.claim(entry.values)
        other = first.setdefault(claim, entry) if claim else entry
        if other is not entry:
            yield _claimed(spec.once, entry, other, spec.once[0], " ".join(str(part) for part in claim or ()))


def _claimed(keys: Sequence[str], entry: Entry, other: Entry, key: str, what: str) -> Problem:
    """Both sides are named: by device where the entry is about one."""
    mine, its = (f" ({e.values['router']})" if e.values.get("router") else "" for e in (entry, other))
    found = f"{what}{mine}, which {other.section}.{other.label}, line {other.line}{its} has too"
    wanted = "each " + " with its ".join(keys[:2]) + (f" and {keys[2]}" if len(keys) > 2 else "") + " once"
    return entry.problem(key, found, wanted, "Correct one of the two.")


def _within_domains(document: Document) -> Iterator[Problem]:
    """Templates and adapter policies lie in the domain of the service profile; nothing is its own template."""
    known = {
        section: {(e.values.get("domain"), e.values.get("dn")) for e in document.entries(section)}
        for section in ("adapter_policies", "service_profiles")
    }
    for entry in document.entries("service_profiles"):
        domain = entry.values.get("domain")
        for key, section in (("adapter_policy", "adapter_policies"), ("template", "service_profiles")):
            dn = entry.values.get(key)
            if dn is not None and (domain, dn) not in known[section]:
                found = f"{shown(dn)}, which is not in {section} of {domain}"
                yield entry.problem(key, found, f"a dn in {section}", "Add it or correct it.")
        if entry.values.get("template") is not None and entry.values.get("template") == entry.values.get("dn"):
            yield entry.problem("template", "the profile itself", "another one", "Leave the template out.")


def wishes(document: Document) -> Iterator[Problem]:
    """Profiles: settings, parents, cycles; assignments: levels and their targets."""
    named = document.names("profiles")
    for entry in document.entries("profiles"):
        settings, kind = entry.values.get("settings"), entry.values.get("kind")
        if settings and kind:
            yield from _settings(entry, kind, settings)
        parent = named.get(entry.values.get("parent") or "")
        if parent is not None and kind and parent.values.get("kind") not in {kind, None}:
            found = f"{parent.label} (line {parent.line}), a {parent.values['kind']} profile"
            yield entry.problem("parent", found, f"a {kind} profile", "Make two profiles of it.")
    profiles = {n: ProfileValue(n, "", {}, e.values.get("parent")) for n, e in named.items()}
    for reason in intent.cycles(profiles):
        first = named[reason.subject.removeprefix("profile ")]
        yield first.problem("parent", reason.found, reason.wanted, reason.remedy)
    roles = {e.values["role"]: e for e in document.entries("routers") if "role" in e.values}
    known: dict[str, Mapping[str, Entry]] = {
        "role": roles,
        "site": document.names("sites"),
        "device": document.names("routers"),
    }
    for entry in document.entries("assignments"):
        yield from _assignment(entry, known)


def _settings(entry: Entry, kind: str, settings: Mapping[str, Json]) -> Iterator[Problem]:
    for key, value in settings.items():
        if reason := intent.refuse(kind, key, value):
            remedy = reason.remedy or "docs/intent.md shows each setting."
            yield entry.problem("settings", f"{reason.subject}: {reason.found}", reason.wanted, remedy)


def _assignment(entry: Entry, known: Mapping[str, Mapping[str, Entry]]) -> Iterator[Problem]:
    level, target = entry.values.get("level"), entry.values.get("target")
    if level is None or "target" not in entry.values:
        return
    if (level == "fleet") is not (target is None):
        wanted = "no target: it is the whole fleet" if level == "fleet" else _TARGETS.get(level, "a NIC model")
        yield entry.problem("target", shown(target) if target else "nothing", wanted, "Correct level or target.")
    elif target is not None and level in known and target not in known[level]:
        remedy = f"{did_you_mean(target, known[level])}Correct it."
        yield entry.problem("target", f"the {level} {shown(target)}, which nothing here has", _TARGETS[level], remedy)
