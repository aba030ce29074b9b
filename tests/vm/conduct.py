"""How a kernel comes onto a machine in these tests: an engine that can be killed, a change that is started by API."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from fleet.changes import draft_requests
from fleet.changes.models import Change
from fleet.people.models import Grant
from lab.vm import urgency
from lab.vm.kernels import Kernel
from tests.changes.api_client import Program
from tests.stories import engines
from tests.stories.stage import Stage, targets, wait_until
from tests.vm import phases

# The emulated processor has what the machine leaves it: times are long, so that only what never comes is late.
TIMES = {
    "confirm": os.environ.get("SLIPWAY_VM_CONFIRM", "2m"), "within": "60m", "ready": "15m", "soak": "20s",
    "every": "5s", "moved": "15m",
}  # fmt: skip
WITHIN_S = 3600.0


class Engine:
    """The in-process engine as a process that can be killed and started again. `lease_s`: 0 is what Slipway has.

    A look at an emulated machine under load takes 10 s, that before a kernel is tried a minute: a lease as short as in
    other tests leaves no time in which anything may be sent.
    """

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self._environment = {**environment, "SLIPWAY_DISPATCH": "inline", "SLIPWAY_TICK_SECONDS": "0.5"}
        self._folder, self.spent_s, self.lease_s = folder, 0.0, 0.0
        (folder / "var").mkdir(exist_ok=True)
        self._process = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        lease = {"SLIPWAY_LEASE_SECONDS": str(self.lease_s)} if self.lease_s else {}
        with (self._folder / "engine.log").open("ab") as log:
            process = subprocess.Popen(
                engines.INLINE, cwd=engines.ROOT, env={**self._environment, **lease}, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        urgency.as_ours(process.pid)
        return process

    def kill(self) -> None:
        """SIGKILL, and another one in its place."""
        self.stop(signal.SIGKILL)
        self._process = self._start()

    def stop(self, how: int = signal.SIGTERM) -> None:
        self.spent_s += phases.cpu_s(self._process.pid)
        self._process.send_signal(how)
        self._process.wait(60)


def started(stage: Stage, kernel: Kernel, source: str, names: Sequence[str], **more: str) -> Change:
    """The change, drafted, submitted, approved by somebody else, and started: all through the API."""
    for person in (stage.author, stage.approver):
        Grant.objects.get_or_create(person=person, role="operator")
    draft_requests.publish()  # as the engine does when it starts
    desk, boss = Program(stage.author), Program(stage.approver)
    inputs = {
        "release": kernel.release, "version": kernel.version, "sha256": kernel.sha256,
        "source": source, **TIMES, **more,
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


def wait_ended(change: Change) -> None:
    def ended() -> bool:
        change.refresh_from_db()
        return change.ended

    wait_until(ended, within_s=WITHIN_S, what=f"end of {change}")


def on(address: str, key: Path, *words: str) -> str:
    """What a command prints on a machine, asked over SSH as Slipway would."""
    options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
    argv = ["ssh", "-i", str(key), *options, f"ops@{address}", *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=120, check=True).stdout.strip()


def told(change: Change) -> str:
    """How every target of a change stands, and why; for the message of a failure."""
    rows = [f"{name}: {t.state} {t.reasons} {t.current_step()}" for name, t in targets(change).items()]
    return f"{change.state}: {'; '.join(rows)}"
