"""What the plan review computes: strategies as they are written, durations, places on a drawing, what differs."""

import math
from dataclasses import replace

import pytest

from fleet.core import compare, durations, layout, strategy
from fleet.core import plan as planning
from fleet.core.durations import Past
from fleet.core.model import (
    Budget,
    CheckSpec,
    OnFailure,
    Plan,
    PlannedStep,
    PlannedTarget,
    Reversibility,
    Strategy,
)
from fleet.core.strategy import Written

FIELDS = Written("1, 25%, 100%", "2", "1", "0", "rollback_target")
NIC = PlannedStep("nic", {"queues": 8}, Reversibility.IN_PLACE, disruptive=True, diff="-a 4\n+a 8", estimate_s=5.0)
SOAK = PlannedStep("soak", {}, Reversibility.NOTHING_TO_UNDO, disruptive=False, estimate_s=900.0)


def test_a_strategy_is_read_and_written_back() -> None:
    read = strategy.read(FIELDS)
    assert read == Strategy((1, "25%", "100%"), Budget(2, 1), 0, OnFailure.ROLLBACK_TARGET)
    assert isinstance(read, Strategy) and strategy.write(read) == FIELDS
    named = Strategy((("a",), ("b", "c")))
    assert strategy.write(named).waves == "1, 3"


@pytest.mark.parametrize(
    ("field", "text", "subject"),
    [
        ("waves", "", "waves"), ("waves", "0", "waves"), ("waves", "101%", "waves"), ("waves", "1, most", "waves"),
        ("waves", "\u0661", "waves"),
        ("waves", ",".join(["1"] * 101), "waves"), ("total", "0", "at most drained at once"),
        ("total", "1e3", "at most drained at once"), ("per_failure_domain", "", "at most drained in a failure domain"),
        ("max_failures", "-1", "failures that are tolerated"), ("on_failure", "shrug", "on failure"),
    ],
)  # fmt: skip
def test_what_is_no_strategy_is_refused_by_name(field: str, text: str, subject: str) -> None:
    wrong = strategy.read(replace(FIELDS, **{field: text}))
    assert isinstance(wrong, tuple) and [r.subject for r in wrong] == [subject]


def test_everything_wrong_is_said_at_once() -> None:
    wrong = strategy.read(Written("x", "x", "x", "x", "x"))
    assert isinstance(wrong, tuple) and len(wrong) == 5


def past(*took: float, device: str = "bly", role: str = "edge", planned: float = 5.0) -> list[Past]:
    return [Past("nic", device, role, planned, t) for t in took]


def test_a_device_s_own_past_goes_before_that_of_its_role() -> None:
    known = durations.learn([*past(9, 7, 8), *past(1, 1, 1, device="aebi")])
    assert known.step(NIC, "bly", "edge") == durations.Expected(8, 3, "this device")
    assert known.step(NIC, "thn1", "edge") == durations.Expected(4.0, 6, "role edge")
    assert known.step(NIC, "thn1", "core") == durations.Expected(4.0, 6, "any device")


def test_two_are_no_median_and_other_plans_are_no_past() -> None:
    assert durations.learn(past(9, 7)).step(NIC, "bly", "edge") == durations.Expected(5.0)
    longer = replace(NIC, estimate_s=60.0)
    assert durations.learn(past(9, 7, 8)).step(longer, "bly", "edge").words == "estimated"


def test_a_clock_that_went_back_is_left_out_and_only_the_newest_count() -> None:
    assert durations.learn(past(-3, 9, 7)).medians == {}
    many = durations.learn(past(*[2.0] * durations.NEWEST, *[100.0] * 500))
    assert many.step(NIC, "bly", "edge") == durations.Expected(2.0, durations.NEWEST, "this device")


def test_a_target_is_measured_only_when_most_of_its_time_is() -> None:
    known = durations.learn(past(9, 7, 8))
    assert known.target([NIC, SOAK], "bly", "edge") == durations.Expected(908.0)
    assert known.target([NIC], "bly", "edge").measured == 3


def test_a_ring_is_drawn_as_a_ring_and_the_same_each_time() -> None:
    names = [f"r{n}" for n in range(8)]
    links = [(names[n], names[(n + 1) % 8]) for n in range(8)]
    at = layout.place(names, links)
    assert at == layout.place(names, links)
    away = [math.dist(p, (0.5, 0.5)) for p in at.values()]
    assert max(away) - min(away) < 0.05
    assert all(0 <= x <= 1 and 0 <= y <= 1 for x, y in at.values())


def test_nobody_stands_on_anybody() -> None:
    names = [f"r{n}" for n in range(20)]
    links = [(names[0], name) for name in names[1:12]]  # a star, and eight that nobody is linked with
    at = layout.place(names, [*links, ("r0", "r0"), ("r0", "elsewhere")])
    spots = list(at.values())
    assert min(math.dist(a, b) for n, a in enumerate(spots) for b in spots[n + 1 :]) > 0.01
    assert layout.place([], []) == {}
    with pytest.raises(ValueError, match="at most"):
        layout.place([f"r{n}" for n in range(layout.MOST + 1)], [])


def document(*targets: PlannedTarget, **more: object) -> object:
    plan = Plan("nic-queues", {"queues": 8}, Strategy(), (CheckSpec("rib_fib"),), targets)
    return planning.document(replace(plan, **more))  # type: ignore[arg-type]


def test_a_plan_is_as_itself() -> None:
    plan = document(PlannedTarget("bly", 0, "fd0", (NIC,)))
    assert compare.compare(plan, plan).alike  # type: ignore[arg-type]


def test_what_differs_is_named() -> None:
    old = document(PlannedTarget("bly", 0, "fd0", (NIC,)), PlannedTarget("aebi", 1, "fd1", (NIC,)))
    new = document(
        PlannedTarget("bly", 1, "fd0", (replace(NIC, params={"queues": 4}),)),
        PlannedTarget("dekker", 0, "fd1", (NIC,)),
        inputs={"queues": 4},
        strategy=Strategy((1,), Budget(3, 1)),
        checks=(),
    )
    found = compare.compare(old, new)  # type: ignore[arg-type]
    assert (found.come, found.gone, found.same) == (("dekker",), ("aebi",), 0)
    said = {d.what: (d.old, d.new) for d in found.settings}
    assert said["input queues"] == ("8", "4")
    assert said["drained at once"] == ("1", "3")
    assert said["check rib_fib"] == ("as in the baseline", "")
    (bly,) = found.targets
    assert (bly.old_wave, bly.new_wave) == (0, 1)
    assert "-  queues = 8" in bly.diff and "+  queues = 4" in bly.diff and "nic" in bly.diff
