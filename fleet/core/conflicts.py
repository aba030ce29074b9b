"""Which other changes a plan gets in the way of: told to the approver; at the start it holds (gates.no_conflict)."""

from collections import defaultdict
from collections.abc import Mapping

from fleet.core.model import Finding, Reason, Severity, Topology

# One finding for each change and kind of conflict, with so many names: an approver wants to know whom to talk to.
NAMES = 5


def find(mine: Mapping[str, str], others: Mapping[str, Mapping[str, str]], topology: Topology) -> tuple[Finding, ...]:
    """WARN findings. `mine`: device -> failure domain; `others`: change ("change 7, scheduled") -> the same of it."""
    beyond: dict[str, set[str]] = defaultdict(set)
    for link in topology.links:
        beyond[link.a].add(link.b)
        beyond[link.b].add(link.a)
    domains = defaultdict(list)
    for name, domain in mine.items():
        domains[domain].append(name)
    findings = []
    for change, theirs in others.items():
        same = [n for n in mine if n in theirs]
        linked = [f"{a} - {b}" for a in mine for b in sorted(beyond[a]) if b in theirs and b not in mine]
        shared = sorted({d for d in domains if d and any(other == d for n, other in theirs.items() if n not in mine)})
        for what, found in (("device", same), ("link", linked), ("failure domain", shared)):
            if found:
                findings.append(_finding(change, what, found))
    return tuple(findings)


def _finding(change: str, what: str, found: list[str]) -> Finding:
    names = ", ".join(found[:NAMES]) + (f" and {len(found) - NAMES} more" if len(found) > NAMES else "")
    wanted = f"no other change on the same {what}"
    remedy = "Agree on an order; whichever comes second waits until the other is through."
    return Finding(
        f"conflict-{what.replace(' ', '-')}", Severity.WARN, Reason(change, f"{what} {names}", wanted, remedy)
    )
