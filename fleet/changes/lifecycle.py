"""What people do to a change: submit, approve, reject, start, pause, resume, abort, roll back, cancel, release.

Web, commands and API all come through here. Each returns the reasons why not; empty means it was done.
"""

from collections.abc import Sequence
from datetime import datetime

from django.contrib.auth.models import AbstractBaseUser, User
from django.db import transaction

from fleet.changes import approvals, outside, scheduling, transitions
from fleet.changes.approvals import comment_on, decide_on
from fleet.changes.emergencies import break_glass
from fleet.changes.models import Change, Revision, Run, StepRun, TargetRun
from fleet.changes.scheduling import override_windows, schedule
from fleet.changes.transitions import Note
from fleet.core import gates
from fleet.core import plan as planning
from fleet.core.model import Reason
from fleet.core.states import ChangeState, Control, TargetState, phase_of
from fleet.people import rights
from fleet.people.roles import EDIT, OPERATE
from inventory.models import Router

__all__ = [
    "Reasons",
    "abort",
    "break_glass",
    "cancel",
    "comment_on",
    "decide_on",
    "not_theirs",
    "override_windows",
    "pause",
    "release",
    "resume",
    "roll_back",
    "schedule",
    "start",
    "submit",
]

Reasons = tuple[Reason, ...]


_raced = approvals.raced


def _name(person: AbstractBaseUser) -> str:
    return person.get_username()


def not_theirs(change: Change, person: User) -> Reasons:
    """Why somebody may not edit, submit or cancel a change: that is for its author, and for who may edit every one."""
    if person.pk == change.author_id or person.has_perm(EDIT):
        return ()
    found = f"{person.get_username()}, who is not the author"
    wanted = f"{change.author.get_username()}, or the permission {EDIT}"
    return (Reason("you", found, wanted, "Ask the author."),)


def submit(change: Change, person: AbstractBaseUser, now: datetime) -> Reasons:
    """Put a draft before approvers."""
    revision = change.revision
    state = ChangeState(change.state)
    reasons = gates.may_submit(state, fatal=revision.fatal if revision else 0, planned=revision is not None)
    if reasons:
        return reasons
    assert revision is not None
    what = Note(_name(person), f"submitted revision {revision.number}, digest {revision.digest[:12]}")
    with transaction.atomic():
        if not transitions.move_change(change, ChangeState.SUBMITTED, what, now):
            return _raced("change")
        approvals.fix_rules(revision, now)
    return ()


def start(
    change: Change,
    person: AbstractBaseUser,
    now: datetime,
    *,
    window_end: datetime | None = None,
    by_schedule: bool = False,
) -> Reasons:
    """Begin to execute the approved plan: the run, its targets and steps come into being, then the tick takes over.

    At once, whatever it is scheduled into; `by_schedule`: in its window, and its devices stay bound to windows.
    """
    revision = change.revision
    if revision is None:
        return (Reason("plan", "none", "a plan", "Plan the change first."),)
    digest = planning.digest(revision.plan)
    reasons = list(
        gates.may_start(
            ChangeState(change.state),
            digest=digest,
            approved_digest=approvals.approved_digest(revision),
            window_end=window_end,
            now=now,
        )
    )
    reasons += approvals.missing(revision, now, window_end=now if by_schedule else window_end)
    plan = revision.read_plan()
    routers = {r.name: r for r in Router.objects.filter(name__in=[t.name for t in plan.targets])}
    reasons += [
        Reason(t.name, "not in the inventory", "every target of the plan", "Plan a new revision.")
        for t in plan.targets
        if t.name not in routers
    ]
    reasons += rights.refusals(person, OPERATE, [t.name for t in plan.targets])
    reasons += scheduling.start_refused(revision, now, by_schedule=by_schedule)
    reasons += outside.reasons([revision], now).get(revision.pk, ())
    if reasons:
        return tuple(reasons)
    if gone := approvals.out_of_date(revision, now):
        return gone if approvals.void(change, revision, gone, _name(person), now) else _raced("change")
    with transaction.atomic():
        what = Note(
            _name(person), f"started revision {revision.number}: {len(plan.targets)} targets, {len(plan.waves())} waves"
        )
        if change.state == ChangeState.APPROVED and not transitions.move_change(
            change, ChangeState.SCHEDULED, Note(_name(person), "scheduled to start now"), now
        ):
            return _raced("change")
        if not transitions.move_change(change, ChangeState.RUNNING, what, now):
            return _raced("change")
        scheduling.bind(revision, by_schedule=by_schedule)
        _create_run(revision, person, routers, now, window_end=window_end)
    return ()


