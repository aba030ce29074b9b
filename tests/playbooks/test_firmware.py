"""Firmware: flashed and read back on simulated routers, each way that it can go wrong, and what the tools say."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fleet.core import lint
from fleet.core.model import Plan, PlannedStep, PlannedTarget, Reversibility, StepSpec, Strategy
from playbooks.base import Answer, Impossible, Seen
from playbooks.detached import Job
from playbooks.engine import OutcomeKind
from playbooks.firmware import parse, tools
from playbooks.firmware.driver import Firmware
from playbooks.firmware.params import FirmwareParams
from tests.playbooks.scripted import FRR, Scripted, step
from tests.playbooks.simlab import SimLab
from tests.playbooks.simsession import SimSession, Walk, device

CFG = "CURRENT FAMILY: 1.0.0\nBEGIN DEVICE\nDEVICENAME: XL710\nNVM IMAGE: x.bin\nEEPID: 8000B6B9\nEND DEVICE\n"


@pytest.fixture
def lab() -> SimLab:
    return SimLab(boot_s=20.0)


@pytest.fixture
def legs(lab: SimLab) -> Walk:
    made = Walk(lab, device(lab, "bly"))
    session = SimSession(made.device, lab)
    session.put("/opt/nvm/nvmupdate.cfg", CFG)
    session.put("/opt/nvm/x.bin", "image")
    return made


def params(lab: SimLab, **more: Any) -> dict[str, Any]:
    digests = {p: lab.ok("bly", f"sha256sum {p}").split()[0] for p in ("/opt/nvm/x.bin", "/opt/nvm/nvmupdate.cfg")}
    return {
        "tool": "nvmupdate", "interface": "eth1", "version": "8.30", "file": "/opt/nvm/x.bin",
        "sha256": digests["/opt/nvm/x.bin"], "config": "/opt/nvm/nvmupdate.cfg",
        "config_sha256": digests["/opt/nvm/nvmupdate.cfg"], "program": "/opt/nvm/nvmupdate64e", **more,
    }  # fmt: skip


def running(lab: SimLab) -> str:
    return lab.ok("bly", "ethtool -i eth1").splitlines()[2].split()[1]


def test_it_is_flashed_started_by_a_reboot_and_read_back(lab: SimLab, legs: Walk) -> None:
    outcome, held = legs.go(legs.made("firmware", params(lab)))
    assert outcome.kind is OutcomeKind.DONE, outcome.reasons
    assert outcome.data["running"] == running(lab) == "8.30" and outcome.data["before"] == "8.00"
    assert lab.state("bly")["boots"] == 2
    again, _ = legs.go(legs.made("firmware", params(lab)))
    assert again.kind is OutcomeKind.DONE and not again.changed
    back, _ = legs.go(replace(held, progress={}), rollback=True)
    assert back.kind is OutcomeKind.IMPOSSIBLE and "flashes 8.00" in str(back.reasons[0])
    assert not [c for c in lab.journal if c.get("unknown")]


@pytest.mark.parametrize(
    ("behaviour", "words", "boots"),
    [
        ("flash_power_lost", "begun and never ended: the machine restarted in the middle of it; the card says 0.00", 2),
        ("flash_fails", "exit status 2: Access error.", 1),
        ("flash_lies", 'the tool said "Update successful.", and after the restart the card runs 8.00', 2),
    ],
)
def test_no_flash_that_went_wrong_is_ever_done(lab: SimLab, legs: Walk, behaviour: str, words: str, boots: int) -> None:
    lab.inject("bly", behaviour)
    outcome, _ = legs.go(legs.made("firmware", params(lab)))
    assert outcome.kind is OutcomeKind.IMPOSSIBLE
    assert words in str(outcome.reasons[0]) and "stays drained" in outcome.reasons[0].remedy
    assert lab.state("bly")["boots"] == boots
    flashes = [c for c in lab.journal if "nvmupdate64e" in str(c.get("argv", [""])[:1]) and "-u" in c["argv"]]
    assert len(flashes) <= 1


def test_a_worker_that_dies_after_the_order_does_not_flash_twice(lab: SimLab, legs: Walk) -> None:
    made = legs.made("firmware", params(lab))
    session = SimSession(legs.device, lab)
    held = replace(made, artifact=Firmware().precheck(session, made).artifact)
    Firmware().apply(session, held, deadline_s=60)
    lab.wait(3)
    Firmware().apply(session, held, deadline_s=60)
    outcome, _ = legs.go(held, sent=True)
    assert outcome.kind is OutcomeKind.DONE, outcome.reasons
    changes = [c for entry in lab.journal for c in entry.get("changes", ())]
    assert len([c for c in changes if c.startswith("firmware")]) == 1


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"sha256": "ab" * 32}, "SHA-256 abab"),
        ({"config": "/opt/nvm/none.cfg"}, "no such file"),
        ({"program": "/opt/nowhere/tool"}, "cannot be run"),
        ({"interface": "eth0"}, "a card of virtio_net"),
        ({"version": "8.31"}, ""),
    ],
)
def test_what_refuses_a_flash_is_asked_while_nothing_is_touched(
    lab: SimLab, legs: Walk, more: dict[str, Any], words: str
) -> None:
    look = Firmware().precheck(SimSession(legs.device, lab), legs.made("firmware", params(lab, **more)))
    if words:
        assert look.seen is Seen.IMPOSSIBLE and words in " ".join(map(str, look.reasons))
    else:
        assert look.seen is Seen.READY


def test_a_card_whose_id_the_package_does_not_list_is_not_flashed(lab: SimLab, legs: Walk) -> None:
    SimSession(legs.device, lab).put("/opt/nvm/nvmupdate.cfg", CFG.replace("8000B6B9", "80009999"))
    look = Firmware().precheck(SimSession(legs.device, lab), legs.made("firmware", params(lab)))
    assert look.seen is Seen.IMPOSSIBLE and "No devices on the list" in str(look.reasons[0])


# --- the plan


FACTS = {
    "interfaces": {
        "eth1": {"nic": {"driver": "i40e", "bus": "0000:3b:00.0", "nvm": "8.00", "pci": {"subvendor": "8086"}}},
        "eth2": {"nic": {"driver": "i40e", "bus": "0000:3b:00.1", "nvm": "8.00", "pci": {"subvendor": "1374"}}},
        "eth9": {"nic": None},
    }
}
GIVEN = {
    "tool": "nvmupdate", "interface": "eth1", "version": "8.30", "file": "/x.bin", "sha256": "ab" * 32,
    "config": "/x.cfg", "config_sha256": "cd" * 32,
}  # fmt: skip


def test_the_plan_names_the_card_its_other_ports_and_that_it_goes_back_by_reflash_only() -> None:
    planned = Firmware().plan(StepSpec("firmware", GIVEN), FRR, FACTS)
    assert planned.reversibility is Reversibility.BY_REFLASH
    assert "firmware 8.00 -> 8.30" in planned.diff and "same card: eth2" in planned.diff
    never = Firmware().plan(StepSpec("firmware", {**GIVEN, "reversible": "not at all"}), FRR, FACTS)
    assert never.reversibility is Reversibility.NOT_AT_ALL
    for interface, words in (("eth2", "another maker"), ("eth9", "no card"), ("eth7", "no card")):
        with pytest.raises(Impossible, match=words):
            Firmware().plan(StepSpec("firmware", {**GIVEN, "interface": interface}), FRR, FACTS)


@pytest.mark.parametrize("together", [False, True])
def test_it_is_alone_in_its_change_unless_asked(together: bool) -> None:
    steps = (
        PlannedStep("baseline", {}, Reversibility.NOTHING_TO_UNDO, False),
        PlannedStep("firmware", {"together": together}, Reversibility.BY_REFLASH, False),
        PlannedStep("driver", {}, Reversibility.BY_REBOOT, False),
        PlannedStep("reboot", {}, Reversibility.NOTHING_TO_UNDO, False),
    )
    plan = Plan("r", {}, Strategy(), (), (PlannedTarget("bly", 0, "a", steps),))
    found = [f for f in lint.look_at(plan) if f.code == "firmware-together"]
    assert bool(found) is not together
    assert together or "with driver" in found[0].reason.found


@pytest.mark.parametrize(
    "wrong", [{"config": ""}, {"file": "x.bin"}, {"reversible": "in place"}, {"file": "/a/../b"}, {"tool": "flashrom"}]
)
def test_wrong_parameters_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        FirmwareParams.model_validate({**GIVEN, **wrong})


# --- the other tools


_VERSIONS = {"running": {"fw.mgmt": "7.3.4"}, "stored": {"fw.mgmt": "7.4.1"}}
INFO = {"info": {"pci/0000:01:00.0": {"driver": "ice", "versions": _VERSIONS}}}
QUERY = (
    "Image type:            FS4\nFW Version:            16.35.2000\nFW Version(Running):   16.33.1048\n"
    "PSID:                  MT_0000000008\n"
)


def test_devlink_and_mstflint_tell_what_runs_from_what_is_stored() -> None:
    assert parse.devlink(json.dumps(INFO), "fw.mgmt") == ("7.3.4", "7.4.1")
    rows = parse.mstflint(QUERY)
    assert (rows["FW Version(Running)"], rows["PSID"]) == ("16.33.1048", "MT_0000000008")


def scripted(tool: str, **answers: str | Answer) -> tuple[Scripted, Any]:
    given = {"tool": tool, "interface": "eth1", "version": "16.35.2000", "file": "/fw.bin", "sha256": "ab" * 32}
    driver = {"mstflint": "mlx5_core", "devlink": "ice"}[tool]
    said: dict[str, str | Answer] = {
        "ethtool -i eth1": f"driver: {driver}\nfirmware-version: 16.33.1048\nbus-info: 0000:01:00.0\n",
        "ethtool -P eth1": "Permanent address: 00:11:22:33:44:55\n",
        "cat /proc/sys/kernel/random/boot_id": "87734e14-2f4c-485b-a95e-c6fef4a75b8d\n",
        "sha256sum /fw.bin": f"{'ab' * 32}  /fw.bin\n",
        "mstflint -d 0000:01:00.0 q": QUERY,
        "mstflint -i /fw.bin q": QUERY,
        "mstflint -i /fw.bin v": "-I- FW image verification succeeded. Image is bootable.\n",
        "devlink -j dev info pci/0000:01:00.0": json.dumps(INFO),
        **answers,
    }
    return Scripted(answers=said), step("firmware", given)


def test_an_image_for_another_board_or_one_that_does_not_verify_is_not_flashed() -> None:
    session, held = scripted("mstflint")
    assert Firmware().precheck(session, held).seen is Seen.READY
    session, held = scripted("mstflint", **{"mstflint -i /fw.bin q": QUERY.replace("0008", "0009")})
    assert "PSID MT_0000000009" in str(Firmware().precheck(session, held).reasons[0])
    session, held = scripted("mstflint", **{"mstflint -i /fw.bin v": Answer(1, "-E- Verification failed\n", "")})
    said = str(Firmware().precheck(session, held).reasons[0])
    assert "does not verify: exit status 1: -E- Verification failed" in said


def test_each_tool_is_given_its_card() -> None:
    each = {"mstflint": "mstflint -d 0000:01:00.0 -i /fw.bin -y b"}
    each |= {"devlink": "devlink dev flash pci/0000:01:00.0 file /fw.bin"}
    for tool, wanted in each.items():
        session, held = scripted(tool)
        look = Firmware().precheck(session, held)
        assert look.seen is Seen.READY, look.reasons
        card = parse.Card("x", "0000:01:00.0")
        made = FirmwareParams.model_validate(held.params)
        assert " ".join(tools.flash(made, card, "MAC", Job("firmware", "t"))) == wanted


RESULT = (
    '<?xml version="1.0"?>\n<DeviceUpdate lang="en"><Instance><Status result="Success" id="0">{}</Status></Instance>'
    "{}</DeviceUpdate>"
)


@pytest.mark.parametrize(
    ("status", "xml", "ok", "words"),
    [
        (0, RESULT.format("Update successful.", "<RebootRequired> 1 </RebootRequired>"), True, "Update successful."),
        (50, RESULT.format("Update successful.", ""), True, "Update successful."),
        (0, RESULT.format("Update not available.", ""), False, "Update not available."),
        (0, "", False, "no result that can be read"),
        (0, '<!DOCTYPE x [<!ENTITY a "b">]><DeviceUpdate/>', False, "no result that can be read"),
        (8, '<DeviceInventory><Status result="Fail" id="8">No devices on the list.</Status></DeviceInventory>', False,
         "exit status 8: No devices on the list."),
        (26, "", False, "iomem=relaxed"),
        (0, '<DeviceUpdate><Status result="Fail" id="2">Access error.</Status></DeviceUpdate>', False, "Access error."),
    ],
)  # fmt: skip
def test_what_nvmupdate_says(status: int, xml: str, ok: bool, words: str) -> None:
    said = parse.nvmupdate(status, "", xml)
    assert said.ok is ok and words in said.words


def test_a_power_cycle_goes_before_a_reboot_and_a_second_run_is_told() -> None:
    more = "<RebootRequired> 1 </RebootRequired><PowerCycleRequired> 1 </PowerCycleRequired>"
    more += "<NextUpdateAvailable> 1 </NextUpdateAvailable>"
    said = parse.nvmupdate(0, "", RESULT.format("Update successful.", more))
    assert said.power_cycle and said.again


@given(st.text(max_size=300), st.integers(min_value=0, max_value=255))
def test_no_answer_makes_the_parsers_raise(text: str, status: int) -> None:
    parse.card(text), parse.mac(text), parse.devlink(text, "fw.mgmt"), parse.mstflint(text)
    parse.nvmupdate(status, text, text), parse.nvm_refuses(text, text), parse.same(text, text, nvm=True)
