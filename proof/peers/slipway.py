"""The same change by Slipway on SQLite and its in-process engine.

python -m proof.peers.slipway prepare --dir DIR --inventory FILE      tables, people, inventory, facts of before
python -m proof.peers.slipway set|restart --dir DIR                   plan, approve, run; one JSON document

`--until S` ends the process when a change with a dead host still waits after so many seconds. `--running`: wall and CPU
are told from the moment at which somebody asks a process that runs already, as the services do.
"""

import argparse
import json
import os
import resource
import sys
import time
from io import StringIO
from pathlib import Path
from typing import Any

from lab.demo import stage as stages


def prepare(folder: Path, inventory: Path) -> None:
    """What there is before a change; and every module that a change needs, so that its bytecode is there."""
    stages.open_stage(folder).fleet_from(inventory, tell=lambda _: None)
    from fleet.changes import drafts, lifecycle, loop
    from playbooks import registry

    assert all((drafts, lifecycle, loop))
    for verb in registry.verbs():
        registry.driver(verb)


def opened(folder: Path) -> None:
    os.environ["SLIPWAY_VAR"] = str(folder)
    os.environ["SLIPWAY_DATABASE_URL"] = f"sqlite://{folder / 'slipway.sqlite3'}"
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "fleet.settings")
    import django

    django.setup()


def warmed() -> None:
    """As a process is that has been there for a while: what it needs is read, and the forms know the recipes."""
    from fleet.changes import draft_requests, drafts, legs, lifecycle, loop
    from inventory import pci_ids
    from inventory.management.commands import collect
    from playbooks import registry

    assert all((drafts, legs, lifecycle, loop, collect))
    for verb in registry.verbs():
        registry.driver(verb)
    pci_ids.names()
    draft_requests.publish_once()


def cpu_s() -> float:
    mine, theirs = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return mine.ru_utime + mine.ru_stime + theirs.ru_utime + theirs.ru_stime


def collected() -> float:
    """Facts of all hosts; seconds."""
    from django.core.management import call_command

    began = time.monotonic()
    call_command("collect", "--all", stdout=StringIO())
    return round(time.monotonic() - began, 2)


def run(what: str, until_s: float) -> dict[str, Any]:
    """Plan, approve, run; what was done, and what is said of every target that is not done."""
    from django.contrib.auth import get_user_model

    from fleet import clock
    from fleet.changes import drafts, lifecycle, loop
    from fleet.changes.models import TargetRun

    ada, grace = (get_user_model().objects.get(username=name) for name in stages.PEOPLE)
    began = time.monotonic()
    recipe = Path(__file__).parent / f"recipe_{what}.yaml"
    change = drafts.open_change(drafts.Request(str(recipe), {}, ()), title=what, author=ada, now=clock.now())
    assert change.revision is not None
    reasons = (
        lifecycle.submit(change, ada, clock.now())
        or lifecycle.decide_on(change, grace, clock.now(), approve=True, digest=change.revision.digest)
        or lifecycle.start(change, ada, clock.now())
    )
    assert not reasons, [*map(str, reasons), *(str(f["reason"]) for f in change.revision.plan["findings"])]
    planned = time.monotonic() - began

    def over() -> bool:
        change.refresh_from_db()
        waits = change.state == "paused" and not targets.filter(state__in=_MOVING).exists()
        return bool(change.ended) or waits or time.monotonic() - began > until_s

    targets = TargetRun.objects.filter(run__revision__change=change)
    loop.run(over)
    change.refresh_from_db()
    return {
        "plan_s": round(planned, 2),
        "run_s": round(time.monotonic() - began - planned, 2),
        "change": change.state,
        "targets": dict(targets.order_by("name").values_list("name", "state")),
        "said": [line[:300] for line in _said(change)],
    }


_MOVING = ("baselining", "draining", "drained", "applying", "verifying", "undraining", "soaking", "rolling_back")


def _said(change: Any) -> list[str]:
    from fleet.changes.models import Event

    events = Event.objects.filter(change=change, target__isnull=False).exclude(target__state__in=("done", "pending"))
    return [f"{e.kind}: {e.text}" for e in events.order_by("-id")[:6]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("prepare", "set", "restart"))
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--inventory", type=Path)
    parser.add_argument("--until", type=float, default=600.0)
    parser.add_argument("--running", action="store_true")
    options = parser.parse_args()
    if options.what == "prepare":
        prepare(options.dir, options.inventory)
        return 0
    opened(options.dir)
    if options.running:
        warmed()
    began, cpu_before = time.monotonic(), cpu_s()
    facts_s = collected()
    done = run(options.what, options.until)
    took = {"wall_s": round(time.monotonic() - began, 2), "cpu_s": round(cpu_s() - cpu_before, 2)}
    json.dump({"facts_s": facts_s, "running": took if options.running else None, **done}, sys.stdout)
    return int(done["change"] != "succeeded")


if __name__ == "__main__":
    raise SystemExit(main())
