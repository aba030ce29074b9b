"""systemd-boot: kernels tried by a one-shot entry with a counter, kept, put back; what bootctl and the firmware say."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.core.model import Reason
from lab.sim import sdboot as sim
from lab.sim.grub import package_text
from playbooks.base import Seen
from playbooks.engine import OutcomeKind
from playbooks.kernel import loaders, parse
from playbooks.kernel import look as looking
from playbooks.kernel.driver import Kernel
from playbooks.kernel.loaders import SystemdBoot
from tests.playbooks.simlab import SimLab
from tests.playbooks.simsession import SimSession, Walk

OLD, NEW, VERSION = "6.1.0-55-amd64", "6.1.0-56-amd64", "6.1.192-2"
SOURCE = f"https://packages.example.net/linux-image-{NEW}_{VERSION}_amd64.deb"
DIGEST = hashlib.sha256(package_text(SOURCE).encode()).hexdigest()
PARAMS: Mapping[str, Any] = {"release": NEW, "version": VERSION, "source": SOURCE, "sha256": DIGEST, "confirm": "60s"}
SIBLINGS = {"cpu": {"siblings": [[0, 4], [1, 5], [2, 6], [3, 7]]}}


@pytest.fixture(params=[0, 3], ids=["plain", "counted"])
def lab(request: pytest.FixtureRequest) -> SimLab:
    made = SimLab(boot_s=20.0)
    sim.make(made.machines["bly"].router, tries=request.param)
    return made


def state(lab: SimLab, legs: Walk) -> looking.State:
    seen = looking.look(SimSession(legs.device, lab), f"linux-image-{NEW}")
    assert not isinstance(seen, Reason), seen
    assert isinstance(seen.loader, SystemdBoot)
    return seen


def undone(lab: SimLab, legs: Walk, boots: int) -> None:
    """As if nothing had been: kernel, default, menu, package, watch."""
    seen = state(lab, legs)
    assert (seen.release, seen.saved, seen.next, seen.custom, seen.installed) == (OLD, "", "", "", "")
    assert [e.release for e in seen.entries] == [OLD]
    assert lab.state("bly")["boots"] == boots
    assert not [path for path in lab.state("bly")["files"] if "slipway-trial" in path and "/run/" not in path]
    assert not [c for c in lab.journal if c.get("unknown")]


def test_a_kernel_is_tried_then_made_the_default_and_put_back(lab: SimLab, legs: Walk) -> None:
    outcome, held = legs.go(legs.made("kernel", PARAMS))
    assert (outcome.kind, outcome.reasons) == (OutcomeKind.DONE, ()), outcome
    assert outcome.data["boot_loader"] == "systemd-boot" and state(lab, legs).release == NEW
    lab.ok("bly", "sudo -n systemctl reboot")
    lab.wait(60)
    assert state(lab, legs).release == OLD, "the next boot is still the old kernel"
    again, held2 = legs.go(legs.made("kernel", PARAMS))
    assert again.kind is OutcomeKind.DONE, again.reasons
    default, kept = legs.go(legs.made("kernel-default", {"release": NEW}))
    assert default.kind is OutcomeKind.DONE, default.reasons
    for _ in range(4):  # more boots than a counter has tries: each was blessed
        lab.ok("bly", "sudo -n systemctl reboot")
        lab.wait(60)
        assert state(lab, legs).release == NEW
    before = lab.state("bly")["boots"]
    for step in (kept, held2, held):
        back, _ = legs.go(replace(step, progress={}), rollback=True)
        assert back.kind is OutcomeKind.DONE, back.reasons
    undone(lab, legs, before + 1)


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [("panic_on_new_kernel", "did not come up"), ("new_kernel_unreachable", "nobody could come in within the time")],
)
def test_a_kernel_that_does_not_come_up_is_gone_by_itself(lab: SimLab, legs: Walk, behaviour: str, words: str) -> None:
    lab.inject("bly", behaviour)
    outcome, held = legs.go(legs.made("kernel", PARAMS))
    assert outcome.kind is OutcomeKind.IMPOSSIBLE and words in str(outcome.reasons[0]), outcome
    assert state(lab, legs).release == OLD, "before anybody did anything"
    back, _ = legs.go(replace(held, progress={}), rollback=True)
    assert back.kind is OutcomeKind.DONE, back.reasons
    undone(lab, legs, 2)


def test_what_is_installed_is_not_the_default_before_it_was_tried(lab: SimLab, legs: Walk) -> None:
    """systemd-boot boots the newest where nobody says otherwise: a reset in the middle of the installation."""
    step, session = legs.made("kernel", PARAMS), SimSession(legs.device, lab)
    held = replace(step, artifact=Kernel().precheck(session, step).artifact)
    Kernel().apply(session, held, deadline_s=60)
    lab.wait(3)
    assert [e.release for e in state(lab, legs).entries] == [NEW, OLD]
    lab.ok("bly", "sudo -n systemctl reboot")
    lab.wait(60)
    assert state(lab, legs).release == OLD
    look = Kernel().observe(SimSession(legs.device, lab), held)
    assert look.seen is Seen.IMPOSSIBLE, "another boot than was ordered: back by rollback"


def test_a_command_line_is_tried_then_written_for_every_later_boot(lab: SimLab, legs: Walk) -> None:
    wanted = {"cmdline": "isolcpus=2 hugepages=64 -quiet"}
    outcome, held = legs.go(legs.made("kernel", {**wanted, "confirm": "60s"}, SIBLINGS))
    assert outcome.kind is OutcomeKind.DONE, outcome.reasons
    assert "isolcpus=2,6 hugepages=64 panic=" in lab.ok("bly", "cat /proc/cmdline"), "both threads of the core"
    default, kept = legs.go(legs.made("kernel-default", wanted, SIBLINGS))
    assert default.kind is OutcomeKind.DONE, default.reasons
    assert lab.ok("bly", f"cat {loaders.CMDLINE}") == "root=/dev/vda1 ro isolcpus=2,6 hugepages=64\n"
    lab.ok("bly", "sudo -n systemctl reboot")
    lab.wait(60)
    assert "slipway.trial" not in lab.ok("bly", "cat /proc/cmdline") and "hugepages" in lab.ok(
        "bly", "cat /proc/cmdline"
    )
    for step in (kept, held):
        back, _ = legs.go(replace(step, progress={}), rollback=True)
        assert back.kind is OutcomeKind.DONE, back.reasons
    assert "hugepages" not in lab.ok("bly", "cat /proc/cmdline")
    assert lab.run("bly", f"cat {loaders.CMDLINE}")[0] == 1


def test_entries_are_found_whatever_their_counter_says() -> None:
    def row(name: str, version: str) -> dict[str, Any]:
        files = {"linux": "/m/linux", "initrd": ["/m/initrd"], "options": "root=UUID=1 ro"}
        return {"type": "type1", "id": name, "path": f"/efi/loader/entries/{name}", "version": version, **files}

    rows = [row("m-6.1.0-56-amd64+2-1.conf", "6.1.0-56-amd64"), row("m-6.1.0-5.conf", "6.1.0-5"),
            row("m-6.1+deb12.conf", "6.1+deb12"), {"type": "auto", "id": "auto-windows"},
            row("slipway-trial+0-1.conf", "6.1.0-5")]  # fmt: skip
    found = loaders.listed(json.dumps(rows))
    assert found is not None
    entries, place, trial = found
    assert [e.id for e in entries] == ["m-6.1.0-56-amd64[.+]*conf", "m-6.1.0-5[.+]*conf", "m-6.1+deb12[.+]*conf"]
    assert (place, trial) == ("/efi/loader/entries", "slipway-trial+0-1.conf")
    assert entries[0].body == "linux /m/linux\ninitrd /m/initrd\n" and parse.words(entries[0].args)["root"] == "UUID=1"
    assert loaders.listed("Failed to list") is None


def test_a_variable_of_the_firmware_is_read() -> None:
    raw = b"\x07\x00\x00\x00" + "slipway-trial[.+]*conf".encode("utf-16-le") + b"\x00\x00"
    assert loaders.variable(raw.decode("utf-8", "replace")) == loaders.TRIAL_PATTERN
    assert loaders.variable("") == ""


@given(st.text(max_size=300))
def test_no_text_makes_it_raise(text: str) -> None:
    loaders.listed(text)
    loaders.listed(json.dumps([{"type": "type1", "path": text, "version": text, "linux": text, "options": text}]))
    loaders.variable(text)
