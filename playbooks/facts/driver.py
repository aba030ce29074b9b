"""The verbs `baseline`, `verify` and `soak`, and collecting facts: they only look, in one round trip a measurement."""

from collections.abc import Callable, Collection, Mapping, Sequence

from pydantic import BaseModel

from fleet.core.checks import (
    CheckResult,
    Decision,
    Rounds,
    decide_verification,
    judge_all,
    overall,
)
from fleet.core.model import CheckSpec, Json, PlannedStep, Reason, StepSpec, Verdict
from fleet.core.states import TargetState
from playbooks.base import Device, Look, Refused, Seen, Session, Step
from playbooks.facts import commands, parse, parse_frr
from playbooks.facts.params import BaselineParams, SoakParams, VerifyParams
from playbooks.facts.samples import candidates, choose, few_routes
from playbooks.facts.text import mapping, whole
from playbooks.looking import Looking
from playbooks.platforms import by_getters

_BATCH_S = 30.0
# A machine with 40 ports of 64 queues answers some 500 commands of 1 to 25 ms.
_FACTS_S = 60.0
# A look may still be on its way when the time is over: the driver has the last word, with its reasons, not the engine.
_MARGIN_S = 15.0
# Checks that compare two answers of a network that moves: the daemon's route and the kernel's, asked one after the
# other while a neighbour is drained. What they find once while soaking is looked at again; a route that is really stuck
# stays so (story S0: an hour). Seen in 1 of 60 restarts, at a load of 20: a healthy router was rolled back.
_MAY_MOVE = frozenset({"rib_fib", "rib_fib_neighbours"})
_DOUBT_S = 3.0
_NOT_KEPT = frozenset({"paths", "samples", "unknown", "routes", "neighbours"})


def collect(session: Session) -> Mapping[str, Json]:
    """Facts of a device in one round trip; JSON, free of secrets (`parse.facts`). Raises as `Session.batch`.

    Where the login may not become root, a second round trip asks as the login itself, and `root` is false.
    """
    suite = session.device.suite
    asked, each = commands.facts(suite), commands.FACTS_PER_INTERFACE
    try:
        answers = session.batch(asked, per_interface=each, timeout_s=_FACTS_S, root=True)
    except Refused:
        if not session.device.become:
            raise
        answers = session.batch(asked, per_interface=each, timeout_s=_FACTS_S)
    return parse.facts(answers, suite)


def measure(
    session: Session,
    samples: Sequence[str] = (),
    *,
    sysctls: Sequence[str] = (),
    checks: Collection[str] | None = None,
) -> dict[str, Json]:
    """A measurement of a device in one round trip (`parse.measurement`). Raises as `Session.batch`.

    `samples`: addresses whose routes are compared in the daemon and in the kernel. `checks`: names of the checks that
    will judge it; what they do not look at is not asked for and is null. None: everything.

    For the neighbours of a router: call this on a session to each of them with the samples of the router's baseline and
    `checks=("rib_fib",)`, and hand the results to the next visit of a verify or soak step as
    `Step.progress["neighbours"]` (name > measurement); they become the section `neighbours`, which the check
    `rib_fib_neighbours` judges.
    """
    if by_getters(session.device):
        from playbooks import network_os  # NAPALM takes half a second to import; few fleets need it

        return network_os.measured(session)
    suite = session.device.suite
    asked, each = commands.measurement(suite, samples=samples, sysctls=sysctls, checks=checks)
    answers = session.batch(asked, per_interface=each, timeout_s=_BATCH_S, root=True)
    made = parse.measurement(answers, suite, samples=samples, sysctls=sysctls)
    paths = {name: argv for name, argv in asked.items() if name.startswith("get:")}
    if not paths or not _vpp_runs(made):
        return made
    answers = {**answers, **session.batch(commands.there(paths), timeout_s=_BATCH_S, root=True)}
    return parse.measurement(answers, suite, samples=samples, sysctls=sysctls)


def _vpp_runs(made: Mapping[str, Json]) -> bool:
    """The routing daemon may be in another namespace than this session then."""
    return mapping(made.get("vpp")).get("running") is True


