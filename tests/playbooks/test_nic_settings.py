"""Cards whole: table, hashed fields, CPUs, offloads, flags: set, kept over a reboot, read back, put back."""

import datetime
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fleet.core.model import StepSpec
from playbooks import ethtool_texts
from playbooks.base import Impossible, Seen
from playbooks.facts.driver import collect
from playbooks.nic import render
from playbooks.nic.driver import Nic, NicParams
from playbooks.nic.settings import CPUS_FILE, State, near_cpus, refusals, settings
from tests.playbooks import boot_order
from tests.playbooks.scripted import reached, step
from tests.playbooks.simlab import SimLab
from tests.playbooks.simsession import SimSession, device

WHOLE = {"interface": "eth1", "queues": 2, "spread": True, "udp": "sd", "interrupts": "2-3"}


def session(lab: SimLab) -> SimSession:
    return SimSession(device(lab, "bly"), lab)


def carried_out(at: SimSession, params: dict[str, object]) -> tuple[Nic, object]:
    driver = Nic()
    wanted = replace(step("nic", params), device=at.device)
    look = driver.precheck(at, wanted)
    assert look.seen is Seen.READY, look.reasons
    held = replace(wanted, artifact=look.artifact)
    driver.apply(at, held, deadline_s=30)
    return driver, held


def test_everything_is_set_read_back_and_put_back_on_the_simulated_network() -> None:
    lab = SimLab()
    at = session(lab)
    driver, held = carried_out(at, WHOLE)
    assert driver.observe(at, reached(held)).seen is Seen.DONE
    assert driver.precheck(at, replace(held, artifact=None)).seen is Seen.ALREADY
    nic = lab.net.routers["bly"].nics["eth1"]
    assert nic.channels["combined"] == 2
    assert nic.custom == {"equal": "2", "hash udp4": "sd", "hash udp6": "sd", "cpus": "2 3"}
    assert driver.observe_rollback(at, held).seen is Seen.NOT_DONE
    driver.rollback(at, held, deadline_s=30)
    back = driver.observe_rollback(at, held)
    assert back.seen is Seen.DONE, back.reasons
    assert nic.custom["hash udp4"] == "sdfn"
    assert render.FILE not in lab.net.routers["bly"].files


def test_settings_survive_a_reboot() -> None:
    lab = SimLab()
    at = session(lab)
    driver, held = carried_out(at, WHOLE)
    at.run(["reboot"], root=True)
    lab.wait(60.0)
    assert lab.state("bly")["reachable"]
    look = driver.observe(session(lab), reached(held))
    assert look.seen is Seen.DONE, look.reasons


def test_a_plan_names_each_setting_from_the_facts() -> None:
    lab = SimLab()
    at = session(lab)
    facts = collect(at)
    planned = Nic().plan(StepSpec("nic", {**WHOLE, "irqbalance": False}), at.device, facts)
    assert "eth1, udp4 hashed by: sdfn -> sd" in planned.diff
    assert "irqbalance: stopped and disabled" in planned.diff
    assert "ethtool -X eth1 equal 2" in planned.commands
    default, queues = (planned.commands.index(c) for c in ("ethtool -X eth1 default", "ethtool -L eth1 combined 2"))
    assert default < queues < planned.commands.index("ethtool -X eth1 equal 2")


def test_a_setting_that_a_card_does_not_have_is_impossible_and_named() -> None:
    lab = SimLab()
    at = session(lab)
    with pytest.raises(Impossible, match="private flag nothing-like-it"):
        Nic().plan(
            StepSpec("nic", {"interface": "eth1", "priv_flags": {"nothing-like-it": True}}), at.device, collect(at)
        )


X710 = State(
    driver="i40e", rss={"indirection": [n % 8 for n in range(512)], "key": "6d:" * 51 + "5a"},
    fields={"udp4": "sd"}, coalesce={"rx-usecs": 50, "adaptive-rx": True}, offloads={"gro": True, "lro": False},
    fixed=frozenset({"lro"}), flags={"legacy-rx": False}, vectors={0: "0-7", 1: "0-7"}, rps={"rx-0": [], "rx-1": []},
)  # fmt: skip


