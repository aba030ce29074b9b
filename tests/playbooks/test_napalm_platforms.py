"""The verb napalm on network operating systems: with commit-confirm or without, facts by getters, host keys."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from fleet.core.model import StepSpec
from playbooks import network_os, registry
from playbooks.base import Device, HostKeyRefused, Impossible, Refused, Seen, Step
from playbooks.facts.driver import measure
from playbooks.napalm import collect
from playbooks.napalm.params import NapalmParams
from playbooks.napalm.render import not_compliant
from playbooks.network_os import NoShell
from tests.playbooks import napalm_fake
from tests.playbooks.napalm_fake import Box, ConfirmingDriver, PlainDriver

DRIVER = registry.driver("napalm")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPqJRMz0zFsoREvDO8TyqXLLlZ0T1yZnh4wvGAm5KBtk"
TEXT = "policy IN\nno bgp 65000"


@pytest.fixture(autouse=True)
def box(monkeypatch: pytest.MonkeyPatch) -> Box:
    made = Box()
    monkeypatch.setattr(napalm_fake, "BOX", made)
    drivers = {"ios": ConfirmingDriver, "eos": ConfirmingDriver, "nxos_ssh": PlainDriver, "junos": ConfirmingDriver}
    monkeypatch.setattr(network_os, "get_network_driver", drivers.__getitem__)
    monkeypatch.setenv("LAB_PASSWORD", "s3cret-of-the-lab")
    return made


def device(platform: str) -> Device:
    return Device("r1", "192.0.2.1", 22, "ops", "env:LAB_PASSWORD", KEY, "none", platform=platform)


def made(platform: str, text: str = TEXT, **params: Any) -> Step:
    """A step planned from what the device said that it would change."""
    here = device(platform)
    key, diff = collect.compare(NoShell(here), mode=params.get("mode", "merge"), text=text)
    given = {"config": text, "confirm": "90s", **params}
    planned = DRIVER.plan(StepSpec("napalm", given), here, {"napalm": {"compared": {key: diff}}})
    return Step("napalm", planned.params, planned, here)


def begun(step: Step) -> Step:
    return replace(step, artifact=DRIVER.precheck(NoShell(step.device), step).artifact)


def test_what_the_device_says_is_the_diff_and_what_is_committed(box: Box) -> None:
    step = begun(made("ios"))
    assert "+policy IN" in step.planned.diff.splitlines() and "-bgp 65000" in step.planned.diff.splitlines()
    assert box.calls.count("commit None") == 0
    DRIVER.apply(NoShell(step.device), step, deadline_s=60.0)
    assert "commit 120" in box.calls, "IOS counts whole minutes"
    first = DRIVER.observe(NoShell(step.device), step)
    assert (first.seen, first.data) == (Seen.WAITING, {"applied": True}) and "confirm" not in box.calls
    done = DRIVER.observe(NoShell(step.device), replace(step, progress=first.data))
    assert done.seen is Seen.DONE and "confirm" in box.calls
    assert DRIVER.precheck(NoShell(step.device), step).seen is Seen.ALREADY


def test_without_the_devices_own_answer_nothing_is_planned(box: Box) -> None:
    with pytest.raises(Impossible, match=r"manage\.py compare"):
        DRIVER.plan(StepSpec("napalm", {"config": TEXT}), device("ios"), {})
    other = collect.compare(NoShell(device("ios")), mode="merge", text="other")
    with pytest.raises(Impossible, match="compare_config"):
        DRIVER.plan(StepSpec("napalm", {"config": TEXT}), device("ios"), {"napalm": {"compared": dict([other])}})


def test_a_device_that_was_not_confirmed_says_so_and_is_as_it_was(box: Box) -> None:
    step = begun(made("eos"))
    DRIVER.apply(NoShell(step.device), step, deadline_s=60.0)
    box.timer()
    look = DRIVER.observe(NoShell(step.device), replace(step, progress={"applied": True}))
    assert look.seen is Seen.NOT_DONE and "put itself back" in look.reasons[0].found
    assert DRIVER.observe_rollback(NoShell(step.device), step).seen is Seen.DONE


def test_a_difference_at_the_start_holds_and_is_named(box: Box) -> None:
    step = made("ios")
    box.running.remove("bgp 65000")
    look = DRIVER.precheck(NoShell(step.device), step)
    assert look.seen is Seen.UNKNOWN and "-bgp 65000" in look.reasons[0].wanted
    with pytest.raises(Refused, match="bgp 65000"):
        DRIVER.apply(NoShell(step.device), replace(step, artifact={"token": "ab"}), deadline_s=60.0)
    assert not [call for call in box.calls if call.startswith("commit")]


def test_somebody_elses_waiting_commit_holds(box: Box) -> None:
    step = made("ios")
    box.waits = True
    assert "waits for its confirmation" in DRIVER.precheck(NoShell(step.device), step).reasons[0].found


def test_where_nothing_puts_it_back_by_itself_that_must_be_wanted(box: Box) -> None:
    with pytest.raises(Impossible, match="unguarded"):
        made("nxos_ssh")
    step = begun(made("nxos_ssh", unguarded=True))
    DRIVER.apply(NoShell(step.device), step, deadline_s=60.0)
    assert "commit None" in box.calls
    assert DRIVER.observe(NoShell(step.device), step).seen is Seen.DONE
    DRIVER.rollback(NoShell(step.device), step, deadline_s=60.0)
    assert DRIVER.observe_rollback(NoShell(step.device), step).seen is Seen.DONE


def test_what_the_device_refuses_is_told_in_its_words(box: Box) -> None:
    step = made("ios")
    box.refuses = "policy IN"
    with pytest.raises(Refused, match="invalid input: policy IN"):
        DRIVER.precheck(NoShell(step.device), step)


def test_drivers_that_cannot_check_a_host_key_are_refused_and_others_get_the_recorded_one(box: Box) -> None:
    with pytest.raises(Impossible, match="checks no host key"):
        made("junos")
    with pytest.raises(HostKeyRefused), network_os.opened(NoShell(replace(device("ios"), host_key="")), "ios"):
        pass
    made("eos")
    options = box.opened[-1]
    assert (options["ssh_strict"], options["system_host_keys"], options["alt_host_keys"]) == (True, False, True)
    assert options["transport"] == "ssh"


def test_facts_come_from_getters_and_what_a_driver_lacks_is_named(box: Box) -> None:
    box.running.append("snmp-server community abc123 ro")
    facts: Any = collect.collect(NoShell(device("ios")))
    assert facts["hostname"] == "r1" and facts["os_version"] == "7.1"
    assert facts["interfaces"]["Ethernet1"]["mac"] == "02:00:00:00:00:01"
    assert "abc123" not in str(facts) and "hostname r1" in facts["routing"]["running_config"]
    assert facts["unknown"]["get_environment"] == "not told by this driver"


def test_what_is_measured_of_a_device_without_a_shell_are_its_sessions(box: Box) -> None:
    measured: Any = measure(NoShell(device("ios")))
    row = {"state": "Established", "received": 10, "sent": 5, "dropped": None, "name": "transit"}
    assert measured["bgp"] == {"running": True, "peers": {"ipv4": {"192.0.2.9": row}}}
    box.running.remove("bgp 65000")
    measured = measure(NoShell(device("ios")))
    assert measured["bgp"]["peers"]["ipv4"]["192.0.2.9"]["state"] == "Idle"


@pytest.mark.parametrize("getter", ["commit_config", "rollback", "cli", "__class__"])
def test_a_compliance_report_calls_nothing_but_getters(getter: str) -> None:
    with pytest.raises(ValidationError, match="wanted one of"):
        NapalmParams.model_validate({"config": "x", "compliance": [{getter: {}}]})


def test_a_compliance_report_is_told_leaf_by_leaf() -> None:
    report = {
        "get_facts": {"complies": False, "present": {"os_version": {"complies": False, "nested": False,
            "expected_value": "7.2", "actual_value": "7.1"}}, "missing": ["fqdn"], "extra": []},
        "get_vlans": {"skipped": True, "reason": "NotImplemented"}, "complies": False, "skipped": ["get_vlans"],
    }  # fmt: skip
    said = [str(reason) for reason in not_compliant(device("ios"), report)]
    assert any("os_version 7.1" in s and "7.2" in s for s in said) and any("no fqdn" in s for s in said)
    assert any("get_vlans" in s for s in said), "what was not told does not comply"
    assert not_compliant(device("ios"), {"get_facts": {"complies": True}, "complies": True, "skipped": []}) == ()


def test_secrets_are_refused_in_a_configuration() -> None:
    for text in (
        " neighbor 192.0.2.1 password hunter2",
        "snmp-server community abc123 ro",
        "username x secret 5 $1$abc",
    ):
        with pytest.raises(ValidationError, match="passwords"):
            NapalmParams.model_validate({"config": text})
    for text in (" set community 65000:1 additive", " neighbor 192.0.2.1 password (redacted)", " match community X"):
        NapalmParams.model_validate({"config": text})
