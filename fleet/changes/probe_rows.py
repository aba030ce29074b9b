"""The table of a step that probes: each pair with its figures before and after, the ways, and the verdict."""

from collections.abc import Mapping
from dataclasses import dataclass

from fleet.changes.models import StepRun
from fleet.core.model import Json

VERBS = frozenset({"probe", "probe-again"})
_TONES = {"pass": ("check", "good"), "fail": ("alarm", "alarm"), "error": ("alarm", "alarm")}


@dataclass(frozen=True)
class Figures:
    """As mtr reports: `loss` in per cent, times in ms; None where nothing came back."""

    sent: int
    lost: int
    best: float | None
    avg: float | None
    worst: float | None
    stdev: float | None

    @property
    def loss(self) -> float:
        return 100 * self.lost / self.sent if self.sent else 100.0


@dataclass(frozen=True)
class ProbeRow:
    """One pair. `before` and `after`: None where it was not measured. `verdict`: empty before there is one."""

    vantage: str
    to: str
    family: str
    address: str
    before: Figures | None
    after: Figures | None
    there: tuple[str, ...]
    back: tuple[str, ...]
    verdict: str
    words: str
    reasons: tuple[str, ...]

    @property
    def sides(self) -> tuple[tuple[str, Figures], ...]:
        """Those that were measured, by name."""
        both = (("before", self.before), ("after", self.after))
        return tuple((name, figures) for name, figures in both if figures is not None)

    @property
    def one_way(self) -> bool:
        """Is the way back the way there? Shown once then."""
        return self.there == self.back[::-1]

    @property
    def icon(self) -> str:
        return _TONES.get(self.verdict, ("unsure", "calm"))[0]

    @property
    def tone(self) -> str:
        return _TONES.get(self.verdict, ("unsure", "calm"))[1]


def of(step: StepRun) -> tuple[ProbeRow, ...]:
    """The rows of a step; none for other verbs. What was measured by another version and cannot be read is left out."""
    data = step.data if step.verb in VERBS and isinstance(step.data, Mapping) else {}
    before = {_key(row): row for row in data.get("before" if step.verb == "probe-again" else "pairs") or ()}
    after = {_key(row): row for row in data.get("pairs") or ()} if step.verb == "probe-again" else {}
    results = {_key(row): row for row in data.get("results") or ()}
    return tuple(_row(key, before.get(key), after.get(key), results.get(key)) for key in sorted({*before, *after}))


def _key(row: Mapping[str, Json]) -> tuple[str, str, str, str]:
    return (str(row.get("from")), str(row.get("to")), str(row.get("family")), str(row.get("address")))


def _row(key: tuple[str, str, str, str], before: Json, after: Json, result: Json) -> ProbeRow:
    newest, said = after or before or {}, result or {}
    doubts = [f"{d.get('subject')}: {d.get('found')}" for d in newest.get("doubts") or ()]
    return ProbeRow(
        *key, _figures(before), _figures(after), tuple(newest.get("there") or ()), tuple(newest.get("back") or ()),
        str(said.get("verdict") or ""), str(said.get("words") or ""),
        tuple(said.get("reasons") or doubts),
    )  # fmt: skip


def _figures(row: Json) -> Figures | None:
    if not row or "sent" not in row:
        return None
    return Figures(row["sent"], row["lost"], row["best"], row["avg"], row["worst"], row["stdev"])