def test_order_commands_and_ways_back() -> None:
    params = NicParams.model_validate(
        {
            "interface": "eth0", "spread": True, "flow_hash": {"udp4": "sdfn"}, "coalesce": {"rx-usecs": 20},
            "offloads": {"gro": False}, "priv_flags": {"legacy-rx": True}, "rps": "0-39", "interrupts": "2-3",
        }
    )  # fmt: skip
    listed = settings("eth0", X710, params, queues=2)
    assert [" ".join(s.argv) for s in listed] == [
        "ethtool -X eth0 equal 2",
        "ethtool -N eth0 rx-flow-hash udp4 sdfn",
        "ethtool -C eth0 rx-usecs 20",
        "ethtool -K eth0 gro off",
        "ethtool --set-priv-flags eth0 legacy-rx on",
        f"/bin/sh {CPUS_FILE} irq eth0 2 3",
        f"/bin/sh {CPUS_FILE} rps eth0 ff,ffffffff",
    ]
    assert [" ".join(s.back) for s in listed][:2] == ["ethtool -X eth0 equal 8", "ethtool -N eth0 rx-flow-hash udp4 sd"]
    assert listed[-2].back[-2:] == ("0-7", "0-7")
    assert all(s.differs for s in listed)


def test_rss_of_an_82599_is_spread_over_16_queues_however_many_there_are() -> None:
    """Domain notes 5: IXGBE_MAX_RSS_INDICES."""
    state = replace(X710, driver="ixgbe")
    listed = settings("eth0", state, NicParams(interface="eth0", spread=True), queues=40)
    assert listed[0].argv[-2:] == ("equal", "16")


def test_weights_that_somebody_set_are_put_back() -> None:
    state = replace(X710, rss={"indirection": [0] * 96 + [1] * 32, "key": None})
    listed = settings("eth0", state, NicParams(interface="eth0", spread=True), queues=2)
    assert listed[0].back[-3:] == ("weight", "96", "32")


def test_what_is_fixed_is_refused() -> None:
    listed = settings("eth0", X710, NicParams(interface="eth0", offloads={"lro": True}), queues=8)
    assert listed[0].found is None


def test_a_mitigation_says_why_and_until_when_and_it_stands_in_the_unit() -> None:
    """S0-22: a feature off that avoids a crash is tracked as such."""
    with pytest.raises(ValidationError, match="because and until"):
        NicParams.model_validate({"offloads": {"gro": False}, "until": "2027-01-31"})
    params = NicParams.model_validate({"offloads": {"gro": False}, "until": "2027-01-31", "because": "crash of 31 Dec"})
    assert params.until == datetime.date(2027, 1, 31)
    argv = ["ethtool", "-K", "eth1", "gro", "off"]
    text = render.unit_text("", {(5, "eth1", "gro"): argv}, note="until 2027-01-31: crash\nExecStart=-/bin/evil")
    assert text is not None and "# Mitigation of eth1 until 2027-01-31: crash ExecStart=-/bin/evil\n" in text
    again = render.unit_text(text, {(0, "eth2", ""): ["ethtool", "-L", "eth2", "combined", "2"]})
    assert again is not None and "# Mitigation of eth1" in again
    assert "ExecStart=-/usr/sbin/ethtool -K eth1 gro off" in again


def test_flags_with_blanks_are_quoted_in_the_unit_and_kept() -> None:
    argv = ["ethtool", "--set-priv-flags", "eth1", "True promiscuous mode", "on"]
    text = render.unit_text("", {(6, "eth1", argv[3]): argv})
    assert text is not None and 'eth1 "True promiscuous mode" on' in text
    assert render.unit_text(text, {}) == text


