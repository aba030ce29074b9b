"""Windows: when work may start. Without a word: those that stand, with their next openings."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.table import Table

from fleet import clock
from fleet.changes import calendar, console, window_words, windows
from fleet.changes.ical import export, read, take_over
from fleet.changes.models import Freeze, Window
from fleet.core.windows import OnOverrun, Period, occurrences
from fleet.core.windows_door import shown

AHEAD = timedelta(days=400)


class Command(BaseCommand):
    """./manage.py windows [list | add | withdraw | overrun | import | export]."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb")
        verbs.add_parser("list", help="those that stand, with their next opening")
        add = verbs.add_parser("add", help="add a window")
        window_words.add_when(add)
        add.add_argument("--required", action="store_true", help="what it covers may be changed in windows only")
        withdraw = verbs.add_parser("withdraw", help="it counts no longer")
        withdraw.add_argument("name")
        overrun = verbs.add_parser("overrun", help="what happens to unfinished devices when a window closes")
        overrun.add_argument("recipe", help="which kind of change")
        overrun.add_argument("policy", choices=[p.value for p in OnOverrun])
        taken = verbs.add_parser("import", help="read windows and freezes from an iCalendar file")
        taken.add_argument("file", type=Path)
        taken.add_argument("--zone", default="", help="zone of times that name none")
        taken.add_argument("--freezes", action="store_true", help="events without category are freezes")
        taken.add_argument("--dry-run", action="store_true", help="say what would happen, keep nothing")
        write = verbs.add_parser("export", help="write windows and freezes as iCalendar")
        write.add_argument("file", type=Path)
        for sub in (add, withdraw, overrun, taken):
            console.add_person(sub)

    def handle(self, **options: Any) -> None:
        match options["verb"]:
            case None | "list":
                show(list(Window.objects.standing()))
            case "add":
                wanted = window_words.wanted(options)
                if isinstance(wanted, tuple):
                    return console.refuse(wanted)
                row = windows.window_row(wanted, console.person(options["user"]), clock.now())
                row.required = options["required"]
                console.refuse(windows.add(row))
                show([row])
            case "withdraw":
                withdraw(Window.objects.standing().filter(name=options["name"]).first(), options)
            case "overrun":
                who = console.person(options["user"])
                console.refuse(windows.decide_overrun(options["recipe"], options["policy"], who, clock.now()))
            case "import":
                _import(options)
            case "export":
                rows = [*Window.objects.standing(), *Freeze.objects.standing()]
                options["file"].write_bytes(export(rows))
                console.console.print(f"{len(rows)} windows and freezes written to {options['file']}")
        return None


def show(rows: list[Any]) -> None:
    """A table of windows or freezes with their next occurrence."""
    now = clock.now()
    table = Table("name", "wall time", "for", "next", box=None)
    for row in rows:
        period = row.period()
        if not isinstance(period, Period):
            table.add_row(row.name, row.in_words, "", "; ".join(str(r) for r in period), style="bold red")
            continue
        span = next(iter(occurrences(period, now, now + AHEAD)), None)
        then = "never again" if span is None else f"{shown(span.start, period.zone)} .. {shown(span.end, period.zone)}"
        table.add_row(row.name, row.in_words, calendar.in_words(row.sites, row.roles, row.recipes), then)
    console.console.print(table)


def withdraw(row: Window | Freeze | None, options: Any) -> None:
    """Withdraw what was named."""
    if row is None:
        raise CommandError(f"name: found {options['name']!r}, wanted one that stands. List them first.")
    console.refuse(windows.withdraw(row, console.person(options["user"]), clock.now()))
    console.console.print(f"{row.name}: withdrawn")


def _import(options: Any) -> None:
    who, now = console.person(options["user"]), clock.now()
    try:
        content = options["file"].read_bytes()
    except OSError as error:
        raise CommandError(f"file {options['file']}: found {error.strerror}, wanted a file to read.") from error
    said = read(content, zone=options["zone"], freezes=options["freezes"])
    result = take_over(said, who, now, dry_run=options["dry_run"])
    for line in result.lines:
        console.console.print(line, markup=False)
    console.refuse(result.reasons)
