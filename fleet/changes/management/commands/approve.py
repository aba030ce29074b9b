"""Approve or reject the newest revision of a change."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from fleet import clock
from fleet.changes import console, lifecycle


class Command(BaseCommand):
    """./manage.py approve CHANGE [--digest DIGEST] [--reject] [--comment TEXT]."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        console.add_change(parser)
        parser.add_argument("--digest", help="what you read, at least its first 12 digits (default: the newest)")
        parser.add_argument("--reject", action="store_true", help="refuse it; wants a comment")
        parser.add_argument("--comment", default="")
        console.add_person(parser)

    def handle(self, **options: Any) -> None:
        change, person = console.change(options["change"]), console.person(options["user"])
        newest = change.revision.digest if change.revision else ""
        given = options["digest"] or newest
        digest = newest if len(given) >= 12 and newest.startswith(given) else given
        approve = not options["reject"]
        console.refuse(
            lifecycle.decide_on(change, person, clock.now(), approve=approve, digest=digest, comment=options["comment"])
        )
        console.console.print(f"change {change.pk}: {'approved' if approve else 'rejected'}, digest {digest[:12]}")
