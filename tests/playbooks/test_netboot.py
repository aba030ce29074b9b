"""Diskless hosts: a target is tried once, found out, put back and kept; what DHCPv6 must say."""

import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fleet.core.model import Reason
from playbooks.base import Impossible
from playbooks.engine import OutcomeKind
from playbooks.netboot import render, targets
from playbooks.netboot.targets import BootState
from tests.playbooks.simlab import SimLab
from tests.playbooks.simsession import Walk, device

OLD, NEW = "6.1.0-55-amd64", "6.1.0-56-amd64"


class Endpoint:
    """Boot targets of one simulated host: what is armed is given to its next boot."""

    def __init__(self, lab: SimLab, *, asked: bool = True) -> None:
        self.lab, self.asked = lab, asked
        self.state = BootState("old", releases={"old": OLD, "new": NEW})

    def read(self, device: str) -> BootState | None:
        return self.state if device == "bly" else None

    def arm(self, device: str, target: str) -> Reason | None:
        if self.asked:
            self.lab.machines[device].router.next_kernel = self.state.releases[target]
        self.state = replace(self.state, once="" if self.asked else target, trial=target if self.asked else "")
        return None

    def disarm(self, device: str) -> None:
        self.lab.machines[device].router.next_kernel = self.state.releases[self.state.default]
        self.state = replace(self.state, once="", trial="")

    def keep(self, device: str, target: str) -> Reason | None:
        self.state = replace(self.state, default=target, once="", trial="")
        return None


@pytest.fixture
def lab() -> Iterator[SimLab]:
    yield SimLab(boot_s=20.0)
    targets._kept = None


def test_it_is_tried_once_kept_and_put_back(lab: SimLab) -> None:
    endpoint = Endpoint(lab)
    targets.tell(endpoint)
    legs = Walk(lab, device(lab, "bly"))
    outcome, held = legs.go(legs.made("netboot", {"target": "new"}))
    assert outcome.kind is OutcomeKind.DONE, outcome.reasons
    assert lab.ok("bly", "uname -r").strip() == NEW and lab.state("bly")["boots"] == 2
    assert endpoint.state.default == "old", "the default stays until it has soaked"
    assert render.CONFIRMED in lab.state("bly")["files"], "a watch in the image lets it be"
    kept, _ = legs.go(legs.made("netboot-default", {"target": "new"}))
    assert kept.kind is OutcomeKind.DONE and endpoint.state.default == "new"
    again, _ = legs.go(legs.made("netboot", {"target": "new"}))
    assert again.kind is OutcomeKind.DONE and not again.changed
    endpoint.state = replace(endpoint.state, default="old", trial="new")
    back, _ = legs.go(replace(held, progress={}), rollback=True)
    assert back.kind is OutcomeKind.DONE, back.reasons
    assert lab.ok("bly", "uname -r").strip() == OLD and lab.state("bly")["boots"] == 3


@pytest.mark.parametrize(("asked", "words"), [(True, "did not stay"), (False, "was never asked for")])
def test_a_boot_that_did_not_run_the_target_says_why(lab: SimLab, asked: bool, words: str) -> None:
    targets.tell(Endpoint(lab, asked=asked))
    if asked:
        lab.inject("bly", "panic_on_new_kernel")
    legs = Walk(lab, device(lab, "bly"))
    outcome, _ = legs.go(legs.made("netboot", {"target": "new"}))
    assert outcome.kind is OutcomeKind.IMPOSSIBLE and words in str(outcome.reasons[0])


def test_who_is_not_on_record_is_refused_at_planning(lab: SimLab) -> None:
    targets.tell(Endpoint(lab))
    with pytest.raises(Impossible, match="no host on record"):
        Walk(lab, device(lab, "lang")).made("netboot", {"target": "new"})
    with pytest.raises(Impossible, match="one of new, old"):
        Walk(lab, device(lab, "bly")).made("netboot", {"target": "newer"})
    targets._kept = None
    with pytest.raises(Impossible, match="nobody keeps any"):
        Walk(lab, device(lab, "bly")).made("netboot", {"target": "new"})


@pytest.mark.parametrize("reached", [True, False])
def test_the_watch_of_an_image_ends_what_nobody_reaches(tmp_path: Path, *, reached: bool) -> None:
    """Its line, run by a shell as systemd would: `$$` is `$`; sleeping and rebooting are written down."""
    line = next(row for row in render.WATCH_UNIT.splitlines() if row.startswith("ExecStart="))
    argv = shlex.split(line.removeprefix("ExecStart=").replace("$$", "$"))
    (tmp_path / "cmdline").write_text("console=ttyS0 panic=30 slipway.trial=300 quiet\n")
    script = argv[2].replace("/proc/cmdline", str(tmp_path / "cmdline")).replace("/dev/kmsg", str(tmp_path / "kmsg"))
    script = script.replace(render.CONFIRMED, str(tmp_path / "confirmed"))
    if reached:
        (tmp_path / "confirmed").touch()
    tools = "sleep() { echo sleep $1; }; systemctl() { echo systemctl $*; }; "
    done = subprocess.run([*argv[:2], tools + script], capture_output=True, text=True, check=True)
    slept, *rest = done.stdout.splitlines()
    assert slept == "sleep 300"
    assert rest == ([] if reached else ["systemctl --no-block reboot", "sleep 90", "systemctl -f -f reboot"])


GOOD = {"address": "http://[2001:db8::69]:8000", "token": "t" * 32, "prefix": "2001:db8:1::/64", "interface": "vlan1"}


def test_the_texts_name_the_endpoint_and_an_efi_rom_gets_its_own() -> None:
    texts = render.options(**GOOD, efi="tftp://[2001:db8::69]/ipxe.efi")
    assert f"option6:59,http://[2001:db8::69]:8000/boot/{'t' * 32}/start.ipxe" in texts["dnsmasq"]
    assert "dhcp-match=set:efi,option6:61,7" in texts["dnsmasq"] and "ipxe.efi" in texts["kea-dhcp6"]


@pytest.mark.parametrize(
    "wrong", [{"address": "http://x/;rm"}, {"token": "a b"}, {"prefix": "10.0.0.0/8"}, {"interface": "a;b"}]
)
def test_what_does_not_fit_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"wanted|prefix"):
        render.options(**{**GOOD, **wrong})
