"""List what is not as wanted since when, and draft the changes that would repair it."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from fleet import clock
from fleet.changes import console, repairs
from fleet.core.repair import Repairs
from inventory import drift
from inventory.console import add_json, print_json, printable, table
from inventory.models import Drift, Router


class Command(BaseCommand):
    """./manage.py drift; ./manage.py drift --repair bly; ./manage.py drift --repair --all."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("routers", nargs="*", metavar="ROUTER", help="only these (default: all)")
        parser.add_argument("--repair", nargs="*", metavar="ROUTER", help="draft the changes that repair these")
        parser.add_argument("--all", action="store_true", help="with --repair: the whole fleet")
        parser.add_argument("--refresh", action="store_true", help="compare facts with intent first (edited profiles)")
        add_json(parser)
        console.add_person(parser)

    def handle(self, **options: Any) -> None:
        if options["refresh"]:
            for _ in drift.refresh_all(clock.now()):
                pass
        if options["repair"] is None:
            _list(options["routers"], as_json=options["json"])
            return
        names = options["repair"] or options["routers"]
        if bool(names) == options["all"]:
            found = "names and --all" if names else "neither a name nor --all"
            raise CommandError(f"drift --repair: found {found}, wanted one of the two.")
        _check(names)
        _repair(repairs.needed(names or None), options)


def _check(names: list[str]) -> None:
    if unknown := sorted(set(names) - set(Router.objects.filter(name__in=names).values_list("name", flat=True))):
        raise CommandError(f"router {unknown[0]}: found no such router, wanted one of the inventory.")


def _list(names: list[str], *, as_json: bool) -> None:
    _check(names)
    rows = Drift.objects.open().select_related("router").order_by("router__name", "setting")
    found = list(rows.filter(router__name__in=names) if names else rows)
    if as_json:
        keys = ("setting", "wanted", "found", "profile")
        print_json(
            [{"device": r.router.name, **{k: getattr(r, k) for k in keys}, "since": r.since.isoformat()} for r in found]
        )
        return
    if found:
        columns = ("device", "setting", "wanted", "found", "profile", "since (UTC)")
        cells = ((r.router.name, r.setting, r.wanted, r.found, r.profile, f"{r.since:%Y-%m-%d %H:%M}") for r in found)
        table("not as wanted", columns, cells)
    console.console.print(f"{len(found)} setting(s) of {len({r.router_id for r in found})} device(s) not as wanted")


def _repair(wanted: Repairs, options: dict[str, Any]) -> None:
    made = repairs.draft(wanted, author=console.person(options["user"]), now=clock.now())
    if options["json"]:
        print_json(
            {
                "drafted": [change.pk for change in made.changes],
                "already": [change.pk for change in made.already],
                "left": [str(reason) for reason in made.left],
            }
        )
        return
    for change in made.changes:
        console.console.print(printable(f"drafted {change}"), markup=False, highlight=False)
    for change in made.already:
        console.console.print(printable(f"already there: {change}"), markup=False, highlight=False)
    for reason in made.left:
        console.console.print(printable(f"left: {reason}"), markup=False, highlight=False)
    if not (made.changes or made.already or made.left):
        console.console.print("nothing to repair")
