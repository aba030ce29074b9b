"""May these routers be down together? The same answers as `waves.broken_promises`, thousands of times.

A proof is kept instead of walking the network for each question. Routers stand in an order in which each has at least
the floor, in Mb/s, to those before it: any two of them then carry the floor between each other, because a cut that
parts them somewhere parts one of them from all before it. Taking a router away is mended where it stood: whoever
relied on it leaves the order and comes back behind those who are left. What can be told neither so nor by a cut around
those who did not come back is walked over (`cuts.broken`).
"""

import math
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from fleet.core.cuts import Network, broken
from fleet.core.model import KeepConnected, Reason


@dataclass(frozen=True)
class Member:
    """A router in an order: which order, how far back, and what it has to those before it in Mb/s."""

    order: int
    place: int
    support: float


Order = Mapping[str, Member | None]


@dataclass(frozen=True)
class Kept:
    """A promise as the proof sees it. `order`: that in which its routers stand; None: they never stood in one."""

    promise: KeepConnected
    floor: int
    routers: frozenset[str]
    group: int
    order: int | None


@dataclass
class Part:
    """Routers that are down together, and what that did to the proof. Filled by `Redundancy.joins`."""

    down: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))  # by group
    moved: dict[int, dict[str, Member | None]] = field(default_factory=lambda: defaultdict(dict))  # by floor
    lost: Counter[int] = field(default_factory=Counter)  # promise -> its routers that are down
    walked: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))  # they hold, but no proof says so
    broken: set[int] = field(default_factory=set)  # groups in which something is cut: nobody more of them may join


