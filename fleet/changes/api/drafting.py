"""Asking for drafts by the API: what JSON says is put into the fields of the page's form, and read as it is there."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fleet.changes.models import RecipeCard, Revision
from fleet.changes.views import draft_form
from fleet.changes.views.draft_form import STRATEGY, Form
from fleet.core.model import Reason

_TEXTS = ("title", "ticket", "description")
Reasons = tuple[Reason, ...]


def form_of(said: Mapping[str, Any], card: RecipeCard, start: Form) -> Form | Reasons:
    """The fields as `said` fills them in over `start`, or why they cannot be."""
    texts = {**start.texts, **{name: _clean(said[name]) for name in _TEXTS if name in said}}
    texts |= {name: str(value) for name, value in said.get("strategy", {}).items() if name in STRATEGY}
    inputs = dict(start.inputs)
    reasons = []
    known = {spec["name"] for spec in card.inputs}
    for name, value in said.get("inputs", {}).items():
        if name not in known:
            wanted = f"one of {', '.join(sorted(known))}" if known else "none: this recipe takes none"
            reasons.append(Reason(f"input {name[:60]}", "unknown", wanted, "See the recipe."))
        elif isinstance(value, list | dict):
            reasons.append(Reason(f"input {name[:60]}", type(value).__name__, "a text, a number or true and false"))
        else:
            inputs[name] = draft_form.shown(value)
    if reasons:
        return tuple(reasons)
    form = replace(start, texts=texts, inputs=inputs)
    return _aimed(form, said["targets"]) if "targets" in said else form


def _aimed(form: Form, targets: Mapping[str, Any]) -> Form:
    texts = {**form.texts, "names": "\n".join(_clean(name) for name in targets.get("names", ()))}
    return replace(form, texts=texts, sites=tuple(targets.get("sites", ())), roles=tuple(targets.get("roles", ())))


def _clean(text: str) -> str:
    return text.replace("\r\n", "\n").strip()


def fresh(card: RecipeCard) -> Form:
    """The fields before anything was said."""
    form = draft_form.fresh(card)
    return replace(form, texts={**dict.fromkeys(_TEXTS, ""), "names": "", **form.texts})


def of_revision(revision: Revision) -> Form:
    """The fields as a revision has them."""
    return draft_form.of_revision(revision)
