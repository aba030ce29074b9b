"""Exactly one reboot, exactly one restart: by boot id and invocation id, whatever the commands returned."""

from dataclasses import replace
from typing import Any

import pytest

from fleet.core.model import Reversibility, StepSpec
from playbooks import boot, engine
from playbooks.base import Answer, Impossible, Refused, Seen, Step, Unreachable
from playbooks.reboot.driver import Reboot, Restart
from tests.playbooks.scripted import FRR, Scripted, step

OLD = "87734e14-2f4c-485b-a95e-c6fef4a75b8d"
NEW = "0d3c2a11-1111-4222-8333-944455566677"
BOOT = "cat /proc/sys/kernel/random/boot_id"
SEND = (
    f"systemd-run --collect --unit=slipway-reboot-{OLD[:8]} --on-active=1s --timer-property=AccuracySec=100ms "
    "systemctl reboot"
)
SHOW = "systemctl show -p LoadState,ActiveState,InvocationID,ActiveEnterTimestampMonotonic frr"
INVOCATION = "1" * 32


def reboot_step(**more: Any) -> Step:
    return step("reboot", {}, **more)


def unit(active: str = "active", invocation: str = INVOCATION, load: str = "loaded") -> str:
    return f"LoadState={load}\nActiveState={active}\nInvocationID={invocation}\nActiveEnterTimestampMonotonic=17\n"


def test_a_reboot_is_sent_in_one_second_and_done_with_another_boot_id() -> None:
    session = Scripted(answers={BOOT: OLD + "\n", SEND: ""})
    look = Reboot().precheck(session, reboot_step())
    assert (look.seen, look.artifact) == (Seen.READY, {"boot_id": OLD})
    held = reboot_step(artifact=look.artifact)
    Reboot().apply(session, held, deadline_s=30)
    assert session.said("systemd-run")
    assert Reboot().observe(session, held).seen is Seen.WAITING
    session.answers[BOOT] = NEW + "\n"
    done = Reboot().observe(session, replace(held, waited_s=30.0))
    assert (done.seen, done.data["boot_id"]) == (Seen.DONE, NEW)
    assert Reboot().precheck(session, held).seen is Seen.ALREADY


def test_a_pending_reboot_of_the_same_boot_is_what_is_wanted() -> None:
    said = Answer(
        1,
        "",
        "Failed to start transient timer unit: "
        "Unit slipway-reboot-87734e14.timer was already loaded or has a fragment file.\n",
    )
    session = Scripted(answers={BOOT: OLD, SEND: said})
    Reboot().apply(session, reboot_step(artifact={"boot_id": OLD}), deadline_s=30)
    session.answers[SEND] = Answer(1, "", "sudo: a password is required\n")
    with pytest.raises(Refused, match="a password is required"):
        Reboot().apply(session, reboot_step(artifact={"boot_id": OLD}), deadline_s=30)


def test_without_a_boot_id_on_record_nothing_is_sent() -> None:
    session = Scripted()
    with pytest.raises(Impossible):
        Reboot().apply(session, reboot_step(), deadline_s=30)
    assert session.ran == []


def test_through_the_engine_it_is_sent_again_only_after_a_minute_with_the_old_boot_id() -> None:
    session = Scripted(answers={BOOT: OLD, SEND: ""})
    held = reboot_step(artifact={"boot_id": OLD})
    progress, sends = {}, []
    for waited in range(0, 100, 2):
        now = replace(held, waited_s=float(waited), progress=progress)
        ahead = lambda artifact: True  # noqa: E731
        outcome = engine.perform(Reboot(), session, now, sent=waited > 0, deadline_s=30, write_ahead=ahead)
        assert outcome.kind is engine.OutcomeKind.WAIT
        progress = outcome.data
        sends.append(len(session.said("systemd-run")))
    assert sends[:30] == [1] * 30 and sends[30:] == [2] * 20
    session.answers[BOOT] = NEW
    last = replace(held, waited_s=100.0, progress=progress)
    outcome = engine.perform(Reboot(), session, last, sent=True, deadline_s=30, write_ahead=lambda artifact: True)
    assert outcome.kind is engine.OutcomeKind.DONE and outcome.changed


def test_a_crash_after_the_send_does_not_send_again() -> None:
    session = Scripted(answers={BOOT: NEW, SEND: ""})
    held = reboot_step(artifact={"boot_id": OLD})
    outcome = engine.perform(Reboot(), session, held, sent=True, deadline_s=30, write_ahead=lambda artifact: True)
    assert outcome.kind is engine.OutcomeKind.DONE
    assert not session.said("systemd-run")


def test_a_machine_that_is_down_is_waited_for() -> None:
    def down(argv: tuple[str, ...]) -> Answer:
        raise Unreachable(reason=Reboot().observe(Scripted(), reboot_step()).reasons[0])

    outcome = engine.perform(
        Reboot(), Scripted(script=down), reboot_step(artifact={"boot_id": OLD}), sent=True, deadline_s=30,
        write_ahead=lambda artifact: True,
    )  # fmt: skip
    assert outcome.kind is engine.OutcomeKind.WAIT


@pytest.mark.parametrize("text", ["", "cat: permission denied", OLD[:-1], OLD + " " + NEW, OLD.upper()])
def test_what_is_no_boot_id_is_unknown(text: str) -> None:
    assert boot.boot_id(text) is None
    session = Scripted(answers={BOOT: text})
    assert Reboot().precheck(session, reboot_step()).seen is Seen.UNKNOWN
    assert Reboot().observe(session, reboot_step(artifact={"boot_id": OLD})).seen is Seen.UNKNOWN


def test_a_restart_is_done_with_another_invocation() -> None:
    session = Scripted(answers={SHOW: unit(), "systemctl restart --no-block frr": ""})
    look = Restart().precheck(session, step("restart", {}))
    assert look.artifact == {"invocation": INVOCATION, "since_us": 17}
    held = step("restart", {}, artifact=look.artifact)
    Restart().apply(session, held, deadline_s=30)
    assert [argv[1] for argv in session.said("systemctl")] == ["show", "reset-failed", "restart"]
    for active in ("active", "deactivating"):
        session.answers[SHOW] = unit(active)
        assert Restart().observe(session, held).seen is Seen.WAITING
    session.answers[SHOW] = unit("activating", "2" * 32)
    assert Restart().observe(session, held).seen is Seen.WAITING
    session.answers[SHOW] = unit("active", "2" * 32)
    assert Restart().observe(session, held).seen is Seen.DONE
    session.answers[SHOW] = unit("failed", "2" * 32)
    assert Restart().observe(session, held).seen is Seen.IMPOSSIBLE


def test_a_service_that_does_not_exist_is_unknown_and_a_suite_without_one_impossible() -> None:
    session = Scripted(answers={SHOW: unit("inactive", "", "not-found")})
    assert Restart().precheck(session, step("restart", {})).seen is Seen.UNKNOWN
    with pytest.raises(Impossible):
        Restart().plan(StepSpec("restart"), replace(FRR, suite="none"), {})


def test_neither_can_be_undone_and_both_need_a_drained_router() -> None:
    for driver in (Reboot(), Restart()):
        assert driver.reversibility is Reversibility.NOTHING_TO_UNDO and driver.disruptive
        planned = driver.plan(StepSpec(driver.verb, {"within": "90s"}), FRR, {})
        assert planned.within_s == 90.0 and planned.commands
