"""systemd-boot of a virtual router: entries with counters in their names, variables of the firmware. Pure.

As Debian 12 sets it up (package systemd-boot, kernel-install, entries below /boot/efi/loader/entries).
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from lab.sim.loader import BASE, Loader
from lab.sim.reply import Context, Reply, not_permitted
from lab.sim.router import Router

ENTRIES = "/boot/efi/loader/entries"
VARIABLES = "/sys/firmware/efi/efivars"
GUID = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
MACHINE = "0123456789abcdef0123456789abcdef"
TRIES, CMDLINE = "/etc/kernel/tries", "/etc/kernel/cmdline"
_NAMES = {"set-default": "LoaderEntryDefault", "set-oneshot": "LoaderEntryOneShot"}
_COUNTED = re.compile(r"(.*?)(?:\+(\d+)(?:-(\d+))?)?\.conf")


@dataclass
class SdLoader(Loader):
    """`lines`: arguments by entry of a kernel; `counters`: tries left and done of the entries that are counted."""

    variables: dict[str, str] = field(default_factory=dict)
    lines: dict[str, str] = field(default_factory=dict)
    counters: dict[str, tuple[int, int]] = field(default_factory=dict)
    booted: str = ""  # the entry of the boot that runs, a kernel's own

    def name(self, release: str) -> str:
        left, done = self.counters.get(release, (0, 0))
        counter = "" if release not in self.counters else f"+{left}-{done}" if done else f"+{left}"
        return f"{MACHINE}-{release}{counter}.conf"

    def take(self, files: dict[str, str]) -> tuple[tuple[str, str], bool]:
        once, self.booted = self.variables.pop("LoaderEntryOneShot", ""), ""
        path = next((p for p in sorted(files) if p.startswith(f"{ENTRIES}/slipway-trial")), "")
        if once and path and fnmatchcase(path.rpartition("/")[2], once):
            text = files.pop(path)
            files[f"{ENTRIES}/{_tried(path.rpartition('/')[2])}"] = text
            rows = dict(line.partition(" ")[::2] for line in text.splitlines())
            if rows.get("version") in self.releases:
                return (rows["version"], rows.get("options", "")), True
        wanted = self.variables.get("LoaderEntryDefault", "")
        ordered = sorted(self.releases, key=lambda r: (self.counters.get(r, (1, 0))[0] == 0, r), reverse=False)
        good = [r for r in reversed(ordered) if self.counters.get(r, (1, 0))[0]] or ordered
        release = next((r for r in self.releases if wanted and fnmatchcase(self.name(r), wanted)), good[0])
        if release in self.counters:
            left, done = self.counters[release]
            self.counters[release] = (max(0, left - 1), done + 1)
        self.booted = release
        return (release, self.lines.get(release, BASE)), False

    def units(self, files: dict[str, str], enabled: set[str]) -> set[str]:
        """The boot is complete: systemd-bless-boot takes the counter off the entry that was booted."""
        self.counters.pop(self.booted, None)
        path = f"{ENTRIES}/slipway-trial+0-1.conf"
        if path in files and not self.booted:
            files[f"{ENTRIES}/slipway-trial.conf"] = files.pop(path)
        return enabled

    def stands(self, files: dict[str, str], enabled: set[str]) -> float:
        path = next((p for p in sorted(files) if p.startswith(f"{ENTRIES}/slipway-trial")), "")
        if not path or "LoaderEntryOneShot" not in self.variables:
            return 0.0
        rows = dict(line.partition(" ")[::2] for line in files[path].splitlines())
        held, self.cmdline = self.cmdline, rows.get("options", "")
        found = self.watch(files, enabled)
        self.cmdline = held
        return float("inf") if found is None else found[0]

    def menu(self) -> str:
        return ""

    def update(self, files: dict[str, str]) -> None:
        """A package's hook: kernel-install for what has no entry yet, counted where /etc/kernel/tries says so."""
        for release in self.releases:
            if release not in self.lines:
                self.add(files, release)
        self.lines = {r: line for r, line in self.lines.items() if r in self.releases}

    def add(self, files: dict[str, str], release: str) -> None:
        line = files.get(CMDLINE, "").strip() or self.cmdline or BASE
        if release not in self.lines and (tries := files.get(TRIES, "").strip()).isdigit():
            self.counters[release] = (int(tries), 0)
        self.lines[release] = line


