"""A real browser (Chromium without a screen) against a real uvicorn on a database of its own.

Database work is done in processes of their own: Playwright keeps an event loop in this one, in which Django's ORM
rightly refuses to work.
"""

import contextlib
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import needs
from tests.postgresql import free_port

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

ROOT = Path(__file__).resolve().parent.parent.parent
START_S = 30.0
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
    """A running web process: where it is, and Python that runs on its database."""

    def __init__(self, home: Path, kept: Path) -> None:
        self.home, self.kept = home, kept
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

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    def fill(self, scene: str) -> None:
        """A migrated database with a scene of tests/browser/scenes.py; each scene is made once and then copied."""
        kept = self.kept / f"{scene}.sqlite3"
        if not kept.exists():
            self._run("manage.py", "migrate", "-v0")
            self._run("-m", "tests.browser.scenes", scene)
            with contextlib.closing(sqlite3.connect(self.database)) as database:
                database.execute("VACUUM INTO ?", [str(kept)])
        else:
            shutil.copy(kept, self.database)

    def do(self, code: str) -> str:
        """Run Python on the database of this site, with `builders`, `run` (of the newest run) and `now`."""
        begin = """
        import django; django.setup()
        from fleet import clock
        from fleet.changes.models import Change, Run, TargetRun
        from tests.changes import builders
        now = clock.now()
        run = Run.objects.select_related("revision__change").order_by("-id").first()
        """
        return self._run("-c", textwrap.dedent(begin) + textwrap.dedent(code))

    def start(self) -> None:
        """Begin to serve; returns when it answers."""
        command = [sys.executable, "-m", "uvicorn", "fleet.asgi:application", "--port", str(self.port),
                   "--log-level", "warning", "--timeout-graceful-shutdown", "1"]  # fmt: skip
        with (self.home / "uvicorn.log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log)
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                urllib.request.urlopen(f"{self.url}/login/", timeout=2).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise RuntimeError((self.home / "uvicorn.log").read_text()[-3000:])

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None


@pytest.fixture(scope="module")
def kept_scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scenes")


@pytest.fixture
def site(tmp_path: Path, kept_scenes: Path) -> Iterator[Callable[[str], Site]]:
    """`site("running")`: a web process on a database with that scene; stopped at the end."""
    needs.need(needs.chromium())
    made: list[Site] = []

    def start(scene: str) -> Site:
        new = Site(tmp_path, kept_scenes)
        made.append(new)
        new.fill(scene)
        new.start()
        return new

    yield start
    for each in made:
        each.stop()


@pytest.fixture(scope="module")
def chromium() -> Iterator["Browser"]:
    needs.need(needs.chromium())
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(needs.which("chromium")), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def sign_in(chromium: "Browser") -> Iterator[Callable[..., "Page"]]:
    """`sign_in(site, "rohan", "/changes/1/")`: a page in a browser of its own, signed in through the form.

    At the end: no page logged an error or broke the content security policy.
    """
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def start(site: Site, name: str, address: str = "/", **options: object) -> "Page":
        context = chromium.new_context(**options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        # What a refusal (409) looks like on the console is no complaint.
        page.on("console", lambda m: complaints.append(m.text) if _complains(m.type, m.text) else None)
        page.on("pageerror", lambda e: complaints.append(str(e)))
        page.goto(site.url + address)
        page.get_by_label("Name").fill(name)
        page.get_by_label("Password").fill(f"{name}-password")
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(site.url + address)
        return page

    yield start
    for context in contexts:
        context.close()
    assert not complaints


def _complains(kind: str, text: str) -> bool:
    """Errors, but for a refusal (409, 400), and for what htmx logs when a stream or an answer was lost."""
    known = r"409 \(Conflict\)|400 \(Bad Request\)|ERR_|^\[object |^htmx:(sendError|afterRequest)"
    return kind == "error" and not re.search(known, text)
