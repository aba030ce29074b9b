"""Puts a configuration into force on FRR, arms the way back, confirms, goes back. Talks to the router.

frr-reload.py runs by itself, started by systemd: when the change cuts this session, what belongs to it still happens.
Everything that another session must find again lies in /var/lib/slipway on the router.
"""

import json
import secrets
from dataclasses import dataclass

from napalm.base.exceptions import CommitConfirmException, CommitError

from fleet.core.model import Json, Reason
from playbooks import confirm, device_templates, frr_change
from playbooks.base import Answer, Refused, Session
from playbooks.confirm import STATE, DeadMan
from playbooks.vtysh import argv, json_object, refusal

RELOAD = ("/usr/lib/frr/frr-reload.py",)
OPTIONS = ("--bindir", "/usr/bin", "--confdir", "/etc/frr")
PENDING = f"{STATE}/napalm-frr.pending"
LAST = f"{STATE}/napalm-frr.last"
RUNNING = argv("show running-config")
_WRITE_MEMORY = argv("write memory")
_BOOT_ID = ["cat", "/proc/sys/kernel/random/boot_id"]
_START_ALONE = 'setsid /bin/sh "$1" </dev/null >/dev/null 2>&1 &'
# frr-reload.py of 8.4.4 on a router with 40 neighbours: 1.5 to 3 s (the ring, a busy machine). A full table's filters
# take longer to be deleted one by one.
APPLY_S = 120.0
_LOOK_EVERY_S = 0.3


_FILES = ("before", "candidate", "revert", "apply", "result", "writing", "reverting", "reverted")


@dataclass(frozen=True)
class Commit:
    """One commit on one router: `token` names its files, its timer and its units."""

    token: str

    def file(self, what: str) -> str:
        return f"{STATE}/napalm-frr-{self.token}.{what}"

    @property
    def man(self) -> DeadMan:
        return DeadMan(f"napalm-{self.token}")

    def everything(self) -> list[str]:
        """All files that a commit leaves: its configurations hold the router's secrets, and go with the next commit."""
        own = (*_FILES, *(f"stage{number}" for number in range(3)))
        timers = ("script", "log", "reverting", "reverted")
        return [*(self.file(what) for what in own), *(self.man.file(what) for what in timers)]


@dataclass(frozen=True)
class State:
    """What the router knows of commits: one that waits for its confirmation, and whether one put itself back."""

    pending: Commit | None = None
    put_back: Commit | None = None
    last: Commit | None = None

    @property
    def over(self) -> tuple[Commit, ...]:
        """Commits of which nothing is waited for any more."""
        return tuple(commit for commit in (self.put_back, self.last) if commit is not None)


def running(session: Session) -> str:
    """The running configuration. Raises CommitError where there is none to be read."""
    answer = session.run(RUNNING, root=True)
    config = frr_change.running(answer.out)
    if config is None:
        raise CommitError(str(_said("running configuration of FRR", answer, "the configuration of a running FRR")))
    return config


def state(session: Session) -> State:
    """Which commit waits, over whichever connection it was made; a restart of the router ends its waiting."""
    answers = session.batch({"pending": ["cat", PENDING], "last": ["cat", LAST], "boot": _BOOT_ID}, root=True)
    last = _commit(answers.get("last"))
    found = _commit(answers.get("pending"))
    if found is None:
        return State(last=last)
    boot_id = (json_object(answers["pending"].out) or {}).get("boot_id")
    if boot_id != answers["boot"].out.strip():
        # The timer is gone, and it came up with the startup file, which is the old one until the confirmation.
        return State(put_back=found, last=last)
    reverted = session.run(["test", "-e", found.man.file("reverted")], root=True).ok
    return State(put_back=found, last=last) if reverted else State(pending=found, last=last)


def _commit(answer: Answer | None) -> Commit | None:
    if answer is None or not answer.ok:
        return None
    token = (json_object(answer.out) or {}).get("token")
    return Commit(token) if isinstance(token, str) and token.isalnum() else None


