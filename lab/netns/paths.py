"""Where the lab keeps things: the tree cache outside the clone, run state under <repo>/var/lab/netns."""

from __future__ import annotations

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
STATE = REPOSITORY / "var" / "lab" / "netns"
HOSTS = STATE / "hosts"
KEYS = STATE / "key"
LOGIN_KEY = KEYS / "id_ed25519"
INVENTORY = STATE / "inventory.yaml"
SETTINGS = STATE / "settings.json"

# One lab per machine (bridge, namespaces and addresses have fixed names), whichever clone runs it.
LOCK = Path("/run/slipway-lab-netns.lock")

NAMESPACE_PREFIX = "slipway-"
BRIDGE = "slw-mgmt"


def cache() -> Path:
    """The folder of prepared Debian trees, shared by all clones on the machine."""
    return Path(os.environ.get("SLIPWAY_LAB_CACHE") or "/var/cache/slipway-lab")


def namespace(host: str) -> str:
    """The network namespace of a host, as `ip netns` names it."""
    return NAMESPACE_PREFIX + host
