"""What the routers' recorders wrote, as a journal that lab.sim.oracle reads: what reached a router, what it changed,
whether it was drained and converged then. Pure.

    reader = Reader()
    entries = reader.entries(raw)        raw: lines of recorder.py, each with its "router"; reboots; accidents

A change is what the router's state shows, before and after a request; what a router did by itself (a timer, a boot)
stands with the next request that reached it.
"""

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Raw = Mapping[str, Any]

# From this cost on a link of the ring is the last resort (playbooks/drain: 65535 or, to be told anew, 65534; BIRD:
# 60,000 beside the operator's own).
LAST_RESORT = 50_000
_COST6 = re.compile(r"(interface \S+) / ipv6 ospf6 cost (\d+)")
_EXTRA = re.compile(r"define SLIPWAY_EXTRA_COST = (\d+);")


@dataclass
class _Seen:
    """What is known of one router."""

    state: Mapping[str, Any] | None = None
    lines: frozenset[str] = frozenset()
    usual: frozenset[str] = frozenset()  # sessions that it had before it was disrupted
    sessions: frozenset[str] = frozenset()


@dataclass
class Reader:
    """Goes on from what it read before."""

    seq: int = 0
    _routers: dict[str, _Seen] = field(default_factory=dict)

    def entries(self, raw: Iterable[Raw]) -> list[dict[str, Any]]:
        """In the order of time."""
        made = []
        for line in sorted(raw, key=lambda r: r["mono"]):
            seen = self._routers.setdefault(line["router"], _Seen())
            match line["event"]:
                case "halt":
                    made += self._halt(line, seen)
                case "accident":
                    made.append(self._entry(line, seen, event="accident", panic=True))
                    if seen.state is not None:  # what systemd starts again is nobody's restart
                        seen.state = {**seen.state, "unit": ""}
                case _:
                    made += self._request(line, seen)
        return made

    def _halt(self, line: Raw, seen: _Seen) -> list[dict[str, Any]]:
        seen.usual = seen.sessions or seen.usual
        more = {"panic": True} if line.get("accident") else {"changes": ["reboot"], "mutated": True}
        return [self._entry(line, seen, event="halt", **more)]

    def _request(self, line: Raw, seen: _Seen) -> list[dict[str, Any]]:
        changes = _take(seen, line["state"])
        found = frozenset(line["state"]["sessions"])
        if any(c.endswith(" restarted") for c in changes):
            seen.usual = seen.sessions or seen.usual
        seen.sessions = found
        converged = bool(found) and found >= seen.usual
        argvs = commands(line) or [[line["event"]]]
        made = [self._entry(line, seen, event="command", argv=argv, converged=converged) for argv in argvs]
        made[-1] |= {"changes": changes, "mutated": True} if changes else {}
        return made

    def _entry(self, line: Raw, seen: _Seen, **more: Any) -> dict[str, Any]:
        self.seq += 1
        stamped = {key: line[key] for key in ("mono", "wall", "router") if key in line}
        return {"seq": self.seq, **stamped, "t": line["mono"], "drained": drained(seen.lines), **more}


def commands(line: Raw) -> list[Sequence[str]]:
    """The argument lists that a request brought: one, or each of a batch (playbooks/wire.py)."""
    if line.get("event") != "command" or not line.get("command"):
        return []
    if line.get("script"):
        words = [_words(text) for text in line["script"].splitlines() if text.startswith(("b ", "bi "))]
        return [said[2:] for said in words if len(said) > 2]
    said = _words(line["command"])
    said = said[2:] if said[:2] == ["sudo", "-n"] else said
    return [["put", *said[-2:]]] if "slipway-put" in said else [said] if said else []


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _take(seen: _Seen, now: Mapping[str, Any]) -> list[str]:
    """Learn how the router is; what changed since it was seen last."""
    was, seen.state = seen.state, now
    lines = seen.lines
    if now["config"]:
        lines = frozenset(configured(now["config"]))
    if was is None:
        seen.lines, seen.usual = lines, frozenset(now["sessions"])
        return []
    before, seen.lines = seen.lines, lines
    made = _differing(before, lines)
    if now["unit"] and was["unit"] and now["boot"] == was["boot"] and now["unit"] != was["unit"]:
        made.insert(0, f"{now['suite']} restarted")
    if now["setting"] != was["setting"]:
        made.append(f"sysctl {was['setting']} -> {now['setting']}")
    for nic, count in now["channels"].items():
        if count != was["channels"].get(nic, count) and now["boot"] == was["boot"]:
            made.append(f"channels {nic} {was['channels'][nic]} -> {count}")
    if not now["unit"]:  # between two units: what it was still counts when the next one is seen
        seen.state = {**now, "unit": was["unit"]}
    return made


def _differing(before: frozenset[str], after: frozenset[str]) -> list[str]:
    """From one prohibitive cost of BIRD to another is no drain and no undrain."""
    gone, come = sorted(before - after), sorted(after - before)
    costs = [int(m[1]) for line in (*gone, *come) if (m := _EXTRA.search(line))]
    if len(costs) == 2 and min(costs) >= LAST_RESORT:
        gone, come = ([_EXTRA.sub(r"extra cost \1", line) for line in some] for some in (gone, come))
    return [*(f"- {line}" for line in gone), *(f"+ {line}" for line in come)]


def configured(text: str) -> list[str]:
    """Every line with the blocks it stands in, as `router bgp 65000 / bgp graceful-shutdown`."""
    made, above = [], list[tuple[int, str]]()
    for raw in text.splitlines():
        line = raw.strip()
        if not line or line.startswith(("!", "#", "exit", "Current configuration", "Building ")):
            continue
        indent = len(raw) - len(raw.lstrip())
        above = [pair for pair in above if pair[0] < indent]
        made.append(" / ".join([*(said for _, said in above), line]))
        above.append((indent, line))
    return made


def drained(lines: Iterable[str]) -> list[str]:
    """Which of BGP, OSPF and OSPFv3 are drained by this configuration."""
    found, costs, links = set(), dict[str, int](), set[str]()
    for line in lines:
        if line.endswith("bgp graceful-shutdown") or line == "define SLIPWAY_DRAIN_BGP = true;":
            found.add("bgp")
        elif line.endswith("max-metric router-lsa administrative"):
            found.add("igp4")
        elif match := _COST6.fullmatch(line):
            costs[match[1]] = int(match[2])
        elif line.endswith(" / ipv6 ospf6 area 0") and not line.startswith("interface lo "):
            links.add(line.partition(" / ")[0])
        elif (match := _EXTRA.fullmatch(line)) and int(match[1]) >= LAST_RESORT:
            found |= {"igp4", "igp6"}
    if links and all(costs.get(link, 0) >= LAST_RESORT for link in links):
        found.add("igp6")
    return sorted(found)
