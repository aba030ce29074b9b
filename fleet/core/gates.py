"""May it start, may it take traffic off: each gate answers with reasons, all of them at once; empty means yes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from fleet.core.model import Budget, Reason
from fleet.core.states import ChangeState
from fleet.core.waves import Network, broken_promises


@dataclass(frozen=True)
class Engaged:
    """A device that somebody else holds: its failure domain, whether its traffic is off, and who ("change 7").

    `budget`: what that change was promised, while it is in flight; None once only the device was left behind.
    """

    domain: str
    drained: bool
    by: str
    budget: Budget | None = None
    outside: bool = False  # no change of ours: somebody drained it; it may be worked on, and counts as drained


def may_approve(state: ChangeState, *, author: str, approver: str, fatal: int) -> tuple[Reason, ...]:
    """May this person approve this change now? The author never may, on any path (rule 1)."""
    reasons = []
    if state is not ChangeState.SUBMITTED:
        reasons.append(Reason("change", str(state), "submitted", "Only a submitted change can be approved."))
    if author == approver:
        reasons.append(
            Reason(
                "approver",
                f"{approver}, who is the author",
                "a second person",
                "Ask a colleague to review and approve it.",
            )
        )
    if fatal:
        reasons.append(Reason("findings", f"{fatal} fatal", "none", "Mend the plan; fatal findings stop it."))
    return tuple(reasons)


def may_submit(state: ChangeState, *, fatal: int, planned: bool) -> tuple[Reason, ...]:
    """May this change be put before approvers?"""
    reasons = []
    if state is not ChangeState.DRAFT:
        reasons.append(Reason("change", str(state), "draft", "Only a draft can be submitted."))
    if not planned:
        reasons.append(Reason("plan", "none", "a plan", "Plan the change first."))
    if fatal:
        reasons.append(Reason("findings", f"{fatal} fatal", "none", "Mend what the findings name, then plan again."))
    return tuple(reasons)


def may_start(
    state: ChangeState, *, digest: str, approved_digest: str | None, window_end: datetime | None, now: datetime
) -> tuple[Reason, ...]:
    """May an approved change begin to run now?"""
    reasons = []
    if state not in {ChangeState.APPROVED, ChangeState.SCHEDULED}:
        reasons.append(Reason("change", str(state), "approved", "Have it approved first."))
    if approved_digest is not None and approved_digest != digest:
        reasons.append(
            Reason(
                "digest",
                digest[:12],
                f"{approved_digest[:12]}, which was approved",
                "The plan is not the approved one; submit it again.",
            )
        )
    if approved_digest is None:
        reasons.append(
            Reason(
                "approval",
                "none for this plan",
                "one approval of exactly this digest",
                "Have the newest revision approved.",
            )
        )
    if window_end is not None and window_end <= now:
        reasons.append(Reason("window", f"ended {window_end:%Y-%m-%d %H:%M} UTC", "still open", "Choose a later end."))
    return tuple(reasons)


def fits_window(name: str, worst_case_s: float, window_end: datetime | None, now: datetime) -> tuple[Reason, ...]:
    """Point of no return: a target starts only if its worst case, with rollback, still fits (rule 7)."""
    if window_end is None or now + timedelta(seconds=worst_case_s) <= window_end:
        return ()
    return (
        Reason(
            f"window for {name}",
            f"closes {window_end:%Y-%m-%d %H:%M} UTC",
            f"{worst_case_s:.0f} s before that (worst case with rollback)",
            "It is carried to the next window.",
        ),
    )


def device_free(name: str, engaged: Mapping[str, Engaged]) -> tuple[Reason, ...]:
    """Is no other change working on the device?"""
    holder = engaged.get(name)
    if holder is None or holder.outside:
        return ()
    return (Reason(name, f"in the hands of {holder.by}", "no other change on it", WHEN_ENDED),)


def no_conflict(name: str, domain: str, network: Network, engaged: Mapping[str, Engaged]) -> tuple[Reason, ...]:
    """Is no other change at work in the same failure domain, or at the other end of one of the device's links?

    Looked at are devices without traffic: what merely soaks carries it. Nobody's plan showed two changes at once there.
    """
    reasons = []
    for other, held in sorted(engaged.items()):
        if not held.drained or held.outside or other == name:
            continue
        if held.domain == domain:
            found = f"{other} is in the hands of {held.by}"
            reasons.append(Reason(f"failure domain {domain}", found, "no other change in it", WHEN_ENDED))
        elif other in network.capacity.get(name, {}):
            found = f"{other} is in the hands of {held.by}"
            reasons.append(Reason(f"link {name} - {other}", found, "no other change at its other end", WHEN_ENDED))
    return tuple(reasons)


WHEN_ENDED = "It starts when that has ended."


def room_for(
    name: str,
    domain: str,
    budget: Budget,
    network: Network,
    taken: Mapping[str, str],
    engaged: Mapping[str, Engaged],
) -> tuple[Reason, ...]:
    """May this device be drained beside what is drained already, in this run (`taken`) and in all others?

    Every change in flight keeps what its approver was promised: the tightest of their budgets holds for all (rule 6).
    """
    down = {**{n: e.domain for n, e in engaged.items() if e.drained}, **taken}
    down.pop(name, None)
    here = sorted(n for n, d in down.items() if d == domain)
    others = sorted(f"{n} {e.by}" for n, e in engaged.items() if e.outside and n in down and n not in taken)
    also = f"; of them {', '.join(others[:_NAMED])}" if others else ""
    reasons = []
    for held, whose in _budgets(budget, engaged):
        if len(down) + 1 > held.total:
            reasons.append(
                Reason(
                    "budget",
                    f"{len(down)} of {held.total} drained or in flight{whose}{also}",
                    "room for one more",
                    "Waits for one of them to carry traffic again." + (_LOOK_AGAIN if others else ""),
                )
            )
        if len(here) + 1 > held.per_failure_domain:
            reasons.append(
                Reason(
                    f"failure domain {domain}",
                    f"{', '.join(here)} drained or in flight{whose}{also}",
                    f"at most {held.per_failure_domain} at once",
                    "Waits for it." + (_LOOK_AGAIN if others else ""),
                )
            )
    if not reasons:
        number = network.component_of.get(name)
        near = [n for n in down if network.component_of.get(n) == number]
        reasons += broken_promises(network, [*near, name], about=name)
    return tuple(reasons)


# So many devices that others drained are named; enough to know whom to ask.
_NAMED = 5
_LOOK_AGAIN = " What others drained counts until it is seen with traffic: ./manage.py collect."


def used_up(budget: Budget, taken: Mapping[str, str], engaged: Mapping[str, Engaged]) -> bool:
    """Is there no room for any device, whichever it is?"""
    down = {n for n, e in engaged.items() if e.drained} | set(taken)
    return any(len(down) >= held.total for held, _ in _budgets(budget, engaged))


def _budgets(mine: Budget, engaged: Mapping[str, Engaged]) -> Iterator[tuple[Budget, str]]:
    """My budget, then each tighter one of another change in flight, with words that say whose it is."""
    yield mine, ""
    others = {e.budget: e.by for e in engaged.values() if e.budget is not None}
    for budget, by in others.items():
        tighter = Budget(min(budget.total, mine.total), min(budget.per_failure_domain, mine.per_failure_domain))
        if tighter != mine:
            yield budget, f" (budget of {by})"
