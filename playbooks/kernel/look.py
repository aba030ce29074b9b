"""A look at kernel and boot loader of a device, in one round trip; a second one before a kernel is tried."""

from collections.abc import Mapping
from dataclasses import dataclass

from fleet.core.model import Json, Reason
from playbooks import boot
from playbooks.base import Answer, Session, output
from playbooks.detached import Job
from playbooks.kernel import loaders, parse, render
from playbooks.kernel.loaders import BootLoader, Grub, SystemdBoot
from playbooks.kernel.parse import Entry

# File systems that GRUB can write its environment to; on others next_entry would stay for ever (kernel.md 1.4).
_WRITABLE = frozenset({"ext2", "fat", "xfs"})
_ROOM = 200 << 20  # an initramfs takes 30 to 120 MB, kernel and System.map 15
_GRUB = Grub()
_SLOW_S = 150.0  # listing two initramfs takes 35 s on an emulated processor, a second on a server


@dataclass(frozen=True)
class State:
    """What runs, what would boot next, and how the package stands."""

    release: str
    boot_id: str
    cmdline: str
    env: Mapping[str, str]
    entries: tuple[Entry, ...]
    custom: str
    package: tuple[str, str] | None  # (version, state of dpkg); ("", "") for none
    holds: tuple[str, ...]
    wrong: tuple[Reason, ...]  # why this boot loader cannot try a kernel once
    siblings: tuple[tuple[int, ...], ...]
    loader: BootLoader = _GRUB

    @property
    def has_trial(self) -> bool:
        """Is there an entry of a trial in the menu?"""
        return self.loader.has_trial(self.custom)

    @property
    def trial(self) -> str:
        """The token of the trial that this boot is; "" when it is none."""
        value = parse.words(self.cmdline).get("slipway.trial", "")
        return value if isinstance(value, str) else ""

    @property
    def installed(self) -> str:
        """Version of the package, where it is whole."""
        return self.package[0] if self.package is not None and self.package[1] in {"ii", "hi"} else ""

    @property
    def saved(self) -> str:
        return self.env.get("saved_entry", "")

    @property
    def next(self) -> str:
        return self.env.get("next_entry", "")

    def entry(self, release: str) -> Entry | None:
        return next((e for e in self.entries if e.release == release), None)

    def data(self) -> dict[str, Json]:
        return {"kernel": self.release, "boot_id": self.boot_id, "default": self.saved, "trial": bool(self.trial),
                "boot_loader": self.loader.name}  # fmt: skip


def look(session: Session, package: str) -> State | Reason:
    """The state, or why it cannot be told. Raises as the session."""
    asked = {
        "release": ["uname", "-r"],
        "boot_id": boot.BOOT_ID,
        "cmdline": ["cat", "/proc/cmdline"],
        "env": ["grub-editenv", "list"],
        "menu": ["cat", "/boot/grub/grub.cfg"],
        "custom": ["cat", render.CUSTOM],
        "abstraction": ["grub-probe", "--target=abstraction", "/boot/grub/grubenv"],
        "fs": ["grub-probe", "--target=fs", "/boot/grub"],
        "package": ["dpkg-query", "-W", "-f", "${Package} ${Version} ${db:Status-Abbrev}\n", package],
        "holds": ["apt-mark", "showhold"],
        "cpus": ["lscpu", "-p=CPU,SOCKET,CORE"],
        "sd": ["test", "-e", loaders.INFO],
        "sd_list": ["bootctl", "list", "--json=short"],
        "sd_default": ["cat", loaders.DEFAULT],
        "sd_once": ["cat", loaders.ONCE],
    }
    answers = session.batch(asked, timeout_s=60.0, root=True)
    release = output(answers, "release").strip()
    boot_id = boot.boot_id(output(answers, "boot_id"))
    subject = f"kernel of {session.device.name}"
    if not release or any(c.isspace() or c == "/" for c in release) or boot_id is None:
        return Reason(subject, "no answer that can be read", "uname -r and the boot id")
    if asked.keys() - answers.keys():
        return Reason(subject, "an answer that was cut off", "release, boot loader and package")
    package_state = parse.package(answers["package"].out)
    holds = tuple(line.strip() for line in output(answers, "holds").splitlines() if line.strip())
    if answers["sd"].ok:
        return _systemd_boot(session.device.name, answers, release, boot_id, package_state, holds)
    menu = output(answers, "menu")
    return State(
        release, boot_id, output(answers, "cmdline").strip(), parse.environment(output(answers, "env")),
        parse.entries(menu), output(answers, "custom"), package_state, holds,
        _wrong(session.device.name, answers, menu, release), parse.siblings(output(answers, "cpus")),
    )  # fmt: skip


def _systemd_boot(
    name: str,
    answers: Mapping[str, Answer],
    release: str,
    boot_id: str,
    package: tuple[str, str] | None,
    holds: tuple[str, ...],
) -> State | Reason:
    """The state of a machine that systemd-boot has booted."""
    found = loaders.listed(output(answers, "sd_list"))
    if found is None:
        return Reason(f"boot loader of {name}", answers["sd_list"].said, "bootctl list --json=short", "Is it mounted?")
    entries, place, trial = found
    env = {"saved_entry": loaders.variable(output(answers, "sd_default"))}
    env["next_entry"] = loaders.variable(output(answers, "sd_once"))
    wrong = []
    if not any(e.release == release for e in entries):
        remedy = "Run kernel-install add for it: without an entry there is no way back. Unified images are not known."
        wrong.append(
            Reason(f"boot loader of {name}", f"no entry of {release}, which runs", "one to go back to", remedy)
        )
    return State(
        release, boot_id, output(answers, "cmdline").strip(), env, entries, trial, package, holds, tuple(wrong),
        parse.siblings(output(answers, "cpus")), SystemdBoot(place),
    )  # fmt: skip


