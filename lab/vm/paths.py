"""Where the virtual machines keep things: images in the cache outside the clone, run state under <repo>/var/lab/vm."""

from __future__ import annotations

from pathlib import Path

from lab.netns import paths as netns

REPOSITORY = netns.REPOSITORY
STATE = REPOSITORY / "var" / "lab" / "vm"


def cache() -> Path:
    """Images and packages, shared by all clones on the machine; beside the trees that images are made from."""
    return netns.cache() / "vm"
