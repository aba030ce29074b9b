"""What differs between two observations of a device, line by line. Pure; whatever the facts hold, nothing raises."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import unified_diff
from enum import StrEnum

from fleet.core.model import Json

_MISSING = object()
# Their keys are names of things that come and go; a key that is missing elsewhere is something that was not looked at.
_OPEN = frozenset({"interfaces", "sysctl", "modules", "packages", "daemon_list", "daemons", "affinity"})
_TEXTS = frozenset({"running_config", "saved_config"})
_NOT_COMPARED = frozenset({"version", "unknown"})
DIFF_LINES = 400  # of one text: enough to see what happened, not a page of a megabyte
DEPTH = 12


class Kind(StrEnum):
    """What happened to a fact."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    UNKNOWN = "no longer known"  # no change of the device: this time it could not be told
    KNOWN = "now known"


@dataclass(frozen=True)
class Difference:
    """One fact that differs. `path`: its keys. `diff`: lines of a text that differs. `why`: of what is not known."""

    path: tuple[str, ...]
    kind: Kind
    before: Json = None
    after: Json = None
    diff: tuple[str, ...] = ()
    why: str = ""

    @property
    def name(self) -> str:
        return ".".join(self.path)


def differences(before: Json, after: Json) -> tuple[Difference, ...]:
    """The differences from one facts document to another, in the order of their names; none for equal ones."""
    return tuple(sorted(_walk((), before, after, before, after), key=lambda line: line.path))


def _walk(path: tuple[str, ...], old: object, new: object, before: Json, after: Json) -> Iterator[Difference]:
    if isinstance(old, Mapping) and isinstance(new, Mapping) and len(path) < DEPTH:
        for key in {**old, **new}:
            if path or key not in _NOT_COMPARED:
                yield from _walk((*path, str(key)), old.get(key, _MISSING), new.get(key, _MISSING), before, after)
    elif (old != new or type(old) is not type(new)) and (line := _line(path, old, new, before, after)):
        yield line


def _line(path: tuple[str, ...], old: object, new: object, before: Json, after: Json) -> Difference | None:
    open_here = len(path) > 1 and path[-2] in _OPEN
    was, now = (None if value is _MISSING else value for value in (old, new))
    if was is None and now is None:
        return None  # null in one and missing in the other: not known in either
    if was is None:
        added = open_here and old is _MISSING
        return Difference(path, Kind.ADDED if added else Kind.KNOWN, None, now, why="" if added else _why(path, before))
    if now is None:
        removed = open_here and new is _MISSING
        return Difference(
            path, Kind.REMOVED if removed else Kind.UNKNOWN, was, None, why="" if removed else _why(path, after)
        )
    diff: tuple[str, ...] = ()
    if path[-1:] and path[-1] in _TEXTS and isinstance(was, str) and isinstance(now, str):
        lines = unified_diff(was.splitlines(), now.splitlines(), "before", "after", n=2, lineterm="")
        diff = tuple(line for line, _ in zip(lines, range(DIFF_LINES), strict=False))
    return Difference(path, Kind.CHANGED, was, now, diff)


def _why(path: tuple[str, ...], facts: Json) -> str:
    """What the device answered instead: `unknown` holds it under a part of the path, of an interface as NAME:IFACE."""
    said = facts.get("unknown") if isinstance(facts, Mapping) else None
    if not isinstance(said, Mapping):
        return ""
    names = [f"{part}:{path[1]}" for part in path[2:]] if path[:1] == ("interfaces",) and len(path) > 1 else []
    found = (said.get(name) for name in (*names, *reversed(path)))
    return next((text for text in found if isinstance(text, str)), "")
