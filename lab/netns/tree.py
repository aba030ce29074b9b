"""Builds and caches the one Debian tree that every lab host starts from (overlay lower directory)."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from lab.netns import frr_config
from lab.netns.command import LabError, run
from lab.netns.paths import cache

SUITE = "bookworm"

# Raise when anything below changes what a tree contains: older trees are then left alone and a new one is built.
VERSION = 2

PACKAGES = (
    "systemd", "systemd-sysv", "dbus", "udev", "openssh-server", "frr", "frr-pythontools", "bird2", "ethtool",
    "iproute2",
    "iputils-ping", "procps", "kmod", "sudo", "python3-minimal", "ifupdown", "nftables", "tcpdump", "mtr-tiny", "less",
    "vim-tiny", "pciutils", "ca-certificates",
)  # fmt: skip

# What has no sense in a namespace (devices, consoles) or would wake up in the middle of a measurement.
MASKED = (
    "apt-daily.timer", "apt-daily-upgrade.timer", "e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer",
    "man-db.timer", "dpkg-db-backup.timer", "logrotate.timer", "systemd-udevd.service", "systemd-udev-trigger.service",
    "systemd-udevd-kernel.socket", "systemd-udevd-control.socket", "getty.target", "console-getty.service",
    "systemd-modules-load.service", "systemd-remount-fs.service", "nftables.service",
    "ifupdown-pre.service",
)  # fmt: skip

SSHD = """\
PermitRootLogin no
PasswordAuthentication no
HostKey /etc/ssh/ssh_host_ed25519_key
UseDNS no
MaxStartups 200:30:400
MaxSessions 100
"""
JOURNALD = "[Journal]\nStorage=volatile\nRuntimeMaxUse=16M\nRateLimitIntervalSec=0\n"


def mirror() -> str:
    """The Debian mirror this machine's own apt uses; LabError when it has none for the suite."""
    listing = run(["apt-get", "indextargets", "--format", "$(SITE) $(CODENAME) $(COMPONENT) $(CREATED_BY)"])
    for line in listing.splitlines():
        fields = line.split()
        if fields[1:] == [SUITE, "main", "Packages"]:
            return fields[0]
    raise LabError(
        f"apt sources of this machine: no {SUITE} main among them; wanted one, to build the lab's Debian tree from it:"
        " add Debian 12 to the apt sources and run apt-get update"
    )


def ready_tree(progress: Callable[[str], None]) -> Path:
    """The prepared tree; built now (about a minute) when this version is not in the cache yet.

    A tree is built in a temporary folder and renamed when complete, so that a half-built one is never used; one
    builder at a time per cache.
    """
    tree = cache() / f"{SUITE}-{VERSION}"
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if tree.is_dir():
            return tree
        for leftover in cache().glob("building-*"):
            shutil.rmtree(leftover)
        progress(f"building the Debian tree in {tree}, about a minute, once per machine")
        unfinished = Path(tempfile.mkdtemp(prefix="building-", dir=cache()))
        _bootstrap(unfinished / "root")
        _prepare(unfinished / "root")
        (unfinished / "root").rename(tree)
        shutil.rmtree(unfinished)
    return tree


def _bootstrap(root: Path) -> None:
    packages = ",".join(PACKAGES)
    run(["debootstrap", "--variant=minbase", f"--include={packages}", SUITE, str(root), mirror()], timeout=1200)


def _prepare(root: Path) -> None:
    """The changes that all hosts share: login user, sshd, masked units, daemons of FRR."""
    run(["chroot", str(root), "useradd", "-m", "-s", "/bin/bash", "-G", "frrvty,frr,bird,adm,systemd-journal", "ops"])
    _write(root / "etc/sudoers.d/ops", "ops ALL=(ALL:ALL) NOPASSWD: ALL\n", mode=0o440)
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    _write(root / "etc/ssh/sshd_config.d/lab.conf", SSHD)
    _write(root / "etc/systemd/journald.conf.d/lab.conf", JOURNALD)
    _write(root / "etc/frr/daemons", frr_config.daemons_file())
    run(["chroot", str(root), "chown", "frr:frr", "/etc/frr/daemons"])
    (root / "etc/machine-id").write_text("")
    units = root / "etc/systemd/system"
    for unit in (*MASKED, "frr.service", "bird.service"):  # each router unmasks the one it runs
        for enabled in units.glob(f"*.wants/{unit}"):
            enabled.unlink()
        (units / unit).unlink(missing_ok=True)
        os.symlink("/dev/null", units / unit)
    shutil.rmtree(root / "var/cache/apt/archives", ignore_errors=True)


def _write(path: Path, text: str, *, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
