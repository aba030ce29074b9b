"""How far a run is: counts of each wave, and the bar that is drawn of them. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fleet.changes.views.marks import Tone
from fleet.core.states import TARGET_IN_FLIGHT, TargetState

BAR_WIDTH = 1000  # units of the drawing, which is stretched to the width of the page
_T = TargetState


@dataclass(frozen=True)
class Segment:
    """A piece of the bar: where it begins, how wide it is (of BAR_WIDTH), its tone, and what it counts."""

    x: float
    width: float
    tone: Tone
    text: str


@dataclass(frozen=True)
class Progress:
    """How many targets are in each state."""

    by_state: Mapping[TargetState, int]

    @property
    def total(self) -> int:
        return sum(self.by_state.values())

    @property
    def done(self) -> int:
        return self.by_state.get(_T.DONE, 0)

    @property
    def stuck(self) -> int:
        return self.by_state.get(_T.STUCK, 0)

    @property
    def rolled_back(self) -> int:
        return self.by_state.get(_T.ROLLED_BACK, 0)

    @property
    def pending(self) -> int:
        return self.by_state.get(_T.PENDING, 0)

    @property
    def in_flight(self) -> int:
        return sum(n for state, n in self.by_state.items() if state in TARGET_IN_FLIGHT)

    @property
    def open(self) -> int:
        """Targets that have not ended."""
        return self.pending + self.in_flight

    @property
    def words(self) -> str:
        """ "3 of 6 done, 1 in flight, 1 stuck, 1 not started"; what is zero is left out."""
        counts = (
            (self.in_flight, "in flight"),
            (self.rolled_back, "rolled back"),
            (self.stuck, "stuck"),
            (self.pending, "not started"),
        )
        return ", ".join([f"{self.done} of {self.total} done", *(f"{n} {word}" for n, word in counts if n)])

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The bar from left to right: done, in flight, rolled back, stuck; the rest stays empty."""
        pieces = (
            (self.done, Tone.GOOD, "done"),
            (self.in_flight, Tone.MOVING, "in flight"),
            (self.rolled_back, Tone.CARE, "rolled back"),
            (self.stuck, Tone.ALARM, "stuck"),
        )
        x, made = 0.0, []
        for count, tone, text in pieces:
            if count:
                width = round(count * BAR_WIDTH / self.total, 1)
                made.append(Segment(round(x, 1), width, tone, f"{count} {text}"))
                x += width
        return tuple(made)


def of_states(counts: Iterable[tuple[str, int]]) -> Progress:
    """Progress from pairs (state, how many); a state may come more than once."""
    by_state: dict[TargetState, int] = {}
    for state, count in counts:
        by_state[TargetState(state)] = by_state.get(TargetState(state), 0) + count
    return Progress(by_state)


def of_waves(counts: Mapping[tuple[int, str], int]) -> dict[int, Progress]:
    """Wave -> progress, in order of the waves, from `Run.counts()`."""
    waves = sorted({wave for wave, _ in counts})
    return {wave: of_states((s, n) for (w, s), n in counts.items() if w == wave) for wave in waves}


def open_wave(waves: Mapping[int, Progress]) -> int | None:
    """The lowest wave that is not finished; None when all are."""
    return next((number for number, progress in waves.items() if progress.open), None)
