"""Reads a secret from where its reference says that it lies. What is read is never kept, shown or logged."""

import os
from pathlib import Path

from fleet.core.model import Reason
from inventory import credential_reference

# A token or key is a line; a file of another kind was named by mistake.
MOST_BYTES = 8192


def read(reference: str) -> str | Reason:
    """The secret, or why it cannot be had. `reference`: "file:/absolute/path" or "env:NAME"."""
    if reason := credential_reference.refuse(reference):
        return reason
    kind, _, where = reference.partition(":")
    if kind == "env":
        value = os.environ.get(where, "")
        found = "a variable that is not set here"
    else:
        try:
            value = Path(where).read_text(encoding="utf-8")[: MOST_BYTES + 1].strip()
            found = "an empty file"
        except (OSError, UnicodeDecodeError) as error:
            value, found = "", f"{type(error).__name__}"
    if not value or len(value) > MOST_BYTES:
        found = found if not value else f"more than {MOST_BYTES} characters"
        return Reason(f"secret at {reference}", found, "the secret", "Put it there, readable by the workers.")
    return value
