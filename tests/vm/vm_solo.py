"""Real kernels on a virtual machine without a ring: upgraded, panicking, standing still until it is power cycled.

The quickest of the tests with real kernels, and the one with a management controller.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from fleet.changes import silent
from fleet.changes.models import Change, Event, StepRun
from lab.vm import configuration, image, kernels, network, served, solo
from lab.vm.controller import Controller, redfish
from lab.vm.kernels import Fault, Kernel
from lab.vm.machine import Machine
from lab.vm.requirements import reasons_unavailable
from tests import needs
from tests.stories.stage import Stage, targets
from tests.vm import conduct, phases
from tests.vm.conduct import Engine

USER, PASSWORD = "slipway", "behind-the-front-plate"

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def three() -> tuple[Kernel, ...]:
    """The kernel that the machine starts with, one to go to, and one that is broken."""
    needs.need(" ".join(reasons_unavailable()) or None)
    return kernels.newest(3)


@pytest.fixture(scope="module")
def machine(three: tuple[Kernel, ...]) -> Iterator[Machine]:
    """SLIPWAY_VM_KEEP=1: one that runs already is taken, and left as it is."""
    kept = os.environ.get("SLIPWAY_VM_KEEP") == "1"
    if kept and solo.machine().pid is not None:
        yield solo.machine()
        return
    made = solo.switched_on(image.ready_image(three[0], print), print)
    yield made
    if not kept:
        made.stop()


@pytest.fixture
def controller(machine: Machine) -> Iterator[Controller]:
    with redfish(machine, USER, PASSWORD) as made:
        yield made


@pytest.fixture
def packages(machine: Machine, three: tuple[Kernel, ...]) -> Iterator[Mapping[str, str]]:
    broken = [kernels.broken(three[2], fault) for fault in (Fault.PANIC, Fault.STILL)]
    with served.packages(network.HOST_ADDRESS, [*three, *broken]) as addresses:
        yield addresses


@pytest.fixture
def stage(controller: Controller, author: Any, approver: Any, tmp_path: Path) -> Stage:
    made = Stage(author, approver)
    (tmp_path / "console-password").write_text(PASSWORD + "\n")
    made.load(solo.inventory(tmp_path, console=(controller.address, controller.port, USER)))
    return made


def on_machine(*words: str) -> str:
    return conduct.on(network.MACHINE_ADDRESS, configuration.login_key(), *words)


def figures(name: str, change: Change, engine: Engine, **more: object) -> None:
    target = targets(change)[solo.NAME]
    spent = round(engine.spent_s, 1)
    phases.keep(f"solo {name}", phases.of_target(target), state=target.state, engine_cpu_s=spent, **more)


def test_a_kernel_is_upgraded(
    stage: Stage, engine: Engine, three: tuple[Kernel, ...], packages: Mapping[str, str]
) -> None:
    with phases.answering(network.MACHINE_ADDRESS) as doors:
        change = conduct.started(stage, three[1], packages[three[1].sha256], (solo.NAME,))
        conduct.wait_ended(change)
    engine.kill()
    target = targets(change)[solo.NAME]
    figures("upgrade", change, engine, noticed_s=phases.noticed_s(target, doors))
    assert (target.state, target.reasons) == ("done", []), conduct.told(change)
    assert on_machine("uname", "-r") == three[1].release
    assert f"gnulinux-{three[1].release}-advanced" in on_machine("sudo", "grub-editenv", "list")


def test_a_kernel_that_panics_is_gone_by_itself(
    stage: Stage, engine: Engine, three: tuple[Kernel, ...], packages: Mapping[str, str], controller: Controller
) -> None:
    failed = gone_again("panic", stage, engine, kernels.broken(three[2], Fault.PANIC), packages)
    assert "sysrq triggered crash" in failed.data["panic"]["headline"], failed.data
    assert "broken on purpose" in failed.data["panic"]["text"]
    assert controller.resets == [], "nobody had to switch anything"


def test_a_kernel_that_stands_still_is_gone_after_one_power_cycle(
    stage: Stage, engine: Engine, three: tuple[Kernel, ...], packages: Mapping[str, str], controller: Controller
) -> None:
    """No timer runs, so no watch on the machine does: the management controller is what is left."""
    kernel = kernels.broken(three[2], Fault.STILL)
    failed = gone_again("still", stage, engine, kernel, packages, within=os.environ.get("SLIPWAY_VM_WITHIN", "5m"))
    assert controller.resets == ["ForceRestart"] or controller.resets == ["PowerCycle"]
    event = Event.objects.get(kind=silent.EVENT)
    assert event.step_id == failed.pk and "redfish" in event.text


def gone_again(
    name: str, stage: Stage, engine: Engine, kernel: Kernel, packages: Mapping[str, str], **more: str
) -> StepRun:
    """A broken kernel is tried, and everything is as before; the step that failed."""
    asked = ("dpkg-query", "-W", "-f", "'${Package} ${Status}\\n'", "'linux-image-*'")
    before = (on_machine("uname", "-r"), on_machine(*asked), on_machine("sudo", "grub-editenv", "list"))
    change = conduct.started(stage, kernel, packages[kernel.sha256], (solo.NAME,), **more)
    conduct.wait_ended(change)
    engine.kill()
    figures(name, change, engine)
    seen = targets(change)
    assert seen[solo.NAME].state == "rolled_back", conduct.told(change)
    assert change.state == "rolled_back"
    assert (on_machine("uname", "-r"), on_machine(*asked), on_machine("sudo", "grub-editenv", "list")) == before
    return StepRun.objects.get(target=seen[solo.NAME], verb="kernel", back=False)
