"""Collects UCS domains and answers where the blade of a device is. Rows are what UCS Manager said last."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from fleet.core import ucs as core
from fleet.core.model import Reason
from inventory import models, ucs_values
from playbooks.base import DeviceError
from playbooks.ucs import places, seen

_MOST_SHOWN = 255


@dataclass(frozen=True)
class Collected:
    """What one collection of a domain brought. `unlinked`: profiles with a blade whose host nobody could tell."""

    domain: str
    blades: int = 0
    profiles: int = 0
    policies: int = 0
    linked: int = 0
    unlinked: tuple[Reason, ...] = ()
    failed: Reason | None = None


def address_of(row: models.UcsDomain) -> places.Domain:
    """How a domain's UCS Manager is reached. No query after `select_related("credential")`."""
    who = row.credential
    return places.Domain(row.name, row.address, row.port, who.username, who.reference, row.certificate)


def collect(row: models.UcsDomain, *, now: datetime) -> Collected:
    """Ask one domain and write what it says; nothing is written when it cannot be asked."""
    from playbooks.ucs import collect as asking  # ucsmsdk takes a while to import: not for every command

    try:
        found = asking.collect(address_of(row))
    except DeviceError as error:
        return Collected(row.name, failed=error.reason)
    return record(row, found, now=now)


def record(row: models.UcsDomain, found: seen.Domain, *, now: datetime) -> Collected:
    """Write what a domain said. Rows that it does not have any more are gone; what it has is as it says."""
    with transaction.atomic():
        policies = _policies(row, found)
        _keep(models.MaintenancePolicy, row, {
            dn: {"name": _name(dn, "maint-")[:16], "disruption": when[:16]} for dn, when in found.maintenance.items()
        })  # fmt: skip
        _keep(models.FirmwarePack, row, {dn: {"blade_bundle": bundle[:63]} for dn, bundle in found.packs.items()})
        blades = _keep(models.Blade, row, {
            b.dn: {
                "model": b.model[:63], "serial": b.serial[:63], "uuid": b.uuid[:63], "adapter": b.adapter[:63],
                "power": b.power[:31], "association": b.association[:31], "threads": b.threads,
            } for b in found.blades
        })  # fmt: skip
        linked, unlinked = _profiles(row, found, policies, blades)
        # Policies that are gone: last, when no profile is bound to them any more.
        models.AdapterPolicy.objects.filter(domain=row).exclude(dn__in=list(policies)).delete()
        models.UcsDomain.objects.filter(pk=row.pk).update(version=found.version[:31], collected_at=now)
    return Collected(row.name, len(blades), len(found.profiles), len(policies), linked, unlinked)


def _name(dn: str, prefix: str) -> str:
    return dn.rpartition("/")[2].removeprefix(prefix)


