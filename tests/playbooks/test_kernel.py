"""Kernels and command lines on simulated routers: tried once, made the default, and every way back."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lab.sim.grub import package_text
from lab.sim.loader import entry_id
from playbooks import boot
from playbooks.base import Impossible, Look, Refused, Seen
from playbooks.engine import OutcomeKind
from playbooks.kernel import parse, render
from playbooks.kernel.default import KernelDefault
from playbooks.kernel.driver import Kernel
from playbooks.kernel.params import KernelParams, command_line, cpu_list, cpu_text, with_siblings
from tests.playbooks.simlab import SimLab
from tests.playbooks.simsession import SimSession, Walk

OLD, NEW, VERSION = "6.1.0-55-amd64", "6.1.0-56-amd64", "6.1.192-2"
SOURCE = f"https://packages.example.net/linux-image-{NEW}_{VERSION}_amd64.deb"
DIGEST = hashlib.sha256(package_text(SOURCE).encode()).hexdigest()
PARAMS: Mapping[str, Any] = {"release": NEW, "version": VERSION, "source": SOURCE, "sha256": DIGEST, "confirm": "60s"}
SIBLINGS = {"cpu": {"siblings": [[0, 4], [1, 5], [2, 6], [3, 7]]}}


@pytest.fixture
def lab() -> SimLab:
    return SimLab(boot_s=20.0)


def grubenv(lab: SimLab) -> dict[str, str]:
    return dict(parse.environment(lab.ok("bly", "grub-editenv list")))


def undone(lab: SimLab, boots: int) -> None:
    """As if nothing had been: kernel, default, menu, package, holds, watch."""
    state = lab.state("bly")
    assert (state["kernel"], state["boots"]) == (OLD, boots)
    assert grubenv(lab) == {"saved_entry": entry_id(OLD), "next_entry": ""}
    assert NEW not in lab.ok("bly", "sudo -n cat /boot/grub/grub.cfg")
    assert render.TRIAL not in lab.run("bly", f"cat {render.CUSTOM}")[1]
    assert lab.ok("bly", "apt-mark showhold") == "" and render.UNIT not in state["files"]
    assert not [c for c in lab.journal if c.get("unknown")]


def test_a_kernel_is_tried_then_made_the_default_and_put_back(lab: SimLab, legs: Walk) -> None:
    outcome, held = legs.go(legs.made("kernel", PARAMS))
    assert (outcome.kind, outcome.reasons) == (OutcomeKind.DONE, ()), outcome
    assert lab.state("bly")["kernel"] == NEW and outcome.data["kernel_before"] == OLD
    assert grubenv(lab) == {"saved_entry": entry_id(OLD), "next_entry": ""}, "the next boot is still the old kernel"
    assert lab.ok("bly", "apt-mark showhold").split() == [f"linux-image-{OLD}", f"linux-image-{NEW}"]
    assert not lab.state("bly")["timers"], "reached: the watch is off"
    again, _ = legs.go(legs.made("kernel", PARAMS))
    assert again.kind is OutcomeKind.DONE and not again.changed

    default, kept = legs.go(legs.made("kernel-default", {"release": NEW}))
    assert default.kind is OutcomeKind.DONE, default.reasons
    assert grubenv(lab)["saved_entry"] == entry_id(NEW)
    lab.ok("bly", "sudo -n systemctl reboot")
    lab.wait(60)
    assert lab.state("bly")["kernel"] == NEW
    before = lab.state("bly")["boots"]

    for step in (kept, held):
        back, _ = legs.go(replace(step, progress={}), rollback=True)
        assert back.kind is OutcomeKind.DONE, back.reasons
    undone(lab, before + 1)


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [("panic_on_new_kernel", "did not come up"), ("new_kernel_unreachable", "nobody could come in within the time")],
)
def test_a_kernel_that_does_not_come_up_is_gone_by_itself(lab: SimLab, legs: Walk, behaviour: str, words: str) -> None:
    lab.inject("bly", behaviour)
    outcome, held = legs.go(legs.made("kernel", PARAMS))
    assert outcome.kind is OutcomeKind.IMPOSSIBLE and words in str(outcome.reasons[0]), outcome
    assert lab.state("bly")["kernel"] == OLD, "before anybody did anything"
    back, _ = legs.go(replace(held, progress={}), rollback=True)
    assert back.kind is OutcomeKind.DONE, back.reasons
    undone(lab, 2)


def test_every_step_may_be_asked_before_the_first_one_acts(lab: SimLab, legs: Walk) -> None:
    """The engine does so before the drain: what the last step wants is not there yet, and that is no reason to stop."""
    step, session = legs.made("kernel-default", {"release": NEW}), SimSession(legs.device, lab)
    look = KernelDefault().precheck(session, step)
    assert look.seen is Seen.READY, look.reasons
    with pytest.raises(Refused, match="which was verified"):
        KernelDefault().apply(session, replace(step, artifact=look.artifact), deadline_s=60)
    assert not [c for c in lab.journal if c.get("mutated")]


def test_a_trial_that_nobody_confirms_goes_back_by_itself(lab: SimLab, legs: Walk) -> None:
    held, look = begun(lab, legs)
    lab.wait(40)
    assert lab.state("bly")["kernel"] == NEW, "it has booted; Slipway is gone"
    lab.wait(120)
    assert lab.state("bly")["kernel"] == OLD and lab.state("bly")["boots"] == 3
    said = Kernel().observe(SimSession(legs.device, lab), replace(held, progress=look.data))
    assert said.seen is Seen.IMPOSSIBLE and "nobody could come in" in said.reasons[0].found


def begun(lab: SimLab, legs: Walk) -> tuple[Any, Look]:
    """Installed and rebooted, and not looked at since."""
    step, session = legs.made("kernel", PARAMS), SimSession(legs.device, lab)
    held = replace(step, artifact=Kernel().precheck(session, step).artifact)
    Kernel().apply(session, held, deadline_s=60)
    lab.wait(3)
    look = Kernel().observe(session, held)
    assert look.seen is Seen.WAITING and "rebooted_at_s" in look.data, look
    return held, look


def test_a_crash_after_the_order_to_reboot_sends_none_again(lab: SimLab, legs: Walk) -> None:
    """The worker dies before it has recorded that it rebooted: whoever comes next finds the order, or the new boot."""
    held, _ = begun(lab, legs)
    outcome, _ = legs.go(held, sent=True)
    assert outcome.kind is OutcomeKind.DONE and lab.state("bly")["boots"] == 2
    installs = [c for c in lab.journal if (c.get("argv") or [""])[0] == "dpkg" or "dpkg" in (c.get("argv") or [])]
    assert len([c for c in installs if c.get("mutated")]) <= 1


def test_another_package_than_the_approved_one_is_not_installed(lab: SimLab, legs: Walk) -> None:
    outcome, held = legs.go(legs.made("kernel", {**PARAMS, "sha256": "ab" * 32}))
    assert outcome.kind is OutcomeKind.IMPOSSIBLE and "exit status" in str(outcome.reasons[0])
    assert NEW not in lab.ok("bly", "sudo -n cat /boot/grub/grub.cfg") and lab.state("bly")["boots"] == 1
    back, _ = legs.go(replace(held, progress={}), rollback=True)
    assert back.kind is OutcomeKind.DONE, back.reasons
    undone(lab, 1)


def test_an_installation_that_fails_is_told_and_nothing_is_booted(lab: SimLab, legs: Walk) -> None:
    lab.inject("bly", "tool_fails", match="dpkg")
    outcome, held = legs.go(legs.made("kernel", PARAMS))
    assert outcome.kind is OutcomeKind.IMPOSSIBLE and "No space left" in str(outcome.reasons[0])
    back, _ = legs.go(replace(held, progress={}), rollback=True)
    assert back.kind is OutcomeKind.DONE, back.reasons
    undone(lab, 1)


def test_a_command_line_is_tried_beside_the_old_one_and_then_stays(lab: SimLab, legs: Walk) -> None:
    wanted = {"isolcpus": "2-3", "hugepages": 64, "quiet": False}
    step = legs.made("kernel", {"cmdline": wanted, "confirm": "60s"}, SIBLINGS)
    assert step.params["cmdline"]["isolcpus"] == "2-3,6-7", "sibling threads are taken together"
    assert "+cmdline isolcpus: 2-3,6-7" in step.planned.diff
    outcome, held = legs.go(step)
    assert (outcome.kind, outcome.reasons) == (OutcomeKind.DONE, ()), outcome
    words = lab.ok("bly", "cat /proc/cmdline").split()
    assert {"isolcpus=2-3,6-7", "hugepages=64", "panic=10"} <= set(words) and "quiet" not in words
    menu = parse.entries(lab.ok("bly", "sudo -n cat /boot/grub/grub.cfg"))
    assert all("isolcpus" not in entry.args for entry in menu), "the way back has the old command line"

    default, kept = legs.go(legs.made("kernel-default", {"cmdline": wanted}, SIBLINGS))
    assert default.kind is OutcomeKind.DONE, default.reasons
    lab.ok("bly", "sudo -n systemctl reboot")
    lab.wait(60)
    words = lab.ok("bly", "cat /proc/cmdline").split()
    assert {"isolcpus=2-3,6-7", "hugepages=64"} <= set(words) and not {"quiet", "panic=10"} & set(words)
    for one in (kept, held):
        back, _ = legs.go(replace(one, progress={}), rollback=True)
        assert back.kind is OutcomeKind.DONE, back.reasons
    assert "isolcpus" not in lab.ok("bly", "cat /proc/cmdline")


def test_processors_whose_threads_are_not_known_refuse_the_plan(legs: Walk) -> None:
    for facts in ({}, {"cpu": {"siblings": [[0, 1]]}}):
        with pytest.raises(Impossible):
            legs.made("kernel", {"cmdline": {"isolcpus": "2-3"}}, facts)


def test_the_package_of_the_running_kernel_is_never_overwritten(lab: SimLab, legs: Walk) -> None:
    outcome, _ = legs.go(legs.made("kernel", {**PARAMS, "release": OLD}))
    assert outcome.kind is OutcomeKind.IMPOSSIBLE and "overwrite the modules" in str(outcome.reasons[0])
    assert not any(c.get("mutated") for c in lab.journal)


# -- reading and writing


@pytest.mark.parametrize(
    "wrong",
    [
        {}, {"release": NEW, "version": VERSION}, {"release": "x; reboot"}, {"cmdline": {"init": "/bin/sh"}},
        {"cmdline": {"a": "b c"}}, {"cmdline": {"a;b": "c"}}, {**PARAMS, "source": "ftp://x/y"},
        {**PARAMS, "sha256": "0"},
    ],
)  # fmt: skip
def test_wrong_parameters_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        KernelParams.model_validate(wrong)


def test_a_command_line_as_people_write_it() -> None:
    assert command_line("isolcpus=2-3 nosmt -quiet") == {"isolcpus": "2-3", "nosmt": True, "quiet": False}
    assert parse.changed_line("ro quiet a=1 a=2", {"a": "3", "quiet": False, "nosmt": True}) == "ro a=3 nosmt"
    assert parse.differs("ro a=1", {"a": "2", "ro": False, "b": True}) == {
        "a": "1", "ro": "the bare word", "b": "none",
    }  # fmt: skip


def test_lists_of_processors_take_both_threads_of_a_core() -> None:
    threads = [[0, 6], [1, 7], [2, 8], [3, 9], [4, 10], [5, 11]]
    assert with_siblings("2-5", threads) == "2-5,8-11"  # the machine of story S2
    assert with_siblings("managed_irq,domain,3", threads) == "managed_irq,domain,3,9"
    assert with_siblings("12", threads) is None and with_siblings("all", threads) is None
    assert with_siblings("3,domain", threads) is None


@given(st.frozensets(st.integers(0, 4095), min_size=1, max_size=40))
def test_what_is_written_of_processors_is_read_back(cpus: frozenset[int]) -> None:
    assert cpu_list(cpu_text(cpus)) == cpus


MENU = """\
if [ "${next_entry}" ] ; then
   set default="${next_entry}"
