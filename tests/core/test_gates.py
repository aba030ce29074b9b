"""Gates: each one's every reason, all of them at once, and empty when it may."""

from datetime import UTC, datetime, timedelta

import pytest

from fleet.core import gates
from fleet.core.gates import Engaged
from fleet.core.model import Budget, KeepConnected, Link, Topology
from fleet.core.states import ChangeState
from fleet.core.waves import prepare

NOW = datetime(2026, 1, 5, 5, 0, tzinfo=UTC)
C = ChangeState


def subjects(reasons: tuple[object, ...]) -> list[str]:
    return [r.subject for r in reasons]  # type: ignore[attr-defined]


def test_who_may_approve() -> None:
    assert gates.may_approve(C.SUBMITTED, author="ann", approver="bob", fatal=0) == ()
    assert subjects(gates.may_approve(C.SUBMITTED, author="ann", approver="ann", fatal=0)) == ["approver"]
    everything = gates.may_approve(C.DRAFT, author="ann", approver="ann", fatal=2)
    assert subjects(everything) == ["change", "approver", "findings"]


@pytest.mark.parametrize("state", [s for s in C if s is not C.SUBMITTED])
def test_only_what_was_submitted_can_be_approved(state: ChangeState) -> None:
    (reason,) = gates.may_approve(state, author="ann", approver="bob", fatal=0)
    assert (reason.found, reason.wanted) == (str(state), "submitted")


def test_what_may_be_submitted() -> None:
    assert gates.may_submit(C.DRAFT, fatal=0, planned=True) == ()
    assert subjects(gates.may_submit(C.RUNNING, fatal=1, planned=False)) == ["change", "plan", "findings"]


def start(state: ChangeState = C.APPROVED, approved: str | None = "d", end: datetime | None = None) -> list[str]:
    return subjects(gates.may_start(state, digest="d", approved_digest=approved, window_end=end, now=NOW))


def test_what_may_start() -> None:
    assert start() == start(C.SCHEDULED) == start(end=NOW + timedelta(seconds=1)) == []
    assert start(C.SUBMITTED) == ["change"]
    assert start(approved="other") == ["digest"]
    assert start(approved=None) == ["approval"]
    assert start(end=NOW) == ["window"]
    assert start(C.DRAFT, approved=None, end=NOW) == ["change", "approval", "window"]


def test_a_target_starts_only_if_its_worst_case_still_fits() -> None:
    end = NOW + timedelta(seconds=600)
    assert gates.fits_window("bly", 600, end, NOW) == gates.fits_window("bly", 9e9, None, NOW) == ()
    (reason,) = gates.fits_window("bly", 601, end, NOW)
    assert reason.found == "closes 2026-01-05 05:10 UTC"
    assert reason.wanted == "601 s before that (worst case with rollback)"
    assert gates.fits_window("bly", 1, NOW - timedelta(hours=1), NOW)


def test_the_words_of_a_hold_do_not_change_with_every_tick() -> None:
    """They are told as an event when they change: a countdown would fill the log."""
    end = NOW + timedelta(seconds=600)
    later = NOW + timedelta(seconds=30)
    assert gates.fits_window("bly", 900, end, NOW) == gates.fits_window("bly", 900, end, later)


def test_one_change_at_a_time_on_a_device() -> None:
    engaged = {"bly": Engaged("m", False, "change 7")}
    assert gates.device_free("aebi", engaged) == ()
    (reason,) = gates.device_free("bly", engaged)
    assert "change 7" in reason.found


NETWORK = prepare(
    Topology(
        {"a": "d1", "b": "d2", "c": "d1", "d": "d3"},
        frozenset(),
        tuple(Link(x, y, 10) for x, y in ("ab", "bd", "ac", "cd")),
        (KeepConnected(frozenset("ad"), 10),),
    )
)


def room(name: str, domain: str, budget: Budget, taken: dict[str, str], **engaged: Engaged) -> list[str]:
    return subjects(gates.room_for(name, domain, budget, NETWORK, taken, engaged))


def test_room_in_the_budget() -> None:
    assert room("b", "d2", Budget(1, 1), {}) == []
    assert room("b", "d2", Budget(1, 1), {"a": "d1"}) == ["budget"]
    assert room("b", "d2", Budget(2, 1), {"a": "d1"}) == []
    assert room("c", "d1", Budget(2, 1), {"a": "d1"}) == ["failure domain d1"]
    assert room("c", "d1", Budget(1, 1), {"a": "d1"}) == ["budget", "failure domain d1"]


def test_what_others_hold_counts_when_its_traffic_is_off() -> None:
    assert room("b", "d2", Budget(1, 1), {}, a=Engaged("d1", True, "change 7")) == ["budget"]
    assert room("b", "d2", Budget(1, 1), {}, a=Engaged("d1", False, "change 7")) == []
    assert room("c", "d1", Budget(9, 1), {}, a=Engaged("d1", True, "change 7")) == ["failure domain d1"]


def test_the_same_device_is_not_counted_twice() -> None:
    assert room("a", "d1", Budget(1, 1), {"a": "d1"}, a=Engaged("d1", True, "change 7")) == []
    assert room("b", "d2", Budget(2, 1), {"a": "d1"}, a=Engaged("d1", True, "change 7")) == []


def test_no_room_where_the_drain_would_cut() -> None:
    (reason,) = gates.room_for("b", "d2", Budget(9, 9), NETWORK, {"c": "d1"}, {})
    assert reason.subject == "draining b, c"
    assert gates.room_for("b", "d2", Budget(9, 9), NETWORK, {}, {"c": Engaged("d1", True, "change 7")}) == (reason,)


def test_the_budget_of_every_change_in_flight_holds() -> None:
    """Rule 6: whoever was promised "one at a time" by another change is not surprised by this one."""
    strict = Engaged("d1", True, "change 7", Budget(1, 1))
    assert room("b", "d2", Budget(5, 5), {}, a=strict) == ["budget"]
    (reason,) = gates.room_for("b", "d2", Budget(5, 5), NETWORK, {}, {"a": strict})
    assert reason.found == "1 of 1 drained or in flight (budget of change 7)"
    by_domain = Engaged("d1", True, "change 7", Budget(5, 1))
    assert room("c", "d1", Budget(5, 5), {}, a=by_domain) == ["failure domain d1"]
    left_behind = Engaged("d1", True, "change 7", None)
    assert room("b", "d2", Budget(5, 5), {}, a=left_behind) == [], "of a run that has ended only the device counts"
