"""The hash of one link in the chain over a change's events: the same for whoever seals, verifies, or reads a bundle."""

import hashlib
import json
from collections.abc import Mapping

from fleet.core.model import Json

# What an event says, in the words that are hashed. A bundle of evidence has exactly these for each event.
FIELDS = ("id", "change", "target", "step", "at", "actor", "kind", "text", "data")


def link_hash(previous: str, said: Mapping[str, Json]) -> str:
    """SHA-256 (hex) over the previous link's hash ("" before the first) and everything the event says (`FIELDS`).

    JSON with sorted keys, no blanks, ASCII only; `at` as ISO 8601 with its offset.
    """
    document = {"previous": previous, **{name: said[name] for name in FIELDS}}
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
