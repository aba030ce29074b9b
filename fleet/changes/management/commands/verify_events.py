"""Recompute the hash chain over the events of one change, of all, or of a bundle of evidence (from the file alone)."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from fleet.changes import console, evidence_check, seals
from fleet.changes.models import Change


class Command(BaseCommand):
    """./manage.py verify_events [CHANGE | --bundle FILE]."""

    help = __doc__
    requires_system_checks: list[str] = []  # noqa: RUF012  # a bundle is verified where no database is

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("change", type=int, nargs="?")
        parser.add_argument("--bundle", type=Path, help="verify this file alone")

    def handle(self, **options: Any) -> None:
        if options["bundle"] is not None:
            _bundle(options["bundle"])
            return
        number = options["change"]
        changes = [console.change(number)] if number is not None else list(Change.objects.order_by("id"))
        broken = []
        for change in changes:
            seals.seal(change.pk)
            verified = seals.verify(change)
            if verified.broken is not None:
                broken.append(str(verified.broken))
            else:
                console.console.print(f"change {change.pk}: {verified.links} events, the chain holds")
        if broken:
            raise CommandError("\n".join(broken))


def _bundle(path: Path) -> None:
    try:
        with path.open("rb") as file:
            checked = evidence_check.check(file)
    except OSError as error:
        raise CommandError(f"{path}: found {error.strerror}, wanted a bundle of evidence.") from error
    if isinstance(checked, tuple):
        console.refuse(checked)
        return
    console.refuse(checked.broken)
    withheld = f", {checked.withheld} of them without their words" if checked.withheld else ""
    console.console.print(
        f"change {checked.change}: {checked.files} files, {checked.links} events{withheld}, the chain holds, "
        f"head {checked.head[:12]}"
    )
