"""Commands of a virtual router around kernels: GRUB, dpkg, what fetches and checks a package. Pure."""

import hashlib
import re
from collections.abc import Sequence

from lab.sim import linux, sdboot, systemd, vyos
from lab.sim.installed import Module
from lab.sim.loader import GRUBENV, entry_id
from lab.sim.reply import Context, Reply, not_permitted

_DEB = re.compile(r"(linux-image-(\S+?))_([^_/]+)_amd64\.deb$")


def package_text(url: str) -> str:
    """What an address holds: a package that is known by its name, linux-image-RELEASE_VERSION_amd64.deb."""
    return f"package {url.rpartition('/')[2]}\n"


def proc_cmdline(ctx: Context) -> str:
    loader = ctx.router.loader
    return f"BOOT_IMAGE=/boot/vmlinuz-{ctx.router.kernel} {loader.cmdline or loader.line}\n"


def cat(ctx: Context, argv: Sequence[str]) -> Reply | None:
    """The files that the boot loader and a kernel make; None: not one of these."""
    if (other := vyos.cat(ctx, argv) or sdboot.cat(ctx, argv)) is not None:
        return other
    loader = ctx.router.loader
    match argv[1:]:
        case ["/boot/grub/grub.cfg"]:
            return Reply(loader.menu()) if ctx.root else Reply(err="cat: Permission denied\n", status=1)
        case ["/proc/cmdline"]:
            return Reply(proc_cmdline(ctx))
        case [path] if (found := re.fullmatch(r"/lib/modules/(\S+)/modules\.builtin", path)) is not None:
            return Reply("kernel/fs/ext4/ext4.ko\n") if found[1] in loader.releases else None
        case _:
            return None


def test(ctx: Context, argv: Sequence[str]) -> Reply:
    """`test -s /boot/vmlinuz-RELEASE`, and everything that linux.test knows."""
    if argv[-1].startswith("/boot/vmlinuz-"):
        return Reply(status=int(argv[-1].removeprefix("/boot/vmlinuz-") not in ctx.router.loader.releases))
    if argv[-1].startswith(f"{sdboot.VARIABLES}/LoaderInfo-"):
        return Reply(status=int(sdboot.loader(ctx) is None))
    return linux.test(ctx, argv)


def editenv(ctx: Context, argv: Sequence[str]) -> Reply:
    """`grub-editenv list`, `grub-editenv FILE set NAME=VALUE`, `grub-editenv FILE unset NAME`."""
    if (other := vyos.editenv(ctx, argv)) is not None:
        return other
    loader = ctx.router.loader
    words = [word for word in argv[1:] if word not in (GRUBENV, "-")]
    if words == ["list"]:
        rows = {"saved_entry": loader.saved or entry_id(loader.releases[0]), "next_entry": loader.next}
        return Reply("".join(f"{name}={value}\n" for name, value in rows.items() if value or name == "next_entry"))
    if not ctx.root:
        return Reply(err=f"grub-editenv: error: cannot open `{GRUBENV}': Permission denied.\n", status=1)
    name, _, value = words[1].partition("=")
    before = (loader.saved, loader.next)
    if name == "saved_entry":
        loader.saved = value if words[0] == "set" else ""
    elif name == "next_entry":
        loader.next = value if words[0] == "set" else ""
    return Reply(changes=(f"grubenv {name} {value}".strip(),) if before != (loader.saved, loader.next) else ())


def probe(ctx: Context, argv: Sequence[str]) -> Reply:
    return Reply("ext2\n" if "--target=fs" in argv else "\n")


def update_grub(ctx: Context, argv: Sequence[str]) -> Reply:
    if not ctx.root:
        return not_permitted("update-grub")
    before = ctx.router.loader.line
    ctx.router.loader.update(ctx.router.files)
    changes = ("grub.cfg",) if before != ctx.router.loader.line else ()
    return Reply("Generating grub configuration file ...\ndone\n", changes=changes)