def test_the_unit_closes_no_circle_in_which_systemd_would_leave_a_routing_daemon_out() -> None:
    text = render.unit_text("", {(5, "eth1", "gro"): ["ethtool", "-K", "eth1", "gro", "off"]})
    assert text is not None
    turn = boot_order.turn(boot_order.DEBIAN, {render.UNIT: text})  # raises CycleError
    assert turn.index("networking.service") < turn.index(render.UNIT) < turn.index("frr.service")
    assert turn.index(render.UNIT) < turn.index("bird.service")


@pytest.mark.parametrize(
    "wrong",
    [
        {}, {"flow_hash": {"udp9": "sd"}}, {"flow_hash": {"udp4": "sdd"}}, {"coalesce": {"; reboot": 1}},
        {"interrupts": "a-b"}, {"rss_key": "6d:5a"}, {"priv_flags": {"x\ny": True}}, {"udp": "sx"},
    ],
)  # fmt: skip
def test_wrong_parameters_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        NicParams.model_validate(wrong)


def test_an_empty_input_asks_for_nothing() -> None:
    params = NicParams.model_validate({"queues": 4, "interrupts": "", "udp": ""})
    assert not params.has_settings


@given(st.text(max_size=300))
def test_no_unit_on_the_device_makes_it_raise(text: str) -> None:
    render.unit_text(f"ExecStart=-/usr/sbin/ethtool {text}\nExecStart=-/bin/sh {CPUS_FILE} {text}\n", {})


def told(**more: str) -> ethtool_texts.Section:
    """A machine of two sockets, four cores each with two threads; the card hangs on the second."""
    fields = {"local": "4-7,12-15", "online": "0-15", "isolated": "5,13"} | more
    rows = [f"siblings {n % 8},{n % 8 + 8}" for n in range(16)]
    text = "\n".join([*(f"{k} {v}" for k, v in fields.items()), *rows])
    return ethtool_texts.section(text)


@pytest.mark.parametrize(
    ("machine", "near"),
    [
        (told(), (4, 6, 7, 12, 14, 15)),  # its node, no isolated one, second threads last
        (told(isolated=""), (4, 5, 6, 7, 12, 13, 14, 15)),
        (told(local=""), (0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 14, 15)),  # no node: all that are not isolated
        (told(isolated="4-7,12-15"), (0, 1, 2, 3, 8, 9, 10, 11)),  # the whole node is isolated
        (told(isolated="4,5", local="4-7"), (6, 7)),
        (told(isolated="4,5"), (6, 7, 12, 13, 14, 15)),
        (told(online=""), None),
        (ethtool_texts.section("local 0-3\nonline 0-3\n"), None),  # nobody says what is isolated
    ],
)
def test_interrupts_belong_on_the_node_of_the_card_and_on_no_isolated_cpu(
    machine: ethtool_texts.Section, near: tuple[int, ...] | None
) -> None:
    assert near_cpus(machine) == near


def test_local_interrupts_are_planned_in_words_and_set_as_the_device_says() -> None:
    lab = SimLab()
    at = session(lab)
    wanted = {"interface": "eth1", "interrupts": "local"}
    planned = Nic().plan(StepSpec("nic", wanted), at.device, collect(at))
    assert "those of its NUMA node that are not isolated" in planned.diff
    driver, held = carried_out(at, wanted)
    assert driver.observe(at, reached(held)).seen is Seen.DONE
    assert lab.net.routers["bly"].nics["eth1"].custom["cpus"] == "0 1 2 3 4 5 6 7"
    unit = lab.net.routers["bly"].files[render.FILE]
    assert "irq eth1 0 1 2 3" in unit and "local" not in unit


def test_a_card_that_does_not_tell_its_node_is_refused_by_name() -> None:
    made = tuple(settings("eth1", State(vectors={0: "0-7"}), NicParams(interface="eth1", interrupts="local"), queues=1))
    assert "NUMA node" in str(refusals("eth1", made)[0])
