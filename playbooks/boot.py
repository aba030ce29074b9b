"""Reboots that happen exactly once: the id that tells one boot from the next, the order that names its boot."""

import re

from fleet.core.model import Reason
from playbooks.base import Refused, Session

BOOT_ID = ["cat", "/proc/sys/kernel/random/boot_id"]
_BOOT_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def boot_id(text: str) -> str | None:
    """The kernel's boot id, new with every boot; None for anything else."""
    stripped = text.strip()
    return stripped if _BOOT_ID.fullmatch(stripped) else None


def unit(ends: str) -> str:
    """The unit that ends a boot. Its name holds that boot, so that no name of an earlier boot can be in the way."""
    return f"slipway-reboot-{ends[:8]}"


def reboot(ends: str, *, command: tuple[str, ...] = ("systemctl", "reboot")) -> list[str]:
    """Reboot in one second, so that the answer comes before the machine goes down.

    systemd refuses a second order in the same boot while the first is pending. `--collect`: a failed one does not block
    a repetition. AccuracySec: systemd may otherwise fire a timer up to a minute late. `command`: what ends the boot,
    where a warm reboot is not enough.
    """
    timer = ["--on-active=1s", "--timer-property=AccuracySec=100ms"]
    return ["systemd-run", "--collect", f"--unit={unit(ends)}", *timer, *command]


def pending(ends: str) -> list[str]:
    """Is the order still under way? Exit status 0 while it is."""
    return ["systemctl", "is-active", f"{unit(ends)}.timer", f"{unit(ends)}.service"]


def order(session: Session, ends: str, *, timeout_s: float, command: tuple[str, ...] = ("systemctl", "reboot")) -> None:
    """Have this boot end. An order that is pending already is what is wanted. Raises Refused."""
    answer = session.run(reboot(ends, command=command), timeout_s=min(20.0, timeout_s), root=True)
    if not answer.ok and "already loaded" not in answer.out + answer.err:
        said = " ".join((answer.err or answer.out).split())[:200]
        remedy = "See whether the login may run systemd-run as root."
        raise Refused(Reason(f"reboot of {session.device.name}", f"refused: {said}", "a reboot in one second", remedy))


def free_bytes(text: str) -> int | None:
    """`df --output=avail -B1 PATH`."""
    rows = text.split()
    return int(rows[-1]) if len(rows) == 2 and rows[-1].isdecimal() and len(rows[-1]) < 20 else None


def room(session: Session, path: str, *, least: int, remedy: str) -> tuple[Reason, ...]:
    """Why the file system of `path` has no room for another kernel or image of `least` bytes; empty: it has."""
    answer = session.run(["df", "--output=avail", "-B1", path])
    free = free_bytes(answer.out) if answer.ok else None
    if free is not None and free >= least:
        return ()
    found = "cannot tell" if free is None else f"{free >> 20} MiB free"
    return (Reason(f"disk of {session.device.name} at {path}", found, f"{least >> 20} MiB", remedy),)