def download(ctx: Context, argv: Sequence[str]) -> Reply:
    """`apt-helper download-file URL PATH SHA256:DIGEST`."""
    _, _, url, path, digest = argv
    if not ctx.root:
        return not_permitted("apt-helper")
    text = package_text(url)
    if digest != f"SHA256:{hashlib.sha256(text.encode()).hexdigest()}":
        return Reply(err="E: Failed to fetch: Hash Sum mismatch\nE: Download Failed\n", status=100)
    changed = ctx.router.files.get(path) != text
    ctx.router.files[path] = text
    return Reply(f"Get:1 {url}\n", changes=(f"file {path}",) if changed else ())


def sha256sum(ctx: Context, argv: Sequence[str]) -> Reply:
    """Also `sha256sum --check --strict FILE`."""
    if "--check" not in argv:
        return linux.sha256sum(ctx, argv)
    digest, _, path = ctx.router.files.get(argv[-1], "").strip().partition("  ")
    found = ctx.router.files.get(path)
    if found is None:
        return Reply(err=f"sha256sum: {path}: No such file or directory\n", status=1)
    good = hashlib.sha256(found.encode()).hexdigest() == digest
    warning = "" if good else "sha256sum: WARNING: 1 computed checksum did NOT match\n"
    return Reply(f"{path}: {'OK' if good else 'FAILED'}\n", warning, status=int(not good))


def dpkg(ctx: Context, argv: Sequence[str]) -> Reply:
    """`dpkg -i FILE` and `dpkg --purge PACKAGE`, of kernels."""
    if not ctx.root:
        return Reply(err="dpkg: error: requested operation requires superuser privilege\n", status=2)
    return _purge(ctx, argv[-1]) if "--purge" in argv else _install(ctx, argv[-1])


def _install(ctx: Context, path: str) -> Reply:
    found = _DEB.search(ctx.router.files.get(path, "").strip())
    if found is None:
        return Reply(err=f"dpkg: error processing archive {path} (--install):\n cannot access archive\n", status=1)
    if ctx.router.breaks("dpkg"):
        return Reply(err="dpkg: error processing package: No space left on device\n", status=1)
    loader, package, release, version = ctx.router.loader, found[1], found[2], found[3]
    if loader.packages.get(package) == version:
        return Reply()
    loader.packages[package] = version
    if release not in loader.releases:
        loader.releases.append(release)
    ctx.router.software.initrd[release] = Module("i40e", ctx.router.software.built.get(release, ""))
    loader.update(ctx.router.files)
    return Reply(f"Setting up {package} ({version}) ...\n", changes=(f"package {package} {version}",))


def _purge(ctx: Context, package: str) -> Reply:
    loader, release = ctx.router.loader, package.removeprefix("linux-image-")
    if release == ctx.router.kernel:
        return Reply(err=f"W: Removing the running kernel\ndpkg: error processing package {package}\n", status=1)
    if loader.packages.pop(package, None) is None:
        return Reply(err=f"dpkg: warning: ignoring request to remove {package} which isn't installed\n")
    loader.releases.remove(release)
    ctx.router.software.initrd.pop(release, None)
    return Reply(f"Purging configuration files for {package} ...\n", changes=(f"package {package} purged",))


def lscpu(ctx: Context, argv: Sequence[str]) -> Reply:
    """Eight threads of four cores."""
    return Reply("# CPU,Socket,Core\n" + "".join(f"{n},0,{n % 4}\n" for n in range(8)))


def df(ctx: Context, argv: Sequence[str]) -> Reply:
    return Reply("     Avail\n4294967296\n")


def trial_watch(ctx: Context, argv: Sequence[str]) -> Reply:
    """What the watch of a trial does when its time is over."""
    ctx.router.files[argv[1]] = f"{ctx.router.kernel}\n{ctx.router.boot_id}\n"
    return systemd.reboot(ctx, ["reboot"])
