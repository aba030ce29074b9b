"""docker-compose.yml as a test reads it: the same commands and settings, started by hand on this machine."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests import needs
from tests.house.rules import ROOT

FILE = ROOT / "docker-compose.yml"
BIN = Path(sys.executable).parent


def services() -> Mapping[str, Mapping[str, Any]]:
    return YAML(typ="safe").load(FILE)["services"]  # type: ignore[no-any-return]


class ByHand:
    """Runs services of the compose file as plain processes. `var` stands for the volume, `port` for the web's port."""

    def __init__(self, *, var: Path, port: int, database_url: str, redis_url: str) -> None:
        self.var, self.port = var, port
        self.settings = {"SLIPWAY_DATABASE_URL": database_url, "SLIPWAY_REDIS_URL": redis_url,
                         "DJANGO_SETTINGS_MODULE": "fleet.settings", "SLIPWAY_LOG_LEVEL": "INFO"}  # fmt: skip
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        var.mkdir(parents=True, exist_ok=True)

    def here(self, word: str) -> str:
        """A word of the compose file as it reads on this machine."""
        for there, here in {
            "$$": "$", "/srv/slipway/var": str(self.var), "0.0.0.0": "127.0.0.1", ":8000": f":{self.port}",
        }.items():  # fmt: skip
            word = word.replace(there, here)
        return str(self.port) if word == "8000" else word

    def environment(self, name: str) -> dict[str, str]:
        said = {k: str(v) for k, v in services()[name]["environment"].items() if "${" not in str(v)}
        return {
            **{k: v for k, v in os.environ.items() if not k.startswith("SLIPWAY_")},
            **said, **self.settings,
            "SLIPWAY_VAR": str(self.var), "SLIPWAY_SECRET_KEY": "only-for-this-test",
            "HOSTNAME": socket.gethostname(), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        }  # fmt: skip

    def run(self, name: str, argv: list[str]) -> subprocess.CompletedProcess[str]:
        """One command in the environment of a service."""
        return subprocess.run(argv, cwd=ROOT, env=self.environment(name), capture_output=True, text=True, timeout=120)

    def command(self, name: str) -> list[str]:
        return [self.here(word) for word in services()[name]["command"]]

    def start(self, name: str) -> None:
        argv = self.command(name)
        if setpriv := needs.which("setpriv"):  # nothing outlives a test that was killed
            argv = [setpriv, "--pdeathsig", "TERM", "--", *argv]
        with (self.var / f"{name}.log").open("wb") as log:
            self.running[name] = subprocess.Popen(
                argv, cwd=ROOT, env=self.environment(name), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def wait_for(self, what: str, seen: Callable[[], bool], *, within_s: float = 60.0) -> None:
        """Wait until it is seen; AssertionError with `what`, or with the log of a process that ended meanwhile."""
        deadline = time.monotonic() + within_s
        while not seen():
            for name, process in self.running.items():
                assert process.poll() is None, f"{name} ended by itself:\n{self.log(name)[-3000:]}"
            assert time.monotonic() < deadline, f"not seen within {within_s:.0f} s: {what}"
            time.sleep(0.1)

    def log(self, name: str) -> str:
        return (self.var / f"{name}.log").read_text()

    def healthy(self, name: str) -> bool:
        """What the service's health check says."""
        kind, *words = services()[name]["healthcheck"]["test"]
        argv = [self.here(w) for w in words]
        return self.run(name, argv if kind == "CMD" else ["sh", "-c", *argv]).returncode == 0

    def stop(self) -> dict[str, tuple[int, float]]:
        """SIGTERM to all, as `docker compose stop` sends it; exit status and how long it took, by service."""
        began, ended = time.monotonic(), {}
        for process in self.running.values():
            process.send_signal(signal.SIGTERM)
        for name, process in list(self.running.items()):
            grace_s = float(str(services()[name]["stop_grace_period"]).removesuffix("s"))
            try:
                status = process.wait(max(0.0, began + grace_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                raise AssertionError(f"{name} did not end within {grace_s:.0f} s:\n{self.log(name)[-3000:]}") from None
            ended[name] = (status, time.monotonic() - began)
            del self.running[name]
        return ended

    def end(self) -> None:
        for process in self.running.values():
            process.kill()
            process.wait()
