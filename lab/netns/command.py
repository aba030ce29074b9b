"""Runs one command of the host system and turns its failure into an error that says what was tried."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence


class LabError(Exception):
    """The lab cannot do what was asked; the text names the subject, what was found and what to do."""


def run(arguments: Sequence[str], *, text: str | None = None, timeout: float = 60.0) -> str:
    """Standard output of the command; LabError when it fails or takes longer than `timeout` seconds."""
    try:
        done = subprocess.run(arguments, input=text, capture_output=True, text=True, timeout=timeout, check=False)
    except FileNotFoundError as missing:
        raise LabError(f"{arguments[0]}: command not found; install the package that has it") from missing
    except subprocess.TimeoutExpired as late:
        raise LabError(f"{' '.join(arguments)}: no end after {timeout:.0f} s") from late
    if done.returncode:
        raise LabError(f"{' '.join(arguments)}: exit {done.returncode}: {(done.stderr or done.stdout).strip()[-800:]}")
    return done.stdout
