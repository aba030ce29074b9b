"""Findings on a plan: each wrong recipe is named, the right ones are not."""

import pytest

from fleet.core import lint
from fleet.core.model import Budget, Severity, Strategy
from tests.core.fleets import REBOOT, SYSCTL, plan_of

RIGHT = [
    REBOOT,
    SYSCTL,
    ("baseline",),
    ("baseline", "verify"),
    ("baseline", "drain", "verify", "undrain"),
    ("baseline", "drain", "nic", "verify", "undrain", "undrain", "soak"),
    ("baseline", "drain", "nic", "verify", "sysctl", "verify", "undrain"),
]


@pytest.mark.parametrize("verbs", RIGHT, ids=" ".join)
def test_right_recipes_have_no_finding(verbs: tuple[str, ...]) -> None:
    assert lint.look_at(plan_of(*verbs)) == ()


WRONG = {
    ("baseline", "nic", "verify"): "disruptive-undrained: recipe step nic on bly: found not drained before it",
    (
        "baseline",
        "drain",
        "nic",
        "undrain",
    ): "undrain-unverified: recipe step undrain on bly: found no",
    (
        "baseline",
        "drain",
        "verify",
        "nic",
        "undrain",
    ): "undrain-unverified: recipe step undrain on bly: found no",
    ("baseline", "drain", "verify", "sysctl", "undrain"): "undrain-unverified: recipe step undrain on bly: found no",
    ("baseline", "verify", "drain", "undrain"): "undrain-unverified: recipe step undrain on bly: found no",
    ("baseline", "drain", "nic", "verify"): "never-undrained: recipe on bly: found drain without undrain",
    ("baseline", "drain"): "never-undrained: recipe on bly: found drain without undrain",
    ("drain", "verify", "undrain"): "no-baseline: recipe on bly: found drain as its first step, wanted a baseline",
    ("baseline", "sysctl", "drain", "verify", "undrain"): "step-order: recipe on bly: found drain after sysctl",
    ("baseline", "soak"): "step-order: recipe on bly: found soak after baseline",
    ("baseline", "sysctl", "soak", "verify"): "step-order: recipe on bly: found verify after soak",
    ("baseline", "sysctl", "baseline"): "step-order: recipe on bly: found baseline after sysctl",
    ("baseline", "undrain"): "step-order: recipe on bly: found undrain after baseline",
}


@pytest.mark.parametrize(("verbs", "words"), WRONG.items(), ids=" ".join)
def test_wrong_recipes_are_named(verbs: tuple[str, ...], words: str) -> None:
    findings = lint.look_at(plan_of(*verbs))
    said = [f"{f.code}: {f.reason}" for f in findings if f.severity is Severity.FATAL]
    assert any(s.startswith(words) for s in said), said
    assert all(f.reason.remedy for f in findings)


def test_two_rounds_of_drain_are_two_changes() -> None:
    verbs = ("baseline", "drain", "nic", "verify", "undrain")
    (finding,) = lint.look_at(plan_of(*verbs, *verbs[1:]))
    assert finding.code == "step-order"
    assert "two changes" in finding.reason.remedy


@pytest.mark.parametrize("verb", ["firmware", "wipe"])
def test_what_cannot_be_undone_by_itself_is_a_warning(verb: str) -> None:
    (finding,) = lint.look_at(plan_of("baseline", "drain", verb, "verify", "undrain"))
    assert (finding.code, finding.severity) == ("one-way", Severity.WARN)
    assert "reversible" in finding.reason.found


@pytest.mark.parametrize("budget", [Budget(0, 1), Budget(1, 0)])
def test_a_budget_in_which_nothing_could_start(budget: Budget) -> None:
    (finding,) = lint.look_at(plan_of(*REBOOT, strategy=Strategy(budget=budget)))
    assert (finding.code, finding.severity) == ("budget-empty", Severity.FATAL)


def test_a_plan_for_nobody() -> None:
    (finding,) = lint.look_at(plan_of(*REBOOT, names=()))
    assert (finding.code, finding.severity) == ("no-targets", Severity.FATAL)


def test_each_finding_is_told_once_for_each_device() -> None:
    findings = lint.look_at(plan_of("baseline", "drain", "undrain", "undrain", names=("bly", "aebi")))
    assert [f.reason.subject for f in findings] == ["recipe step undrain on bly", "recipe step undrain on aebi"]
