"""Firmware packs and maintenance policies of blades against the lab's UCS Manager, by the real ucsmsdk."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lab.ucsm import Blade
from lab.ucsm.blades import BROKEN_BUNDLE
from lab.ucsm.build import BUNDLES, DEFAULT_PACK
from playbooks.base import Impossible
from playbooks.engine import OutcomeKind
from playbooks.ucs.maintenance import UserAck
from tests.playbooks.ucs_blades import Scene, standing

NEW = BUNDLES[1]
COPY = "org-root/fw-host-pack-fw-4.3.2bB"
ACK = UserAck()


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Scene]]:
    with standing(tmp_path, monkeypatch) as made:
        yield made


def running(made: Scene, blade: int = 1) -> str:
    return made.manager.tree[f"sys/chassis-1/blade-{blade}/fw-status"].props["packageVersion"]


def test_a_copy_of_the_pack_is_bound_to_one_host_and_its_blade_runs_the_bundle(scene: Callable[..., Scene]) -> None:
    made = scene(Blade("cache1"), Blade("cache2"))
    step = made.step("cache1", None, firmware=NEW)
    assert step.planned.reversibility == "by reflash"
    assert f"+host firmware: {COPY}: {NEW}" in step.planned.diff and "flashes the old" in step.planned.commands[-1]
    outcome = made.walk(step)
    assert (outcome.kind, outcome.data["firmware"]) == (OutcomeKind.DONE, NEW), outcome.reasons
    assert made.manager.history("acknowledged") == ["cache1"] == made.manager.history("begun")
    assert (running(made, 1), running(made, 2)) == (NEW, BUNDLES[0])
    assert made.manager.tree[DEFAULT_PACK].props["bladeBundleVersion"] == BUNDLES[0], "what others use is as it was"
    left_out = made.manager.tree[f"{COPY}/exclude-server-component-local-disk"]
    assert left_out.props["serverComponent"] == "local-disk", "and so is what is not flashed"
    back = made.walk(replace(made.last, waited_s=0.0, progress={}), back=True)
    assert back.kind is OutcomeKind.DONE and running(made) == BUNDLES[0]
    assert made.manager.history("host off") == ["cache1"] * 2 and len(made.manager.history("acknowledged")) == 2


def test_queues_and_firmware_take_one_reboot_together(scene: Callable[..., Scene]) -> None:
    made = scene(Blade("cache1"))
    outcome = made.walk(made.step("cache1", firmware=NEW))
    assert (outcome.kind, outcome.data["queues"]) == (OutcomeKind.DONE, {"eth0": 8})
    assert running(made) == NEW and made.manager.history("begun") == ["cache1"]


def test_a_flash_that_fails_is_said_and_the_old_pack_brings_the_blade_back(scene: Callable[..., Scene]) -> None:
    made = scene(Blade("cache1"))
    made.bundles = (*BUNDLES, BROKEN_BUNDLE)
    outcome = made.walk(made.step("cache1", None, firmware=BROKEN_BUNDLE))
    assert outcome.kind is OutcomeKind.IMPOSSIBLE
    assert "AssociateUpdateAdaptorNwFwLocal: Update of adaptor firmware failed" in str(outcome.reasons[0])
    assert not made.machines.by_name["cache1"].alive
    back = made.walk(replace(made.last, waited_s=0.0, progress={}), back=True)
    assert back.kind is OutcomeKind.DONE and running(made) == BUNDLES[0]
    assert made.machines.by_name["cache1"].alive


def test_another_bundle_than_the_packs_is_no_success(scene: Callable[..., Scene]) -> None:
    made = scene(Blade("cache1"))
    step = made.step("cache1", None, firmware=NEW)
    assert made.walk(step).kind is OutcomeKind.DONE
    made.manager.tree["sys/chassis-1/blade-1/fw-status"].props["packageVersion"] = "4.2(1a)B"
    look = made.observed(made.last)
    assert look.seen == "impossible" and "4.2(1a)B" in str(look.reasons[0])


def test_a_bundle_that_does_not_lie_there_is_impossible(scene: Callable[..., Scene]) -> None:
    made = scene(Blade("cache1"))
    with pytest.raises(Impossible, match=r"bundles of blades in ucs1: 4.2\(3d\)B, 4.3\(2b\)B"):
        made.step("cache1", None, firmware="4.4(1a)B")


def test_what_waits_besides_the_firmware_is_somebody_elses(scene: Callable[..., Scene]) -> None:
    """An ack that would carry out VLANs too is not ours to trigger."""
    made = scene(Blade("cache1"))
    step = made.step("cache1", None, firmware=NEW)
    waiting = made.walk(step, until=lambda outcome: bool(made.manager.history("pending")))
    assert waiting.kind in {OutcomeKind.WAIT, OutcomeKind.RETRY}
    ack = made.manager.tree["org-root/ls-cache1/ack"]
    ack.props["changeDetails"] += ",vlan"
    look = made.observed(made.last)
    assert look.seen == "impossible" and "vlan would be carried out too" in str(look.reasons[0])
    assert not made.manager.history("acknowledged")


def test_user_ack_is_named_in_one_profile_and_nothing_reboots(scene: Callable[..., Scene]) -> None:
    made = scene(Blade("cache1", maintenance="default"), Blade("cache2", maintenance="default"))
    step = made.planned(ACK, "cache1", {})
    assert "nothing reboots" in step.planned.commands[-1] and not step.planned.disruptive
    outcome = made.walk(step, kind=ACK)
    assert outcome.kind is OutcomeKind.DONE, outcome.reasons
    tree = made.manager.tree
    assert tree["org-root/maint-slipway-ack"].props["uptimeDisr"] == "user-ack"
    assert tree["org-root/ls-cache1"].props["operMaintPolicyName"] == "org-root/maint-slipway-ack"
    assert tree["org-root/ls-cache2"].props["operMaintPolicyName"] == "org-root/maint-default", "others are left"
    assert tree["org-root/maint-default"].props["uptimeDisr"] == "immediate"
    assert not made.manager.history("begun") and made.machines.by_name["cache1"].boots == 1
    queues = made.walk(made.step("cache1"))
    assert queues.kind is OutcomeKind.DONE, "what was refused before is possible now"


def test_user_ack_goes_back_unless_a_reboot_waits(scene: Callable[..., Scene]) -> None:
    """Back under immediate what waits would be carried out at once."""
    made = scene(Blade("cache1", maintenance="default"))
    assert made.walk(made.planned(ACK, "cache1", {}), kind=ACK).kind is OutcomeKind.DONE
    way_back = replace(made.last, waited_s=0.0, progress={})
    tree = made.manager.tree
    tree.add("lsmaintAck", "org-root/ls-cache1/ack", operState="waiting-for-user", adminState="untriggered",
             changeDetails="vlan")  # fmt: skip
    refused = made.walk(way_back, kind=ACK, back=True, until=lambda outcome: True)
    assert refused.kind is not OutcomeKind.DONE and "a reboot is pending (vlan)" in str(refused.reasons[0])
    assert tree["org-root/ls-cache1"].props["maintPolicyName"] == "slipway-ack"
    tree.remove("org-root/ls-cache1/ack")
    assert made.walk(way_back, kind=ACK, back=True).kind is OutcomeKind.DONE
    assert tree["org-root/ls-cache1"].props["maintPolicyName"] == "default"


def test_a_policy_of_that_name_that_does_otherwise_is_not_used(scene: Callable[..., Scene]) -> None:
    made = scene(Blade("cache1", maintenance="default"))
    outcome = made.walk(made.planned(ACK, "cache1", {"policy": "at-night"}), kind=ACK, until=lambda outcome: True)
    assert "timer-automatic" in str(outcome.reasons[0])
    assert made.manager.tree["org-root/ls-cache1"].props["maintPolicyName"] == "default"
