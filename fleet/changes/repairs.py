"""Drafts the changes that would repair drift. The same for the button of a page and for ./manage.py drift."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import AbstractBaseUser

from fleet.changes import drafts, repair_means
from fleet.changes.models import Change, Revision
from fleet.core import repair
from fleet.core.model import Reason
from fleet.core.repair import Drifted, Repair, Repairs
from fleet.core.states import CHANGE_ENDED
from inventory.models import Drift
from playbooks.recipe import RecipeRefused


@dataclass(frozen=True)
class Drafted:
    """What came of asking: new drafts, changes that were already there for the same, and why the rest is left."""

    changes: tuple[Change, ...] = ()
    already: tuple[Change, ...] = ()
    left: tuple[Reason, ...] = ()


def needed(names: Collection[str] | None = None, *, rows: Collection[int] | None = None) -> Repairs:
    """The requests that repair the open drift of these devices, of these rows, or of the whole fleet. Four queries."""
    drifts = Drift.objects.open()
    if names is not None:
        drifts = drifts.filter(router__name__in=names)
    if rows is not None:
        drifts = drifts.filter(pk__in=rows)
    found = drifts.order_by().values_list("router__name", "setting", "wanted", "found")
    drifted = [Drifted(*row) for row in found]
    return repair.repairs(drifted, repair_means.means(drifted))


def draft(repairs: Repairs, *, author: AbstractBaseUser, now: datetime, ticket: str = "") -> Drafted:
    """One draft per request, written by `author`, who therefore cannot approve it.

    A request for which a change is still under way is not drafted again. What cannot be planned is in `left`, and the
    other requests are drafted all the same.
    """
    under_way = _under_way({one.recipe for one in repairs.requests}) if repairs.requests else []
    changes, already, left = [], [], list(repairs.left)
    for one in repairs.requests:
        same = next((revision.change for revision in under_way if _asks_the_same(revision, one)), None)
        if same is not None:
            already.append(same)
            continue
        request = drafts.Request(one.recipe, one.inputs, one.targets)
        try:
            changes.append(
                drafts.open_change(
                    request, title=_title(one), author=author, now=now, ticket=ticket, description=_description(one)
                )
            )
        except drafts.PlanRefused as refused:
            left += refused.reasons
        except RecipeRefused as refused:
            left.append(Reason(_title(one), str(refused)[:400], "inputs that the recipe takes", "Correct the profile."))
    return Drafted(tuple(changes), tuple(already), tuple(left))


def _under_way(recipes: Iterable[str]) -> list[Revision]:
    """The newest revision of every change of these recipes that has not ended. One query."""
    rows = Revision.objects.filter(recipe__in=recipes).exclude(change__state__in=CHANGE_ENDED)
    newest = {revision.change_id: revision for revision in rows.select_related("change").order_by("number")}
    return list(newest.values())


def _asks_the_same(revision: Revision, one: Repair) -> bool:
    targets = {target["name"] for target in revision.plan["targets"]}
    return revision.recipe == one.recipe and revision.inputs == one.inputs and targets >= set(one.targets)


def _title(one: Repair) -> str:
    names = ", ".join(one.targets[:3]) + (f" and {len(one.targets) - 3} more" if len(one.targets) > 3 else "")
    return f"Repair drift: {one.recipe} on {names}"[:200]


def _description(one: Repair) -> str:
    lines = [f"{d.device}, {d.setting}: found {d.found}, wanted {d.wanted}." for d in one.repairs]
    return "Drafted from drift.\n\n" + "\n".join(lines)
