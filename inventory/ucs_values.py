"""Rows of Cisco UCS as the values that decisions are made on."""

from collections.abc import Iterable

from fleet.core import ucs as core
from fleet.core.ucs_reach import Maintenance, Profile
from inventory import models


def limits_table() -> dict[str, core.Limits]:
    """What Slipway knows of adapters, and on top of it what was entered here. One query."""
    table = dict(core.KNOWN_LIMITS)
    for row in models.AdapterLimit.objects.all():
        table.pop(row.model, None)
        if row.receive is not None and row.transmit is not None:
            table[row.model] = core.Limits(row.receive, row.transmit, row.source, row.completions)
    return table


def policy_of(row: models.AdapterPolicy) -> core.Policy:
    """A row as the value that decisions are made on."""
    return core.Policy(
        row.name, row.rx_queues, row.tx_queues, row.completion_queues, row.interrupts, row.rx_ring, row.tx_ring,
        rss=row.rss, arfs=row.arfs,
    )  # fmt: skip


def maintenance_of(row: models.ServiceProfile) -> Maintenance:
    """When a profile's blade would reboot by itself."""
    known = {m.value: m for m in Maintenance}
    return known.get(row.maintenance_policy, Maintenance.UNKNOWN)


def profiles_of(names: Iterable[str]) -> dict[str, Profile]:
    """Device > its service profile as the value that findings are made of. Two queries."""
    rows = models.ServiceProfile.objects.filter(router__name__in=list(names)).select_related("blade", "router")
    made = {}
    for row in rows.prefetch_related("vnics__adapter_policy"):
        assert row.router is not None  # filtered above
        made[row.router.name] = Profile(
            dn=row.dn, name=row.name, blade=row.blade.dn if row.blade else "",
            adapter=row.blade.adapter if row.blade else "",
            policies=tuple(v.adapter_policy.dn for v in row.vnics.all() if v.adapter_policy is not None),
            maintenance=maintenance_of(row), host=row.router.name,
        )  # fmt: skip
    return made
