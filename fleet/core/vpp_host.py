"""What VPP takes of a machine: cores with their siblings, huge pages, buffers. Pure arithmetic with reasons."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fleet.core.model import Json, Reason

HUGEPAGE_KB = 2048
# 2.5 kB for each packet of 2,048 bytes with its header, measured on VPP 24.06: 2,304 without headroom of its own.
_BUFFER_KB = 2.5
_SLACK_PAGES = 32


@dataclass(frozen=True)
class Cores:
    """Which logical CPUs do what. `isolated`: what the kernel must leave alone, siblings included."""

    main: int
    workers: tuple[int, ...]
    isolated: tuple[int, ...]


def cpu_list(cpus: Iterable[int]) -> str:
    """The CPUs as Linux and VPP write them: 2-5,8."""
    made: list[list[int]] = []
    for cpu in sorted(set(cpus)):
        if made and made[-1][1] == cpu - 1:
            made[-1][1] = cpu
        else:
            made.append([cpu, cpu])
    return ",".join(f"{a}-{b}" if a != b else str(a) for a, b in made)


def parse_cpu_list(text: str) -> frozenset[int] | None:
    """The CPUs of "2-5,8"; None for what is no such list; empty for an empty one."""
    made: set[int] = set()
    for part in filter(None, text.strip().split(",")):
        first, dash, last = part.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()) or len(part) > 11:
            return None
        low, high = int(first), int(last or first)
        if high < low or high > 4095:
            return None
        made |= set(range(low, high + 1))
    return frozenset(made)


def cores(siblings: Sequence[Sequence[int]], count: int) -> Cores | tuple[Reason, ...]:
    """`count` workers, one on each core; the first core stays Linux's and carries VPP's main thread.

    `siblings`: the logical CPUs of each core. A worker's sibling is isolated too and left idle: two threads of one core
    that poll take each other's time (S2-6: isolcpus=2-5,8-11 of 12).
    """
    ordered = sorted((tuple(sorted(core)) for core in siblings if core), key=lambda core: core[0])
    if not ordered:
        remedy = "Collect facts: they come from /sys/devices/system/cpu."
        return (Reason("cores", "no topology", "the siblings of every CPU", remedy),)
    # One core at least is Linux's own: interrupts, sshd, the routing daemon. Two where there are four or more.
    linux = 2 if len(ordered) >= 4 else 1
    if count < 0 or count > len(ordered) - linux:
        found = f"{count} workers on {len(ordered)} cores, {linux} of them Linux's"
        return (Reason("workers", found, f"at most {max(0, len(ordered) - linux)}", "Ask for fewer workers."),)
    taken = ordered[linux : linux + count]
    isolated = sorted(cpu for core in taken for cpu in core)
    return Cores(ordered[0][0] if linux == 1 else ordered[1][0], tuple(core[0] for core in taken), tuple(isolated))


def siblings_of(facts: Mapping[str, Json]) -> list[list[int]]:
    """The cores of the facts: `cpu.siblings`; empty where they are unknown."""
    cpu = facts.get("cpu")
    found = cpu.get("siblings") if isinstance(cpu, Mapping) else None
    rows = [[n for n in core if isinstance(n, int)] for core in found or () if isinstance(core, list | tuple)]
    return [row for row in rows if row]


def hugepages(*, buffers: int, heap_mb: int, stats_mb: int, numa_nodes: int) -> int:
    """How many pages of 2 MiB VPP needs: buffers on every NUMA node, the main heap, the statistics."""
    kb = buffers * _BUFFER_KB * max(1, numa_nodes) + (heap_mb + stats_mb) * 1024
    return int(-(-kb // HUGEPAGE_KB)) + _SLACK_PAGES


def heap_mb(routes: int) -> int:
    """The main heap for so many routes. 1 GB is not enough for a full table (S2: 1 M in the FIB); 1.5 GB is.

    800 bytes a route and 256 MB for the rest: 24.06 without routes takes about 270 MB in all.
    """
    need = 256 + routes * 800 // (1 << 20)
    return next((size for size in (512, 1024, 1536, 2048, 3072, 4096) if size >= need * 5 // 4), 6144)


def ready(cpus: Cores, pages: int, found: Mapping[str, Any]) -> tuple[Reason, ...]:
    """Why a machine is not ready for it. `found`: "isolated" (text), "hugepages_free" (number); None: cannot tell."""
    reasons = []
    isolated = parse_cpu_list(found["isolated"]) if isinstance(found.get("isolated"), str) else None
    wanted = set(cpus.isolated)
    if wanted and (isolated is None or not wanted <= isolated):
        shown = "unknown" if isolated is None else cpu_list(isolated) or "none"
        remedy = f"Boot with isolcpus={cpu_list(cpus.isolated)} first (a kernel step with `cmdline`)."
        reasons.append(Reason("isolated CPUs", shown, cpu_list(cpus.isolated), remedy))
    free = found.get("hugepages_free")
    if not isinstance(free, int) or free < pages:
        remedy = f"Boot with hugepages={pages} first: later memory is in pieces."
        reasons.append(Reason("free huge pages", "unknown" if free is None else str(free), f"at least {pages}", remedy))
    return tuple(reasons)
