"""A virtual router as a VyOS: images with a disk of their own each, the boot menu, its commands. Pure; state given.

From the source of vyos-1x (image_manager.py, image_installer.py, grub.py and its templates). Only what lies in
`OVERLAID` is an image's own here; the rest of the disk is shared by all of them.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lab.sim import linux
from lab.sim.loader import Loader, watch
from lab.sim.reply import Context, Reply, not_permitted
from lab.sim.router import FRR_CONF, Router

ROOT = "/usr/lib/live/mount/persistence"
OVERLAID = ("/etc/systemd/system/", "/var/lib/slipway/")
GRUB = "/boot/grub/grub.cfg.d"
TRIAL_FILE = f"{GRUB}/45-slipway-autoload.cfg"
WATCH = "/etc/systemd/system/slipway-trial.service"
_WANTS = re.compile(r"(/etc/systemd/system/)[a-z.-]+\.wants/([^/]+)")
_LINUX = re.compile(r'^\s*linux "/boot/([^/"]+)/vmlinuz" (.*)$', re.MULTILINE)
_ISO = re.compile(r"vyos-([\w.+-]+?)(?:-generic)?(?:-amd64)?\.iso")
_MAIN = (
    "load_env\ninsmod regexp\n\nfor cfgfile in ${prefix}/grub.cfg.d/*-autoload.cfg\ndo\n    source ${cfgfile}\ndone\n"
)


def kernel_of(image: str) -> str:
    return f"6.6.{sum(map(ord, image)) % 90 + 1}-amd64-vyos"


def entry(image: str) -> str:
    """The menu entry of an image, what matters of it."""
    return (
        f'menuentry "{image}" --id uuid5-{image} {{\n'
        f'    set boot_opts="boot=live rootdelay=5 noautologin net.ifnames=0 biosdevname=0 vyos-union=/boot/{image}"\n'
        f'    linux "/boot/{image}/vmlinuz" ${{boot_opts}}\n    initrd "/boot/{image}/initrd.img"\n}}\n'
    )


@dataclass
class VyosLoader(Loader):
    """Images in the place of kernels: `releases` are images. `rendered`: what VyOS makes of its own for FRR."""

    running: str = ""
    env: dict[str, str] = field(default_factory=dict)
    rendered: str = ""
    pending: str = ""  # the saved configuration that a commit-confirm would go back to
    config: "set[tuple[str, ...]]" = field(default_factory=set)
    sessions: "dict[str, set[tuple[str, ...]]]" = field(default_factory=dict)

    def take(self, files: dict[str, str]) -> tuple[tuple[str, str], bool]:
        once = self.env.pop("slipway_once", "")
        found = _LINUX.search(files.get(TRIAL_FILE, "")) if once == "slipway-trial" else None
        image = found[1] if found is not None and found[1] in self.releases else self.saved
        args = found[2].replace("${boot_opts}", "").strip() if found is not None else ""
        self._mount(files, image)
        files[FRR_CONF] = self.rendered
        self.sessions.clear()
        for path in [p for p in files if p.startswith("/run/")]:
            del files[path]
        return (kernel_of(image), f"boot=live vyos-union=/boot/{image} {args}".strip()), found is not None

    def _mount(self, files: dict[str, str], image: str) -> None:
        """What is an image's own goes with it."""
        if image == self.running:
            return
        away, there = f"{ROOT}/boot/{self.running}/rw", f"{ROOT}/boot/{image}/rw"
        for path in [p for p in files if p.startswith(OVERLAID)]:
            files[away + path] = files.pop(path)
        for path in [p for p in files if p.startswith(f"{there}/")]:
            files[path.removeprefix(there)] = files.pop(path)
        self.running = image

    def units(self, files: dict[str, str], enabled: set[str]) -> set[str]:
        """Enabled is what a wants folder of this image links."""
        return {f"{found[1]}{found[2]}" for path in files if (found := _WANTS.fullmatch(path)) is not None}

    def stands(self, files: dict[str, str], enabled: set[str]) -> float:
        found = _LINUX.search(files.get(TRIAL_FILE, "")) if "slipway_once" in self.env else None
        if found is None:
            return 0.0
        unit = f"{ROOT}/boot/{found[1]}/rw{WATCH}"
        seen = watch(files.get(unit, ""), found[2])
        return float("inf") if seen is None else seen[0]


def make(router: Router, image: str) -> None:
    """Let a router be a VyOS from now on, with this image."""
    clean = router.files.get(FRR_CONF, "")
    router.loader = VyosLoader([image], saved=image, running=image, rendered=clean)
    router.loader.cmdline = f"boot=live vyos-union=/boot/{image}"
    router.kernel = kernel_of(image)
    router.files["/boot/grub/grub.cfg"] = _MAIN
    router.files[f"{GRUB}/vyos-versions/{image}.cfg"] = entry(image)


def loader(ctx: Context) -> VyosLoader | None:
    return ctx.router.loader if isinstance(ctx.router.loader, VyosLoader) else None


def only(command: Callable[[Context, VyosLoader, Sequence[str]], Reply]) -> Callable[[Context, Sequence[str]], Reply]:
    """A command that only a VyOS has."""

    def run(ctx: Context, argv: Sequence[str]) -> Reply:
        found = loader(ctx)
        return Reply(err=f"sh: 1: {argv[0]}: not found\n", status=127) if found is None else command(ctx, found, argv)

    return run


