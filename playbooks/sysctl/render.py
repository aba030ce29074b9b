"""What is written and sent for kernel settings. Pure."""

from collections.abc import Mapping

# After the distribution's own 10 to 60 and before an operator's 99, which wins: a person's file is not overruled.
FILE = "/etc/sysctl.d/80-slipway.conf"


def file_text(settings: Mapping[str, str]) -> str:
    head = "# Written by Slipway: the settings of its changes, so that they last over a reboot.\n"
    return head + "".join(f"{key} = {value}\n" for key, value in sorted(settings.items()))


def read(key: str) -> list[str]:
    return ["sysctl", "-n", key]


def write(key: str, value: str) -> list[str]:
    return ["sysctl", "-w", f"{key}={value}"]
