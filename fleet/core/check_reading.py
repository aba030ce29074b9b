"""How checks read measurements and say what they found: shared by the checks. Pure."""

from collections.abc import Callable, Mapping, Sequence
from math import isfinite

from fleet.core.model import Json, Reason, Verdict

Measurement = Mapping[str, Json]
Judged = tuple[Verdict, tuple[Reason, ...]]
Check = Callable[[Measurement, Measurement, Json], Judged]


def as_map(value: Json) -> Mapping[str, Json]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def number(value: Json) -> float | None:
    """The value if it is a finite number, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if isinstance(value, int) or isfinite(value) else None


def at(value: Json, *path: str) -> Json:
    """What lies under a path of keys; None where it ends before."""
    for key in path:
        value = as_map(value).get(key)
    return value


def verdict_of(failed: Sequence[Reason], untold: Sequence[Reason]) -> Judged:
    """Failure before doubt before success."""
    if failed:
        return Verdict.FAIL, (*failed, *untold)
    return (Verdict.INCONCLUSIVE, tuple(untold)) if untold else (Verdict.PASS, ())


def untold_reason(subject: str, where: str = "", measurement: Mapping[str, Json] | None = None) -> Reason:
    """Why something cannot be told; `where`: the section whose unreadable answer the measurement may have kept."""
    said = at(measurement, "unknown", where) if measurement and where else None
    found = f'an answer that cannot be read: "{said}"' if isinstance(said, str) else "no answer that can be read"
    return Reason(subject, found, "a readable answer", "Look at the device; nothing is concluded from silence.")


def bad_expect(subject: str, found: Json, wanted: str) -> Judged:
    """The recipe expects something that this check does not understand."""
    return Verdict.ERROR, (Reason(subject, f"expect: {found!r}"[:200], wanted, "Correct the check in the recipe."),)


def share(value: Json) -> float | None:
    """A percentage ("95%" or 95) as a share; None for anything else."""
    text = value[:-1] if isinstance(value, str) and value.endswith("%") else value
    if isinstance(text, str):
        text = float(text) if text.isascii() and text.replace(".", "", 1).isdigit() else None
    percent = number(text)
    return percent / 100 if percent is not None and 0 <= percent <= 100 else None
