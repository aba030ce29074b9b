"""The boot loader of a virtual router as values: kernels, GRUB's environment, what the next boot is."""

import re
from dataclasses import dataclass, field

from lab.sim.behaviours import Kind

UUID = "1111"
BASE = "root=/dev/vda1 ro quiet"
GRUBENV, CUSTOM, DEFAULTS = "/boot/grub/grubenv", "/boot/grub/custom.cfg", "/etc/default/grub.d/80-slipway.cfg"
UNIT = "/etc/systemd/system/slipway-trial.service"
_CUSTOM_ENTRY = re.compile(r"--id '([^']+)' \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_LINUX = re.compile(r"^\s*linux\s+/boot/vmlinuz-(\S+)\s*(.*)$", re.MULTILINE)
_TAKEN = re.compile(r"\(\^\| \)(.+?)\(=")
_WATCH = re.compile(r"sleep (\d+); .*?> (/\S+\.reverted);", re.DOTALL)


def entry_id(release: str) -> str:
    return f"gnulinux-advanced-{UUID}>gnulinux-{release}-advanced-{UUID}"


@dataclass
class Loader:
    """`line`: arguments of every kernel in the menu, as of the last update-grub. `cmdline`: of the boot that runs."""

    releases: list[str]
    saved: str = ""
    next: str = ""
    line: str = BASE
    cmdline: str = ""
    packages: dict[str, str] = field(default_factory=dict)  # kernel package -> version

    def chosen(self, files: dict[str, str], entry: str) -> tuple[str, str] | None:
        """Release and arguments of an entry of the menu; None where it has no such entry."""
        for release in self.releases:
            if entry == entry_id(release):
                return release, self.line
        for name, body in _CUSTOM_ENTRY.findall(files.get(CUSTOM, "")):
            linux = _LINUX.search(body)
            if name == entry and linux is not None and linux[1] in self.releases:
                return linux[1], linux[2].strip()
        return None

    def take(self, files: dict[str, str]) -> tuple[tuple[str, str], bool]:
        """What GRUB boots: `next_entry` once, else `saved_entry`. Release ("" where it names none), arguments, once?"""
        once, self.next = self.next, ""
        if once and (trial := self.chosen(files, once)) is not None:
            return trial, True
        return self.chosen(files, self.saved) or ("", self.line), False

    def units(self, files: dict[str, str], enabled: set[str]) -> set[str]:
        """The boot that was just taken is complete: what is enabled in it."""
        return enabled

    def boot(
        self, files: dict[str, str], enabled: set[str], injected: set[Kind], before: tuple[str, str]
    ) -> tuple[str, set[str]]:
        """The kernel of the next boot, and what is enabled in it. `before`: kernel and boot id until now."""
        trial, once = self.take(files)
        broken = injected if once else set()
        if Kind.PANIC_ON_NEW_KERNEL in broken:
            files.update(died(trial[0]))
        elif Kind.NEW_KERNEL_UNREACHABLE in broken:
            files.update(self.gave_up(files, trial, before[1]))
        if broken & {Kind.PANIC_ON_NEW_KERNEL, Kind.NEW_KERNEL_UNREACHABLE}:
            trial, _ = self.take(files)
        self.cmdline = trial[1]
        return trial[0] or before[0], self.units(files, enabled)

    def stands(self, files: dict[str, str], enabled: set[str]) -> float:
        """How long a trial that nobody reaches stands there until its watch sends it back."""
        trial = self.chosen(files, self.next) if self.next else None
        if trial is None:
            return 0.0
        found = watch(files.get(UNIT, ""), trial[1]) if UNIT in enabled else None
        return float("inf") if found is None else found[0]

    def gave_up(self, files: dict[str, str], trial: tuple[str, str], boot_id: str) -> dict[str, str]:
        """What the watch of that trial leaves behind."""
        found = watch(files.get(UNIT, ""), trial[1])
        return {} if found is None else {found[1]: f"{trial[0]}\n{boot_id}\n"}

    def watch(self, files: dict[str, str], enabled: set[str]) -> tuple[float, str] | None:
        """The watch of the boot that runs."""
        return watch(files.get(UNIT, ""), self.cmdline) if UNIT in enabled else None

    def menu(self) -> str:
        """grub.cfg as Debian 12 writes it, what matters of it."""
        entries = "".join(
            f"\tmenuentry 'Debian GNU/Linux, with Linux {release}' --class debian $menuentry_id_option "
            f"'gnulinux-{release}-advanced-{UUID}' {{\n\t\tload_video\n\t\tinsmod ext2\n"
            f"\t\tlinux\t/boot/vmlinuz-{release} {self.line}\n\t\tinitrd\t/boot/initrd.img-{release}\n\t}}\n"
            for release in sorted(self.releases, reverse=True)
        )
        return (
            'if [ "${next_entry}" ] ; then\n   set default="${next_entry}"\n   set next_entry=\n'
            '   save_env next_entry\n   set boot_once=true\nelse\n   set default="${saved_entry}"\nfi\n'
            f"submenu 'Advanced options for Debian GNU/Linux' $menuentry_id_option 'gnulinux-advanced-{UUID}' {{\n"
            f"{entries}}}\n"
            "if [ -f  ${config_directory}/custom.cfg ]; then\n  source ${config_directory}/custom.cfg\nfi\n"
        )

    def update(self, files: dict[str, str]) -> None:
        """update-grub: what /etc/default/grub.d says goes into every entry."""
        words = BASE.split()
        text = files.get(DEFAULTS, "")
        for taken in _TAKEN.findall(text):
            name = taken.replace("\\", "")
            words = [word for word in words if word.partition("=")[0] != name]
        added = re.search(r'^GRUB_CMDLINE_LINUX="\$GRUB_CMDLINE_LINUX (.*)"$', text, re.MULTILINE)
        self.line = " ".join([*words, *(added[1].split() if added else ())])


def watch(unit: str, cmdline: str) -> tuple[float, str] | None:
    """How long the watch of a trial waits, and the file it writes; None where the unit says nothing for this boot."""
    wanted = re.search(r"^ConditionKernelCommandLine=(\S+)$", unit, re.MULTILINE)
    found = _WATCH.search(unit)
    if wanted is None or found is None or wanted[1] not in cmdline.split():
        return None
    return float(found[1]), found[2]


def died(release: str) -> dict[str, str]:
    """The file in which firmware keeps what a kernel said as it died."""
    return {"/sys/fs/pstore/dmesg-erst-1": f"Kernel panic - not syncing: Fatal exception ({release})\n"}
