"""The waves of a plan: which targets go together, so that no wave cuts what must stay connected."""

import math
from collections.abc import Sequence

from fleet.core.cuts import Network, broken_promises, prepare, reachable
from fleet.core.model import Finding, Reason, Severity, Strategy, Topology
from fleet.core.redundancy import Part, Redundancy

__all__ = ["Network", "broken_promises", "build", "prepare", "reachable", "sizes"]


def sizes(waves: Sequence[int | str | tuple[str, ...]], count: int) -> tuple[int, ...]:
    """Cumulative sizes of the stages for `count` targets: "25%" rounds up, nothing shrinks, the last takes all."""
    ends: list[int] = []
    for wave in waves:
        match wave:
            case int():
                end = wave
            case str():
                end = math.ceil(count * float(wave.rstrip("%")) / 100)
            case _:
                end = (ends[-1] if ends else 0) + len(wave)
        ends.append(min(count, max(end, ends[-1] if ends else 0)))
    if not ends or ends[-1] < count:
        ends.append(count)
    return tuple(dict.fromkeys(e for e in ends if e > 0))


def build(names: Sequence[str], strategy: Strategy, topology: Topology) -> tuple[dict[str, int], tuple[Finding, ...]]:
    """The wave of every target (0 = canary), and findings where that cannot be done without cutting something.

    Stages given as sizes are split until no wave cuts anything; stages given as names are taken as written and a
    FATAL finding says what they would cut.
    """
    network = prepare(topology)
    proofs = Redundancy(network)
    alone = frozenset(name for name in names if not proofs.spares(name))
    findings = [
        Finding("target-cuts", Severity.FATAL, reason)
        for name in names
        if name in alone
        for reason in proofs.reasons(name)
    ]
    if any(isinstance(w, tuple) for w in strategy.waves):
        return _explicit(names, strategy, network, findings)
    wave_of: dict[str, int] = {}
    start, first = 0, 0
    for end in sizes(strategy.waves, len(names)):
        parts = _split(names[start:end], proofs, alone)
        for offset, part in enumerate(parts):
            wave_of.update(dict.fromkeys(part, first + offset))
        start, first = end, first + len(parts)
    return wave_of, tuple(findings)


def _split(names: Sequence[str], proofs: Redundancy, alone: frozenset[str]) -> list[list[str]]:
    """First fit: each name goes into the first part in which nothing is cut. Keeps the order of the names.

    `alone`: those that cut something by themselves. They share a part with nobody of their own network.
    """
    lists: list[list[str]] = []
    parts: list[Part] = []
    for name in names:
        joined = name not in alone and next((n for n, part in enumerate(parts) if proofs.joins(name, part)), None)
        if joined is not None and joined is not False:
            lists[joined].append(name)
            continue
        parts.append(Part())
        lists.append([name])
        if name in alone or not proofs.joins(name, parts[-1]):
            proofs.forced(name, parts[-1])
    return lists


def _explicit(
    names: Sequence[str], strategy: Strategy, network: Network, findings: list[Finding]
) -> tuple[dict[str, int], tuple[Finding, ...]]:
    wave_of: dict[str, int] = {}
    for number, wave in enumerate(strategy.waves):
        members = (wave,) if isinstance(wave, str) else wave if isinstance(wave, tuple) else ()
        for member in members:
            if member not in names or member in wave_of:
                found = "named twice" if member in wave_of else "not a target"
                reason = Reason(
                    f"wave {number}",
                    f"{member} {found}",
                    "each target in exactly one wave",
                    "Correct strategy.waves in the recipe.",
                )
                findings.append(Finding("wave-names", Severity.FATAL, reason))
            wave_of.setdefault(member, number)
        if len(members) > 1:
            for reason in broken_promises(network, members):
                findings.append(Finding("wave-cuts", Severity.FATAL, reason))
    for name in names:
        if name not in wave_of:
            reason = Reason(name, "in no wave", "each target in exactly one wave", "Add it to strategy.waves.")
            findings.append(Finding("wave-names", Severity.FATAL, reason))
            wave_of[name] = len(strategy.waves)
    return {n: wave_of[n] for n in names}, tuple(findings)