def cat(ctx: Context, argv: Sequence[str]) -> Reply | None:
    """The files that differ on a VyOS; None: not one of these."""
    found = loader(ctx)
    if found is None:
        return None
    if argv[1:] == ["/proc/cmdline"]:
        return Reply(f"BOOT_IMAGE=/boot/{found.running}/vmlinuz {found.cmdline}\n")
    return linux.cat(ctx, argv) if argv[1:2] == ["/boot/grub/grub.cfg"] else None


def editenv(ctx: Context, argv: Sequence[str]) -> Reply | None:
    """`grub-editenv FILE list|set NAME=VALUE|unset NAME`; None: no VyOS."""
    found = loader(ctx)
    if found is None:
        return None
    if argv[-1] == "list":
        return Reply("".join(f"{name}={value}\n" for name, value in found.env.items()))
    if not ctx.root:
        return not_permitted("grub-editenv")
    name, _, value = argv[3].partition("=")
    before = dict(found.env)
    if argv[2] == "set":
        found.env[name] = value
    else:
        found.env.pop(name, None)
    return Reply(changes=(f"grubenv {argv[3]}",) if before != found.env else ())


def image_info(ctx: Context, vyos: VyosLoader, argv: Sequence[str]) -> Reply:
    summary = {
        "image_default": vyos.saved, "image_running": vyos.running, "images_available": list(reversed(vyos.releases)),
        "console_type": "tty", "console_num": "0",
    }  # fmt: skip
    return Reply(json.dumps(summary) + "\n")


def image_manager(ctx: Context, vyos: VyosLoader, argv: Sequence[str]) -> Reply:
    """`--action set|delete --image-name NAME`."""
    action, image = argv[argv.index("--action") + 1], argv[argv.index("--image-name") + 1]
    if not ctx.root:
        return not_permitted("image_manager.py")
    if image not in vyos.releases:
        return Reply(err=f'The image "{image}" cannot be found\n', status=1)
    if action == "set":
        if image == vyos.saved:
            return Reply(err=f'The image "{image}" already configured as default\n', status=1)
        vyos.saved = image
        return Reply(f'The image "{image}" is now default boot image\n', changes=(f"grubenv default {image}",))
    if image == vyos.running:
        return Reply(err="Currently running image cannot be deleted; reboot into another image first\n", status=1)
    if image == vyos.saved:
        return Reply(err="Default image cannot be deleted; set another image as default first\n", status=1)
    vyos.releases.remove(image)
    for path in [p for p in ctx.router.files if p.startswith(f"{ROOT}/boot/{image}/")]:
        del ctx.router.files[path]
    ctx.router.files.pop(f"{GRUB}/vyos-versions/{image}.cfg", None)
    return Reply(f'The image "{image}" was successfully deleted\n', changes=(f"package image {image} purged",))


def image_installer(ctx: Context, vyos: VyosLoader, argv: Sequence[str]) -> Reply:
    """`--action add --image-path FILE --no-prompt`: named after the version in it, and the default from then on."""
    path = argv[argv.index("--image-path") + 1]
    found = _ISO.search(ctx.router.files.get(path, ""))
    if not ctx.root:
        return not_permitted("image_installer.py")
    if found is None:
        return Reply(err=f"The image cannot be fetched from: {path}\n", status=1)
    if ctx.router.breaks("image"):
        return Reply(err="Error: [Errno 28] No space left on device\n", status=1)
    image = found[1]
    if image in vyos.releases:
        return Reply(err=f"Error: [Errno 17] File exists: '{ROOT}/boot/{image}/rw'\n", status=1)
    vyos.releases.append(image)
    vyos.saved = image
    ctx.router.files[f"{GRUB}/vyos-versions/{image}.cfg"] = entry(image)
    said = "Validating image compatibility\nValidating image checksums\nCopying configuration directory\n"
    return Reply(f"{said}Copying system image files\n", changes=(f"package image {image}",))


def link(ctx: Context, argv: Sequence[str]) -> Reply:
    """`ln -sfn TARGET PATH`; a link into a wants folder enables its unit."""
    reply = linux.put(ctx, argv[-1], f"-> {argv[-2]}\n", mode="0644")
    if reply.status == 0 and (found := _WANTS.fullmatch(argv[-1])) is not None:
        ctx.router.enabled.add(f"{found[1]}{found[2]}")
    return reply


def curl(ctx: Context, argv: Sequence[str]) -> Reply:
    """`curl ... -o FILE URL`: an address holds what its last part says."""
    path, url = argv[argv.index("-o") + 1], argv[-1]
    return linux.put(ctx, path, iso_text(url), mode="0644")


def iso_text(url: str) -> str:
    return f"image {url.rpartition('/')[2]}\n"


def minisign(ctx: Context, vyos: VyosLoader, argv: Sequence[str]) -> Reply:
    """`minisign -V -q -p KEY -m FILE -x SIGNATURE`: a signature is good when it is of that file's name."""
    there = argv[argv.index("-m") + 1] in ctx.router.files and argv[argv.index("-x") + 1] in ctx.router.files
    good = there and "bad" not in ctx.router.files[argv[argv.index("-x") + 1]]
    return Reply(err="" if good else "Signature verification failed\n", status=0 if good else 1)


SCRIPTS: dict[str, Callable[[Context, Sequence[str]], Reply]] = {
    "image_info.py": only(image_info),
    "image_manager.py": only(image_manager),
    "image_installer.py": only(image_installer),
    "vyos-persistpath": only(lambda ctx, vyos, argv: Reply(f"{ROOT}\n")),
    "minisign": only(minisign),
    "curl": curl,
    "ln": link,
}
