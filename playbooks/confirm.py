"""Commit-confirm for what can cut off the way in: the device puts itself back unless it is confirmed in time.

Armed before the change, disarmed over a connection that was made after it. A timer of systemd does it, without us and
without the session that set it; over a reboot it is a unit that counts from the next boot. Without systemd, a process.
What lies on the disk as well is armed both ways: a machine that crashes of it must not come up with it for good.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fleet.core.model import Json, Reason
from playbooks.base import Answer, Look, Refused, Seen, Session, Step, write

STATE = "/var/lib/slipway"
UNITS = "/etc/systemd/system"
AGAIN_S = 0.5  # until the visit that confirms; what cuts off the way in does so at once
_NO_SYSTEMD = (
    'setsid /bin/sh -c \'sleep "$2"; [ -e "$1" ] && /bin/sh "$1"\' slipway-wait "$1" "$2" </dev/null >/dev/null 2>&1 &'
)


@dataclass(frozen=True)
class DeadMan:
    """One armed device: `token` names its files and its units."""

    token: str

    @property
    def unit(self) -> str:
        return f"slipway-confirm-{self.token}"

    @property
    def boot_unit(self) -> str:
        """Counts from the boot after one that nobody asked for."""
        return f"{self.unit}-boot"

    def file(self, what: str) -> str:
        return f"{STATE}/confirm-{self.token}.{what}"


def script(man: DeadMan, revert: Sequence[Sequence[str]]) -> str:
    """What puts the device back: every command is tried, whatever became of the one before. Pure."""
    lines = [f"{shlex.join(argv)} >> {man.file('log')} 2>&1" for argv in revert]
    return "\n".join(
        (
            "# Written by Slipway. Runs when a change was not confirmed over a new connection in time.",
            f"echo reverting > {man.file('reverting')}",
            f"sync {man.file('reverting')}",
            f"systemctl disable {man.unit}.timer",
            f"systemctl disable {man.boot_unit}.timer",
            f"rm -f {UNITS}/{man.boot_unit}.timer {UNITS}/{man.boot_unit}.service",
            *lines[:-1],
            f"echo reverted > {man.file('reverted')}",
            "sync",
            *lines[-1:],  # last, because it may be a reboot
            "",
        )
    )


def boot_units(man: DeadMan, within_s: float) -> tuple[str, str]:
    """Timer and service that count from the next boot."""
    timer = (
        "# Written by Slipway: puts the device back unless it is confirmed.\n[Unit]\nDescription=Slipway confirm\n"
        f"[Timer]\nOnBootSec={within_s:g}s\nAccuracySec=1s\n[Install]\nWantedBy=timers.target\n"
    )
    service = f"[Service]\nType=oneshot\nExecStart=/bin/sh {man.file('script')}\n"
    return timer, service


def arm(
    session: Session,
    man: DeadMan,
    revert: Sequence[Sequence[str]],
    *,
    within_s: float,
    over_reboot: bool = False,
    lasting: bool = False,
) -> None:
    """Arm the device; twice is as once. `within_s`: from now, or from the next boot. Raises Refused.

    `revert`: what puts it back, in order; the last one may be a reboot. `lasting`: the change will be there after a
    boot too, so a boot that nobody asked for starts the time anew (where there is a systemd to count it).
    """
    write(session, man.file("script"), script(man, revert), mode="0600")
    if over_reboot:
        answer = _at_boot(session, man, man.unit, within_s)
    else:
        if lasting:
            _at_boot(session, man, man.boot_unit, within_s)
        when = [f"--on-active={within_s:g}s", "--timer-property=AccuracySec=100ms"]
        argv = ["systemd-run", "--collect", f"--unit={man.unit}", *when, "/bin/sh", man.file("script")]
        answer = session.run(argv, root=True)
        if answer.status == 127 or "booted with systemd" in answer.out + answer.err:
            argv = ["/bin/sh", "-c", _NO_SYSTEMD, "slipway-arm", man.file("script"), f"{within_s:g}"]
            answer = session.run(argv, root=True)
    if not answer.ok and "already loaded" not in answer.out + answer.err:
        said = " ".join((answer.err or answer.out).split())[:200]
        remedy = "The change was not begun: a device that cannot put itself back is not cut off."
        raise Refused(Reason(f"commit-confirm on {session.device.name}", f"refused: {said}", "an armed device", remedy))


def _at_boot(session: Session, man: DeadMan, unit: str, within_s: float) -> Answer:
    timer, service = boot_units(man, within_s)
    write(session, f"{UNITS}/{unit}.service", service)
    write(session, f"{UNITS}/{unit}.timer", timer)
    said = {"reload": ["systemctl", "daemon-reload"], "enable": ["systemctl", "enable", f"{unit}.timer"]}
    return session.batch(said, root=True)["enable"]


def fired(session: Session, man: DeadMan) -> bool:
    """Has the device begun to put itself back?"""
    return session.run(["test", "-e", man.file("reverting")], root=True).ok


def reverting(session: Session, man: DeadMan) -> bool:
    """Has it begun to, and not said that it has? A revert that takes its time is waited for, not run beside."""
    asked = {what: ["test", "-e", man.file(what)] for what in ("reverting", "reverted")}
    answers = session.batch(asked, root=True)
    return answers["reverting"].ok and not answers["reverted"].ok


def files_back(session: Session, man: DeadMan, files: Mapping[str, str | None]) -> list[list[str]]:
    """The commands that put files back as they are here; None: there is none. Their texts are left on the device.

    Raises Refused: what cannot be put back is not changed.
    """
    commands: list[list[str]] = []
    for number, (path, text) in enumerate(files.items()):
        if text is None:
            commands.append(["rm", "-f", path])
        else:
            write(session, man.file(f"file{number}"), text)
            commands.append(["cp", man.file(f"file{number}"), path])
    return commands


def armed(session: Session, man: DeadMan) -> bool:
    """Will the device still put itself back? False once it has begun to."""
    asked = {"script": ["test", "-e", man.file("script")], "fired": ["test", "-e", man.file("reverting")]}
    answers = session.batch(asked, root=True)
    return answers["script"].ok and not answers["fired"].ok


def disarm(session: Session, man: DeadMan) -> Reason | None:
    """Confirm: the device keeps what it has. A reason when it was too late, or when the device still is armed.

    The session must have been made after the change. Files go last: a process without systemd looks for its script.
    """
    units = (man.unit, man.boot_unit)
    timer = {f"{verb}-{unit}": ["systemctl", verb, f"{unit}.timer"] for unit in units for verb in ("stop", "disable")}
    if session.batch({**timer, "fired": ["test", "-e", man.file("reverting")]}, root=True)["fired"].ok:
        return Reason(
            f"confirmation of {session.device.name}", "the device has begun to put itself back",
            "a confirmation in time", "Give more time with `confirm`, or see what in the change cut it off.",
        )  # fmt: skip
    files = [man.file("script"), *(f"{UNITS}/{unit}.{what}" for unit in units for what in ("timer", "service"))]
    last = {"rm": ["rm", "-f", *files], "reload": ["systemctl", "daemon-reload"], "left": ["test", "-e", files[0]]}
    if session.batch(last, root=True)["left"].ok:
        return Reason(f"commit-confirm on {session.device.name}", "still armed", "disarmed", "It is tried again.")
    return None


def of(step: Step) -> DeadMan | None:
    """The dead man of a step whose artifact has a token; None for one that was captured without."""
    token = (step.artifact or {}).get("token")
    return DeadMan(token) if isinstance(token, str) and token.isalnum() else None


def still_armed(session: Session, step: Step) -> tuple[Reason, ...]:
    """A device that is as before and would still put itself back would undo what comes after this step."""
    man = of(step)
    if man is None or not armed(session, man):
        return ()
    return (Reason(f"commit-confirm of {step.verb} on {step.device.name}", "still armed", "disarmed"),)


def put_back(session: Session, step: Step) -> Look | None:
    """The look at a device that has put itself back, because nobody came in within the time; None: it has not."""
    man = of(step)
    if man is None or not fired(session, man):
        return None
    reason = Reason(
        f"{step.verb} on {step.device.name}", "the device has put itself back: nobody came in within the time",
        "a device that can be reached with it", "See what in the change cuts off the way in.",
    )  # fmt: skip
    return Look(Seen.IMPOSSIBLE, (reason,), {**step.progress, "put_back": True})


def confirmed(session: Session, step: Step, data: Mapping[str, Json]) -> Look:
    """What is left of a step whose device is as wanted: DONE once it is confirmed over a connection of its own.

    The visit that acted has an old connection. It asks to be visited again; the verb has to be in
    `registry.OWN_CONNECTION`. A device with a second address has to be reached at the one at which the step was carried
    out: a change that cut that off is not confirmed because the other still answers.
    """
    man = of(step)
    if man is None:
        return Look(Seen.DONE, (), data)
    here = getattr(session, "address", "")
    way = step.progress.get("way", here)
    data = {**data, "way": way} if way else data
    if step.progress.get("reached") is not True:
        return Look(Seen.WAITING, (), {**data, "reached": True}, after_s=AGAIN_S)
    if way != here:
        wanted, remedy = f"an answer at {way}", "Not confirmed: the device puts itself back when its time is over."
        reason = Reason(f"way in to {step.device.name}", f"reached at {here} alone", wanted, remedy)
        return put_back(session, step) or Look(Seen.WAITING, (reason,), {**data, "reached": True}, after_s=AGAIN_S)
    late = disarm(session, man)
    if late is None:
        return Look(Seen.DONE, (), data)
    return put_back(session, step) or Look(Seen.WAITING, (late,), {**data, "reached": True}, after_s=AGAIN_S)
