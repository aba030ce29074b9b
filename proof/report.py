"""docs/proof.md: one section per claim, each written by the run that measured it and by nothing else."""

import os
import platform
import re
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "proof.md"
FIGURES = ROOT / "var" / "proof"  # what the runs leave behind, one file each
# Claim -> its heading, in the order of the page. The target of the Makefile is `make proof-CLAIM`.
CLAIMS = {
    "faults": "Faults",
    "restore": "Backup and restore",
    "scale": "Scale",
    "peers": "Beside Ansible and a script",
    "long": "Long run",
    "security": "Security",
}
_HEAD = """# Proof

Each section is written by its own `make proof-*` and replaced by its next run only: machine, versions, seed and date
stand with the figures. What fell short is said as such.
"""


def machine() -> str:
    """What it was measured on, in one line."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    memory = next(int(line.split()[1]) for line in lines if line.startswith("MemTotal")) / 2**20
    names = ("django", "celery", "nornir", "netmiko", "paramiko")
    said = ", ".join(f"{name} {version(name)}" for name in names)
    python = platform.python_version()
    return f"{os.cpu_count()} cores, {memory:.1f} GiB, kernel {platform.release()}, Python {python}, {said}"


def write(claim: str, body: Sequence[str], *, command: str, at: datetime, seed: str = "none", where: str = "") -> None:
    """Put this section in the place of its last one. `where`: more about the machine, such as who else used it."""
    head = [
        f"## {CLAIMS[claim]}",
        "",
        f"`{command}`, seed {seed}, {at:%Y-%m-%d}. {machine()}{'; ' + where if where else ''}.",
        "",
    ]
    sections = read()
    sections[claim] = "\n".join([*head, *body]).rstrip() + "\n"
    PAGE.write_text("\n".join([_HEAD, *(sections[name] for name in CLAIMS if name in sections)]))


def read() -> dict[str, str]:
    """Claim -> its section as it stands on the page."""
    if not PAGE.exists():
        return {}
    parts = re.split(r"(?m)^(?=## )", PAGE.read_text())
    by_heading = {part.splitlines()[0][3:]: part.rstrip() + "\n" for part in parts[1:]}
    return {claim: by_heading[heading] for claim, heading in CLAIMS.items() if heading in by_heading}


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """A table; columns after the first are numbers."""
    return [
        "| " + " | ".join(head) + " |",
        "|---|" + "---:|" * (len(head) - 1),
        *("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows),
    ]
