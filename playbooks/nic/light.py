"""The small look that samples are made of: memory, CPU time, what was carried and lost. One round trip."""

import json
import re
from collections.abc import Mapping

from playbooks.base import Answer, Session

_COMMANDS: dict[str, list[str]] = {
    "boot_id": ["cat", "/proc/sys/kernel/random/boot_id"],
    "meminfo": ["cat", "/proc/meminfo"],
    "stat": ["cat", "/proc/stat"],
    "counters": ["ip", "-j", "-s", "link", "show"],
}
_KB = re.compile(r"^(SUnreclaim|MemTotal|MemAvailable):\s+(\d{1,15}) kB$", re.MULTILINE)
_CPU = re.compile(r"^cpu((?: +\d{1,20}){7,10}) *$", re.MULTILINE)


def look(session: Session) -> tuple[str, dict[str, float]]:
    """Boot and metrics of a device now. Raises as `Session.batch`."""
    return metrics(session.batch(_COMMANDS, timeout_s=30.0))


def metrics(answers: Mapping[str, Answer]) -> tuple[str, dict[str, float]]:
    """Boot id and what was told of: slab, memory (kB in use), cpu (busy ticks), bits, packets, lost, errors.

    The last five are counters: of all interfaces but lo and those on top of others, received.
    """
    out = {name: answer.out for name, answer in answers.items() if answer.ok}
    kb = {name: int(value) for name, value in _KB.findall(out.get("meminfo", ""))}
    made: dict[str, float] = {}
    if "SUnreclaim" in kb:
        made["slab"] = float(kb["SUnreclaim"])
    if "MemTotal" in kb and "MemAvailable" in kb:
        made["memory"] = float(kb["MemTotal"] - kb["MemAvailable"])
    if (row := _CPU.search(out.get("stat", ""))) is not None:
        ticks = [int(n) for n in row[1].split()]
        made["cpu"] = float(sum(ticks[:8]) - ticks[3] - ticks[4])  # without idle and iowait
    made |= _carried(out.get("counters", ""))
    return out.get("boot_id", "").strip()[:12], made


def _carried(text: str) -> dict[str, float]:
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    made = {"bits": 0.0, "packets": 0.0, "lost": 0.0, "errors": 0.0}
    told = False
    for row in rows if isinstance(rows, list) else []:
        if not isinstance(row, Mapping) or row.get("ifname") == "lo" or "link" in row:
            continue
        stats = row.get("stats64") or row.get("stats")
        received = stats.get("rx") if isinstance(stats, Mapping) else None
        if not isinstance(received, Mapping):
            continue
        numbers = {k: _number(received.get(k)) for k in ("bytes", "packets", "dropped", "errors", "missed_errors")}
        told = True
        made["bits"] += 8 * numbers["bytes"]
        made["packets"] += numbers["packets"]
        made["lost"] += numbers["missed_errors"] + numbers["dropped"]
        made["errors"] += numbers["errors"]
    return made if told else {}


def _number(value: object) -> float:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**64 else 0.0
