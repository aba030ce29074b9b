"""Standalone servers against the lab's Cisco IMC, by the real imcsdk: facts, queues with a reboot, and the way back."""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from fleet.core import ucs
from fleet.core.model import Json, StepSpec
from lab.cimc import Cimc
from playbooks.base import Answer, HostKeyRefused, Impossible, LoginRefused, Step, Unreachable
from playbooks.engine import Outcome, OutcomeKind, perform, perform_rollback
from playbooks.ucs import places, rack, rack_client, rack_driver
from tests.playbooks.ucs_blades import ENV, PASSWORD, Machine

MACS = ["00:25:B5:00:00:01", "00:25:B5:00:00:02"]
KIND = rack_driver.Rack()
CALLS = Path(__file__).parent / "recordings" / "cimc" / "calls.xml"


class Server(Machine):
    """The host: its own `systemctl reboot` boots it, and then it has what its controller says."""

    def __init__(self) -> None:
        super().__init__("cache1", [mac.lower() for mac in MACS])
        self.next: Mapping[str, int] = {"eth0": 1, "eth1": 1}
        self.reboots = 0

    def run(self, argv: list[str], *, stdin: str = "", timeout_s: float = 30.0, root: bool = False) -> Answer:
        if argv[:2] == ["systemctl", "is-active"]:
            return Answer(3, "inactive\n", "")
        if argv[-2:] == ["systemctl", "reboot"]:
            self.boots, self.reboots = self.boots + 1, self.reboots + 1
            self.queues = dict(enumerate(self.next.values()))
        return super().run(argv, stdin=stdin, timeout_s=timeout_s, root=root)

    def boots_with(self, queues: Mapping[str, int]) -> None:
        self.next = dict(queues)


class Scene:
    """A server with its controller, and steps walked as the engine walks them."""

    def __init__(self, cimc: Cimc, host: Server) -> None:
        self.cimc, self.host = cimc, host
        self.domain = places.Domain(
            "cache1", "127.0.0.1", cimc.port, "admin", f"env:{ENV}", cimc.certificate.fingerprint
        )
        places.tell(self)

    def of(self, device: str) -> None:
        """Nobody is on a blade here."""

    def rack(self, device: str) -> places.RackPlace | None:
        if device != "cache1":
            return None
        found = rack_client.look(self.domain)
        return places.RackPlace(self.domain, found.model, found.vnics, ucs.KNOWN_LIMITS["VIC 1240"])

    def step(self, queues: int = 8, **params: Json) -> Step:
        made = KIND.plan(StepSpec("ucs-rack", {"receive": queues, **params}), self.host.device, {"kernel": "6.1.0-18"})
        return Step("ucs-rack", made.params, made, self.host.device)

    def walk(self, step: Step, *, back: bool = False, until: Callable[[Outcome], bool] | None = None) -> Outcome:
        act, sent, began = (perform_rollback if back else perform), False, time.monotonic()

        def ahead(artifact: Mapping[str, Json] | None) -> bool:
            nonlocal step, sent
            sent, step = True, step if artifact is None else replace(step, artifact=artifact)
            return True

        while True:
            outcome = act(KIND, self.host, step, sent=sent, deadline_s=60.0, write_ahead=ahead)
            self.last = step
            if outcome.kind not in {OutcomeKind.WAIT, OutcomeKind.RETRY} or (until is not None and until(outcome)):
                return outcome
            assert time.monotonic() - began < 20, outcome
            step = replace(step, progress=outcome.data, waited_s=step.waited_s + 1.0)


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setenv(ENV, PASSWORD)
    before, host = places._kept, Server()
    with Cimc(MACS, password=PASSWORD, folder=tmp_path, next_boot=host.boots_with) as cimc:
        yield Scene(cimc, host)
    if before is not None:
        places.tell(before)


def test_a_server_says_what_it_is_and_each_vnic_its_own_counts(scene: Scene) -> None:
    found = rack_client.look(scene.domain)
    assert (found.model, found.serial, found.version) == ("UCSC-C220-M3S", "FCH1847V0AB", "4.1(2f)")
    assert [(v.name, v.mac) for v in found.vnics] == [("eth0", MACS[0].lower()), ("eth1", MACS[1].lower())]
    assert all(v.counts is not None and (v.counts.receive, v.counts.rss) == (1, False) for v in found.vnics)
    assert scene.cimc.sessions.count() == 0, "no session is kept: a controller has four"


def test_the_calls_are_those_that_were_recorded(scene: Scene) -> None:
    """What imcsdk 0.9.17 sends for a look and for one setting, byte by byte but for the cookie."""
    server = rack_client.look(scene.domain)
    counts = server.vnics[0].counts
    assert counts is not None
    rack_client.write(scene.domain, server.vnics[0].dn, rack.changes(counts, replace(counts, interrupts=18)))
    sent = [re.sub(rb"[0-9]+/[0-9a-f]{16}", b"COOKIE", call).decode() for call in scene.cimc.requests]
    assert "\n".join(call.replace(PASSWORD, "PASSWORD") for call in sent) + "\n" == CALLS.read_text()


