"""The virtual routers as a pure model: no network, no processes, a clock set by hand."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from lab.sim import birdconfig, frrconfig, script
from lab.sim.topology import pods, ring
from playbooks import wire
from tests.playbooks.simlab import FRR_DRAIN, FRR_UNDRAIN, REBOOT, SAVE, SimLab

RECORDINGS = Path(__file__).parent / "recordings" / "sim-frr-8.4.4"


def test_a_drained_router_forwards_almost_nothing_and_an_undrained_one_again() -> None:
    lab = SimLab()
    lab.ok("bly", FRR_DRAIN)
    lab.wait(0.5)
    assert lab.state("bly")["pps"]["ipv4"] > 1000, "the neighbours have not followed yet"
    lab.wait(0.5)
    assert lab.state("bly")["pps"] == {"ipv4": 3.0, "ipv6": 3.0}
    lab.ok("bly", FRR_UNDRAIN)
    lab.wait(1)
    assert lab.state("bly")["pps"]["ipv6"] > 1000
    assert lab.state("bly")["lost"] == {"ipv4": 0, "ipv6": 0}


def test_ospfv3_that_was_forgotten_keeps_the_ipv6_traffic() -> None:
    lab = SimLab()
    lab.ok("bly", "vtysh -c 'conf t' -c 'router bgp 65000' -c 'bgp graceful-shutdown' -c end")
    lab.ok("bly", "vtysh -c 'conf t' -c 'router ospf' -c 'max-metric router-lsa administrative' -c end")
    lab.wait(2)
    pps = lab.state("bly")["pps"]
    assert pps["ipv4"] < 10 < 500 < pps["ipv6"]


def test_one_interface_with_the_high_cost_is_no_drain_of_ospfv3() -> None:
    lab = SimLab()
    lab.ok("bly", "vtysh -c 'conf t' -c 'interface eth1' -c 'ipv6 ospf6 cost 65535' -c end")
    assert not lab.state("bly")["drained"]["igp6"]
    lab.ok("bly", "vtysh -c 'conf t' -c 'interface eth2' -c 'ipv6 ospf6 cost 65535' -c end")
    assert lab.state("bly")["drained"]["igp6"]


@pytest.mark.parametrize(("drained", "loses"), [(True, False), (False, True)])
def test_a_reboot_loses_packets_only_where_traffic_was_attracted(*, drained: bool, loses: bool) -> None:
    lab = SimLab()
    if drained:
        lab.ok("bly", FRR_DRAIN)
        lab.ok("bly", SAVE)
        lab.wait(2)
    before = lab.state("bly")["boot_id"]
    lab.ok("bly", REBOOT)
    lab.wait(3)
    assert not lab.state("bly")["reachable"]
    lab.wait(20)
    state = lab.state("bly")
    assert state["reachable"] and state["converged"]
    assert state["boots"] == 2 and state["boot_id"] != before
    assert (state["lost"]["ipv4"] > 0, state["lost"]["ipv6"] > 0) == (loses, loses)
    assert state["drained"] == dict.fromkeys(("bgp", "igp4", "igp6"), drained)


def test_what_was_not_saved_is_lost_in_a_reboot() -> None:
    lab = SimLab()
    lab.ok("bly", FRR_DRAIN)
    lab.wait(2)
    lab.ok("bly", REBOOT)
    lab.wait(30)
    assert not any(lab.state("bly")["drained"].values())
    assert lab.state("bly")["lost"]["ipv6"] > 0, "it came back attractive before its tables were full"


def test_undraining_before_the_tables_are_full_loses_packets() -> None:
    lab = SimLab(fib_s=10)
    lab.ok("bly", FRR_DRAIN)
    lab.ok("bly", SAVE)
    lab.wait(2)
    lab.ok("bly", REBOOT)
    lab.wait(9)
    assert lab.state("bly")["lost"]["ipv4"] == 0
    lab.ok("bly", FRR_UNDRAIN)
    lab.wait(20)
    assert lab.state("bly")["lost"]["ipv4"] > 1000


def test_a_file_written_over_the_startup_configuration_does_not_change_the_running_one() -> None:
    lab = SimLab()
    text = lab.ok("bly", "cat /etc/frr/frr.conf").replace("hostname bly", "hostname other")
    put = shlex.join(["sudo", "-n", *wire.put_argv("/etc/frr/frr.conf", "0640")])
    lab.ok("bly", put, text)
    assert "hostname bly" in lab.ok("bly", "vtysh -c 'show running-config'")
    lab.ok("bly", REBOOT)
    lab.wait(30)
    assert "hostname other" in lab.ok("bly", "vtysh -c 'show running-config'")


def test_neighbours_see_a_router_go_and_come_back() -> None:
    lab = SimLab()

    def seen() -> tuple[int, int]:
        near = json.loads(lab.ok("dekker", "vtysh -c 'show ip ospf neighbor json'"))["neighbors"]
        peers = json.loads(lab.ok("dekker", "vtysh -c 'show bgp summary json'"))["ipv4Unicast"]["peers"].values()
        return len(near), sum(p["state"] == "Established" for p in peers)

    assert seen() == (2, 6)
    lab.ok("aebi", REBOOT)
    lab.wait(2)
    assert seen() == (1, 5)
    lab.wait(5.5)
    assert seen()[0] == 2 and seen()[1] == 5, "adjacencies come before sessions"
    lab.wait(5)
    assert seen() == (2, 6)


def test_a_drained_bird_router_is_seen_by_the_others() -> None:
    lab = SimLab()
    text = "define SLIPWAY_DRAIN_BGP = true;\ndefine SLIPWAY_EXTRA_COST = 60000;\n"
    lab.ok("aebi", shlex.join(["sudo", "-n", *wire.put_argv("/etc/bird/slipway-drain.conf", "0644")]), text)
    assert not any(lab.state("aebi")["drained"].values()), "a file is no configuration before configure"
    assert "Configuration OK" in lab.ok("aebi", "sudo -n birdc configure check")
    assert "Reconfigured" in lab.ok("aebi", "sudo -n birdc configure")
    assert all(lab.state("aebi")["drained"].values())
    assert announced(lab, "bly", of="aebi") == ({60010}, {60010})
    lab.wait(1)
    assert lab.state("aebi")["pps"]["ipv4"] < 10


def announced(lab: SimLab, at: str, *, of: str) -> tuple[set[int], set[int]]:
    """What `at`, which runs FRR, knows of the costs of `of`: OSPF, OSPFv3."""
    ident = lab.net.routers[of].spec.router_id
    four = json.loads(lab.ok(at, f"vtysh -c 'show ip ospf database router adv-router {ident} json'"))
    six = json.loads(lab.ok(at, f"vtysh -c 'show ipv6 ospf6 database router adv-router {ident} detail json'"))
    links = four["Router Link States"]["0.0.0.0"][ident]["routerLinks"].values()
    (lsa,) = six["areaScopedLinkStateDb"][0]["lsa"]
    costs6 = {link["metric"] for link in lsa["lsaDescription"]}
    return {link["tos0Metric"] for link in links if "neighborRouterId" in link}, costs6


def test_the_costs_of_the_running_configuration_are_announced_interface_by_interface() -> None:
    lab = SimLab()
    assert announced(lab, "dekker", of="bly") == ({10}, {10})
    lab.ok("bly", "vtysh -c 'conf t' -c 'interface eth1' -c 'ip ospf cost 29' -c 'ipv6 ospf6 cost 31' -c end")
    assert announced(lab, "dekker", of="bly") == ({29, 10}, {31, 10})
    lab.ok("bly", "vtysh -c 'conf t' -c 'router ospf' -c 'max-metric router-lsa administrative' -c end")
    assert announced(lab, "dekker", of="bly") == ({65535}, {31, 10})
    own = json.loads(lab.ok("bly", "vtysh -c 'show ip ospf database router self-originate json'"))
    links = own["Router Link States"]["0.0.0.0"]["10.255.77.1"]["routerLinks"].values()
    stubs = {link["networkAddress"]: link["tos0Metric"] for link in links if "networkAddress" in link}
    assert sorted(stubs.values()) == [0, 10, 29], "stub networks keep their cost"
    text = "vtysh -c 'conf t' -c 'router ospf' -c 'no max-metric router-lsa administrative' -c exit "
    lab.ok("bly", text + "-c 'interface eth1' -c 'no ip ospf cost' -c 'no ipv6 ospf6 cost' -c end")
    assert announced(lab, "bly", of="bly") == ({10}, {10})


def test_a_bird_router_announces_the_costs_of_its_file_and_what_is_added() -> None:
    lab = SimLab()
    router = lab.net.routers["aebi"]
    conf = router.files["/etc/bird/bird.conf"]
    four, six = conf.split("protocol ospf v3", 1)
    router.files["/etc/bird/bird.conf"] = four.replace("cost (10 +", "cost (30 +", 1) + "protocol ospf v3" + six
    put = shlex.join(["sudo", "-n", *wire.put_argv("/etc/bird/slipway-drain.conf", "0644")])
    lab.ok("aebi", put, "define SLIPWAY_DRAIN_BGP = false;\ndefine SLIPWAY_EXTRA_COST = 19;\n")
    assert announced(lab, "bly", of="aebi") == ({10}, {10}), "as of the last configure"
    lab.ok("aebi", "birdc configure")
    assert announced(lab, "bly", of="aebi") == ({49, 29}, {29})
    assert "Cost: 49" in lab.ok("aebi", "birdc show ospf interface ospf4")


def test_bird_configure_timeout_confirm_and_undo_as_captured() -> None:
    lab = SimLab()
    drained = "define SLIPWAY_DRAIN_BGP = true;\ndefine SLIPWAY_EXTRA_COST = 60000;\n"
    put = shlex.join(["sudo", "-n", *wire.put_argv("/etc/bird/slipway-drain.conf", "0644")])
    lab.ok("aebi", put, drained)
    assert "Undo scheduled in 8 s\nReconfigured" in lab.ok("aebi", "birdc configure timeout 8")
    lab.wait(9)
    assert not any(lab.state("aebi")["drained"].values()), "nobody confirmed"
    lab.ok("aebi", "birdc configure timeout 8")
    assert "Reconfiguration confirmed" in lab.ok("aebi", "birdc configure confirm")
    lab.wait(9)
    assert all(lab.state("aebi")["drained"].values())
    lab.ok("aebi", put, "define SLIPWAY_DRAIN_BGP = ;\n")
    status, out = lab.run("aebi", "birdc configure")
    assert (status, "Reconfigured" in out) == (1, False)
    assert "Nothing to do" in lab.ok("aebi", "birdc configure undo"), "a failed configure discards the old one"
    status, out = lab.run("aebi", "birdc configure timeout 8 '\"/etc/bird/bird.conf\"'")
    assert status == 1 and "expecting END" in out


def test_vtysh_stops_at_the_first_refused_line() -> None:
    lab = SimLab()
    status, out = lab.run(
        "bly",
        "vtysh -c 'configure terminal' -c 'router bgp 65000' -c 'bgp graceful-shutdown' -c 'frobnicate' -c 'no bgp x'",
    )
    assert status == 1 and "% Unknown command: frobnicate" in out
    assert lab.state("bly")["drained"]["bgp"]


def test_a_daemon_restart_reads_the_startup_configuration_and_keeps_the_boot_id() -> None:
    lab = SimLab()
    before = lab.state("bly")
    lab.ok("bly", FRR_DRAIN)
    lab.ok("bly", SAVE)
    lab.wait(2)
    lab.ok("bly", "sudo -n systemctl restart frr")
    lab.wait(10)
    state = lab.state("bly")
    assert state["boot_id"] == before["boot_id"] and state["daemon_starts"] == before["daemon_starts"] + 1
    assert all(state["drained"].values()) and state["lost"] == {"ipv4": 0, "ipv6": 0}


def test_a_revert_timer_puts_the_configuration_back_and_dies_in_a_reboot() -> None:
    lab = SimLab()
    revert = (
        "#!/bin/sh\nset -e\ncp /etc/frr/frr.conf /var/lib/slipway/cut\n"
        "/usr/lib/frr/frr-reload.py --reload --bindir /usr/bin --confdir /etc/frr /etc/frr/frr.conf >/dev/null 2>&1\n"
        "echo done > /var/lib/slipway/reverted-1\n"
    )
    lab.ok("bly", shlex.join(["sudo", "-n", *wire.put_argv("/var/lib/slipway/revert-1.sh", "0700")]), revert)
    arm = "sudo -n systemd-run --unit=slipway-revert-1 --on-active=30 /bin/sh /var/lib/slipway/revert-1.sh"
    lab.ok("bly", arm)
    status, out = lab.run("bly", arm)
    assert status == 1 and "already loaded" in out
    lab.ok("bly", FRR_DRAIN)
    lab.wait(31)
    assert not any(lab.state("bly")["drained"].values())
    assert lab.ok("bly", "cat /var/lib/slipway/reverted-1") == "done\n"
    lab.ok("bly", arm)
    lab.ok("bly", "sudo -n systemctl stop slipway-revert-1.timer")
    lab.ok("bly", FRR_DRAIN)
    lab.wait(31)
    assert lab.state("bly")["drained"]["bgp"], "a stopped timer reverts nothing"


def test_every_interface_has_a_bus_address_of_its_own() -> None:
    lab = SimLab()

    def bus(name: str, ifname: str) -> str:
        return next(x for x in lab.ok(name, f"ethtool -i {ifname}").splitlines() if x.startswith("bus-info: "))[10:]

    assert [bus("bly", f"eth{n}") for n in range(4)] == ["0000:00:03.0", "0000:3b:00.0", "0000:3b:00.1", "0000:3b:00.2"]
    assert bus("aebi", "eth1") == "", "veth has none"


def test_queues_and_rings_have_their_maximums_and_are_gone_after_a_reboot_without_a_unit() -> None:
    lab = SimLab()
    assert lab.run("bly", "sudo -n ethtool -L eth1 combined 9")[0] == 1
    assert lab.run("bly", "sudo -n ethtool -G eth1 rx 8192")[0] == 81
    assert lab.run("aebi", "sudo -n ethtool -L eth1 combined 4")[0] == 1, "veth has no combined channels"
    assert lab.run("aebi", "ethtool -g eth1") == (1, "netlink error: Operation not supported\n")
    lab.ok("bly", "sudo -n ethtool -L eth1 combined 8")
    lab.ok("bly", "sudo -n ethtool -L eth2 combined 8")
    unit = "[Service]\nType=oneshot\nExecStart=-/usr/sbin/ethtool -L eth2 combined 8\n"
    lab.ok("bly", shlex.join(["sudo", "-n", *wire.put_argv("/etc/systemd/system/slipway-nic.service", "0644")]), unit)
    lab.ok("bly", "sudo -n systemctl enable slipway-nic.service")
    lab.ok("bly", REBOOT)
    lab.wait(30)
    nics = lab.state("bly")["nics"]
    assert (nics["eth1"]["channels"], nics["eth2"]["channels"]) == ({"combined": 4}, {"combined": 8})


def test_root_is_needed_where_a_real_system_needs_it() -> None:
    lab = SimLab()
    for command in ("ethtool -L eth1 combined 2", "sysctl -w net.core.rmem_max=1", "systemctl restart frr", "reboot"):
        assert lab.run("bly", command)[0] != 0, command
    assert not any(entry.get("mutated") for entry in lab.journal)


def test_unknown_commands_answer_like_a_shell_and_are_remembered() -> None:
    lab = SimLab()
    assert lab.run("bly", "frobnicate now") == (127, "sh: 1: frobnicate: not found\n")
    assert lab.run("bly", "/bin/sh -c 'rm -rf /'")[0] == 127
    lab.run("bly", "uname -r; reboot")
    assert len(lab.state("bly")["unknown"]) == 2
    assert any(entry.get("canonical") is False for entry in lab.journal), "unquoted operators are told"
    assert lab.state("bly")["boots"] == 1


def test_a_batch_runs_every_section_and_sleeps_for_real() -> None:
    lab = SimLab()
    commands = {
        "a": ["cat", "/proc/net/snmp"],
        "w": ["sleep", "1"],
        "b": ["cat", "/proc/net/snmp"],
        "no": ["frob", "a b'"],
    }
    text = wire.batch_script(commands, {"l": ["ethtool", "-l"]}, token="@@slipway-0123456789abcdef")
    status, out = lab.run("bly", "sudo -n /bin/sh -s", text)
    answers = wire.batch_answers(out, token="@@slipway-0123456789abcdef")
    assert status == 0 and answers["no"].status == 127
    assert {name for name in answers if name.startswith("l:")} == {"l:eth0", "l:eth1", "l:eth2", "l:eth3"}

    def forwarded(text: str) -> int:
        head, values = (line.split() for line in text.splitlines()[:2])
        return int(values[head.index("ForwDatagrams")])

    assert 1600 < forwarded(answers["b"].out) - forwarded(answers["a"].out) < 1800


def test_the_wire_format_agrees_with_the_transport() -> None:
    assert script.PUT_SCRIPT == wire.PUT_SCRIPT
    odd = ["echo", 'it\'s $HOME; `id` "quoted"\nand a second line', ""]
    token, sections = script.batch(wire.batch_script({"odd": odd}, {}, token="@@slipway-00"))
    assert (token, sections[0].argv) == ("@@slipway-00", tuple(odd))


@pytest.mark.parametrize("name", sorted(p.name for p in RECORDINGS.glob("*.json")))
def test_json_has_no_key_that_the_recorded_output_has_not(name: str) -> None:
    """Same structure as FRR 8.4.4 printed, at every level; names of peers and interfaces aside."""
    commands = {
        "bgp_summary.json": "show bgp summary json",
        "ospf_neighbor.json": "show ip ospf neighbor json",
        "ospf6_neighbor.json": "show ipv6 ospf6 neighbor json",
        "bfd_peers.json": "show bfd peers json",
        "ip_route_summary.json": "show ip route summary json",
        "ip_route_prefix.json": "show ip route 20.0.3.0/24 json",
        "ospf.json": "show ip ospf json",
        "ospf6.json": "show ipv6 ospf6 json",
        "ospf_db_router.json": "show ip ospf database router json",
        "ospf6_db_router_detail.json": "show ipv6 ospf6 database router detail json",
        "ospf_db_router_self.json": "show ip ospf database router self-originate json",
    }
    shown = json.loads(SimLab().ok("bly", shlex.join(["vtysh", "-c", commands[name]])))
    recorded = json.loads((RECORDINGS / name).read_text())
    assert _shape(shown) <= _shape(recorded)
    assert _shape(shown)


def _shape(value: Any, at: str = "") -> set[str]:
    """Paths of keys; keys that are data (addresses, router ids, link numbers) become *."""
    if isinstance(value, list):
        return {path for item in value for path in _shape(item, at + "[]")}
    if not isinstance(value, dict):
        return {f"{at}:{type(value).__name__}"}
    data = [k if not (any(c in k for c in ".:") or (k.startswith("link") and k[4:].isdigit())) else "*" for k in value]
    pairs = zip(data, value.values(), strict=True)
    return {path for key, item in pairs for path in _shape(item, f"{at}/{key}")}


def test_pods_have_redundancy_and_domains_of_their_own() -> None:
    layout = pods(10_000)
    assert len({r.router_id for r in layout.routers}) == len({r.loopback6 for r in layout.routers}) == 10_000
    assert len({c.address(1) for c in layout.cables}) == len(layout.cables)
    first = [s.failure_domain for s in layout.sites[:4]]
    assert first == ["pod-0001-a", "pod-0001-b", "pod-0002-a", "pod-0002-b"]
    assert layout.keep_connected[0] == (("r0001", "r0002", "r0003", "r0004", "customer-0001", "transit-0001"), "10G")
    assert not pods(1).keep_connected


def test_the_ring_is_the_one_of_the_namespaces_lab() -> None:
    layout = ring()
    assert [(r.name, r.suite) for r in layout.routers][:3] == [("bly", "frr"), ("aebi", "bird"), ("dekker", "frr")]
    ports = {p.ifname: p.peer for p in layout.ports()["bly"]}
    assert ports == {"eth1": "aebi", "eth2": "lang", "eth3": "internet"}


def test_frr_configuration_survives_being_written_and_read() -> None:
    lab = SimLab()
    text = lab.ok("bly", "cat /etc/frr/frr.conf")
    config, unknown = frrconfig.parse(text)
    assert not unknown
    assert frrconfig.parse(config.text())[0] == config
    config.type("interface eth1", "ipv6 ospf6 cost 20")
    config.type("interface eth1", "ipv6 ospf6 cost 65535")
    assert [line for line in config.sections["interface eth1"] if "cost" in line] == ["ipv6 ospf6 cost 65535"]
    config.type("interface eth1", "no ipv6 ospf6 cost")
    assert not [line for line in config.sections["interface eth1"] if "cost" in line]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('include "/etc/bird/none.conf";\n', "Unable to open included file"),
        ("protocol device {\n", "unexpected end of file"),
        ("nonsense;\n", ":1:1 syntax error"),
        ('include "/etc/bird/d.conf";\nfilter f { if SLIPWAY_NEVER then accept; }\n', "CF_SYM_UNDEFINED"),
    ],
)
def test_bird_complains_with_file_and_line(text: str, says: str) -> None:
    _, complaint = birdconfig.read(
        {"/etc/bird/bird.conf": text, "/etc/bird/d.conf": "define A = 1;\n"}, "/etc/bird/bird.conf"
    )
    assert says in complaint and complaint.startswith("/etc/bird/bird.conf:")
