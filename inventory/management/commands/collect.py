"""collect ROUTER...: collect the facts of routers over SSH."""

import argparse
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from fleet import clock
from fleet.core.model import Reason, to_json
from inventory import discovery, pci_ids
from inventory.console import add_json, chosen, print_json, printable, progress_console, table
from inventory.discovery import CollectFailure
from inventory.models import CollectionRun, Observation, Router
from inventory.seen import versions

# Routers whose facts are stored together: large enough that slow ones do not stop the others often, small enough that
# an interrupted run has kept nearly everything.
_SHARDS_AT_ONCE = 8


class Command(BaseCommand):
    help = "Collect facts (versions, interfaces, NICs, configuration digests) over SSH, one round trip per router."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("routers", nargs="*", metavar="ROUTER")
        parser.add_argument("--all", action="store_true", help="every router of the inventory")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        names = chosen(options["routers"], everything=options["all"])
        seen, failures, claimed = _collect(names)
        if options["json"]:
            print_json(
                {
                    "collected": {
                        name: {"observed_at": o.observed_at.isoformat(), "digest": o.digest, **versions(o.facts)}
                        for name, o in sorted(seen.items())
                    },
                    "claimed": [to_json(reason) for reason in claimed],
                    "failures": [{"router": f.router, "reason": to_json(f.reason)} for f in failures],
                }
            )
        else:
            rows = [(name, *_cells(seen[name])) for name in sorted(seen)]
            for reason in (*claimed, *([missing] if (missing := pci_ids.missing()) else [])):
                progress_console.print(printable(str(reason)), markup=False, style="yellow")
            table("collected", ("router", "kernel", "suite", "interfaces", "digest"), rows)
        if failures:
            lines = [f"{failure.router}: {failure.reason}" for failure in failures]
            raise CommandError(f"{len(failures)} of {len(names)} routers were not collected.\n" + "\n".join(lines))


def _collect(names: list[str]) -> tuple[dict[str, Observation], list[CollectFailure], list[Reason]]:
    workers = settings.SLIPWAY_SHARD_SIZE
    known = Router.objects.filter(name__in=names).count()
    run = CollectionRun.objects.create(why="./manage.py collect", asked=known, started_at=clock.now())
    seen: dict[str, Observation] = {}
    failures: list[CollectFailure] = []
    claimed: list[Reason] = []
    columns = (TextColumn("collecting"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=progress_console, transient=True) as progress:
        bar = progress.add_task("collecting", total=len(names))
        size = workers * _SHARDS_AT_ONCE
        for start in range(0, len(names), size):
            collected = discovery.collect(
                names[start : start + size],
                now=clock.now(),
                workers=workers,
                done=lambda name: progress.advance(bar),
                run=run,
            )
            claimed += collected.claimed
            seen |= collected.observations
            failures += collected.failures
    CollectionRun.objects.filter(pk=run.pk, ended_at__isnull=True).update(ended_at=clock.now())
    return seen, failures, claimed


def _cells(observation: Observation) -> tuple[object, ...]:
    found = versions(observation.facts)
    return (found["kernel"] or "?", found["suite"] or "?", found["interfaces"], observation.digest[:12])
