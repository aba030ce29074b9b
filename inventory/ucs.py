"""Collects UCS domains and answers where the blade of a device is. Rows are what UCS Manager said last."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from fleet.core import ucs as core
from fleet.core.model import Reason
from inventory import models, ucs_links, ucs_values
from playbooks.base import DeviceError
from playbooks.ucs import places, seen

_MOST_SHOWN = 255
_MOST_KEPT = 200  # sentences of one collection


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
        models.UcsDomain.objects.filter(pk=row.pk).update(tried_at=now, said=[str(error.reason)[:500]])
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
                "firmware": b.firmware[:63],
            } for b in found.blades
        })  # fmt: skip
        linked, unlinked = _profiles(row, found, policies, blades)
        # Policies that are gone: last, when no profile is bound to them any more.
        models.AdapterPolicy.objects.filter(domain=row).exclude(dn__in=list(policies)).delete()
        models.UcsDomain.objects.filter(pk=row.pk).update(
            version=found.version[:31], bundles=[text[:31] for text in found.bundles][:200], collected_at=now,
            tried_at=now, said=[str(reason)[:500] for reason in unlinked][:_MOST_KEPT],
        )  # fmt: skip
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
    hosts, by_dn = ucs_links.hosts(found.profiles, found.blades), {b.dn: b for b in found.blades}
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
        told = hosts.of(profile, by_dn.get(profile.blade))
        # What differs links nothing, whatever was linked before; where nothing tells, a link made by hand stays.
        router = None if told.conflict is not None else told.device or taken.get(profile.dn)
        if router in used | elsewhere:
            unlinked.append(ucs_links.taken_twice(profile, hosts.names.get(router or 0, "a device")))
            router = None
        elif told.conflict is not None:
            unlinked.append(told.conflict)
        elif profile.blade and router is None:
            unlinked.append(ucs_links.unlinked(profile))
        used |= {router} if router is not None else set()
        first = next((policies[v.policy] for v in profile.vnics if v.policy in policies), None)
        pending = ", ".join(profile.pending.changes) or "changes" if profile.pending else ""
        made.append(
            models.ServiceProfile(
                domain=row, dn=profile.dn[:255], name=profile.name[:32], adapter_policy=first,
                maintenance_policy=profile.maintenance[:16], router_id=router, blade=blades.get(profile.blade),
                uuid=profile.uuid[:63], association=profile.association[:31], pending=pending[:_MOST_SHOWN],
                bound_to=profile.template[:255], firmware_pack=profile.pack[:255],
                linked_by=told.by if router is not None and router == told.device else "",
            )
        )  # fmt: skip
    fields = ["name", "adapter_policy", "maintenance_policy", "router", "blade", "uuid", "association", "pending",
              "bound_to", "firmware_pack", "linked_by"]  # fmt: skip
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


def _siblings(row: models.ServiceProfile) -> tuple[str, ...]:
    """The other profiles that are bound to the same updating template, and when each would reboot."""
    if not row.bound_to:
        return ()
    rows = models.ServiceProfile.objects.filter(domain=row.domain, bound_to=row.bound_to).exclude(pk=row.pk)
    return tuple(f"{one.name} ({one.maintenance_policy or 'unknown'})" for one in rows.order_by("name")[:_MOST_KEPT])


def rack_address(row: models.RackServer) -> places.Domain:
    """How a standalone server's management controller is reached. No query after `select_related`."""
    who = row.credential
    return places.Domain(row.router.name, row.address, row.port, who.username, who.reference, row.certificate)


def collect_rack(row: models.RackServer, *, now: datetime) -> Reason | None:
    """Ask one standalone server and write what it says; why not, where it could not be asked."""
    from playbooks.ucs import rack, rack_client  # imcsdk takes a while to import

    mine = models.RackServer.objects.filter(pk=row.pk)
    try:
        found = rack_client.look(rack_address(row))
    except DeviceError as error:
        mine.update(tried_at=now, said=[str(error.reason)[:500]])
        return error.reason
    mine.update(
        model=found.model[:63], serial=found.serial[:63], uuid=found.uuid[:63], version=found.version[:31],
        vnics=[rack.vnic_json(one) for one in found.vnics][:_MOST_KEPT], tried_at=now, collected_at=now, said=[],
    )  # fmt: skip
    return None


class Store:
    """Where the kinds of step `ucs` and `ucs-rack` look up the blade or the controller of a device."""

    def rack(self, device: str) -> places.RackPlace | None:
        """Two queries; None where the device is no standalone server that was collected."""
        from playbooks.ucs.rack import vnic_of

        row = models.RackServer.objects.filter(router__name=device, collected_at__isnull=False)
        found = row.select_related("router", "credential").first()
        if found is None:
            return None
        vnics = tuple(vnic_of(one) for one in found.vnics)
        return places.RackPlace(rack_address(found), found.model, vnics)

    def of(self, device: str) -> places.Place | None:
        """Six queries at most; None where no service profile with a blade is linked to the device."""
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
            pack=row.firmware_pack,
            packs=dict(models.FirmwarePack.objects.filter(domain=row.domain).values_list("dn", "blade_bundle")),
            bundles=tuple(str(text) for text in row.domain.bundles),
            siblings=_siblings(row),
        )
