"""Rows for tests: a fleet, a plan, a change in any state, targets walked as far as a test wants them.

Everything moves through fleet.changes.lifecycle and fleet.changes.transitions, as people and the engine move it; no
device is touched. Times are arguments.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User

from fleet.changes import lifecycle, transitions, way_back, windows
from fleet.changes.models import Change, Event, Pulse, Revision, Run, StepRun, TargetRun
from fleet.core import explain
from fleet.core import plan as planning
from fleet.core.model import (
    Budget,
    CheckSpec,
    Finding,
    Json,
    Plan,
    PlannedStep,
    PlannedTarget,
    Reason,
    Reversibility,
    Severity,
    Strategy,
)
from fleet.core.states import STEP_OPEN, ChangeState, Control, StepState, TargetState
from fleet.core.target import Then, after_step
from inventory.models import Credential, FailureDomain, Router, Site

WORKER = "worker-1"
CHANNELS_DIFF = """\
--- channels as seen
+++ channels as wanted
@@ -1,2 +1,2 @@
-eth0 combined 4
+eth0 combined 8
 eth1 combined 8
"""
RESTORES = {"channels": {"eth0": {"combined": 4}}, "persisted": False}


def person(name: str, **fields: Any) -> User:
    """Somebody with the password `<name>-password`; found again when already there."""
    found = User.objects.filter(username=name).first()
    return found or User.objects.create_user(name, password=f"{name}-password", **fields)


def fleet(names: Sequence[str], *, domains: int = 3) -> list[Router]:
    """Routers of these names, spread over failure domains fd0, fd1 ... and their sites."""
    credential, _ = Credential.objects.get_or_create(
        name="lab", defaults={"username": "slipway", "reference": "env:SLIPWAY_TEST_SECRET"}
    )
    sites = []
    for number in range(domains):
        domain, _ = FailureDomain.objects.get_or_create(name=f"fd{number}")
        sites.append(Site.objects.get_or_create(name=f"site{number}", defaults={"failure_domain": domain})[0])
    made = []
    have = Router.objects.count()
    for offset, name in enumerate(names):
        number = have + offset
        made.append(
            Router(
                name=name,
                site=sites[number % domains],
                role="edge",
                suite="frr",
                address=f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}",
                credential=credential,
                router_id=f"192.{168 + (number >> 16)}.{number >> 8 & 255}.{number & 255}",
            )
        )
    return Router.objects.bulk_create(made)


def _step(verb: str, *, acts: bool = True, disruptive: bool = False, **more: Any) -> PlannedStep:
    way = Reversibility.IN_PLACE if acts else Reversibility.NOTHING_TO_UNDO
    values: dict[str, Any] = {"params": {}, "estimate_s": 5.0, "within_s": 60.0, **more}
    return PlannedStep(verb=verb, reversibility=way, disruptive=disruptive, **values)


def steps() -> tuple[PlannedStep, ...]:
    """The steps of a change of NIC queues, as its recipe plans them."""
    return (
        _step("baseline", acts=False),
        _step("drain", disruptive=True, commands=("vtysh -c 'configure' -c 'router bgp' -c 'bgp graceful-shutdown'",)),
        _step(
            "nic",
            disruptive=True,
            diff=CHANNELS_DIFF,
            params={"queues": 8},
            commands=("ethtool -L eth0 combined 8",),
            expected={"channels": {"eth0": {"combined": 4}}},
        ),
        _step("verify", acts=False, estimate_s=15.0),
        _step("undrain", params={"group": "igp"}),
        _step("undrain", params={"group": "bgp"}),
        _step("soak", acts=False, estimate_s=900.0, within_s=960.0),
    )


def plan(waves: Sequence[Sequence[str]], *, findings: Sequence[Finding] = (), recipe: str = "nic-queues") -> Plan:
    """A plan with these names in these waves."""
    targets = tuple(
        PlannedTarget(name, number, f"fd{at % 3}", steps())
        for number, names in enumerate(waves)
        for at, name in enumerate(names)
    )
    strategy = Strategy(waves=tuple(tuple(w) for w in waves), budget=Budget(total=2, per_failure_domain=1))
    checks = (CheckSpec("bgp_sessions"), CheckSpec("rib_fib"), CheckSpec("queues", 8))
    return Plan(recipe, {"queues": 8}, strategy, checks, targets, tuple(findings))


def one_way_finding(name: str) -> Finding:
    reason = Reason(f"firmware on {name}", "reversible by reflash", "a step that can be undone by itself", "Mind it.")
    return Finding("one-way", Severity.WARN, reason)


def fatal_finding(name: str) -> Finding:
    reason = Reason(f"wave 1 with {name}", "cuts MA1 from THN", "every pair connected", "Move it to another wave.")
    return Finding("cuts", Severity.FATAL, reason)


def draft(author: User, what: Plan, now: datetime, *, title: str = "Eight queues on the edge") -> Change:
    """A change with one revision that holds this plan."""
    change = Change.objects.create(title=title, description="As agreed on Monday.", author=author, created_at=now)
    revise(change, author, what, now)
    return change


def revise(change: Change, author: User, what: Plan, now: datetime) -> Revision:
    """The next revision of a change; as drafts plan it, with what is wanted when its window closes."""
    what = replace(what, strategy=replace(what.strategy, on_overrun=windows.overrun_of(what.recipe)))
    document = planning.document(what)
    return Revision.objects.create(
        change=change,
        number=change.revisions.count() + 1,
        recipe=what.recipe,
        recipe_text=f"recipe: {what.recipe}\n",
        inputs=dict(what.inputs),
        plan=document,
        digest=planning.digest(document),
        created_by=author,
        created_at=now,
    )


def done(reasons: Sequence[Reason]) -> None:
    """What was asked for happened; otherwise the test says why not."""
    assert not reasons, "; ".join(explain.sentences(reasons))


def submitted(author: User, what: Plan, now: datetime, **more: Any) -> Change:
    change = draft(author, what, now, **more)
    done(lifecycle.submit(change, author, now))
    return change


def approved(author: User, approver: User, what: Plan, now: datetime, **more: Any) -> Change:
    change = submitted(author, what, now, **more)
    revision = change.revision
    assert revision is not None
    done(lifecycle.decide_on(change, approver, now, approve=True, digest=revision.digest, comment="Read it all."))
    return change


def running(author: User, approver: User, what: Plan, now: datetime, **more: Any) -> Run:
    """A change that was started at `now`; none of its targets has begun."""
    change = approved(author, approver, what, now, **more)
    done(lifecycle.start(change, approver, now))
    return Run.objects.select_related("revision__change").get(revision__change=change)


def target(run: Run, name: str) -> TargetRun:
    rows = TargetRun.objects.select_related("run__revision__change").with_steps()
    # A plan of hundreds of devices takes longer to read than the step that is asked for.
    return rows.defer("run__revision__plan", "run__revision__recipe_text").get(run=run, name=name)


def begin(run: Run, names: Sequence[str], now: datetime) -> None:
    """Admit these targets, as the tick does."""
    from fleet.changes import snapshots

    rows = [target(run, name) for name in names]
    assert transitions.admit(rows, snapshots.admission_generation(), transitions.Note("engine", "begins"), now)


def claim_step(run: Run, name: str, now: datetime) -> transitions.StepInHand:
    """A worker takes the step that is due on this target."""
    row = target(run, name)
    reached = [s for s in row.steps.all() if s.state in STEP_OPEN and s.due_at is not None]
    hand = transitions.StepInHand(min(reached, key=lambda s: s.index), row, run.revision.change_id)
    assert transitions.claim(hand, worker=WORKER, now=now, lease_s=90.0), f"{hand.row} could not be claimed"
    if hand.row.verb not in way_back.LOOKING_VERBS:
        assert transitions.write_ahead(hand, None if hand.row.undoes_id else RESTORES, now)
    return hand


def end_step(
    hand: transitions.StepInHand,
    now: datetime,
    *,
    state: StepState = StepState.DONE,
    reasons: Sequence[str] = (),
    data: Mapping[str, Json] | None = None,
) -> None:
    """The worker records how the step ended; the target follows as the decider says."""
    step, row = hand.row, hand.target
    ok = state is StepState.DONE
    shown = data if data is not None else {"seen": f"{step.title} of {row.name}", "rx_pps": 12}
    took = (now - step.first_claimed_at).total_seconds() if step.first_claimed_at else 0.0
    words = f"done in {took:.1f} s" if ok else "did not succeed"
    result = transitions.Result(state, words, shown, tuple(reasons), changed=ok)
    views = []
    for other in row.steps.all():
        other.state = state if other.pk == step.pk else other.state
        other.sent_at = step.sent_at if other.pk == step.pk else other.sent_at
        other.changed = ok if other.pk == step.pk else other.changed
        views.append(way_back.view(other))
    decided = after_step(TargetState(row.state), views, step.index)
    match decided.then:
        case Then.NEXT:
            via = TargetState.DRAINED if step.verb == "drain" and not step.back else None
            follow = transitions.Follow(via or TargetState(row.state), reach=decided.next_index, via=via)
        case Then.ROLL_BACK:
            back = way_back.rows(row, list(row.steps.all()), views, now)
            follow = transitions.Follow(TargetState.ROLLING_BACK, back=back)
        case _:
            follow = transitions.Follow(decided.state, changed=decided.changed)
    assert transitions.record(hand, result, follow, worker=WORKER, now=now)


def walk(run: Run, name: str, now: datetime, *, until: str | None = None, step_s: float = 5.0) -> datetime:
    """Let a target that has begun do its steps, one each `step_s`; it stands claimed in the first step called `until`
    ("nic", "undrain bgp"), or goes to its end. Returns when that was.
    """
    while True:
        row = target(run, name)
        if not any(s.state in STEP_OPEN and s.due_at is not None for s in row.steps.all()):
            return now
        hand = claim_step(run, name, now)
        if hand.row.title == until:
            return now
        now += timedelta(seconds=step_s)
        end_step(hand, now)


def fail_step(run: Run, name: str, now: datetime, *reasons: str, state: StepState = StepState.ERROR) -> None:
    """The step that a target stands in (claimed) fails for these reasons."""
    row = target(run, name)
    step = next(s for s in row.steps.all() if s.state == StepState.CLAIMED)
    end_step(transitions.StepInHand(step, row, run.revision.change_id), now, state=state, reasons=reasons)


def stuck(run: Run, name: str, now: datetime) -> None:
    """A target whose verification fails and whose way back fails too: it stays drained and needs a person."""
    now = walk(run, name, now, until="verify")
    fail_step(
        run,
        name,
        now,
        "bgp 10.255.0.1 ipv6Unicast: found 3 of 5 sessions Established, wanted 5 (baseline). Look at the two peers.",
    )
    now = walk(run, name, now + timedelta(seconds=5), until="undo nic")
    text = f"{name}: found no answer for 60 s, wanted an SSH session. Look at its console; it stays drained."
    fail_step(run, name, now + timedelta(seconds=60), text, state=StepState.UNSURE)


def end(run: Run, state: ChangeState, text: str, now: datetime) -> None:
    """Close the run, as the tick does when nothing is left to do."""
    change = Change.objects.get(pk=run.revision.change_id)
    run.refresh_from_db()
    assert transitions.end_run(run, change, state, transitions.Note("engine", text), now)


def paused(run: Run, who: User, now: datetime, *, why: str = "") -> None:
    """Somebody asked for a pause and the tick has seen it."""
    change = Change.objects.get(pk=run.revision.change_id)
    done(lifecycle.pause(change, who, now, why=why))
    change.refresh_from_db()
    assert transitions.move_change(change, ChangeState.PAUSED, transitions.Note("engine", "paused"), now)


def holds(run: Run, *reasons: Reason) -> None:
    """What the tick keeps on the run: why nothing more is happening."""
    Run.objects.filter(pk=run.pk).update(holds=list(explain.sentences(reasons)))


def events(change: Change, count: int, now: datetime) -> None:
    """Many events at once."""
    Event.objects.bulk_create(
        (
            Event(change=change, at=now + timedelta(seconds=n), actor=WORKER, kind="step done", text=f"event {n}")
            for n in range(count)
        ),
        batch_size=500,
    )


def pulse(now: datetime) -> None:
    """The engine was alive then."""
    Pulse.objects.update_or_create(name="tick", defaults={"at": now})


def steps_of(run: Run) -> int:
    return StepRun.objects.filter(target__run=run).count()


def control_of(run: Run) -> Control:
    return Control(Run.objects.values_list("control", flat=True).get(pk=run.pk))
