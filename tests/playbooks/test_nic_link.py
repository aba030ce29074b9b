"""What a .link file of systemd can hold of a card, who decides over it, and that a boot keeps it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.core.model import StepSpec
from playbooks.base import Seen
from playbooks.facts.driver import collect
from playbooks.nic import link_file, render
from playbooks.nic.driver import Nic
from playbooks.nic.link_file import governed, held, lines_of, text
from tests.playbooks.scripted import reached, step
from tests.playbooks.simlab import SimLab
from tests.playbooks.simsession import SimSession, device

DEFAULT = """\
[Match]
OriginalName=*

[Link]
NamePolicy=keep kernel database onboard slot path
# a comment
MACAddressPolicy=persistent
"""
SAID = f"""\
driver i40e
mac 3c:fd:fe:aa:bb:01
systemd 252 (252.39-1~deb12u1)
udevd active
file /usr/lib/systemd/network/99-default.link
@ base
{DEFAULT}@ own
"""


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ("ethtool -L eth1 combined 8", {"CombinedChannels": "8"}),
        ("ethtool -G eth1 rx 4096 tx 2048", {"RxBufferSize": "4096", "TxBufferSize": "2048"}),
        ("ethtool -C eth1 rx-usecs 50", {"RxCoalesceSec": "50us"}),
        ("ethtool -C eth1 tx-frames-irq 16", {"TxMaxCoalescedIrqFrames": "16"}),
        ("ethtool -C eth1 adaptive-rx off", {"UseAdaptiveRxCoalesce": "no"}),
        ("ethtool -K eth1 gro on", {"GenericReceiveOffload": "yes"}),
        ("ethtool -C eth1 rx-usecs 0", None),
        ("ethtool -K eth1 tso off", None),
        ("ethtool -X eth1 equal 8", None),
        ("ethtool -N eth1 rx-flow-hash udp4 sdfn", None),
        ("ethtool --set-priv-flags eth1 legacy-rx on", None),
        (f"/bin/sh {render.CPUS_FILE} irq eth1 0 1", None),
    ],
)
def test_what_a_link_file_can_say(argv: str, said: dict[str, str] | None) -> None:
    assert lines_of(argv.split()) == said


def test_the_file_matches_by_address_and_repeats_what_it_takes_the_place_of() -> None:
    one = governed("eth1", SAID)
    assert (one.why, one.path) == ("", "/etc/systemd/network/10-slipway-eth1.link")
    made = text(one, [["ethtool", "-G", "eth1", "rx", "4096"], ["ethtool", "-X", "eth1", "equal", "8"]])
    assert made is not None and made.splitlines()[1:] == [
        "[Match]", "PermanentMACAddress=3c:fd:fe:aa:bb:01", "Driver=i40e", "", "[Link]",
        "NamePolicy=keep kernel database onboard slot path", "MACAddressPolicy=persistent", "RxBufferSize=4096",
    ]  # fmt: skip
    # After a boot it is our file that governs: the next change keeps what the first one set.
    ours = SAID.replace("/usr/lib/systemd/network/99-default.link", one.path)
    again = governed("eth1", f"{ours.partition('@ base')[0]}@ base\n{made}@ own\n{made}")
    assert again.text == made and text(again, [["ethtool", "-G", "eth1", "rx", "4096"]]) == made
    more = text(again, [["ethtool", "-L", "eth1", "combined", "8"]])
    assert more is not None and more.endswith("CombinedChannels=8\nRxBufferSize=4096\n")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (SAID.replace("99-default.link", "70-uplink.link"), "70-uplink.link is in force"),
        (SAID.replace("@ base", "dropins /etc/systemd/network/99-default.link.d\n@ base"), "drop-ins"),
        (SAID.replace("systemd 252", "systemd 247"), "older than 250"),
        (SAID.replace("udevd active", "udevd inactive"), "does not run"),
        (SAID.replace("3c:fd:fe:aa:bb:01", "00:00:00:00:00:00"), "no permanent address"),
        (SAID.replace("file /usr/lib/systemd/network/99-default.link\n", ""), "no .link file that is known"),
    ],
)
def test_where_it_must_be_the_unit_it_says_why(said: str, why: str) -> None:
    one = governed("eth1", said)
    assert why in one.why and text(one, [["ethtool", "-L", "eth1", "combined", "8"]]) is None
    assert not held(one, ["ethtool", "-L", "eth1", "combined", "8"])


@given(st.text(max_size=300))
def test_no_answer_makes_it_raise(said: str) -> None:
    governed("eth1", said)
    governed("eth1", SAID + said)


WANTED = {"interface": "eth1", "queues": 2, "rings_rx": 1024, "udp": "sd"}
FILE = f"{link_file.FOLDER}/10-slipway-eth1.link"


def test_a_boot_keeps_what_the_link_file_holds_and_the_unit_holds_the_rest() -> None:
    lab = SimLab()
    at = SimSession(device(lab, "bly"), lab)
    planned = Nic().plan(StepSpec("nic", WANTED), at.device, collect(at))
    assert any("10-slipway-INTERFACE.link: CombinedChannels, RxBufferSize" in c for c in planned.commands)
    wanted = replace(step("nic", WANTED), device=at.device)
    held_now = replace(wanted, artifact=Nic().precheck(at, wanted).artifact)
    Nic().apply(at, held_now, deadline_s=30)
    look = Nic().observe(at, reached(held_now))
    assert look.seen is Seen.DONE, look.reasons
    files = lab.net.routers["bly"].files
    assert "CombinedChannels=2\nRxBufferSize=1024\n" in files[FILE]
    assert "rx-flow-hash udp4 sd" in files[render.FILE] and "-L eth1" not in files[render.FILE]
    at.run(["reboot"], root=True)
    lab.wait(60.0)
    look = Nic().observe(SimSession(device(lab, "bly"), lab), reached(held_now))
    assert look.seen is Seen.DONE, look.reasons
    assert lab.net.routers["bly"].nics["eth1"].channels["combined"] == 2
    Nic().rollback(at, held_now, deadline_s=30)
    assert FILE not in files and render.FILE not in files
    back = Nic().observe_rollback(at, held_now)
    assert back.seen is Seen.DONE, back.reasons


def test_queues_alone_need_no_unit() -> None:
    lab = SimLab()
    at = SimSession(device(lab, "bly"), lab)
    wanted = replace(step("nic", {"interface": "eth1", "queues": 2}), device=at.device)
    held_now = replace(wanted, artifact=Nic().precheck(at, wanted).artifact)
    Nic().apply(at, held_now, deadline_s=30)
    assert Nic().observe(at, reached(held_now)).seen is Seen.DONE
    assert FILE in lab.net.routers["bly"].files and render.FILE not in lab.net.routers["bly"].files
    assert Nic().precheck(at, wanted).seen is Seen.ALREADY


def test_a_mitigation_stands_in_the_unit_with_its_reason() -> None:
    lab = SimLab()
    at = SimSession(device(lab, "bly"), lab)
    params = {"interface": "eth1", "queues": 2, "because": "crash", "until": "2027-01-31"}
    wanted = replace(step("nic", params), device=at.device)
    held_now = replace(wanted, artifact=Nic().precheck(at, wanted).artifact)
    Nic().apply(at, held_now, deadline_s=30)
    files = lab.net.routers["bly"].files
    assert FILE not in files and "# Mitigation of eth1 until 2027-01-31: crash" in files[render.FILE]
