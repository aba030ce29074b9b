"""The Celery tasks: they carry ids, are short, and may run twice or never (rule 9)."""

from typing import Any

from celery.signals import worker_process_init

from fleet import clock
from fleet.celery import app
from fleet.changes import (
    dispatch,
    draft_requests,
    facts_again,
    kept_connections,
    legs,
    mitigations,
    orchestrate,
    remedies,
    repair_requests,
    soaking,
)
from inventory import queue_looks

# A connection to the database that no leg has asked for so long is closed: workers that wait hold none.
IDLE_S = 30.0


def _child_began(**_: Any) -> None:
    kept_connections.keep()


worker_process_init.connect(_child_began, weak=False)


@app.task(name="slipway.tick")  # type: ignore[untyped-decorator]  # celery has no types
def tick() -> None:
    """One round over all live runs."""
    orchestrate.tick(clock.now())


@app.task(name="slipway.draft_repairs")  # type: ignore[untyped-decorator]  # celery has no types
def draft_repairs() -> None:
    """Draft what people asked for by form and from drift, one request of each a turn."""
    kept_connections.close_idle(IDLE_S)
    draft_requests.take_up(clock.now())
    repair_requests.take_up(clock.now())
    queue_looks.take_up(clock.now())
    soaking.take_up(clock.now())
    mitigations.take_up(clock.now())
    remedies.take_up(clock.now())
    facts_again.take_up(clock.now())


@app.task(name="slipway.run_shard")  # type: ignore[untyped-decorator]  # celery has no types
def run_shard(target_ids: list[int]) -> None:
    """Walk the legs of a shard, then ring for a tick: what they finished may let others start."""
    legs.run_shard(target_ids, worker=dispatch.worker_name())
    tick.apply_async(expires=10)


@app.task(name="slipway.sample")  # type: ignore[untyped-decorator]  # celery has no types
def sample(ids: list[int]) -> None:
    """Take samples of a shard of devices that are due."""
    soaking.take(ids, clock.now())
