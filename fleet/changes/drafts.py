"""From a recipe, its inputs and the inventory to a change with a planned revision. Reads rows; touches no device."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from fleet.changes import (
    compatibility,
    conflicts,
    mitigations,
    neighbours,
    out_of_band,
    transitions,
    ucs_plans,
    windows,
)
from fleet.changes.models import Change, Revision
from fleet.changes.transitions import Note
from fleet.core import other_leg, preconditions, risk, waves
from fleet.core import plan as planning
from fleet.core.model import Finding, Plan, PlannedStep, Reason, Recipe, Severity, to_json
from fleet.core.states import CHANGE_MOVES, ChangeState
from inventory.models import Observation, Router
from inventory.providers import load as load_providers
from inventory.topology import load as load_topology
from playbooks import registry
from playbooks.base import Cautious, Impossible
from playbooks.recipe import load_recipe, read_recipe, recipe_path


class PlanRefused(Exception):
    """The request cannot be planned; `reasons` says everything that is wrong with it."""

    def __init__(self, reasons: Sequence[Reason]) -> None:
        super().__init__(" ".join(str(r) for r in reasons))
        self.reasons = tuple(reasons)


@dataclass(frozen=True)
class Request:
    """What somebody asks for. `recipe`: a name that comes with Slipway, or a path. `names`: targets; empty = those
    that the recipe's own `targets: where` selects. `strategy`: as core/plan.py writes one, instead of the recipe's."""

    recipe: str
    inputs: Mapping[str, Any]
    names: tuple[str, ...] = ()
    strategy: Mapping[str, Any] | None = None


def find_recipe(name: str) -> Path:
    """The file of a recipe: a path as given, or the name of one that comes with Slipway. Raises RecipeRefused."""
    path = Path(name)
    return path if path.suffix in {".yaml", ".yml"} else recipe_path(name)


def make_plan(request: Request, *, of: Change | None = None, now: datetime | None = None) -> tuple[Plan, str]:
    """The plan of a request and the text of its recipe. `of`: the change that it is a revision of. `now`: to tell of
    what providers will work on from then.

    Raises RecipeRefused (file, line, found, wanted) and PlanRefused (targets that do not exist).
    """
    path = find_recipe(request.recipe)
    recipe = load_recipe(path, request.inputs)
    if request.strategy:
        recipe = replace(recipe, strategy=planning.strategy_from_json(request.strategy))
    wanted = windows.overrun_of(recipe.name)
    recipe = replace(recipe, strategy=replace(recipe.strategy, on_overrun=wanted))
    routers = _select(request, read_recipe(path).targets)
    return _render(recipe, routers, of, now), path.read_text(encoding="utf-8")


def _select(request: Request, targets: Mapping[str, Any]) -> list[Router]:
    rows = Router.objects.reachable().select_related("credential", "site__failure_domain").order_by("name")
    if request.names:
        found = {r.name: r for r in rows.filter(name__in=request.names)}
        missing = [n for n in request.names if n not in found]
        if missing:
            known = list(Router.objects.values_list("name", flat=True))
            raise PlanRefused([_unknown(n, known) for n in missing])
        return [found[n] for n in dict.fromkeys(request.names)]
    where = {("site__name" if key == "site" else key): value for key, value in targets.get("where", targets).items()}
    selected = list(rows.filter(**where))
    if not selected:
        asked = ", ".join(f"{k}={v}" for k, v in where.items()) or "all routers"
        raise PlanRefused(
            [Reason("targets", f"no router with {asked}", "at least one", "Name them, or load the inventory.")]
        )
    return selected


def _unknown(name: str, known: Sequence[str]) -> Reason:
    close = get_close_matches(name, known, 1)
    remedy = f"Did you mean {close[0]}?" if close else "See ./manage.py routers."
    return Reason(f"target {name}", "no such router in the inventory", "a router that exists", remedy)


def _render(recipe: Recipe, routers: Sequence[Router], of: Change | None, now: datetime | None) -> Plan:
    facts = Observation.objects.latest_by_router([r.name for r in routers])
    topology = load_topology()
    steps: dict[str, list[PlannedStep]] = {}
    refused: list[Finding] = []
    for router in routers:
        seen = facts.get(router.name)
        if seen is None:
            refused.append(
                Finding(
                    "no-facts",
                    Severity.FATAL,
                    Reason(
                        router.name, "never observed", "facts to plan from", f"Run ./manage.py collect {router.name}."
                    ),
                )
            )
        device = router.device()
        planned: list[PlannedStep] = []
        for spec in recipe.steps:
            try:
                driver = registry.driver(spec.verb)
                planned.append(driver.plan(spec, device, seen.facts if seen else {}))
                if seen is not None and isinstance(driver, Cautious):
                    warned = driver.cautions(device, seen.facts)
                    refused += [Finding(f"{spec.verb}-caution", Severity.WARN, reason) for reason in warned]
            except Impossible as error:
                refused.append(Finding("impossible", Severity.FATAL, error.reason))
        steps[router.name] = _with_facts(planned, seen.facts if seen else {})
    looked = compatibility.look(recipe, steps, {name: seen.facts for name, seen in facts.items()}, topology)
    others = conflicts.look(list(steps), topology, but=of)
    others += neighbours.none_on_record(list(steps), topology, recipe.checks)
    if now is not None and (providers := load_providers(now)).outages:
        others += other_leg.find(list(steps), now, waves.prepare(topology), providers)
    found = [
        *refused,
        *looked.findings,
        *others,
        *ucs_plans.look(steps),
        *out_of_band.findings(steps),
        *mitigations.findings(list(steps), now),
    ]
    return planning.make(recipe, steps, topology, found, artifact=looked.artifact)


def _with_facts(steps: Sequence[PlannedStep], facts: Mapping[str, Any]) -> list[PlannedStep]:
    """The baseline carries the facts that the plan was computed from: what moves until the start voids the approval."""
    expected = preconditions.expected_of(facts)
    return [
        replace(s, expected={**s.expected, preconditions.FACTS: expected}) if s.verb == "baseline" and expected else s
        for s in preconditions.in_turn(steps)
    ]


def open_change(
    request: Request, *, title: str, author: AbstractBaseUser, now: datetime, ticket: str = "", description: str = ""
) -> Change:
    """Plan a request and keep it as a new draft. Raises as `make_plan`; then nothing was written."""
    plan, text = make_plan(request, now=now)
    with transaction.atomic():
        change = Change.objects.create(
            title=title, author_id=author.pk, ticket=ticket, description=description, created_at=now
        )
        what = Note(author.get_username(), f"drafted: {title}", {"user": author.pk})
        transitions.note(change.pk, "change draft", what, now)
        _add_revision(change, request, plan, text, author, now)
    return change


def revise(change: Change, request: Request, *, author: AbstractBaseUser, now: datetime) -> Change:
    """A new revision: the change returns to draft and every approval of an older one is void."""
    state = ChangeState(change.state)
    if state is not ChangeState.DRAFT and ChangeState.DRAFT not in CHANGE_MOVES[state]:
        raise PlanRefused([Reason("change", state, "not yet started", "Open a new change.")])
    plan, text = make_plan(request, of=change, now=now)
    with transaction.atomic():
        if state is not ChangeState.DRAFT:
            what = Note(author.get_username(), "edited: back to draft, approvals are void")
            moved = transitions.move_change(change, ChangeState.DRAFT, what, now)
        else:
            # Guarded as well: a draft that is submitted in this very moment is not edited any more.
            moved = transitions.stay(change, "change edited", Note(author.get_username(), "edited the draft"), now)
        if not moved:
            raise PlanRefused([Reason("change", "moved meanwhile", "as you saw it", "Look again.")])
        _add_revision(change, request, plan, text, author, now)
    return change


def _add_revision(
    change: Change, request: Request, plan: Plan, text: str, author: AbstractBaseUser, now: datetime
) -> Revision:
    document = planning.document(plan)
    last = change.revision
    revision = Revision.objects.create(
        change=change,
        number=last.number + 1 if last else 1,
        recipe=plan.recipe,
        recipe_text=text,
        inputs=dict(request.inputs),
        plan=document,
        digest=planning.digest(document),
        assessed=to_json(risk.assess(plan, load_topology())),
        created_by_id=author.pk,
        created_at=now,
    )
    words = f"planned revision {revision.number}: {len(plan.targets)} targets, digest {revision.digest[:12]}"
    # The number of whoever wrote it stays in the event: who is an author is asked of both (approvals.authors).
    transitions.note(change.pk, "change planned", Note(author.get_username(), words, {"user": author.pk}), now)
    return revision
