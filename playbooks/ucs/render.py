"""The managed objects of a commit: a copy of an adapter policy."""

from collections.abc import Iterable
from typing import Any

from ucsmsdk.mometa.adaptor.AdaptorHostEthIfProfile import AdaptorHostEthIfProfile
from ucsmsdk.ucscoremeta import MoPropertyMeta

from fleet.core.ucs import Policy


def copy(dn: str, policy: Policy, children: Iterable[Any]) -> Any:
    """A new policy as one object: everything below the original (`children`), with the counts of `policy`.

    What the schema lets nobody write is left to UCS Manager.
    """
    new: Any = AdaptorHostEthIfProfile  # ucsmsdk has no types
    made = new(parent_mo_or_dn=dn.rpartition("/")[0], name=policy.name, descr="made by Slipway")
    ours = _values(policy)
    for child in children:
        cls = type(child)
        writable = {name for name, meta in cls.prop_meta.items() if meta.access == MoPropertyMeta.READ_WRITE}
        if "Set" not in cls.mo_meta.verbs:
            continue
        kept = {name: getattr(child, name, None) for name in writable - {"status"}}
        values = {name: str(value) for name, value in kept.items() if value} | ours.get(child.rn, {})
        cls(made, **values)
    return made


def _values(policy: Policy) -> dict[str, dict[str, str]]:
    """rn > property > value: all that a policy's counts are."""
    return {
        "eth-rcv-q": {"count": str(policy.receive), "ring_size": str(policy.receive_ring)},
        "eth-work-q": {"count": str(policy.transmit), "ring_size": str(policy.transmit_ring)},
        "eth-comp-q": {"count": str(policy.completion)},
        "eth-int": {"count": str(policy.interrupts)},
        "rss": {"receive_side_scaling": "enabled" if policy.rss else "disabled"},
        "eth-arfs": {"accelarated_rfs": "enabled" if policy.arfs else "disabled"},
    }
