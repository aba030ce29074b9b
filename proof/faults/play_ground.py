"""Django on a database of the campaign's own, and prepared scenes on it."""

import logging
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proof.faults.scene import Scenes


@contextmanager
def opened(folder: Path) -> "Iterator[Scenes]":
    """SQLite in the folder, or the PostgreSQL server of SLIPWAY_DATABASE_URL. Configures Django; call it once."""
    os.environ["SLIPWAY_VAR"] = str(folder / "var")
    (folder / "var").mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("SLIPWAY_DATABASE_URL", f"sqlite://{folder / 'base.sqlite3'}")
    os.environ["SLIPWAY_DISPATCH"] = "celery"
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "fleet.settings")
    import django

    django.setup()
    logging.disable(logging.CRITICAL)
    from proof.faults.plant import Plant
    from proof.faults.scene import Scenes

    scenes, before = Scenes(folder), Plant(random.Random(0))
    if not scenes.ready():
        with before.running():
            scenes.prepare(before.devices.inventory_file(folder))
    yield scenes
