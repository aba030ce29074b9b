"""Brings the rows that describe devices up to date with what was just seen, for many devices at once.

The number of queries does not depend on how many devices there are. What was not told leaves its rows as they are.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.db import transaction
from django.db.models import Model

from fleet.core.model import Json, Reason
from inventory import cards, observed, pci_ids, seen_machine
from inventory.models import (
    CollectionRun,
    Cpu,
    Daemon,
    Identity,
    Interface,
    Module,
    Nic,
    Observation,
    Package,
    Router,
    Software,
    digest_of,
)
from inventory.running import in_running_change
from inventory.seen import SeenInterface, interfaces

Facts = Mapping[str, Json]
_BATCH = 1_000  # rows per statement; on SQLite Django makes it fewer (999 values)
_NIC_COLUMNS = (
    "pci_address", "driver", "driver_version", "firmware", "channels", "rings", "pci_vendor", "pci_device",
    "pci_subvendor", "pci_subdevice", "serial", "nvm", "api", "option_rom", "numa_node", "driver_flavour",
)  # fmt: skip


def record(
    facts: Mapping[Router, Facts], *, now: datetime, run: CollectionRun | None = None
) -> tuple[dict[str, Observation], tuple[Reason, ...]]:
    """Store one observation per router and bring its rows up to date, in one transaction.

    Router name > its observation, and the cards that two devices claim. What is observed while a running change has
    the device in its hands is marked so.
    """
    busy = in_running_change([router.name for router in facts])
    with transaction.atomic():
        stored = Observation.objects.bulk_create(
            [
                Observation(
                    router=router, kind="facts", observed_at=now, facts=seen, digest=digest_of(seen),
                    during_change=router.name in busy, collection=run,
                )
                for router, seen in facts.items()
            ],
            batch_size=_BATCH,
        )  # fmt: skip
        pairs = _interfaces({router: interfaces(seen) for router, seen in facts.items()}, now)
        claimed = cards.claim(_nics(pairs, now))
        _one_each(Cpu, {r: seen_machine.cpu(seen) for r, seen in facts.items()})
        _one_each(Identity, {r: seen_machine.identity(seen) for r, seen in facts.items()})
        _one_each(Software, {r: asdict(seen_machine.software(seen)) for r, seen in facts.items()})
        _many_each(Package, facts, seen_machine.packages)
        _many_each(Module, facts, seen_machine.modules)
        _many_each(Daemon, facts, seen_machine.daemons)
        observed.heard(stored)
    return {observation.router.name: observation for observation in stored}, claimed


def _interfaces(seen: Mapping[Router, Sequence[SeenInterface]], now: datetime) -> list[tuple[Interface, SeenInterface]]:
    """Rows for what was seen; what is no longer seen keeps its row and its `last_seen_at`."""
    have = {(row.router_id, row.name): row for row in Interface.objects.filter(router__in=seen)}
    pairs: list[tuple[Interface, SeenInterface]] = []
    work = _Work[Interface](Interface, ("mac", "kind"))
    for router, found in seen.items():
        for one in found:
            row = have.get((router.pk, one.name)) or Interface(name=one.name)
            row.router = router  # the one at hand: nobody asks the database for it, row by row
            work.set(row, {"mac": one.mac, "kind": one.kind})
            pairs.append((row, one))
    work.write(now)
    return pairs


def _nics(pairs: Sequence[tuple[Interface, SeenInterface]], now: datetime) -> dict[Router, dict[str, str]]:
    """Rows of network adapters; returns the serials that each router showed, with their models."""
    with_nic = [(row, one) for row, one in pairs if one.driver]
    have = {nic.interface_id: nic for nic in Nic.objects.filter(interface__in=[row.pk for row, _ in with_nic])}
    names = pci_ids.names()
    work = _Work[Nic](Nic, (*_NIC_COLUMNS, "model"))
    serials: dict[Router, dict[str, str]] = {}
    for row, one in with_nic:
        model = names.model(one.pci_vendor, one.pci_device)[:255]
        nic = have.get(row.pk) or Nic(router_id=row.router_id, interface=row)
        work.set(nic, {"model": model, **{column: getattr(one, column) for column in _NIC_COLUMNS}})
        if one.serial:
            serials.setdefault(row.router, {})[one.serial] = model
    work.write(now)
    return serials


Row = TypeVar("Row", Interface, Nic)


class _Work(Generic[Row]):
    """Rows to make, to change, or only to be marked as seen: most, and those cost one statement for a thousand.

    Updating all columns of all rows was two thirds of a collection's time (SQLite takes 27 NICs per statement).
    """

    def __init__(self, model: type[Row], columns: Sequence[str]) -> None:
        self._model: type[Row] = model
        self._columns = columns
        self._new: list[Row] = []
        self._changed: list[Row] = []
        self._same: list[int] = []

    def set(self, row: Row, values: Mapping[str, Any]) -> None:
        differs = any(getattr(row, column) != value for column, value in values.items())
        for column, value in values.items():
            setattr(row, column, value)
        if row.pk is None:
            self._new.append(row)
        elif differs:
            self._changed.append(row)
        else:
            self._same.append(row.pk)

    def write(self, now: datetime) -> None:
        for row in (*self._new, *self._changed):
            row.last_seen_at = now
        rows: Any = self._model._default_manager
        for start in range(0, len(self._same), _BATCH):
            rows.filter(pk__in=self._same[start : start + _BATCH]).update(last_seen_at=now)
        if self._changed:
            rows.bulk_update(self._changed, (*self._columns, "last_seen_at"), batch_size=_BATCH)
        if self._new:
            rows.bulk_create(self._new, batch_size=_BATCH)


def _one_each(model: type[Model], seen: Mapping[Router, Mapping[str, Any] | None]) -> None:
    """One row per router, made or brought up to date in one statement."""
    rows = [model(router=router, **columns) for router, columns in seen.items() if columns is not None]
    if rows:
        fields = [field.name for field in model._meta.concrete_fields if field.name not in ("id", "router")]
        model._default_manager.bulk_create(
            rows, batch_size=_BATCH, update_conflicts=True, unique_fields=["router"], update_fields=fields
        )


def _many_each(
    model: Any, facts: Mapping[Router, Facts], read: Callable[[Json], Mapping[str, Mapping[str, Any]] | None]
) -> None:
    """Rows by router and name: new ones made, changed ones updated, those that are gone removed (facts keep them)."""
    told = {router: found for router, seen in facts.items() if (found := read(seen)) is not None}
    have = {(row.router_id, row.name): row for row in model.objects.filter(router__in=told)}
    made, changed = [], []
    fields: Iterable[str] = ()
    for router, found in told.items():
        for name, columns in found.items():
            fields = columns
            row = have.pop((router.pk, name), None)
            if row is None:
                made.append(model(router=router, name=name, **columns))
            elif any(getattr(row, column) != value for column, value in columns.items()):
                for column, value in columns.items():
                    setattr(row, column, value)
                changed.append(row)
    if have:
        model.objects.filter(pk__in=[row.pk for row in have.values()]).delete()
    if made:
        model.objects.bulk_create(made, batch_size=_BATCH)
    if changed:
        model.objects.bulk_update(changed, tuple(fields), batch_size=_BATCH)