def _keep(kind: Any, row: models.UcsDomain, wanted: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Rows of one kind by dn, as they are wanted; those of this domain that are not wanted are deleted. 3 queries."""
    kind.objects.filter(domain=row).exclude(dn__in=list(wanted)).delete()
    fields = list(next(iter(wanted.values()), {}))
    if wanted:
        kind.objects.bulk_create(
            [kind(domain=row, dn=dn[:255], **values) for dn, values in wanted.items()],
            update_conflicts=True, unique_fields=["domain", "dn"], update_fields=fields,
        )  # fmt: skip
    return {one.dn: one for one in kind.objects.filter(domain=row)}


def _policies(row: models.UcsDomain, found: seen.Domain) -> dict[str, models.AdapterPolicy]:
    wanted = {
        dn: {
            "name": p.name[:16], "rx_queues": p.receive, "rx_ring": p.receive_ring, "tx_queues": p.transmit,
            "tx_ring": p.transmit_ring, "completion_queues": p.completion, "interrupts": p.interrupts, "rss": p.rss,
            "arfs": p.arfs,
        }
        for dn, p in found.policies.items()
    }  # fmt: skip
    if wanted:
        models.AdapterPolicy.objects.bulk_create(
            [models.AdapterPolicy(domain=row, dn=dn[:255], **values) for dn, values in wanted.items()],
            update_conflicts=True, unique_fields=["domain", "dn"], update_fields=list(next(iter(wanted.values()))),
        )  # fmt: skip
    return {one.dn: one for one in models.AdapterPolicy.objects.filter(domain=row, dn__in=list(wanted))}


def _profiles(
    row: models.UcsDomain,
    found: seen.Domain,
    policies: Mapping[str, models.AdapterPolicy],
    blades: Mapping[str, models.Blade],
) -> tuple[int, tuple[Reason, ...]]:
    hosts = _hosts(v.mac for p in found.profiles for v in p.vnics)
    taken = dict(models.ServiceProfile.objects.filter(domain=row).values_list("dn", "router_id"))
    models.ServiceProfile.objects.filter(domain=row).exclude(dn__in=[p.dn for p in found.profiles]).delete()
    # A blade or a host that moved to another profile: both are told apart by the database.
    models.ServiceProfile.objects.filter(domain=row).update(blade=None, router=None)
    made: list[models.ServiceProfile] = []
    unlinked: list[Reason] = []
    elsewhere = set(
        models.ServiceProfile.objects.exclude(domain=row)
        .filter(router__isnull=False)
        .values_list("router_id", flat=True)
    )
    used: set[int] = set()
    for profile in found.profiles:
        router = _host(profile, hosts) or taken.get(profile.dn)
        router = None if router in used | elsewhere else router
        if profile.blade and router is None:
            unlinked.append(_unlinked(profile))
        used |= {router} if router is not None else set()
        first = next((policies[v.policy] for v in profile.vnics if v.policy in policies), None)
        pending = ", ".join(profile.pending.changes) or "changes" if profile.pending else ""
        made.append(
            models.ServiceProfile(
                domain=row, dn=profile.dn[:255], name=profile.name[:32], adapter_policy=first,
                maintenance_policy=profile.maintenance[:16], router_id=router, blade=blades.get(profile.blade),
                uuid=profile.uuid[:63], association=profile.association[:31], pending=pending[:_MOST_SHOWN],
                bound_to=profile.template[:255],
            )
        )  # fmt: skip
    fields = ["name", "adapter_policy", "maintenance_policy", "router", "blade", "uuid", "association", "pending",
              "bound_to"]  # fmt: skip
    models.ServiceProfile.objects.bulk_create(
        made, update_conflicts=True, unique_fields=["domain", "dn"], update_fields=fields
    )
    _vnics(row, found, policies)
    return len(used), tuple(unlinked)


def _vnics(row: models.UcsDomain, found: seen.Domain, policies: Mapping[str, models.AdapterPolicy]) -> None:
    rows = {p.dn: p for p in models.ServiceProfile.objects.filter(domain=row)}
    models.Vnic.objects.filter(profile__domain=row).delete()
    models.Vnic.objects.bulk_create(
        models.Vnic(profile=rows[p.dn], name=v.name[:16], mac=v.mac[:17], adapter_policy=policies.get(v.policy))
        for p in found.profiles
        for v in p.vnics
        if p.dn in rows
    )


def _hosts(macs: Iterable[str]) -> dict[str, int]:
    """MAC address > the one device that showed it on an interface; what two devices show tells nothing."""
    wanted = {mac for mac in macs if mac}
    found: dict[str, set[int]] = {}
    for mac, router in models.Interface.objects.filter(mac__in=wanted).values_list("mac", "router_id"):
        found.setdefault(mac, set()).add(router)
    return {mac: next(iter(routers)) for mac, routers in found.items() if len(routers) == 1}


def _host(profile: seen.Profile, hosts: Mapping[str, int]) -> int | None:
    """The device whose interfaces have the addresses of this profile's vNICs; None where they are of several."""
    found = {hosts[v.mac] for v in profile.vnics if v.mac in hosts}
    return next(iter(found)) if len(found) == 1 else None


def _unlinked(profile: seen.Profile) -> Reason:
    return Reason(
        f"host of {profile.name} ({profile.blade.removeprefix('sys/')})",
        "no device, or more than one, with the MAC addresses of its vNICs",
        "one device of the inventory",
        "Collect the host's facts, or link the service profile by hand.",
    )


class Store:
    """Where the kind of step `ucs` looks up the blade of a device."""

    def of(self, device: str) -> places.Place | None:
        """Four queries; None where no service profile with a blade is linked to the device."""
        row = (
            models.ServiceProfile.objects.filter(router__name=device, blade__isnull=False)
            .select_related("domain__credential", "blade")
            .first()
        )
        if row is None or row.blade is None:
            return None
        vnics = {v.name: v.adapter_policy.dn if v.adapter_policy else "" for v in
                 row.vnics.select_related("adapter_policy")}  # fmt: skip
        return places.Place(
            domain=address_of(row.domain),
            version=row.domain.version,
            profile=row.dn,
            blade=row.blade.dn,
            adapter=row.blade.adapter,
            maintenance=row.maintenance_policy,
            vnics=vnics,
            counts={p.dn: ucs_values.policy_of(p) for p in models.AdapterPolicy.objects.filter(domain=row.domain)},
            limits=core.limits_of(row.blade.adapter, ucs_values.limits_table()),
            template=row.bound_to,
        )
