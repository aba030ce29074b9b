"""Databases to play on: for each story one with its change approved, made once; every run gets a copy of its own."""

import shutil
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import connection, connections

RECIPES = Path(__file__).parent / "recipes"
TARGETS = ("bly", "dekker", "wells")  # three failure domains; FRR twice and BIRD
FRAGMENTS = {
    "frr": "interface eth1\n description from a story\nexit\n",
    "bird": "protocol static story4 { ipv4; route 192.0.2.77/32 blackhole; }\n",
}
CHANNEL = "somebody on call"


@dataclass(frozen=True)
class Story:
    """One change: its recipe and inputs, the budget it was promised, what it does to a router when it is through."""

    name: str
    inputs: Mapping[str, Any]
    budget: int
    restarts: int = 0
    daemons: int = 0


STORIES = (
    Story("restarted", {}, 1, restarts=1),
    Story("settings", FRAGMENTS, 2),
    Story("put-back", FRAGMENTS, 1),
    Story("daemons", {}, 1, daemons=1),
)


class Scenes:
    """Prepared databases. SQLite: files in a folder. PostgreSQL: databases of one server, copied as templates."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sqlite = connection.vendor == "sqlite"
        self._home = str(settings.DATABASES["default"]["NAME"])

    def _point(self, name: str) -> None:
        connections.close_all()
        connections.settings["default"]["NAME"] = name
        connection.settings_dict["NAME"] = name

    def _copy(self, source: str, target: str) -> str:
        """A database like another; returns what it is called."""
        if self.sqlite:
            path = self.folder / f"{target}.sqlite3"
            connections.close_all()
            for suffix in ("", "-wal", "-shm"):
                Path(f"{path}{suffix}").unlink(missing_ok=True)
            shutil.copyfile(self.folder / f"{source}.sqlite3", path)
            return str(path)
        self._point(self._home)
        with connection.cursor() as cursor:
            cursor.execute(f'DROP DATABASE IF EXISTS "{target}" WITH (FORCE)')
            cursor.execute(f'CREATE DATABASE "{target}" TEMPLATE "{source}"')
        return target

    def ready(self) -> bool:
        """Was all of it made in this folder before?"""
        return self.sqlite and (self.folder / "ready").exists()

    def prepare(self, inventory: Path) -> None:
        """Migrate, load, look at every router, and approve every story's change."""
        if self.sqlite:
            self._point(str(self.folder / "base.sqlite3"))
        else:
            with connection.cursor() as cursor:
                cursor.execute('CREATE DATABASE "base"')
            self._point("base")
        call_command("migrate", verbosity=0)
        _people()
        call_command("load_inventory", str(inventory), "--accept-new-host-keys", stdout=StringIO())
        call_command("collect", "--all", stdout=StringIO())
        self._settle()
        for story in STORIES:
            self._point(self._copy("base", f"scene-{story.name}"))
            _approved(story)
            self._settle()
        (self.folder / "ready").touch()

    def _settle(self) -> None:
        """All of it in the one file."""
        if self.sqlite:
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connections.close_all()

    def open(self, story: Story) -> None:
        """From now on every connection is to a fresh copy of this story's database."""
        self._point(self._copy(f"scene-{story.name}", "play"))

    def back_up(self) -> None:
        """As docs/operations.md says: a copy of the database as it is at one moment, taken under way."""
        if self.sqlite:
            name = str(connection.settings_dict["NAME"])
            with sqlite3.connect(name) as live, sqlite3.connect(self.folder / "backup.sqlite3") as copy:
                live.backup(copy)
            return
        self._copy("play", "backup")
        self._point("play")

    def put_back(self) -> None:
        """The backup in the place of the database."""
        self._point(self._copy("backup", "play"))

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Plain SQL, past Django's models: what the judge reads."""
        if self.sqlite:
            with sqlite3.connect(str(connection.settings_dict["NAME"])) as raw:
                return raw.execute(sql).fetchall()
        with connection.cursor() as cursor:
            cursor.execute(sql)
            found: list[tuple[Any, ...]] = cursor.fetchall()
            return found


def _people() -> None:
    from django.contrib.auth import get_user_model

    from fleet.notices.models import Channel, Cursor

    for name in ("ada", "grace"):
        get_user_model()._default_manager.create_superuser(name, password=None)
    Channel.objects.create(name=CHANNEL, kind="mail", kinds=["stuck"], email="oncall@example.net")
    from fleet import clock

    Cursor.objects.create(name="messages", at=clock.now())


def _approved(story: Story) -> None:
    from django.contrib.auth import get_user_model

    from fleet import clock
    from fleet.changes import drafts, lifecycle

    ada, grace = (get_user_model()._default_manager.get(username=n) for n in ("ada", "grace"))
    request = drafts.Request(str(RECIPES / f"{story.name}.yaml"), dict(story.inputs), TARGETS)
    change = drafts.open_change(request, title=story.name, author=ada, now=clock.now())
    assert change.revision is not None
    reasons = lifecycle.submit(change, ada, clock.now()) or lifecycle.decide_on(
        change, grace, clock.now(), approve=True, digest=change.revision.digest
    )
    assert not reasons, reasons
