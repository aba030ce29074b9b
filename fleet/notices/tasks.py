"""The Celery task of notices: carries nothing, may run twice or never."""

from fleet import clock
from fleet.celery import app
from fleet.notices import rounds


@app.task(name="slipway.notices")  # type: ignore[untyped-decorator]  # celery has no types
def look() -> None:
    """One round."""
    rounds.look(clock.now())
