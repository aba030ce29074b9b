"""Approval as values: which policies apply, what is missing, who may give it and why not, when it runs out."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.core import approval
from fleet.core.approval import Asked, Condition, Decision, Given, Policy, Stage, Subject, applying, standing
from fleet.core.risk import Risk
from fleet.core.states import ChangeState

NOW = datetime(2026, 1, 5, 5, 0, tzinfo=UTC)
DIGEST = "d" * 64
NOC, CORE = frozenset({"noc"}), frozenset({"core"})
TWO = Policy("two", (Stage("noc", NOC), Stage("core", CORE, 2)))


def gave(person: int, groups: frozenset[str] = frozenset(), **more: object) -> Given:
    values = {"decision": Decision.APPROVED, "digest": DIGEST, "at": NOW, **more}
    return Given(person, f"p{person}", groups=groups, **values)  # type: ignore[arg-type]


def asked(person: int, groups: frozenset[str] = frozenset(), **more: object) -> Asked:
    one = Asked(ChangeState.SUBMITTED, person, f"p{person}", groups, DIGEST, DIGEST, authors={1})
    return replace(one, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("policy", "applies"),
    [
        (Policy("all", ()), True),
        (Policy("high", (), least_risk=Risk.HIGH), False),
        (Policy("medium", (), least_risk=Risk.MEDIUM), True),
        (Policy("kind", (), recipes=frozenset({"nic-queues"})), True),
        (Policy("other kind", (), recipes=frozenset({"kernel"})), False),
        (Policy("one of its sites", (), sites=frozenset({"MA1"})), True),
        (Policy("other site", (), sites=frozenset({"LON"})), False),
        (Policy("one of its roles", (), roles=frozenset({"core"})), True),
        (Policy("site and role", (), sites=frozenset({"MA1"}), roles=frozenset({"lab"})), False),
    ],
    ids=lambda v: getattr(v, "name", None),
)
def test_which_policies_apply(policy: Policy, applies: bool) -> None:
    about = Subject("nic-queues", Risk.MEDIUM, frozenset({"MA1", "THN"}), frozenset({"edge", "core"}))
    assert applying([policy], about) == ((policy,) if applies else (approval.DEFAULT,))


def test_every_policy_that_applies_must_be_met() -> None:
    one, other = Policy("a", (Stage("noc", NOC),)), Policy("b", (Stage("core", CORE),))
    state = standing([one, other], [gave(2, NOC | CORE)], digest=DIGEST, authors={1})
    assert state.complete, "one decision counts in each policy"
    assert not standing([one, other], [gave(2, NOC)], digest=DIGEST, authors={1}).complete


def test_stages_follow_each_other_and_count_each_person_once() -> None:
    state = standing([TWO], [gave(2, NOC | CORE)], digest=DIGEST, authors={1})
    assert [(s.missing, s.open) for s in state.stages] == [(0, True), (2, True)]
    assert [str(r) for r in state.reasons()] == [
        "approval, two: core: found 0 of 2, wanted 2 more of core. Ask one of them to read and approve the plan."
    ]
    state = standing([TWO], [gave(3, CORE), gave(2, NOC | CORE)], digest=DIGEST, authors={1})
    assert [s.missing for s in state.stages] == [0, 2], "given before its stage was open: it does not count later"
    people = [gave(2, NOC | CORE), gave(2, NOC | CORE), gave(3, CORE), gave(4, CORE, at=NOW + timedelta(hours=1))]
    state = standing([TWO], people, digest=DIGEST, authors={1})
    assert state.complete and state.since == NOW + timedelta(hours=1)


@pytest.mark.parametrize(
    "one",
    [gave(1), gave(2, digest="e" * 64), gave(2, decision=Decision.COMMENTED), gave(2, decision=Decision.REJECTED)],
    ids=["author", "other digest", "comment", "rejection"],
)
def test_what_does_not_count(one: Given) -> None:
    assert not standing([approval.DEFAULT], [one], digest=DIGEST, authors={1}).complete


def test_all_reasons_at_once() -> None:
    policy = Policy("strict", (Stage("core", CORE),), conditions=frozenset(Condition))
    one = asked(1, state=ChangeState.DRAFT, digest="x", fatal=2, warnings=1)
    subjects = [r.subject for r in approval.may_decide(one, [policy], [], approve=True)]
    assert subjects == ["change", "approver", "digest", "findings", "ticket", "comment", "findings"]
    subjects = [r.subject for r in approval.may_decide(one, [policy], [], approve=False)]
    assert subjects == ["change", "approver", "digest", "comment"]


def test_who_counts_for_nothing_hears_why() -> None:
    (reason,) = approval.may_decide(asked(2, CORE), [TWO], [], approve=True)
    assert (reason.subject, reason.found, reason.wanted) == ("stage noc of two", "p2 in core", "somebody of noc")
    assert approval.may_decide(asked(2, CORE), [TWO], [gave(3, NOC)], approve=True) == ()
    (reason,) = approval.may_decide(asked(3, NOC | CORE), [TWO], [gave(3, NOC)], approve=True)
    assert "has approved it already" in reason.found


def test_it_runs_out_by_the_first_approval() -> None:
    policy = Policy("short", (Stage("two", quorum=2),), expires_s=3600)
    state = standing([policy], [gave(2), gave(3, at=NOW + timedelta(minutes=50))], digest=DIGEST, authors={1})
    assert approval.expired(state, NOW + timedelta(minutes=59)) == ()
    (reason,) = approval.expired(state, NOW + timedelta(minutes=60))
    assert reason.found == "ran out 2026-01-05 06:00 UTC"


def test_policies_come_back_from_their_document() -> None:
    policy = replace(TWO, least_risk=Risk.HIGH, expires_s=60.0, conditions=frozenset(Condition), sites=frozenset({"a"}))
    assert approval.from_document(approval.to_document([policy, approval.DEFAULT])) == (policy, approval.DEFAULT)


PEOPLE = st.lists(st.tuples(st.integers(1, 6), st.sets(st.sampled_from(["noc", "core"]))), max_size=8)


@given(PEOPLE, st.integers(1, 3), st.integers(1, 3))
def test_no_order_of_decisions_lets_fewer_people_or_an_author_through(
    people: list[tuple[int, set[str]]], first: int, second: int
) -> None:
    policy = Policy("p", (Stage("noc", NOC, first), Stage("core", CORE, second)))
    rows = [gave(number, frozenset(groups)) for number, groups in people]
    state = standing([policy], rows, digest=DIGEST, authors={1})
    counted = [g.person for s in state.stages for g in s.have]
    assert len(counted) == len(set(counted)) and 1 not in counted
    if state.complete:
        assert len(counted) == first + second
    for stage in state.stages:
        assert all(g.groups & stage.stage.groups for g in stage.have)


@given(PEOPLE, st.tuples(st.integers(1, 6), st.sets(st.sampled_from(["noc", "core"]))))
def test_what_may_be_given_counts_and_what_is_refused_would_not(
    people: list[tuple[int, set[str]]], last: tuple[int, set[str]]
) -> None:
    """The refusal and the count are the same rule asked twice."""
    rows = [gave(number, frozenset(groups)) for number, groups in people]
    person, groups = last[0], frozenset(last[1])
    before = standing([TWO], rows, digest=DIGEST, authors={1})
    after = standing([TWO], [*rows, gave(person, groups)], digest=DIGEST, authors={1})
    grew = sum(len(s.have) for s in after.stages) > sum(len(s.have) for s in before.stages)
    earlier = any(g.person == person for g in rows)
    may = approval.may_decide(asked(person, groups), [TWO], rows, approve=True) == ()
    assert may is (grew and not earlier) or before.complete
