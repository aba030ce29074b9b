"""Inventory from a YAML file: preview it, then apply the preview. The format: docs/inventory.md."""

from datetime import datetime

from inventory.importers import apply as applying
from inventory.importers import preview as previews
from inventory.importers.preview import Preview


def preview(text: str, *, accept_new_host_keys: bool = False, skip_wrong_rows: bool = False) -> Preview:
    """What importing this text would do, or everything that is wrong with it. Writes nothing."""
    return previews.of_text(text, accept_new_host_keys=accept_new_host_keys, skip_wrong_rows=skip_wrong_rows)


def apply(preview: Preview, *, now: datetime) -> None:
    """Write a preview, all or nothing. Raises `apply.NotApplied` when it has errors or the database moved on."""
    applying.write(preview, now=now)
