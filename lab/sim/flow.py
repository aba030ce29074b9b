"""How much traffic crosses one router and how much is lost there: a deterministic model, integrated over time. Pure."""

from dataclasses import dataclass, field

Shares = tuple[float, float]  # IPv4, IPv6: how much of the offered traffic the neighbours send this way

# What a drained router still forwards (traceroutes, strays). Lab: ForwDatagrams of a drained router stays near zero.
RESIDUAL_PPS = 3.0


@dataclass
class Flow:
    """Counters of forwarded and lost packets per family, and the changes that are due later.

    `target`: what the router's own flags ask its neighbours for. `attract`: what they do, some time later.
    `able`: its tables are full; what is attracted while it is not able is lost.
    """

    at: float
    offered_pps: float
    attract: Shares = (1.0, 1.0)
    target: Shares = (1.0, 1.0)
    able: bool = True
    forwarded: list[float] = field(default_factory=lambda: [0.0, 0.0])
    lost: list[float] = field(default_factory=lambda: [0.0, 0.0])
    # What its CPUs take in a second, both families together (None: whatever comes); the rest has no buffer.
    capacity_pps: float | None = None
    no_bufs: float = 0.0
    agenda: list[tuple[float, str]] = field(default_factory=list)

    def settle(self, now: float) -> None:
        """Count up to `now`, making the due changes on the way."""
        while self.agenda and self.agenda[0][0] <= now:
            due, what = self.agenda.pop(0)
            self._count(due)
            match what:
                case "follow":
                    self.attract = self.target
                case "avoid":
                    self.attract = (0.0, 0.0)
                case "able":
                    self.able = True
                case _:
                    self.able = False
        self._count(now)

    def _count(self, now: float) -> None:
        elapsed = max(0.0, now - self.at)
        self.at = max(self.at, now)
        taken = self._taken()
        for family in (0, 1):
            sent = self.attract[family] * self.offered_pps * elapsed
            if self.able:
                self.forwarded[family] += (sent + RESIDUAL_PPS * elapsed) * taken
                self.no_bufs += (sent + RESIDUAL_PPS * elapsed) * (1.0 - taken)
            else:
                self.lost[family] += sent

    def _taken(self) -> float:
        """The share of what comes for which there is a buffer."""
        coming = sum(self.attract) * self.offered_pps + 2 * RESIDUAL_PPS
        return 1.0 if self.capacity_pps is None else min(1.0, self.capacity_pps / coming)

    def plan(self, due: float, what: str) -> None:
        """Put a change on the agenda: follow | avoid | able | unable."""
        self.agenda.append((due, what))
        self.agenda.sort(key=lambda item: item[0])

    def down(self, now: float, *, detect_s: float) -> None:
        """The router forwards no more; the neighbours notice `detect_s` later."""
        self.settle(now)
        self.agenda.clear()
        self.able = False
        self.plan(now + detect_s, "avoid")

    def up(self, *, adjacent_at: float, full_at: float) -> None:
        """Neighbours may send again from `adjacent_at`; the tables are full at `full_at`."""
        self.plan(adjacent_at, "follow")
        self.plan(full_at, "able")

    def pps(self) -> Shares:
        """Forwarded packets per second at this moment, per family."""
        if not self.able:
            return (0.0, 0.0)
        taken = self._taken()
        return (
            (self.attract[0] * self.offered_pps + RESIDUAL_PPS) * taken,
            (self.attract[1] * self.offered_pps + RESIDUAL_PPS) * taken,
        )
