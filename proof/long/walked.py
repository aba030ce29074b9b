"""One change after another over the API, as people would: draft, approve, start, look after it, have it judged."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from proof.long.weather import ROUTERS
from slipway_client.api import Api
from slipway_client.ends import Ended, Exit

LOOKS_S = 8.0
# The person on call: resumes twice, and aborts what has not ended after so long.
RESUMES, PATIENCE_S, AT_MOST_S = 2, 600.0, 1500.0
PLANNED_S = 240.0
QUICK = {"settle": "1s", "gate": "1s", "soak": "3s"}


@dataclass(frozen=True)
class Story:
    """One recipe that comes with Slipway: its inputs in the nth change, what it may do to a router."""

    recipe: str
    inputs: Callable[[int], Mapping[str, Any]]
    restarts: int = 0
    daemons: int = 0


def _described(n: int) -> Mapping[str, Any]:
    return {
        "section": "proof",
        "frr": f"interface eth1\n description proof {n}\nexit\n",
        "bird": f"protocol static proof {{ ipv4; route 192.0.2.{n % 250 + 1}/32 blackhole; }}\n",
    }


def stories(setting: str, **quick: str) -> tuple[Story, ...]:
    """The changes in their order; `setting`: of the kernel, which is set; `quick`: what all of them are asked."""
    return (
        Story("sysctl", lambda n: {**quick, "settings": f"{setting} = {3000 + n}"}),
        Story("nic-queues", lambda n: {**quick, "interface": "eth1", "queues": 2 + n % 3}),
        Story("router-restart", lambda n: {**quick, "passes": 2}, restarts=1),
        Story("routing-config", lambda n: {**quick, **_described(n)}),
        Story("daemon-restart", lambda n: {**quick, "passes": 2}, daemons=1),
    )


BACKLOG = "net.core.netdev_max_backlog"
STORIES = stories(BACKLOG, **QUICK)


@dataclass
class Walk:
    """One change: what became of it. `began`, `ended`: monotonic."""

    number: int
    story: Story
    names: tuple[str, ...]
    began: float
    ended: float = 0.0
    change: int = 0
    state: str = ""
    asked: list[str] = field(default_factory=list)  # what the person on call pressed
    errors: list[str] = field(default_factory=list)
    answers_missed: int = 0


class Gone(Exception):
    """A change that never began: why."""


class People:
    """The author and the approver with their programs."""

    def __init__(self, ada: Api, grace: Api, *, stories: Sequence[Story] = STORIES, most: int = 3) -> None:
        self._ada, self._grace, self._stories, self._most = ada, grace, stories, most

    def wait_for_recipes(self) -> None:
        """The engine publishes them when it has come up."""
        until = time.monotonic() + PLANNED_S
        while time.monotonic() < until:
            try:
                if {story.recipe for story in self._stories} <= {row["name"] for row in self._ada.every("/recipes")}:
                    return
            except Ended:
                pass
            time.sleep(2.0)

    def walk(self, number: int, rng: random.Random, *, among: Sequence[str] = ROUTERS) -> Walk:
        """One change from its draft to its end. Raises Gone when it did not begin."""
        story = self._stories[number % len(self._stories)]
        made = Walk(number, story, tuple(rng.sample(list(among), min(self._most, len(among)))), time.monotonic())
        self._begin(made)
        self._look_after(made)
        made.ended = time.monotonic()
        return made

    def _begin(self, walk: Walk) -> None:
        """The author's program sends again what got no answer; what was refused is not tried again."""
        story, n = walk.story, walk.number
        wanted = {
            "title": f"{story.recipe} {n}", "recipe": story.recipe, "targets": {"names": list(walk.names)},
            "inputs": dict(story.inputs(n)), "strategy": {"waves": "1, 100%"},
        }  # fmt: skip
        draft = self._tried(walk, lambda: self._ada.post("/changes", wanted))
        until = time.monotonic() + PLANNED_S
        while (found := self._tried(walk, lambda: self._ada.get(f"/drafts/{draft['id']}")))["state"] == "waiting":
            if time.monotonic() > until:
                raise Gone(f"not planned within {PLANNED_S:.0f} s")
            time.sleep(2.0)
        if found["state"] != "drafted":
            raise Gone(f"no plan: {found}"[:600])
        walk.change = int(found["change"])
        path = f"/changes/{walk.change}"
        digest = self._tried(walk, lambda: self._ada.get(f"{path}/plan"))["digest"]
        for person, act, said in (
            (self._ada, "submit", {}), (self._grace, "approve", {"digest": digest}), (self._ada, "start", {}),
        ):  # fmt: skip
            self._act(walk, person, act, said)

    def _act(self, walk: Walk, person: Api, act: str, said: Mapping[str, Any]) -> None:
        """Press it. A "no" counts only when the change is not where it leads: the first answer may have been lost."""
        leads = {"submit": {"submitted", "approved"}, "approve": {"approved"}, "start": {"running", "paused"}}[act]
        path = f"/changes/{walk.change}"
        try:
            self._tried(walk, lambda: person.post(f"{path}/{act}", said))
        except Ended as error:
            if self._state(walk) not in leads | {"succeeded", "failed", "rolled_back"}:
                raise Gone(f"{act}: {' '.join(error.sentences)}"[:600]) from error

    def _tried(self, walk: Walk, ask: Callable[[], Any]) -> Any:
        """Until there is an answer: the web may be away for a while. A "no" is one."""
        until = time.monotonic() + PLANNED_S
        while True:
            try:
                return ask()
            except Ended as error:
                if error.code is not Exit.NO_ANSWER or time.monotonic() > until:
                    raise
                walk.answers_missed += 1
                time.sleep(2.0)

    def _state(self, walk: Walk) -> str:
        return str(self._tried(walk, lambda: self._ada.get(f"/changes/{walk.change}"))["state"])

    def _look_after(self, walk: Walk) -> None:
        path, began, resumed = f"/changes/{walk.change}", time.monotonic(), 0
        while True:
            try:
                walk.state = self._state(walk)
            except Ended as error:
                walk.errors.append(f"look: {error}"[:200])
            passed = time.monotonic() - began
            if walk.state in {"succeeded", "failed", "rolled_back", "cancelled"} or passed > AT_MOST_S:
                return
            press = ""
            if walk.state == "paused":
                resumed += 1
                press = "resume" if resumed <= RESUMES else "abort"
            elif passed > PATIENCE_S and "abort" not in walk.asked:
                press = "abort"
            if press:
                walk.asked.append(press)
                try:
                    self._tried(walk, partial(self._ada.post, f"{path}/{press}", {"why": "on call"}))
                except Ended as error:
                    walk.errors.append(f"{press}: {error}"[:200])
            time.sleep(LOOKS_S)

    def release(self, change: int, names: Sequence[str], why: str) -> str:
        """Let go of what is stuck; "" or why not."""
        try:
            self._ada.post(f"/changes/{change}/release", {"names": list(names), "why": why})
        except Ended as error:
            return str(error)
        return ""
