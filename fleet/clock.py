"""The one place where the wall clock is read; everything else is handed `now` as an argument (DESIGN rule 10)."""

from datetime import UTC, datetime


def now() -> datetime:
    """The present instant, aware, in UTC."""
    return datetime.now(UTC)
