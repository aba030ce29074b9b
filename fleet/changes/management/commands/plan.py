"""Plan a change: recipe, inputs, targets; shows waves, diffs and findings, and keeps it as a draft."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.table import Table
from ruamel.yaml import YAML

from fleet import clock
from fleet.changes import console, drafts
from fleet.core import plan as planning
from fleet.core.model import Plan
from playbooks.recipe import RecipeRefused


class Command(BaseCommand):
    """./manage.py plan nic-queues --input queues=8 --targets bly aebi --title "eight queues"."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("recipe", help="name of a recipe, or a path to a YAML file")
        parser.add_argument("--input", action="append", default=[], metavar="NAME=VALUE", help="a value of the recipe")
        parser.add_argument("--targets", nargs="*", default=[], help="routers (default: what the recipe selects)")
        parser.add_argument("--title", default="", help="what people will call it")
        parser.add_argument("--ticket", default="", help="reference in a ticketing system")
        parser.add_argument("--revise", type=int, metavar="CHANGE", help="make it a new revision of this change")
        parser.add_argument("--dry-run", action="store_true", help="show the plan and keep nothing")
        console.add_person(parser)

    def handle(self, **options: Any) -> None:
        inputs = dict(_input(item) for item in options["input"])
        request = drafts.Request(options["recipe"], inputs, tuple(options["targets"]))
        try:
            if options["dry_run"]:
                _show(drafts.make_plan(request)[0])
                return
            person = console.person(options["user"])
            if options["revise"]:
                change = drafts.revise(console.change(options["revise"]), request, author=person, now=clock.now())
            else:
                title = options["title"] or f"{options['recipe']} on {', '.join(options['targets']) or 'its targets'}"
                change = drafts.open_change(
                    request, title=title[:200], author=person, now=clock.now(), ticket=options["ticket"]
                )
        except (drafts.PlanRefused, RecipeRefused) as error:
            lines = [str(r) for r in error.reasons] if isinstance(error, drafts.PlanRefused) else [str(error)]
            raise CommandError("\n".join(lines)) from error
        revision = change.revision
        assert revision is not None
        _show(revision.read_plan())
        console.console.print(f"change {change.pk}, revision {revision.number}, digest {revision.digest[:12]}")


def _input(item: str) -> tuple[str, Any]:
    name, equals, value = item.partition("=")
    if not equals:
        raise CommandError(f"--input: found {item!r}, wanted NAME=VALUE.")
    return name, YAML(typ="safe").load(value)


def _show(plan: Plan) -> None:
    out = console.console
    for number, wave in enumerate(plan.waves()):
        table = Table(title=f"wave {number}" + (" (canary)" if number == 0 else ""), title_justify="left", box=None)
        for column in ("target", "failure domain", "usually", "at worst", "steps"):
            table.add_column(column)
        for target in wave:
            steps = " > ".join(s.verb for s in target.steps)
            usual, worst = planning.estimate_s(target.steps), planning.worst_case_s(target.steps)
            table.add_row(target.name, target.failure_domain, f"{usual:.0f} s", f"{worst:.0f} s", steps)
        out.print(table)
        for target in wave:
            for step in target.steps:
                if step.diff:
                    out.print(f"{target.name}, {step.verb} (reversible {step.reversibility}):", style="bold")
                    out.print(step.diff, markup=False, highlight=False)
    for finding in plan.findings:
        out.print(
            f"{finding.severity.upper()} {finding.code}: {finding.reason}",
            markup=False,
            style="bold red" if finding.severity == "fatal" else "yellow",
        )