def commit(
    session: Session, *, before: str, candidate: str, revert_in: int | None, message: str, over: tuple[Commit, ...] = ()
) -> None:
    """Have the candidate checked, arm the way back if one is asked for, apply, and compare what runs then.

    Raises CommitError; the router is then as it was, or says why it is not. A lost session raises DeviceError.
    """
    commit = Commit(secrets.token_hex(4))
    _stage(session, commit, before, candidate)
    if message:
        session.run(["logger", "-t", "slipway-napalm", "--", " ".join(message.split())[:500]])
    boot_id = session.run(_BOOT_ID).out.strip()
    session.run(["rm", "-f", PENDING, LAST, *(path for old in over for path in old.everything())], root=True)
    _put(session, PENDING if revert_in is not None else LAST, json.dumps({"token": commit.token, "boot_id": boot_id}))
    if revert_in is not None:
        _armed(session, commit, within_s=float(revert_in))
    _start(session, commit)
    failed = _finished(session, commit)
    wrong = frr_change.outcome(before, candidate, running(session))
    if wrong or not failed.ended:
        if revert_in is not None and confirm.fired(session, commit.man):
            _wait_for_timer(session, commit)
            raise CommitError(
                f"the router put itself back: it was not reached again within {revert_in} s of the change"
            )
        wrong = (*failed.reasons, *wrong)
        back = put_back(session, commit)
        said = "; ".join(map(str, wrong[:10])) + ("" if back is None else f"; and it did not go back: {back}")
        raise CommitError(f"{said}. The configuration from before is in force." if back is None else said)
    if revert_in is None:
        save(session)


def _armed(session: Session, commit: Commit, *, within_s: float) -> None:
    """The mark of a waiting commit comes before its timer: a timer that nobody knows of would undo a later commit."""
    try:
        confirm.arm(session, commit.man, [["/bin/sh", commit.file("revert")]], within_s=within_s)
    except Refused as error:
        session.run(["rm", "-f", PENDING], root=True)
        raise CommitError(str(error)) from error


def _stage(session: Session, commit: Commit, before: str, candidate: str) -> None:
    names = {w: commit.file(w) for w in ("candidate", "before", "result", "writing", "reverting", "reverted")}
    parts = frr_change.stages(before, candidate)
    stages = {f"stage{number}": text for number, text in enumerate(parts)}
    values: dict[str, Json] = {
        **names, "reload": [*RELOAD, "--reload", *OPTIONS], "startup": frr_change.FRR_CONF,
        "stages": [commit.file(stage) for stage in stages],
    }  # fmt: skip
    files = {
        **stages,
        "before": frr_change.normal(before), "candidate": frr_change.normal(candidate),
        "revert": device_templates.render("slipway-revert.sh.j2", values),
        "apply": device_templates.render("slipway-frr-apply.sh.j2", values),
    }  # fmt: skip
    for what, text in files.items():
        _put(session, commit.file(what), text)
    _checked(session, ["vtysh", "-C", "-f", commit.file("candidate")])
    _checked(session, [*RELOAD, "--test", *OPTIONS, commit.file("candidate")])


def _put(session: Session, path: str, text: str) -> None:
    answer = session.put(path, text, mode="0600")
    if not answer.ok:
        raise CommitError(str(_said(path, answer, "a file with what was sent")))


def _checked(session: Session, command: list[str]) -> None:
    answer = session.run(command, timeout_s=60.0, root=True)
    if answer.status == 127 or (not answer.ok and "not found" in answer.out + answer.err):
        reason = Reason(command[0], "no such program", "frr-reload.py", "Install the package frr-pythontools.")
        raise CommitError(str(reason))
    if not answer.ok or refusal(answer.out) or refusal(answer.err):
        raise CommitError(str(_said(" ".join(command[:2]), answer, "a candidate that FRR accepts")))


def _start(session: Session, commit: Commit) -> None:
    """By systemd, so that it outlives the session; without systemd by a process of its own."""
    unit = [f"--unit=slipway-apply-{commit.token}", "--on-active=0.2s", "--timer-property=AccuracySec=50ms"]
    answer = session.run(["systemd-run", "--collect", *unit, "/bin/sh", commit.file("apply")], root=True)
    if answer.status == 127 or "booted with systemd" in answer.out + answer.err:
        answer = session.run(["/bin/sh", "-c", _START_ALONE, "slipway-start", commit.file("apply")], root=True)
    if not answer.ok:
        confirm.disarm(session, commit.man)
        session.run(["rm", "-f", PENDING], root=True)
        raise CommitError(str(_said("start of frr-reload.py", answer, "a process that applies the candidate")))


