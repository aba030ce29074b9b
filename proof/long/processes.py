"""What processes hold, from /proc: memory, file descriptors, sockets, threads of a process with all that it started."""

import os
from pathlib import Path
from typing import Any

TICKS = os.sysconf("SC_CLK_TCK")
PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 2**20


def parents() -> dict[int, int]:
    """Parent of every process."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                found[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue  # gone meanwhile
    return found


def below(root: int, of: dict[int, int] | None = None) -> set[int]:
    """A process and all below it."""
    known = parents() if of is None else of
    found, new = {root}, {root}
    while new:
        new = {pid for pid, parent in known.items() if parent in new} - found
        found |= new
    return found


def held(root: int, of: dict[int, int]) -> dict[str, Any]:
    """`boot` names the processes: others are another piece of a trend. Memory is what is resident and nobody's file."""
    pids = sorted(pid for pid in below(root, of) if (Path("/proc") / str(pid)).exists())
    made: dict[str, Any] = {"boot": " ".join(map(str, pids)), "rss_mb": 0.0, "fds": 0, "sockets": 0, "threads": 0}
    made["cpu_s"] = 0.0
    for pid in pids:
        for key, value in _one(Path("/proc") / str(pid)).items():
            made[key] += value
    made["rss_mb"] = round(made["rss_mb"], 2)
    return made


def _one(folder: Path) -> dict[str, float]:
    try:
        resident, shared = (int(n) for n in (folder / "statm").read_text().split()[1:3])
        stat = (folder / "stat").read_text().rpartition(")")[2].split()
        links = [_link(fd) for fd in (folder / "fd").iterdir()]
    except OSError:
        return {}
    return {
        "rss_mb": (resident - shared) * PAGE_MB,
        "fds": len(links),
        "sockets": sum(link.startswith("socket:") for link in links),
        "threads": int(stat[17]),
        "cpu_s": (int(stat[11]) + int(stat[12])) / TICKS,
    }


def _link(path: Path) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""
