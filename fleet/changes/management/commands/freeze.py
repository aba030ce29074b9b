"""Freezes: when no work may start, whatever the windows. Without a word: those that stand."""

from dataclasses import replace
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from fleet import clock
from fleet.changes import console, lifecycle, window_words, windows
from fleet.changes.management.commands.windows import show, withdraw
from fleet.changes.models import Freeze


class Command(BaseCommand):
    """./manage.py freeze [list | add | withdraw | override CHANGE --why WHY]."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb")
        verbs.add_parser("list", help="those that stand")
        add = verbs.add_parser("add", help="add a freeze")
        window_words.add_when(add)
        add.add_argument("--why", required=True, help="what whoever must wait will read")
        gone = verbs.add_parser("withdraw", help="it counts no longer")
        gone.add_argument("name")
        over = verbs.add_parser("override", help="emergency: let a change start in spite of windows and freezes")
        console.add_change(over)
        over.add_argument("--why", required=True, help="kept for ever")
        for sub in (add, gone, over):
            console.add_person(sub)

    def handle(self, **options: Any) -> None:
        match options["verb"]:
            case None | "list":
                show(list(Freeze.objects.standing()))
            case "add":
                wanted = window_words.wanted(options)
                if isinstance(wanted, tuple):
                    return console.refuse(wanted)
                wanted = replace(wanted, why=options["why"])
                row = windows.freeze_row(wanted, console.person(options["user"]), clock.now())
                console.refuse(windows.add(row))
                show([row])
            case "withdraw":
                withdraw(Freeze.objects.standing().filter(name=options["name"]).first(), options)
            case "override":
                change, who = console.change(options["change"]), console.person(options["user"])
                console.refuse(lifecycle.override_windows(change, who, clock.now(), why=options["why"]))
                console.console.print(f"change {change.pk}: windows and freezes do not hold its newest revision")
        return None
