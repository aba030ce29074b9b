"""What is printed: tables and sentences for people, JSON for programs; nothing from outside steers a terminal."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

out = Console(highlight=False, emoji=False)
err = Console(stderr=True, highlight=False, emoji=False)


def plain(value: object) -> Text:
    """Text as it is: no markup, and nothing that moves the cursor or changes colours."""
    if isinstance(value, dict | list):
        value = json.dumps(value, sort_keys=True)
    said = "" if value is None else str(value)
    return Text("".join(c if c.isprintable() or c == "\n" else "�" for c in said))


def line(value: object) -> None:
    """One line (or text of several) to standard output; the terminal breaks it, not we."""
    out.print(plain(value), soft_wrap=True)


def complain(value: object) -> None:
    """One line to standard error."""
    err.print(plain(value), soft_wrap=True)


def as_json(document: Any) -> None:
    """One JSON document to standard output."""
    sys.stdout.write(json.dumps(document, indent=2, sort_keys=True, ensure_ascii=True) + "\n")
    sys.stdout.flush()


def as_line(document: Any) -> None:
    """One JSON document on one line, at once: for what goes on."""
    sys.stdout.write(json.dumps(document, sort_keys=True, ensure_ascii=True) + "\n")
    sys.stdout.flush()


def table(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str], *, none: str) -> None:
    """Rows as a table. `columns`: key (with dots into what is nested) -> title."""
    found = list(rows)
    if not found:
        line(none)
        return
    made = Table(box=None, pad_edge=False, header_style="bold")
    for title in columns.values():
        made.add_column(title, overflow="fold")
    for row in found:
        made.add_row(*(plain(at(row, key)) for key in columns))
    out.print(made)


def at(row: Any, key: str) -> Any:
    """The value under a key with dots; None where there is nothing."""
    for part in key.split("."):
        row = row.get(part) if isinstance(row, Mapping) else None
    return row


def sentences(said: Sequence[str], *, before: str = "") -> None:
    """Each on a line of its own."""
    for one in said:
        line(f"{before}{one}")


def change(row: Mapping[str, Any]) -> None:
    """A change in a few lines."""
    revision = row.get("revision") or {}
    line(f"change {row['id']}: {row['title']}")
    line(f"{row['state']}: {row['in_words']}")
    if revision:
        about = f"revision {revision['number']}, {revision['recipe']}, digest {revision['digest'][:12]}"
        if revision.get("risk"):
            about += f", risk {revision['risk']}, impact {revision['impact']}"
        line(about)
        found = revision["findings"]
        if found["fatal"] or found["warn"]:
            line(f"findings: {found['fatal']} stop it, {found['warn']} warn")


def plan(document: Mapping[str, Any]) -> None:
    """A plan: findings, waves, and what differs on each device."""
    made = document["plan"]
    for finding in made["findings"]:
        reason = finding["reason"]
        text = f"{reason['subject']}: found {reason['found']}, wanted {reason['wanted']}. {reason['remedy']}".strip()
        line(f"{finding['severity'].upper()} {finding['code']}: {text}")
    waves: dict[int, list[str]] = {}
    for target in made["targets"]:
        waves.setdefault(target["wave"], []).append(target["name"])
    for number, names in sorted(waves.items()):
        shown = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
        line(f"wave {number}: {shown}")
    for target in made["targets"][:20]:
        line(f"{target['name']}: {' > '.join(s['verb'] for s in target['steps'])}")
        for step in target["steps"]:
            if step["diff"]:
                line(step["diff"].rstrip())
    line(f"digest {document['digest']}")


def why(said: Mapping[str, Any]) -> None:
    """Where a change stands and why nothing more happens: the words of its page."""
    line(f"{said['state']}: {said['in_words']}")
    line(said["next"])
    if said["holds"]:
        line("Why not now:")
        sentences(said["holds"], before="  ")
    for stage in said["approval"]:
        line(f"  {stage['policy']}, {stage['stage']}: {stage['words']}")
    sentences(said["void"], before="  void: ")
    if said["starts_at"] and said["scheduled"]:
        line(f"It starts by itself, not before {said['starts_at']}.")
    for target in said["targets"]:
        step = f", {target['step']}" if target["step"] else ""
        line(f"  {target['name']}: {target['state']}{step} ({target['in_words']})")
        sentences(target["reasons"], before="    ")
