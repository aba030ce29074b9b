"""The verbs `probe` (before the drain) and `probe-again` (under traffic): measured by whoever has the vantage points.

The measurement comes in `Step.progress["probed"]` ({"pairs": rows of core/probes.to_row, "left_out": reasons}); for
`probe-again` also `Step.progress["before"]`, what `probe` kept. `fleet/changes/probing.py` puts it there.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from fleet.core import probes
from fleet.core.model import Json, PlannedStep, Reason, StepSpec, Verdict
from fleet.core.probes import Compared, Probed, Tolerated
from fleet.core.states import TargetState
from playbooks.base import Device, Look, Seen, Session, Step
from playbooks.looking import Looking
from playbooks.probe.params import AgainParams, ProbeParams

_AGAIN_S = 5.0
# Connecting to the vantage points, the ways there and back, and as long again for a busy machine.
_AROUND_S = 60.0


class _Probing(Looking):
    """What both have in common: the time that they may take."""

    within_s = 180.0
    estimate_s = 20.0


class Probe(_Probing):
    """Measure before anything is touched. DONE with at least one pair that can be compared."""

    verb = "probe"
    phase = TargetState.BASELINING
    params_model: type[BaseModel] = ProbeParams

    def expand(self, spec: StepSpec) -> tuple[StepSpec, ...]:
        """No step where an input of the recipe names no vantage point."""
        return (spec,) if ProbeParams.model_validate(spec.params).from_ else ()

    def plan(self, spec: StepSpec, device: Device, facts: Mapping[str, Json]) -> PlannedStep:
        params = ProbeParams.model_validate(spec.params)
        what = f"{params.count} probes every {params.interval * 1000:g} ms, each pair and family"
        line = f"from {', '.join(params.from_)} to {', '.join(params.to)}: {what}"
        return PlannedStep(
            self.verb, spec.params, self.reversibility, self.disruptive, commands=(line,),
            estimate_s=params.took_s + 8.0, within_s=3 * params.took_s + _AROUND_S,
        )  # fmt: skip

    def observe(self, session: Session, step: Step) -> Look:
        """`data`: "pairs", "left_out". UNKNOWN, looked at again, while no pair can be used."""
        dry = ProbeParams.model_validate(step.params).dry_run
        pairs, left_out = _probed(step.progress.get("probed"))
        data: dict[str, Json] = {"pairs": [probes.to_row(one) for one in pairs], "left_out": left_out}
        doubts = _doubts(pairs)
        if dry or any(one.usable for one in pairs):
            return Look(Seen.DONE, doubts, data)
        none = Reason(f"probes of {step.device.name}", "no pair that can be compared", "at least one",
                      "Look at the beacons and vantage points, or say way_back: false.")  # fmt: skip
        return Look(Seen.UNKNOWN, (*doubts, none), data, after_s=_AGAIN_S)


class ProbeAgain(_Probing):
    """Measure the same pairs once more and compare: as many, as fast, from and to the same places."""

    verb = "probe-again"
    phase = TargetState.SOAKING
    params_model: type[BaseModel] = AgainParams

    def expand(self, spec: StepSpec) -> tuple[StepSpec, ...]:
        """No step where `probe` is none."""
        return () if AgainParams.model_validate(spec.params).from_ == () else (spec,)

    def plan(self, spec: StepSpec, device: Device, facts: Mapping[str, Json]) -> PlannedStep:
        params = AgainParams.model_validate(spec.params)
        line = f"the probes from before, once more: at most {params.loss:.1%} lost, {params.slower:.0%} slower"
        within_s = params.tries * (2 * 30.0 + _AROUND_S)
        return PlannedStep(
            self.verb, spec.params, self.reversibility, self.disruptive, commands=(line,),
            estimate_s=self.estimate_s, within_s=within_s,
        )  # fmt: skip

    def observe(self, session: Session, step: Step) -> Look:
        """DONE when every pair that could be used before passes; NOT_DONE with all reasons when one has failed.

        What cannot be told is measured again, `tries` times in all, and is then no success. `data`: "pairs", "before",
        "results" (of each pair: verdict, words, reasons), "tries", "left_out".
        """
        params = AgainParams.model_validate(step.params)
        before, _ = _probed(step.progress.get("before"))
        after, left_out = _probed(step.progress.get("probed"))
        tries = int(step.progress.get("tries") or 0) + 1
        by_pair = {one.pair: one for one in after}
        judged = [probes.judge(one, by_pair.get(one.pair), Tolerated(params.loss, params.slower)) for one in before]
        data: dict[str, Json] = {
            "before": [probes.to_row(one) for one in before], "pairs": [probes.to_row(one) for one in after],
            "results": [_shown(one) for one in judged], "tries": tries, "left_out": left_out,
        }  # fmt: skip
        deciding = [c for c, b in zip(judged, before, strict=True) if b.usable]
        bad = [c for c in deciding if c.verdict in (Verdict.FAIL, Verdict.ERROR)]
        open_ = [c for c in deciding if c.verdict is Verdict.INCONCLUSIVE]
        reasons = tuple(r for c in (*bad, *open_) for r in c.reasons)
        if params.dry_run or step.progress.get("dry_run"):
            return Look(Seen.DONE, reasons, {**data, "dry_run": True})
        if bad:
            return Look(Seen.NOT_DONE, reasons, data)
        if open_ and tries < params.tries:
            return Look(Seen.WAITING, reasons, data, after_s=_AGAIN_S)
        if open_ or not deciding:
            none = (
                () if deciding else (Reason(f"probes of {step.device.name}", "none from before", "those to compare"),)
            )
            return Look(Seen.NOT_DONE, (*reasons, *none), data)
        return Look(Seen.DONE, (), data)


def _probed(given: Json) -> tuple[list[Probed], list[Json]]:
    """The pairs of a measurement; rows that cannot be read are left out, and are then missing where they are wanted."""
    rows: Any = given if isinstance(given, Mapping) else {}
    made = []
    for row in rows.get("pairs") or ():
        try:
            made.append(probes.from_row(row))
        except (KeyError, TypeError, ValueError):
            continue
    return made, list(rows.get("left_out") or ())


def _doubts(pairs: Sequence[Probed]) -> tuple[Reason, ...]:
    return tuple(dict.fromkeys(reason for one in pairs for reason in one.doubts))


def _shown(one: Compared) -> Json:
    pair = one.pair
    return {
        "from": pair.source, "to": pair.target, "family": pair.family, "address": pair.address,
        "verdict": one.verdict.value, "words": one.words, "reasons": [str(r) for r in one.reasons],
    }  # fmt: skip
