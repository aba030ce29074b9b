"""Images of VyOS on simulated routers: tried once, made the default, and every way back; what is written for them."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fleet.core.model import Reason
from lab.sim import vyos as sim
from playbooks.base import Look, Refused, Seen
from playbooks.detached import Job
from playbooks.engine import OutcomeKind
from playbooks.vyos import look as looking
from playbooks.vyos import render
from playbooks.vyos.default import VyosDefault
from playbooks.vyos.driver import VyosImage
from playbooks.vyos.params import ImageParams
from tests.playbooks.simlab import FRR_DRAIN, SAVE, SimLab
from tests.playbooks.simsession import SimSession, Walk, device

OLD, NEW = "1.4.0", "1.4.1"
SOURCE = f"https://images.example.net/vyos-{NEW}-amd64.iso"
DIGEST = hashlib.sha256(sim.iso_text(SOURCE).encode()).hexdigest()
PARAMS: Mapping[str, Any] = {"image": NEW, "source": SOURCE, "sha256": DIGEST, "confirm": "60s"}


@pytest.fixture
def lab() -> SimLab:
    made = SimLab(boot_s=20.0)
    sim.make(made.machines["bly"].router, OLD)
    return made


def state(lab: SimLab, legs: Walk) -> looking.State:
    seen = looking.look(SimSession(legs.device, lab), NEW)
    assert not isinstance(seen, Reason), seen
    return seen


def undone(lab: SimLab, legs: Walk, boots: int) -> None:
    """As if nothing had been: image, default, menu, units, the image itself."""
    seen = state(lab, legs)
    assert (seen.images.available, seen.images.default, seen.images.running) == ((OLD,), OLD, OLD)
    assert (seen.once, seen.menu, seen.entry) == ("", "", "")
    files = lab.state("bly")["files"]
    assert not [path for path in files if "slipway-trial" in path or "slipway-hold" in path], files
    assert lab.state("bly")["boots"] == boots and not lab.state("bly")["enabled"]
    assert not [c for c in lab.journal if c.get("unknown")]


def test_an_image_is_tried_then_made_the_default_and_put_back(lab: SimLab, legs: Walk) -> None:
    outcome, held = legs.go(legs.made("vyos-image", PARAMS))
    assert (outcome.kind, outcome.reasons) == (OutcomeKind.DONE, ()), outcome
    seen = state(lab, legs)
    assert (seen.images.running, seen.images.default) == (NEW, OLD), "the next boot is still the old image"
    assert not lab.state("bly")["timers"], "reached: the watch is off"
    again, _ = legs.go(legs.made("vyos-image", PARAMS))
    assert again.kind is OutcomeKind.DONE and not again.changed

    default, kept = legs.go(legs.made("vyos-default", {"image": NEW}))
    assert default.kind is OutcomeKind.DONE, default.reasons
    assert state(lab, legs).images.default == NEW and OLD in state(lab, legs).images.available, "the old one is kept"
    lab.ok("bly", "sudo -n systemctl reboot")
    lab.wait(60)
    assert state(lab, legs).images.running == NEW
    for step in (kept, held):
        back, _ = legs.go(replace(step, progress={}), rollback=True)
        assert back.kind is OutcomeKind.DONE, back.reasons
    undone(lab, legs, 4)


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [("panic_on_new_kernel", "did not come up"), ("new_kernel_unreachable", "nobody could come in within the time")],
)
def test_an_image_that_does_not_come_up_is_gone_by_itself(lab: SimLab, legs: Walk, behaviour: str, words: str) -> None:
    lab.inject("bly", behaviour)
    outcome, held = legs.go(legs.made("vyos-image", PARAMS))
    assert outcome.kind is OutcomeKind.IMPOSSIBLE and words in str(outcome.reasons[0]), outcome
    assert state(lab, legs).images.running == OLD, "before anybody did anything"
    back, _ = legs.go(replace(held, progress={}), rollback=True)
    assert back.kind is OutcomeKind.DONE, back.reasons
    undone(lab, legs, 2)


def test_a_drained_router_stays_drained_in_both_images(lab: SimLab, legs: Walk) -> None:
    """VyOS renders FRR's configuration anew at every boot: what drains it is held by Slipway, image by image."""
    lab.ok("bly", FRR_DRAIN)
    lab.ok("bly", SAVE)
    lab.inject("bly", "panic_on_new_kernel")
    outcome, held = legs.go(legs.made("vyos-image", PARAMS))
    assert outcome.kind is OutcomeKind.IMPOSSIBLE
    assert all(lab.state("bly")["drained"].values()), "gone back by itself, and still drained"
    lab.machines["bly"].router.behaviours.clear()
    back, _ = legs.go(replace(held, progress={}), rollback=True)
    assert back.kind is OutcomeKind.DONE and all(lab.state("bly")["drained"].values())
    lab.ok("bly", "sudo -n systemctl reboot")
    lab.wait(60)
    assert not any(lab.state("bly")["drained"].values()), "held once, not for ever"
    lab.ok("bly", FRR_DRAIN)
    outcome, _ = legs.go(legs.made("vyos-image", PARAMS))
    assert outcome.kind is OutcomeKind.DONE and all(lab.state("bly")["drained"].values())


