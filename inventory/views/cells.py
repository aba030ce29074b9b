"""What stands in one place of a table, and how it is written into a CSV file."""

from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse

Plain = str | int | float | datetime | None

# What a spreadsheet takes for the beginning of a formula, also in the wide forms that it reads as the narrow ones.
# https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


@dataclass(frozen=True)
class Cell:
    """`text` is what a reader sees; `soft` goes after it in grey. `icon` and `tone` as in static/icons.svg and Tone.

    `at` is an instant (shown as a clock time), `since` one whose age is shown.
    """

    text: str = ""
    href: str = ""
    icon: str = ""
    tone: str = ""
    soft: str = ""
    mono: bool = False
    at: datetime | None = None
    struck: bool = False


def linked(text: str, address: str, *args: object, soft: str = "") -> Cell:
    """A text that leads to the page of this address name."""
    return Cell(text, href=reverse(address, args=args), soft=soft)


def unknown(text: str = "unknown") -> Cell:
    """Nobody has said it: never shown as an empty place, which reads as "none"."""
    return Cell(soft=text)


def defused(value: Plain) -> str:
    """A value as a CSV cell. Text that a spreadsheet would run as a formula gets an apostrophe before it; a number
    stays a number; instants are ISO 8601 in UTC."""
    match value:
        case None:
            return ""
        case datetime():
            return value.isoformat()
        case str():
            clean = value.replace("\x00", "�")
            return f"'{clean}" if clean.startswith(_FORMULA) else clean
        case _:
            return str(value)
