"""Logs: plain lines, or one JSON object a line; with the ids of what they are about, without secrets."""

import logging
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import structlog

from fleet.core import redact

FORMATS = ("plain", "json")


def without_secrets(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The last thing before a line is written: what reads like a secret is taken out."""
    return {key: redact.value(value) if key != "timestamp" else value for key, value in redact.value(event).items()}


def _shared() -> list[Any]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]


class JsonFormatter(structlog.stdlib.ProcessorFormatter):
    """`logging` records as JSON: event, level, logger, timestamp, and what is bound (change, target, step)."""

    def __init__(self) -> None:
        super().__init__(
            foreign_pre_chain=_shared(),
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                without_secrets,
                structlog.processors.JSONRenderer(sort_keys=True, default=str),
            ],
        )


class PlainFormatter(logging.Formatter):
    """The usual line, with what is bound at its end, without secrets."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        bound = structlog.contextvars.get_contextvars()
        about = "".join(f" {name}={value}" for name, value in sorted(bound.items()))
        return redact.text(super().format(record)) + about


def configured(level: str, form: str) -> dict[str, Any]:
    """What LOGGING is for a level and a format."""
    if form not in FORMATS:
        raise SystemExit(f"SLIPWAY_LOG_FORMAT: found {form!r}, wanted {' or '.join(FORMATS)}.")
    formatter = JsonFormatter if form == "json" else PlainFormatter
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": formatter}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["console"], "level": level},
        # At INFO it writes two lines for every connection; what goes wrong is returned with its reasons (ssh.py).
        "loggers": {"paramiko": {"level": "WARNING"}} if level == "INFO" else {},
    }


@contextmanager
def about(**ids: object) -> Iterator[None]:
    """Everything that is logged inside is about these: `about(change=7, target="bly", step=41)`."""
    with structlog.contextvars.bound_contextvars(**{name: value for name, value in ids.items() if value is not None}):
        yield
