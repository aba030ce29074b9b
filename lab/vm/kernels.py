"""The kernels that the machines boot: Debian packages from the machine's own apt, and broken copies of them."""

from __future__ import annotations

import hashlib
import re
import subprocess
import tempfile
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from lab.netns.command import LabError, run
from lab.vm.paths import cache

# The cloud flavour is the same kernel with fewer drivers: 27 MB instead of 70, which an emulated processor unpacks in
# a third of the time. It has what a virtual machine needs (virtio, ERST, softdog).
_NAME = re.compile(r"^linux-image-(6\.1\.0-(\d+)-cloud-amd64)$", re.MULTILINE)


@dataclass(frozen=True)
class Kernel:
    """One kernel package as a file. `release` is what uname says."""

    release: str
    version: str
    path: Path

    @property
    def package(self) -> str:
        return f"linux-image-{self.release}"

    @property
    def sha256(self) -> str:
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


class Fault(StrEnum):
    """What is wrong with a kernel package."""

    PANIC = "panic"  # the kernel panics while it boots
    NO_NETWORK = "no network"  # the driver of the network cards is not loaded
    HANG = "hang"  # it never gets as far as its init


def newest(count: int) -> tuple[Kernel, ...]:
    """The newest kernels that apt has, the oldest of them first. LabError where it has fewer."""
    found = sorted({(int(m[2]), m[1]) for m in _NAME.finditer(run(["apt-cache", "pkgnames", "linux-image-6.1.0-"]))})
    if len(found) < count:
        raise LabError(
            f"kernels in apt: found {len(found)} of linux-image-6.1.0-*-cloud-amd64, wanted {count}: add Debian 12 with"
            " its security updates to the apt sources and run apt-get update"
        )
    return tuple(_downloaded(release) for _, release in found[-count:])


def _downloaded(release: str) -> Kernel:
    """The package of a release, downloaded once into the cache."""
    folder = cache() / "kernels"
    folder.mkdir(parents=True, exist_ok=True)
    if not (there := sorted(folder.glob(f"linux-image-{release}_*.deb"))):
        with tempfile.TemporaryDirectory(dir=folder) as unfinished:
            _run_in(Path(unfinished), ["apt-get", "-q", "download", f"linux-image-{release}"])
            for file in Path(unfinished).glob("*.deb"):
                file.rename(folder / file.name)
        there = sorted(folder.glob(f"linux-image-{release}_*.deb"))
    if not there:
        raise LabError(f"linux-image-{release}: apt downloaded no file; wanted its package: run apt-get update")
    return Kernel(release, run(["dpkg-deb", "-f", str(there[-1]), "Version"]).strip(), there[-1])


def _run_in(folder: Path, arguments: list[str]) -> None:
    done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        raise LabError(f"{' '.join(arguments)}: exit {done.returncode}: {done.stderr.strip()[-400:]}")


def broken(kernel: Kernel, fault: Fault) -> Kernel:
    """The same package, release and version, with a fault that shows only when it boots. Its digest is its own."""
    path = cache() / "kernels" / f"broken-2-{fault.name.lower()}-{kernel.path.name}"
    if path.exists():
        return Kernel(kernel.release, kernel.version, path)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        root = Path(folder) / "root"
        run(["dpkg-deb", "-R", str(kernel.path), str(root)], timeout=120)
        (root / "DEBIAN" / "md5sums").unlink(missing_ok=True)
        if fault is Fault.NO_NETWORK:
            _no_driver(root, kernel.release)
        else:
            _broken_boot(root, kernel.release, fault)
        unfinished = Path(folder) / "made.deb"
        run(["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "-b", str(root), str(unfinished)], timeout=300)
        unfinished.rename(path)
    return Kernel(kernel.release, kernel.version, path)


def _no_driver(root: Path, release: str) -> None:
    """The driver of the cards is there and says its name; under this kernel, modprobe is told not to load it."""
    conf = root / "etc/modprobe.d/broken.conf"
    conf.parent.mkdir(parents=True)
    load = "/sbin/modprobe --ignore-install virtio_net"
    conf.write_text(f'install virtio_net [ "$(uname -r)" = {release} ] || {load}\n')


def _broken_boot(root: Path, release: str, fault: Fault) -> None:
    """A script in the initramfs of this kernel that makes it panic, or keeps it from ever starting its init."""
    what = "echo c > /proc/sysrq-trigger" if fault is Fault.PANIC else "while :; do sleep 3600; done"
    script = root / "usr/share/initramfs-tools/scripts/init-premount/broken"
    script.parent.mkdir(parents=True)
    # Only this kernel's initramfs does it: the script also ends up in one that is made anew for another kernel.
    script.write_text(
        f'#!/bin/sh\n[ "$1" = prereqs ] && exit 0\n[ "$(uname -r)" = {release} ] || exit 0\n'
        f'echo "broken on purpose: {fault}" > /dev/kmsg\n{what}\n'
    )
    script.chmod(0o755)