def measure_first(session: Session, asked: Sequence[str] = (), *, sysctls: Sequence[str] = ()) -> dict[str, Json]:
    """A measurement of everything that also chooses its samples, from routes and peers: three round trips."""
    suite = session.device.suite
    made = measure(session, sysctls=sysctls)
    if by_getters(session.device):
        return made
    few = few_routes(made.get("routes"))
    where: Callable[[commands.Commands], commands.Commands] = commands.there if _vpp_runs(made) else dict
    routes = where(commands.KERNEL_ROUTES)
    listed = parse.kernel_routes(session.batch(routes, timeout_s=_BATCH_S, root=True)) if few else []
    tried = candidates(asked, parse_frr.peers_reached(made.get("bgp")), listed, full_table=not few)
    if tried:
        paths_asked = commands.lookups(suite, tried)
        answers = session.batch({**paths_asked, **where(paths_asked)}, timeout_s=_BATCH_S, root=True)
        paths = parse.paths(answers, suite, tried)
        samples = choose(paths)
        made |= {"samples": samples, "paths": {a: paths[a] for a in samples}}
    return made


def _sysctls(step: Step) -> list[str]:
    """The kernel settings that the checks of a step speak of, and those of the baseline."""
    named = {key for check in step.checks if check.name == "sysctl" for key in mapping(check.expect)}
    return sorted(named | set(mapping(mapping(step.baseline).get("sysctl"))))


def _measure_again(session: Session, step: Step, *, watch: Sequence[str] = ()) -> dict[str, Json]:
    """The measurement of this round: the samples of the baseline, and the neighbours that the caller has measured."""
    checks = {*(check.name for check in step.checks), *watch}
    listed = mapping(step.baseline).get("samples")
    samples = [str(a) for a in listed] if isinstance(listed, list) else []
    made = measure(session, samples, sysctls=_sysctls(step), checks=checks)
    if isinstance(neighbours := step.progress.get("neighbours"), Mapping):
        made["neighbours"] = dict(neighbours)
    return made


def _shown(results: Sequence[CheckResult]) -> list[Json]:
    return [
        {"name": r.name, "verdict": r.verdict.value, "reasons": [str(reason) for reason in r.reasons]} for r in results
    ]


def _why(results: Sequence[CheckResult]) -> tuple[Reason, ...]:
    return tuple(reason for result in results for reason in result.reasons)


class Baseline(Looking):
    """Measure the device before anything is touched; the measurement is the step's data."""

    verb = "baseline"
    phase = TargetState.BASELINING
    within_s = 60.0
    estimate_s = 2.0
    params_model: type[BaseModel] = BaselineParams

    def plan(self, spec: StepSpec, device: Device, facts: Mapping[str, Json]) -> PlannedStep:
        return PlannedStep(
            self.verb, spec.params, self.reversibility, self.disruptive,
            estimate_s=self.estimate_s, within_s=self.within_s,
        )  # fmt: skip

    def observe(self, session: Session, step: Step) -> Look:
        """DONE with the measurement. It records what is, good or bad; what cannot be told stays unknown in it."""
        params = BaselineParams.model_validate(step.params)
        return Look(Seen.DONE, (), measure_first(session, params.samples, sysctls=_sysctls(step)))


class Verify(Looking):
    """Compare the device with its baseline until enough rounds in a row have passed, or time is over."""

    verb = "verify"
    phase = TargetState.VERIFYING
    within_s = 300.0
    estimate_s = 15.0
    params_model: type[BaseModel] = VerifyParams

    def plan(self, spec: StepSpec, device: Device, facts: Mapping[str, Json]) -> PlannedStep:
        params = VerifyParams.model_validate(spec.params)
        return PlannedStep(
            self.verb, spec.params, self.reversibility, self.disruptive,
            estimate_s=params.initial_delay + params.interval * (params.passes - 1) + 1.0,
            within_s=params.initial_delay + params.within + _MARGIN_S,
        )  # fmt: skip

    def observe(self, session: Session, step: Step) -> Look:
        """One round: DONE after enough good ones, NOT_DONE with all reasons when it has failed, else WAITING.

        `data`: "rounds" (so far) and "results" (of this round: name, verdict, reasons).
        """
        policy = VerifyParams.model_validate(step.params).policy()
        if step.waited_s < policy.initial_delay_s:
            return Look(Seen.WAITING, (), _kept(step), after_s=policy.initial_delay_s - step.waited_s)
        missing = _cannot_verify(step)
        if missing is not None:
            return Look(Seen.NOT_DONE, (missing,), _kept(step))
        results = judge_all(step.checks, step.baseline, _measure_again(session, step))
        rounds = _rounds(step.progress.get("rounds")).plus(overall(results))
        data: dict[str, Json] = {"rounds": _rounds_json(rounds), "results": _shown(results)}
        decided = decide_verification(rounds, policy, step.waited_s)
        match decided.decision:
            case Decision.PASS:
                return Look(Seen.DONE, (), data)
            case Decision.FAIL:
                return Look(Seen.NOT_DONE, (*_why(results), *decided.reasons), data)
            case Decision.CONTINUE:
                return Look(Seen.WAITING, _why(results), data, after_s=decided.after_s)


