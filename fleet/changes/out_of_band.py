"""Ways to machines beside their network: which controllers the inventory has, for steps that ask them and for plans."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

from fleet.changes.models import StepRun
from fleet.core.model import Finding, Json, PlannedStep, Reason, Severity
from inventory.models import Console
from playbooks import oob

VERB = "console"
_NAMED = 5


def consoles(router_id: int) -> Iterator[oob.Console]:
    """The controllers of a router; IPMI first, because its serial line can be read as well."""
    rows = Console.objects.filter(router=router_id).select_related("router", "credential").order_by("kind")
    for row in rows:
        login = row.credential
        yield oob.Console(row.router.name, row.kind, str(row.address), row.port, login.username, login.reference)


def attend(step: StepRun) -> Mapping[str, Json]:
    """The progress of a step, with the controllers of its router where it asks them. No query for other verbs."""
    if step.verb != VERB:
        return dict(step.data)
    return {**step.data, "consoles": [asdict(one) for one in consoles(step.target.router_id)]}


def findings(steps: Mapping[str, Sequence[PlannedStep]]) -> list[Finding]:
    """Routers of a plan whose console must be proven and that have none to ask; who goes without. One query."""
    needs = {name: s.params.get("needs", "required") for name, row in steps.items() for s in row if s.verb == VERB}
    if not needs:
        return []
    asked = [name for name, what in needs.items() if what == "required"]
    rows = Console.objects.filter(router__name__in=asked, kind__in=oob.ASKED)
    have = set(rows.values_list("router__name", flat=True))
    found = []
    if missing := [name for name in asked if name not in have]:
        remedy = "Enter them in the inventory (consoles, IPMI or Redfish), or plan with the console `none`."
        reason = Reason(_subject(missing), "none on record", "a management controller that can be asked", remedy)
        found.append(Finding("no-console", Severity.FATAL, reason))
    if without := [name for name, what in needs.items() if what != "required"]:
        remedy = "Approve it only if somebody stands beside it, or can be there soon."
        reason = Reason(_subject(without), "not asked: the change goes without", "one that was tried before", remedy)
        found.append(Finding("console-not-asked", Severity.WARN, reason))
    return found


def _subject(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"console of {', '.join(sorted(names)[:_NAMED])}{more}"
