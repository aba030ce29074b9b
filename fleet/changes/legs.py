"""What a worker does: one shard of targets through one nornir run, each target walking its leg over one connection.

A leg goes on from step to step until it must wait, until somebody else is to decide, or until its claim is refused.
It keeps nothing: whatever is lost with this process is found again in the rows.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from fleet import clock, logs
from fleet.changes import (
    aftermath,
    kept_connections,
    neighbours,
    out_of_band,
    probing,
    silent,
    soaking_judge,
    transitions,
    way_back,
)
from fleet.changes.lazy_session import LazySession
from fleet.changes.models import StepRun, TargetRun
from fleet.core import plan as planning
from fleet.core import preconditions
from fleet.core.model import CheckSpec, Reason
from fleet.core.states import STEP_OPEN, StepState, TargetState
from fleet.core.target import StepView, Then, after_step
from inventory.models import Router
from playbooks import registry, transport
from playbooks.base import Device, DeviceError, Seen, Session, Step
from playbooks.engine import Outcome, OutcomeKind, perform, perform_rollback
from playbooks.remedy import mend

log = logging.getLogger(__name__)

# Nothing is sent to a device later than this before the lease ends: a worker that was overtaken must not act any more.
# A third of the lease where that is less. With less than LEAST_S up to there, a step is handed back.
LEASE_MARGIN_S = 15.0
LEAST_S = 1.0
# How long a step that found the network short of room waits before it looks again.
HOLD_AGAIN_S = 5.0
# A wait this short costs less on the open connection than a new one does (a key exchange is some 15 ms of CPU on each
# side, and a message and the reading of a shard). A step is held through it; after HELD_AT_MOST_S, what a stop may
# take, the claim is taken anew, which a stop refuses. A leg that has gone on for STAYS_AT_MOST_S leaves its step
# to the row: what soaks occupies no worker, and a task of Celery ends before its limit (90 s). Of 100 routers whose
# drains took 4 to 8 s, 55 had come back after their shard's slowest leg, which was 13 of 34 s of wall time; now none.
# A device that is armed (confirm.py) is not left to the row for half a second either: of 300 begun together by two
# workers with hardly any CPU, 124 had put themselves back when their turn to be confirmed came, behind other shards.
SHORT_WAIT_S = 1.5
HELD_AT_MOST_S = 5.0
STAYS_AT_MOST_S = 30.0


@dataclass
class Job:
    """One target with everything its leg needs, read in bulk for the whole shard."""

    target: TargetRun
    steps: list[StepRun]
    device: Device
    change_id: int
    checks: tuple[CheckSpec, ...]
    budget_total: int
    drained_elsewhere: tuple[str, ...]
    neighbours: Sequence[Device] = ()  # only where the recipe judges them

    def reached(self, now: datetime) -> StepRun | None:
        """The step that is due now."""
        open_steps = [s for s in self.steps if s.state in STEP_OPEN and s.due_at is not None and s.due_at <= now]
        return min(open_steps, key=lambda s: s.index, default=None)

    def views(self) -> tuple[StepView, ...]:
        return tuple(way_back.view(s) for s in self.steps)


def load_jobs(target_ids: Sequence[int]) -> list[Job]:
    """Read a shard: five queries, however many targets. Targets that ended meanwhile are left out."""
    targets = (
        TargetRun.objects.in_flight()
        .filter(pk__in=target_ids)
        .select_related("run__revision")
        .defer("run__revision__plan", "run__revision__recipe_text")
        .with_steps()
    )
    rows = list(targets)
    devices = Router.objects.devices([t.name for t in rows])
    drained = dict(TargetRun.objects.engaged().filter(drained=True).values_list("name", "router__router_id"))
    judged = [t.name for t in rows if any(c["name"] == neighbours.CHECK for c in t.run.checks)]
    around = neighbours.devices_around(judged) if judged else {}
    jobs = []
    for target in rows:
        strategy = planning.strategy_from_json(target.run.strategy)
        jobs.append(
            Job(
                target=target,
                steps=list(target.steps.all()),
                device=devices[target.name],
                change_id=target.run.revision.change_id,
                checks=tuple(CheckSpec(c["name"], c["expect"]) for c in target.run.checks),
                budget_total=strategy.budget.total,
                drained_elsewhere=tuple(sorted(i for n, i in drained.items() if n != target.name and i)),
                neighbours=around.get(target.name, ()),
            )
        )
    return jobs


def run_shard(target_ids: Sequence[int], *, worker: str, ended: Callable[[int], object] = lambda _: None) -> None:
    """Walk the legs of these targets, each in a thread, and return when all of them wait or have ended.

    `ended` is told the id of each target whose leg is over, while the others still go.
    """
    jobs = {job.device.name: job for job in load_jobs(target_ids)}

    def leg(device: Device) -> None:
        try:
            with kept_connections.lent(), logs.about(change=jobs[device.name].change_id, target=device.name):
                run_leg(jobs[device.name], worker=worker)
        finally:
            ended(jobs[device.name].target.pk)

    for name, result in transport.run_shard([j.device for j in jobs.values()], leg, len(jobs) or 1).items():
        if isinstance(result, Exception):
            # A bug or a lost database, not a device: the lease brings the target back to another worker.
            log.error("leg of %s ended with %s: %s", name, type(result).__name__, result, exc_info=result)


def run_leg(job: Job, *, worker: str, now: Callable[[], datetime] = clock.now) -> None:
    """Walk one target from the step that is due to where it must wait."""
    session, leaves_at = LazySession(job.device), now() + timedelta(seconds=STAYS_AT_MOST_S)
    while (step := job.reached(now())) is not None:
        hand = transitions.StepInHand(step, job.target, job.change_id)
        if not transitions.claim(hand, worker=worker, now=now(), lease_s=settings.SLIPWAY_LEASE_SECONDS):
            return
        claimed: transitions.StepInHand | None = hand
        while claimed is not None:  # each turn one step that this worker holds
            with logs.about(step=claimed.row.pk):
                outcome = _visit(job, claimed, session, leaves_at=leaves_at, now=now)
            if outcome.kind is OutcomeKind.LOST:
                return
            held = claimed.row
            claimed, go_on = _conclude(job, claimed, outcome, session, worker=worker, now=now)
            if claimed is None and not go_on:
                if now() > leaves_at or not _stayed(held, outcome, now()):
                    return
                if held.verb in registry.OWN_CONNECTION:
                    session.renew()


def _stayed(step: StepRun, outcome: Outcome, at: datetime) -> bool:
    """Wait for a step that is soon due again where the connection is; False when it is left to the row."""
    if step.state != StepState.READY or step.due_at is None or not _is_short(outcome):
        return False
    wait_s = (step.due_at - at).total_seconds()
    time.sleep(max(wait_s, 0.0) + 0.002)  # the row must be due when it is looked at
    return True


def _is_short(outcome: Outcome) -> bool:
    return outcome.kind is OutcomeKind.WAIT and outcome.after_s <= SHORT_WAIT_S


def _visit(
    job: Job, hand: transitions.StepInHand, session: Session, *, leaves_at: datetime, now: Callable[[], datetime]
) -> Outcome:
    """Perform a step; a short wait is waited on the open connection, a long one is left to the row."""
    outcome = _perform(job, hand, session, now=now)
    until = min(HELD_AT_MOST_S, settings.SLIPWAY_LEASE_SECONDS / 3)
    began = now()
    # What proves that the device can be reached is recorded before it is looked at again, over a new connection.
    while _is_short(outcome) and hand.row.verb not in registry.OWN_CONNECTION:
        if (now() - began).total_seconds() + outcome.after_s >= until:
            if now() > leaves_at or not _keep(hand, outcome, now()):
                break
            began = now()
        time.sleep(outcome.after_s)
        hand.row.data = dict(outcome.data)
        outcome = _perform(job, hand, session, now=now)
    return outcome


def _keep(hand: transitions.StepInHand, outcome: Outcome, at: datetime) -> bool:
    reasons = [str(r) for r in outcome.reasons]
    return transitions.keep(hand, outcome.data, reasons, now=at, lease_s=settings.SLIPWAY_LEASE_SECONDS)


def _perform(job: Job, hand: transitions.StepInHand, session: Session, *, now: Callable[[], datetime]) -> Outcome:
    step = hand.row
    driver = registry.driver(step.verb)
    deadline_s = _left_s(step, now())
    if deadline_s < LEAST_S:
        return Outcome(OutcomeKind.RETRY, (_no_lease(job, step, deadline_s),), data=step.data)

    def ahead(artifact: Mapping[str, Any] | None) -> bool:
        return transitions.write_ahead(hand, artifact, now())

    value = neighbours.beside(as_value(job, step, now()), job.neighbours)
    value = probing.attend(job.steps, soaking_judge.attend(job.target, [s.planned for s in job.steps], value, now()))
    act = perform if step.undoes_id is None else perform_rollback
    outcome = act(driver, session, value, sent=step.sent_at is not None, deadline_s=deadline_s, write_ahead=ahead)
    outcome = aftermath.looked_into(job.steps, hand, session, value, outcome, now())
    return _mended(hand, session, value, outcome, now=now) if step.verb == "verify" else outcome


def _mended(
    hand: transitions.StepInHand, session: Session, value: Step, outcome: Outcome, *, now: Callable[[], datetime]
) -> Outcome:
    """A verification that lasts on a drained router: the driver that drained it may have a remedy (remedy.py)."""
    if value.drain_artifact is None:
        return outcome

    def begin(what: str) -> bool:
        said = transitions.Note(hand.row.claimed_by, f"{hand.target.name}: {hand.row.title} remedy: {what}")
        return transitions.remark(hand, "step remedy", said, now())

    left_s = _left_s(hand.row, now())
    return mend(registry.driver("drain"), session, value, outcome, deadline_s=left_s, begin=begin)


def _left_s(step: StepRun, at: datetime) -> float:
    """Seconds from now in which something may be sent under the claim on this step."""
    margin_s = min(LEASE_MARGIN_S, settings.SLIPWAY_LEASE_SECONDS / 3)
    return (step.due_at - at).total_seconds() - margin_s if step.due_at is not None else 0.0


def _no_lease(job: Job, step: StepRun, left_s: float) -> Reason:
    found = f"{left_s:.1f} s in which something may be sent"
    wanted = f"at least {LEAST_S:.0f} s"
    return Reason(f"step {step.title} on {job.target.name}", found, wanted, "Handed back; it is claimed anew.")


def as_value(job: Job, step: StepRun, now: datetime) -> Step:
    """The row as the value that a driver gets."""
    origin = next((s for s in job.steps if s.pk == step.undoes_id), step)
    baseline = next((s for s in job.steps if s.verb == "baseline"), None)
    drain = next((s for s in job.steps if s.verb == "drain" and not s.back), None)
    planned = silent.longer(step, planning.step_from_json(step.planned), now)
    # On the way back the device is compared with how it was, not with what the change wanted it to be.
    checks = tuple(replace(c, expect=None) for c in job.checks) if step.back else job.checks
    return Step(
        verb=step.verb,
        params=planned.params,
        planned=planned,
        device=job.device,
        artifact=origin.artifact,
        baseline=baseline.data if baseline is not None and baseline.state == StepState.DONE else None,
        checks=checks,
        progress=out_of_band.attend(step),
        waited_s=(now - step.first_claimed_at).total_seconds() if step.first_claimed_at else 0.0,
        drain_artifact=drain.artifact if drain is not None else None,
        drained_elsewhere=job.drained_elsewhere,
        budget_total=job.budget_total,
    )


def _conclude(
    job: Job,
    hand: transitions.StepInHand,
    outcome: Outcome,
    session: Session,
    *,
    worker: str,
    now: Callable[[], datetime],
) -> tuple[transitions.StepInHand | None, bool]:
    """Record what came of a step and what follows: the next step if it is claimed already, and whether to go on."""
    step, at = hand.row, now()
    reasons = tuple(str(r) for r in outcome.reasons)
    result = _result(step, outcome, reasons, at)
    if result.state is StepState.READY:
        transitions.record(hand, result, None, worker=worker, now=at)
        return None, False
    survey = Survey()
    if step.verb == "baseline" and result.state is StepState.DONE:
        survey = look_ahead(job, session, at)
        if not survey.already:
            survey = replace(survey, moved=(*_moved_facts(step, result, job.device.name), *survey.moved))
        at = now()
        if survey.moved:
            result = replace(result, reasons=survey.moved, text="found facts that moved since approval")
    follow = _follow(job, step, result, survey, at)
    upcoming = next((s for s in job.steps if follow.reach is not None and s.index == follow.reach), None)
    if upcoming is not None and upcoming.due_at is None:
        ahead = transitions.StepInHand(upcoming, job.target, job.change_id)
        lease_s = settings.SLIPWAY_LEASE_SECONDS
        if transitions.record_and_claim(hand, result, ahead, follow.via, worker=worker, now=at, lease_s=lease_s):
            return ahead, True
    if not transitions.record(hand, result, follow, worker=worker, now=at):
        return None, False
    if upcoming is not None and upcoming.due_at is None:
        upcoming.due_at = at
    if follow.back:
        job.steps += follow.back
    return None, upcoming is not None or bool(follow.back)


def _result(step: StepRun, outcome: Outcome, reasons: tuple[str, ...], at: datetime) -> transitions.Result:
    took = (at - step.first_claimed_at).total_seconds() if step.first_claimed_at else 0.0
    again = at + timedelta(seconds=outcome.after_s)
    match outcome.kind:
        case OutcomeKind.DONE:
            text = f"done in {took:.1f} s" if outcome.changed else f"already so, {took:.1f} s"
            if not registry.driver(step.verb).acts:
                text = f"done in {took:.1f} s"
            return transitions.Result(StepState.DONE, text, outcome.data, reasons, changed=outcome.changed)
        case OutcomeKind.WAIT | OutcomeKind.RETRY:
            return transitions.Result(StepState.READY, "waits", outcome.data, reasons, due_at=again)
        case OutcomeKind.IMPOSSIBLE:
            return transitions.Result(StepState.IMPOSSIBLE, "is impossible here", outcome.data, reasons)
        case OutcomeKind.UNSURE:
            return transitions.Result(StepState.UNSURE, "cannot be told done or not done", outcome.data, reasons)
        case _:
            holding = outcome.data.get("hold") and step.sent_at is None
            if holding and took < step.planned["within_s"]:
                due = at + timedelta(seconds=HOLD_AGAIN_S)
                return transitions.Result(StepState.READY, "holds", outcome.data, reasons, due_at=due)
            return transitions.Result(StepState.ERROR, "did not succeed", outcome.data, reasons)


@dataclass(frozen=True)
class Survey:
    """What the drivers of the coming steps see before anything is touched."""

    already: bool = False  # every one of them: nothing to do on this device
    moved: tuple[str, ...] = ()  # facts that are no longer what was approved


def _moved_facts(step: StepRun, result: transitions.Result, name: str) -> tuple[str, ...]:
    """Of the facts that the approved plan was computed from, those that the baseline has just found otherwise."""
    expected = step.planned.get("expected", {}).get(preconditions.FACTS, {})
    return tuple(str(r) for r in preconditions.moved(name, expected, result.data, since="on the device now"))


def look_ahead(job: Job, session: Session, at: datetime) -> Survey:
    """Ask every acting step, before the drain, whether it is already so and whether its facts still hold."""
    seen: list[Seen] = []
    moved: list[str] = []
    for row in job.steps:
        driver = registry.driver(row.verb)
        if not driver.acts or row.back or row.verb in {"drain", "undrain"}:
            continue
        try:
            look = driver.precheck(session, as_value(job, row, at))
        except DeviceError as error:
            moved.append(str(error))
            continue
        except Exception as error:  # a bug in a driver holds the run with its name; it is not tried for ever
            moved.append(f"{row.title} on {job.target.name}: {type(error).__name__}: {error}"[:300])
            continue
        seen.append(look.seen)
        if look.seen in {Seen.IMPOSSIBLE, Seen.UNKNOWN}:
            moved += [str(r) for r in look.reasons] or [f"{row.title}: {look.seen}"]
    return Survey(already=bool(seen) and all(s is Seen.ALREADY for s in seen), moved=tuple(moved))


def _follow(job: Job, step: StepRun, result: transitions.Result, survey: Survey, at: datetime) -> transitions.Follow:
    """What the target does after a step that has ended."""
    if survey.already and not survey.moved:
        return transitions.Follow(TargetState.DONE, changed=False)
    views = tuple(
        replace(v, state=result.state, changed=bool(result.changed)) if v.index == step.index else v
        for v in job.views()
    )
    decided = after_step(TargetState(job.target.state), views, step.index, moved=bool(survey.moved))
    match decided.then:
        case Then.NEXT:
            via = TargetState.DRAINED if step.verb == "drain" and not step.back else None
            # The phase of the next step is entered by its claim; until then the target stays where it is.
            stays = via or TargetState(job.target.state)
            return transitions.Follow(stays, reach=decided.next_index, via=via)
        case Then.FINISH:
            return transitions.Follow(decided.state, changed=decided.changed)
        case Then.ROLL_BACK:
            back = way_back.rows(job.target, job.steps, views, at)
            if not back:  # nothing was touched: it is as it was
                return transitions.Follow(TargetState.ROLLED_BACK, via=TargetState.ROLLING_BACK, changed=False)
            return transitions.Follow(TargetState.ROLLING_BACK, back=back)
        case Then.TURN:
            return transitions.Follow(decided.state)
        case Then.HOLD:
            return transitions.Follow(TargetState.PENDING, pause=f"{job.target.name}: {' '.join(survey.moved)}")
        case Then.STUCK:
            return transitions.Follow(TargetState.STUCK)
