"""The kind `probe`: answers of ping and mtr, beacons, and whole measurements on the simulated ring."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.core import probes
from fleet.core.model import Reason, StepSpec
from fleet.core.probe_paths import SILENT, Heard
from playbooks import registry
from playbooks.base import Answer, Device, Look, Seen, Session, Step, Unreachable
from playbooks.probe import here, parse, scripts
from playbooks.probe.measure import Task, measure
from playbooks.probe.params import AgainParams, ProbeParams
from playbooks.probe.scripts import Ask
from tests.playbooks.simlab import SimLab
from tests.playbooks.simsession import SimSession, device

HERE = "10.255.77.1"
PING = """\
PING 10.255.77.1 (10.255.77.1) from 10.255.77.6 : 56(84) bytes of data.
64 bytes from 10.255.77.1: icmp_seq=1 ttl=64 time=0.061 ms
64 bytes from 10.255.77.1: icmp_seq=3 ttl=64 time=0.045 ms
64 bytes from 10.255.77.1: icmp_seq=3 ttl=64 time=9.045 ms (DUP!)

--- 10.255.77.1 ping statistics ---
3 packets transmitted, 2 received, +1 duplicates, 33.3333% packet loss, time 403ms
rtt min/avg/max/mdev = 0.045/0.053/0.061/0.008 ms
"""
# Recorded: mtr 0.95, its first round asks beyond the end of the way.
RAW = """\
mtr 4
x 0 33000
h 0 10.77.6.2
h 0 10.77.6.2
p 0 80 33000
x 1 33001
h 1 10.255.77.1
h 1 10.255.77.1
p 1 84 33001
x 2 33002
h 2 10.255.77.1
h 2 10.255.77.1
p 2 82 33002
x 0 33003
p 0 72 33003
x 1 33004
p 1 145 33004
x 0 33005
p 0 101 33005
x 1 33006
p 1 68 33006
x 0 33007
p 0 67 33007
x 1 33008
"""

HOPS = """\

hop 1
PING 10.255.77.1 (10.255.77.1) 56(84) bytes of data.
From 10.77.5.2 icmp_seq=1 Time to live exceeded

--- 10.255.77.1 ping statistics ---
1 packets transmitted, 0 received, +1 errors, 100% packet loss, time 0ms

hop 2
PING 10.255.77.1 (10.255.77.1) 56(84) bytes of data.

--- 10.255.77.1 ping statistics ---
1 packets transmitted, 0 received, 100% packet loss, time 0ms

