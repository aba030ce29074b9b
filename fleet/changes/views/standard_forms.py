"""The form of a standard change: a recipe, bounds for its inputs, how many devices, where, until when."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from fleet import clock
from fleet.changes import standards as keeping
from fleet.changes.models import RecipeCard, StandardChange
from fleet.changes.views import access, policy_forms
from fleet.core import explain
from fleet.core.model import Json, Reason
from fleet.core.standard import APPROVALS_WANTED
from fleet.guards import edits
from fleet.people import rights
from fleet.people.roles import POLICIES

MOST_DEVICES = 1000
LONGEST_DAYS = 366  # what nobody has looked at for a year is looked at again
MOST_VALUES = 50  # of one input that is text


class StandardForm(forms.Form):
    """Everything of a standard change but the bounds of its inputs."""

    name = forms.CharField(max_length=keeping.LONGEST_NAME, help_text="Short; changes that use it name it.")
    max_devices = forms.IntegerField(
        label="At most so many devices", min_value=1, max_value=MOST_DEVICES, initial=1, help_text="In one change."
    )
    days = forms.IntegerField(
        label="For so many days", min_value=1, max_value=LONGEST_DAYS, initial=180,
        help_text=f"1 to {LONGEST_DAYS}; then it is written and approved anew.",
    )  # fmt: skip
    sites = forms.MultipleChoiceField(required=False, help_text="Devices there. None chosen: everywhere.")
    roles = forms.MultipleChoiceField(required=False, help_text="Devices of these roles. None chosen: whichever.")

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **{"label_suffix": "", **more})
        for field, names in policy_forms.choices().items():
            if field in self.fields:
                chosen = cast(forms.MultipleChoiceField, self.fields[field])
                chosen.choices = [(n, n) for n in names]
                chosen.widget.attrs["size"] = min(8, max(3, len(names)))


@dataclass(frozen=True)
class Bound:
    """What the form shows of one input. `chosen`: for kinds with few values, those that are ticked."""

    name: str
    type: str
    summary: str
    default: str
    required: bool
    least: str = ""
    most: str = ""
    listed: str = ""
    choices: Sequence[str] = ()
    chosen: Sequence[str] = ()
    minimum: int | None = None
    maximum: int | None = None


def shown(card: RecipeCard, said: Mapping[str, Any]) -> list[Bound]:
    """The inputs of a recipe, with what somebody has written into the form."""
    made = []
    for spec in card.inputs:
        name, kind = spec["name"], spec["type"]
        choices = ["true", "false"] if kind == "boolean" else [str(c) for c in spec["choices"]]
        default = "" if spec["default"] is None else str(spec["default"])
        texts = {key: str(said.get(f"{key}-{name}", ""))[:5000] for key in ("least", "most", "listed")}
        chosen = said.getlist(f"chosen-{name}") if hasattr(said, "getlist") else ()
        made.append(
            Bound(
                name, kind, spec["summary"], default.lower() if kind == "boolean" else default, bool(spec["required"]),
                **texts, choices=choices, chosen=chosen, minimum=spec["minimum"], maximum=spec["maximum"],
            )
        )  # fmt: skip
    return made


def bounds(card: RecipeCard, inputs: Sequence[Bound]) -> tuple[dict[str, dict[str, Json]], list[Reason]]:
    """The bounds that were written, and what is wrong with them. An input left empty stays at its default."""
    made: dict[str, dict[str, Json]] = {}
    reasons: list[Reason] = []
    for spec, one in zip(card.inputs, inputs, strict=True):
        found = _numbers(one) if one.type == "integer" else _values(spec, one)
        if isinstance(found, Reason):
            reasons.append(found)
        elif found:
            made[one.name] = found
        elif one.required and spec["default"] is None:
            remedy = "Every change with this recipe says it: without bounds none would fit."
            reasons.append(Reason(f"bounds of {one.name}", "none", "what it may be", remedy))
    return made, reasons


def _numbers(one: Bound) -> dict[str, Json] | Reason:
    if not one.least and not one.most:
        return {}
    numbers = [int(text) if text.lstrip("-").isdecimal() and len(text) < 16 else None for text in (one.least, one.most)]
    subject, found = f"bounds of {one.name}", f"{one.least or 'none'} to {one.most or 'none'}"
    least, most = numbers
    if least is None or most is None or least > most:
        return Reason(subject, found, "two whole numbers, the smaller first", "Write both.")
    lowest, highest = one.minimum, one.maximum
    if (lowest is not None and least < lowest) or (highest is not None and most > highest):
        wanted = f"{'any' if lowest is None else lowest} to {'any' if highest is None else highest}"
        return Reason(subject, found, wanted, "The recipe itself takes no more.")
    return {"min": least, "max": most}


def _values(spec: Mapping[str, Any], one: Bound) -> dict[str, Json] | Reason:
    subject = f"bounds of {one.name}"
    if one.choices:
        values = {"true": True, "false": False} if one.type == "boolean" else {str(c): c for c in spec["choices"]}
        if strange := [text for text in one.chosen if text not in values]:
            return Reason(subject, repr(strange[0][:40]), f"some of {', '.join(values)}", "Use the boxes.")
        return {"one_of": [values[text] for text in one.chosen]} if one.chosen else {}
    lines = list(dict.fromkeys(filter(None, (line.strip() for line in one.listed.replace("\x00", "").splitlines()))))
    if len(lines) > MOST_VALUES:
        return Reason(subject, f"{len(lines)} values", f"at most {MOST_VALUES}", "Make it several standard changes.")
    return {"one_of": lines} if lines else {}


@edits(POLICIES)
def standard(request: HttpRequest) -> HttpResponse:
    """Write a standard change: first which recipe, then its bounds. Two others approve it."""
    said = request.POST if request.method == "POST" else None
    recipe = (said or request.GET).get("recipe", "")[:63]
    if not recipe:
        cards = list(RecipeCard.objects.exclude(digest="").values("name", "summary"))
        return render(request, "rooms/standard_choose.html", {"now": clock.now(), "room": "rules", "cards": cards})
    card = RecipeCard.objects.filter(name=recipe).exclude(digest="").first()
    if card is None:
        raise Http404(f"There is no recipe {recipe} that the engine knows.")
    form, inputs = StandardForm(said), shown(card, said or {})
    if said is None:
        return _page(request, card, form, inputs)
    limits, reasons = bounds(card, inputs)
    if not form.is_valid() or reasons:
        return _page(request, card, form, inputs, reasons=reasons, status=400)
    who, now, told = access.person(request), clock.now(), form.cleaned_data
    until = now + timedelta(days=told["days"])
    wanted = keeping.Bounds(limits, told["max_devices"], until, tuple(told["sites"]), tuple(told["roles"]))
    refused = rights.refusals_of_scope(who, POLICIES, sites=wanted.sites, roles=wanted.roles)
    if said.get("digest", "") != card.digest:
        remedy = "Read it again: its text is what is approved."
        refused += (Reason(f"recipe {card.name}", "another text than this form was made for", "the same", remedy),)
    made = refused or keeping.write(told["name"], card.name, card.digest, wanted, author=who, now=now)
    if not isinstance(made, StandardChange):
        return _page(request, card, form, inputs, reasons=made, status=409)
    messages.success(request, f"{made.name} is written. {APPROVALS_WANTED} others approve it, then it is in force.")
    return redirect("standards")


def _page(
    request: HttpRequest,
    card: RecipeCard,
    form: StandardForm,
    inputs: Sequence[Bound],
    *,
    reasons: Sequence[Reason] = (),
    status: int = 200,
) -> HttpResponse:
    context = {
        "now": clock.now(),
        "room": "rules",
        "card": card,
        "form": form,
        "inputs": inputs,
        "approvers": APPROVALS_WANTED,
        "refusals": explain.sentences(reasons),
    }
    return render(request, "rooms/standard_form.html", context, status=status)
