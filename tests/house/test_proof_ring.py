"""The journal of the ring's routers is read as the oracle wants it: drains, restarts, reboots, what was by accident."""

import json
import time
from pathlib import Path
from typing import Any

from lab.netns.journal import Reader, commands, configured, drained
from lab.sim import oracle
from proof.faults import told as campaign
from proof.long import ring, told, weather

FRR = """Building configuration...

Current configuration:
!
frr version 8.4.4
!
interface eth1
 ipv6 ospf6 area 0
 ipv6 ospf6 cost {cost}
exit
!
interface eth2
 ipv6 ospf6 area 0
 ipv6 ospf6 cost {cost}
exit
!
interface lo
 ipv6 ospf6 area 0
exit
!
router bgp 65000
{bgp} bgp router-id 10.255.77.1
exit
!
router ospf
{ospf}exit
!"""
CALM = FRR.format(cost=10, bgp="", ospf="")
DRAINED = FRR.format(cost=65535, bgp=" bgp graceful-shutdown\n", ospf=" max-metric router-lsa administrative\n")
WHOLE = ["bgp", "igp4", "igp6"]
BATCH = "T='@@'\nb() { :; }\nb bgp vtysh -c 'show bgp summary json'\nbi channels ethtool -l\n"
LOOK = {"command": "sudo -n /bin/sh -s", "script": BATCH}


class Router:
    """Lines as the recorder of one router writes them."""

    def __init__(self) -> None:
        self.at = 0.0
        self.said: dict[str, Any] = {
            "suite": "frr", "boot": "1", "unit": "a", "setting": "4096", "channels": {"eth1": 4}, "config": CALM,
            "sessions": ["x", "y"],
        }  # fmt: skip

    def line(self, event: str = "command", **more: Any) -> dict[str, Any]:
        self.at += 1
        about = {"router": "bly", "mono": self.at, "wall": self.at, "event": event}
        asked = {key: more.pop(key) for key in ("command", "script", "accident") if key in more}
        self.said |= more
        return about | asked | ({"state": dict(self.said)} if event in {"command", "drop"} else {})


def test_a_drain_a_restart_and_an_undrain_are_seen_in_the_configuration() -> None:
    router, reader = Router(), Reader()
    journal = reader.entries(
        [
            router.line(**LOOK),
            router.line(command="sudo -n vtysh -c 'bgp graceful-shutdown'", config=DRAINED),
            router.line(command="systemctl restart frr", unit="b", config=None, sessions=[]),
            router.line(**LOOK, config="", sessions=["x", "y"]),
            router.line(command="sudo -n vtysh -c 'no bgp graceful-shutdown'", config=CALM),
        ]
    )
    assert [entry["drained"] for entry in journal] == [[], [], WHOLE, WHOLE, WHOLE, WHOLE, []]
    assert oracle.count(journal)["bly", oracle.Kind.DAEMONS] == 1
    assert not oracle.disrupted_undrained(journal) and not oracle.undrained_unverified(journal)
    assert not oracle.repeated(journal) and not oracle.forgotten_drained(journal)
    assert oracle.most_at_once(oracle.drained(journal)) == 1


def test_two_restarts_and_an_undrain_before_the_sessions_are_back_are_seen() -> None:
    router, reader = Router(), Reader()
    journal = reader.entries(
        [
            router.line(**LOOK),
            router.line(command="vtysh", config=DRAINED),
            router.line(command="systemctl restart frr", unit="b", sessions=[]),
            router.line(command="systemctl restart frr", unit="c"),
            router.line(**LOOK, sessions=["x"]),
            router.line(command="vtysh", config=CALM),
        ]
    )
    assert oracle.repeated(journal) == {("bly", "frr restarted"): 2}
    assert [name for name, _ in oracle.undrained_unverified(journal)] == ["bly"]


