"""Slipway itself as a vantage point: the same command, run on this machine as it is, without a shell of our own."""

import subprocess
from collections.abc import Sequence

from playbooks.base import Answer


def run(argv: Sequence[str], *, timeout_s: float) -> Answer:
    """Run it; what cannot be started or does not end in time is an answer with status 255 and the reason."""
    try:
        done = subprocess.run(  # noqa: S603 - a constant script and addresses as its arguments
            list(argv), stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        return Answer(255, "", f"{type(error).__name__}: {error}"[:200])
    return Answer(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")[:200])