def test_every_step_may_be_asked_before_the_first_one_acts(lab: SimLab, legs: Walk) -> None:
    step, session = legs.made("vyos-default", {"image": NEW}), SimSession(legs.device, lab)
    look = VyosDefault().precheck(session, step)
    assert look.seen is Seen.READY, look.reasons
    with pytest.raises(Refused, match="which was verified"):
        VyosDefault().apply(session, replace(step, artifact=look.artifact), deadline_s=60)


def test_a_trial_that_nobody_confirms_goes_back_by_itself(lab: SimLab, legs: Walk) -> None:
    step, session = legs.made("vyos-image", PARAMS), SimSession(legs.device, lab)
    held = replace(step, artifact=VyosImage().precheck(session, step).artifact)
    VyosImage().apply(session, held, deadline_s=60)
    lab.wait(3)
    look = VyosImage().observe(session, held)
    assert look.seen is Seen.WAITING and "rebooted_at_s" in look.data, look
    lab.wait(40)
    assert state(lab, legs).images.running == NEW, "it has booted; Slipway is gone"
    lab.wait(120)
    assert state(lab, legs).images.running == OLD
    said = VyosImage().observe(session, replace(held, progress=look.data))
    assert said.seen is Seen.IMPOSSIBLE and "nobody could come in" in said.reasons[0].found


def test_what_is_wrong_with_an_image_is_told_before_anything_boots(lab: SimLab, legs: Walk) -> None:
    def ended(**other: Any) -> str:
        outcome, held = legs.go(legs.made("vyos-image", {**PARAMS, **other}))
        assert outcome.kind is OutcomeKind.IMPOSSIBLE, outcome
        if held.artifact is not None:
            back, _ = legs.go(replace(held, progress={}), rollback=True)
            assert back.kind is OutcomeKind.DONE, back.reasons
        undone(lab, legs, 1)
        return str(outcome.reasons[0])

    assert "exit status 1" in ended(sha256="0" * 64), "the digest is of another file"
    assert "holds another version" in ended(image="1.5.0"), "an ISO of another version than was approved"
    assert "Signature verification failed" in ended(signature="https://e.example/bad.minisig", key="/config/k.pub")
    assert "it, or source and sha256" in ended(source="", sha256="")
    lab.inject("bly", "tool_fails", match="image")
    assert "No space left" in ended()


