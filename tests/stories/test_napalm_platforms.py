"""A network operating system without a shell, whole: seen by getters, asked, approved, confirmed, taken back."""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from fleet import clock
from fleet.changes import dispatch, drafts, lifecycle, loop
from fleet.changes.drafts import PlanRefused
from fleet.changes.models import Change
from inventory.models import HostKey, Observation, Router
from playbooks import network_os
from tests.changes import builders
from tests.playbooks import napalm_fake
from tests.playbooks.napalm_fake import Box, ConfirmingDriver
from tests.playbooks.test_napalm_platforms import KEY
from tests.stories.stage import Stage, targets

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]
POLICY = "policy IN"


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Box:
    settings.SLIPWAY_DISPATCH, settings.SLIPWAY_TICK_SECONDS = "inline", 0.3
    made = Box()
    monkeypatch.setattr(napalm_fake, "BOX", made)
    monkeypatch.setattr(network_os, "get_network_driver", {"ios": ConfirmingDriver}.__getitem__)
    monkeypatch.setenv("SLIPWAY_TEST_SECRET", "s3cret-of-the-lab")
    return made


@pytest.fixture
def stage(box: Box, author: Any, approver: Any) -> Stage:
    builders.fleet(["sw1"])
    Router.objects.update(platform="ios", suite="none")
    algorithm, key = KEY.split()
    HostKey.objects.create(router=Router.objects.get(), algorithm=algorithm, key=key)
    call_command("collect", "sw1", stdout=StringIO())
    return Stage(author, approver)


def asked(folder: Path, text: str = POLICY) -> str:
    path, said = folder / "policy.txt", StringIO()
    path.write_text(text)
    call_command("compare", "sw1", "--config", str(path), stdout=said)
    return said.getvalue()


def walked(change: Change) -> Change:
    """The engine in this process, until the change has ended."""
    deadline = clock.now().timestamp() + 60

    def ended() -> bool:
        change.refresh_from_db()
        return change.ended or clock.now().timestamp() > deadline

    loop.run(ended)
    dispatch.wait_idle()
    return change


def test_it_is_seen_asked_approved_and_confirmed(stage: Stage, box: Box, tmp_path: Path) -> None:
    facts: Any = Observation.objects.latest_by_router()["sw1"].facts
    assert facts["os_version"] == "7.1" and "Ethernet1" in facts["interfaces"]
    assert "+policy IN" in asked(tmp_path) and POLICY not in box.running
    change = walked(stage.start("napalm-device", {"config": POLICY}, ["sw1"]))
    assert change.state == "succeeded", [t.reasons for t in targets(change).values()]
    assert POLICY in box.running and "confirm" in box.calls and not box.waits
    assert change.revision is not None
    step = next(s for s in change.revision.plan["targets"][0]["steps"] if s["verb"] == "napalm")
    assert "+policy IN" in step["diff"]


def test_a_session_that_it_costs_takes_it_back(stage: Stage, box: Box, tmp_path: Path) -> None:
    text = "policy IN\nno bgp 65000"
    asked(tmp_path, text)
    before = list(box.running)
    change = stage.draft("quick-napalm-device", {"config": text}, ["sw1"])
    stage.approve(change)
    assert lifecycle.start(change, stage.author, clock.now()) == ()
    change = walked(change)
    assert targets(change)["sw1"].state == "rolled_back", targets(change)["sw1"].reasons
    assert "192.0.2.9" in " ".join(targets(change)["sw1"].reasons) and box.running == before


def test_what_it_was_not_asked_about_is_not_planned(stage: Stage) -> None:
    request = drafts.Request("napalm-device", {"config": "something else"}, ("sw1",))
    try:
        change = drafts.open_change(request, title="not asked", author=stage.author, now=clock.now())
    except PlanRefused as refused:
        said = " ".join(map(str, refused.reasons))
    else:
        assert change.revision is not None
        said = str(change.revision.plan["findings"])
    assert "manage.py compare" in said


def test_a_device_that_cannot_be_asked_is_named(stage: Stage, box: Box, tmp_path: Path) -> None:
    box.refuses = POLICY
    with pytest.raises(CommandError, match="invalid input: policy IN"):
        asked(tmp_path)
    with pytest.raises(CommandError, match="no such router"):
        call_command("compare", "sw9", "--config", str(tmp_path / "policy.txt"), stdout=StringIO())
