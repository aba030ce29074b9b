"""Readers shared by the parsers: whole numbers and JSON out of hostile text. Pure; nothing here raises."""

import json
import re
from collections.abc import Mapping

from fleet.core.model import Json

SHOWN = 160  # characters of an unreadable answer that are kept for people
_WHOLE = re.compile(r"-?[0-9]{1,19}")


def whole(value: Json) -> int | None:
    """A whole number of at most 19 digits, from JSON or text; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if abs(value) < 10**19 else None
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value)
    return None


def word(value: Json) -> str | None:
    """A text, shortened; None for anything else."""
    return value[:SHOWN] if isinstance(value, str) else None


def mapping(value: Json) -> Mapping[str, Json]:
    """The value if it is an object with text keys, else an empty one."""
    return value if isinstance(value, (dict, Mapping)) else {}  # dict first: Mapping alone takes six times as long


def rows(value: Json) -> list[Mapping[str, Json]]:
    """The objects of a list; anything else is left out."""
    return [row for row in value if isinstance(row, (dict, Mapping))] if isinstance(value, list) else []


def document(text: str) -> Json:
    """The JSON value that an answer holds, None when there is none.

    Lines before it are passed over: in a batch standard error is merged, and a command may warn before it answers.
    """
    for at in re.finditer(r"^[ \t]*[\[{]", text, re.MULTILINE):
        try:
            return json.loads(text[at.start() :], parse_constant=lambda _: None)
        except (ValueError, RecursionError):
            return None
    return None


def documents(text: str) -> list[Json]:
    """JSON values that one program printed one after another (`vtysh -c A -c B`), up to the first unreadable one."""
    found: list[Json] = []
    decoder = json.JSONDecoder()
    at = 0
    while (start := re.compile(r"[\[{]").search(text, at)) is not None:
        try:
            value, at = decoder.raw_decode(text, start.start())
        except (ValueError, RecursionError):
            break
        found.append(value)
    return found


def short(text: str) -> str:
    """One line of an answer, for people."""
    return " ".join(text.split())[:SHOWN] or "(nothing)"
