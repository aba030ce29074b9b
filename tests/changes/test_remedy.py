"""A verification that lasts is handed to the driver that drained: in its lease, told before it is done, kept after."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from django.contrib.auth.models import User

from fleet.changes import transitions
from fleet.changes.models import Event, StepRun, TargetRun
from playbooks.base import Look, Seen, Session, Step
from tests.changes import real_engine
from tests.changes.real_engine import RealEngine
from tests.changes.test_orchestrate import TOPOLOGY, ended, go, start, strategy
from tests.core.model_devices import Scripted

pytestmark = pytest.mark.django_db


@dataclass
class Lasting(Scripted):
    """Verification of sessions does not pass until the drain's driver has announced the device anew."""

    def observe(self, session: Session, step: Step) -> Look:
        device = self.devices[step.device.name]
        if self.verb != "verify" or "announced" in device.in_place:
            return super().observe(session, step)
        failed = {"name": "bgp_sessions", "verdict": "fail", "reasons": []}
        return Look(Seen.WAITING, (), {"results": [failed]}, after_s=5.0)

    def remedy(self, session: Session, step: Step, *, deadline_s: float, begin: Callable[[str], bool]) -> str | None:
        assert self.verb == "drain" and step.verb == "verify" and step.drain_artifact is not None
        if not begin("announced anew"):
            return None
        told = list(Event.objects.filter(kind="step remedy").values_list("text", flat=True))
        assert told[-1] == "bly: verify remedy: announced anew", "told before it is done"
        self.devices[step.device.name].in_place.add("announced")
        return "announced anew"


@pytest.fixture
def engine(author: User, approver: User, monkeypatch: pytest.MonkeyPatch) -> RealEngine:
    real_engine.load_inventory(TOPOLOGY)
    made = real_engine.engine_on(TOPOLOGY, author, approver)
    monkeypatch.setattr(made, "_driver", lambda verb: Lasting(verb, made.devices, made.dies, made.step_id))
    return made


def test_the_driver_that_drained_mends_a_verification_that_lasts(engine: RealEngine) -> None:
    run = start(engine, strategy(), ("bly",))
    go(engine)
    assert ended(run) == "succeeded: 1 done"
    (event,) = Event.objects.filter(kind="step remedy")
    verify = StepRun.objects.filter(verb="verify").earliest("index")
    assert event.step_id == verify.pk and event.actor.startswith("worker-")
    assert verify.data["remedy"]["times"] == 1 and verify.data["remedy"]["what"] == "announced anew"
    assert 30.0 <= verify.data["remedy"]["at_s"] < 60.0
    assert engine.chains_hold()


def test_a_worker_that_was_overtaken_has_no_say(engine: RealEngine) -> None:
    run = start(engine, strategy(), ("bly",))
    go(engine, until="bly: verify begins")
    target = TargetRun.objects.get(run=run)
    verify = StepRun.objects.filter(verb="verify").earliest("index")
    hand = transitions.StepInHand(verify, target, run.revision.change_id)
    said = transitions.Note("worker-9", "a remedy")
    assert not transitions.remark(hand, "step remedy", said, engine.now), "it holds no claim"
    assert not Event.objects.filter(kind="step remedy").exists()
