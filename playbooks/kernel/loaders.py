"""The two boot loaders that can try a kernel once: GRUB, and systemd-boot with its boot counting.

Both forget the trial before they start it. systemd-boot keeps default and trial in variables of the firmware (no file
system is written for that), and counts the tries of the trial in the name of its entry as well.
"""

import json
import posixpath
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from fleet.core.model import Reason
from playbooks.base import Refused, Session, write
from playbooks.kernel import parse, render
from playbooks.kernel.parse import Entry

# Variables of systemd-boot (Boot Loader Interface), below /sys/firmware/efi/efivars.
_GUID = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
VARIABLES = "/sys/firmware/efi/efivars"
INFO, DEFAULT, ONCE = (f"{VARIABLES}/{n}-{_GUID}" for n in ("LoaderInfo", "LoaderEntryDefault", "LoaderEntryOneShot"))
CMDLINE = "/etc/kernel/cmdline"
# As the file is made, after its one try, and when systemd-bless-boot has called the boot good.
TRIAL_FILES = tuple(f"{render.TRIAL}{counter}.conf" for counter in ("+1", "+0-1", ""))
TRIAL_PATTERN = f"{render.TRIAL}[.+]*conf"


class BootLoader(Protocol):
    """What a kernel's steps ask of a boot loader. Everything may be sent again. Raises Refused."""

    @property
    def name(self) -> str: ...
    @property
    def defaults(self) -> str:
        """The file that holds the command line over every later boot."""
        ...

    @property
    def trial(self) -> str:
        """What `standing` says while the trial is what boots once."""
        ...

    def write_trial(self, session: Session, custom: str, entry: Entry, block: "Trial") -> None: ...
    def remove_trial(self, session: Session, custom: str) -> None: ...
    def has_trial(self, custom: str) -> bool: ...
    def set_default(self, session: Session, entry: str) -> None: ...
    def set_once(self, session: Session, *, on: bool) -> None: ...
    def standing(self, session: Session) -> tuple[str, str]:
        """What boots by default, and what once."""
        ...

    def write_line(
        self, session: Session, entry: Entry | None, wanted: Mapping[str, str | bool], *, deadline_s: float
    ) -> None: ...
    def restore_line(self, session: Session, before: "Line", *, deadline_s: float) -> None: ...


@dataclass(frozen=True)
class Trial:
    """What holds for the trial alone."""

    wanted: Mapping[str, str | bool]
    token: str
    panic_s: int


@dataclass(frozen=True)
class Line:
    """The command line over every later boot, as it was: its file (None: there was none), and what came of it."""

    file: str | None
    release: str
    args: str


def _run(session: Session, argv: list[str], *, timeout_s: float = 60.0) -> None:
    answer = session.run(argv, timeout_s=timeout_s, root=True)
    if not answer.ok:
        said = " ".join((answer.err or answer.out).split())[-200:]
        wanted, remedy = shlex.join(argv)[:160], "Nothing was booted."
        raise Refused(Reason(f"boot loader of {session.device.name}", said, wanted, remedy))


@dataclass(frozen=True)
class Grub:
    """GRUB with GRUB_DEFAULT=saved: the trial is an entry in custom.cfg, next_entry boots it once."""

    name: str = "GRUB"
    defaults: str = render.DEFAULTS
    trial: str = render.TRIAL

    def write_trial(self, session: Session, custom: str, entry: Entry, block: Trial) -> None:
        text = render.trial_block(entry, block.wanted, token=block.token, panic_s=block.panic_s)
        write(session, render.CUSTOM, render.with_trial(custom, text), mode="0600")

    def remove_trial(self, session: Session, custom: str) -> None:
        write(session, render.CUSTOM, render.with_trial(custom, ""))

    def has_trial(self, custom: str) -> bool:
        return render.with_trial(custom, "") != custom

    def set_default(self, session: Session, entry: str) -> None:
        _run(session, ["grub-editenv", "/boot/grub/grubenv", "set", f"saved_entry={entry}"])

    def set_once(self, session: Session, *, on: bool) -> None:
        what = ["set", f"next_entry={self.trial}"] if on else ["unset", "next_entry"]
        _run(session, ["grub-editenv", "/boot/grub/grubenv", *what])

    def standing(self, session: Session) -> tuple[str, str]:
        env = parse.environment(session.run(["grub-editenv", "list"], root=True).out)
        return env.get("saved_entry", ""), env.get("next_entry", "")

    def write_line(
        self, session: Session, entry: Entry | None, wanted: Mapping[str, str | bool], *, deadline_s: float
    ) -> None:
        write(session, self.defaults, render.defaults(wanted))
        _run(session, ["update-grub"], timeout_s=min(240.0, deadline_s))

    def restore_line(self, session: Session, before: Line, *, deadline_s: float) -> None:
        _restore(session, self.defaults, before.file)
        _run(session, ["update-grub"], timeout_s=min(240.0, deadline_s))


