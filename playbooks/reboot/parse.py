"""What tells one start of a service from the next. Pure; no text makes it raise."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_HEX = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Unit:
    """A systemd service: `invocation` is new with every start of it."""

    loaded: bool
    active: str  # "active" | "activating" | "deactivating" | "failed" | "inactive" | "" (not said)
    invocation: str
    since_us: int | None  # monotonic time of the start, microseconds since boot


def unit(text: str) -> Unit:
    """Read `systemctl show -p LoadState,ActiveState,InvocationID,ActiveEnterTimestampMonotonic NAME` (KEY=VALUE)."""
    values: Mapping[str, str] = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    invocation = values.get("InvocationID", "").strip()
    since = values.get("ActiveEnterTimestampMonotonic", "").strip()
    return Unit(
        loaded=values.get("LoadState", "").strip() == "loaded",
        active=values.get("ActiveState", "").strip(),
        invocation=invocation if _HEX.fullmatch(invocation) else "",
        since_us=int(since) if since.isdecimal() and len(since) < 20 else None,
    )
