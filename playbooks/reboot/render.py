"""What a restart sends, as argument lists. Pure."""

BOOT_ID = ["cat", "/proc/sys/kernel/random/boot_id"]
UNIT_OF = {"frr": "frr", "bird": "bird"}  # routing suite -> systemd unit on Debian


def reboot(boot_id: str) -> list[str]:
    """Reboot in one second, so that the answer comes before the machine goes down.

    The unit's name holds the boot that is to end: systemd refuses a second one in the same boot while the first is
    pending, and no name of an earlier boot can be in the way. `--collect`: a failed one does not block a repetition.
    AccuracySec: systemd may otherwise fire a timer up to a minute late.
    """
    unit = f"slipway-reboot-{boot_id[:8]}"
    timer = ["--on-active=1s", "--timer-property=AccuracySec=100ms"]
    return ["systemd-run", "--collect", f"--unit={unit}", *timer, "systemctl", "reboot"]


def restart(unit: str) -> tuple[list[str], ...]:
    """Restart a service without waiting for it. Clears the start limit first: systemd refuses a unit that was started
    five times in ten seconds, and restarts of a drill add up (lab)."""
    return (["systemctl", "reset-failed", unit], ["systemctl", "restart", "--no-block", unit])


def show(unit: str) -> list[str]:
    return ["systemctl", "show", "-p", "LoadState,ActiveState,InvocationID,ActiveEnterTimestampMonotonic", unit]
