"""Real kernels on a router of the ring that is a virtual machine: upgraded, broken in three ways, and without a worker.

Run by `make test-vm`: half an hour on a quiet machine, an hour on a busy one, nearly all of it the emulated processor.
"""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from fleet.changes import draft_requests
from fleet.changes.models import Change, StepRun
from fleet.core.states import StepState
from fleet.people.models import Grant
from lab import netns
from lab.netns.probes import ProbeResult, Probes
from lab.netns.topology import MANAGEMENT_BRIDGE_ADDRESS
from lab.vm import image, kernels, ring, served
from lab.vm.kernels import Fault, Kernel
from lab.vm.requirements import reasons_unavailable
from tests import needs
from tests.changes.api_client import Program
from tests.stories import engines
from tests.stories.stage import Stage, targets, wait_until
from tests.vm import phases

NAME, NEXT = "tarbell", "dekker"  # the machine, and who would come after it
# The emulated processor has what the machine leaves it: times are long, so that only what never comes is late.
TIMES = {
    "confirm": os.environ.get("SLIPWAY_VM_CONFIRM", "5m"), "within": "90m", "ready": "15m", "soak": "20s",
    "every": "5s",
}  # fmt: skip
WITHIN_S = 2 * 3600.0

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.lab,
    pytest.mark.sqlite,
    pytest.mark.timeout(3 * 3600),
]


@pytest.fixture(scope="module")
def three() -> tuple[Kernel, ...]:
    """The kernel that the machine starts with, and two to go to."""
    needs.need(" ".join(reasons_unavailable()) or None)
    return kernels.newest(3)


@pytest.fixture(scope="module")
def seat(three: tuple[Kernel, ...]) -> Iterator[ring.Seat]:
    """The ring with a machine in it. SLIPWAY_VM_KEEP=1: one that runs already is taken, and left as it is."""
    kept = os.environ.get("SLIPWAY_VM_KEEP") == "1"
    lab = netns.running_lab() if kept else None
    if lab is None:
        netns.up(print)
    there = ring.seat_of(NAME)
    if lab is not None and there.machine.pid is not None:
        yield there
        return
    yield ring.take_over(NAME, image.ready_image(three[0], print), print)
    if not kept:
        ring.leave(NAME)
        netns.down()


@pytest.fixture
def packages(three: tuple[Kernel, ...]) -> Iterator[Mapping[str, str]]:
    """Every kernel of these tests, by digest: where the machine can fetch it."""
    broken = [kernels.broken(three[1], fault) for fault in Fault]
    with served.packages(MANAGEMENT_BRIDGE_ADDRESS.partition("/")[0], [*three, *broken]) as addresses:
        yield addresses


