"""load_inventory FILE: preview an inventory file (YAML, or CSV for a part of it), then import it."""

import argparse
from collections import defaultdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from fleet import clock
from fleet.core.model import Json, to_json
from inventory import host_key
from inventory.console import add_json, console, print_json, printable, some, table
from inventory.importers import csv_file, yaml_file
from inventory.importers.apply import NotApplied
from inventory.importers.preview import Change, Missing, Preview
from inventory.importers.rows import RowKind


class Command(BaseCommand):
    help = "Import an inventory file (docs/inventory.md); shows every create, update and missing row. Deletes nothing."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("file", help="YAML file, or CSV file (name ending in .csv) with devices, links or profiles")
        parser.add_argument("--preview", action="store_true", help="show what would happen and write nothing")
        parser.add_argument(
            "--accept-new-host-keys",
            action="store_true",
            help="take host keys that differ from those on record (check them at the devices first)",
        )
        parser.add_argument(
            "--skip-wrong-rows",
            action="store_true",
            help="leave out entries with errors, and what needs them, and import the rest",
        )
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        path = Path(options["file"])
        reader = csv_file if path.suffix.lower() == ".csv" else yaml_file
        preview = reader.preview(
            _read(path),
            accept_new_host_keys=options["accept_new_host_keys"],
            skip_wrong_rows=options["skip_wrong_rows"],
        )
        apply = not options["preview"] and not preview.errors
        if apply:
            try:
                reader.apply(preview, now=clock.now())
            except NotApplied as refused:
                raise CommandError(str(refused)) from refused
        if options["json"]:
            print_json(_as_json(preview, applied=apply))
        else:
            _show(preview, applied=apply)
        if preview.errors:
            raise CommandError(
                f"{path.name}: {len(preview.errors)} error(s), nothing was written.\n"
                + "\n".join(printable(f"{path.name}: {error}") for error in preview.errors)
            )


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise CommandError(f"{path}: found {error.strerror}, wanted a file that can be read.") from error
    except UnicodeDecodeError as error:
        raise CommandError(
            f"{path}: found a byte that is not UTF-8 after {error.start} bytes, wanted UTF-8. Save it as UTF-8."
        ) from error


def _show(preview: Preview, *, applied: bool) -> None:
    if preview.errors:
        return
    if preview.creates:
        table("new" if applied else "would be new", ("what", "how many", "names"), _by_kind(preview.creates))
    if preview.updates:
        rows = [
            (c.kind, c.name, f.field, _value(c, f.before), _value(c, f.after))
            for c in preview.updates
            for f in c.fields
        ]
        table("changed" if applied else "would change", ("what", "name", "field", "was", "is"), rows)
    if preview.missing:
        table(
            "in the database, not in the file; left as they are",
            ("what", "how many", "names"),
            _by_kind(preview.missing),
        )
    for problem in preview.skipped:
        console.print(printable(f"left out: {problem}"), markup=False, highlight=False)
    done = "imported" if applied else "preview, nothing written"
    console.print(
        f"{done}: {len(preview.creates)} new, {len(preview.updates)} changed, {preview.unchanged} unchanged, "
        f"{len(preview.missing)} missing from the file"
        + (f", {len(preview.skipped)} error(s) left out" if preview.skipped else ""),
        markup=False,
    )


def _by_kind(rows: tuple[Change, ...] | tuple[Missing, ...]) -> list[tuple[str, int, str]]:
    names: dict[RowKind, list[str]] = defaultdict(list)
    for row in rows:
        names[row.kind].append(row.name)
    return [(kind.value, len(found), some(found)) for kind, found in names.items()]


def _value(change: Change, value: Json) -> str:
    if value is None:
        return "-"
    if change.kind is RowKind.HOST_KEY:
        return host_key.fingerprint(value.split()[1])
    return " -- ".join(map(str, value)) if change.kind is RowKind.LINK and isinstance(value, list) else str(value)


def _as_json(preview: Preview, *, applied: bool) -> Json:
    return {
        "applied": applied,
        "creates": to_json(preview.creates),
        "updates": to_json(preview.updates),
        "unchanged": preview.unchanged,
        "missing": to_json(preview.missing),
        "errors": to_json(preview.errors),
        "skipped": to_json(preview.skipped),
    }
