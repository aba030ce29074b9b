"""What the drain sends to a device, as argument lists and file texts. Pure."""

import re
from collections.abc import Iterable, Mapping

from playbooks.drain.parse import MAX_COST, OWN_EXIT_WEIGHT
from playbooks.drain.state import Stage, Switch
from playbooks.vtysh import argv

BIRD_FILE = "/etc/bird/slipway-drain.conf"
BIRD_CONSTANTS: Mapping[str, str] = {"bgp": "SLIPWAY_DRAIN_BGP", "igp": "SLIPWAY_EXTRA_COST"}  # group -> name
# Added to the operator's own cost of every interface. BIRD refuses a cost above 65535 ("Cost must be in range
# 1-65535"), so this leaves room for costs of up to 5535 and is still far above any path of links that carry traffic.
BIRD_EXTRA_COST = 60_000

_ON = {
    "bgp": "bgp graceful-shutdown",
    "ospf": "max-metric router-lsa administrative",
    "isis": "set-overload-bit",
}
_COST = {"ospf-cost": "ip ospf cost", "ospf6": "ipv6 ospf6 cost"}


def frr_lines(stage: Stage, switches: Iterable[Switch]) -> tuple[str, ...]:
    """Configuration lines that bring FRR to a stage, each in its block. Those of a stage back also leave the drain."""
    made: list[str] = []
    for switch in switches:
        line = _frr_line(stage, switch)
        if line:
            blocks = switch.where.split(" / ")
            inner = ["exit-address-family"] if len(blocks) > 1 else []
            made += [*blocks, line, *inner, "exit"]
    return tuple(made)


def _frr_line(stage: Stage, switch: Switch) -> str:
    at_the_end = stage.on and not stage.extra
    match switch.protocol:
        case "weight":
            weight = f"neighbor {switch.subject} weight {OWN_EXIT_WEIGHT}"
            return weight if stage.on else switch.was or f"no {weight}"
        case "ospf-cost" | "ospf6" as protocol:
            word = _COST[protocol]
            if stage.extra:
                return f"{word} {min(switch.base + stage.extra, MAX_COST - 1)}"
            if stage.on:
                # At the end maximum metric says it for OSPF; the interface keeps the cost of the step before.
                return f"{word} {MAX_COST}" if protocol == "ospf6" else ""
            return switch.was or f"no {word}"
        case _:
            if stage.on and not at_the_end:
                return ""
            return f"{'' if stage.on else 'no '}{_ON[switch.protocol]}"


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


def bird_values(stage: Stage, switches: Iterable[Switch]) -> Mapping[str, str]:
    """Constant -> literal that brings BIRD to a stage."""
    made: dict[str, str] = {}
    for switch in switches:
        if switch.group.value == "bgp":
            made[switch.where] = "true" if stage.on else switch.was
        elif stage.extra:
            made[switch.where] = str(switch.base + stage.extra)
        else:
            made[switch.where] = str(BIRD_EXTRA_COST) if stage.on else switch.was
    return made
