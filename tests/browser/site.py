"""A real uvicorn on a database of its own, and Python that runs on that database beside it.

Database work is done in another process: Playwright keeps an event loop in this one, in which Django's ORM rightly
refuses to work. Scenes are made once and copied into the live database, so that one web process serves all tests.
"""

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import textwrap
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.postgresql import free_port

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parent.parent.parent
START_S = 120.0  # a busy machine
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class Site:
    """A web process: where it is, and Python that runs on its database."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.database = home / "browser.sqlite3"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "fleet.settings",
            "PYTHONPATH": str(ROOT),
            "SLIPWAY_VAR": str(home),
            "SLIPWAY_DATABASE_URL": f"sqlite://{self.database}",
        }
        self.process: subprocess.Popen[bytes] | None = None
        self._hands: subprocess.Popen[str] | None = None

    # --- its database ---

    def fill(self, scene: str) -> None:
        """Put a scene of tests/browser/scenes.py into the database, whatever was in it."""
        kept = self.home / f"kept-{scene}.sqlite3"
        if not kept.exists():
            self._restore(self._migrated())
            self._ask(f"from tests.browser import scenes; scenes.make({scene!r})")
            self._keep(kept)
        self._restore(kept)

    def _migrated(self) -> Path:
        kept = self.home / "migrated.sqlite3"
        if not kept.exists():
            self._ask("from django.core.management import call_command; call_command('migrate', verbosity=0)")
            self._ask("from tests.browser import scenes; scenes.people()")  # once: passwords are slow on purpose
            self._keep(kept)
        return kept

    def _keep(self, kept: Path) -> None:
        with contextlib.closing(sqlite3.connect(self.database)) as database:
            database.execute("VACUUM INTO ?", [str(kept)])

    def _restore(self, kept: Path) -> None:
        """Through SQLite, so that the web process, which has the file open, sees it as one more commit."""
        with (
            contextlib.closing(sqlite3.connect(kept)) as source,
            contextlib.closing(sqlite3.connect(self.database, timeout=30)) as database,
        ):
            source.backup(database)

    def do(self, code: str) -> str:
        """Run Python on the database of this site, with `builders`, `run` (of the newest run) and `now`; its output."""
        return self._ask(textwrap.dedent(code), scene=True)

    def session_of(self, name: str) -> dict[str, Any]:
        """The cookie of somebody who is signed in."""
        found: dict[str, Any] = json.loads(self._ask(f"print(json.dumps(session_of({name!r})))"))
        return {**found, "url": self.url}

    def addresses(self) -> dict[str, list[str]]:
        """All addresses by their pattern (tests/browser/addresses.py)."""
        asked = "from tests.browser import addresses; print(json.dumps(addresses.paths()))"
        found: dict[str, list[str]] = json.loads(self._ask(asked))
        return found

    def _ask(self, code: str, *, scene: bool = False) -> str:
        if self._hands is None:
            command = [sys.executable, "-m", "tests.browser.hands"]
            self._hands = subprocess.Popen(
                command, cwd=ROOT, env=self.environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        assert self._hands.stdin is not None
        assert self._hands.stdout is not None
        self._hands.stdin.write(json.dumps({"code": code, "scene": scene}) + "\n")
        self._hands.stdin.flush()
        answer = json.loads(self._hands.stdout.readline() or '{"error": "it has ended"}')
        assert "error" not in answer, answer["error"]
        return str(answer["out"])

    # --- its web process ---

    def start(self) -> None:
        """Begin to serve unless it does; returns when it answers."""
        if self.process is not None and self.process.poll() is None:
            return
        command = [sys.executable, "-m", "uvicorn", "fleet.asgi:application", "--port", str(self.port),
                   "--log-level", "warning", "--timeout-graceful-shutdown", "1"]  # fmt: skip
        with (self.home / "uvicorn.log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log)
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                urllib.request.urlopen(f"{self.url}/login/", timeout=2).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError((self.home / "uvicorn.log").read_text()[-3000:])

    def stop(self) -> None:
        """The web process ends; the database stays."""
        _end(self.process)
        self.process = None

    def close(self) -> None:
        """Both processes end."""
        self.stop()
        if self._hands is not None and self._hands.stdin is not None:
            self._hands.stdin.close()  # it reads to the end and goes
        _end(self._hands)
        self._hands = None


def _end(process: "subprocess.Popen[Any] | None") -> None:
    if process is not None:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def enter(page: "Page", site: Site, name: str, address: str = "/") -> None:
    """Sign in through the form, on the way to an address."""
    page.goto(site.url + address)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(f"{name}-password")
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(site.url + address)
