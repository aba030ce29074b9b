"""What the script `vpp` prints, as values. Pure; no text makes it raise. None means: no VPP, or cannot tell."""

import re

from fleet.core.model import Json

_VERSION = re.compile(r"^vpp v(\S{1,64}) built by", re.MULTILINE)
_MOST = 200_000  # characters of a configuration that are kept


def facts(text: str) -> dict[str, Json] | None:
    """version (24.06-release; None where the control plane does not answer), and the configuration last applied."""
    sections = dict(re.findall(r"^@ (version|config)\n(.*?)(?=^@ |\Z)", text, re.MULTILINE | re.DOTALL))
    if not sections:
        return None
    version = _VERSION.search(sections.get("version", ""))
    config = sections.get("config", "")
    return {"version": version[1] if version else None, "config": config[:_MOST] if config.strip() else None}


def now(text: str) -> dict[str, Json] | None:
    """running (is its socket there), version (None: no answer of its control plane); None where it cannot be told."""
    if text.strip() == "@ none":
        return {"running": False, "version": None}
    found = facts(text)
    return {"running": True, "version": found["version"]} if found is not None else None
