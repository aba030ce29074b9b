"""What a figure was measured on: machine and versions, printed and kept beside every figure."""

import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = ("django", "celery", "nornir", "netmiko", "paramiko", "asyncssh")


def about() -> dict[str, Any]:
    """Cores, memory, kernel, Python and library versions."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    memory_kb = next(int(line.split()[1]) for line in lines if line.startswith("MemTotal"))
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(memory_kb / 2**20, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }


def keep(name: str, figures: dict[str, Any]) -> Path:
    """Write var/bench/NAME.json: the figures and what they were measured on."""
    folder = REPOSITORY / "var" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"machine": about(), **figures}, indent=2) + "\n")
    return path
