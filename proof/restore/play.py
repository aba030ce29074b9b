"""One restore: backup, what happened after it, the backup put back, and what is done then."""

import random
from dataclasses import dataclass

from django.db import connection, connections

from fleet import clock
from fleet.changes import lifecycle
from fleet.changes.models import Change
from lab.sim import oracle
from proof.faults import judge
from proof.faults.plant import Controller, Plant
from proof.faults.scene import Scenes, Story

AWAY_S = 3_600.0
LOOKED_S = 600.0  # until the person on call has looked and aborts
ENDED_S = 1_200.0
RUN_S = 90.0  # a change of these stories takes 30 to 120 s


@dataclass(frozen=True)
class Restored:
    """What came of it. `ahead`: commands that changed devices after the backup; `early`: after it was put back, before
    anybody spoke."""

    story: str
    wrong: list[str]
    ahead: int
    early: int
    held: bool


def play(scenes: Scenes, story: Story, rng: random.Random) -> Restored:
    """Play one."""
    scenes.open(story)
    plant = Plant(rng, yields=0.2)
    theatre = plant.theatre
    with plant.running():
        change = Change.objects.select_related("author").get()
        assert lifecycle.start(change, change.author, clock.now()) == ()
        connection.close()
        plant.open_controller(Controller("c0"), workers=2, beats=1)
        backup_at = rng.uniform(1.0, RUN_S)
        theatre.run(lambda: theatre.now >= backup_at, at_most_s=backup_at)
        scenes.back_up()
        at_backup = len(plant.devices.journal)
        killed_at = backup_at + rng.choice((rng.uniform(0.0, 60.0), 400.0))
        theatre.run(lambda: theatre.now >= killed_at, at_most_s=killed_at)
        plant.kill_all()
        plant.devices.advance()
        before = _drained(plant)
        at_death = len(plant.devices.journal)
        scenes.put_back()
        theatre.now += AWAY_S
        plant.devices.advance()
        restored = len(plant.devices.journal)
        first = theatre.now
        plant.open_controller(Controller("c1"), workers=2, beats=1)
        theatre.run(lambda: theatre.now >= first + LOOKED_S, at_most_s=first + LOOKED_S)
        spoken = len(plant.devices.journal)
        change.refresh_from_db()
        held = change.state == "paused"
        if not change.ended:
            lifecycle.abort(change, change.author, clock.now(), why="restored from a backup")
        connection.close()
        theatre.run(lambda: theatre.now >= first + ENDED_S, at_most_s=first + ENDED_S)
        theatre.close()
        plant.devices.advance()
    connections.close_all()
    journal = plant.devices.journal
    early = len(_changes(journal[restored:spoken]))
    return Restored(
        story.name,
        _wrong(story, plant, scenes, before),
        len(_changes(journal[at_backup:at_death])),
        early,
        held,
    )


def _changes(entries: list[dict[str, object]]) -> list[oracle.Mutation]:
    return oracle.mutations(entries)


def _drained(plant: Plant) -> set[str]:
    return {name for name, machine in plant.devices.machines.items() if machine.router.flags.any()}


def _wrong(story: Story, plant: Plant, scenes: Scenes, before: set[str]) -> list[str]:
    """As for the faults, but that devices may be further than the rows, and one that was drained when everything
    died may still be: nothing here knows of it, it is left as it is and shown as drained by others."""
    found = judge.wrong(story, plant.devices.journal, plant.devices.net.routers, scenes.rows)
    unknown = {f"{name}: left drained" for name in before}
    return [w for w in found if "and on it there is" not in w and not any(w.startswith(u) for u in unknown)]
