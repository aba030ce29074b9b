"""Drain and undrain of a BIRD router that exists as text: its constants, and what it says to `configure`."""

import re
from dataclasses import dataclass, field, replace

import pytest

from playbooks.base import Answer, Impossible, Refused, Seen
from playbooks.drain.driver import Drain
from playbooks.drain.render import BIRD_FILE
from playbooks.drain.undrain import Undrain
from playbooks.engine import OutcomeKind
from tests.playbooks.scripted import BIRD, Scripted, step, visits
from tests.playbooks.test_drain_driver import RECORDINGS, drain_step

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
    now: float = 0.0
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
            case ("cat", "/proc/uptime"):
                return f"{100 + self.now:.2f} 1.00\n"
            case ("/bin/sh", "-c", _, "slipway-vpp-counters", ""):
                return "@ none\n"
            case ("cat", "/proc/net/snmp"):
                return "Ip: ForwDatagrams\nIp: 7\n"
            case ("cat", "/proc/net/snmp6"):
                return "Ip6OutForwDatagrams 7\n"
            case ("sleep", seconds):
                self.now += float(seconds)
                return ""
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
    outcome, held = visits(Drain(), session, drain_step(device=BIRD, baseline=BIRD_MEASURED))
    assert outcome.kind is OutcomeKind.DONE, outcome
    assert session.files[BIRD_FILE] == (
        "# mine\ndefine SLIPWAY_DRAIN_BGP = true;\ndefine SLIPWAY_EXTRA_COST = 60000;\n"
    )
    undrain = step("undrain", {"group": "igp"}, device=BIRD, drain_artifact=held.artifact)
    assert visits(Undrain(), session, undrain)[0].kind is OutcomeKind.DONE
    assert session.files[BIRD_FILE] == "# mine\ndefine SLIPWAY_DRAIN_BGP = true;\ndefine SLIPWAY_EXTRA_COST = 7;\n"
    undrain = replace(undrain, params={"group": "bgp"})
    assert visits(Undrain(), session, undrain)[0].kind is OutcomeKind.DONE
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
