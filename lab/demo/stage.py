"""Where a demonstration happens: its own database, people, inventory; one change at a time, told line by line."""

import os
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent.parent
PEOPLE = ("ada", "grace")  # ada writes changes, grace approves them: never the same person
# Events worth a line on the terminal; the rest is on the page.
TOLD = ("target ", "change ", "run ")


def say(text: str) -> None:
    """One line for people, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


@dataclass
class Stage:
    """A prepared Slipway: after `open_stage` its commands and models work on this demonstration's own database."""

    var: Path
    password: str

    def fleet_from(self, inventory: Path, *, tell: Callable[[str], None] = say) -> None:
        """Load an inventory file and look at every device once."""
        from io import StringIO

        from django.core.management import call_command

        for command in (("load_inventory", str(inventory), "--accept-new-host-keys"), ("collect", "--all")):
            out = StringIO()
            call_command(*command, stdout=out)
            tell(out.getvalue().rstrip())

    def change(
        self,
        recipe: str,
        inputs: Mapping[str, Any],
        names: Sequence[str],
        *,
        title: str,
        tell: Callable[[str], None] = say,
    ) -> Any:
        """Plan, submit, approve (by the second person), run to the end. Returns the Change; raises on a refusal."""
        from fleet import clock
        from fleet.changes import drafts, lifecycle, loop
        from fleet.core.explain import sentences

        author, approver = (self.person(name) for name in PEOPLE)
        request = drafts.Request(recipe, dict(inputs), tuple(names))
        change = drafts.open_change(request, title=title, author=author, now=clock.now())
        revision = change.revision
        assert revision is not None
        reasons = (
            lifecycle.submit(change, author, clock.now())
            or lifecycle.decide_on(change, approver, clock.now(), approve=True, digest=revision.digest)
            or lifecycle.start(change, author, clock.now())
        )
        if reasons:
            findings = [f["reason"] for f in revision.plan["findings"]]
            raise RuntimeError("\n".join((*sentences(reasons), *map(str, findings))))
        teller = Teller(change, tell)

        def ended() -> bool:
            teller.go_on()
            change.refresh_from_db()
            return bool(change.ended)

        loop.run(ended)
        teller.go_on()
        return change

    def person(self, name: str) -> Any:
        from django.contrib.auth import get_user_model

        return get_user_model().objects.get(username=name)


@dataclass
class Teller:
    """Tells a change's events as they happen."""

    change: Any
    tell: Callable[[str], None]
    last: int = 0

    def go_on(self) -> None:
        from fleet.changes import watch

        for event in watch.lines(self.change, self.last):
            self.last = event.pk
            if event.kind.startswith(TOLD):
                self.tell(f"  {event.at.astimezone():%H:%M:%S}  {event.text}")


def open_stage(var: Path) -> Stage:
    """A fresh SQLite database in the folder, migrated, with two people. Configures Django; call it once, first."""
    var.mkdir(parents=True, exist_ok=True)
    for leftover in var.glob("slipway.sqlite3*"):
        leftover.unlink()
    os.environ["SLIPWAY_VAR"] = str(var)
    os.environ["SLIPWAY_DATABASE_URL"] = f"sqlite://{var / 'slipway.sqlite3'}"
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "fleet.settings")
    import django

    django.setup()
    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    password = secrets.token_urlsafe(9)
    for person in PEOPLE:
        get_user_model()._default_manager.create_superuser(person, password=password)
    return Stage(var, password)
