"""Where a secret lies, never the secret: what may stand in `Credential.reference`. Pure."""

import re

from fleet.core.model import Reason

WANTED = '"file:/absolute/path/of/the/private/key" or "env:NAME" (an environment variable that holds a password)'
REMEDY = (
    "Put the secret into a file or an environment variable of the worker and refer to it. "
    "If this was the secret itself, replace it: it was written down."
)
_FILE = re.compile(r"file:/[^\x00-\x1f\x7f]{1,250}")
_ENV = re.compile(r"env:[A-Z_][A-Z0-9_]{0,99}")


def refuse(reference: str) -> Reason | None:
    """Why `reference` may not be stored, or None. The value itself is never repeated: it may be a secret."""
    if _FILE.fullmatch(reference) or _ENV.fullmatch(reference):
        return None
    if "-----BEGIN" in reference or "PRIVATE KEY" in reference:
        found = "a private key (PEM)"
    elif reference.startswith("file:"):
        found = '"file:" without an absolute path on one line'
    elif reference.startswith("env:"):
        found = '"env:" without the name of a variable (capitals, digits, underscore)'
    else:
        found = f"{len(reference)} characters that do not begin with file: or env:"
    return Reason("credential reference", found, WANTED, REMEDY)
