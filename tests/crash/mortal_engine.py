"""The in-process engine, killed by SIGKILL where it is told: after an event, before a request, before its answer.

One request a line on standard input: `{"change": ID, "wish": "" | "event:N" | "before:N" | "after:N", "log": PATH}`.
Each is carried out by a fork of this process, which has loaded everything but opened nothing; the answer is
`{"signal": 9}` when it died, 0 when it saw the change end. The log holds one JSON line for each point that was passed:
`{"at": "event" | "request", "n": N, "what": ...}` (a request also: which `act` it belongs to); `died` is the last of
one that was killed.

Numbered are the events of the change, after the transaction that wrote them; and requests to devices: those that are
sent while a driver acts, and the first one of each step that only looks.
"""

import itertools
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, NoReturn

import django

django.setup()

from django.db import transaction  # noqa: E402
from django.db.models.signals import post_save  # noqa: E402

from fleet.changes import legs, loop  # noqa: E402
from fleet.changes.models import Change, Event, EventQuerySet  # noqa: E402
from playbooks import engine  # noqa: E402
from playbooks.drain import driver as drain  # noqa: E402
from playbooks.drain import undrain  # noqa: E402
from playbooks.reboot import driver as reboot  # noqa: E402
from playbooks.recipe import read_recipe, recipe_paths  # noqa: E402
from playbooks.ssh import SshSession  # noqa: E402

# A run that does not end within this is killed by the alarm: far beyond what any has taken (30 s).
ALARM_S = 150
LEASE_MARGIN_S = 1.0  # of the short lease that the test sets
# The simulated routers go down 1.2 s after the order and are back 0.5 s later.
UNCHANGED_S, AGAIN_S, BACKOFF_S = 4.0, 0.3, 0.3


class Fate:
    """Where this process dies, and the log of where it could have."""

    def __init__(self, change_id: int, wish: str, log: str) -> None:
        self.change_id = change_id
        self.kind, _, number = wish.partition(":")
        self.number = int(number or 0)
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._lock = threading.Lock()
        self._requests = 0

    def _tell(self, at: str, n: int, what: str, **more: int) -> None:
        os.write(self._log, (json.dumps({"at": at, "n": n, "what": what, **more}) + "\n").encode())

    def _die(self, n: int, what: str) -> NoReturn:
        self._tell("died", n, what)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("still alive")

    def committed(self) -> None:
        """A transaction that wrote events is over."""
        rows = list(Event.objects.filter(change=self.change_id).order_by("id").values_list("text", flat=True))
        with self._lock:
            self._tell("event", len(rows), rows[-1] if rows else "")
            if self.kind == "event" and len(rows) >= self.number:
                self._die(len(rows), rows[-1])

    def request(self, what: str, act: int, send: Callable[[], Any]) -> Any:
        """A request that counts."""
        with self._lock:
            self._requests += 1
            n = self._requests
            self._tell("request", n, what, act=act)
        if self.kind == "before" and n == self.number:
            self._die(n, what)
        answer = send()
        if self.kind == "after" and n == self.number:
            self._die(n, what)
        return answer


class Now(threading.local):
    """What this thread is at: while `about` is set, requests count; with `first` only the next one does."""

    about = ""
    first = False
    act = 0  # which act or look it belongs to


def _watch_events(fate: Fate) -> None:
    bulk_create = EventQuerySet.bulk_create

    def written(self: Any, rows: Any, *args: Any, **kwargs: Any) -> Any:
        made = bulk_create(self, rows, *args, **kwargs)
        if made:
            transaction.on_commit(fate.committed)
        return made

    def saved(**_: Any) -> None:
        transaction.on_commit(fate.committed)

    EventQuerySet.bulk_create = written  # type: ignore[assignment, method-assign]
    post_save.connect(saved, sender=Event, weak=False)


def _watch_requests(fate: Fate) -> None:
    now, last, numbers = Now(), dict[str, str](), itertools.count(1)
    real_act, real_watch, real_exec = engine._act, engine._watch, SshSession._exec

    def act(sends: Any, observe: Any, session: Any, step: Any, **more: Any) -> Any:
        last[step.device.name] = step.verb

        def counted(*args: Any, **kwargs: Any) -> None:
            now.act = next(numbers)
            now.about = f"{sends.__name__} {step.verb} {step.params.get('group', '')} on {step.device.name}"
            try:
                sends(*args, **kwargs)
            finally:
                now.about = ""

        return real_act(counted, observe, session, step, **more)

    def watch(driver: Any, session: Any, step: Any) -> Any:
        if last.get(step.device.name) != step.verb:
            last[step.device.name] = step.verb
            now.about, now.first, now.act = f"{step.verb} on {step.device.name}", True, next(numbers)
        try:
            return real_watch(driver, session, step)
        finally:
            now.about, now.first = "", False

    def execute(self: SshSession, line: str, **more: Any) -> Any:
        about = now.about
        if now.first:
            now.about, now.first = "", False
        if not about:
            return real_exec(self, line, **more)
        return fate.request(f"{about}: {more['name']}", now.act, lambda: real_exec(self, line, **more))

    engine._act, engine._watch = act, watch  # type: ignore[assignment]
    SshSession._exec = execute  # type: ignore[method-assign]


def _work(change_id: int, wish: str, log: str) -> None:
    signal.alarm(ALARM_S)
    fate = Fate(change_id, wish, log)
    _watch_events(fate)
    _watch_requests(fate)
    legs.LEASE_MARGIN_S = LEASE_MARGIN_S
    reboot.UNCHANGED_S, reboot._AGAIN_S = UNCHANGED_S, AGAIN_S
    vars(drain)["AGAIN_S"] = vars(undrain)["AGAIN_S"] = AGAIN_S
    engine.BACKOFF_MIN_S = engine.AFTER_UNSURE_S = BACKOFF_S
    loop.run(lambda: Change.objects.get(pk=change_id).ended)


def _serve() -> None:
    for path in recipe_paths().values():  # remembered by each fork, which would take a second to read them
        read_recipe(path)
    for line in sys.stdin:
        asked, began = json.loads(line), time.monotonic()
        if (child := os.fork()) == 0:
            status = 1
            try:
                _work(asked["change"], asked["wish"], asked["log"])
                status = 0
            finally:
                os._exit(status)
        ended = os.waitpid(child, 0)[1]
        number = os.WTERMSIG(ended) if os.WIFSIGNALED(ended) else 0
        status = os.WEXITSTATUS(ended) if os.WIFEXITED(ended) else 0
        answer = {"signal": number, "status": status, "took_s": round(time.monotonic() - began, 1)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    _serve()
