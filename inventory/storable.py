"""What devices said, made fit for a JSON column. Pure."""

import math
from collections.abc import Mapping

from fleet.core.model import Json


def storable(value: Json) -> Json:
    """The same value with all that PostgreSQL's jsonb refuses replaced: NUL, lone surrogates, NaN, infinity.

    NUL and surrogates become U+FFFD, other numbers than real ones their name as text, other types their repr.
    """
    match value:
        case None | bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else repr(value)
        case str():
            return text(value)
        case Mapping():
            return {text(str(key)): storable(item) for key, item in value.items()}
        case list() | tuple():
            return [storable(item) for item in value]
        case _:
            return text(repr(value))


def text(value: str, *, at_most: int | None = None) -> str:
    """A text that every database stores, shortened when asked."""
    clean = value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    return clean if at_most is None else clean[:at_most]
