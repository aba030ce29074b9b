"""Cables between interfaces beside the links of the inventory: known by NetBox id, else by their two ends. Pure."""

import re

from fleet.core.model import Json, Reason
from inventory.importers.kinds import INTERFACE_PATTERN
from inventory.importers.netbox.compare_devices import Devices
from inventory.importers.netbox.outcome import GONE, REMEDY, Claim, Outcome, clashes
from inventory.importers.netbox.stored import Stored, StoredLink
from inventory.importers.netbox.values import CableEnd, CableRow, Defaults, Snapshot
from inventory.importers.rows import RowKind, end_name, link_name

# An end after the import: the device's row in the inventory, or for a new one its NetBox id below zero.
_End = tuple[int | None, str]


class Links:
    """Which cable is which link. `good`: NetBox id -> cable that can be taken; `leading_out`: one end is not known."""

    def __init__(self, snapshot: Snapshot, stored: Stored, defaults: Defaults, devices: Devices) -> None:
        self._snapshot, self._stored, self._defaults, self._devices = snapshot, stored, defaults, devices
        self._wrong: list[Reason] = []
        self._known = devices.name_and_pk()
        self._names = {r.pk: r.name for r in stored.routers} | {pk: n for n, pk in self._known.values() if pk}
        self.leading_out = {c.id for c in snapshot.cables if not {c.a.device, c.b.device} <= self._known.keys()}
        self.good = {c.id: c for c in snapshot.cables if c.id not in self.leading_out and self._complete(c)}
        self._present = snapshot.present_cables - snapshot.cables_elsewhere - self.leading_out
        self._whole = devices.read_whole()
        self.match = self._matches()
        self._settle()

    def _complete(self, cable: CableRow) -> bool:
        before = len(self._wrong)
        for end in (cable.a, cable.b):
            if not re.fullmatch(INTERFACE_PATTERN, end.interface):
                self._say(cable, f"interface {end.interface!r}", "a name such as eth1 or et-0/0/1")
        if cable.a.device == cable.b.device:
            ends = f"{cable.a.name}:{cable.a.interface} and {cable.b.name}:{cable.b.interface}"
            self._say(cable, f"a link to itself ({ends})", "two devices")
        if _capacity(cable) is None:
            self._say(cable, "two interfaces without speed and known type", "what the link carries")
        return len(self._wrong) == before

    def _say(self, cable: CableRow, found: str, wanted: str) -> None:
        remedy = "Correct it in NetBox, or leave the row out with --skip-wrong-rows."
        self._wrong.append(Reason(f"{cable.url} ends", found, wanted, remedy))

    def _end(self, end: CableEnd) -> _End:
        _, pk = self._known[end.device]
        return (pk if pk is not None else -end.device, end.interface)

    def _ends(self, cable: CableRow) -> frozenset[_End]:
        return frozenset((self._end(cable.a), self._end(cable.b)))

    def _lost(self, link: StoredLink) -> bool:
        """It came from NetBox, and NetBox no longer has its cable; told where all cables of a device were read."""
        if link.netbox_id is None or link.netbox_id in self._present:
            return False
        return any(pk in self._whole for pk, _ in link.ends)

    def _matches(self) -> dict[int, StoredLink]:
        by_id = {link.netbox_id: link for link in self._stored.links if link.netbox_id is not None}
        found = {pk: by_id[pk] for pk in self.good if pk in by_id}
        free = {ln.pk: ln for ln in self._stored.links if ln.netbox_id is None or self._lost(ln)}
        by_ends = {link.ends: link for link in free.values()}
        for pk, cable in self.good.items():
            if pk not in found and (same := by_ends.get(self._ends(cable))) and same.pk in free:
                found[pk] = free.pop(same.pk)
        # Plugged over: the old cable is gone, the new one uses one of its interfaces. It is the same link, moved.
        holder = {end: ln for ln in free.values() if ln.netbox_id is not None for end in ln.ends}
        for pk, cable in self.good.items():
            moved = [holder[e] for e in sorted(self._ends(cable), key=repr) if e in holder and holder[e].pk in free]
            if pk not in found and moved:
                found[pk] = free.pop(moved[0].pk)
        return found

    def _settle(self) -> None:
        """Leave out what wants an interface that another link has, until nothing does."""
        while True:
            moving = {self.match[pk].pk for pk in self.good if pk in self.match}
            held = {
                end: f"the link {self._name(link)} of Slipway"
                for link in self._stored.links
                if link.pk not in moving
                for end in link.ends
                if end[0] is not None
            }
            claims = [Claim(c.id, f"{c.url} ends", end) for c in self.good.values() for end in self._ends(c)]

            def say(claim: Claim, who: str) -> Reason:
                return Reason(claim.url, f"interface {claim.value[1]}, as {who}", "each interface in one link", REMEDY)

            found = clashes(claims, held, say)
            if not found:
                return
            self._wrong += found.values()
            for pk in found:
                del self.good[pk]

    def _name(self, link: StoredLink) -> str:
        return " -- ".join(sorted(end_name(self._names[pk], text) if pk else text for pk, text in link.ends))

    def outcome(self) -> Outcome:
        found = Outcome(wrong=list(self._wrong))
        for cable in self.good.values():
            ends = sorted(end_name(self._known[end.device][0], end.interface) for end in (cable.a, cable.b))
            name = link_name((ends[0], ends[1]))
            after: dict[str, Json] = {"ends": ends, "capacity_mbps": _capacity(cable), "netbox_id": cable.id}
            link = self.match.get(cable.id)
            if link is None:
                found.create(RowKind.LINK, name, {**after, "kind": cable.kind or self._defaults.link_kind})
                continue
            # Named as they will be: the same interfaces of a renamed device are no change of the link.
            before: dict[str, Json] = {
                "ends": self._name(link).split(" -- "),
                "capacity_mbps": link.capacity_mbps,
                "netbox_id": link.netbox_id,
                "stale_since": link.stale_since,
            }
            found.compare(RowKind.LINK, name, link.pk, before=before, after={**after, "stale_since": None})
            found.keep(cable.url, [("kind", cable.kind, link.kind)])
        matched = {link.pk for link in self.match.values()}
        for link in self._stored.links:
            if link.pk not in matched and self._lost(link) and link.stale_since is None:
                found.lost(RowKind.LINK, self._name(link), link.pk, GONE)
        return found


def _capacity(cable: CableRow) -> int | None:
    """A link carries what its slower end carries; an end of unknown speed is as fast as the other."""
    return min((end.mbps for end in (cable.a, cable.b) if end.mbps is not None), default=None)
