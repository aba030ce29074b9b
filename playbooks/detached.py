"""Work on a device that outlives the connection that began it: a script, its output and its end on file.

A flash, a build or a package manager must not be cut off because a connection is: it runs under systemd (or as a plain
process where there is none), writes down in which boot it began and how it ended, and whoever asks later is told.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from fleet.core.model import Reason
from playbooks import boot
from playbooks.base import Look, Refused, Seen, Session, Step

STATE = "/var/lib/slipway"
AGAIN_S = 5.0  # between two looks at work that takes minutes
_OUTPUT = "6000"  # bytes of the output's end that are brought back
# `setsid` leaves the session of sshd, so that its end does not end this.
_NO_SYSTEMD = 'setsid /bin/sh "$1" </dev/null >/dev/null 2>&1 &'


class Stage(StrEnum):
    """Where a job stands."""

    NEVER = "never begun"
    RUNNING = "running"
    ENDED = "ended"
    CUT_OFF = "cut off"  # begun, no end on record, and nothing is at work
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Job:
    """One piece of work: `kind` and `token` name its files and its unit."""

    kind: str
    token: str

    def file(self, what: str) -> str:
        return f"{STATE}/{self.kind}-{self.token}.{what}"

    @property
    def unit(self) -> str:
        return f"slipway-{self.kind}-{self.token}"


@dataclass(frozen=True)
class Progress:
    """What is known of a job. `status`: of its end; `out`: the end of its output; `other_boot`: it began in another."""

    stage: Stage
    status: int | None = None
    out: str = ""
    other_boot: bool = False

    @property
    def ok(self) -> bool:
        return self.stage is Stage.ENDED and self.status == 0

    @property
    def words(self) -> str:
        """The last line that says something, for people."""
        lines = [" ".join(line.split()) for line in self.out.splitlines() if line.strip()]
        return lines[-1][:200] if lines else "no output"


def script(job: Job, commands: Sequence[Sequence[str]]) -> str:
    """What the device runs: the commands until one fails, and the status of the last that ran. Pure."""
    out = job.file("out")
    chain = " && ".join(f"{shlex.join(argv)} >> {out} 2>&1" for argv in commands)
    return (
        "# Written by Slipway. Runs without a connection; how it ended is on file.\n"
        f"cat /proc/sys/kernel/random/boot_id > {job.file('begun')}\n"
        f"sync {job.file('begun')}\n"
        f"{chain}\n"
        f"echo $? > {job.file('ending')}\n"
        f"sync {job.file('ending')}\n"
        f"mv {job.file('ending')} {job.file('ended')}\n"
    )


def start(session: Session, job: Job, commands: Sequence[Sequence[str]], *, timeout_s: float) -> None:
    """Have the device begin in a second. A job that was begun already is left alone. Raises Refused."""
    if look(session, job, timeout_s=timeout_s).stage is not Stage.NEVER:
        return
    path = job.file("script")
    written = session.put(path, script(job, commands), mode="0600")
    if not written.ok:
        raise Refused(_refused(session, job, written.err or written.out))
    timer = ["--on-active=1s", "--timer-property=AccuracySec=100ms"]
    argv = ["systemd-run", "--collect", f"--unit={job.unit}", *timer, "/bin/sh", path]
    answer = session.run(argv, timeout_s=min(20.0, timeout_s), root=True)
    said = answer.out + answer.err
    if answer.status == 127 or "booted with systemd" in said:
        argv = ["/bin/sh", "-c", _NO_SYSTEMD, "slipway-detach", path]
        answer = session.run(argv, timeout_s=min(20.0, timeout_s), root=True)
    elif "already loaded" in said:
        return
    if not answer.ok:
        raise Refused(_refused(session, job, answer.err or answer.out))


def look(session: Session, job: Job, *, timeout_s: float = 20.0) -> Progress:
    """Where a job stands, in one round trip. What is at work is asked before what has ended: no end is missed."""
    asked = {
        "waits": ["systemctl", "is-active", f"{job.unit}.timer"],
        "works": ["pgrep", "-f", job.file("script")],
        "boot": boot.BOOT_ID,
        "begun": ["cat", job.file("begun")],
        "ended": ["cat", job.file("ended")],
        "out": ["tail", "-c", _OUTPUT, job.file("out")],
    }
    answers = session.batch(asked, timeout_s=timeout_s, root=True)
    if not asked.keys() <= answers.keys():
        return Progress(Stage.UNKNOWN)
    ended, begun = answers["ended"], answers["begun"]
    out = answers["out"].out if answers["out"].ok else ""
    now = boot.boot_id(answers["boot"].out)
    then = boot.boot_id(begun.out) if begun.ok else None
    other = now is not None and then is not None and now != then
    if ended.ok and (number := ended.out.strip()).isdecimal() and len(number) < 4:
        return Progress(Stage.ENDED, int(number), out, other)
    if answers["works"].ok or answers["waits"].out.strip() in {"active", "activating"}:
        return Progress(Stage.RUNNING, None, out)
    if now is None:
        return Progress(Stage.UNKNOWN, None, out)
    return Progress(Stage.CUT_OFF if begun.ok else Stage.NEVER, None, out, other)


def _refused(session: Session, job: Job, said: str) -> Reason:
    return Reason(
        f"{job.kind} on {session.device.name}", f"refused: {' '.join(said.split())[:200]}", "a job that begins",
        "See whether the login may write below /var/lib/slipway and run systemd-run as root.",
    )  # fmt: skip


def going(seen: Progress, step: Step, what: str) -> Look | None:
    """What a job's standing means for its step while it is not well over; None when it is."""
    match seen.stage:
        case Stage.ENDED if seen.status == 0:
            return None
        case Stage.RUNNING | Stage.UNKNOWN:
            return Look(Seen.WAITING, (), {**step.progress, "doing": what}, after_s=AGAIN_S)
        case Stage.NEVER:
            return Look(Seen.NOT_DONE, (not_well(seen, step, what),), step.progress)
        case _:
            return Look(Seen.IMPOSSIBLE, (not_well(seen, step, what),), step.progress)


def not_well(seen: Progress, step: Step, what: str) -> Reason:
    """Why a job is not done: not begun, cut off, or how it ended."""
    found = {
        Stage.NEVER: "not begun",
        Stage.CUT_OFF: "begun and cut off" + (" by a restart of the machine" if seen.other_boot else ""),
        Stage.ENDED: f"exit status {seen.status}: {seen.words}",
    }.get(seen.stage, str(seen.stage))
    return Reason(f"{what} on {step.device.name}", found, "exit status 0")
