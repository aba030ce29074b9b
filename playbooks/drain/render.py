"""What the drain sends to a device, as argument lists and file texts. Pure."""

import re
from collections.abc import Iterable, Mapping

from playbooks.drain.parse import MAX_COST
from playbooks.drain.state import Switch
from playbooks.vtysh import argv

BIRD_FILE = "/etc/bird/slipway-drain.conf"
BIRD_CONSTANTS: Mapping[str, str] = {"bgp": "SLIPWAY_DRAIN_BGP", "igp": "SLIPWAY_EXTRA_COST"}  # group -> name
# Added to the operator's own cost of every interface. BIRD refuses a cost above 65535 ("Cost must be in range
# 1-65535"), so this leaves room for costs of up to 5535 and is still far above any path of links that carry traffic.
BIRD_EXTRA_COST = 60_000

_ON = {
    "bgp": "bgp graceful-shutdown",
    "ospf": "max-metric router-lsa administrative",
    "ospf6": f"ipv6 ospf6 cost {MAX_COST}",
    "isis": "set-overload-bit",
}


def drain_lines(switches: Iterable[Switch]) -> tuple[str, ...]:
    """Configuration lines that drain these switches, each in its block."""
    return _in_blocks((switch, _ON[switch.protocol]) for switch in switches)


def undrain_lines(switches: Iterable[Switch]) -> tuple[str, ...]:
    """Configuration lines that put back what stood in place of the drain: the earlier cost, or nothing."""
    return _in_blocks((switch, switch.was or f"no {_ON[switch.protocol]}") for switch in switches)


def _in_blocks(pairs: Iterable[tuple[Switch, str]]) -> tuple[str, ...]:
    return tuple(line for switch, setting in pairs for line in (switch.where, setting, "exit"))


def vtysh_configure(lines: Iterable[str]) -> list[str]:
    """One vtysh invocation for all lines, so that a drain is one moment and not five."""
    return argv("configure terminal", *lines, "end")


def shown(argv_: Iterable[str]) -> str:
    """A vtysh invocation as a person would type it: its lines, without the program."""
    return " / ".join(line for line in list(argv_)[1:] if line != "-c")


_DEFINE = re.compile(r"^(\s*define\s+(SLIPWAY_[A-Z_]+)\s*=\s*)([A-Za-z0-9]{1,10})(\s*;)", re.MULTILINE)


def bird_constants(text: str) -> Mapping[str, str]:
    """The constants that a file defines, as they are written there."""
    return {name: literal for _, name, literal, _ in _DEFINE.findall(text)}


def bird_file(text: str, wanted: Mapping[str, str]) -> str:
    """The file with these constants set, everything else in it as it is."""
    written = _DEFINE.sub(lambda m: f"{m[1]}{wanted.get(m[2], m[3])}{m[4]}", text)
    missing = [name for name in sorted(wanted) if name not in bird_constants(text)]
    return written + "".join(f"define {name} = {wanted[name]};\n" for name in missing)


def bird_values(switches: Iterable[Switch], *, drain: bool) -> Mapping[str, str]:
    """Constant -> literal that drains these switches, or puts back what was there."""
    drained = {"bgp": "true", "igp": str(BIRD_EXTRA_COST)}
    return {s.where: drained[s.group.value] if drain else s.was for s in switches}
