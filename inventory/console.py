"""What the inventory's commands share: how tables and JSON are printed, which routers are meant."""

import argparse
import json
from collections.abc import Iterable, Sequence

from django.core.management.base import CommandError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fleet.core.model import Json
from inventory.models import Router

console = Console()
progress_console = Console(stderr=True)  # so that `--json` and redirected tables stay clean


def add_json(parser: argparse.ArgumentParser) -> None:
    """The option for programs."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")


def print_json(value: Json) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows as a table. Cells are plain text: what devices and files say is never read as markup."""
    made = Table(title=title, title_justify="left")
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*(Text(printable(str(cell))) for cell in row))
    console.print(made)


def printable(value: str) -> str:
    """Without control characters: a device or a file must not steer the terminal."""
    return "".join(char if char.isprintable() or char == "\n" else "\ufffd" for char in value)


def some(names: Sequence[str]) -> str:
    """Names in one cell: of many the first few and the count of the rest; long ones on lines of their own."""
    long = any(" " in name for name in names)
    at_most, between = (4, "\n") if long else (12, ", ")
    more = len(names) - at_most
    shown = between.join(names[:at_most])
    return shown if more <= 0 else f"{shown}{between if long else ' '}and {more} more"


def chosen(names: Sequence[str], *, everything: bool) -> list[str]:
    """The routers that a command is about, each once; unknown names are kept, they become failures by name."""
    if everything == bool(names):
        found = "names and --all" if everything else "neither a name nor --all"
        raise CommandError(f"routers: found {found}, wanted one of the two. See ./manage.py routers for the names.")
    return list(Router.objects.values_list("name", flat=True)) if everything else list(dict.fromkeys(names))
