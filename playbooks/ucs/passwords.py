"""The password of a UCS Manager or Cisco IMC, read where its credential says, in the moment in which it is needed."""

import os
from pathlib import Path

from fleet.core.model import Reason
from playbooks.base import LoginRefused
from playbooks.ucs.places import Domain


def password(domain: Domain, subject: str) -> str:
    """Raises LoginRefused where there is none."""
    kind, _, where = domain.credential.partition(":")
    found = ""
    if kind == "env":
        found = os.environ.get(where, "")
    elif kind == "file":
        try:
            found = Path(where).read_text(encoding="utf-8").rstrip("\n")
        except (OSError, UnicodeDecodeError):
            found = ""
    if not found or "-----BEGIN" in found:
        remedy = "Set it for the processes that run the steps; a password is wanted, no key."
        named = f"credential {kind}:{where}" if kind in {"env", "file"} else "credential"
        raise LoginRefused(Reason(f"{named} of {subject}", "no password there", "a password", remedy))
    return found
