"""Collects the facts of routers, one round trip each, and records what was seen and what could not be.

The only place of the inventory that reaches devices, through `playbooks.transport`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Protocol

from django.conf import settings

from fleet.core.model import Json, Reason
from inventory import drift, recording
from inventory.models import CollectionFailure, CollectionRun, Observation, Router
from inventory.storable import storable
from playbooks import transport
from playbooks.base import Device, DeviceError
from playbooks.facts import driver as facts_driver
from playbooks.platforms import by_getters

Facts = Mapping[str, Json]
Done = Callable[[str], None]
SHOWN = 1_000  # characters of a reason that are kept with a collection


class Reach(Protocol):
    """Facts or error of each device. `done` is called with a name when that device is through, from any thread."""

    def __call__(self, devices: Sequence[Device], *, workers: int, done: Done) -> Mapping[str, Facts | Exception]: ...


@dataclass(frozen=True)
class CollectFailure:
    """A router of which nothing was seen, and why."""

    router: str
    reason: Reason


@dataclass(frozen=True)
class Collected:
    """What one call of `collect` brought: router -> its new observation, and the failures in the order of names.

    `claimed`: cards that two devices say are theirs.
    """

    observations: Mapping[str, Observation]
    failures: tuple[CollectFailure, ...]
    claimed: tuple[Reason, ...] = ()


def over_ssh(devices: Sequence[Device], *, workers: int, done: Done) -> Mapping[str, Facts | Exception]:
    """One SSH connection and one round trip per device, `workers` at once; without a shell by NAPALM's getters."""

    def leg(device: Device) -> Facts:
        try:
            if by_getters(device):  # the driver connects by itself: there is no shell to ask
                from playbooks.napalm import collect as napalm_collect  # NAPALM takes half a second to import
                from playbooks.network_os import NoShell

                return napalm_collect.collect(NoShell(device))
            return facts_driver.collect(transport.leg_session(device))
        finally:
            done(device.name)

    return transport.run_shard(devices, leg, workers)


def collect(
    names: Collection[str],
    *,
    now: datetime,
    workers: int,
    reach: Reach = over_ssh,
    done: Done = lambda name: None,
    run: CollectionRun | None = None,
) -> Collected:
    """Collect and record the facts of these routers. `now` becomes `observed_at`: read it just before.

    Every name is either in `observations` or in `failures`; `run` is told of both. The number of queries does not
    depend on how many there are; above some thirty routers SQLite takes more statements for the rows of interfaces.
    """
    routers = {router.name: router for router in Router.objects.filter(name__in=names).reachable()}
    devices = [router.device() for router in routers.values()]
    answers = reach(devices, workers=workers, done=done) if devices else {}
    facts: dict[str, Facts] = {}
    failures = [CollectFailure(name, _unknown(name)) for name in names if name not in routers]
    for name in routers:
        answer = answers.get(name)
        if isinstance(answer, Mapping):
            facts[name] = storable(answer)
        else:
            failures.append(CollectFailure(name, _why(name, answer)))
    failures.sort(key=lambda failure: failure.router)
    observations, claimed = recording.record({routers[n]: seen for n, seen in facts.items()}, now=now, run=run)
    if run is not None:
        _tell(run, routers, failures, now=now)
    collected = [routers[name] for name in facts]
    drift.refresh(collected, now, facts=facts)
    if settings.SLIPWAY_OBSERVATION_DAYS > 0:
        Observation.objects.forget_repeats(collected, before=now - timedelta(days=settings.SLIPWAY_OBSERVATION_DAYS))
    return Collected(observations, tuple(failures), claimed)


def _tell(
    run: CollectionRun, routers: Mapping[str, Router], failures: Sequence[CollectFailure], *, now: datetime
) -> None:
    """Record how far a collection is. A shard that runs twice counts once: what is counted are devices."""
    rows = [
        CollectionFailure(run=run, router=routers[f.router], reason=str(f.reason)[:SHOWN], at=now)
        for f in failures
        if f.router in routers
    ]
    CollectionFailure.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["run", "router"], update_fields=["reason", "at"]
    )
    CollectionRun.objects.count_again(run.pk, now=now)


def _unknown(name: str) -> Reason:
    close = get_close_matches(name, Router.objects.values_list("name", flat=True), n=1)
    remedy = f"Did you mean {close[0]}? " if close else ""
    return Reason(f"router {name}", "no such router", "one of the inventory", remedy + "See ./manage.py routers.")


def _why(name: str, error: object) -> Reason:
    if isinstance(error, DeviceError):
        return error.reason
    if isinstance(error, Exception):
        found = f"{type(error).__name__}: {error}"[:300]
        return Reason(
            f"facts of {name}", found, "facts", "This is a fault of Slipway: please report it with this text."
        )
    return Reason(f"facts of {name}", f"no answer ({type(error).__name__})", "facts", "Collect again.")
