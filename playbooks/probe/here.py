"""Slipway itself as a vantage point: the same command, run on this machine as it is, without a shell of our own."""

import socket
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


def source(address: str) -> str:
    """The address that this machine would send from to another; "" where it has no way there. Nothing is sent."""
    try:
        found = socket.getaddrinfo(address, 9, type=socket.SOCK_DGRAM)
        family, kind, protocol, _, to = found[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.connect(to)  # of a datagram socket: the kernel looks for the way, and no more
            return str(probe.getsockname()[0]).partition("%")[0]
    except (OSError, IndexError, UnicodeError):
        return ""
