"""Why this machine cannot run virtual machines: each reason one sentence with what to do."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from lab.netns import requirements as netns

# command -> Debian package
_COMMANDS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "mkfs.ext4": "e2fsprogs",
    "dpkg-deb": "dpkg",
    "apt-get": "apt",
}
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


def reasons_unavailable() -> list[str]:
    """Empty when a machine can be tried, alone or in the ring. Looks only."""
    if sys.platform != "linux":
        return [f"The machines run on Linux only, this is {sys.platform}: use a Linux machine."]
    reasons = netns.reasons_unavailable()
    missing = sorted({package for name, package in _COMMANDS.items() if shutil.which(name, path=_PATH) is None})
    if missing:
        reasons.append(f"Commands are missing: apt-get install --no-install-recommends {' '.join(missing)}.")
    if not Path("/dev/net/tun").exists():
        reasons.append("No /dev/net/tun, which the machines' cards hang on: modprobe tun.")
    return reasons
