"""A verification that does not pass on a router that came back: what the driver that drained it can do, and when.

The verb `verify` only looks, and kinds of step do not know each other; so the visit to it is where the two meet.
Pure of the database: the caller records.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from fleet.core.model import Json, Verdict
from playbooks.base import DeviceError, Driver, Remedying, Session, Step
from playbooks.engine import Outcome, OutcomeKind

# A restarted router is complete after 13 to 24 s (lab/netns: 45 restarts). What is missing later is not on its way.
AFTER_S = 30.0
AGAIN_S = 30.0
# Five commands and a pause of 2 s; a visit with less than this left leaves it to the next.
NEEDS_S = 20.0
# Checks that hang on what routers further away know; a failure of others is not mended by telling them.
_HANG_ON_OTHERS = frozenset({"bgp_sessions", "route_counts", "rib_fib", "rib_fib_neighbours", "bfd"})
_ADJACENCIES = frozenset({"ospf", "ospf3"})


def mend(
    drained_by: Driver,
    session: Session,
    step: Step,
    outcome: Outcome,
    *,
    deadline_s: float,
    begin: Callable[[str], bool],
) -> Outcome:
    """The outcome of a visit to a verification, and at most one remedy where it is due. Never raises for a device.

    Kept in the step's data: `remedy`: {"at_s" (of `waited_s`), "times", "what" (in words)}, also when it has passed.
    """
    kept = step.progress.get("remedy")
    known: Mapping[str, Json] = kept if isinstance(kept, Mapping) else {}
    if known:
        outcome = replace(outcome, data={**outcome.data, "remedy": dict(known)})
    last = known.get("at_s")
    early = step.waited_s < AFTER_S or (isinstance(last, int | float) and step.waited_s - last < AGAIN_S)
    due = outcome.kind is OutcomeKind.WAIT and not early and deadline_s >= NEEDS_S and _fits(outcome)
    if not due or not isinstance(drained_by, Remedying):
        return outcome
    try:
        what = drained_by.remedy(session, step, deadline_s=deadline_s, begin=begin)
    except DeviceError as error:
        what = f"not finished: {error}"
    if what is None:
        return outcome
    times = known.get("times")
    told: dict[str, Json] = {"at_s": step.waited_s, "times": (times if isinstance(times, int) else 0) + 1, "what": what}
    return replace(outcome, data={**outcome.data, "remedy": told})


def _fits(outcome: Outcome) -> bool:
    """Do the adjacencies stand, and does something fail that hangs on routers further away?"""
    results = outcome.data.get("results")
    rows = [row for row in results if isinstance(row, Mapping)] if isinstance(results, list) else []
    bad = {row.get("name") for row in rows if row.get("verdict") != Verdict.PASS.value}
    return bool(bad & _HANG_ON_OTHERS) and not bad & _ADJACENCIES
