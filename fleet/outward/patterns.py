"""Which events an endpoint wants: a list of types, `*` for a whole kind. Pure."""

import re
from collections.abc import Sequence
from typing import Any

from fleet.core.model import Reason

MOST = 50
_ONE = re.compile(r"\*|[a-z][a-z_-]{0,39}\.(\*|[a-z][a-z_-]{0,59})")


def type_of(kind: str) -> str:
    """The type of an event in messages: "change approved" is `change.approved`, "run holds" `run.holds`."""
    subject, _, what = kind.partition(" ")
    return f"{subject}.{what.replace(' ', '_') or 'said'}"


def match(wanted: Sequence[str], event_type: str) -> bool:
    """Is this type among those wanted?"""
    return any(w in {"*", event_type} or (w.endswith(".*") and event_type.startswith(w[:-1])) for w in wanted)


def refuse(wanted: Any) -> Reason | None:
    """Why this is no list of types, or None."""
    remedy = "The types stand in docs/webhooks.md."
    if not isinstance(wanted, list) or not 0 < len(wanted) <= MOST:
        return Reason("events", repr(wanted)[:60], f"a list of 1 to {MOST} types", remedy)
    wrong = next((w for w in wanted if not isinstance(w, str) or not _ONE.fullmatch(w)), None)
    if wrong is not None:
        return Reason("events", repr(wrong)[:60], '"*", "change.*" or "target.stuck"', remedy)
    return None
