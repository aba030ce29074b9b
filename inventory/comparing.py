"""Asks devices what a configuration would change on them (NAPALM's compare_config), and keeps it with their facts.

A plan is computed from facts alone; what only the device itself can tell has to be among them.
"""

from collections.abc import Collection, Mapping
from datetime import datetime

from fleet.core.model import Json, Reason
from inventory import recording
from inventory.models import Observation, Router
from inventory.storable import storable
from playbooks import transport
from playbooks.base import Device, DeviceError
from playbooks.facts import driver as facts_driver
from playbooks.napalm import collect as napalm_collect
from playbooks.network_os import NoShell
from playbooks.platforms import by_getters

WORKERS = 20


def compare(
    names: Collection[str], *, mode: str, text: str, now: datetime
) -> tuple[Mapping[str, str], Mapping[str, Reason]]:
    """Router > its diff, and router > why there is none. Nothing is changed on any of them."""
    routers = {router.name: router for router in Router.objects.filter(name__in=names).reachable()}

    def leg(device: Device) -> tuple[str, str, Mapping[str, Json]]:
        session = NoShell(device) if by_getters(device) else transport.leg_session(device)
        key, diff = napalm_collect.compare(session, mode=mode, text=text)
        seen = napalm_collect.collect if by_getters(device) else facts_driver.collect
        return key, diff, seen(session)

    answers = transport.run_shard([r.device() for r in routers.values()], leg, WORKERS) if routers else {}
    diffs: dict[str, str] = {}
    refused = {name: Reason(f"router {name}", "no such router", "one of the inventory") for name in names}
    facts: dict[Router, Mapping[str, Json]] = {}
    before = Observation.objects.latest_by_router()
    for name, router in routers.items():
        answer = answers.get(name)
        if isinstance(answer, tuple):
            key, diff, seen = answer
            told = {**_compared(before.get(name)), key: diff}
            facts[router] = storable({**seen, "napalm": {**_mapping(seen.get("napalm")), "compared": told}})
            diffs[name] = diff
            del refused[name]
        else:
            refused[name] = _why(name, answer)
    recording.record(facts, now=now)
    return diffs, refused


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def _compared(observation: Observation | None) -> Mapping[str, Json]:
    facts = observation.facts if observation is not None else None
    return _mapping(_mapping(_mapping(facts).get("napalm")).get("compared"))


def _why(name: str, error: object) -> Reason:
    if isinstance(error, DeviceError):
        return error.reason
    found = f"{type(error).__name__}: {error}"[:300]
    return Reason(f"compare_config of {name}", found, "a diff", "Is the driver of its platform right?")
