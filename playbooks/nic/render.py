"""What is sent and written for queues and rings. Pure."""

import re
from collections.abc import Mapping

from playbooks.device_templates import render

UNIT = "slipway-nic.service"
FILE = f"/etc/systemd/system/{UNIT}"
ETHTOOL = "/usr/sbin/ethtool"
_ORDER = ("combined", "rx", "tx")
_LINE = re.compile(r"ExecStart=-(\S+ (-[LG]) ([A-Za-z0-9_.-]+)(?: (?:rx|tx|combined) \d+)+)")


def setting(option: str, interface: str, wanted: Mapping[str, int]) -> list[str]:
    """`ethtool -L eth1 rx 4 tx 4`; `option` is -L (queues) or -G (rings)."""
    words = [word for key in _ORDER if key in wanted for word in (key, str(wanted[key]))]
    return ["ethtool", option, interface, *words]


def unit_text(before: str, lines: Mapping[tuple[str, str], list[str]]) -> str:
    """The unit with these settings added to what it already sets. `lines`: (option, interface) -> argv."""
    kept = {(option, interface): line for line, option, interface in _LINE.findall(before)}
    wanted = {key: " ".join((ETHTOOL, *argv[1:])) for key, argv in lines.items()}
    merged = {**kept, **wanted}
    return render("slipway-nic.service.j2", {"commands": [merged[key] for key in sorted(merged)]})
