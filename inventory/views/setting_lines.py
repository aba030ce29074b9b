"""Settings of a profile as lines that people write: "nic.queues: 8". Pure."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace

from fleet.core.intent import refuse
from fleet.core.model import Json, Reason

LONGEST_LINES = 500
# Letters, digits and what stands in names of sysctls, modules and interfaces; at least two words with a dot between.
_NAME = re.compile(r"[a-z][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_/:\[\]-]+)+")


def render(settings: Mapping[str, Json]) -> str:
    """One line a setting, by name; texts bare where they read back as the same text."""
    return "\n".join(f"{name}: {_written(value)}" for name, value in sorted(settings.items()))


def _written(value: Json) -> str:
    if isinstance(value, str) and value == value.strip() and value and _value(value) == value and "\n" not in value:
        return value
    return json.dumps(value, ensure_ascii=False)


def _value(text: str) -> Json:
    """JSON where it is JSON, else the text as it stands."""
    try:
        found: Json = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text
    return found


def _refuse(name: str) -> Json:
    raise ValueError(name)


def read(text: str, *, kind: str = "") -> tuple[dict[str, Json], tuple[Reason, ...]]:
    """The settings of these lines, and what is wrong with which line. Empty lines and remarks (#) are passed over.

    `kind`: the kind of profile that they stand in; "" while it is not known (then only the lines' form is looked at).
    """
    settings: dict[str, Json] = {}
    lines: dict[str, int] = {}
    wrong: list[Reason] = []
    rows = text.replace("\r\n", "\n").split("\n")
    if len(rows) > LONGEST_LINES:
        return {}, (Reason("settings", f"{len(rows)} lines", f"at most {LONGEST_LINES}", "Make two profiles."),)
    for number, row in enumerate(rows, 1):
        line = row.strip()
        if not line or line.startswith("#"):
            continue
        name, colon, value = line.partition(": ")
        name = name.strip()
        if not colon or not value.strip():
            wrong.append(Reason(f"line {number}", repr(line[:60]), "name: value, such as nic.queues: 8"))
        elif not _NAME.fullmatch(name) or len(name) > 255:
            wrong.append(Reason(f"line {number}", repr(name[:60]), "the name of a setting, such as nic.queues"))
        elif name in settings:
            wrong.append(
                Reason(f"line {number}", f"{name} again", f"it once (it stands on line {lines[name]} already)")
            )
        else:
            settings[name], lines[name] = _value(value.strip()), number
            if kind and (reason := refuse(kind, name, settings[name])):
                wrong.append(replace(reason, subject=f"line {number}, {reason.subject}"))
    return settings, tuple(wrong)
