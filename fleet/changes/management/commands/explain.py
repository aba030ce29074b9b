"""Why is nothing (more) happening? All reasons at once, in the words of the pages."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from fleet import clock
from fleet.changes import console, scheduled
from fleet.changes.models import Change, Run
from fleet.core import explain
from fleet.core.states import TargetState


class Command(BaseCommand):
    """./manage.py explain [CHANGE]; without a number: one line for each of the newest changes."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("change", type=int, nargs="?")

    def handle(self, **options: Any) -> None:
        out = console.console
        if options["change"] is None:
            for change in Change.objects.listed()[:20]:
                out.print(f"{change.pk:>4}  {change.state:<12} {change.title}", markup=False)
            return
        change = console.change(options["change"])
        out.print(f"change {change.pk}: {change.title}", style="bold", markup=False)
        out.print(f"{change.state}: {change.in_words}", markup=False)
        run = Run.objects.filter(revision__change=change).defer("revision__plan").first()
        for sentence in run.holds if run else []:
            out.print(f"- {sentence}", markup=False)
        if run is None:
            ahead = scheduled.ahead(change, clock.now())
            for sentence in ahead.holds:
                out.print(f"- {sentence}", markup=False)
            if ahead.at is not None:
                by_itself = "it starts by itself" if ahead.scheduled else "windows and freezes let it start"
                out.print(f"{by_itself} at {ahead.at:%Y-%m-%d %H:%M} UTC at the earliest", markup=False)
            return
        for target in run.targets.exclude(state__in=[TargetState.PENDING, TargetState.DONE]).with_steps():
            step = target.current_step()
            words = explain.TARGET_WORDS[TargetState(target.state)]
            at = f" at {step.title}" if step else ""
            out.print(f"{target.name}: {target.state}{at}: {words}", markup=False)
            for reason in target.reasons or (step.reasons if step else []):
                out.print(f"  - {reason}", markup=False)
