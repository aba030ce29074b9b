"""Real kernels on a router of the ring that is a virtual machine: upgraded, broken in three ways, and without a worker.

Run by `make test-vm`. Nearly all of its time is the emulated processor's. SLIPWAY_VM_KEEP=1 keeps ring and machine,
SLIPWAY_VM_PREFIXES=2000,1000 gives the ring as many as it has elsewhere.
"""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from fleet.changes.models import Change, StepRun
from fleet.core.states import StepState
from lab import netns
from lab.netns.probes import ProbeResult, Probes
from lab.netns.topology import MANAGEMENT_BRIDGE_ADDRESS
from lab.vm import image, kernels, ring, served
from lab.vm.kernels import Fault, Kernel
from lab.vm.requirements import reasons_unavailable
from tests import needs
from tests.stories.stage import Stage, targets
from tests.vm import conduct, phases
from tests.vm.conduct import Engine

NAME, NEXT = "tarbell", "dekker"  # the machine, and who would come after it
# A tenth of what the ring has elsewhere: each look at 3,000 routes costs an emulated processor half a minute.
PREFIXES4, PREFIXES6 = (int(n) for n in os.environ.get("SLIPWAY_VM_PREFIXES", "200,100").split(","))
FAULTS = (Fault.PANIC, Fault.NO_NETWORK, Fault.HANG)

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.lab,
    pytest.mark.sqlite,
    pytest.mark.timeout(2 * 3600),
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
        netns.up(print, prefixes4=PREFIXES4, prefixes6=PREFIXES6)
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
    broken = [kernels.broken(three[2], fault) for fault in FAULTS]
    with served.packages(MANAGEMENT_BRIDGE_ADDRESS.partition("/")[0], [*three, *broken]) as addresses:
        yield addresses


@pytest.fixture
def stage(seat: ring.Seat, author: Any, approver: Any) -> Stage:
    """People, and the fleet as Slipway sees it now."""
    made = Stage(author, approver)
    lab = netns.running_lab()
    assert lab is not None
    ring.wait_converged(lab, NAME, print)
    made.load(lab.inventory_path)
    return made


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


def on_machine(*words: str) -> str:
    lab = netns.running_lab()
    assert lab is not None
    return conduct.on(ring.seat_of(NAME).router.management_address, lab.login_key, *words)


def figures(name: str, change: Change, engine: Engine, result: ProbeResult, **more: object) -> None:
    lost = {f: (c.lost, c.sent) for f in ("ipv4", "ipv6") for c in [result.count(family=f)]}
    target = targets(change)[NAME]
    spent = round(engine.spent_s, 1)
    phases.keep(name, phases.of_target(target), state=target.state, lost_of_sent=lost, engine_cpu_s=spent, **more)


def test_a_kernel_is_upgraded_and_nothing_is_lost(
    stage: Stage, engine: Engine, three: tuple[Kernel, ...], packages: Mapping[str, str]
) -> None:
    with probed("upgrade") as results, phases.answering(ring.seat_of(NAME).router.management_address) as doors:
        change = conduct.started(stage, three[1], packages[three[1].sha256], (NAME,))
        conduct.wait_ended(change)
    engine.kill()
    figures("upgrade", change, engine, results[0], noticed_s=phases.noticed_s(targets(change)[NAME], doors))
    is_upgraded(change, three[1])
    assert results[0].lost == 0, results[0].summary()["runs"]


def is_upgraded(change: Change, kernel: Kernel) -> None:
    target = targets(change)[NAME]
    assert (target.state, target.reasons) == ("done", []), conduct.told(change)
    assert on_machine("uname", "-r") == kernel.release
    assert f"gnulinux-{kernel.release}-advanced" in on_machine("sudo", "grub-editenv", "list")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.lower())
def test_a_kernel_that_does_not_come_up_is_gone_by_itself(
    fault: Fault, stage: Stage, engine: Engine, three: tuple[Kernel, ...], packages: Mapping[str, str]
) -> None:
    asked = ("dpkg-query", "-W", "-f", "'${Package} ${Status}\\n'", "'linux-image-*'")
    before, installed = on_machine("uname", "-r"), on_machine(*asked)
    broken = kernels.broken(three[2], fault)
    with probed(fault.name.lower()) as results:
        change = conduct.started(stage, broken, packages[broken.sha256], (NAME, NEXT))
        conduct.wait_ended(change)
    engine.kill()
    seen = targets(change)
    figures(fault.name.lower(), change, engine, results[0])
    assert seen[NAME].state == "rolled_back", conduct.told(change)
    assert seen[NEXT].state == "pending" and change.state == "rolled_back", "the wave stopped"
    assert (on_machine("uname", "-r"), on_machine(*asked)) == (before, installed), "as it was"
    failed = StepRun.objects.get(target=seen[NAME], verb="kernel", back=False)
    if fault is Fault.NO_NETWORK:
        assert "nobody could come in" in " ".join(failed.reasons)
    else:
        assert "sysrq triggered crash" in failed.data["panic"]["headline"], failed.data
        words = "broken on purpose" if fault is Fault.PANIC else "no init in time"
        assert words in failed.data["panic"]["text"]
    assert results[0].lost == 0, results[0].summary()["runs"]


def test_a_worker_killed_in_every_step_ends_as_if_nothing_had_been(
    stage: Stage, engine: Engine, three: tuple[Kernel, ...], packages: Mapping[str, str]
) -> None:
    """One upgrade. The engine is killed once in every step, in the kernel step once in each of its parts."""
    killed: list[str] = []
    boots = boots_so_far()
    # After so long what a dead worker held is taken up, thirteen times. With 25 s a drain had no time left to send: one
    # look at the machine takes up to 20 s.
    engine.lease_s = 45.0
    engine.kill()
    with probed("killed") as results:
        change = conduct.started(stage, three[2], packages[three[2].sha256], (NAME,))
        deadline = time.monotonic() + conduct.WITHIN_S
        while not change.ended and time.monotonic() < deadline:
            row = StepRun.objects.filter(target__run__revision__change=change, state=StepState.CLAIMED).first()
            if row is not None and moment(row) not in killed:
                killed.append(moment(row))
                time.sleep(0.3)  # in the midst of it
                engine.kill()
            time.sleep(0.1)
            change.refresh_from_db()
    assert change.ended, conduct.told(change)
    figures("killed", change, engine, results[0], killed_in=killed)
    rows = list(StepRun.objects.filter(target__run__revision__change=change).order_by("index"))
    assert {numbered(row) for row in rows} == {where.partition(": ")[0] for where in killed}, killed
    assert {where.partition(": ")[2] for where in killed} >= {"install", "installing", "trial under way"}, killed
    assert {row.state for row in rows} == {StepState.DONE}, conduct.told(change)
    is_upgraded(change, three[2])
    assert boots_so_far() == boots + 1, "one reboot, whoever died"
    assert results[0].lost == 0, results[0].summary()["runs"]


def boots_so_far() -> int:
    """How often its boot loader has begun, by what it wrote to the serial line."""
    return ring.seat_of(NAME).machine.console.read_bytes().count(b"GNU GRUB")


def numbered(row: StepRun) -> str:
    """A step by its place and name: there are two of `verify`."""
    return f"{row.index + 1} {row.title}"


def moment(row: StepRun) -> str:
    """In what a worker is: the step, and of the kernel step how far it is."""
    if row.verb != "kernel":
        return numbered(row)
    parts = ("rebooted_at_s" in row.data and "trial under way") or ("doing" in row.data and "installing") or "install"
    return f"{numbered(row)}: {parts}"
