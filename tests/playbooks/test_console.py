"""The console is proven before what may need it: by which controller, and why by none."""

from dataclasses import asdict
from typing import Any

import pytest

from fleet.core.model import Reason, StepSpec
from playbooks import engine, oob
from playbooks.base import Device, Refused, Step, Unreachable
from playbooks.console.driver import ConsoleProof
from playbooks.engine import OutcomeKind

BLY = Device("bly", "192.0.2.1", 22, "ops", "file:/nowhere", "", "frr")


def console(kind: str) -> dict[str, Any]:
    return asdict(oob.Console("bly", kind, "192.0.2.9", 623, "ops", "env:NOWHERE"))


def asked(answers: dict[str, Any], monkeypatch: pytest.MonkeyPatch, needs: str = "required") -> engine.Outcome:
    """What becomes of a visit. `answers`: kind > a proof, an error, or a list of one after another."""
    left = {kind: list(said) if isinstance(said, list) else [said] for kind, said in answers.items()}

    def prove(one: oob.Console) -> oob.Proof:
        said = left[one.kind].pop(0)
        if isinstance(said, Exception):
            raise said
        assert isinstance(said, oob.Proof)
        return said

    monkeypatch.setattr(oob, "prove", prove)
    driver = ConsoleProof()
    planned = driver.plan(StepSpec("console", {"needs": needs}), BLY, {})
    step = Step("console", planned.params, planned, BLY, progress={"consoles": [console(kind) for kind in answers]})
    session: Any = None

    def ahead(artifact: object) -> bool:
        raise AssertionError("nothing is ever sent")

    return engine.perform(driver, session, step, sent=False, deadline_s=60.0, write_ahead=ahead)


DEAF = Unreachable(Reason("console of bly", "no answer", "an answer by IPMI"))
GOOD = oob.Proof("on", True)


@pytest.mark.parametrize(
    "answers",
    [
        {"redfish": GOOD},
        {"ipmi": [DEAF, GOOD]},
        {"ipmi": [DEAF, DEAF], "redfish": GOOD},
        {"ipmi": oob.Proof("on", None)},
    ],
)
def test_one_that_answers_is_enough(answers: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = asked(answers, monkeypatch)
    assert outcome.kind is OutcomeKind.DONE and not outcome.changed
    assert "logged in; power on" in str(outcome.data["console"]) and "NOWHERE" not in str(outcome.data)


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({}, "none on record"),
        ({"serial": GOOD}, "a serial console alone"),
        ({"ipmi": [DEAF, DEAF]}, "no answer"),
        ({"redfish": Refused(Reason("Redfish of bly", "HTTP 401 to /redfish/v1/Systems", "an answer"))}, "HTTP 401"),
        ({"redfish": oob.Proof("off", True)}, "another machine"),
        ({"ipmi": oob.Proof("on", False)}, "switched off"),
    ],
)
def test_none_that_answers_stops_it_with_reasons(
    answers: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = asked(answers, monkeypatch)
    assert outcome.kind in {OutcomeKind.ERROR, OutcomeKind.IMPOSSIBLE}
    assert words in " ".join(map(str, outcome.reasons)) and "NOWHERE" not in str(outcome.data)


def test_a_change_that_declares_none_goes_without(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked({}, monkeypatch, needs="none").kind is OutcomeKind.DONE
