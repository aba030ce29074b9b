"""The Celery tasks of what goes out: they carry ids, may run twice or never."""

from fleet import clock
from fleet.celery import app
from fleet.outward import rounds


@app.task(name="slipway.outward")  # type: ignore[untyped-decorator]  # celery has no types
def look() -> None:
    """Outbox to deliveries, then a message for everything that is due."""
    rounds.enqueue(clock.now())


@app.task(name="slipway.outward_well")  # type: ignore[untyped-decorator]  # celery has no types
def well(what: str, pk: int) -> None:
    """One endpoint or one ticket."""
    rounds.do(what, pk)


@app.task(name="slipway.outward_doubtful")  # type: ignore[untyped-decorator]  # celery has no types
def doubtful(what: str, pk: int) -> None:
    """One of those whose last attempts failed, in the lane of their own."""
    rounds.do(what, pk)


@app.task(name="slipway.outward_tidy")  # type: ignore[untyped-decorator]  # celery has no types
def tidy() -> None:
    """Forget what is long over."""
    rounds.tidy(clock.now())
