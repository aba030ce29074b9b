"""Which facts a plan stands on, and how it is told that they moved, from an observation and from a measurement."""

from typing import Any

from fleet.core.model import PlannedStep, Reversibility
from fleet.core.preconditions import drifted, expected_of, in_turn, moved, of_step

OBSERVED: dict[str, Any] = {
    "kernel": "6.1.0-28-amd64",
    "routing": {"suite": "frr", "version": "8.4.4", "running_config": "router bgp 65000"},
    "interfaces": {
        "eth1": {"channels": {"combined": 4, "max": {"combined": 8}}},
        "eth1.10": {"channels": {"combined": 2, "max": {"combined": 8}}},
        "lo": {"channels": None},
    },
}
MEASURED: dict[str, Any] = {
    "kernel": "6.1.0-28-amd64",
    "routing": {"suite": "frr", "version": "8.4.4"},
    "interfaces": {"eth1": {"rx_errors": 0}},
    "queues": {"eth1": {"combined": 4, "max": {"combined": 8}}, "eth1.10": {"combined": 2}},
}
EXPECTED = {
    "kernel": "6.1.0-28-amd64",
    "queues.eth1.10.combined": 2,
    "queues.eth1.combined": 4,
    "routing.suite": "frr",
    "routing.version": "8.4.4",
}


def test_a_plan_stands_on_kernel_suite_and_queues() -> None:
    assert expected_of(OBSERVED) == EXPECTED == expected_of(MEASURED)
    assert expected_of({"interfaces": "nonsense", "queues": 3}) == {} == expected_of({})


def test_nothing_moved_whichever_way_it_is_looked_at() -> None:
    assert moved("bly", EXPECTED, OBSERVED, since="now") == () == moved("bly", EXPECTED, MEASURED, since="now")


def test_what_moved_is_named_with_what_was_approved() -> None:
    other = {**OBSERVED, "interfaces": {**OBSERVED["interfaces"], "eth1": {"channels": {"combined": 3}}}}
    (reason,) = moved("bly", EXPECTED, other, since="observed 2026-01-05 05:00 UTC")
    assert str(reason).startswith(
        "bly, queues.eth1.combined: found 3 (observed 2026-01-05 05:00 UTC), wanted 4 as it was approved"
    )


def test_what_cannot_be_told_any_more_has_moved() -> None:
    found = moved("bly", EXPECTED, {"kernel": "6.1.0-28-amd64", "interfaces": None}, since="on the device now")
    assert [r.subject for r in found] == [f"bly, {path}" for path in sorted(EXPECTED) if path != "kernel"]
    assert all(r.found.startswith("unknown") for r in found)


def test_a_step_expects_nothing_that_a_step_before_it_sets() -> None:
    """A setting that is taken away and given back: the second step meets what the first one left."""
    first = PlannedStep("sysctl", {}, Reversibility.IN_PLACE, False, expected=of_step({"sysctl.a": ("1", "0")}))
    second = PlannedStep("sysctl", {}, Reversibility.IN_PLACE, False, expected=of_step({"sysctl.a": ("1", "1")}))
    after = in_turn([first, second])
    assert after[0] == first
    assert after[1].expected == {"facts": {}, "wanted": {"sysctl.a": "1"}}
    assert not drifted("bly", after[1].expected, {"sysctl.a": "0"})
    assert of_step({"sysctl.a": (None, "1")}) == {}, "nothing is known, nothing is expected"
