"""The verb netmiko against a device with nothing but a prompt, over real SSH."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from fleet.core.model import Json, StepSpec
from playbooks import engine, registry
from playbooks.base import HostKeyRefused, Impossible, Seen, Step, Unreachable, Unsure
from playbooks.deadlines import nothing_after
from playbooks.engine import Outcome, OutcomeKind
from playbooks.netmiko.params import NetmikoParams
from playbooks.network_os import NoShell
from tests.playbooks.cli_device import CliDevice

DRIVER = registry.driver("netmiko")
ASKED: dict[str, Any] = {
    "lines": ["snmp-server location cage 7", "ip tcp synwait-time 5"],
    "undo": ["no snmp-server location cage 7", "no ip tcp synwait-time 5"],
    "show": "show running-config",
    "has": ["^snmp-server location cage 7$", "synwait-time 5"],
    "arm": ["reload in 5"],
    "disarm": ["reload cancel"],
    "answer": "2s",
}


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[CliDevice]:
    # line_editor off and a terminal on: netmiko asks for one, and reads its own echo from the device.
    with CliDevice(tmp_path, running=["hostname sw1"], saved=["hostname sw1"]) as made:
        yield made


def step_of(cli: CliDevice, **more: Any) -> Step:
    params = {**ASKED, **more}
    device = cli.netmiko_device()
    planned = DRIVER.plan(StepSpec("netmiko", params), device, {})
    return Step("netmiko", params, planned, device)


def walked(step: Step, *, rollback: bool = False) -> tuple[Outcome, Step]:
    held, sent = step, False

    def ahead(artifact: Mapping[str, Json] | None) -> bool:
        nonlocal held, sent
        sent, held = True, replace(held, artifact=artifact or held.artifact)
        return True

    act = engine.perform_rollback if rollback else engine.perform
    for _ in range(6):
        outcome = act(DRIVER, NoShell(held.device), held, sent=sent, deadline_s=60.0, write_ahead=ahead)
        held = replace(held, progress=outcome.data)
        if outcome.kind is not OutcomeKind.WAIT:
            return outcome, held
    raise AssertionError(outcome)


def test_it_is_entered_seen_over_a_second_connection_disarmed_and_saved(cli: CliDevice) -> None:
    outcome, _ = walked(step_of(cli))
    assert outcome.kind is OutcomeKind.DONE, outcome.reasons
    assert cli.running[1:] == ASKED["lines"] and cli.saved == cli.running and not cli.armed
    order = [line for line in cli.entered if line.startswith(("reload", "snmp", "write", "copy"))]
    assert order[:2] == ["reload in 5", "snmp-server location cage 7"] and order[2] == "reload cancel"
    assert cli.connections >= 3, "a look before, the act, and a look over a connection of its own"
    assert walked(step_of(cli))[0].changed is False


def test_nothing_is_entered_once_the_claim_has_run_out(cli: CliDevice) -> None:
    """Connecting takes seconds: who was stopped meanwhile for longer than its claim goes on too late."""
    step = step_of(cli)
    with nothing_after(time.monotonic() - 1.0, time.monotonic), pytest.raises(Unreachable, match="no claim"):
        DRIVER.apply(NoShell(step.device), step, deadline_s=60.0)
    assert cli.running == ["hostname sw1"] and not cli.armed and cli.connections == 1


def test_the_undo_takes_it_back_and_is_seen_to(cli: CliDevice) -> None:
    _, held = walked(step_of(cli))
    back, _ = walked(replace(held, progress={}), rollback=True)
    assert back.kind is OutcomeKind.DONE and cli.running == ["hostname sw1"] == cli.saved


def test_a_refused_line_says_so_and_what_is_half_in_is_taken_back(cli: CliDevice) -> None:
    cli.refuses = "synwait"
    outcome, held = walked(step_of(cli))
    assert outcome.kind is OutcomeKind.ERROR and "Invalid input" in str(outcome.reasons[0])
    assert "snmp-server location cage 7" in cli.running
    back, _ = walked(replace(held, progress={}), rollback=True)
    assert back.kind is OutcomeKind.DONE and cli.running == ["hostname sw1"] and not cli.armed


def test_a_device_that_is_cut_off_goes_back_by_the_reload_that_was_armed(cli: CliDevice) -> None:
    cli.dies_at = "ip tcp synwait-time 5"
    step = step_of(cli)
    step = replace(step, artifact=DRIVER.precheck(NoShell(step.device), step).artifact)
    with pytest.raises(Unsure):
        DRIVER.apply(NoShell(step.device), step, deadline_s=30.0)
    assert cli.armed
    cli.reloaded()
    cli.dies_at = ""
    assert DRIVER.observe(NoShell(step.device), step).seen is Seen.NOT_DONE
    assert DRIVER.observe_rollback(NoShell(step.device), step).seen is Seen.DONE


def test_another_host_key_is_refused_before_anything_is_entered(cli: CliDevice) -> None:
    import asyncssh

    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    step = step_of(cli)
    for key in (other, ""):
        with pytest.raises(HostKeyRefused):
            DRIVER.precheck(NoShell(step.device), replace(step, device=replace(step.device, host_key=key)))
    assert cli.entered == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"undo": []}, "undo"), ({"has": []}, "has"), ({"disarm": []}, "together"),
        ({"arm": [], "disarm": []}, "unguarded"),
        ({"lines": ["username x secret 5 abc"]}, "passwords"), ({"has": ["("]}, "regular expression"),
        ({"device_type": "cisco_iso"}, "device type"),
    ],
)  # fmt: skip
def test_what_is_not_said_in_full_is_refused_with_the_recipe(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        NetmikoParams.model_validate({**ASKED, **changes})


def test_a_platform_that_netmiko_does_not_know_is_impossible(cli: CliDevice) -> None:
    with pytest.raises(Impossible, match="device type of netmiko"):
        DRIVER.plan(StepSpec("netmiko", ASKED), replace(cli.netmiko_device(), platform="toaster"), {})


def test_a_show_that_the_device_does_not_know_tells_nothing(cli: CliDevice) -> None:
    step = step_of(cli, show="show nonsense")
    assert DRIVER.precheck(NoShell(step.device), step).seen is Seen.UNKNOWN
