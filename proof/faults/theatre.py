"""Many actors, one at a time, on a clock that jumps: whole runs of several processes in one, repeatable by a seed.

Every actor is a thread, and exactly one of them runs. At each point where it could be overtaken (`Theatre.point`, a
pause) a generator of random numbers says who goes on, so the same seed plays the same run. Nobody waits in real time.
"""

import heapq
import itertools
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field


class Killed(BaseException):
    """SIGKILL for an actor: raised where it stands. Not an Exception, so that nothing on the way catches it."""


def _closed() -> threading.Lock:
    """A door that somebody else opens: ten times cheaper than a semaphore, and a play has thousands of turns."""
    door = threading.Lock()
    door.acquire()
    return door


@dataclass(eq=False)
class Actor:
    """One process or thread of the play. `who`: whatever the play needs to know of it."""

    name: str
    who: object
    wake: threading.Lock = field(default_factory=lambda: _closed())  # open: it may go on
    error: BaseException | None = None
    ended: bool = False


class Theatre:
    """The scheduler: `spawn` actors, `run` until something is so."""

    def __init__(self, rng: random.Random, *, leave: Callable[[], None] = lambda: None) -> None:
        self.now, self.rng = 0.0, rng
        self.switches = 0
        self._heap: list[tuple[float, float, int, Actor]] = []
        self._numbers = itertools.count()
        self._baton = _closed()
        self._mine = threading.local()
        self._closing = False
        self._parked: list[Actor] = []
        self._leave = leave  # called at the end of each actor's thread
        # Asked of an actor that is woken: how long it must go on sleeping. May raise Killed.
        self.held: Callable[[Actor], float] = lambda _: 0.0
        self.actors: list[Actor] = []

    @property
    def me(self) -> Actor | None:
        """The actor that runs on this thread; None outside of the play."""
        return getattr(self._mine, "actor", None)

    def spawn(self, name: str, body: Callable[[], object], *, who: object = None, after: float = 0.0) -> Actor:
        """A new actor that begins so many seconds from now."""
        actor = Actor(name, who)

        def live() -> None:
            actor.wake.acquire()
            self._mine.actor = actor
            try:
                if not self._closing:
                    body()
            except Killed:
                pass
            except BaseException as error:  # shown by whoever runs the play
                actor.error = error
            finally:
                actor.ended = True
                try:
                    self._leave()
                finally:
                    self._baton.release()

        self.actors.append(actor)
        threading.Thread(target=live, name=name, daemon=True).start()
        self._push(self.now + after, actor)
        return actor

    def _push(self, at: float, actor: Actor) -> None:
        heapq.heappush(self._heap, (at, self.rng.random(), next(self._numbers), actor))

    def pause(self, seconds: float) -> None:
        """Let time pass for the actor that calls; the others go on meanwhile."""
        actor = self.me
        if actor is None:
            self.now += max(seconds, 0.0)
            return
        if self._closing:
            raise Killed
        left_s = max(seconds, 0.0)
        while True:
            self.switches += 1
            self._push(self.now + left_s, actor)
            self._baton.release()
            actor.wake.acquire()
            if self._closing:
                raise Killed
            left_s = self.held(actor)
            if left_s <= 0:
                return

    def park(self) -> None:
        """Wait until somebody calls `unpark`."""
        actor = self.me
        assert actor is not None
        if self._closing:
            raise Killed
        self._parked.append(actor)
        self._baton.release()
        actor.wake.acquire()
        if self._closing or self.held(actor) > 0:
            self.pause(self.held(actor))

    def unpark(self, actor: Actor, *, after: float) -> None:
        """Wake one that is parked, so many seconds from now; nothing for one that is not."""
        if actor in self._parked:
            self._parked.remove(actor)
            self._push(self.now + after, actor)

    def run(self, until: Callable[[], bool], *, at_most_s: float) -> bool:
        """Play until something is so (asked between two turns); False when that long has passed or nobody is left."""
        while self._heap and not until():
            if self._heap[0][0] > at_most_s:
                return False
            at, _, _, actor = heapq.heappop(self._heap)
            self.now = max(self.now, at)
            actor.wake.release()
            self._baton.acquire()
        return until()

    def drop(self) -> None:
        """End every actor where it stands; others may be spawned afterwards."""
        self.close()
        self._closing = False

    def close(self) -> None:
        """End every actor where it stands."""
        self._closing = True
        for actor in list(self._parked):
            self.unpark(actor, after=0.0)
        while self._heap:
            actor = heapq.heappop(self._heap)[3]
            actor.wake.release()
            self._baton.acquire()