class Redundancy:
    """Proofs for a network. `joins` asks and takes; `spares` asks about one router by itself."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._places = 0
        self.kept: list[Kept] = []
        self.naming: dict[tuple[str, int], list[int]] = defaultdict(list)  # router or external, group -> promises
        self.outward = _outward(network)
        self._unproven: dict[int, list[int]] = defaultdict(list)  # group -> promises without proof
        self._floors: dict[int, set[int]] = defaultdict(set)
        self.base: dict[int, dict[str, Member | None]] = {}
        for group, promises in network.promises.items():
            for promise in promises:
                self._keep(group, promise)

    def _keep(self, group: int, promise: KeepConnected) -> None:
        floor, number = max(promise.floor_mbps, 1), len(self.kept)
        if floor not in self.base:
            self.base[floor] = self._orders(floor)
        self._floors[group].add(floor)
        kept = Kept(promise, floor, promise.names - self.network.externals, group, self._common(promise, floor))
        self.kept.append(kept)
        for name in promise.names:
            self.naming[name, group].append(number)
        if kept.order is None:
            self._unproven[group].append(number)

    def _orders(self, floor: int) -> dict[str, Member | None]:
        """Every router in an order; one that has the floor to nobody is alone in its own."""
        capacity, externals = self.network.capacity, self.network.externals
        found: dict[str, Member | None] = {}
        alone: set[str] = set()
        routers = [n for n in capacity if n not in externals]
        for number, root in enumerate(sorted(routers, key=lambda n: -sum(capacity[n].values()))):
            if root in found:
                continue
            found[root] = Member(number, self.next_place(), math.inf)
            support: dict[str, int] = defaultdict(int)
            queue = deque([root])
            while queue:
                for other, mbps in capacity[queue.popleft()].items():
                    if other in externals or (other in found and other not in alone):
                        continue
                    support[other] += mbps
                    if support[other] >= floor and other != root:
                        found[other] = Member(number, self.next_place(), support[other])
                        alone.discard(other)
                        queue.append(other)
            if not any(s >= floor for s in support.values()):
                alone.add(root)
        return self._with_all_support(found)

    def _with_all_support(self, found: Mapping[str, Member | None]) -> dict[str, Member | None]:
        """The same orders, each support counted over everybody who stands before (some were met later)."""
        return {
            name: member
            if member is None or math.isinf(member.support)
            else Member(member.order, member.place, self._before(name, member, found))
            for name, member in found.items()
        }

    def _before(self, name: str, member: Member, found: Order) -> int:
        near = ((found.get(other), mbps) for other, mbps in self.network.capacity[name].items())
        return sum(m for o, m in near if o is not None and o.order == member.order and o.place < member.place)

    def next_place(self) -> int:
        self._places += 1
        return self._places

    def _common(self, promise: KeepConnected, floor: int) -> int | None:
        """The order in which all its routers stand and that all its externals reach with the floor."""
        base = self.base[floor]
        routers = promise.names - self.network.externals
        beside = routers or set(self.network.capacity.get(min(promise.names, default=""), {}))
        orders = {m.order for n in beside if (m := base.get(n)) is not None}
        if routers and (len(orders) != 1 or any(n not in base for n in routers)):
            return None
        ends = promise.names & self.network.externals
        return next((o for o in sorted(orders) if all(_reach(self.network, e, o, base) >= floor for e in ends)), None)

    # --- asking ----------------------------------------------------------------------------------------------------

    def spares(self, name: str) -> bool:
        """Is nothing cut while this router alone is down?"""
        return self.joins(name, Part())

    def reasons(self, name: str) -> tuple[Reason, ...]:
        """What is cut while this router alone is down: as `cuts.broken_promises` says it, about its network."""
        group = self.network.component_of.get(name, -1)
        trials = [Trial(self, floor, Part(), name) for floor in self._floors.get(group, ())]
        numbers = {*self._unproven.get(group, ()), *(number for number, _ in self._not_proven(trials))}
        alone = frozenset({name})
        return tuple(r for n in sorted(numbers) for r in broken(self.network, self.kept[n].promise, alone))

    def _not_proven(self, trials: Iterable["Trial"]) -> Iterator[tuple[int, bool | None]]:
        """Promises that may be cut: False where it is certain, None where it must be walked over."""
        for trial in trials:
            for number in trial.touched():
                kept = self.kept[number]
                if kept.floor == trial.floor and kept.order is not None:
                    says = trial.says(number, kept)
                    if not says:
                        yield number, says

    def joins(self, name: str, part: Part) -> bool:
        """May this router be down beside those of the part? Then it is one of them from now on."""
        group = self.network.component_of.get(name, -1)
        if group in part.broken:
            return False
        doubtful = {*self._unproven.get(group, ()), *part.walked[group]}
        trials = [Trial(self, floor, part, name) for floor in self._floors.get(group, ())]
        for number, says in self._not_proven(trials):
            if says is False and number not in part.walked[group]:
                return False
            doubtful.add(number)
        if doubtful:
            down = frozenset(part.down[group]) | {name}
            if any(True for n in doubtful for _ in broken(self.network, self.kept[n].promise, down)):
                return False
        for trial in trials:
            part.moved[trial.floor].update(trial.moved)
        part.lost.update(self.naming.get((name, group), ()))
        part.walked[group] |= doubtful
        part.down[group].add(name)
        return True

    def forced(self, name: str, part: Part) -> None:
        """It is one of the part although it cuts something: nobody more of its network may join."""
        group = self.network.component_of.get(name, -1)
        part.down[group].add(name)
        part.broken.add(group)


def _outward(network: Network) -> dict[tuple[str, int], list[tuple[str, int]]]:
    """External, group -> neighbours there with Mb/s. What all the world is joined to is looked at in one group only."""
    found: dict[tuple[str, int], list[tuple[str, int]]] = defaultdict(list)
    for external in network.externals:
        for name, mbps in network.capacity.get(external, {}).items():
            found[external, network.component_of.get(name, -1)].append((name, mbps))
    return found


def _reach(network: Network, name: str, order: int, base: Order) -> int:
    near = network.capacity.get(name, {}).items()
    return sum(mbps for n, mbps in near if (m := base.get(n)) is not None and m.order == order)


class Trial:
    """One router taken away from a part, at one floor: who leaves the order, and what promises that touches."""

    def __init__(self, proofs: Redundancy, floor: int, part: Part, name: str) -> None:
        self.floor, self.name = floor, name
        self.moved: dict[str, Member | None] = {}
        self._proofs, self._network = proofs, proofs.network
        self._group = group = self._network.component_of.get(name, -1)
        self._lost, self._down = part.lost, part.down[group]
        self._before = (part.moved[floor], proofs.base.get(floor, {}))
        start = self._look(name)
        self.moved[name] = None
        left = {} if start is None else self._leave(name, start)
        self._come_back(left)
        self.left = [n for n in left if self.moved[n] is None]

    def _look(self, name: str) -> Member | None:
        if name in self.moved:
            return self.moved[name]
        for layer in self._before:
            if name in layer:
                return layer[name]
        return None

    def _near(self, name: str) -> Iterable[tuple[str, int]]:
        return self._network.capacity.get(name, {}).items()

    def _leave(self, name: str, start: Member) -> dict[str, Member]:
        """Everybody who has less than the floor to those before him once this one is gone."""
        if math.isinf(start.support):
            self._new_first(name, start)
        left: dict[str, Member] = {}
        gone = [(name, start)]
        while gone:
            whose, was = gone.pop()
            for other, mbps in self._near(whose):
                member = self._look(other)
                if member is None or member.order != was.order or member.place <= was.place:
                    continue
                if member.support - mbps >= self.floor:
                    self.moved[other] = replace(member, support=member.support - mbps)
                else:
                    self.moved[other], left[other] = None, member
                    gone.append((other, member))
        return left

    def _new_first(self, name: str, start: Member) -> None:
        """The first of an order goes: the one that it reaches best stands in its place."""
        near = [(mbps, n) for n, mbps in self._near(name) if (m := self._look(n)) and m.order == start.order]
        if not near:
            return
        first = max(near)[1]
        was = self._look(first)
        assert was is not None
        for other, mbps in self._near(first):
            member = self._look(other)
            if other != name and member is not None and member.order == was.order and member.place < was.place:
                self.moved[other] = replace(member, support=member.support + mbps)
        self.moved[first] = replace(start, support=math.inf)

    def _come_back(self, left: Mapping[str, Member]) -> None:
        """Whoever left stands behind the others again if he has the floor to them."""
        support = {n: self.reach(n, was.order) for n, was in left.items()}
        queue = deque(n for n, mbps in support.items() if mbps >= self.floor)
        while queue:
            name = queue.popleft()
            if self.moved[name] is not None:
                continue
            self.moved[name] = Member(left[name].order, self._proofs.next_place(), support[name])
            for other, mbps in self._near(name):
                if other in left and self.moved[other] is None and left[other].order == left[name].order:
                    support[other] += mbps
                    if support[other] >= self.floor:
                        queue.append(other)

    def reach(self, name: str, order: int) -> int:
        """Mb/s from a router or external to those who stand in an order; an external's to the floor and no further."""
        total = 0
        for other, mbps in self._beside(name):
            if (member := self._look(other)) is not None and member.order == order:
                total += mbps
                if total >= self.floor and name in self._network.externals:
                    break
        return total

    def _beside(self, name: str) -> Iterable[tuple[str, int]]:
        """The neighbours of a router, or those of an external in this group."""
        if name in self._network.externals:
            return self._proofs.outward.get((name, self._group), ())
        return self._near(name)

    # --- promises --------------------------------------------------------------------------------------------------

    def touched(self) -> set[int]:
        """Promises that this can have changed: of whoever left the order, and of what is beside them."""
        names = {self.name, *self.left}
        for gone in (self.name, *self.left):
            names.update(n for n, _ in self._near(gone) if n in self._network.externals or n in self._down)
        if len(self._down) == 1:  # alone, it was not asked what it finds when it comes back
            names |= self._down
        return {number for n in names for number in self._proofs.naming.get((n, self._group), ())}

    def says(self, number: int, kept: Kept) -> bool | None:
        """Does a promise hold with this router down too? None: no proof for either."""
        order, lost = kept.order, self._lost[number] + (self.name in kept.routers)
        assert order is not None  # without one it is not asked here
        if kept.routers and lost == len(kept.routers):
            return False
        cut_off = [n for n in self.left if n in kept.routers]
        if cut_off:
            return False if self._parted(cut_off[0], kept, order) else None
        beside = {n for gone in (self.name, *self.left) for n, _ in self._near(gone)}
        ends = [n for n in beside & self._network.externals if n in kept.promise.names]
        if self._down:
            back = beside & self._down | {self.name} | (self._down if len(self._down) == 1 else set())
            ends += [n for n in back if n in kept.promise.names]
        said: bool | None = True
        for name in ends:
            if self.reach(name, order) >= self.floor:
                continue
            if len(kept.promise.names) - lost > 1 and self._all_of(name) < self.floor:
                return False
            said = None
        return said

    def _all_of(self, name: str) -> int:
        """The most that a router or external can have to anybody who is up, whether in the order or not."""
        if name in self._network.externals:
            near = (*self._beside(name), *self._proofs.outward.get((name, -1), ()))
            return sum(mbps for n, mbps in near if self._up(n))
        return sum(mbps for n, mbps in self._near(name) if self._up(n))

    def _up(self, name: str) -> bool:
        return name != self.name and name not in self._down

    def _parted(self, name: str, kept: Kept, order: int) -> bool:
        """Is there less than the floor between this router with all beside it that left, and the order?"""
        if not any((m := self._look(n)) is not None and m.order == order for n in kept.routers):
            return False
        inside, queue, width = {name}, deque([name]), 0
        while queue:
            for other, mbps in self._near(queue.popleft()):
                if other in inside or other in self._network.externals or not self._up(other):
                    continue
                member = self._look(other)
                if member is not None and member.order == order:
                    width += mbps
                else:
                    inside.add(other)
                    queue.append(other)
        return width < self.floor
