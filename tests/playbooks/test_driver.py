"""The driver of cards: from in-tree to a vendor's and back, on simulated routers; reading; what stands in its way."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fleet.core.model import Json
from playbooks.base import Seen
from playbooks.driver import parse
from playbooks.driver.driver import Driver
from playbooks.driver.params import DriverParams
from playbooks.engine import OutcomeKind
from tests.playbooks.simlab import SimLab
from tests.playbooks.simsession import SimSession, Walk, device

VENDOR = {"name": "i40e", "flavour": "vendor", "version": "2.13.10", "package": "intel-i40e-dkms=2.13.10-1"}


@pytest.fixture
def lab() -> SimLab:
    return SimLab(boot_s=20.0)


def walk(lab: SimLab, name: str = "bly") -> Walk:
    return Walk(lab, device(lab, name))


def runs(lab: SimLab, name: str = "bly") -> str:
    return lab.ok(name, "ethtool -i eth1").splitlines()[1].removeprefix("version: ")


def test_a_vendors_driver_is_installed_loaded_by_a_reboot_confirmed_and_put_back(lab: SimLab) -> None:
    legs = walk(lab)
    outcome, held = legs.go(legs.made("driver", VENDOR))
    assert (outcome.kind, outcome.reasons) == (OutcomeKind.DONE, ()), outcome
    assert runs(lab) == "2.13.10" and outcome.data["initramfs"] == "vendor" and outcome.data["activated"] == "reboot"
    state = lab.state("bly")
    assert state["boots"] == 2 and not state["timers"], "one reboot, and nothing is armed any more"
    assert not [unit for unit in state["enabled"] if "confirm" in unit]
    again, _ = legs.go(legs.made("driver", VENDOR))
    assert again.kind is OutcomeKind.DONE and not again.changed

    back, _ = legs.go(replace(held, progress={}), rollback=True)
    assert back.kind is OutcomeKind.DONE, back.reasons
    assert runs(lab) == "6.1.0-55-amd64" and back.data["initramfs"] == "in-tree"
    assert lab.state("bly")["boots"] == 3
    assert not [c for c in lab.journal if c.get("unknown")]


def test_a_device_that_is_not_reached_after_its_boot_puts_itself_back(lab: SimLab) -> None:
    legs = walk(lab)
    step = legs.made("driver", {**VENDOR, "confirm": "60s", "within": "10m"})
    seen = Driver().precheck(SimSession(legs.device, lab), step)
    held = replace(step, artifact=seen.artifact)
    session = SimSession(legs.device, lab)
    Driver().apply(session, held, deadline_s=60)
    lab.wait(2)
    look = Driver().observe(session, held)
    assert look.seen is Seen.WAITING
    lab.wait(30)
    assert runs(lab) == "2.13.10", "it has booted with the new driver; nobody confirms"
    lab.wait(120)
    assert runs(lab) == "6.1.0-55-amd64" and lab.state("bly")["boots"] == 3
    said = Driver().observe(session, replace(held, progress=look.data))
    assert said.seen is Seen.IMPOSSIBLE and "put itself back" in said.reasons[0].found
    assert Driver().observe_rollback(session, held).seen is Seen.DONE


@pytest.mark.parametrize(
    ("tool", "words"), [("build", "Bad return status for module build"), ("initramfs", "No space")]
)
def test_a_build_that_fails_is_told_and_put_back_without_a_reboot(lab: SimLab, tool: str, words: str) -> None:
    lab.inject("bly", "tool_fails", match=tool)
    legs = walk(lab)
    outcome, held = legs.go(legs.made("driver", {"name": "i40e", "flavour": "vendor", "version": "2.13.10",
                                                 "package": "intel-i40e-dkms=2.13.10-1"}))  # fmt: skip
    assert outcome.kind is OutcomeKind.IMPOSSIBLE and words in str(outcome.reasons[0])
    back, _ = legs.go(replace(held, progress={}), rollback=True)
    assert back.kind is OutcomeKind.DONE, back.reasons
    assert lab.state("bly")["boots"] == 1 and runs(lab) == "6.1.0-55-amd64"


def test_options_and_blacklist_stand_in_a_file_of_their_own_and_in_the_initramfs(lab: SimLab) -> None:
    legs = walk(lab)
    params = {"name": "i40e", "flavour": "in-tree", "options": {"debug": "1"}, "blacklist": ["iavf"]}
    outcome, held = legs.go(legs.made("driver", params))
    assert outcome.kind is OutcomeKind.DONE, outcome.reasons
    text = lab.ok("bly", "cat /etc/modprobe.d/slipway-i40e.conf")
    assert text == "# Written by Slipway.\nblacklist iavf\noptions i40e debug=1\n"
    assert lab.state("bly")["boots"] == 2, "options are read when the module is loaded"
    back, _ = legs.go(replace(held, progress={}), rollback=True)
    assert back.kind is OutcomeKind.DONE and lab.run("bly", "cat /etc/modprobe.d/slipway-i40e.conf")[0] == 1


def test_another_file_than_the_approved_one_is_not_installed(lab: SimLab) -> None:
    lab.ok("bly", "sudo -n touch /var/tmp/i40e-2.13.10.dkms.tar.gz")
    legs = walk(lab)
    tarball = {"tarball": "/var/tmp/i40e-2.13.10.dkms.tar.gz", "sha256": "ab" * 32}
    outcome, _ = legs.go(legs.made("driver", {"name": "i40e", "flavour": "vendor", "version": "2.13.10", **tarball}))
    assert outcome.kind is OutcomeKind.ERROR and "SHA-256 abab" in str(outcome.reasons[0])
    assert not any(c.get("mutated") for c in lab.journal if (c.get("argv") or [""])[0] in {"apt-get", "dkms"})


def test_wrong_parameters_are_refused() -> None:
    for wrong in ({"flavour": "vendor"}, {"flavour": "in-tree", "version": "1"}, {"flavour": "vendor", "version": "1",
                  "tarball": "/x"}, {"flavour": "in-tree", "options": {"a": "b c"}}):  # fmt: skip
        with pytest.raises(ValidationError):
            DriverParams.model_validate({"name": "i40e", **wrong})


LINKS: list[dict[str, Json]] = [
    {"ifname": "lo", "link_type": "loopback", "addr_info": [{"local": "192.0.2.9"}]},
    {"ifname": "eth0", "addr_info": [{"local": "192.0.2.1"}]},
    {"ifname": "eth1", "addr_info": [{"local": "198.51.100.1"}]},
    {"ifname": "eth2", "addr_info": []},
    {"ifname": "eth2.7", "link": "eth2", "addr_info": [{"local": "203.0.113.1"}]},
]
DRIVERS = {"eth0": "igb", "eth1": "i40e", "eth2": "ice", "eth2.7": "802.1Q VLAN Support"}


@pytest.mark.parametrize(
    ("address", "module", "why"),
    [
        ("192.0.2.1", "i40e", ""),
        ("198.51.100.1", "i40e", "the way in goes over eth1"),
        ("203.0.113.1", "ice", "the way in goes over eth2"),
        ("192.0.2.1", "ice", "eth2.7 hangs on eth2"),
        ("192.0.2.9", "i40e", "cannot be told"),
        ("", "i40e", "cannot be told"),
        ("192.0.2.1", "mlx5_core", "no interface of mlx5_core"),
    ],
)
def test_a_driver_is_loaded_anew_only_where_the_way_in_does_not_hang_on_it(address: str, module: str, why: str) -> None:
    said = parse.why_no_reload(address, LINKS, DRIVERS, module)
    assert (why in said) if why else said == ""


def test_dkms_and_modinfo_are_read_as_written_by_old_and_new_versions() -> None:
    text = (
        "i40e/2.25.9, 6.1.0-28-amd64, x86_64: installed (original_module exists)\n"
        "i40e, 2.13.10, 5.4.86-amd64-vyos, x86_64: installed\ni40e/2.12.6: added\nice/1.9.11: added\n"
    )
    assert parse.dkms(text, "i40e") == {
        "2.25.9": {"6.1.0-28-amd64"}, "2.13.10": {"5.4.86-amd64-vyos"}, "2.12.6": frozenset(),
    }  # fmt: skip
    said = "filename:       /lib/modules/6.1/updates/dkms/i40e.ko\nversion:        2.13.10\nsrcversion: AB\n"
    copy = parse.modinfo(said)
    assert copy is not None and (copy.flavour, copy.version, copy.srcversion) == ("vendor", "2.13.10", "AB")


@given(st.text(max_size=400))
def test_no_answer_makes_the_parsers_raise(text: str) -> None:
    parse.modinfo(text), parse.dkms(text, "i40e"), parse.in_initramfs(text, "i40e"), parse.rows(text)
    parse.loaded(text, text, text, None)
