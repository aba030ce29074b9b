"""Which device a network card belongs to, by its serial. One serial, one device; a second claim is named, not taken."""

from collections.abc import Mapping

from fleet.core.model import Reason
from inventory.models import Card, Router

_BATCH = 1_000  # rows per statement; on SQLite Django makes it fewer (999 values)
# What cards say that have no serial of their own: nothing, zeros, all ones.
_NO_SERIAL = frozenset("0fF-: .")


def claim(seen: Mapping[Router, Mapping[str, str]]) -> tuple[Reason, ...]:
    """Record the cards (serial -> model, "" for unknown) that devices showed; says which belong to another device.

    A serial that nobody has becomes this device's. Two queries, whatever the number of devices; call it in the
    transaction that records the observation.
    """
    wanted: dict[str, list[tuple[Router, str]]] = {}
    for router, cards in seen.items():
        for serial, model in cards.items():
            if set(serial) - _NO_SERIAL:
                wanted.setdefault(serial, []).append((router, model))
    have = {card.serial: card for card in Card.objects.filter(serial__in=wanted).select_related("router")}
    fresh = [
        Card(serial=serial, router=claims[0][0], model=claims[0][1])
        for serial, claims in wanted.items()
        if serial not in have
    ]
    # Another worker may have been faster; whoever was first has it, the next observation names the second.
    Card.objects.bulk_create(fresh, batch_size=_BATCH, ignore_conflicts=True)
    have |= {card.serial: card for card in fresh}
    return tuple(
        claimed_twice(serial, have[serial].router.name, router.name)
        for serial, claims in sorted(wanted.items())
        for router, _ in claims
        if router.pk != have[serial].router_id
    )


def claimed_twice(serial: str, holder: str, other: str) -> Reason:
    """Two devices claim one serial."""
    return Reason(
        f"NIC serial {serial}",
        f"claimed by {holder} and by {other}",
        "one device",
        f"If the card was moved, give it to {other} (cards: in the inventory file, or the admin page).",
    )
