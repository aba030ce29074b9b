"""How long a plan takes, wave by wave: as measured before, and at worst with everything rolled back. Pure."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fleet.core import plan as planning
from fleet.core.durations import Expected, Known
from fleet.core.model import Json

BAR = 1000.0  # units of the time bar, which is stretched to its place
NARROWEST = 3.0  # a wave that takes next to nothing is still seen


@dataclass(frozen=True)
class Piece:
    """A piece of the time bar."""

    x: float
    width: float


@dataclass(frozen=True)
class Wave:
    """A wave with as many rounds as its budget needs, each as long as its slowest device."""

    number: int
    count: int
    names: tuple[str, ...]
    rounds: int
    expected: Expected
    worst_s: float
    bar: Piece = Piece(0.0, 0.0)
    worst_bar: Piece = Piece(0.0, 0.0)

    @property
    def more(self) -> int:
        return self.count - len(self.names)


@dataclass(frozen=True)
class Timing:
    """All waves after one another."""

    waves: tuple[Wave, ...]
    expected: Expected
    worst_s: float


class _Steps:
    """Estimates of many devices: most of them have the same steps, which are looked at once."""

    def __init__(self, known: Known, roles: Mapping[str, str]) -> None:
        self.known, self.roles = known, roles
        self.own = {device for _, _, place, device in known.medians if place == "device"}
        self.seen: dict[tuple[object, ...], tuple[Expected, float]] = {}

    def target(self, target: Mapping[str, Json]) -> tuple[Expected, float]:
        """Expected and worst case of one target of a plan document."""
        name = target["name"]
        role = self.roles.get(name, "")
        shape = ((s["verb"], s["estimate_s"], s["within_s"], s["reversibility"]) for s in target["steps"])
        key = (name if name in self.own else "", role, *shape)
        found = self.seen.get(key)
        if found is None:
            steps = [planning.step_from_json(step) for step in target["steps"]]
            found = self.known.target(steps, name, role), planning.worst_case_s(steps)
            self.seen[key] = found
        return found


def of(
    targets: Sequence[Mapping[str, Json]], at_once: int, known: Known, roles: Mapping[str, str], *, names_shown: int
) -> Timing:
    """The timing of a plan document's targets. `at_once`: the budget; `roles`: device -> role."""
    steps = _Steps(known, roles)
    by_wave: dict[int, list[Mapping[str, Json]]] = {}
    for target in targets:
        by_wave.setdefault(target["wave"], []).append(target)
    waves = [_wave(n, by_wave[n], at_once, steps, names_shown) for n in sorted(by_wave)]
    worst = sum(w.worst_s for w in waves)
    return Timing(tuple(_with_bars(waves, worst)), _together(w.expected for w in waves), worst)


def _wave(number: int, targets: Sequence[Mapping[str, Json]], at_once: int, steps: _Steps, names_shown: int) -> Wave:
    looked = [steps.target(target) for target in targets]
    rounds = math.ceil(len(targets) / max(1, at_once))
    slowest = max((expected for expected, _ in looked), key=lambda e: e.seconds)
    return Wave(
        number,
        len(targets),
        tuple(t["name"] for t in targets[:names_shown]),
        rounds,
        Expected(rounds * slowest.seconds, slowest.measured, slowest.by),
        rounds * max(worst for _, worst in looked),
    )


def _together(parts: Iterable[Expected]) -> Expected:
    """The sum; measured when every part is, then by the fewest of past steps."""
    known = list(parts)
    seconds = sum(p.seconds for p in known)
    least = min(known, key=lambda p: p.measured, default=Expected(0.0))
    return Expected(seconds, least.measured, least.by)


def _with_bars(waves: Sequence[Wave], whole_s: float) -> Iterable[Wave]:
    at = worst_at = 0.0
    for wave in waves:
        scale = BAR / whole_s if whole_s else 0.0
        yield Wave(
            wave.number, wave.count, wave.names, wave.rounds, wave.expected, wave.worst_s,
            _piece(at, wave.expected.seconds, scale), _piece(worst_at, wave.worst_s, scale),
        )  # fmt: skip
        at += wave.expected.seconds
        worst_at += wave.worst_s


def _piece(start_s: float, length_s: float, scale: float) -> Piece:
    x = min(start_s * scale, BAR - NARROWEST)
    return Piece(round(x, 1), round(min(max(length_s * scale, NARROWEST), BAR - x), 1))
