"""Drain and undrain against a router that exists as text: what is looked at, sent, and said."""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from fleet.core.model import StepSpec
from playbooks.base import Answer, Impossible, Refused, Seen, Step
from playbooks.drain.driver import Drain, Undrain
from playbooks.drain.render import BIRD_FILE
from tests.playbooks.scripted import BIRD, FRR, Scripted, step

RECORDINGS = Path(__file__).parent / "recordings"
BASELINE = RECORDINGS / "drain-frr-01-baseline"
DRAINED_LSDB = (RECORDINGS / "drain-frr-03-igp-drained" / "on_neighbour_database.json").read_text()
NEIGHBOURS = {router: {"state": "Full/-", "full": 1} for router in ("10.255.0.4", "10.255.0.2")}
MEASURED = {"ospf": {"neighbours": NEIGHBOURS}, "ospf3": {"neighbours": NEIGHBOURS}}
CONFIG = "show running-config"


def edit(config: str, lines: list[str]) -> str:
    """What FRR does with configuration lines: set or unset one line under its heading."""
    heading = ""
    for line in lines:
        if line in {"configure terminal", "end", "exit"}:
            continue
        if line.startswith(("router ", "interface ")):
            heading = line
            continue
        wanted = line.removeprefix("no ")
        stem = "ipv6 ospf6 cost" if "ospf6 cost" in wanted else wanted
        blocks = re.split(r"(?m)^(?=\S)", config)
        for index, block in enumerate(blocks):
            if block.splitlines()[:1] == [heading]:
                block = re.sub(rf"(?m)^ {re.escape(stem)}( .*)?\n", "", block)
                if not line.startswith("no "):
                    block = block.replace(heading + "\n", f"{heading}\n {line}\n", 1)
                blocks[index] = block
        config = "".join(blocks)
    return config


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
    look = Drain().precheck(session, drain_step(**more))
    assert look.seen is Seen.READY, look.reasons
    held = drain_step(artifact=look.artifact, **more)
    Drain().apply(session, held, deadline_s=30)
    return session, held


def test_a_drain_sets_every_switch_in_one_command_and_saves() -> None:
    router = Router()
    session, _ = drained(router)
    (configured,) = session.said("configure terminal")
    assert [line for line in configured[1:] if line != "-c"] == [
        "configure terminal",
        "interface eth-b1", "ipv6 ospf6 cost 65535", "exit",
        "interface eth-p1", "ipv6 ospf6 cost 65535", "exit",
        "router bgp 65000", "bgp graceful-shutdown", "exit",
        "router ospf", "max-metric router-lsa administrative", "exit",
        "router isis CORE", "set-overload-bit", "exit",
        "end",
    ]  # fmt: skip
    assert "bgp graceful-shutdown" in router.saved and router.saved == router.running


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
    Undrain().apply(session, undrain, deadline_s=30)
    assert sorted(router.running.splitlines()) == sorted(before.splitlines())
    assert router.saved == router.running
    assert Undrain().observe(session, undrain).seen is Seen.DONE


def test_a_refused_line_puts_back_what_came_before_it() -> None:
    router = Router(refuses="set-overload-bit")
    before = router.running
    session = Scripted(script=router)
    held = drain_step(artifact=Drain().precheck(session, drain_step()).artifact)
    with pytest.raises(Refused, match="Unknown command: set-overload-bit"):
        Drain().apply(session, held, deadline_s=30)
    assert router.saved == before
    # The way back was sent in one piece; its own `no set-overload-bit` was refused too, what came before it is undone.
    assert "max-metric" not in router.running and "graceful-shutdown" not in router.running


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
    Undrain().apply(session, igp, deadline_s=30)
    assert "max-metric" not in router.running and "bgp graceful-shutdown" in router.running
    first = Undrain().observe(session, replace(igp, waited_s=1.0))
    assert first.seen is Seen.WAITING and first.after_s == 3.0
    assert Undrain().observe(session, replace(igp, waited_s=4.0, progress=first.data)).seen is Seen.DONE
    Undrain().apply(session, bgp, deadline_s=30)
    assert router.running.splitlines() == (BASELINE / "running_config.txt").read_text().splitlines()
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
    artifact = Undrain().precheck(session, undrain).artifact
    Undrain().apply(session, undrain, deadline_s=30)
    back = replace(undrain, artifact=artifact)
    assert Undrain().observe_rollback(session, back).seen is Seen.NOT_DONE
    Undrain().rollback(session, back, deadline_s=30)
    assert Undrain().observe_rollback(session, back).seen is Seen.DONE
    assert Drain().observe_rollback(session, held).seen is Seen.NOT_DONE
    Drain().rollback(session, held, deadline_s=30)
    assert router.running.splitlines() == before.splitlines()
    assert Drain().observe_rollback(session, held).seen is Seen.DONE


