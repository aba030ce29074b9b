"""Collects the facts of routers, one round trip each, and records what was seen and what could not be.

The only place of the inventory that reaches devices, through `playbooks.transport`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Protocol

from django.db import transaction

from fleet.core.model import Json, Reason
from inventory.models import Interface, Nic, Observation, Router, digest_of
from inventory.seen import SeenInterface, interfaces
from inventory.storable import storable
from playbooks import transport
from playbooks.base import Device, DeviceError
from playbooks.facts import driver as facts_driver

Facts = Mapping[str, Json]
Done = Callable[[str], None]
_BATCH = 1_000  # rows per statement; on SQLite Django makes it fewer (999 values)


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
    """What one call of `collect` brought: router -> its new observation, and the failures in the order of names."""

    observations: Mapping[str, Observation]
    failures: tuple[CollectFailure, ...]


def over_ssh(devices: Sequence[Device], *, workers: int, done: Done) -> Mapping[str, Facts | Exception]:
    """One SSH connection and one round trip per device, `workers` at once."""

    def leg(device: Device) -> Facts:
        try:
            return facts_driver.collect(transport.leg_session(device))
        finally:
            done(device.name)

    return transport.run_shard(devices, leg, workers)


def collect(
    names: Collection[str], *, now: datetime, workers: int, reach: Reach = over_ssh, done: Done = lambda name: None
) -> Collected:
    """Collect and record the facts of these routers. `now` becomes `observed_at`: read it just before.

    Every name is either in `observations` or in `failures`. Queries: nine a shard; above some
    thirty routers SQLite takes more statements for the rows of interfaces.
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
    observations = record({routers[name]: seen for name, seen in facts.items()}, now=now)
    return Collected(observations, tuple(sorted(failures, key=lambda failure: failure.router)))


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


def record(facts: Mapping[Router, Facts], *, now: datetime) -> dict[str, Observation]:
    """Store one observation per router and bring interfaces and NICs up to date, in one transaction."""
    with transaction.atomic():
        stored = Observation.objects.bulk_create(
            [
                Observation(router=router, kind="facts", observed_at=now, facts=seen, digest=digest_of(seen))
                for router, seen in facts.items()
            ],
            batch_size=_BATCH,
        )
        rows = _record_interfaces({router: interfaces(seen) for router, seen in facts.items()}, now)
        _record_nics(rows, now)
    return {observation.router.name: observation for observation in stored}


def _record_interfaces(
    seen: Mapping[Router, Sequence[SeenInterface]], now: datetime
) -> list[tuple[Interface, SeenInterface]]:
    """Rows for what was seen; what is no longer seen keeps its row and its `last_seen_at`."""
    have = {(row.router_id, row.name): row for row in Interface.objects.filter(router__in=seen)}
    pairs: list[tuple[Interface, SeenInterface]] = []
    for router, found in seen.items():
        for one in found:
            row = have.get((router.pk, one.name)) or Interface(router=router, name=one.name)
            row.mac, row.kind, row.last_seen_at = one.mac, one.kind, now
            pairs.append((row, one))
    rows = [row for row, _ in pairs]
    Interface.objects.bulk_update(
        [row for row in rows if row.pk is not None], ("mac", "kind", "last_seen_at"), batch_size=_BATCH
    )
    Interface.objects.bulk_create([row for row in rows if row.pk is None], batch_size=_BATCH)
    return pairs


def _record_nics(pairs: Sequence[tuple[Interface, SeenInterface]], now: datetime) -> None:
    with_nic = [(row, one) for row, one in pairs if one.driver]
    have = {nic.interface_id: nic for nic in Nic.objects.filter(interface__in=[row.pk for row, _ in with_nic])}
    rows: list[Nic] = []
    for row, one in with_nic:
        nic = have.get(row.pk) or Nic(router_id=row.router_id, interface=row)
        nic.pci_address, nic.driver, nic.driver_version = one.pci_address, one.driver, one.driver_version
        nic.firmware, nic.channels, nic.rings, nic.last_seen_at = one.firmware, one.channels, one.rings, now
        rows.append(nic)
    fields = ("pci_address", "driver", "driver_version", "firmware", "channels", "rings", "last_seen_at")
    Nic.objects.bulk_update([nic for nic in rows if nic.pk is not None], fields, batch_size=_BATCH)
    Nic.objects.bulk_create([nic for nic in rows if nic.pk is None], batch_size=_BATCH)
