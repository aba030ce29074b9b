"""The tables that birdc shows, as rows: protocols, OSPF neighbours, BFD sessions. Pure; no text makes it raise."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from playbooks.addresses import is_address

_HEADING = re.compile(r"(\S+)\s+([A-Z]\w*)\s+(\S+)\s+(up|start|down|stop|flush)\s+(\S+(?: \d\S*)?)(?:\s+(.*))?")
_ROUTES = re.compile(r"^\s+Routes:\s+(\d{1,12}) imported,(?: \d{1,12} filtered,)? (\d{1,12}) exported")
_NEIGHBOUR = re.compile(r"^(\d+\.\d+\.\d+\.\d+)\s+\d+\s+(\S+)\s+\S+\s+(\S+)\s+(\S+)")
_SESSION = re.compile(r"^(\S+)\s+(\S+)\s+(Up|Down|Init|AdminDown)\s")


@dataclass
class Protocol:
    """One protocol of `show protocols [all]`, with the lines below it."""

    name: str
    kind: str
    table: str
    state: str
    info: str
    lines: list[str] = field(default_factory=list)

    def value(self, key: str) -> str:
        """What stands behind `Key:`; "" where it is not there."""
        found = (line.partition(":") for line in self.lines)
        return next((v.strip() for k, _, v in found if k.strip() == key), "")

    def channels(self) -> list[tuple[str, list[str]]]:
        """Each channel with its lines; none of BIRD 1.6."""
        made: list[tuple[str, list[str]]] = []
        for line in self.lines:
            match = re.fullmatch(r"  Channel (\S+)", line.rstrip())
            if match:
                made.append((match[1], []))
            elif made:
                made[-1][1].append(line)
        return made

    @property
    def family(self) -> str:
        """What an OSPF protocol carries: by its channel, else its table, else IPv4."""
        names = [name for name, _ in self.channels()]
        six = "ipv6" in names or (not names and self.table.endswith("6"))
        return "ipv6" if six else "ipv4"


@dataclass(frozen=True)
class Neighbour:
    """A line of `show ospf neighbors`, with the protocol that it stands under."""

    protocol: str
    router_id: str
    state: str
    interface: str


def answered(text: str) -> bool:
    """Did BIRD itself answer (and not: the socket is not there, an error message)?"""
    return re.search(r"^BIRD \S+ ready\.$", text, re.MULTILINE) is not None


def not_running(text: str) -> bool:
    """Does birdc say that no BIRD listens?"""
    return "Unable to connect to server control socket" in text


def protocols(text: str) -> list[Protocol]:
    """Of `show protocols` or `show protocols all`."""
    found: list[Protocol] = []
    for line in text.splitlines():
        match = _HEADING.fullmatch(line.rstrip()) if line[:1].strip() else None
        if match:
            found.append(Protocol(match[1], match[2], match[3], match[4], (match[6] or "").strip()))
        elif found and line[:1].isspace():
            found[-1].lines.append(line)
    return found


def routes(lines: list[str]) -> tuple[int, int] | None:
    """Routes imported and exported, of the lines of a protocol or of a channel."""
    found = next((m for line in lines if (m := _ROUTES.match(line))), None)
    return (int(found[1]), int(found[2])) if found else None


def neighbours(text: str) -> tuple[list[Neighbour], frozenset[str]]:
    """Of `show ospf neighbors`, and the protocols that it has a heading for."""
    made: list[Neighbour] = []
    headings: list[str] = []
    for line in text.splitlines():
        if match := re.fullmatch(r"(\S+):", line.strip()):
            headings.append(match[1])
        elif headings and (match := _NEIGHBOUR.match(line)):
            made.append(Neighbour(headings[-1], match[1], match[2], match[3]))
    return made, frozenset(headings)


def bfd(text: str) -> Mapping[str, str] | None:
    """Of `show bfd sessions`: PEER%INTERFACE > state in lower case. None where it is no such table."""
    if "There is no BFD protocol running" in text:
        return {}
    lines = (m for line in text.splitlines() if (m := _SESSION.match(line)))
    found = [m for m in lines if is_address(m[1].partition("%")[0])]
    if not found and "IP address" not in text:
        return None
    return {f"{m[1].partition('%')[0]}%{m[2]}": m[3].lower() for m in found}