def test_a_device_that_cannot_fall_back_is_refused_by_name(lab: SimLab, legs: Walk) -> None:
    def said(session: SimSession) -> Look:
        return VyosImage().precheck(session, legs.made("vyos-image", PARAMS))

    other = Walk(lab, device(lab, "dekker"))
    look = said(SimSession(other.device, lab))
    assert look.seen is Seen.IMPOSSIBLE and "VyOS 1.4" in look.reasons[0].remedy
    lab.machines["bly"].router.files["/boot/grub/grub.cfg"] = "menuentry 'VyOS 1.3' { }\n"
    look = said(SimSession(legs.device, lab))
    assert look.seen is Seen.IMPOSSIBLE and "not of VyOS's image tools" in look.reasons[0].found


def test_the_menu_forgets_the_trial_before_it_boots_it() -> None:
    text = render.menu(sim.entry(NEW), NEW, token="ab12", panic_s=30)
    assert text is not None
    assert (
        f'linux "/boot/{NEW}/vmlinuz" ${{boot_opts}} panic=30 oops=panic softlockup_panic=1 slipway.trial=ab12' in text
    )
    once = text[text.index("if [") :].split("\n")
    assert once[1:4] == ['    set default="${slipway_once}"', "    set slipway_once=", "    save_env slipway_once"]
    assert render.menu("menuentry broken", NEW, token="ab12", panic_s=30) is None


def test_what_drains_a_router_is_found_section_by_section() -> None:
    running = (
        "router bgp 65000\n neighbor 192.0.2.1 remote-as 65001\n neighbor 192.0.2.1 shutdown\n bgp graceful-shutdown\n"
        " address-family ipv4 unicast\n  network 192.0.2.0/24\n  neighbor 192.0.2.1 weight 60000\n"
        " exit-address-family\nexit\n!\n"
        "interface eth1\n ipv6 ospf6 cost 65535\nexit\ninterface eth2\n ipv6 ospf6 cost 10\nexit\n"
    )
    assert render.drained(running) == (
        "router bgp 65000", "neighbor 192.0.2.1 shutdown", "bgp graceful-shutdown", "exit",
        "router bgp 65000", "address-family ipv4 unicast", "neighbor 192.0.2.1 weight 60000", "exit", "exit",
        "interface eth1", "ipv6 ospf6 cost 65535", "exit", "interface eth2", "ipv6 ospf6 cost 10", "exit",
    )  # fmt: skip
    assert render.hold("router bgp 65000\n neighbor 192.0.2.1 remote-as 65001\n") == ""
    assert "-c 'configure terminal' -c 'router bgp 65000'" in render.hold(running)


def test_the_iso_is_checked_before_it_is_added_and_the_old_image_is_the_default_again() -> None:
    params = ImageParams.model_validate({**PARAMS, "signature": SOURCE + ".minisig", "key": "/config/k.pub"})
    names = [argv[0].rpartition("/")[2] for argv in render.install(params, Job("vyos", "t"), OLD)]
    assert names == ["curl", "sha256sum", "curl", "minisign", "image_installer.py", "image_manager.py", "sync", "rm"]
    local = ImageParams.model_validate({"image": NEW, "source": "/config/x.iso", "sha256": DIGEST})
    assert next(iter(render.install(local, Job("vyos", "t"), OLD)))[0] == "sha256sum"


@pytest.mark.parametrize(
    "wrong",
    [
        {"image": "../1.4"}, {"image": NEW, "source": SOURCE}, {"image": NEW, "signature": SOURCE},
        {"image": NEW, "source": "file:///etc", "sha256": DIGEST}, {"image": NEW, "confirm": "5s"},
    ],
)  # fmt: skip
def test_parameters_that_make_no_sense_are_refused(wrong: Mapping[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ImageParams.model_validate(wrong)


@given(st.text(max_size=300), st.text(max_size=300))
def test_no_text_of_a_device_makes_it_raise(one: str, other: str) -> None:
    render.drained(f"router bgp 1\n {one}\n{other}")
    render.menu(f"menuentry '{one}' {{\n{other}\n}}\n", NEW, token="t", panic_s=1)