hop 3
64 bytes from 10.255.77.1: icmp_seq=1 ttl=62 time=0.061 ms
hop 4
64 bytes from 10.255.77.1: icmp_seq=1 ttl=62 time=0.061 ms
"""


def test_pings_are_counted_and_a_duplicate_is_no_second_answer() -> None:
    found = parse.times(PING, HERE)
    assert found is not None
    assert (found.sent, found.lost, found.best, found.worst, found.rtts) == (3, 1, 0.045, 0.061, (0.061, 0.045))


def test_raw_lines_of_mtr_are_those_of_its_last_hop() -> None:
    found = parse.times(RAW, HERE)
    assert found is not None and (found.sent, found.lost, found.rtts) == (4, 1, (0.084, 0.145, 0.068))
    gone = parse.times("mtr 2\nx 0 33000\nx 1 33001\nx 0 33002\n", HERE)
    assert gone is not None and (gone.sent, gone.lost) == (2, 2)


@pytest.mark.parametrize(
    "text", ["", "ping: connect: Network is unreachable", "no ping and no mtr", PING[:300], "mtr 5\n"]
)
def test_what_did_not_come_to_an_end_is_not_counted(text: str) -> None:
    assert parse.times(text, HERE) is None


def test_hops_by_ping_and_by_mtr() -> None:
    assert parse.hops(HOPS, "10.255.77.1") == ("10.77.5.2", SILENT, "10.255.77.1")
    hubs = [{"count": "1", "host": "10.77.5.2"}, {"count": 2, "host": "???"}, {"count": 3, "host": "10.255.77.1"}]
    report = json.dumps({"report": {"mtr": {"dst": "10.255.77.1"}, "hubs": hubs}})
    assert parse.hops(report, "10.255.77.1") == ("10.77.5.2", SILENT, "10.255.77.1")
    assert parse.hops(report, "10.255.77.9") is None and parse.hops("{]", "10.255.77.1") is None
    six = "hop 1\nFrom 2001:db8:77:6::2 icmp_seq=1 Time exceeded: Hop limit\n"
    six += "hop 2\n64 bytes from 2001:db8:ff::1: icmp_seq=1 ttl=63 time=0.1 ms\n"
    assert parse.hops(six, "2001:db8:ff::1") == ("2001:db8:77:6::2", "2001:db8:ff::1")


@given(st.text(max_size=400))
def test_no_answer_makes_a_parser_crash(text: str) -> None:
    parse.times(text, HERE), parse.hops(text, "192.0.2.1"), parse.addresses(text), parse.sections(text)
    parse.heard_frr("a", text, text), parse.heard_bird("a", text)
    parse.times(PING + text, HERE), parse.times(RAW + text, HERE), parse.hops(HOPS + text, "10.255.77.1")


def test_who_announces_a_prefix_as_frr_and_bird_say() -> None:
    ospf = json.dumps({"192.0.2.0/24": [{"protocol": "ospf", "selected": True}]})
    assert parse.heard_frr("lang", ospf, "{\n}\n") == Heard("lang", there=True)
    static = json.dumps({"192.0.2.0/24": [{"protocol": "static"}, {"protocol": "bgp"}]})
    assert parse.heard_frr("bly", static, "% Network not in table").own
    inner = {"peer": {"type": "internal", "routerId": "10.255.77.6"}, "originatorId": "10.255.77.1"}
    outer = {"peer": {"type": "external", "routerId": "192.0.2.9"}, "aspath": {"string": "65001 65002"}}
    bgp = {"paths": [inner | {"aspath": {"string": "Local"}}, outer]}
    assert parse.heard_frr("lang", ospf, json.dumps(bgp)).origins == ("10.255.77.1", "AS 65001 65002")
    assert parse.heard_frr("lang", "{}", "{}") == Heard("lang", there=False)
    assert parse.heard_frr("lang", "zebra is not running", "") == Heard("lang", None)
    recorded = Path(__file__).parent / "recordings" / "probe-bird-2.0.12" / "route_all.txt"
    assert parse.heard_bird("p2", recorded.read_text()) == Heard("p2", there=True, origins=("AS 65010",))
    assert parse.heard_bird("p2", "BIRD 2.0.12 ready.\nNetwork not found\n") == Heard("p2", there=False)
    assert parse.heard_bird("p2", "syntax error") == Heard("p2", None)
    assert parse.heard_bird("p2", "\tType: static univ\n").own


# -- the script itself, with programs of its own


def fake(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}")
    path.chmod(0o755)


@pytest.mark.parametrize("tool", ["ping", "mtr"])
def test_the_script_probes_all_at_once_with_whichever_is_there(tool: str, tmp_path: Path, monkeypatch: Any) -> None:
    for name in ("sh", "mktemp", "rm", "cat", "echo", "sleep"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    last = "for a; do :; done\n"
    pinged = 'echo "64 bytes from $a: icmp_seq=1 ttl=63 time=0.5 ms"\necho "1 packets transmitted, 1 received,"\n'
    traced = 'echo "{\\"report\\":{\\"hubs\\":[{\\"host\\":\\"$a\\"}]}}"\n'
    raw = 'echo "x 0 1"\necho "h 0 $a"\necho "p 0 500 1"\n'
    fake(tmp_path, tool, last + (pinged if tool == "ping" else f"case $1 in -j) {traced};; *) {raw};; esac\n"))
    monkeypatch.setenv("PATH", str(tmp_path))
    asks = [Ask("192.0.2.1"), Ask("2001:db8::1", "2001:db8::2"), Ask("192.0.2.1", trace=True)]
    answer = here.run(scripts.argv(asks, count=1, interval=0.1), timeout_s=10)
    assert answer.ok, answer.err
    found = parse.sections(answer.out)
    assert set(found) == {("probe", "192.0.2.1"), ("probe", "2001:db8::1"), ("trace", "192.0.2.1")}
    for address in ("192.0.2.1", "2001:db8::1"):
        seen = parse.times(found["probe", address], address)
        assert seen is not None and (seen.sent, seen.lost, seen.best) == (1, 0, 0.5)
    assert parse.hops(found["trace", "192.0.2.1"], "192.0.2.1") == ("192.0.2.1",)
    assert list(tmp_path.parent.glob("tmp.*")) == []


def test_without_either_the_machine_says_so(tmp_path: Path, monkeypatch: Any) -> None:
    for name in ("sh", "mktemp", "rm", "cat"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setenv("PATH", str(tmp_path))
    answer = here.run(scripts.argv([Ask("192.0.2.1")], count=1, interval=0.1), timeout_s=10)
    assert "no ping and no mtr" in answer.out
    assert here.run(["/nonexistent"], timeout_s=1).status == 255
    assert subprocess.run(["/bin/sh", "-n", "-c", scripts.SCRIPT], check=False).returncode == 0


# -- whole measurements on the simulated ring


class Ring:
    """The simulated ring as somewhere to probe."""

    def __init__(self) -> None:
        self.lab = SimLab()
        self.devices = {name: device(self.lab, name) for name in self.lab.net.routers}

    def connect(self, one: Device) -> Session:
        return SimSession(one, self.lab)

    def task(self, name: str, **more: Any) -> Task:
        spec = self.lab.net.routers[name].spec
        beacons = [(f"{spec.router_id}/32", spec.router_id), (f"{spec.loopback6}/128", spec.loopback6)]
        given = {"sources": ["lang", "wells"], "targets": ["beacon"], "beacons": beacons, "count": 40, "interval": 0.1}
        return Task(device=self.devices[name], devices=self.devices, **(given | more))

    def step(self, verb: str, name: str, params: Mapping[str, Any], progress: Mapping[str, Any]) -> Step:
        planned = registry.driver(verb).plan(StepSpec(verb, params), self.devices[name], {})
        return Step(verb, params, planned, self.devices[name], progress=progress)

    def probe(self, name: str = "bly", **more: Any) -> Look:
        pairs, left_out = measure(self.task(name, **more), self.connect)
        probed = {"pairs": [probes.to_row(p) for p in pairs], "left_out": [str(r) for r in left_out]}
        step = self.step("probe", name, {"count": 40}, {"probed": probed})
        return registry.driver("probe").observe(self.connect(self.devices[name]), step)

    def again(
        self, before: Look, name: str = "bly", *, params: Mapping[str, Any] | None = None, tries: int = 0, **more: Any
    ) -> Look:
        pairs, _ = measure(self.task(name, **more), self.connect)
        progress = {"probed": {"pairs": [probes.to_row(p) for p in pairs]}, "before": before.data, "tries": tries}
        step = self.step("probe-again", name, params or {}, progress)
        return registry.driver("probe-again").observe(self.connect(self.devices[name]), step)


@pytest.fixture
def ring() -> Ring:
    return Ring()


def test_the_beacon_of_a_router_is_probed_in_both_families_and_the_ways_are_told(ring: Ring) -> None:
    look = ring.probe()
    assert look.seen is Seen.DONE and look.reasons == () and look.data["left_out"] == []
    rows = look.data["pairs"]
    assert [(r["from"], r["to"], r["family"]) for r in rows] == [
        ("lang", "bly", "ipv4"), ("lang", "bly", "ipv6"), ("wells", "bly", "ipv4"), ("wells", "bly", "ipv6"),
    ]  # fmt: skip
    assert all((r["sent"], r["lost"]) == (40, 0) and r["best"] <= r["avg"] <= r["worst"] for r in rows)
    assert rows[2]["there"] == ["wells", "lang", "bly"] and rows[2]["back"] == ["bly", "lang", "wells"]
    assert json.loads(json.dumps(look.data)) == look.data


def test_the_same_again_passes_and_a_router_that_loses_or_delays_fails_with_its_figures(ring: Ring) -> None:
    before = ring.probe()
    assert ring.again(before).seen is Seen.DONE
    ring.lab.inject("bly", "loses_packets", share=0.3)
    lossy = ring.again(before)
    assert lossy.seen is Seen.NOT_DONE and "lost" in str(lossy.reasons[0]) and "0 before" in str(lossy.reasons[0])
    ring.lab.machines["bly"].router.behaviours.clear()
    ring.lab.inject("bly", "delays_packets", seconds=0.02)
    slow = ring.again(before)
    assert slow.seen is Seen.NOT_DONE and "slower" in str(slow.reasons[0])
    assert {row["verdict"] for row in slow.data["results"]} == {"fail"}
    dry = ring.again(before, params={"dry_run": True})
    assert dry.seen is Seen.DONE and dry.reasons


def test_a_beacon_that_another_announces_as_well_is_not_used(ring: Ring) -> None:
    spec = ring.lab.net.routers["aebi"].spec
    look = ring.probe(beacons=[(f"{spec.router_id}/32", spec.router_id)])
    assert look.seen is Seen.UNKNOWN
    said = " ".join(map(str, look.reasons))
    assert "aebi has it as well" in said and "bly has no such route of its own" in said


def test_between_vantage_points_only_what_crosses_the_device_decides(ring: Ring) -> None:
    look = ring.probe("lang", sources=["wells", "dekker"], targets=["bly", "tarbell"])
    usable = {(r["from"], r["to"]) for r in look.data["pairs"] if not r["doubts"]}
    assert ("wells", "bly") in usable and ("dekker", "tarbell") not in usable
    said = " ".join(map(str, look.reasons))
    assert "wanted a way through lang" in said
    free = ring.probe("lang", sources=["dekker"], targets=["tarbell"], strict=False)
    assert free.seen is Seen.DONE and free.reasons == ()


def test_a_way_back_that_is_another_leaves_the_pair_out(ring: Ring) -> None:
    before = ring.probe(sources=["wells"])
    ring.lab.inject("bly", "forwards_to_dead_neighbour", neighbour="aebi")
    look = ring.probe(sources=["wells"])
    assert look.seen is Seen.UNKNOWN and "back" in str(look.reasons[0])
    again = ring.again(before, sources=["wells"])
    assert again.seen is Seen.WAITING and again.after_s > 0, "it is measured again"
    assert ring.again(before, sources=["wells"], tries=2).seen is Seen.NOT_DONE


def test_a_vantage_point_that_cannot_be_reached_is_named_and_the_others_go_on(ring: Ring) -> None:
    def connect(one: Device) -> Session:
        if one.name == "wells":
            raise Unreachable(Reason("wells", "no answer", "a session"))
        return ring.connect(one)

    pairs, left_out = measure(ring.task("bly"), connect)
    assert {p.pair.source for p in pairs} == {"lang"} and "wells" in str(left_out[0])
    # It could not be asked whether it announces the beacon, too: that is no proof.
    assert all("wells could not be asked" in str(p.doubts[0]) for p in pairs)


def test_a_router_that_does_not_list_its_own_interfaces_announces_them_all_the_same(ring: Ring) -> None:
    """BIRD with OSPF alone, as in the namespaces lab: its loopback is in no table of its own."""

    class Bird(SimSession):
        def batch(self, commands: Any, **more: Any) -> dict[str, Answer]:
            return {
                name: Answer(0, "BIRD 2.0.12 ready.\nNetwork not found\n", "")
                if name.startswith("rib") and self.device.name == "aebi" else answer
                for name, answer in super().batch(commands, **more).items()
            }  # fmt: skip

    pairs, _ = measure(ring.task("aebi", sources=["bly"]), lambda one: Bird(one, ring.lab))
    assert len(pairs) == 2 and all(p.usable for p in pairs), [p.doubts for p in pairs]


def test_what_is_no_place_is_said(ring: Ring) -> None:
    pairs, left_out = measure(
        ring.task("bly", sources=["lang", "lagn"], targets=["beacon", "nowhere"], beacons=[]), ring.connect
    )
    said = " ".join(map(str, left_out))
    assert pairs == [] and "lagn: found no such device" in said and "no beacon on record" in said
    assert "probes to nowhere" in said


def test_slipway_itself_and_an_address_that_is_nobodys(ring: Ring, monkeypatch: Any) -> None:
    spec = ring.lab.net.routers["bly"].spec
    said = f"@ probe {spec.router_id}\n{PING.replace('3 packets', '40 packets')}\n@ trace {spec.router_id}\n" + HOPS
    monkeypatch.setattr(here, "run", lambda argv, timeout_s: Answer(0, said, ""))
    look = ring.probe(sources=["slipway"], beacons=[(f"{spec.router_id}/32", spec.router_id)])
    (row,) = look.data["pairs"]
    assert (row["from"], row["sent"]) == ("slipway", 40) and row["there"][0] == "slipway" and row["there"][-1] == "bly"


def test_the_way_back_to_slipway_is_that_of_the_probes_unless_its_address_is_translated(
    ring: Ring, monkeypatch: Any
) -> None:
    """What `bly` is asked to trace: Slipway's address on the way of the probes, or the one that it sees itself."""
    router_id = ring.lab.net.routers["bly"].spec.router_id
    sent: list[str] = []

    class Afar(SimSession):
        def run(self, argv: list[str], **more: Any) -> Answer:
            ssh = argv == ["printenv", "SSH_CONNECTION"]
            return Answer(0, "203.0.113.9 40000 127.0.0.1 22\n", "") if ssh else super().run(argv, **more)

        def batch(self, commands: Any, **more: Any) -> dict[str, Answer]:
            sent.extend(" ".join(argv[5:]) for name, argv in commands.items() if name == "probe")
            return super().batch(commands, **more)

    monkeypatch.setattr(here, "run", lambda argv, timeout_s: Answer(0, "", ""))
    for management, wanted in (("203.0.113.9", "198.51.100.7"), ("172.18.0.5", "203.0.113.9")):
        sent.clear()
        own = {router_id: "198.51.100.7"}
        monkeypatch.setattr(here, "source", lambda to, own=own, other=management: own.get(to, other))
        measure(ring.task("bly", sources=["slipway"], beacons=[(f"{router_id}/32", router_id)]),
                lambda one: Afar(one, ring.lab))  # fmt: skip
        assert len(sent) == 1 and f"trace {wanted} {router_id}" in sent[0], sent


def test_the_kernel_is_asked_where_it_sends_from() -> None:
    assert here.source("127.0.0.1") == "127.0.0.1" and here.source("::1") in {"::1", ""}
    assert here.source("no such host.") == ""


def test_parameters_say_what_is_wrong() -> None:
    for wrong in ({"count": 5000}, {"count": 10}, {"from": []}, {"to": ["a b"]}, {"interval": "1ms"}):
        with pytest.raises(ValueError, match=r"count|from|found|interval|probes"):
            ProbeParams.model_validate(wrong)
    assert ProbeParams.model_validate({"from": ["lang", "slipway"], "count": 50}).took_s == 5.0
    assert AgainParams.model_validate({"loss": 0.01}).tries == 3
