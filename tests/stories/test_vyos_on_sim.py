"""A whole change of VyOS images over simulated routers: one comes up, is soaked and kept; one panics and comes back."""

import hashlib
from typing import Any

import pytest
from django.core.management import call_command

from fleet.changes.models import StepRun
from inventory.models import Router
from lab.sim import SimFleet, oracle
from lab.sim.vyos import iso_text
from tests import needs
from tests.stories.stage import Stage, judge, targets, wait_ended

OLD, NEW = "1.4.0", "1.4.1"
SOURCE = f"https://images.example.net/vyos-{NEW}-amd64.iso"
INPUTS: dict[str, Any] = {
    "image": NEW, "source": SOURCE, "sha256": hashlib.sha256(iso_text(SOURCE).encode()).hexdigest(), "confirm": "60s",
    "settle": "0s", "gate": "0s", "soak": "2s", "every": "1s",
}  # fmt: skip

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]


def test_one_image_is_kept_and_one_that_panics_is_gone(inline: None, stage: Stage, fleet: SimFleet) -> None:
    needs.need(needs.minutes())
    for name in ("bly", "lang"):
        fleet.set_vyos(name, OLD)
        Router.objects.filter(name=name).update(platform="vyos")
    call_command("collect", "--all")
    fleet.inject("lang", "panic_on_new_kernel")
    change = stage.start("vyos-image", INPUTS, ["bly", "lang"])
    wait_ended(change, within_s=400)
    found = targets(change)
    assert {t.name: t.state for t in found.values()} == {"bly": "done", "lang": "rolled_back"}, {
        t.name: t.reasons for t in found.values()
    }
    for name, running, default in (("bly", NEW, NEW), ("lang", OLD, OLD)):
        status, said = fleet.console(name, "sudo -n image_info.py show_images_summary --raw")
        assert status == 0 and f'"image_default": "{default}", "image_running": "{running}"' in said
        assert OLD in said and not any(fleet.state(name)["drained"].values())
    step = StepRun.objects.get(target=found["lang"], verb="vyos-image", back=False)
    assert "did not come up" in str(step.reasons) and "Kernel panic" in str(step.data), (
        step.reasons,
        step.progress,
    )
    judge(fleet)
    assert oracle.reboots(fleet.journal()) == {"bly": 1, "lang": 1}
    assert not oracle.undrained_unverified(fleet.journal())
