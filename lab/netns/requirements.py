"""Why this machine cannot run the lab: each reason one sentence with what to do."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from lab.netns.keeper import cgroup_root
from lab.netns.paths import cache
from lab.netns.tree import SUITE, VERSION

# command -> Debian package
_COMMANDS = {
    "ip": "iproute2",
    "ethtool": "ethtool",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "ssh-keygen": "openssh-client",
}


def reasons_unavailable() -> list[str]:
    """Empty when `up` can be tried. Looks only; starts and changes nothing."""
    if sys.platform != "linux":
        return [f"The lab runs on Linux only, this is {sys.platform}: use a Linux machine."]
    reasons = []
    if os.geteuid() != 0:
        reasons.append("The lab makes network namespaces and needs root: run it with sudo.")
    missing = sorted({package for name, package in _COMMANDS.items() if shutil.which(name) is None})
    if not (cache() / f"{SUITE}-{VERSION}").is_dir():
        missing += [package for package in ("debootstrap",) if shutil.which(package) is None]
        if shutil.which("apt-get") is None:
            reasons.append("The lab's Debian tree is not cached and there is no apt to build it with: use Debian.")
    if missing:
        reasons.append(f"Commands are missing: apt-get install {' '.join(missing)}.")
    if cgroup_root() is None:
        reasons.append("No cgroup v2 is mounted, systemd needs it: mount -t cgroup2 cgroup2 /sys/fs/cgroup.")
    if "overlay" not in Path("/proc/filesystems").read_text():
        reasons.append("The kernel has no overlay file system: load it with modprobe overlay.")
    if not Path("/proc/self/ns/time").exists():
        reasons.append("The kernel has no time namespaces (CONFIG_TIME_NS): use Linux 5.6 or later.")
    return reasons
