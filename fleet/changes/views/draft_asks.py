"""Asking for a draft, by form and by API: what was said is read, and a row is written that the engine takes up."""

from datetime import datetime

from django.contrib.auth.models import User

from fleet.changes.models import Change, DraftRequest, RecipeCard, Revision
from fleet.changes.views import draft_form
from fleet.changes.views.draft_form import Form
from fleet.core.model import Reason
from fleet.core.states import CHANGE_MOVES, ChangeState

Reasons = tuple[Reason, ...]


def not_editable(change: Change, revision: Revision | None) -> Reason | None:
    """Why a change cannot have another revision."""
    if revision is None:
        return Reason("plan", "none", "a plan", "Draft a new change.")
    state = ChangeState(change.state)
    if state is ChangeState.DRAFT or ChangeState.DRAFT in CHANGE_MOVES[state]:
        return None
    return Reason("change", str(state), "not yet started", "Draft a new change.")


def ask(
    form: Form, card: RecipeCard, person: User, now: datetime, *, revision: Revision | None = None, edits: str = ""
) -> DraftRequest | Reasons:
    """A request for a draft, or everything that is wrong with it. `revision`: the one that is edited, whose number
    `edits` must be: nobody edits what they have not read."""
    values = draft_form.read(form, card)
    reasons = list(values.reasons)
    if revision is not None and edits != str(revision.number):
        found = f"revision {edits[:10] or 'none'} in the form"
        reasons.append(Reason("revision", found, f"{revision.number}, the newest", "Read the newer one, then edit it."))
    if reasons:
        return tuple(reasons)
    return DraftRequest.objects.create(
        asked_by=person,
        asked_at=now,
        change=revision.change if revision is not None else None,
        edits=revision.number if revision is not None else 0,
        title=form.texts["title"],
        ticket=form.texts["ticket"],
        description=form.texts["description"],
        recipe=card.name,
        inputs=dict(values.inputs),
        names=list(values.names),
        strategy=dict(values.strategy),
    )