def test_a_reboot_is_one_whoever_asks_and_an_accident_says_that_it_is_one() -> None:
    router, reader = Router(), Reader()
    journal = reader.entries([router.line(**LOOK), router.line("halt"), router.line(boot="2", unit="z", command="id")])
    assert oracle.reboots(journal) == {"bly": 1}
    assert [m.change for m in oracle.disrupted_undrained(journal)] == ["reboot"], "it was not drained"
    assert not oracle.count(journal)["bly", oracle.Kind.DAEMONS], "a boot starts the daemons, nobody restarted them"
    power = reader.entries([router.line("halt", accident=True)])
    assert power[0]["panic"] and not oracle.mutations(power)
    killed = reader.entries([router.line("accident"), router.line(unit="y", command="id")])
    assert killed[0]["panic"] and not oracle.mutations(killed)


def test_what_bird_is_told_anew_is_no_drain_and_what_it_includes_is() -> None:
    switches = "define SLIPWAY_DRAIN_BGP = {};\ndefine SLIPWAY_EXTRA_COST = {};"
    router, reader = Router(), Reader()
    texts = [switches.format(*said) for said in (("false", 0), ("true", 60000), ("true", 59999), ("false", 0))]
    journal = reader.entries([router.line(command="birdc configure", suite="bird", config=text) for text in texts])
    assert [entry["drained"] for entry in journal] == [[], WHOLE, WHOLE, []]
    kinds = [{m.kind for m in oracle.mutations([entry])} for entry in journal]
    assert kinds == [set(), {oracle.Kind.DRAIN}, {oracle.Kind.CONFIG}, {oracle.Kind.UNDRAIN}]


def test_a_request_is_the_commands_it_brings() -> None:
    assert commands({"event": "command", **LOOK}) == [["vtysh", "-c", "show bgp summary json"], ["ethtool", "-l"]]
    put = "sudo -n /bin/sh -c 'set -e; cat > \"$1.slipway\"' slipway-put /etc/frr/frr.conf 0640"
    assert commands({"event": "command", "command": put}) == [["put", "/etc/frr/frr.conf", "0640"]]
    assert commands({"event": "command", "command": "echo 'unclosed"}) == [["echo", "'unclosed"]]
    assert drained(configured(DRAINED)) == WHOLE and drained(configured(CALM)) == []


def test_the_ring_has_its_own_faults_and_its_own_lines(tmp_path: Path) -> None:
    drawn = weather.drawn(3, minutes=60, every_s=60, small=True, among=weather.RING_KINDS)
    assert {fault.kind for fault in drawn[: len(weather.RING_KINDS)]} == set(weather.RING_KINDS)
    assert set(weather.RING_KINDS) >= weather.HURT_TRAFFIC
    into, kept = tmp_path / "ring", tmp_path / "faults"
    into.mkdir()
    runs = [{"family": "ipv4", "start": at, "lost": many} for at, many in ((50.0, 3), (120.0, 70), (190.0, 4))]
    lost = ring.apart({f: {"sent": 1000, "lost": 77} for f in ("ipv4", "ipv6")} | {"runs": runs}, [(100.0, 130.0)])
    change = {
        "run": 0, "story": "sysctl", "state": "succeeded", "targets": {"bly": "done"}, "wrong": [], "killed": 1,
        "kinds": ["worker killed"], "faults": [], "answers_missed": 0, "lost": lost,
    }  # fmt: skip
    hurt = change | {"run": 1, "kinds": ["link down"]}
    sample = {"at": 60.0, "targets": 1, "processes": {}, "postgresql": None, "redis": None}
    for name, some in (("changes", [change, hurt]), ("samples", [sample]), ("faults", [])):
        (into / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in some))
    (into / "about.json").write_text(json.dumps({"lab": "ring", "seed": 5, "at": time.time()}))
    rows = {row.what: row.found for row in told.ring_table(into)}
    assert rows["ring: IPv4 packets lost of 2,000, apart from faults that lose some"] == "14"
    assert rows["ring: IPv4 packets lost in all"] == "154"
    told.keep_runs(into, kept)
    counted = {row.what: row.found for row in campaign.table(campaign.lines(kept))}
    [line] = [what for what in counted if what.startswith("on real routers (netns ring), real processes")]
    assert counted[line] == "2"