else
   set default="${saved_entry}"
fi
menuentry 'Debian GNU/Linux' --class debian $menuentry_id_option 'gnulinux-simple-77' {
\tlinux\t/boot/vmlinuz-6.1.0-56-amd64 root=UUID=77 ro  quiet
}
submenu 'Advanced options for Debian GNU/Linux' $menuentry_id_option 'gnulinux-advanced-77' {
\tmenuentry 'Debian GNU/Linux, with Linux 6.1.0-56-amd64' --class debian $menuentry_id_option 'gnulinux-6.1.0-56-amd64-advanced-77' {
\t\tif [ x$grub_platform = xxen ]; then insmod xzio; insmod lzopio; fi
\t\tif [ x$feature_platform_search_hint = xy ]; then
\t\t  search --no-floppy --fs-uuid --set=root 77
\t\tfi
\t\tlinux\t/boot/vmlinuz-6.1.0-56-amd64 root=UUID=77 ro panic=5 quiet
\t\tinitrd\t/boot/initrd.img-6.1.0-56-amd64
\t}
\tmenuentry 'Debian GNU/Linux, with Linux 6.1.0-56-amd64 (recovery mode)' $menuentry_id_option 'gnulinux-6.1.0-56-amd64-recovery-77' {
\t\tlinux\t/boot/vmlinuz-6.1.0-56-amd64 root=UUID=77 ro single
\t}
}
"""  # noqa: E501


def test_the_trial_is_a_copy_of_the_kernels_own_entry_and_only_one() -> None:
    (entry,) = parse.entries(MENU)
    assert entry.id == "gnulinux-advanced-77>gnulinux-6.1.0-56-amd64-advanced-77"
    assert parse.saved_is_default(MENU) and not parse.sources_custom(MENU)
    block = render.trial_block(entry, {"quiet": False, "nosmt": True}, token="ab12", panic_s=9)
    (line,) = (row.strip() for row in block.splitlines() if row.strip().startswith("linux"))
    assert line == (
        "linux\t/boot/vmlinuz-6.1.0-56-amd64 root=UUID=77 ro nosmt panic=9 oops=panic softlockup_panic=1 "
        "slipway.trial=ab12"
    )
    assert "search --no-floppy" in block
    mine = render.with_trial("menuentry 'rescue' {\n}\n", block)
    assert mine.startswith("menuentry 'rescue'") and render.with_trial(mine, block) == mine
    assert render.with_trial(mine, "") == "menuentry 'rescue' {\n}\n"


@given(st.text(max_size=400))
def test_no_text_makes_reading_raise(text: str) -> None:
    parse.entries(text)
    parse.environment(text)
    parse.package(text)
    parse.modules(text)
    parse.siblings(text)
    parse.drivers([text])
    boot.free_bytes(text)
    cpu_list(text)
