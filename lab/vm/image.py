"""Builds and caches the disk image that every machine starts from: the lab's Debian tree, a kernel, GRUB."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import struct
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab.netns import tree as netns_tree
from lab.netns.command import LabError, run
from lab.vm import image_files
from lab.vm.kernels import Kernel
from lab.vm.paths import cache

SIZE_MIB = 2560
_START_SECTOR = 2048  # the first MiB holds the boot sector and GRUB
_MODULES = ("biosdisk", "part_msdos", "ext2", "loadenv", "normal", "serial", "terminal")
_UUID = "5117aa00-0000-4000-8000-00000000d15c"
_BUILT_FROM = ("image.py", "image_files.py")


@dataclass(frozen=True)
class Image:
    """A finished base image. `kernel` is the one that it boots."""

    path: Path
    kernel: str
    digest: str


def digest(kernel: Kernel) -> str:
    """What the image is made of, as one name: the files that build it, the tree, the kernel package."""
    made = hashlib.sha256()
    for name in _BUILT_FROM:
        made.update((Path(__file__).with_name(name)).read_bytes())
    made.update(json.dumps([netns_tree.SUITE, netns_tree.VERSION, netns_tree.PACKAGES, kernel.sha256]).encode())
    return made.hexdigest()[:16]


def ready_image(kernel: Kernel, progress: Callable[[str], None]) -> Image:
    """The image that boots this kernel; built now when the cache has none that was made of the same.

    Needs root, loop devices and qemu-utils. One builder at a time; a half-built image is never used.
    """
    made = digest(kernel)
    folder = cache() / f"image-{made}"
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            progress(f"building the disk image in {folder}, about two minutes, once per machine")
            tree = netns_tree.ready_tree(progress)
            with tempfile.TemporaryDirectory(prefix="building-", dir=cache()) as unfinished:
                _build(Path(unfinished), tree, kernel)
                finished = Path(unfinished) / "finished"
                (finished / "image.json").write_text(json.dumps({"kernel": kernel.release, "digest": made}))
                finished.rename(folder)
    described = json.loads((folder / "image.json").read_text())
    return Image(folder / "base.qcow2", described["kernel"], described["digest"])


def _build(folder: Path, tree: Path, kernel: Kernel) -> None:
    root, finished, raw = folder / "root", folder / "finished", folder / "raw"
    finished.mkdir()
    run(["cp", "-a", "--reflink=auto", str(tree), str(root)], timeout=300)
    _install(root, kernel)
    with raw.open("wb") as file:
        file.truncate(SIZE_MIB << 20)
    # mke2fs fills the file system from the folder: nothing is mounted for it. GRUB 2.06 cannot read orphan_file.
    offset = _START_SECTOR * 512
    blocks = (SIZE_MIB << 20) - offset
    run(["mkfs.ext4", "-q", "-F", "-L", "slipway", "-U", _UUID, "-O", "^orphan_file,^metadata_csum_seed",
         "-E", f"offset={offset},lazy_itable_init=1,lazy_journal_init=1", "-d", str(root), str(raw),
         f"{blocks >> 10}k"], timeout=300)  # fmt: skip
    _boot_sectors(raw, root)
    run(["qemu-img", "convert", "-O", "qcow2", str(raw), str(finished / "base.qcow2")], timeout=300)
    shutil.rmtree(root)
    raw.unlink()


def _install(root: Path, kernel: Kernel) -> None:
    """Kernel, GRUB and the files of a machine, in the folder that becomes its disk."""
    for path, (text, mode) in image_files.files(_UUID).items():
        target = root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.write_text(text)
        target.chmod(mode)
    _chroot(root, ["apt-get", "-q", "update"])
    _chroot(root, ["apt-get", "-q", "-y", "install", "--no-install-recommends", "-o",
                   "Dpkg::Options::=--force-confold", *image_files.PACKAGES])  # fmt: skip
    for unit in image_files.UNMASKED:
        (root / "etc/systemd/system" / unit).unlink(missing_ok=True)
    for script in image_files.NOT_RUN:
        if (root / script.lstrip("/")).exists():
            (root / script.lstrip("/")).chmod(0o644)
    for unit in image_files.MASKED:
        (root / unit.lstrip("/")).parent.mkdir(exist_ok=True)
        (root / unit.lstrip("/")).unlink(missing_ok=True)
        (root / unit.lstrip("/")).symlink_to("/dev/null")
    shutil.copy(kernel.path, root / "root" / "kernel.deb")
    _chroot(root, ["dpkg", "-i", "/root/kernel.deb"])
    (root / "root" / "kernel.deb").unlink()
    _chroot(root, ["systemctl", "enable", *image_files.ENABLED])
    grub = root / "boot/grub"
    shutil.copytree(root / "usr/lib/grub/i386-pc", grub / "i386-pc", dirs_exist_ok=True)
    _chroot(root, ["grub-editenv", "/boot/grub/grubenv", "create"])
    _menu(root, kernel.release)
    for waste in ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/lib/apt/lists", "var/cache/apt/archives"):
        shutil.rmtree(root / waste, ignore_errors=True)
    for needed in ("var/lib/apt/lists/partial", "var/cache/apt/archives/partial"):
        (root / needed).mkdir(parents=True)


def _menu(root: Path, release: str) -> None:
    """GRUB's menu as Debian's own scripts write it. They look at devices, which a folder has none of: for this one run
    grub-probe is answered by a script that says what will be true of the disk."""
    for program, text in image_files.probe_answers(_UUID).items():
        real = root / program.lstrip("/")
        real.rename(f"{real}.real")
        real.write_text(text)
        real.chmod(0o755)
    try:
        _chroot(root, ["grub-mkconfig", "-o", "/boot/grub/grub.cfg"])
    finally:
        for program in image_files.probe_answers(_UUID):
            real = root / program.lstrip("/")
            Path(f"{real}.real").rename(real)
    menu = (root / "boot/grub/grub.cfg").read_text()
    entry = f"gnulinux-{release}-advanced-{_UUID}"
    if entry not in menu:
        raise LabError(f"GRUB's menu: found no entry {entry}, wanted one; see {root}/boot/grub/grub.cfg")
    _chroot(root, ["grub-editenv", "/boot/grub/grubenv", "set", f"saved_entry=gnulinux-advanced-{_UUID}>{entry}"])


def _boot_sectors(raw: Path, root: Path) -> None:
    """Partition table, boot sector, and GRUB's core in the gap before the partition."""
    _chroot(root, ["grub-mkimage", "-O", "i386-pc", "-o", "/core.img", "-p", "(hd0,msdos1)/boot/grub", *_MODULES])
    core = (root / "core.img").read_bytes()
    boot = (root / "usr/lib/grub/i386-pc/boot.img").read_bytes()
    if len(core) > (_START_SECTOR - 1) * 512:
        raise LabError(f"GRUB's core: found {len(core)} bytes, wanted what fits before the partition")
    sectors = (SIZE_MIB << 11) - _START_SECTOR
    entry = struct.pack("<B3sB3sII", 0x80, b"\xfe\xff\xff", 0x83, b"\xfe\xff\xff", _START_SECTOR, sectors)
    with raw.open("r+b") as file:
        file.write(boot[:440])
        file.seek(446)
        file.write(entry)
        file.seek(510)
        file.write(b"\x55\xaa")
        file.seek(512)
        file.write(core)


def _chroot(root: Path, command: list[str]) -> str:
    """A command in the folder, in a mount namespace of its own: what it mounts is gone with it."""
    inside = (
        'mount --make-rprivate /; mount -t proc proc "$0/proc"; mount -t sysfs sysfs "$0/sys";'
        ' mount --bind /dev "$0/dev"; cp /etc/resolv.conf "$0/etc/resolv.conf"; exec chroot "$0" "$@"'
    )
    environment = ["env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8"]
    return run(
        ["unshare", "--mount", "--fork", "/bin/sh", "-ec", inside, str(root), *environment, *command], timeout=900
    )
