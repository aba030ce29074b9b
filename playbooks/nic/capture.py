"""A short capture of what arrives on an interface: bounded in packets and in time, as text over the session."""

import base64
import binascii

from fleet.core.model import Reason
from fleet.core.rss_pcap import Captured, read_capture
from playbooks.base import Session

MOST_PACKETS = 4000
# Enough for Ethernet, two tags, IPv6 with extensions, and ports.
_BYTES = 128
_SCRIPT = """\
command -v tcpdump >/dev/null 2>&1 || { echo 'no tcpdump' >&2; exit 3; }
timeout "$2" tcpdump -i "$1" -p -n -s "$3" -c "$4" -Q in -w - 2>/dev/null | base64
"""
_REMEDY = "Install tcpdump on the device, or give the flows as a file."


def capture(session: Session, interface: str, *, seconds: float = 8.0) -> Captured | Reason:
    """Packets that arrived on an interface in at most so many seconds, as flows. Not promiscuous. Raises as `run`."""
    argv = ["/bin/sh", "-c", _SCRIPT, "slipway-capture", interface, f"{seconds:.0f}", str(_BYTES), str(MOST_PACKETS)]
    answer = session.run(argv, timeout_s=seconds + 20.0, root=True)
    subject = f"capture on {interface} of {session.device.name}"
    if not answer.ok:
        found = (answer.err or answer.out).strip()[:160] or f"status {answer.status}"
        return Reason(subject, found, "a capture by tcpdump", _REMEDY)
    try:
        data = base64.b64decode("".join(answer.out.split()), validate=True)
    except (ValueError, binascii.Error):
        return Reason(subject, f'"{answer.out[:80]}"', "a capture in base64", _REMEDY)
    return read_capture(data) if data else Reason(subject, "no packets at all", "traffic", "Look again under traffic.")
