"""What a plan would bring onto its devices, compared with what runs there and beside them. Reads rows only."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from fleet.changes.evidence import own_evidence
from fleet.core.compat_components import Brought, brought, intended, running
from fleet.core.compat_findings import Meant, Target, combinations_after, look_at_components
from fleet.core.model import Finding, Json, PlannedStep, Reason, Recipe, Severity, Topology
from inventory.compat import knowledge
from inventory.models import Artifact, Observation

# The input of a recipe in which a change names the components that it means to change.
INTENDED = "intended"


@dataclass(frozen=True)
class Looked:
    """The artifact that a plan brings, as the approver sees it ({}: none), and what compatibility says."""

    artifact: Mapping[str, Json]
    findings: tuple[Finding, ...]


def look(
    recipe: Recipe, steps: Mapping[str, Sequence[PlannedStep]], facts: Mapping[str, Json], topology: Topology
) -> Looked:
    """Findings about a plan's artifact, its devices and their neighbours. Two queries without an artifact."""
    row, findings = _artifact(recipe.artifact) if recipe.artifact else (None, ())
    meant = None
    if row is not None:
        named = recipe.inputs.get(INTENDED)
        what: Brought = brought(row.kind, row.name, row.version, row.brings)
        meant = Meant(what, intended(named) if isinstance(named, str) else {})
    beside = _beside(steps, topology)
    targets = [
        Target(running(name, facts.get(name, {})), beside.get(name, ()), any(s.disruptive for s in planned))
        for name, planned in steps.items()
    ]
    around = {n for t in targets if t.disruptive for n in t.neighbours}
    seen = Observation.objects.latest_by_router(around - set(facts)) if around - set(facts) else {}
    known = {**{n: o.facts for n, o in seen.items()}, **facts}
    neighbours = {name: running(name, known.get(name, {})) for name in around}
    evidence = own_evidence(combinations_after(targets, meant))
    found = look_at_components(targets, neighbours, meant, knowledge(), evidence)
    shown = {"kind": row.kind, "name": row.name, "version": row.version, "sha256": row.sha256} if row else {}
    return Looked(shown, (*findings, *found))


def _beside(steps: Mapping[str, object], topology: Topology) -> Mapping[str, tuple[str, ...]]:
    """Target -> the managed routers at the other ends of its links."""
    found: dict[str, set[str]] = defaultdict(set)
    for link in topology.links:
        for one, other in ((link.a, link.b), (link.b, link.a)):
            if one in steps and other in topology.domain_of and other != one:
                found[one].add(other)
    return {name: tuple(sorted(others)) for name, others in found.items()}


def _artifact(text: str) -> tuple[Artifact | None, tuple[Finding, ...]]:
    """The artifact that is named NAME, NAME VERSION or KIND NAME VERSION; or a finding that says why there is none."""
    words = text.split()
    rows = Artifact.objects.order_by("kind", "name", "version")
    match words:
        case [name]:
            found = list(rows.filter(name=name)[:6])
        case [name, version]:
            found = list(rows.filter(name=name, version=version)[:6])
        case [kind, name, version]:
            found = list(rows.filter(kind=kind, name=name, version=version)[:6])
        case _:
            found = []
    if len(found) == 1:
        return found[0], ()
    if found:
        reason = Reason(
            "artifact", f"{text!r}, which is " + ", ".join(map(str, found)), "one artifact", "Write KIND NAME VERSION."
        )
    else:
        known = [f"{name} {version}" for name, version in rows.values_list("name", "version")[:500]]
        close = get_close_matches(text, known, 1)
        remedy = f"Did you mean {close[0]}?" if close else "Enter it in the inventory, with what it brings."
        reason = Reason(
            "artifact", f"{text[:80]!r}, which is not in the inventory", "an artifact that is there", remedy
        )
    return None, (Finding("artifact-unknown", Severity.FATAL, reason),)