def _create_run(
    revision: Revision,
    person: AbstractBaseUser,
    routers: dict[str, Router],
    now: datetime,
    *,
    window_end: datetime | None,
) -> None:
    plan = revision.read_plan()
    run = Run.objects.create(
        revision=revision,
        strategy=revision.plan["strategy"],
        checks=revision.plan["checks"],
        started_by_id=person.pk,
        started_at=now,
        window_end=window_end,
    )
    targets = TargetRun.objects.bulk_create(
        TargetRun(
            run=run,
            router=routers[t.name],
            name=t.name,
            failure_domain=t.failure_domain,
            wave=t.wave,
            worst_case_s=planning.worst_case_s(t.steps),
        )
        for t in plan.targets
    )
    documents = {t["name"]: t["steps"] for t in revision.plan["targets"]}
    StepRun.objects.bulk_create(
        (
            StepRun(
                target=target,
                index=index,
                verb=step["verb"],
                planned=step,
                phase=phase_of(step["verb"]),
            )
            for target in targets
            for index, step in enumerate(documents[target.name])
        ),
        batch_size=500,
    )


def _live_run(change: Change) -> Run | None:
    runs = Run.objects.live().filter(revision__change=change).select_related("revision__change")
    return runs.defer("revision__plan").first()


def _ask(change: Change, person: AbstractBaseUser, control: Control, why: str, now: datetime, *, words: str) -> Reasons:
    run = _live_run(change)
    if run is None:
        return (Reason("change", change.state, "running or paused", f"There is nothing to {control}."),)
    if run.control == control:
        return (Reason("run", f"{words} already asked for by {run.control_by}", "not yet asked for", ""),)
    text = words + (f": {why}" if why else "")
    return () if transitions.ask(run, control, Note(_name(person), text), now) else _raced("run")


def pause(change: Change, person: AbstractBaseUser, now: datetime, *, why: str = "") -> Reasons:
    """Stop where it stands, undo nothing: no worker starts another step from now on.

    Not while it is going back: what is half undone has no good place to stand, and a resume would go forward again.
    """
    run = _live_run(change)
    if run is not None and run.control in {Control.ABORT, Control.ROLLBACK}:
        found = f"{run.control} asked for by {run.control_by}"
        return (Reason("run", found, "a run that goes forward", "It ends when everything it stops is back."),)
    return _ask(change, person, Control.PAUSE, why, now, words="pause")


def abort(change: Change, person: AbstractBaseUser, now: datetime, *, why: str = "") -> Reasons:
    """Stop now and roll back what is in flight."""
    return _ask(change, person, Control.ABORT, why, now, words="abort")


def roll_back(change: Change, person: AbstractBaseUser, now: datetime, *, why: str = "") -> Reasons:
    """Stop now and take everything back that this run has done."""
    return _ask(change, person, Control.ROLLBACK, why, now, words="roll back everything")


def resume(change: Change, person: AbstractBaseUser, now: datetime, *, why: str = "") -> Reasons:
    """Go on after a pause. Failures up to now count as looked at."""
    run = _live_run(change)
    if run is None or run.control != Control.PAUSE:
        return (Reason("run", run.control if run else change.state, "pause", "Only a paused run can be resumed."),)
    if outside := rights.refusals(person, OPERATE, list(run.targets.values_list("name", flat=True))):
        return outside
    failed = TargetRun.objects.filter(run=run).failing().count()
    what = Note(_name(person), "resume" + (f": {why}" if why else ""))
    return () if transitions.ask(run, Control.NONE, what, now, tolerated=failed) else _raced("run")


def cancel(change: Change, person: AbstractBaseUser, now: datetime, *, why: str = "") -> Reasons:
    """Withdraw a change that has not started."""
    if change.state in {ChangeState.RUNNING, ChangeState.PAUSED} or change.ended:
        return (Reason("change", change.state, "not yet started", "Abort it instead, if it runs."),)
    what = Note(_name(person), "cancelled" + (f": {why}" if why else ""))
    return () if transitions.move_change(change, ChangeState.CANCELLED, what, now) else _raced("change")


def release(change: Change, person: AbstractBaseUser, now: datetime, *, names: Sequence[str], why: str) -> Reasons:
    """A person has put stuck devices right by hand: Slipway lets go of them and their room in the budget."""
    if not why:
        return (Reason("reason", "none", "what was done to put it right", "Say it; it is kept."),)
    if outside := rights.refusals(person, OPERATE, names):
        return outside
    rows = TargetRun.objects.filter(run__revision__change=change, name__in=names, state=TargetState.STUCK)
    targets = list(rows.select_related("run__revision").defer("run__revision__plan"))
    missing = sorted(set(names) - {t.name for t in targets})
    if missing:
        return (Reason(", ".join(missing), "not stuck in this change", "a stuck target", "Look at its state."),)
    transitions.release(targets, Note(_name(person), why), now)
    return ()
