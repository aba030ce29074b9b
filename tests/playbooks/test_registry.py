"""The registry: every verb has a driver that keeps the contract."""

import inspect
from pathlib import Path

import pytest
from pydantic import BaseModel

import playbooks
from fleet.core.model import Reversibility, StepSpec
from fleet.core.states import TargetState
from playbooks import registry
from playbooks.base import Driver

METHODS = ("plan", "precheck", "apply", "observe", "rollback", "observe_rollback")


@pytest.mark.parametrize("verb", registry.verbs())
def test_a_driver_keeps_the_contract(verb: str) -> None:
    driver = registry.driver(verb)
    assert driver.verb == verb
    assert isinstance(driver.phase, TargetState) and isinstance(driver.reversibility, Reversibility)
    assert driver.within_s > 0 and driver.estimate_s >= 0
    assert {type(getattr(driver, name)) for name in ("disruptive", "acts", "repeatable")} == {bool}
    for name in METHODS:
        wanted = list(inspect.signature(getattr(Driver, name)).parameters)[1:]
        assert list(inspect.signature(getattr(driver, name)).parameters) == wanted, name


@pytest.mark.parametrize("verb", registry.verbs())
def test_parameters_are_a_strict_model(verb: str) -> None:
    model = registry.params_model(verb)
    assert issubclass(model, BaseModel) and model.model_config["extra"] == "forbid"


def test_a_driver_is_made_once_and_an_unknown_verb_has_none() -> None:
    assert registry.driver("drain") is registry.driver("drain")
    with pytest.raises(KeyError):
        registry.driver("drian")


def test_most_lines_are_one_step() -> None:
    assert registry.expand(StepSpec("baseline")) == (StepSpec("baseline"),)
    assert [spec.params["group"] for spec in registry.expand(StepSpec("undrain", {"order": ["ebgp", "ospf"]}))] == [
        "bgp", "igp",
    ]  # fmt: skip


@pytest.mark.parametrize("verb", [verb for verb in registry.verbs() if registry.driver(verb).acts])
def test_what_acts_is_described_in_the_readme_of_its_kind(verb: str) -> None:
    kind = registry.DRIVERS[verb].split(".")[1]
    text = (Path(playbooks.__file__).parent / kind / "README.md").read_text()
    assert verb in text
    for word in ("Reversib", "Failure modes"):
        assert word in text
