"""A drained router that came back and of which routers further away have not heard: announce it anew.

FRR 8.4.4, lab/netns: neighbours keep the withdrawn OSPFv3 LSAs of a router whose daemons were restarted, take in the
new ones with lower numbers, and do not always flood them (after 1 restart of 4 in a row, for up to 12 minutes). A
change of cost, and be it by one, is flooded. The costs of a drained router are at their maximum: nothing moves.
"""

from collections.abc import Callable
from dataclasses import replace

from fleet.core.model import Reason
from playbooks.base import Session, Step
from playbooks.drain.look import look, missing_neighbours, suite_of
from playbooks.drain.parse import LEAST_DRAINED
from playbooks.drain.state import Group, Stage, State, Switch, from_artifact

# Originated at once when the last origination is 5 s ago (MinLSInterval), as it is on a router that is up for longer.
PAUSE_S = 2


def announce_anew(session: Session, step: Step, *, deadline_s: float, begin: Callable[[str], bool]) -> str | None:
    """One less than the drained cost, and the drained cost again. None where the router is not drained by cost or
    lacks a neighbour of the baseline: then it is something else, and nothing is sent.

    A crash between the two leaves the cost one lower, at which the router is as drained; the next remedy and the
    undrain both put it right. The startup configuration of FRR is not touched.
    """
    timeout_s = min(30.0, deadline_s / 4)
    state, _ = look(session, step)
    if isinstance(state, Reason) or missing_neighbours(step, state):
        return None
    suite, switches = suite_of(step.device), _drained_by_cost(step, state)
    if not switches:
        return None
    shown = ", ".join(switch.where for switch in switches)
    what = f"announced anew: drained cost changed by one and back ({shown})"
    if not begin(what):
        return None
    suite.go(session, Stage("igp", on=True, extra=suite.almost), switches, save=False, timeout_s=timeout_s)
    session.run(["sleep", str(PAUSE_S)], timeout_s=timeout_s)
    suite.go(session, Stage("igp", on=True), switches, save=False, timeout_s=timeout_s)
    return what


def _drained_by_cost(step: Step, state: State) -> tuple[Switch, ...]:
    """The costs that a drain has set, with nothing underneath; none unless all of them are drained now."""
    before = from_artifact(step.drain_artifact)
    listed = before.switches if before is not None else ()
    costed = [one for one in listed if one.group is Group.IGP and one.protocol in {"ospf6", "bird"}]
    now = {switch.key: switch for switch in state.running}
    if any(one.key not in now or not _is_drained(now[one.key]) for one in costed):
        return ()
    return tuple(replace(one, base=0) for one in costed)


def _is_drained(switch: Switch) -> bool:
    """Drained, or one less: where a remedy was cut off."""
    return switch.drained or switch.base >= LEAST_DRAINED - 1
