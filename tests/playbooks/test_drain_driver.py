"""Drain and undrain against a router that exists as text: what is looked at, sent, and said."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from fleet.core.model import StepSpec
from playbooks import frr_tree
from playbooks.base import Answer, Impossible, Seen, Step
from playbooks.drain.driver import Drain
from playbooks.drain.undrain import Undrain
from playbooks.engine import OutcomeKind
from tests.playbooks.scripted import FRR, Scripted, step, visits

RECORDINGS = Path(__file__).parent / "recordings"
BASELINE = RECORDINGS / "drain-frr-01-baseline"
DRAINED_LSDB = (RECORDINGS / "drain-frr-03-igp-drained" / "on_neighbour_database.json").read_text()
NEIGHBOURS = {router: {"state": "Full/-", "full": 1} for router in ("10.255.0.4", "10.255.0.2")}
MEASURED = {"ospf": {"neighbours": NEIGHBOURS}, "ospf3": {"neighbours": NEIGHBOURS}}
CONFIG = "show running-config"


def edit(config: str, lines: list[str]) -> str:
    """What FRR does with configuration lines: statements set or unset in their blocks."""
    nodes, path = frr_tree.parse(config), list[str]()
    for line in lines:
        if line in {"configure terminal", "end"}:
            path = []
        elif line.startswith("exit"):
            path = path[:-1]
        elif line.startswith(("router ", "interface ", "address-family ")):
            path.append(line)
        else:
            leaf = frr_tree.Node(line.removeprefix("no "))
            if line.startswith("no ") and leaf.line.endswith(" cost"):
                kinds = {p[-1] for p in frr_tree.paths(nodes) if p[:-1] == tuple(path) and p[-1].startswith(leaf.line)}
                leaf = frr_tree.Node(next(iter(kinds), leaf.line))
            for heading in reversed(path):
                leaf = frr_tree.Node(heading, (leaf,))
            nodes = frr_tree.removed(nodes, (leaf,)) if line.startswith("no ") else frr_tree.added(nodes, (leaf,))
    return frr_tree.text(nodes)


@dataclass
class Router:
    """An FRR router: running and startup configuration, traffic, and a line that it refuses."""

    running: str = field(default_factory=lambda: (BASELINE / "running_config.txt").read_text())
    saved: str = ""
    pps: dict[str, int] = field(default_factory=lambda: {"ipv4": 1700, "ipv6": 800})
    lsdb: str = field(default_factory=lambda: (BASELINE / "ospf_db_router_self.json").read_text())
    ospf_neighbours: str = field(default_factory=lambda: (BASELINE / "ospf_neighbor.json").read_text())
    refuses: str = "\0"
    now: float = 0.0

    def __post_init__(self) -> None:
        self.saved = self.saved or self.running

    def __call__(self, argv: tuple[str, ...]) -> Answer | str | None:
        lines = [part for part in argv[1:] if part != "-c"]
        match argv:
            case ("vtysh", "-c", "show running-config"):
                return self.running
            case ("vtysh", "-c", "write memory"):
                self.saved = self.running
                return "Building Configuration...\n[OK]\n"
            case ("vtysh", "-c", "configure terminal", *_):
                return self.configure(lines)
            case ("vtysh", "-c", "show ip ospf database router json"):
                return self.lsdb
            case ("vtysh", "-c", "show ip ospf neighbor json"):
                return self.ospf_neighbours
            case ("vtysh", "-c", "show ipv6 ospf6 neighbor json"):
                return (BASELINE / "ospf6_neighbor.json").read_text()
            case ("vtysh", "-c", "show ip ospf json"):
                state = "03-igp-drained" if "max-metric" in self.running else "01-baseline"
                return (RECORDINGS / f"drain-frr-{state}" / "ospf.json").read_text()
            case ("sleep", seconds):
                self.now += float(seconds)
                return ""
            case _:
                return self.file(argv)

    def configure(self, lines: list[str]) -> Answer | str:
        done: list[str] = []
        for line in lines:
            if self.refuses in line:
                self.running = edit(self.running, done)
                return Answer(1, f"% Unknown command: {line}\n", "")
            done.append(line)
        self.running = edit(self.running, done)
        return ""

    def file(self, argv: tuple[str, ...]) -> str | None:
        gone = "bgp graceful-shutdown" in self.running
        moved = {family: 0 if gone else rate for family, rate in self.pps.items()}
        match argv:
            case ("cat", "/etc/frr/frr.conf"):
                return self.saved
            case ("/bin/sh", "-c", _, "slipway-vpp-counters", ""):
                return "@ none\n"
            case ("cat", "/proc/uptime"):
                return f"{100 + self.now:.2f} 10.00\n"
            case ("cat", "/proc/net/snmp"):
                return f"Ip: Forwarding ForwDatagrams InDelivers\nIp: 1 {int(self.now * moved['ipv4'])} 7\n"
            case ("cat", "/proc/net/snmp6"):
                return f"Ip6InReceives 4\nIp6OutForwDatagrams {int(self.now * moved['ipv6'])}\n"
            case _:
                return None


def drain_step(**more: Any) -> Step:
    return step("drain", {"settle": "2s", "below": "1kpps", "within": "60s"}, **more)


def drained(router: Router, **more: Any) -> tuple[Scripted, Step]:
    """A router that our drain has drained, and the step with its artifact."""
    session = Scripted(script=router)
    outcome, held = visits(Drain(), session, drain_step(**more))
    assert outcome.kind is OutcomeKind.DONE, outcome
    return session, replace(held, waited_s=0.0, progress={"stage": held.progress["stage"]})


def sent(session: Scripted) -> list[list[str]]:
    """The configuration lines of every vtysh invocation that configured something."""
    return [[line for line in argv[2:] if line != "-c"] for argv in session.said("configure terminal")]


def test_a_drain_goes_through_its_stages_and_saves() -> None:
    router = Router()
    session, _ = drained(router)
    four, six = ("router bgp 65000", "address-family ipv4 unicast"), ("router bgp 65000", "address-family ipv6 unicast")
    end = ("exit-address-family", "exit")
    assert sent(session) == [
        ["configure terminal",
         *four, "neighbor 10.0.13.2 weight 60000", *end, *four, "neighbor 192.0.2.2 weight 60000", *end,
         *four, "neighbor 192.0.2.130 weight 60000", *end, *six, "neighbor 2001:db8:1::2 weight 60000", *end, "end"],
        ["configure terminal", "router bgp 65000", "bgp graceful-shutdown", "exit", "end"],
        ["configure terminal",
         "interface eth-b1", "ipv6 ospf6 cost 65535", "exit", "interface eth-p1", "ipv6 ospf6 cost 65535", "exit",
         "router ospf", "max-metric router-lsa administrative", "exit",
         "router isis CORE", "set-overload-bit", "exit", "end"],
    ]  # fmt: skip
    assert "bgp graceful-shutdown" in router.saved and router.saved == router.running
    assert len(session.said("write memory")) == 1


def test_stages_wait_for_the_gate_and_can_be_left_out() -> None:
    session = Scripted(script=Router())
    plain = {"settle": "0s", "gate": "10s", "order": ["igp", "bgp"], "steps": "one"}
    outcome, held = visits(Drain(), session, step("drain", plain))
    assert outcome.kind is OutcomeKind.DONE
    assert [lines[1].split()[0] for lines in sent(session)] == ["interface", "router"]
    assert 10.0 <= held.waited_s < 30.0


def test_the_costs_rise_by_the_steps_of_the_live_database() -> None:
    """The router of the recordings in a ring of six: its neighbours would send in a circle if it went in one step."""
    names = ["10.255.0.1", "10.255.0.2", "10.255.0.3", "10.255.0.6", "10.255.0.5", "10.255.0.4"]
    links = {
        name: [
            {"linkType": "another Router (point-to-point)", "neighborRouterId": far, "tos0Metric": 10}
            for far in (names[n - 1], names[(n + 1) % 6])
        ]
        for n, name in enumerate(names)
    }
    lsas = {
        name: {"advertisingRouter": name, "routerLinks": {f"link{k}": link for k, link in enumerate(some)}}
        for name, some in links.items()
    }
    router = Router(lsdb=json.dumps({"Router Link States": {"0.0.0.0": lsas}}))
    look = Drain().precheck(Scripted(script=router), drain_step())
    assert look.artifact is not None
    (extra,) = look.artifact["extras"]
    session, held = drained(router)
    raised, ended = [sorted(line for line in lines if " cost " in line) for lines in sent(session)[-2:]]
    assert raised == [f"ip ospf cost {10 + extra}"] * 2 + [f"ipv6 ospf6 cost {10 + extra}"] * 2
    assert ended == ["ipv6 ospf6 cost 65535"] * 2
    undrain = step("undrain", {"group": "igp", "gate": "1s"}, drain_artifact=held.artifact)
    outcome, _ = visits(Undrain(), session, undrain)
    assert outcome.kind is OutcomeKind.DONE
    lowered, restored = [sorted(line for line in lines if " cost" in line) for lines in sent(session)[-2:]]
    assert lowered == raised and restored == ["no ip ospf cost"] * 2 + ["no ipv6 ospf6 cost"] * 2


def test_it_is_done_only_when_forwarding_was_quiet_for_the_settle_time() -> None:
    session, held = drained(Router())
    first = Drain().observe(session, replace(held, waited_s=1.0))
    assert (first.seen, first.data["forwarded"]) == (Seen.WAITING, {"ipv4": 0.0, "ipv6": 0.0})
    again = replace(held, waited_s=2.0, progress=first.data)
    assert Drain().observe(session, again).seen is Seen.WAITING
    assert Drain().observe(session, replace(again, waited_s=3.0)).seen is Seen.DONE


def test_one_family_that_stays_is_named_and_starts_the_settling_again() -> None:
    router = Router()
    session, held = drained(router)
    quiet = Drain().observe(session, held)

    def loud(argv: tuple[str, ...]) -> Answer | str | None:
        if argv == ("cat", "/proc/net/snmp6"):
            return f"Ip6OutForwDatagrams {int(router.now * 5000)}\n"
        return router(argv)

    session.script = loud
    look = Drain().observe(session, replace(held, waited_s=5.0, progress=quiet.data))
    assert look.seen is Seen.WAITING and "quiet_since_s" not in look.data
    assert [reason.subject for reason in look.reasons] == ["ipv6 through bly"]
    late = Drain().observe(session, replace(held, waited_s=61.0, progress=look.data))
    assert late.seen is Seen.NOT_DONE
    assert "5000 packets/s" in late.reasons[0].found and late.reasons[0].wanted == "less than 1000"


def test_counters_that_cannot_be_read_never_prove_anything() -> None:
    router = Router()
    session, held = drained(router)
    session.script = lambda argv: "garbage" if argv == ("cat", "/proc/net/snmp") else router(argv)
    assert Drain().observe(session, held).seen is Seen.WAITING
    assert Drain().observe(session, replace(held, waited_s=61.0)).seen is Seen.UNKNOWN


def test_a_drain_that_was_not_saved_is_not_done() -> None:
    router = Router()
    session, held = drained(router)
    router.saved = (BASELINE / "running_config.txt").read_text()
    look = Drain().observe(session, held)
    assert look.seen is Seen.NOT_DONE
    assert {reason.found for reason in look.reasons} == {"not saved as drained"}


def statements(text: str) -> set[frr_tree.Path]:
    return set(frr_tree.paths(frr_tree.parse(text)))


def test_what_was_there_before_is_left_drained_and_costs_come_back() -> None:
    router = Router()
    router.running = edit(router.running, ["router bgp 65000", "bgp graceful-shutdown", "exit",
                                           "interface eth-b1", "ipv6 ospf6 cost 100"])  # fmt: skip
    router.saved = router.running
    before = router.running
    session, held = drained(router)
    assert held.artifact is not None and held.artifact["prior_drain"] is True
    undrain = step("undrain", {"group": "all", "gate": "0s"}, drain_artifact=held.artifact, baseline=MEASURED)
    look = Undrain().precheck(session, undrain)
    assert (look.seen, look.data["left_drained"]) == (Seen.READY, ["bgp (router bgp 65000)"])
    outcome, _ = visits(Undrain(), session, undrain)
    assert outcome.kind is OutcomeKind.DONE
    assert statements(router.running) == statements(before)
    assert router.saved == router.running


def test_a_refused_line_is_said_and_nothing_is_saved() -> None:
    router = Router(refuses="set-overload-bit")
    saved = router.saved
    session = Scripted(script=router)
    outcome, _ = visits(Drain(), session, drain_step())
    assert outcome.kind is OutcomeKind.ERROR
    assert "Unknown command: set-overload-bit" in outcome.reasons[0].found
    assert router.saved == saved


def test_the_budget_counts_what_others_drained() -> None:
    router = Router(lsdb=DRAINED_LSDB.replace("10.255.0.1", "10.255.0.9"))
    look = Drain().precheck(Scripted(script=router), drain_step())
    assert (look.seen, look.data) == (Seen.UNKNOWN, {"hold": True})
    assert "10.255.0.9 (by others)" in look.reasons[0].found
    look = Drain().precheck(Scripted(script=router), drain_step(drained_elsewhere=("10.255.0.9",), budget_total=2))
    assert look.seen is Seen.READY
    look = Drain().precheck(Scripted(script=router), drain_step(drained_elsewhere=("10.255.0.7",), budget_total=2))
    assert look.seen is Seen.UNKNOWN and "10.255.0.7 (by Slipway)" in look.reasons[0].found


def test_a_database_that_cannot_be_read_holds() -> None:
    look = Drain().precheck(Scripted(script=Router(lsdb="ospfd is not running\n")), drain_step())
    assert (look.seen, look.data) == (Seen.UNKNOWN, {"hold": True})


def test_a_neighbour_that_is_gone_since_the_baseline_holds_drain_and_undrain() -> None:
    router = Router()
    session, held = drained(router)
    router.ospf_neighbours = '{"neighbors":{"10.255.0.4":[{"nbrState":"Full/-"}]}}'
    fresh = Router(ospf_neighbours=router.ospf_neighbours)
    look = Drain().precheck(Scripted(script=fresh), drain_step(baseline=MEASURED))
    assert look.seen is Seen.UNKNOWN and look.data == {"hold": True} and "10.255.0.2" in look.reasons[0].found
    undrain = step("undrain", {"group": "igp"}, drain_artifact=held.artifact, baseline=MEASURED)
    assert Undrain().precheck(session, undrain).data == {"hold": True}


def test_unsaved_work_is_told_and_does_not_stop() -> None:
    router = Router()
    router.running = edit(router.running, ["router bgp 65000", "neighbor 192.0.2.9 remote-as 65009"])
    look = Drain().precheck(Scripted(script=router), drain_step())
    assert look.seen is Seen.READY
    assert "neighbor 192.0.2.9" in look.reasons[0].found


def test_undrain_puts_groups_back_one_after_the_other() -> None:
    router = Router()
    session, held = drained(router)
    specs = Undrain().expand(StepSpec("undrain", {"order": ["ospf", "ospf3", "ibgp", "ebgp"], "gate": "3s"}))
    assert [spec.params for spec in specs] == [{"gate": "3s", "group": "igp"}, {"gate": "3s", "group": "bgp"}]
    assert Undrain().expand(specs[0]) == (specs[0],)
    igp, bgp = (step("undrain", s.params, drain_artifact=held.artifact, baseline=MEASURED) for s in specs)
    outcome, ended = visits(Undrain(), session, igp)
    assert outcome.kind is OutcomeKind.DONE and ended.waited_s >= 3.0
    assert "max-metric" not in router.running and "bgp graceful-shutdown" in router.running
    outcome, ended = visits(Undrain(), session, bgp)
    assert outcome.kind is OutcomeKind.DONE and ended.waited_s >= 6.0, "BGP, then the preference of the own exits"
    assert [lines[-3] for lines in sent(session)[-2:]] == ["no bgp graceful-shutdown", "exit-address-family"]
    assert statements(router.running) == statements((BASELINE / "running_config.txt").read_text())
    assert Undrain().precheck(session, bgp).seen is Seen.ALREADY


def test_without_a_record_nothing_is_put_back() -> None:
    session = Scripted(script=Router())
    look = Undrain().precheck(session, step("undrain", {"group": "all"}))
    assert (look.seen, look.data) == (Seen.UNKNOWN, {"hold": True})
    with pytest.raises(Impossible):
        Undrain().apply(session, step("undrain", {"group": "all"}), deadline_s=30)


def test_the_way_back_of_both() -> None:
    router = Router()
    before = router.running
    session, held = drained(router)
    undrain = step("undrain", {"group": "all", "gate": "0s"}, drain_artifact=held.artifact)
    outcome, undone = visits(Undrain(), session, undrain)
    assert outcome.kind is OutcomeKind.DONE and undone.artifact is not None
    assert Undrain().observe_rollback(session, undone).seen is Seen.NOT_DONE
    outcome, _ = visits(Undrain(), session, replace(undone, waited_s=0.0, progress={}), rollback=True)
    assert outcome.kind is OutcomeKind.DONE
    assert Drain().observe_rollback(session, held).seen is Seen.NOT_DONE
    outcome, _ = visits(Drain(), session, replace(held, progress={}), rollback=True)
    assert outcome.kind is OutcomeKind.DONE
    assert statements(router.running) == statements(before) and router.saved == router.running


def test_no_daemon_and_another_suite_are_told() -> None:
    session = Scripted(answers={"vtysh -c show running-config": "Exiting: failed to connect to any daemons.\n"})
    look = Drain().precheck(session, drain_step())
    assert look.seen is Seen.UNKNOWN and "failed to connect" in look.reasons[0].found
    with pytest.raises(Impossible, match="routing suite none"):
        Drain().plan(StepSpec("drain"), replace(FRR, suite="none"), {})
