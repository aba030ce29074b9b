"""What is wanted of devices, from the rows of the inventory: profiles, assignments, and the cards that devices have."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from fleet.core import intent as core
from fleet.core import intent_found
from fleet.core.intent import Assigned, Level, Line, ProfileValue, Subject, Wanted
from fleet.core.model import Json
from inventory.models import Assignment, Nic, Observation, Profile, Router


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


def assignments() -> list[Assigned]:
    """Every assignment. One query."""
    rows = Assignment.objects.order_by("pk").values_list(
        "profile__name", "level", "role", "site__name", "nic_model", "router__name"
    )
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
    known, assigned = profiles(), assignments()
    found = {}
    for subject in _subjects(names, facts):
        wanted = core.resolve(assigned, known, subject)
        found[subject.name] = Intent(wanted, core.compare(wanted, facts.get(subject.name)))
    return found


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