class Soak(Looking):
    """Watch the device under traffic for a set time; the first failed check ends it."""

    verb = "soak"
    phase = TargetState.SOAKING
    within_s = 960.0
    estimate_s = 900.0
    params_model: type[BaseModel] = SoakParams

    def plan(self, spec: StepSpec, device: Device, facts: Mapping[str, Json]) -> PlannedStep:
        params = SoakParams.model_validate(spec.params)
        return PlannedStep(
            self.verb, spec.params, self.reversibility, self.disruptive,
            estimate_s=params.for_, within_s=params.for_ + params.every + 4 * _MARGIN_S,
        )  # fmt: skip

    def observe(self, session: Session, step: Step) -> Look:
        """One measurement: the recipe's checks against the baseline, `watch` against the soak's first measurement.

        A failed or erroneous check: NOT_DONE; one of `_MAY_MOVE` when the next look says so too. What cannot be told is
        no failure, but the soak is not over before the last measurement has passed. `data`: "start", "rounds",
        "results", and "trends": what statistics say of the samples (`Step.progress["soaked"]`, put there by whoever
        has them), of which only alarms decide.
        """
        params = SoakParams.model_validate(step.params)
        measured = _measure_again(session, step, watch=params.watch)
        start = mapping(step.progress.get("start"))
        results = judge_all(step.checks, step.baseline, measured)
        if start:
            watched = tuple(CheckSpec(n, "unchanged" if n == "boot_id" else None) for n in params.watch)
            results += judge_all(watched, start, measured)
        trends = step.progress.get("soaked")
        results += _alarms(trends)
        first = {key: value for key, value in measured.items() if key not in _NOT_KEPT}
        verdict = overall(results) if results else Verdict.PASS  # first of a soak that only watches: nothing to compare
        rounds = _rounds(step.progress.get("rounds")).plus(verdict)
        data: dict[str, Json] = {
            "start": dict(start) or first, "rounds": _rounds_json(rounds), "results": _shown(results),
            **({"trends": trends} if trends else {}),
        }  # fmt: skip
        if verdict in (Verdict.FAIL, Verdict.ERROR):
            bad = {r.name for r in results if r.verdict in (Verdict.FAIL, Verdict.ERROR)}
            if bad <= _MAY_MOVE and not step.progress.get("doubted"):
                return Look(Seen.WAITING, _why(results), {**data, "doubted": True}, after_s=_DOUBT_S)
            return Look(Seen.NOT_DONE, _why(results), data)
        left = params.for_ - step.waited_s
        if left <= 0 and start and verdict is Verdict.PASS:
            return Look(Seen.DONE, (), {key: value for key, value in data.items() if key != "start"})
        return Look(Seen.WAITING, _why(results), data, after_s=max(0.5, min(params.every, left if left > 0 else 1.0)))


def _alarms(trends: Json) -> tuple[CheckResult, ...]:
    """Failed and erroneous trends that may decide, as results of checks."""
    rows = [mapping(row) for row in trends] if isinstance(trends, list) else []
    return tuple(
        CheckResult(
            str(row.get("metric")),
            Verdict(str(row["verdict"])),
            tuple(Reason(*(str(mapping(r).get(k, "")) for k in ("subject", "found", "wanted", "remedy")))
                  for r in row.get("reasons") or ()),
        )
        for row in rows
        if row.get("decides") is not False and row.get("verdict") in (Verdict.FAIL.value, Verdict.ERROR.value)
    )  # fmt: skip


def _kept(step: Step) -> dict[str, Json]:
    return {key: value for key, value in step.progress.items() if key != "neighbours"}


def _cannot_verify(step: Step) -> Reason | None:
    if not step.checks:
        return Reason(f"verification of {step.device.name}", "a recipe without checks", "checks that can pass")
    if step.baseline is None:
        return Reason(f"verification of {step.device.name}", "no baseline", "a measurement from before the change")
    return None


def _rounds(value: Json) -> Rounds:
    found = mapping(value)
    in_a_row, failed, total = (whole(found.get(key)) or 0 for key in ("in_a_row", "failed", "total"))
    last = found.get("last")
    return Rounds(in_a_row, failed, total, Verdict(last) if last in {v.value for v in Verdict} else None)


def _rounds_json(rounds: Rounds) -> dict[str, Json]:
    last = rounds.last.value if rounds.last is not None else None
    return {"in_a_row": rounds.in_a_row, "failed": rounds.failed, "total": rounds.total, "last": last}
