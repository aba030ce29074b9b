"""Go on without approval in an emergency; others are told at once. Or list every time it was done."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import F

from fleet import clock
from fleet.changes import console, lifecycle
from fleet.changes.models import BreakGlass


class Command(BaseCommand):
    """./manage.py break_glass CHANGE --why TEXT [--digest DIGEST] | --list."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("change", type=int, nargs="?", help="number of the change")
        parser.add_argument("--why", default="", help="what the emergency is; kept for ever")
        parser.add_argument("--digest", help="what you read, at least its first 12 digits (default: the newest)")
        parser.add_argument("--list", action="store_true", help="every break-glass, those nobody looked at first")
        console.add_person(parser)

    def handle(self, **options: Any) -> None:
        if options["list"]:
            _list()
            return
        if options["change"] is None:
            raise CommandError("change: found none, wanted its number, or --list.")
        change, person = console.change(options["change"]), console.person(options["user"])
        newest = change.revision.digest if change.revision else ""
        given = options["digest"] or newest
        digest = newest if len(given) >= 12 and newest.startswith(given) else given
        console.refuse(lifecycle.break_glass(change, person, clock.now(), why=options["why"], digest=digest))
        console.console.print(f"change {change.pk}: break-glass, digest {digest[:12]}. It may start; others are told.")


def _list() -> None:
    rows = BreakGlass.objects.select_related("by", "revision", "review__by")
    for glass in rows.order_by(F("review__at").desc(nulls_first=True), "-pk")[:200]:
        seen = f"looked at by {glass.review.by}" if hasattr(glass, "review") else "NOBODY HAS LOOKED AT IT"
        text = f"{glass.at:%Y-%m-%d %H:%M} UTC, change {glass.revision.change_id}, by {glass.by}: {glass.why} ({seen})"
        console.console.print(text, markup=False)
