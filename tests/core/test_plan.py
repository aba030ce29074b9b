"""The plan and its digest: what an approval binds to."""

import dataclasses
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fleet.core import plan as planning
from fleet.core.model import (
    Budget,
    CheckSpec,
    Finding,
    KeepConnected,
    Link,
    OnFailure,
    Plan,
    PlannedStep,
    PlannedTarget,
    Reason,
    Recipe,
    Reversibility,
    Severity,
    StepSpec,
    Strategy,
    Topology,
    to_json,
)
from tests.core.fleets import REBOOT, SYSCTL, step

words = st.text(max_size=6)
scalars = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9, allow_nan=False) | words
jsons = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2), max_leaves=4
)
mappings = st.dictionaries(words, jsons, max_size=2)
steps = st.builds(
    PlannedStep,
    verb=words,
    params=mappings,
    reversibility=st.sampled_from(Reversibility),
    disruptive=st.booleans(),
    diff=words,
    commands=st.lists(words, max_size=2).map(tuple),
    expected=mappings,
    estimate_s=st.floats(0, 9),
    within_s=st.floats(0, 9),
)
targets = st.builds(PlannedTarget, words, st.integers(0, 3), words, st.lists(steps, max_size=2).map(tuple))
strategies = st.builds(
    Strategy,
    waves=st.lists(
        st.integers(1, 9) | words.map(lambda w: w + "%") | st.lists(words, max_size=2).map(tuple), max_size=3
    ).map(tuple),
    budget=st.builds(Budget, st.integers(0, 3), st.integers(0, 3)),
    max_failures=st.integers(0, 3),
    on_failure=st.sampled_from(OnFailure),
)
findings = st.builds(Finding, words, st.sampled_from(Severity), st.builds(Reason, words, words, words, words))
plans = st.builds(
    Plan,
    recipe=words,
    inputs=mappings,
    strategy=strategies,
    checks=st.lists(st.builds(CheckSpec, words, jsons), max_size=2).map(tuple),
    targets=st.lists(targets, max_size=2).map(tuple),
    findings=st.lists(findings, max_size=2).map(tuple),
)


@given(plans)
def test_a_plan_comes_back_from_json_as_it_was(plan: Plan) -> None:
    stored = json.loads(json.dumps(to_json(plan)))
    assert planning.from_json(stored) == plan
    assert planning.digest(stored) == planning.digest(to_json(plan))


def shuffled(value: Any, turn: int) -> Any:
    """The same JSON with the keys of every object in another order."""
    if isinstance(value, dict):
        items = [(k, shuffled(v, turn)) for k, v in value.items()]
        return dict(items[::-1] if turn else items[1:] + items[:1])
    if isinstance(value, list):
        return [shuffled(v, turn) for v in value]
    return value


@given(plans, st.integers(0, 1))
def test_the_digest_does_not_depend_on_the_order_of_keys(plan: Plan, turn: int) -> None:
    stored = to_json(plan)
    assert planning.digest(shuffled(stored, turn)) == planning.digest(stored)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every single value in a JSON document."""
    if isinstance(value, dict):
        return [p for k, v in value.items() for p in leaves(v, (*path, k))]
    if isinstance(value, list):
        return [p for k, v in enumerate(value) for p in leaves(v, (*path, k))]
    return [path]


def altered(value: Any, path: tuple[Any, ...]) -> Any:
    if not path:
        return f"{value}!"
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = altered(value[path[0]], path[1:])
    return copy


def test_the_digest_changes_with_any_single_value() -> None:
    plan = Plan(
        "nic-queues",
        {"queues": 8},
        Strategy(waves=(1, "25%", ("bly",))),
        (CheckSpec("queues", {"expect": [8]}),),
        (
            PlannedTarget(
                "bly",
                0,
                "manchester",
                (dataclasses.replace(step("nic", params={"q": 8}), diff="-4\n+8", commands=("a",), expected={"b": 1}),),
            ),
        ),
        (Finding("one-way", Severity.WARN, Reason("a", "b", "c", "d")),),
    )
    stored = to_json(plan)
    digests = {planning.digest(altered(stored, path)) for path in leaves(stored)}
    assert len(digests) == len(leaves(stored)) == 30
    assert planning.digest(stored) not in digests


def test_making_a_plan() -> None:
    """Targets by wave and name, findings of rendering, of the topology and of the recipe in one list."""
    strategy = Strategy(waves=(1, "100%"))
    recipe = Recipe("router-restart", "s", strategy, (), (StepSpec("reboot"),), {"boot": "10m"})
    links = (Link("aebi", "bly", 10), Link("bly", "dekker", 10), Link("aebi", "dekker", 10))
    topology = Topology(
        {"aebi": "m", "bly": "m", "dekker": "l"}, frozenset(), links, (KeepConnected(frozenset({"aebi", "dekker"})),)
    )
    refused = Finding("no-facts", Severity.FATAL, Reason("bly", "never observed", "facts", "Collect."))
    rendered = {n: [step(v) for v in REBOOT] for n in ("dekker", "bly", "aebi")}
    plan = planning.make(recipe, rendered, topology, [refused])
    assert [(t.wave, t.name, t.failure_domain) for t in plan.targets] == [
        (0, "dekker", "l"),  # the canary is the first that was named
        (1, "aebi", "m"),
        (1, "bly", "m"),
    ]
    assert [[t.name for t in wave] for wave in plan.waves()] == [["dekker"], ["aebi", "bly"]]
    assert plan.findings == (refused,)
    again = planning.make(recipe, dict(rendered), topology, [refused])
    assert planning.digest(planning.document(again)) == planning.digest(planning.document(plan))


def test_a_plan_for_nobody_can_still_be_shown() -> None:
    recipe = Recipe("r", "s", Strategy(), (), (), {})
    plan = planning.make(recipe, {}, Topology({}))
    assert [f.code for f in plan.findings] == ["no-targets"]
    assert plan.waves() == ()


def test_the_worst_case_is_there_and_back() -> None:
    """Rule 7: every step to its limit, then drained again, undone, verified and undrained."""
    assert planning.worst_case_s([step(v, within_s=10) for v in REBOOT]) == 70 + 40, "a reboot has nothing to undo"
    assert planning.worst_case_s([step(v, within_s=10) for v in SYSCTL]) == 40 + 20, "undone without a drain, verified"
    assert planning.estimate_s([dataclasses.replace(step("nic"), estimate_s=5.0)] * 2) == 10.0
