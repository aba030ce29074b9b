"""The kernels that the machines boot: Debian's, with the modules that they need, and broken copies of them."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import assert_never

from lab.netns.command import LabError, run
from lab.vm.paths import cache

# The cloud flavour is the same kernel with fewer drivers. It has what a virtual machine needs (virtio, ERST, softdog).
_NAME = re.compile(r"^linux-image-(6\.1\.0-(\d+)-cloud-amd64)$", re.MULTILINE)

# What is kept of 1,100 modules, with what these need: an emulated processor unpacks, syncs and indexes the 90 MB of the
# others for minutes, and no machine here loads one. The kernel itself and each module that stays are Debian's own.
_KEPT = (
    "drivers/virtio/virtio_pci.ko", "drivers/block/virtio_blk.ko", "drivers/net/virtio_net.ko",
    "drivers/char/hw_random/virtio-rng.ko", "drivers/net/tun.ko", "drivers/watchdog/softdog.ko", "fs/ext4/ext4.ko",
    "crypto/crc32c_generic.ko", "arch/x86/crypto/crc32c-intel.ko", "fs/autofs/autofs4.ko", "fs/configfs/configfs.ko",
    "net/8021q/8021q.ko", "net/ipv4/netfilter/ip_tables.ko", "drivers/firmware/efi/efi-pstore.ko",
)  # fmt: skip
_DEPENDS = re.compile(rb"\0depends=([^\0]*)\0")


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
    STILL = "still"  # its processors stop at the first instruction: no timer, no watch, no panic


def newest(count: int) -> tuple[Kernel, ...]:
    """The newest kernels that apt has, the oldest of them first, each as `slim` makes it. LabError: it has fewer."""
    return tuple(slim(kernel) for kernel in as_packaged(count))


def as_packaged(count: int) -> tuple[Kernel, ...]:
    """The same, as Debian packages them."""
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


def slim(kernel: Kernel) -> Kernel:
    """The same release and version: Debian's vmlinuz and scripts, the modules in `_KEPT`, not compressed."""
    path = cache() / "kernels" / f"slim-1-{kernel.path.name}"
    if not path.exists():
        with _unpacked(kernel.path) as root:
            _without_modules(root / "lib/modules" / kernel.release)
            shutil.rmtree(root / "usr/share/doc", ignore_errors=True)
            _pack(root, path)
    return Kernel(kernel.release, kernel.version, path)


def _without_modules(tree: Path) -> None:
    """Every module away but those in `_KEPT` and what they depend on, by the names in the modules themselves."""
    modules = {module.stem.replace("-", "_"): module for module in (tree / "kernel").rglob("*.ko")}
    wanted = [modules[Path(name).stem.replace("-", "_")] for name in _KEPT if (tree / "kernel" / name).exists()]
    kept: set[Path] = set()
    while wanted:
        module = wanted.pop()
        kept.add(module)
        found = _DEPENDS.search(module.read_bytes())
        names = found[1].decode().split(",") if found else []
        wanted += [modules[n.replace("-", "_")] for n in names if n and modules[n.replace("-", "_")] not in kept]
    for module in modules.values():
        if module not in kept:
            module.unlink()
    for folder in sorted((tree / "kernel").rglob("*"), reverse=True):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def broken(kernel: Kernel, fault: Fault) -> Kernel:
    """The same package, release and version, with a fault that shows only when it boots. Its digest is its own."""
    path = cache() / "kernels" / f"broken-3-{fault.name.lower()}-{kernel.path.name}"
    if not path.exists():
        with _unpacked(kernel.path) as root:
            match fault:
                case Fault.NO_NETWORK:
                    _no_driver(root, kernel.release)
                case Fault.STILL:
                    _stands_still(root / f"boot/vmlinuz-{kernel.release}")
                case Fault.PANIC | Fault.HANG:
                    _broken_boot(root, kernel.release, fault)
                case _:
                    assert_never(fault)
            _pack(root, path)
    return Kernel(kernel.release, kernel.version, path)


@contextmanager
def _unpacked(package: Path) -> Iterator[Path]:
    """What is in a package, in a folder that is gone afterwards; without the list of sums, which would be wrong."""
    with tempfile.TemporaryDirectory(dir=package.parent) as folder:
        root = Path(folder) / "root"
        run(["dpkg-deb", "-R", str(package), str(root)], timeout=120)
        (root / "DEBIAN" / "md5sums").unlink(missing_ok=True)
        yield root


def _pack(root: Path, path: Path) -> None:
    unfinished = root.with_name("made.deb")
    run(["dpkg-deb", "--root-owner-group", "-Znone", "-b", str(root), str(unfinished)], timeout=300)
    unfinished.rename(path)


def _stands_still(vmlinuz: Path) -> None:
    """The instructions that GRUB jumps to (boot protocol: behind the setup sectors) become cli; hlt; jump back."""
    image = bytearray(vmlinuz.read_bytes())
    start = (image[0x1F1] + 1) * 512
    image[start : start + 4] = b"\xfa\xf4\xeb\xfd"
    vmlinuz.write_bytes(bytes(image))


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