def _tried(name: str) -> str:
    found = _COUNTED.fullmatch(name)
    if found is None or found[2] is None:
        return name
    return f"{found[1]}+{max(0, int(found[2]) - 1)}-{int(found[3] or 0) + 1}.conf"


def make(router: Router, *, tries: int = 0) -> None:
    """Let a router be started by systemd-boot from now on."""
    old = router.loader
    router.loader = SdLoader(list(old.releases), cmdline=BASE, packages=dict(old.packages), booted=router.kernel)
    if tries:
        router.files[TRIES] = f"{tries}\n"
    router.loader.lines = dict.fromkeys(old.releases, BASE)


def loader(ctx: Context) -> SdLoader | None:
    return ctx.router.loader if isinstance(ctx.router.loader, SdLoader) else None


def cat(ctx: Context, argv: Sequence[str]) -> Reply | None:
    """Variables of the firmware, and no GRUB; None: not one of these."""
    found = loader(ctx)
    if argv[1:2] == ["/boot/grub/grub.cfg"] and found is not None:
        return Reply(err="cat: /boot/grub/grub.cfg: No such file or directory\n", status=1)
    if not argv[-1].startswith(VARIABLES):
        return None
    value = found.variables.get(argv[-1].rpartition("/")[2].partition("-")[0]) if found is not None else None
    if value is None:
        return Reply(err=f"cat: {argv[-1]}: No such file or directory\n", status=1)
    return Reply("\x07\0\0\0" + "".join(f"{c}\0" for c in value) + "\0\0")


def bootctl(ctx: Context, argv: Sequence[str]) -> Reply:
    """`bootctl list --json=short`, `set-default ID`, `set-oneshot ID`; an empty id takes the variable away."""
    found = loader(ctx)
    if found is None:
        return Reply(err="Not booted with EFI\n", status=1)
    if argv[1] == "list":
        return Reply(json.dumps(_listed(ctx, found)) + "\n")
    if not ctx.root:
        return not_permitted("bootctl")
    before = dict(found.variables)
    if argv[2]:
        found.variables[_NAMES[argv[1]]] = argv[2]
    else:
        found.variables.pop(_NAMES[argv[1]], None)
    changed = before != found.variables
    return Reply(changes=(f"grubenv {argv[1]} {argv[2]}".strip(),) if changed else ())


def _listed(ctx: Context, found: SdLoader) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for release in sorted(found.releases, reverse=True):
        rows.append({
            "type": "type1", "id": f"{MACHINE}-{release}.conf", "path": f"{ENTRIES}/{found.name(release)}",
            "root": "/boot/efi", "title": "Debian GNU/Linux 12 (bookworm)", "version": release, "machineId": MACHINE,
            "options": found.lines.get(release, BASE), "linux": f"/{MACHINE}/{release}/linux",
            "initrd": [f"/{MACHINE}/{release}/initrd.img-{release}"], "isSelected": release == ctx.router.kernel,
        })  # fmt: skip
    for path in sorted(p for p in ctx.router.files if p.startswith(f"{ENTRIES}/")):
        rows.append({"type": "type1", "id": path.rpartition("/")[2], "path": path, "root": "/boot/efi"})
    return [*rows, {"type": "auto", "id": "auto-reboot-to-firmware-setup", "title": "Reboot Into Firmware Interface"}]


def kernel_install(ctx: Context, argv: Sequence[str]) -> Reply:
    """`kernel-install add RELEASE ...`: the entry is written anew, with the line of /etc/kernel/cmdline."""
    found = loader(ctx)
    if found is None or not ctx.root:
        return not_permitted("kernel-install")
    before = found.lines.get(argv[2])
    found.add(ctx.router.files, argv[2])
    return Reply(changes=("grub.cfg",) if before != found.lines[argv[2]] else ())


SCRIPTS: dict[str, Callable[[Context, Sequence[str]], Reply]] = {
    "bootctl": bootctl,
    "kernel-install": kernel_install,
}
