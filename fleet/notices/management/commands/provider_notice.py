"""Read what a provider announced: a mail (from a file, or piped in by the mail server) or a calendar."""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from fleet import clock
from fleet.changes import console
from fleet.notices import inbound


class Command(BaseCommand):
    """./manage.py provider_notice FILE [--provider FORMAT]; FILE is "-" for the standard input."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file")
        parser.add_argument("--provider", default="", help="the format, when the sender does not tell it")
        console.add_person(parser)

    def handle(self, **options: Any) -> None:
        name = options["file"]
        try:
            with sys.stdin.buffer if name == "-" else Path(name).open("rb") as file:
                content = file.read(inbound.MOST_BYTES + 1)
        except OSError as error:
            raise CommandError(f"{name}: found {error.strerror}, wanted a mail or a calendar.") from error
        kept = inbound.read(content, options["user"], clock.now(), provider=options["provider"])
        console.refuse(kept.reasons)
        for line in kept.lines:
            self.stdout.write(line)
