"""A simulated fleet for tests and demonstrations: a process of its own, spoken to over its control socket."""

import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lab.sim import journal
from lab.sim.journal import Entry

REPOSITORY = Path(__file__).resolve().parents[2]


class FleetError(RuntimeError):
    """The fleet did not start, is gone, or refused what was asked of it."""


class SimFleet:
    """Use `SimFleet.start(...)` as a context manager; `SimFleet.attach(folder)` from another process."""

    def __init__(self, folder: Path, process: "subprocess.Popen[str] | None" = None) -> None:
        self.folder, self._process = folder, process
        about = json.loads((folder / "fleet.json").read_text())
        self.pid: int = about["pid"]
        self._control: str = about["control"]

    @classmethod
    def start(
        cls,
        folder: Path,
        *,
        routers: int = 6,
        topology: str | None = None,
        suite_mix: str = "",
        prefixes: tuple[int, int] | None = None,
        timing: Mapping[str, float] | None = None,
        first_port: int | None = None,
        timeout_s: float = 60.0,
    ) -> Self:
        """Start a fleet and wait until it listens. It ends with `stop`, or when the calling process has died.

        Raises FleetError with what the fleet said.
        """
        argv = [
            sys.executable,
            "-m",
            "lab.sim",
            "serve",
            "--routers",
            str(routers),
            "--dir",
            str(folder),
            "--until-eof",
        ]
        argv += ["--topology", topology] if topology else []
        argv += ["--suite-mix", suite_mix] if suite_mix else []
        argv += ["--prefixes", f"{prefixes[0]},{prefixes[1]}"] if prefixes else []
        argv += ["--timing", ",".join(f"{k}={v}" for k, v in timing.items())] if timing else []
        argv += ["--first-port", str(first_port)] if first_port else []
        folder.mkdir(parents=True, exist_ok=True)
        complaints = (folder / "stderr.log").open("w")
        process = subprocess.Popen(
            argv,
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            start_new_session=True,  # a Ctrl-C for the test is not one for the fleet
        )
        complaints.close()
        line = cls._first_line(process, timeout_s)
        if not line.startswith("ready "):
            process.kill()
            process.wait()
            raise FleetError(f"lab.sim did not start: {line!r} {(folder / 'stderr.log').read_text()[-2000:]}")
        return cls(folder, process)

    @staticmethod
    def _first_line(process: "subprocess.Popen[str]", timeout_s: float) -> str:
        if process.stdout is None or not select.select([process.stdout], [], [], timeout_s)[0]:
            return f"nothing within {timeout_s:.0f} s"
        return process.stdout.readline()

    @classmethod
    def attach(cls, folder: Path) -> Self:
        """Speak to a fleet that another process started."""
        return cls(folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def inventory(self) -> Path:
        return self.folder / "inventory.yaml"

    @property
    def private_key(self) -> Path:
        return self.folder / "key" / "id_ed25519"

    @property
    def password(self) -> str:
        return (self.folder / "key" / "password").read_text().strip()

    def ask(self, **what: Any) -> dict[str, Any]:
        """One request over the control socket. Raises FleetError when it is refused."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(60)
            try:
                sock.connect(self._control)
                sock.sendall(json.dumps(what).encode() + b"\n")
                with sock.makefile("rb") as lines:
                    answer: dict[str, Any] = json.loads(lines.readline() or b"{}")
            except OSError as error:
                raise FleetError(f"fleet in {self.folder}: {error}") from error
        if not answer.get("ok"):
            raise FleetError(f"{what}: {answer.get('error', 'no answer')}")
        return answer

    def inject(self, router: str, behaviour: str, **params: Any) -> None:
        """Make something go wrong; see lab/sim/README.md for the behaviours and their parameters."""
        self.ask(op="inject", router=router, behaviour=behaviour, **params)

    def clear(self, router: str, behaviour: str = "") -> None:
        """Take one behaviour, or all of them, off a router; one that was off for ever is switched on."""
        self.ask(op="clear", router=router, **({"behaviour": behaviour} if behaviour else {}))

    def state(self, router: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask(op="state", router=router)["state"]
        return found

    def states(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = self.ask(op="states")["states"]
        return found

    def advance(self, seconds: float) -> None:
        """Move the fleet's clock: boots, convergence and timers happen, nobody waits."""
        self.ask(op="clock", advance=seconds)

    def console(self, router: str, command: str, *, stdin: str = "") -> tuple[int, str]:
        """Type a command on a router's console (status, output), as somebody else than Slipway would."""
        answer = self.ask(op="console", router=router, command=command, stdin=stdin)
        return answer["status"], answer["out"]

    def set_next_kernel(self, router: str, kernel: str) -> None:
        self.ask(op="set", router=router, field="next_kernel", value=kernel)

    def set_firmware(self, router: str, version: str) -> None:
        """Have this firmware lie and run in all cards of a router."""
        self.ask(op="set", router=router, field="nvm", value=version)

    def set_identity(self, router: str, *, uuid: str, serial: str) -> None:
        """What the firmware of the machine says that it is."""
        for field, value in (("uuid", uuid), ("serial", serial)):
            self.ask(op="set", router=router, field=field, value=value)

    def set_vyos(self, router: str, image: str) -> None:
        """Let a router be a VyOS from now on, with this image."""
        self.ask(op="set", router=router, field="vyos", value=image)

    def panic(self, router: str, text: str) -> None:
        """Let the kernel of a router die now, with these last words; it boots again by itself."""
        self.ask(op="panic", router=router, text=text)

    def power(self, router: str, *, on: bool, queues: Mapping[str, int] | None = None) -> None:
        """What the blade under a router does: take its power away, or give it, with these channels of its cards."""
        self.ask(op="power", router=router, on=on, queues=dict(queues or {}))

    def load(self, router: str, pps: float) -> None:
        """Offer it so many packets a second of each family; what queues and CPUs of a blade cannot take is dropped."""
        self.ask(op="load", router=router, pps=pps)

    def cycle(self, router: str) -> None:
        """What a management controller does: off and on. Also a machine that stands still boots again."""
        self.ask(op="power", router=router, cycle=True)

    def adapter(self, router: str, queues: Mapping[str, int]) -> None:
        """Have its cards have these channels now: what the adapter of its blade gives."""
        self.ask(op="power", router=router, queues=dict(queues), now=True)

    def journal(self) -> Sequence[Entry]:
        """Everything that reached the routers so far; `lab.sim.oracle` judges it."""
        return journal.read(self.folder / "journal.jsonl")

    def stop(self) -> None:
        """End the fleet; twice is fine."""
        if self._process is None:
            return
        if self._process.poll() is None:
            if self._process.stdin is not None:
                self._process.stdin.close()
            try:
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                os.kill(self._process.pid, 9)
                self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def wait_reachable(self, router: str, *, timeout_s: float = 30.0) -> dict[str, Any]:
        """Wait in real time until the router can be reached. Raises FleetError."""
        until = time.monotonic() + timeout_s
        while not (state := self.state(router))["reachable"]:
            if time.monotonic() > until:
                raise FleetError(f"{router}: not reachable within {timeout_s:.0f} s")
            time.sleep(0.05)
        return state
