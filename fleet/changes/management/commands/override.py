"""Override a FATAL compatibility finding of a draft, with a reason; without one, show those that stop it."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from fleet import clock
from fleet.changes import console, overrides
from fleet.changes.models.overrides import in_force
from fleet.core import overrides as rules


class Command(BaseCommand):
    """./manage.py override CHANGE [--finding ID --why TEXT]."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        console.add_change(parser)
        parser.add_argument("--finding", help="its id, as shown without this")
        parser.add_argument("--why", default="", help="why it may be done all the same; the approver reads it")
        console.add_person(parser)

    def handle(self, **options: Any) -> None:
        change = console.change(options["change"])
        if options["finding"]:
            who = console.person(options["user"])
            said = overrides.override(change, who, clock.now(), identity=options["finding"], why=options["why"])
            console.refuse(said)
            console.console.print(f"change {change.pk}: overridden")
            return
        findings = change.revision.plan["findings"] if change.revision else []
        given = in_force(change.pk, findings)
        for finding in findings:
            if rules.can_be(finding):
                row = given.get(rules.identity(finding))
                words = f"overridden by {row.by}: {row.reason}" if row else "stops the plan"
                console.console.print(
                    f"{rules.identity(finding)}  {words}\n    {rules.sentence(finding)}", markup=False
                )