def _wrong(name: str, answers: Mapping[str, Answer], menu: str, release: str) -> tuple[Reason, ...]:
    """Everything that would make a one-shot boot stay, or not come."""
    subject, reasons = f"boot loader of {name}", []
    if not menu:
        remedy = "Only GRUB as Debian sets it up is known; see docs/kernel.md."
        return (Reason(subject, "no /boot/grub/grub.cfg that can be read", "GRUB with a menu", remedy),)
    if not parse.saved_is_default(menu):
        remedy = "Set GRUB_DEFAULT=saved in /etc/default/grub and run update-grub."
        reasons.append(Reason(subject, "a menu with a fixed default", "GRUB_DEFAULT=saved", remedy))
    if not parse.sources_custom(menu):
        reasons.append(Reason(subject, "a menu without custom.cfg", "41_custom in /etc/grub.d", "Run update-grub."))
    if not answers["env"].ok:
        reasons.append(Reason(f"/boot/grub/grubenv of {name}", answers["env"].said, "an environment block", ""))
    abstraction, fs = output(answers, "abstraction").strip(), output(answers, "fs").strip()
    if abstraction or not answers["abstraction"].ok or fs not in _WRITABLE:
        found = f"{abstraction or fs or answers['fs'].said}, which GRUB cannot write to"
        remedy = "A kernel that is to be tried once would be booted for ever. Give /boot a partition of its own."
        reasons.append(Reason(f"/boot of {name}", found, "a plain partition with ext4, xfs or fat", remedy))
    if not any(e.release == release for e in parse.entries(menu)):
        remedy = "Run update-grub: without it there is no way back."
        reasons.append(Reason(subject, f"no entry of {release}, which runs", "one to go back to", remedy))
    return tuple(reasons)


def unfit(session: Session, release: str, running: str) -> tuple[Reason, ...]:
    """Why a kernel that is installed must not be booted yet: its files, its initramfs, the drivers of the cards.

    Compared with what runs: a module that is in its initramfs, or drives a card, has to be there for the new one too.
    Empty: it may. What cannot be told is a reason.
    """
    if release == running:
        return ()
    asked = {
        "vmlinuz": ["test", "-s", f"/boot/vmlinuz-{release}"],
        "new": ["lsinitramfs", f"/boot/initrd.img-{release}"],
        "old": ["lsinitramfs", f"/boot/initrd.img-{running}"],
        "builtin": ["cat", f"/lib/modules/{release}/modules.builtin"],
    }
    answers = session.batch(asked, per_interface={"driver": ["ethtool", "-i"]}, timeout_s=_SLOW_S, root=True)
    subject = f"kernel {release} on {session.device.name}"
    missing = [n for n in ("vmlinuz", "new", "old", "builtin") if n not in answers or not answers[n].ok]
    if missing:
        found = ", ".join(f"{n}: {answers[n].said if n in answers else 'no answer'}" for n in missing)
        return (Reason(subject, found, "a kernel, its initramfs and its modules", "See the installation's output."),)
    builtin = parse.modules(answers["builtin"].out)
    lacking = parse.modules(answers["old"].out) - parse.modules(answers["new"].out) - builtin
    reasons = []
    if lacking:
        remedy = "See /etc/initramfs-tools: the new kernel would not find its root file system."
        reasons.append(
            Reason(f"initramfs of {release}", f"no {', '.join(sorted(lacking)[:8])}", "what the old one has", remedy)
        )
    cards = parse.drivers(a.out for n, a in answers.items() if n.startswith("driver:"))
    return (*reasons, *_drivers(session, cards, release, running))


def _drivers(session: Session, cards: frozenset[str], release: str, running: str) -> tuple[Reason, ...]:
    """Cards whose module the running kernel has as a file and the new one has not."""
    asked = {f"{which}.{card}": ["modinfo", "-k", which_release, "-F", "filename", card]
             for card in sorted(cards) for which, which_release in (("old", running), ("new", release))}  # fmt: skip
    if not asked:
        return ()
    answers = session.batch(asked, timeout_s=60.0, root=True)
    return tuple(
        Reason(f"driver {card} for kernel {release}", "no such module", "the driver of a card in use",
               "Install or build it for this kernel first (a dkms driver needs its headers).")
        for card in sorted(cards)
        if (old := answers.get(f"old.{card}")) is not None and old.ok
        and ((new := answers.get(f"new.{card}")) is None or not new.ok)
    )  # fmt: skip


def unreached(session: Session, job: Job) -> bool:
    """Did the watch of the trial send it back because nobody came in?"""
    answer = session.run(["cat", job.file("reverted")], root=True)
    return answer.ok and any(boot.boot_id(line) is not None for line in answer.out.splitlines())


def room(session: Session) -> tuple[Reason, ...]:
    """Why /boot has no room for another kernel; empty: it has."""
    return boot.room(session, "/boot", least=_ROOM, remedy="Remove kernels that neither run nor are the default.")
