"""What birdc prints, which has no JSON and, before 2.0.10, no exit status either. Pure; no text makes it raise."""

import re
from collections.abc import Mapping
from enum import StrEnum

_OSPF_PROTOCOL = re.compile(r"([A-Za-z_][A-Za-z0-9_]{0,63})\s+OSPF\s+(\S+)\s+up\s")


class Configured(StrEnum):
    """What BIRD says after `configure` in any of its forms."""

    CHECKED = "configuration OK"
    DONE = "reconfigured"
    IN_PROGRESS = "reconfiguration in progress"
    CONFIRMED = "confirmed"
    NOTHING = "nothing to do"
    REFUSED = "refused"


# The last line decides: "Reading configuration from ..." and "Undo scheduled in N s" come before it (drain.md 3.1,
# captures/bird-2.0.12/10-commands). With `birdc -v` the same lines carry the codes 0020, 0003, 0004, 0018, 0019.
_ENDINGS = (
    ("Configuration OK", Configured.CHECKED),
    ("Reconfigured", Configured.DONE),
    ("Reconfiguration in progress", Configured.IN_PROGRESS),
    ("Reconfiguration already in progress", Configured.IN_PROGRESS),
    ("Reconfiguration confirmed", Configured.CONFIRMED),
    ("Nothing to do", Configured.NOTHING),
)


def body(text: str) -> tuple[str, ...]:
    """The lines of an answer without the greeting."""
    lines = (line.rstrip() for line in text.splitlines())
    return tuple(line for line in lines if line and not (line.startswith("BIRD ") and line.endswith(" ready.")))


def configured(text: str) -> tuple[Configured, str]:
    """What an answer to `configure` means, and its last line shortened. Never judged by the exit status."""
    lines = body(text)
    last = lines[-1].strip() if lines else ""
    for ending, meaning in _ENDINGS:
        if last.startswith(ending):
            return meaning, last[:200]
    return Configured.REFUSED, last[:200] or "no answer"


def undo_scheduled(text: str) -> bool:
    """Did BIRD arm its own timer that puts the old configuration back?"""
    return any(line.startswith("Undo scheduled in ") for line in body(text))


def value(text: str) -> str | None:
    """The constant that `birdc eval NAME` printed: "TRUE", "FALSE" or a number; None for anything else."""
    lines = body(text)
    last = lines[-1].strip() if lines else ""
    return last if last in {"TRUE", "FALSE"} or (last.isdecimal() and len(last) < 20) else None


def ospf_protocols(text: str) -> Mapping[str, str]:
    """OSPF protocols that are up and what they carry ("ipv4" | "ipv6", by their table), from `birdc show protocols`.

    `show ospf state` wants a name where there are two (OSPF and OSPFv3): without one it says "There are multiple OSPF
    protocols running" (BIRD 2.0.12).
    """
    found = (_OSPF_PROTOCOL.match(line) for line in text.splitlines())
    return {match[1]: "ipv6" if match[2].endswith("6") else "ipv4" for match in found if match}
