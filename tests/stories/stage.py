"""What a story does as its people would: load the fleet, plan, submit, approve, start, wait for the end."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from django.core.management import call_command

from fleet import clock
from fleet.changes import drafts, lifecycle
from fleet.changes.models import Change, Run, TargetRun
from lab.sim import SimFleet, oracle

RECIPES = Path(__file__).parent / "recipes"


class Stage:
    """One story's people and their change."""

    def __init__(self, author: Any, approver: Any) -> None:
        self.author, self.approver = author, approver

    def load(self, inventory: Path) -> None:
        call_command("load_inventory", str(inventory), "--accept-new-host-keys")
        call_command("collect", "--all")

    def draft(self, recipe: str, inputs: Mapping[str, Any], names: Sequence[str] = ()) -> Change:
        path = RECIPES / f"{recipe}.yaml"
        request = drafts.Request(str(path) if path.exists() else recipe, dict(inputs), tuple(names))
        return drafts.open_change(request, title=f"{recipe} in a story", author=self.author, now=clock.now())

    def approve(self, change: Change) -> None:
        assert change.revision is not None
        digest = change.revision.digest
        assert lifecycle.submit(change, self.author, clock.now()) == (), change.revision.plan["findings"]
        assert lifecycle.decide_on(change, self.approver, clock.now(), approve=True, digest=digest) == ()

    def start(self, recipe: str, inputs: Mapping[str, Any], names: Sequence[str] = ()) -> Change:
        change = self.draft(recipe, inputs, names)
        self.approve(change)
        assert lifecycle.start(change, self.author, clock.now()) == ()
        return change


def wait_until(true: Callable[[], bool], *, within_s: float, what: str, every_s: float = 0.2) -> None:
    """Wait for something that another process does; the failure says what it was."""
    deadline = time.monotonic() + within_s
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {within_s:.0f} s")
        time.sleep(every_s)


def wait_ended(change: Change, *, within_s: float = 300.0) -> None:
    """Wait for the end of a change; what stands in the way is in the failure."""

    def ended() -> bool:
        change.refresh_from_db()
        return change.ended

    try:
        wait_until(ended, within_s=within_s, what=f"end of {change}")
    except AssertionError as error:
        rows = [(t.name, t.state, t.reasons, str(t.current_step())) for t in targets(change).values()]
        holds = Run.objects.get(revision__change=change).holds
        raise AssertionError(f"{error}: {rows} {holds}") from None


def judge(fleet: SimFleet) -> None:
    """What must hold of every story on simulated routers, whatever happened in it."""
    entries = fleet.journal()
    assert oracle.max_drained_at_once(entries) <= 1
    assert not oracle.disrupted_undrained(entries)
    assert not oracle.unknown_commands(entries)


def targets(change: Change) -> dict[str, TargetRun]:
    return {t.name: t for t in TargetRun.objects.filter(run__revision__change=change).with_steps()}