class Engine:
    """The in-process engine as a process that can be killed and started again."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self._environment = {
            **environment, "SLIPWAY_DISPATCH": "inline", "SLIPWAY_TICK_SECONDS": "0.5", "SLIPWAY_LEASE_SECONDS": "30",
        }  # fmt: skip
        self._folder, self.spent_s = folder, 0.0
        (folder / "var").mkdir(exist_ok=True)
        self._process = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        with (self._folder / "engine.log").open("ab") as log:
            return subprocess.Popen(
                engines.INLINE, cwd=engines.ROOT, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )

    def kill(self) -> None:
        """SIGKILL, and another one in its place."""
        self.stop(signal.SIGKILL)
        self._process = self._start()

    def stop(self, how: int = signal.SIGTERM) -> None:
        self.spent_s += phases.cpu_s(self._process.pid)
        self._process.send_signal(how)
        self._process.wait(60)


@pytest.fixture
def engine(child_environment: dict[str, str], tmp_path: Path) -> Iterator[Engine]:
    made = Engine(child_environment, tmp_path)
    yield made
    made.stop()


@pytest.fixture
def stage(seat: ring.Seat, author: Any, approver: Any) -> Stage:
    """People, and the fleet as Slipway sees it now."""
    made = Stage(author, approver)
    lab = netns.running_lab()
    assert lab is not None
    ring.wait_converged(lab, NAME, print)
    made.load(lab.inventory_path)
    return made


def started(stage: Stage, kernel: Kernel, addresses: Mapping[str, str], names: tuple[str, ...]) -> Change:
    """The change, drafted, submitted, approved by somebody else, and started: all through the API."""
    for person in (stage.author, stage.approver):
        Grant.objects.get_or_create(person=person, role="operator")
    draft_requests.publish()  # as the engine does when it starts
    desk, boss = Program(stage.author), Program(stage.approver)
    inputs = {
        "release": kernel.release, "version": kernel.version, "sha256": kernel.sha256,
        "source": addresses[kernel.sha256], **TIMES,
    }  # fmt: skip
    wanted = {
        "title": f"Kernel {kernel.release}",
        "recipe": "kernel",
        "inputs": inputs,
        "targets": {"names": list(names)},
    }
    answer = desk.post("/changes", wanted)
    assert answer.status_code == 202, answer.content
    draft = answer.headers["Location"].partition("/api/v1")[2]
    wait_until(lambda: desk.get(draft).json()["state"] != "waiting", within_s=120, what="a draft")
    found = desk.get(draft).json()
    assert found["state"] == "drafted", found
    number = found["change"]
    assert desk.post(f"/changes/{number}/submit").status_code == 200
    digest = desk.get(f"/changes/{number}/plan").json()["digest"]
    for program, act, said in ((boss, "approve", {"digest": digest}), (desk, "start", None)):
        answer = program.post(f"/changes/{number}/{act}", said)
        assert answer.status_code == 200, (act, answer.content)
    return Change.objects.get(pk=number)


@contextmanager
def probed(name: str) -> Iterator[list[ProbeResult]]:
    """Every flow of the ring is counted while the block runs; the result is put into the list at its end."""
    made: list[ProbeResult] = []
    if (left_over := Probes.running()) is not None:  # of a run that was killed
        with suppress(netns.LabError):
            left_over.stop()
    probes = Probes.start()
    try:
        yield made
        time.sleep(5)
    finally:
        made.append(probes.stop())
        lost = made[0].summary()
        (phases.ROOT / "var" / "bench").mkdir(parents=True, exist_ok=True)
        (phases.ROOT / "var" / "bench" / f"vm-probes-{name}.json").write_text(str(lost))


def wait_ended(change: Change) -> None:
    def ended() -> bool:
        change.refresh_from_db()
        return change.ended

    wait_until(ended, within_s=WITHIN_S, what=f"end of {change}")


def on_machine(*words: str) -> str:
    """What a command prints on the machine, asked over SSH as Slipway would."""
    lab = netns.running_lab()
    assert lab is not None
    address = ring.seat_of(NAME).router.management_address
    options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
    argv = ["ssh", "-i", str(lab.login_key), *options, f"ops@{address}", *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=120, check=True).stdout.strip()


def figures(name: str, change: Change, engine: Engine, result: ProbeResult) -> None:
    lost = {f: (c.lost, c.sent) for f in ("ipv4", "ipv6") for c in [result.count(family=f)]}
    target = targets(change)[NAME]
    phases.keep(
        name, phases.of_target(target), state=target.state, lost_of_sent=lost, engine_cpu_s=round(engine.spent_s, 1)
    )


@pytest.mark.parametrize("fault", list(Fault), ids=lambda fault: fault.name.lower())
def test_a_kernel_that_does_not_come_up_is_gone_by_itself(
    fault: Fault, stage: Stage, engine: Engine, three: tuple[Kernel, ...], packages: Mapping[str, str]
) -> None:
    before = on_machine("uname", "-r")
    with probed(fault.name.lower()) as results:
        change = started(stage, kernels.broken(three[1], fault), packages, (NAME, NEXT))
        wait_ended(change)
    engine.kill()
    seen = targets(change)
    figures(fault.name.lower(), change, engine, results[0])
    assert seen[NAME].state == "rolled_back", (seen[NAME].state, seen[NAME].reasons)
    assert seen[NEXT].state == "pending" and change.state == "rolled_back", "the wave stopped"
    assert on_machine("uname", "-r") == before
    assert on_machine("dpkg-query", "-W", "-f", "x", "linux-image-*-cloud-amd64").count("x") == 1, "as it was"
    failed = StepRun.objects.get(target=seen[NAME], verb="kernel", back=False)
    if fault is Fault.NO_NETWORK:
        assert "nobody could come in" in " ".join(failed.reasons)
    else:
        assert "sysrq triggered crash" in failed.data["panic"]["headline"], failed.data
        words = "broken on purpose" if fault is Fault.PANIC else "no init in time"
        assert words in failed.data["panic"]["text"]
    assert results[0].lost == 0, results[0].summary()["runs"]


def test_a_kernel_is_upgraded_and_nothing_is_lost(
    stage: Stage, engine: Engine, three: tuple[Kernel, ...], packages: Mapping[str, str]
) -> None:
    with probed("upgrade") as results:
        change = started(stage, three[1], packages, (NAME,))
        wait_ended(change)
    engine.kill()
    figures("upgrade", change, engine, results[0])
    is_upgraded(change, three[1])
    assert results[0].lost == 0, results[0].summary()["runs"]


def is_upgraded(change: Change, kernel: Kernel) -> None:
    target = targets(change)[NAME]
    assert (target.state, target.reasons) == ("done", [])
    assert on_machine("uname", "-r") == kernel.release
    assert kernel.release in on_machine("sudo", "grub-editenv", "list")


def test_a_worker_killed_in_every_step_ends_as_if_nothing_had_been(
    stage: Stage, engine: Engine, three: tuple[Kernel, ...], packages: Mapping[str, str]
) -> None:
    killed: list[str] = []
    with probed("killed") as results:
        change = started(stage, three[2], packages, (NAME,))
        deadline = time.monotonic() + WITHIN_S
        while not change.ended and time.monotonic() < deadline:
            row = StepRun.objects.filter(target__run__revision__change=change, state=StepState.CLAIMED).first()
            if row is not None and row.title not in killed:
                time.sleep(0.3)  # in the midst of it
                engine.kill()
                killed.append(row.title)
            time.sleep(0.1)
            change.refresh_from_db()
    assert change.ended
    figures("killed", change, engine, results[0])
    print("killed in:", ", ".join(killed))
    verbs = set(StepRun.objects.filter(target__run__revision__change=change).values_list("verb", flat=True))
    assert verbs <= {title.split()[0] for title in killed}, killed
    is_upgraded(change, three[2])
    assert on_machine("last", "-x", "reboot").count("system boot") >= 2
    assert results[0].lost == 0, results[0].summary()["runs"]
