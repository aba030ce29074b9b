"""The managed objects of a commit: copies of an adapter policy and of a host firmware pack."""

from collections.abc import Iterable
from typing import Any

from ucsmsdk.mometa.adaptor.AdaptorHostEthIfProfile import AdaptorHostEthIfProfile
from ucsmsdk.mometa.firmware.FirmwareComputeHostPack import FirmwareComputeHostPack
from ucsmsdk.mometa.firmware.FirmwareExcludeServerComponent import FirmwareExcludeServerComponent
from ucsmsdk.mometa.lsmaint.LsmaintMaintPolicy import LsmaintMaintPolicy
from ucsmsdk.ucscoremeta import MoPropertyMeta

from fleet.core.ucs import Policy


def copy(dn: str, policy: Policy, children: Iterable[Any]) -> Any:
    """A new policy as one object: everything below the original (`children`), with the counts of `policy`.

    What the schema lets nobody write is left to UCS Manager.
    """
    new: Any = AdaptorHostEthIfProfile  # ucsmsdk has no types
    made = new(parent_mo_or_dn=dn.rpartition("/")[0], name=policy.name, descr="made by Slipway")
    ours = properties(policy)
    for child in children:
        cls = type(child)
        writable = {name for name, meta in cls.prop_meta.items() if meta.access == MoPropertyMeta.READ_WRITE}
        if "Set" not in cls.mo_meta.verbs:
            continue
        kept = {name: getattr(child, name, None) for name in writable - {"status"}}
        values = {name: str(value) for name, value in kept.items() if value} | ours.get(child.rn, {})
        cls(made, **values)
    return made


def user_ack(dn: str, name: str) -> Any:
    """A new maintenance policy under which reboots wait to be acknowledged."""
    new: Any = LsmaintMaintPolicy
    return new(parent_mo_or_dn=dn.rpartition("/")[0], name=name, descr="made by Slipway", uptime_disr="user-ack")


def pack(dn: str, name: str, bundle: str, origin: Any, children: Iterable[Any]) -> Any:
    """A new host firmware pack with this bundle of blade firmware; everything else, with the components that are left
    out (local disks), as in the original. Packs that name images one by one have no bundle to change."""
    new: Any = FirmwareComputeHostPack
    kept = (
        "rack_bundle_version",
        "ignore_comp_check",
        "mode",
        "override_default_exclusion",
        "stage_size",
        "update_trigger",
    )
    values = {key: str(value) for key in kept if (value := getattr(origin, key, None))}
    made = new(
        parent_mo_or_dn=dn.rpartition("/")[0], name=name, descr="made by Slipway", blade_bundle_version=bundle, **values
    )
    left_out: Any = FirmwareExcludeServerComponent
    for child in children:
        if child.get_class_id() == "FirmwareExcludeServerComponent":
            left_out(made, server_component=str(child.server_component))
    return made


def properties(policy: Policy) -> dict[str, dict[str, str]]:
    """rn > property > value: all that a policy's counts are."""
    return {
        "eth-rcv-q": {"count": str(policy.receive), "ring_size": str(policy.receive_ring)},
        "eth-work-q": {"count": str(policy.transmit), "ring_size": str(policy.transmit_ring)},
        "eth-comp-q": {"count": str(policy.completion)},
        "eth-int": {"count": str(policy.interrupts)},
        "rss": {"receive_side_scaling": "enabled" if policy.rss else "disabled"},
        "eth-arfs": {"accelarated_rfs": "enabled" if policy.arfs else "disabled"},
    }