def test_no_daemon_and_another_suite_are_told() -> None:
    session = Scripted(answers={"vtysh -c show running-config": "Exiting: failed to connect to any daemons.\n"})
    look = Drain().precheck(session, drain_step())
    assert look.seen is Seen.UNKNOWN and "failed to connect" in look.reasons[0].found
    with pytest.raises(Impossible, match="routing suite none"):
        Drain().plan(StepSpec("drain"), replace(FRR, suite="none"), {})


# -- BIRD


BIRD_MEASURED = {
    key: {"neighbours": {"10.255.0.1": {"full": 1}, "10.255.0.2": {"full": 1}}} for key in ("ospf", "ospf3")
}
BIRD_CONF = f'router id 10.255.0.4;\ninclude "{BIRD_FILE}";\nprotocol device {{}}\n'
BIRD_DRAIN = "# mine\ndefine SLIPWAY_DRAIN_BGP = false;\ndefine SLIPWAY_EXTRA_COST = 7;\n"


@dataclass
class BirdRouter:
    """A BIRD router: its files, the constants in effect, and what it says to `configure`."""

    session: Scripted
    says: str = "Reconfigured"
    running: dict[str, str] = field(default_factory=lambda: {"SLIPWAY_DRAIN_BGP": "false", "SLIPWAY_EXTRA_COST": "7"})

    def __call__(self, argv: tuple[str, ...]) -> Answer | str | None:
        hello = "BIRD 2.0.12 ready.\n"
        recorded = RECORDINGS / "drain-bird-01-baseline"
        match argv:
            case ("birdc", "eval", name) if name in self.running:
                return f"{hello}{self.running[name].upper()}\n"
            case ("birdc", "configure", "check"):
                bad = self.says not in {"Reconfigured", "Reconfiguration in progress"}
                return f"{hello}Reading configuration from x\n{self.says if bad else 'Configuration OK'}\n"
            case ("birdc", "configure"):
                written = dict(re.findall(r"define (\w+) = (\w+);", self.session.files[BIRD_FILE]))
                self.running.update(written)
                return f"{hello}Reading configuration from x\n{self.says}\n"
            case ("birdc", "show", "protocols"):
                return (recorded / "protocols.txt").read_text()
            case ("birdc", "show", "ospf", "state", "ospf4" | "ospf6"):
                return (recorded / "ospf_state.txt").read_text()
            case ("birdc", "show", "ospf", "neighbors", "ospf4" | "ospf6"):
                return (recorded / "ospf_neighbors.txt").read_text()
            case _:
                return None


def bird(config: str = BIRD_CONF, constants: str | None = BIRD_DRAIN, says: str = "Reconfigured") -> Scripted:
    session = Scripted(device=BIRD, files={"/etc/bird/bird.conf": config})
    if constants is not None:
        session.files[BIRD_FILE] = constants
    session.script = BirdRouter(session, says)
    return session


def test_bird_is_drained_by_its_constants_and_put_back() -> None:
    session = bird()
    look = Drain().precheck(session, drain_step(device=BIRD, baseline=BIRD_MEASURED))
    assert look.seen is Seen.READY, look.reasons
    held = drain_step(device=BIRD, artifact=look.artifact)
    Drain().apply(session, held, deadline_s=30)
    assert session.files[BIRD_FILE] == (
        "# mine\ndefine SLIPWAY_DRAIN_BGP = true;\ndefine SLIPWAY_EXTRA_COST = 60000;\n"
    )
    undrain = step("undrain", {"group": "igp"}, device=BIRD, drain_artifact=look.artifact)
    Undrain().apply(session, undrain, deadline_s=30)
    assert session.files[BIRD_FILE] == "# mine\ndefine SLIPWAY_DRAIN_BGP = true;\ndefine SLIPWAY_EXTRA_COST = 7;\n"
    Undrain().apply(session, replace(undrain, params={"group": "bgp"}), deadline_s=30)
    assert session.files[BIRD_FILE] == BIRD_DRAIN


def test_a_neighbour_of_bird_that_is_gone_holds() -> None:
    missing = {"ospf3": {"neighbours": {"10.255.0.9": {"full": 1}}}}
    look = Drain().precheck(bird(), drain_step(device=BIRD, baseline=BIRD_MEASURED | missing))
    assert look.seen is Seen.UNKNOWN and "10.255.0.9" in look.reasons[0].found


def test_a_bird_without_the_include_says_what_to_add() -> None:
    for session in (bird(config="router id 10.255.0.4;\n"), bird(constants=None)):
        with pytest.raises(Impossible, match=r'include "/etc/bird/slipway-drain\.conf"'):
            Drain().precheck(session, drain_step(device=BIRD))


def test_what_bird_refuses_leaves_the_file_as_it_was_whatever_the_exit_status() -> None:
    session = bird(says="/etc/bird/bird.conf:5:126 Cost must be in range 1-65535")
    held = drain_step(device=BIRD, artifact=Drain().precheck(session, drain_step(device=BIRD)).artifact)
    with pytest.raises(Refused, match="Cost must be in range"):
        Drain().apply(session, held, deadline_s=30)
    assert session.files[BIRD_FILE] == BIRD_DRAIN
