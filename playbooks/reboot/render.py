"""What a restart sends, as argument lists. Pure."""

UNIT_OF = {"frr": "frr", "bird": "bird"}  # routing suite -> systemd unit on Debian


def restart(unit: str) -> tuple[list[str], ...]:
    """Restart a service without waiting for it. Clears the start limit first: systemd refuses a unit that was started
    five times in ten seconds, and restarts of a drill add up (lab)."""
    return (["systemctl", "reset-failed", unit], ["systemctl", "restart", "--no-block", unit])


def show(unit: str) -> list[str]:
    return ["systemctl", "show", "-p", "LoadState,ActiveState,InvocationID,ActiveEnterTimestampMonotonic", unit]