@dataclass(frozen=True)
class _End:
    """How frr-reload.py ended. It also fails where it took a line away twice (a neighbour's, after the neighbour): what
    runs decides, not its status."""

    reasons: tuple[Reason, ...] = ()
    ended: bool = True


def _finished(session: Session, commit: Commit) -> _End:
    """Wait until frr-reload.py has ended, by sleeping over there."""
    for _ in range(int(APPLY_S / _LOOK_EVERY_S)):
        answer = session.run(["cat", commit.file("result")], root=True)
        if answer.ok:
            failed = Reason(
                "frr-reload.py",
                "an end with an error",
                "exit status 0",
                "See /var/log/frr/frr-reload.log on the router.",
            )
            return _End((failed,) if "failed" in answer.out else ())
        session.run(["sleep", f"{_LOOK_EVERY_S:g}"])
    return _End((Reason("frr-reload.py", f"no end after {APPLY_S:.0f} s", "its end"),), ended=False)


def confirmed(session: Session, commit: Commit) -> None:
    """Keep what runs: disarm, then write it to the startup file. Raises CommitConfirmException when it is too late."""
    late = confirm.disarm(session, commit.man)
    if late is not None:
        raise CommitConfirmException(str(late))
    save(session)
    session.run(["mv", PENDING, LAST], root=True)


def save(session: Session) -> None:
    answer = session.run(_WRITE_MEMORY, root=True)
    if not answer.ok or refusal(answer.out):
        raise CommitError(str(_said("write memory", answer, "the configuration saved")))


def put_back(session: Session, commit: Commit) -> Reason | None:
    """The configuration from before this commit, running and saved; a reason where it is not so. May be repeated."""
    session.run(["systemctl", "stop", f"{commit.man.unit}.timer"], root=True)
    _wait_for_timer(session, commit)
    before = session.run(["cat", commit.file("before")], root=True)
    if not before.ok or not before.out.strip():
        return Reason(commit.file("before"), "no such file", "the configuration from before the commit")
    answer = session.run(["/bin/sh", commit.file("revert")], timeout_s=APPLY_S, root=True)
    found = running(session)
    wrong = frr_change.change(before.out, found)
    if not answer.ok or wrong.gone or wrong.new:
        lines = "; ".join(wrong.lines)[:300] or " ".join((answer.err or answer.out).split())[:200]
        return Reason("configuration from before the commit", lines, "in force", "See /var/log/frr/frr-reload.log.")
    session.run(["rm", "-f", PENDING, LAST, *commit.everything()], root=True)
    return None


def _wait_for_timer(session: Session, commit: Commit) -> None:
    """A timer that fires at this very moment is let finish: two frr-reload.py at once refuse each other."""
    for _ in range(int(APPLY_S / _LOOK_EVERY_S)):
        answers = session.batch(
            {what: ["test", "-e", commit.man.file(what)] for what in ("reverting", "reverted")}, root=True
        )
        if not answers["reverting"].ok or answers["reverted"].ok:
            return
        session.run(["sleep", f"{_LOOK_EVERY_S:g}"])


def in_force(session: Session, commit: Commit) -> Reason | None:
    """None while what this commit made is what runs, drains aside; else taking it back would take more with it."""
    candidate = session.run(["cat", commit.file("candidate")], root=True)
    if candidate.ok and frr_change.digest(candidate.out) == frr_change.digest(running(session)):
        return None
    remedy = "Merge the opposite of the change instead."
    return Reason("running configuration", "changed since the last commit", "what that commit made", remedy)


def is_back(session: Session, commit: Commit) -> Reason | None:
    """None when what was there before this commit is what runs, drains aside; the mark of the commit goes then."""
    before = session.run(["cat", commit.file("before")], root=True)
    if not before.ok or frr_change.digest(before.out) != frr_change.digest(running(session)):
        remedy = "See /var/log/frr/frr-reload.log on the router; merge what is missing."
        wanted = "the configuration from before the commit that put itself back"
        return Reason("running configuration", "another one", wanted, remedy)
    session.run(["rm", "-f", PENDING, *commit.everything()], root=True)
    return None


def _said(subject: str, answer: Answer, wanted: str) -> Reason:
    text = refusal(answer.out) or refusal(answer.err) or " ".join((answer.err or answer.out).split())[:200]
    return Reason(subject, f"refused: {frr_change.redacted(text) or 'no text'}", wanted)
