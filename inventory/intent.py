"""What is wanted of devices, from the rows of the inventory: profiles, assignments, and the cards that devices have."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Q

from fleet.core import intent as core
from fleet.core import intent_found
from fleet.core.intent import Assigned, Level, Line, ProfileValue, Subject, Wanted
from fleet.core.model import Json
from inventory.models import Assignment, Nic, Observation, Profile, Router
from inventory.vpp_config import with_vpp_read


@dataclass(frozen=True)
class Intent:
    """What is wanted of one device, and how its newest facts stand to it."""

    wanted: Mapping[str, Wanted]
    lines: tuple[Line, ...]


def profiles() -> dict[str, ProfileValue]:
    """Name -> profile. One query."""
    rows = Profile.objects.order_by("name").values_list("name", "kind", "settings", "parent__name", "weight")
    return {
        name: ProfileValue(name, kind, settings if isinstance(settings, dict) else {}, parent, weight)
        for name, kind, settings, parent, weight in rows
    }


def assignments(names: Collection[str] | None = None) -> list[Assigned]:
    """Every assignment, or those that may speak of these devices. One query."""
    found = Assignment.objects.order_by("pk")
    if names is not None:
        found = found.filter(Q(router__isnull=True) | Q(router__name__in=names))
    rows = found.values_list("profile__name", "level", "role", "site__name", "nic_model", "router__name")
    return [
        Assigned(profile, Level(level), role or site or nic_model or router or "")
        for profile, level, role, site, nic_model, router in rows
    ]


def of_devices(names: Collection[str] | None = None, *, facts: Mapping[str, Json] | None = None) -> dict[str, Intent]:
    """Name -> intent beside facts, for these devices or all; unknown names are absent.

    `facts`: name -> newest facts, where the caller has them; else they are read. Five queries, four with `facts`.
    """
    if facts is None:
        facts = {name: seen.facts for name, seen in Observation.objects.latest_by_router(names).items()}
    known, assigned = profiles(), _by_target(assignments(names))
    found = {}
    for subject in _subjects(names, facts):
        wanted = core.resolve(_of_subject(assigned, subject), known, subject)
        seen = facts.get(subject.name)
        seen = with_vpp_read(seen) if "dataplane.config" in wanted else seen
        found[subject.name] = Intent(wanted, core.compare(wanted, seen))
    return found


_ByTarget = Mapping[tuple[Level, str], Sequence[Assigned]]


def _by_target(rows: Sequence[Assigned]) -> _ByTarget:
    """Level and target -> assignments: 10,000 assignments to single devices are not looked through for each device."""
    found: dict[tuple[Level, str], list[Assigned]] = defaultdict(list)
    for row in rows:
        found[row.level, row.target.lower() if row.level is Level.NIC_MODEL else row.target].append(row)
    return found


def _of_subject(assigned: _ByTarget, subject: Subject) -> list[Assigned]:
    """Those that may speak of this device; `resolve` decides."""
    places = [
        (Level.FLEET, ""), (Level.ROLE, subject.role), (Level.SITE, subject.site), (Level.DEVICE, subject.name),
        *((Level.NIC_MODEL, name) for name in sorted(frozenset[str]().union(*subject.cards.values()))),
    ]  # fmt: skip
    return [row for place in places for row in assigned.get(place, ())]


def _subjects(names: Collection[str] | None, facts: Mapping[str, Json]) -> Sequence[Subject]:
    """The devices as the core asks about them. Two queries."""
    routers, nics = Router.objects.order_by("name"), Nic.objects.exclude(model="")
    if names is not None:
        routers, nics = routers.filter(name__in=names), nics.filter(router__name__in=names)
    models: dict[str, dict[str, str]] = defaultdict(dict)
    for router, interface, model in nics.order_by().values_list("router__name", "interface__name", "model"):
        models[router][interface] = model.lower()
    return [
        Subject(name, role, site, _cards(facts.get(name), models[name]))
        for name, role, site in routers.values_list("name", "role", "site__name")
    ]


def _cards(facts: Json, models: Mapping[str, str]) -> dict[str, frozenset[str]]:
    return {
        interface: intent_found.names_of(about) | ({models[interface]} if interface in models else set())
        for interface, about in intent_found.cards(facts).items()
    }
