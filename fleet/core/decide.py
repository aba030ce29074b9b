"""What happens next in a run: pure decisions over a snapshot of it.

`next_actions` is asked by every tick. It does not act: the shell carries out what it says with guarded updates, and
losing such a race is normal: the next tick decides again from what is then true. What a leg asks is in target.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from fleet.core import gates
from fleet.core.model import OnFailure, Reason, Strategy
from fleet.core.other_leg import NOTHING, Providers, other_leg
from fleet.core.states import (
    TARGET_ENDED,
    TARGET_IN_FLIGHT,
    ChangeState,
    Control,
    TargetState,
)
from fleet.core.waves import Network
from fleet.core.windows import OnOverrun
from fleet.core.windows_door import ALWAYS_OPEN, Door, through

_T = TargetState
MOST_REASONS = 20  # enough to tell a person why; the rest would say the same of other names


@dataclass(frozen=True)
class TargetView:
    """One target of a run as the tick sees it."""

    id: int
    name: str
    wave: int
    domain: str
    state: TargetState
    changed: bool | None = None
    drained: bool = False  # traffic is (being) taken off it by this run
    failed: bool = False  # it failed while soaking: it carries traffic and is to be turned round when there is room
    claimed: bool = False  # a worker holds a live claim on one of its steps
    due: bool = False  # one of its steps may be worked on now, and no message for it is on its way
    worst_case_s: float = 0.0
    one_way: bool = False  # what was sent to it has no way back by itself (looked up while targets are turned round)
    door: Door = ALWAYS_OPEN  # windows and freezes for its site, its role and this recipe
    overran: bool = False  # it was put back because its window had closed: no failure
    carried: bool = False  # it had begun and was let go of untouched: in the next window it comes first

    @property
    def carries(self) -> bool:
        """It carries traffic although its change has begun: whoever turns it round drains it again."""
        return self.state in {_T.SOAKING, _T.DONE}


@dataclass(frozen=True)
class RunView:
    """One live run as the tick sees it. `tolerated`: failures a person has already looked at and resumed after."""

    id: int
    change_state: ChangeState
    control: Control
    strategy: Strategy
    targets: tuple[TargetView, ...]
    window_end: datetime | None = None
    tolerated: int = 0
    on_overrun: OnOverrun = OnOverrun.FINISH


@dataclass(frozen=True)
class FleetView:
    """Everything outside this run that limits it. `engaged`: device -> (failure domain, drained, who holds it);
    `providers`: on which lines providers work, and when."""

    network: Network
    engaged: Mapping[str, gates.Engaged] = field(default_factory=dict)
    providers: Providers = NOTHING


@dataclass(frozen=True)
class Admit:
    """Begin a target: pending > baselining, if the admission generation is still the one that was read."""

    target: TargetView


@dataclass(frozen=True)
class Kick:
    """Hand a due target to a worker."""

    target: TargetView


@dataclass(frozen=True)
class RollBack:
    """Put a target back: it is in flight and must stop, or it is done and the run takes everything back."""

    target: TargetView
    reason: Reason
    overrun: bool = False  # because its window has closed


@dataclass(frozen=True)
class Strand:
    """A target that must stop and has no way back by itself: it stays as it is and needs a person."""

    target: TargetView
    reason: Reason


@dataclass(frozen=True)
class Release:
    """A target of which nothing was touched goes back to pending."""

    target: TargetView
    reason: Reason


@dataclass(frozen=True)
class Pause:
    """The run stops starting steps until a person resumes or aborts it."""

    reason: Reason


@dataclass(frozen=True)
class Resume:
    """A paused run goes on."""


@dataclass(frozen=True)
class End:
    """The run is over."""

    state: ChangeState
    reason: str


@dataclass(frozen=True)
class Again:
    """A target that was put back because its window had closed waits for the next one, before all others."""

    target: TargetView
    reason: Reason


Action = Admit | Kick | RollBack | Again | Strand | Release | Pause | Resume | End


@dataclass(frozen=True)
class Decision:
    """What to do now, and why everything that is not done is not done."""

    actions: tuple[Action, ...]
    holds: tuple[Reason, ...] = ()


def next_actions(run: RunView, fleet: FleetView, now: datetime) -> Decision:
    """Everything that may happen in this run now. Errors are looked at before successes."""
    match run.control:
        case Control.PAUSE:
            moves = () if run.change_state is ChangeState.PAUSED else (Pause(_asked("pause")),)
            return Decision(moves, (_asked("pause"),))
        case Control.ABORT | Control.ROLLBACK:
            return _stopping(run, fleet, now, everything=run.control is Control.ROLLBACK)
        case Control.NONE:
            pass
    settled = [t for t in run.targets if t.state in {_T.STUCK, _T.ROLLED_BACK} and is_failing(t)]
    limit = run.strategy.max_failures + run.tolerated
    if len(settled) > limit and run.strategy.on_failure is OnFailure.PAUSE:
        reason = _too_many(run, settled)
        return Decision((Pause(reason),), (reason,))
    actions: list[Action] = [Resume()] if run.change_state is ChangeState.PAUSED else []
    actions += [Kick(t) for t in run.targets if t.state in TARGET_IN_FLIGHT and t.due]
    taken = _taken(run)
    failing = [t for t in run.targets if is_failing(t)]
    if len(failing) > limit:
        reason = _too_many(run, failing)
        back, held, owed = _turn_round(run, fleet, taken, _to_take_back(run, failing), reason, now)
        return _end_or(run, [*actions, *back], (reason, *held), stopped=True, owed=owed)
    back, held, _ = _turn_round(run, fleet, taken, [t for t in failing if t.failed], _failed_in_traffic(), now)
    over, stay = _overrun(run, fleet, taken, now)
    again = [Again(t, _NEXT_WINDOW) for t in run.targets if t.overran and t.state is _T.ROLLED_BACK]
    # Whoever is to begin again comes first: the others are looked at when it stands among them.
    admitted, holds = ([], ()) if again else _admissions(run, fleet, taken, now)
    return _end_or(run, [*actions, *back, *over, *again, *admitted], (*held, *stay, *holds), stopped=False, owed=False)


def is_failing(target: TargetView) -> bool:
    """Has it failed, whether or not it is back already? While nobody stops a run, only failures are rolled back, and
    what its window closed on."""
    if target.overran:
        return target.state is _T.STUCK
    return target.failed or target.state in {_T.STUCK, _T.ROLLED_BACK, _T.ROLLING_BACK}


def _asked(what: str) -> Reason:
    return Reason("run", f"{what} was asked for", "no such request", "Resume it, or abort it to roll back.")


def _failed_in_traffic() -> Reason:
    return Reason("soak", "a failure under traffic", "as in the baseline", "It is drained again and put back.")


# What the end of a window catches before it is in service again. What takes traffic back or soaks is nearly done:
# turning it round would drain it once more, outside of any window.
_UNFINISHED = frozenset({_T.DRAINING, _T.DRAINED, _T.APPLYING, _T.VERIFYING})


def _overrun(
    run: RunView, fleet: FleetView, taken: dict[str, str], now: datetime
) -> tuple[list[Action], tuple[Reason, ...]]:
    """What begins no more because its window has closed on it: untouched targets go back to pending, touched ones are
    finished or put back, as the policy for this kind of change says."""
    closed = [t for t in run.targets if t.door.closed]
    actions: list[Action] = []
    for target in closed:
        if target.state is _T.BASELINING and not target.claimed:
            actions.append(Release(target, target.door.closed[0]))
    if run.on_overrun is OnOverrun.FINISH:
        return actions, ()
    unfinished = [t for t in closed if t.state in _UNFINISHED and not t.failed]
    back, holds, _ = _turn_round(run, fleet, taken, unfinished, _OVER, now)
    return [*actions, *(replace(a, overrun=True) if isinstance(a, RollBack) else a for a in back)], tuple(holds)


_NEXT_WINDOW = Reason(
    "window",
    "closed before it was finished",
    "the change on it",
    "It is as it was; it begins again in the next window.",
)
_OVER = Reason("window", "closed", "open until it is finished", "It is put back, as is wanted for this kind of change.")


def _no_way_back(target: TargetView) -> Reason:
    return Reason(
        target.name,
        "changed in a way that cannot be undone by itself",
        "a way back",
        "Put it right by hand; release it.",
    )


def _too_many(run: RunView, failed: Sequence[TargetView]) -> Reason:
    names = ", ".join(f"{t.name} {t.state}" for t in failed[:5]) + (" ..." if len(failed) > 5 else "")
    return Reason(
        "failures",
        f"{len(failed)} ({names})",
        f"at most {run.strategy.max_failures + run.tolerated} (max_failures)",
        "No further target starts. Look at the failed targets; a new revision can be planned once they are right.",
    )


def _stopping(run: RunView, fleet: FleetView, now: datetime, *, everything: bool) -> Decision:
    """Abort and rollback: nothing new starts, what is in flight goes back, with `everything` also what is done."""
    reason = Reason("run", "stopped by a person", "to go on", "What is in flight is rolled back and verified.")
    actions: list[Action] = [Resume()] if run.change_state is ChangeState.PAUSED else []
    actions += [Kick(t) for t in run.targets if t.state is _T.ROLLING_BACK and t.due]
    hit = [t for t in run.targets if everything or t.state is not _T.DONE]
    back, holds, owed = _turn_round(run, fleet, _taken(run), hit, reason, now)
    return _end_or(run, [*actions, *back], (reason, *holds), stopped=True, owed=owed)


def _to_take_back(run: RunView, failing: Sequence[TargetView]) -> list[TargetView]:
    """What `on_failure` has taken back: the failed targets themselves, their waves, or everything."""
    match run.strategy.on_failure:
        case OnFailure.ROLLBACK_TARGET | OnFailure.PAUSE:
            return [t for t in failing if t.failed]
        case OnFailure.ROLLBACK_WAVE:
            waves = {t.wave for t in failing}
            return [t for t in run.targets if t.wave in waves]
        case OnFailure.ROLLBACK_ALL:
            return list(run.targets)


def _turn_round(
    run: RunView, fleet: FleetView, taken: dict[str, str], hit: Sequence[TargetView], reason: Reason, now: datetime
) -> tuple[list[Action], list[Reason], bool]:
    """Turn these targets round: the moves, why some must wait, and whether any waits. `taken` grows with each drain.

    What carries traffic (done, soaking) is drained again, so the budget and the topology are asked as for a start.
    Where a worker is at it, its next claim sees the stop; the lease bounds the wait.
    """
    actions: list[Action] = []
    holds: dict[Reason, None] = {}
    owed = False
    for target in hit:
        nothing_to_do = target.state in TARGET_ENDED | {_T.PENDING, _T.ROLLING_BACK} and not (
            target.state is _T.DONE and target.changed and not target.one_way
        )
        if target.claimed or nothing_to_do:
            continue
        if target.state is _T.BASELINING:
            actions.append(Release(target, reason))
            continue
        if target.one_way:
            actions.append(Strand(target, _no_way_back(target)))
            continue
        if target.carries:
            name, domain, budget = target.name, target.domain, run.strategy.budget
            no_room = gates.device_free(name, fleet.engaged)
            no_room += gates.room_for(name, domain, budget, fleet.network, taken, fleet.engaged)
            no_room += _provider_works(target, fleet, taken, now)
            if no_room:
                owed = True
                holds.update(dict.fromkeys(no_room if len(holds) < MOST_REASONS else ()))
                continue
            taken[name] = domain
        actions.append(RollBack(target, reason))
    return actions, list(holds), owed


def _taken(run: RunView) -> dict[str, str]:
    """Devices of this run that count against the budget: in flight and not merely soaking, or stuck while drained."""
    return {
        t.name: t.domain
        for t in run.targets
        if t.state in TARGET_IN_FLIGHT - {_T.SOAKING} or (t.state is _T.STUCK and t.drained)
    }


def _provider_works(
    target: TargetView, fleet: FleetView, taken: Mapping[str, str], now: datetime
) -> tuple[Reason, ...]:
    """Is this the other leg of a line that a provider works on, now or before the device is through?"""
    if not fleet.providers.outages:
        return ()
    down = {*taken, *(n for n, e in fleet.engaged.items() if e.drained)}
    return other_leg(target.name, target.worst_case_s, now, fleet.network, fleet.providers, down)


def open_wave(targets: Sequence[TargetView]) -> int | None:
    """The lowest wave that is not finished; None when all are."""
    return min((t.wave for t in targets if t.state not in TARGET_ENDED), default=None)


def _admissions(
    run: RunView, fleet: FleetView, taken: dict[str, str], now: datetime
) -> tuple[list[Action], tuple[Reason, ...]]:
    wave = open_wave(run.targets)
    actions: list[Action] = []
    holds: dict[Reason, None] = {}
    for target in sorted(run.targets, key=lambda t: not t.carried):
        if target.state is not _T.PENDING or target.wave != wave:
            continue
        reasons = [
            *gates.fits_window(target.name, target.worst_case_s, run.window_end, now),
            *through(target.door, target.name, target.worst_case_s, now),
            *gates.device_free(target.name, fleet.engaged),
            *gates.no_conflict(target.name, target.domain, fleet.network, fleet.engaged),
            *gates.room_for(target.name, target.domain, run.strategy.budget, fleet.network, taken, fleet.engaged),
            *_provider_works(target, fleet, taken, now),
        ]
        if not reasons:
            taken[target.name] = target.domain
            actions.append(Admit(target))
            continue
        holds.update(dict.fromkeys(reasons if len(holds) < MOST_REASONS else ()))
        if gates.used_up(run.strategy.budget, taken, fleet.engaged):
            break  # all that follow would hear the same
    return actions, tuple(holds)


def _end_or(run: RunView, actions: Sequence[Action], holds: Sequence[Reason], *, stopped: bool, owed: bool) -> Decision:
    """End the run when nothing is in flight, owed or able to start; otherwise go on, or wait as `holds` say."""
    going = any(t.state in TARGET_IN_FLIGHT for t in run.targets) or any(not isinstance(a, Resume) for a in actions)
    waiting = not stopped and any(t.state is _T.PENDING for t in run.targets)
    if going or owed or waiting:
        return Decision(tuple(actions), tuple(holds))
    return Decision((*actions, End(final_state(run.targets), summary(run.targets))), tuple(holds))


def final_state(targets: Sequence[TargetView]) -> ChangeState:
    """How a run that is over ended: succeeded (all is as wanted), rolled back (nothing stays changed), or failed (a
    person must look: something is stuck, or only part of the change is in place)."""
    if all(t.state is _T.DONE for t in targets):
        return ChangeState.SUCCEEDED
    if any(t.state is _T.STUCK or (t.state is _T.DONE and t.changed) for t in targets):
        return ChangeState.FAILED
    return ChangeState.ROLLED_BACK


def summary(targets: Sequence[TargetView]) -> str:
    """Counts of where the targets ended, for people: "4 done, 1 rolled back, 1 never started"."""
    words = {_T.DONE: "done", _T.ROLLED_BACK: "rolled back", _T.STUCK: "stuck", _T.PENDING: "never started"}
    counts = [(sum(t.state is state for t in targets), word) for state, word in words.items()]
    return ", ".join(f"{n} {word}" for n, word in counts if n) or "no targets"