@dataclass(frozen=True)
class SystemdBoot:
    """systemd-boot: the trial is an entry with one try in its name, LoaderEntryOneShot boots it once."""

    place: str  # the directory of the entries
    name: str = "systemd-boot"
    defaults: str = CMDLINE
    trial: str = TRIAL_PATTERN

    def write_trial(self, session: Session, custom: str, entry: Entry, block: Trial) -> None:
        self.remove_trial(session, custom)
        args = render.trial_args(entry.args, block.wanted, token=block.token, panic_s=block.panic_s)
        text = f"# Written by Slipway.\ntitle Slipway trial of {entry.release}\nversion {entry.release}\n"
        write(session, f"{self.place}/{TRIAL_FILES[0]}", f"{text}{entry.body}options {args}\n", mode="0600")

    def remove_trial(self, session: Session, custom: str) -> None:
        session.run(["rm", "-f", *(f"{self.place}/{name}" for name in TRIAL_FILES)], root=True)

    def has_trial(self, custom: str) -> bool:
        return bool(custom)

    def set_default(self, session: Session, entry: str) -> None:
        _run(session, ["bootctl", "set-default", entry])

    def set_once(self, session: Session, *, on: bool) -> None:
        _run(session, ["bootctl", "set-oneshot", self.trial if on else ""])

    def standing(self, session: Session) -> tuple[str, str]:
        answers = session.batch({"default": ["cat", DEFAULT], "once": ["cat", ONCE]}, root=True)
        saved, once = (variable(answers[n].out) if answers[n].ok else "" for n in ("default", "once"))
        return saved, once

    def write_line(
        self, session: Session, entry: Entry | None, wanted: Mapping[str, str | bool], *, deadline_s: float
    ) -> None:
        if entry is None:
            raise Refused(Reason(f"boot loader of {session.device.name}", "no entry of what runs", "one to write down"))
        write(session, self.defaults, parse.changed_line(entry.args, wanted) + "\n")
        self._install(session, entry.release, deadline_s)

    def restore_line(self, session: Session, before: Line, *, deadline_s: float) -> None:
        """Without its file kernel-install takes the line of the boot that runs: it is there until the entry is."""
        write(session, self.defaults, before.args + "\n")
        self._install(session, before.release, deadline_s)
        _restore(session, self.defaults, before.file)

    def _install(self, session: Session, release: str, deadline_s: float) -> None:
        files = [f"/boot/vmlinuz-{release}", f"/boot/initrd.img-{release}"]
        _run(session, ["kernel-install", "add", release, *files], timeout_s=min(240.0, deadline_s))


def _restore(session: Session, path: str, file: str | None) -> None:
    if file is None:
        session.run(["rm", "-f", path], root=True)
    else:
        write(session, path, file)


def variable(text: str) -> str:
    """A variable of the firmware as `cat` shows it: four bytes of attributes, then UTF-16 with an end."""
    return "".join(c for c in text[4:] if c.isprintable() and c != "\ufffd")


def listed(text: str) -> tuple[tuple[Entry, ...], str, str] | None:
    """`bootctl list --json=short`: kernels, their directory, and the trial's entry if there is one; None: cannot tell.

    The id is a pattern that finds an entry whatever its counter says; systemd-boot takes patterns for default and once.
    """
    try:
        found = json.loads(text)
    except ValueError:
        return None
    if not isinstance(found, list):
        return None
    made, place, trial = list[Entry](), "", ""
    for row in found:
        if not isinstance(row, dict) or row.get("type") != "type1":
            continue
        name, release = posixpath.basename(str(row.get("path") or "")), str(row.get("version") or "")
        if name.startswith(render.TRIAL):
            trial = name
            continue
        initrd = row.get("initrd")
        files = [f"initrd {one}\n" for one in (initrd if isinstance(initrd, list) else [])]
        if not (name.endswith(".conf") and release and isinstance(row.get("linux"), str)):
            continue
        place = posixpath.dirname(str(row["path"]))
        stem = name.removesuffix(".conf").partition("+")[0] if _counted(name) else name.removesuffix(".conf")
        body = f"linux {row['linux']}\n{''.join(files)}"
        made.append(Entry(f"{stem}[.+]*conf", release, body, str(row.get("options") or "").strip()))
    return tuple(made), place, trial


def _counted(name: str) -> bool:
    """Does a name end in +LEFT or +LEFT-DONE?"""
    counter = name.removesuffix(".conf").rpartition("+")
    return bool(counter[1]) and counter[2].replace("-", "", 1).isdecimal()
