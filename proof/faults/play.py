"""One run: a story, its setting and faults, played to its end and judged."""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from fleet import clock
from fleet.changes import lifecycle
from fleet.changes.models import Change
from fleet.notices import messages
from proof.faults import judge
from proof.faults.fault import Fault
from proof.faults.injections import TROUBLE_S, Setting, arrange
from proof.faults.plant import Plant, Proc
from proof.faults.scene import Scenes, Story

LOOKS_S = 15.0  # how often the person on call looks
PATIENCE_S = 500.0  # and then aborts what has not ended
AT_MOST_S = 3_600.0
# How long it is watched after its end: timers on devices go off (60 s), workers that were stopped wake up.
AFTERWARDS_S = 90.0


@dataclass
class Ended:
    """What became of a run."""

    story: str
    wrong: list[str]
    state: str
    targets: dict[str, str]
    seconds: float  # of the play's clock, until the change ended
    cpu_s: float
    passed: dict[str, int]
    sprung: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    deaths: int = 0
    journal: list[dict[str, Any]] = field(default_factory=list)


class OnCall:
    """The person who looks now and then: mends what is broken, resumes twice, then aborts."""

    def __init__(self, plant: Plant, change: Change) -> None:
        self.plant, self.change = plant, change
        self.ended_at: float | None = None
        self._resumed = 0

    def watch(self) -> None:
        mended = False
        while self.ended_at is None:
            self.plant.theatre.pause(LOOKS_S)
            now = self.plant.theatre.now
            if not mended and now > TROUBLE_S:
                mended = True
                self.plant.devices.heal()
            self.change.refresh_from_db(fields=["state", "generation"])
            if self.change.ended:
                self.ended_at = now
            elif self.change.state == "paused" and now > 120:
                self._resumed += 1
                self.say("resume" if self._resumed <= 2 else "abort")
            elif now > PATIENCE_S:
                self.say("abort")

    def say(self, what: str) -> None:
        person = self.change.author
        getattr(lifecycle, what)(self.change, person, clock.now(), why="on call")


def play(scenes: Scenes, story: Story, setting: Setting, faults: Sequence[Fault], seed: int) -> Ended:
    """Play one run. The same arguments play the same run."""
    began = time.process_time()
    rng = random.Random(seed)
    scenes.open(story)
    plant = Plant(rng, yields=rng.choice((0.05, 0.2, 0.5)))
    with plant.running():
        change = Change.objects.select_related("author").get()
        assert lifecycle.start(change, change.author, clock.now()) == ()
        on_call, button = OnCall(plant, change), OnCall(plant, Change.objects.select_related("author").get())
        arrange(plant, setting, faults, lambda what: _pressed(plant, button, what))
        theatre = plant.theatre
        theatre.spawn("on call", on_call.watch)
        theatre.spawn("notices", lambda: _tell(plant), who=Proc("c0/notices", plant.controllers[0]))

        def over() -> bool:
            if on_call.ended_at is None:
                return False
            return theatre.now > max(on_call.ended_at, plant.stopped_until) + AFTERWARDS_S

        connection.close()
        theatre.run(over, at_most_s=AT_MOST_S)
        bugs = [f"{a.name}: {type(a.error).__name__}: {a.error}" for a in theatre.actors if a.error is not None]
        theatre.close()
        plant.devices.advance()
    connection.close()
    found = judge.wrong(story, plant.devices.journal, plant.devices.net.routers, scenes.rows)
    targets = {str(n): str(s) for n, s in scenes.rows("SELECT name, state FROM changes_targetrun")}
    [(state,)] = scenes.rows("SELECT state FROM changes_change")
    sprung = [f"{t.what} at {t.gate} {t.nth}: {t.where}" for t in plant.traps if t.where]
    return Ended(
        story.name, found + bugs, str(state), targets, on_call.ended_at or AT_MOST_S, time.process_time() - began,
        plant.passed, sprung, plant.errors, plant.deaths, plant.devices.journal,
    )  # fmt: skip


def _pressed(plant: Plant, button: OnCall, what: str) -> None:
    """A button on a page: pressed again when the page says that it did not work."""
    for _ in range(5):
        try:
            button.change.refresh_from_db()
            return button.say(what)
        except Exception:
            plant.theatre.pause(10.0)
    return None


def _tell(plant: Plant) -> None:
    """The task that makes messages, every now and then."""
    while True:
        try:
            messages.make(clock.now())
        except Exception as error:
            plant.errors.append(f"notices: {type(error).__name__}: {error}"[:200])
        plant.theatre.pause(20.0)