def test_counts_are_written_then_the_host_reboots_and_shows_them(scene: Scene) -> None:
    step = scene.step()
    assert step.planned.reversibility == "by reboot"
    assert "+eth1: 8 + 8 queues, 16 completion, 18 interrupts" in step.planned.diff
    assert "set sys/rack-unit-1/adaptor-1/host-eth-eth0/eth-int count=18" in step.planned.commands
    outcome = scene.walk(step)
    assert (outcome.kind, outcome.changed) == (OutcomeKind.DONE, True), outcome.reasons
    assert outcome.data["queues"] == {"eth0": 8, "eth1": 8} and scene.host.reboots == 1
    again = scene.walk(scene.step())
    assert (again.kind, again.changed, scene.host.reboots) == (OutcomeKind.DONE, False, 1)


def test_the_way_back_is_the_old_counts_and_another_reboot(scene: Scene) -> None:
    assert scene.walk(scene.step()).kind is OutcomeKind.DONE
    outcome = scene.walk(replace(scene.last, waited_s=0.0, progress={}), back=True)
    assert outcome.kind is OutcomeKind.DONE, outcome.reasons
    assert (scene.host.queues, scene.host.reboots) == ({0: 1, 1: 1}, 2)
    assert all(v.counts is not None and v.counts.interrupts == 4 for v in rack_client.look(scene.domain).vnics)


def test_what_was_written_but_never_booted_goes_back_without_a_reboot(scene: Scene) -> None:
    step = scene.step()
    look = KIND.precheck(scene.host, step)
    rack_client.write(scene.domain, "sys/rack-unit-1/adaptor-1/host-eth-eth0", {"eth-rcv-q": {"count": "8"}})
    assert scene.walk(replace(step, artifact=look.artifact), back=True).kind is OutcomeKind.DONE
    assert scene.host.reboots == 0
    assert [v.counts.receive for v in rack_client.look(scene.domain).vnics if v.counts is not None] == [1, 1]


def test_other_transmit_queues_alone_need_a_reboot_there_and_back(scene: Scene) -> None:
    """The host shows as many receive queues before and after: the boot tells."""
    assert scene.walk(scene.step(1, transmit=4)).kind is OutcomeKind.DONE and scene.host.reboots == 1
    back = scene.walk(replace(scene.last, waited_s=0.0, progress={}), back=True)
    assert back.kind is OutcomeKind.DONE and scene.host.reboots in {2, 3}, "a host that is drained; never none"


def test_a_controller_that_restarts_between_two_writes_is_waited_for(scene: Scene) -> None:
    """Nothing holds the writes together: the next visit writes what is left, and the host reboots once."""
    step, seen = scene.step(), len(scene.cimc.requests)
    answer = scene.cimc.answer

    def dies(text: bytes) -> object:
        made = answer(text)
        if b"configConfMo " in text and len(scene.cimc.requests) > seen:
            scene.cimc.answer = answer  # type: ignore[method-assign]
            scene.cimc.restart(away_s=0.3)
        return made

    scene.cimc.answer = dies  # type: ignore[method-assign, assignment]
    outcome = scene.walk(step)
    assert outcome.kind is OutcomeKind.DONE and scene.host.reboots == 1, outcome.reasons
    assert outcome.data["queues"] == {"eth0": 8, "eth1": 8}


def test_fewer_queues_than_planned_are_no_success(scene: Scene) -> None:
    step = scene.step()
    scene.cimc.next_boot = lambda queues: scene.host.boots_with({"eth0": 4, "eth1": 8})
    outcome = scene.walk(step)
    assert outcome.kind is OutcomeKind.IMPOSSIBLE and "eth0 4, eth1 8" in str(outcome.reasons[0])


def test_what_it_does_not_take_is_refused_when_it_is_planned(scene: Scene) -> None:
    with pytest.raises(Impossible, match="wanted eth7"):
        scene.step(vnics=("eth7",))
    with pytest.raises(ValidationError, match="less than or equal to 256"):
        scene.step(257)


def test_another_certificate_and_a_wrong_password_are_said(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HostKeyRefused):
        rack_client.look(replace(scene.domain, certificate="0" * 64))
    with pytest.raises(HostKeyRefused, match="nobody recorded"):
        rack_client.look(replace(scene.domain, certificate=""))
    assert not scene.cimc.requests, "nothing was sent"
    monkeypatch.setenv(ENV, "wrong")
    with pytest.raises(LoginRefused, match="551"):
        rack_client.look(scene.domain)


def test_four_sessions_are_all_it_has(scene: Scene) -> None:
    for _ in range(4):
        scene.cimc.sessions.login("admin", PASSWORD)
    with pytest.raises(Unreachable, match="room for one session"):
        rack_client.look(scene.domain)


def test_room_comes_before_queues_and_goes_after_them() -> None:
    """Whoever boots in between finds counts that fit each other."""
    small = ucs.Policy("eth0")
    large = ucs.derived("eth0", receive=8, transmit=8, like=small)
    assert list(rack.changes(small, large)) == ["eth-int", "eth-comp-q", "eth-work-q", "eth-rcv-q", "rss"]
    assert list(rack.changes(large, small)) == ["rss", "eth-rcv-q", "eth-work-q", "eth-comp-q", "eth-int"]
    assert rack.changes(small, small) == {}
