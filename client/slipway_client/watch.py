"""Watches a change until it ends: how far each wave is, what happens, why it holds."""

import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from slipway_client import show
from slipway_client.api import Api
from slipway_client.ends import Ended, Exit

GOOD = frozenset({"succeeded"})
BAD = frozenset({"rolled_back", "failed", "cancelled", "expired", "rejected"})
_OVER = frozenset({"done", "rolled_back", "stuck"})
EVERY_S = 2.0
# A web process may be restarted while a change runs for hours: that alone does not end a watch.
PATIENCE = 30


def follow(
    api: Api,
    change: int,
    *,
    as_json: bool,
    timeout_s: float | None,
    from_start: bool = False,
    every_s: float = EVERY_S,
    sleep: Callable[[float], None] = time.sleep,
) -> Exit:
    """Print what happens until the change ends; returns how."""
    began, cursor, holds = time.monotonic(), _newest(api, change, from_start=from_start), [""]
    bar = None if as_json or not show.out.is_terminal else _bar()
    failed = 0
    with bar or nullcontext():
        task = bar.add_task("", total=None) if bar is not None else None
        while True:
            try:
                row = api.get(f"/changes/{change}")
                cursor = _events(api, change, cursor, as_json=as_json)
                run = api.get(f"/runs/{row['run']['id']}") if row.get("run") else None
                failed = 0
            except Ended as error:
                failed += 1
                if error.code is not Exit.NO_ANSWER or failed > PATIENCE:
                    raise
                sleep(every_s)
                continue
            done, total = counts(run)
            if bar is not None and task is not None:
                bar.update(task, description=row["state"], completed=done, total=total or None)
            if run is not None and run["holds"] != holds and not as_json:
                holds = run["holds"]
                show.sentences(holds, before="holds: ")
            if row["state"] in GOOD | BAD:
                return _ended(api, change, row, cursor, as_json=as_json, sleep=sleep)
            if timeout_s is not None and time.monotonic() - began >= timeout_s:
                raise Ended(Exit.TIMED_OUT, [f"change {change}: found {row['state']}, wanted its end. It goes on."])
            sleep(every_s)


def counts(run: Mapping[str, Any] | None) -> tuple[int, int]:
    """How many devices are over, and how many there are."""
    waves = run["waves"] if run is not None else []
    every = [(state, n) for wave in waves for state, n in wave["targets"].items()]
    return sum(n for state, n in every if state in _OVER), sum(n for _, n in every)


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=show.out, transient=True)


def _newest(api: Api, change: int, *, from_start: bool) -> object:
    """Behind what has happened already; None: from the beginning."""
    if from_start:
        return None
    cursor: object = None
    while True:
        page = api.get(f"/changes/{change}/events", cursor=cursor, limit=500, fields="id")
        cursor = page["cursor"] if page["cursor"] is not None else cursor
        if page["next"] is None:
            return cursor


def _events(api: Api, change: int, cursor: object, *, as_json: bool) -> object:
    """Print what came since; returns the cursor behind it."""
    while True:
        page = api.get(f"/changes/{change}/events", cursor=cursor, limit=500)
        for event in page["items"]:
            if as_json:
                show.as_line({"event": event})
            else:
                show.line(f"{event['at'][11:19]} {event['text']}")
        cursor = page["cursor"] if page["cursor"] is not None else cursor
        if page["next"] is None:
            return cursor


def _ended(
    api: Api,
    change: int,
    row: Mapping[str, Any],
    cursor: object,
    *,
    as_json: bool,
    sleep: Callable[[float], None],
) -> Exit:
    sleep(2.5)  # events appear two seconds late, so that none is overtaken
    _events(api, change, cursor, as_json=as_json)
    code = Exit.DONE if row["state"] in GOOD else Exit.ENDED_BADLY
    if as_json:
        show.as_line({"change": row, "exit": int(code)})
    else:
        outcome = (row.get("run") or {}).get("outcome") or row["in_words"]
        show.line(f"change {change} {row['state'].replace('_', ' ')}: {outcome}")
    return code
