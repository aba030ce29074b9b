"""Drafts the changes that the RSS doctor asks for, in its own words."""

from collections.abc import Sequence
from datetime import datetime

from django.contrib.auth.models import AbstractBaseUser

from fleet.changes import drafts
from fleet.changes.models import Change
from fleet.changes.repairs import Drafted
from fleet.core.model import Reason
from fleet.core.repair import Repair
from fleet.core.rss_doctor import Diagnosis
from fleet.core.rss_report import title
from playbooks.recipe import RecipeRefused


def draft(wanted: Sequence[Repair], found: Sequence[Diagnosis], *, author: AbstractBaseUser, now: datetime) -> Drafted:
    """One draft for each request; why the others could not be planned is in `left`."""
    changes: list[Change] = []
    left: list[Reason] = []
    for one in wanted:
        request = drafts.Request(one.recipe, one.inputs, one.targets)
        words = "\n".join(
            f.words
            for d in found
            for f in d.findings
            if f.repair and d.device in one.targets and d.card.name == one.inputs.get("interface", d.card.name)
        )
        try:
            changes.append(
                drafts.open_change(
                    request, title=title(one), author=author, now=now, description=f"The RSS doctor says:\n\n{words}"
                )
            )
        except drafts.PlanRefused as refused:
            left += refused.reasons
        except RecipeRefused as refused:
            left.append(Reason(title(one), str(refused)[:400], "inputs that the recipe takes"))
    return Drafted(tuple(changes), (), tuple(left))
