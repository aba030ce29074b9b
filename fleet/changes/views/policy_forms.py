"""The form of an approval policy: whom it is about, its stages, conditions and expiry; kept with the reason why."""

from collections.abc import Sequence
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.auth.models import Group
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from fleet import clock
from fleet.changes import policies as keeping
from fleet.changes.models import ApprovalPolicy, Revision
from fleet.changes.policies import WantedPolicy, WantedStage
from fleet.changes.views import access
from fleet.core import explain
from fleet.core.approval import CONDITION_WORDS
from fleet.core.model import Reason
from fleet.core.risk import Risk
from fleet.guards import acts, edits
from fleet.people import rights
from fleet.people.roles import POLICIES
from inventory.models import Router, Site

EMPTY_STAGES = 2  # rows that the form offers beside those that there are
MOST_WORDS = 2000


class PolicyForm(forms.Form):
    """Everything of a policy but its stages."""

    name = forms.CharField(max_length=keeping.LONGEST_NAME, help_text="Short; refusals name it.")
    active = forms.BooleanField(
        label="In force",
        required=False,
        initial=True,
        help_text="From the next submission on; what is under way stays.",
    )
    least_risk = forms.ChoiceField(
        label="From this risk on",
        required=False,
        choices=[("", "any risk"), *((r.value, f"{r.value} or higher") for r in Risk)],
        help_text="About plans of at least this risk.",
    )
    expires_hours = forms.IntegerField(
        label="Expires after hours", required=False, min_value=1, max_value=8760,
        help_text="From the first approval on. Empty: never.",
    )  # fmt: skip
    recipes = forms.MultipleChoiceField(required=False, help_text="Kinds of change. None chosen: whichever.")
    sites = forms.MultipleChoiceField(required=False, help_text="Plans with a device there. None chosen: whichever.")
    roles = forms.MultipleChoiceField(required=False, help_text="Roles of devices. None chosen: whichever.")
    conditions = forms.MultipleChoiceField(
        required=False,
        choices=[(c.value, words) for c, words in CONDITION_WORDS.items()],
        widget=forms.CheckboxSelectMultiple,
        help_text="All that are ticked must hold.",
    )
    why = forms.CharField(
        label="Why the rules change",
        required=False,
        max_length=MOST_WORDS,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Kept for ever beside your name.",
    )
    known = forms.IntegerField(widget=forms.HiddenInput, initial=0)

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **{"label_suffix": "", **more})
        for field, names in choices().items():
            had = [n for n in self.initial.get(field, ()) if n not in names]
            chosen = cast(forms.MultipleChoiceField, self.fields[field])
            chosen.choices = [(n, n) for n in [*names, *had]]
            chosen.widget.attrs["size"] = min(8, max(3, len(names)))

    def wanted(self, stages: Sequence[WantedStage]) -> WantedPolicy:
        """What was asked for, as a value. Only when the form is valid."""
        said = self.cleaned_data
        return WantedPolicy(
            name=said["name"],
            stages=tuple(stages),
            active=said["active"],
            least_risk=said["least_risk"],
            recipes=tuple(said["recipes"]),
            sites=tuple(said["sites"]),
            roles=tuple(said["roles"]),
            expires_hours=said["expires_hours"] or 0,
            conditions=tuple(said["conditions"]),
        )


class StageForm(forms.Form):
    """One stage; without a name there is none."""

    name = forms.CharField(required=False, max_length=keeping.LONGEST_NAME)
    quorum = forms.IntegerField(label="How many", min_value=1, max_value=keeping.MOST_PEOPLE, initial=1, required=False)
    groups = forms.MultipleChoiceField(label="Of these groups", required=False)

    def __init__(self, *arguments: Any, groups: Sequence[str] = (), **more: Any) -> None:
        super().__init__(*arguments, **{"label_suffix": "", **more})
        chosen = cast(forms.MultipleChoiceField, self.fields["groups"])
        chosen.choices = [(n, n) for n in groups]
        chosen.widget.attrs["size"] = min(6, max(3, len(groups)))

    def clean(self) -> None:
        said = self.cleaned_data
        if said.get("groups") and not said.get("name"):
            self.add_error("name", "found none, wanted a name for this stage; without groups and name there is none")


Stages = forms.formset_factory(
    StageForm, extra=EMPTY_STAGES, max_num=keeping.MOST_STAGES, absolute_max=keeping.MOST_STAGES, validate_max=True
)


def choices() -> dict[str, list[str]]:
    """The names that a scope may have. Three queries."""
    return {
        "recipes": list(Revision.objects.order_by("recipe").values_list("recipe", flat=True).distinct()),
        "sites": list(Site.objects.order_by("name").values_list("name", flat=True)),
        "roles": list(Router.objects.order_by("role").values_list("role", flat=True).distinct()),
    }


@edits(POLICIES)
def policy(request: HttpRequest, pk: int = 0) -> HttpResponse:
    """Add a policy, or change one."""
    old = _policy(pk) if pk else None
    groups = list(Group.objects.order_by("name").values_list("name", flat=True))
    before = old.value() if old else None
    stages = [{"name": s.name, "quorum": s.quorum, "groups": sorted(s.groups)} for s in before.stages] if before else []
    said = request.POST if request.method == "POST" else None
    form = PolicyForm(said, initial=_initial(old))
    # Posted rows stand for themselves: beside initial values, one that is as before would count as left empty.
    rows = Stages(said, initial=None if said else stages, prefix="stage", form_kwargs={"groups": groups})
    if said is None:
        return _page(request, form, rows, old)
    if not form.is_valid() or not rows.is_valid():
        return _page(request, form, rows, old, status=400)
    named = [r.cleaned_data for r in rows if r.cleaned_data.get("name")]
    asked = [WantedStage(s["name"], tuple(s["groups"]), s["quorum"] or 1) for s in named]
    wanted, who, now = form.wanted(asked), access.person(request), clock.now()
    reasons = rights.refusals_of_scope(who, POLICIES, sites=wanted.sites, roles=wanted.roles)
    reasons += _outside(request, old)
    if not reasons:
        why, known = form.cleaned_data["why"], form.cleaned_data["known"]
        reasons = keeping.keep(old, wanted, who, now, why=why, known=known)
    if reasons:
        return _page(request, form, rows, old, reasons=reasons, status=409)
    messages.success(request, f"{wanted.name}: it counts from the next submission on.")
    return redirect("policies")


@acts(POLICIES)
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a policy away."""
    old = _policy(pk)
    reasons = _outside(request, old)
    why, known = request.POST.get("why", "").strip()[:MOST_WORDS], request.POST.get("known", "")
    if not reasons:
        number = int(known) if known.isascii() and known.isdigit() and len(known) < 19 else -1
        reasons = keeping.remove(old, access.person(request), clock.now(), why=why.replace("\x00", ""), known=number)
    if reasons:
        form = PolicyForm(initial=_initial(old))
        groups = list(Group.objects.order_by("name").values_list("name", flat=True))
        value = old.value().stages
        stages = [{"name": s.name, "quorum": s.quorum, "groups": sorted(s.groups)} for s in value]
        rows = Stages(initial=stages, prefix="stage", form_kwargs={"groups": groups})
        return _page(request, form, rows, old, reasons=reasons, status=409)
    messages.success(request, f"{old.name} is removed; what is under way keeps the rules of its submission.")
    return redirect("policies")


def _policy(pk: int) -> ApprovalPolicy:
    row = ApprovalPolicy.objects.prefetch_related("sites", "stages__groups").filter(pk=pk).first()
    if row is None:
        raise Http404(f"There is no policy {pk}.")
    return row


def _outside(request: HttpRequest, old: ApprovalPolicy | None) -> tuple[Reason, ...]:
    """Why this person may not touch what the policy is about now."""
    if old is None:
        return ()
    sites = [s.name for s in old.sites.all()]
    return rights.refusals_of_scope(access.person(request), POLICIES, sites=sites, roles=old.roles)


def _initial(old: ApprovalPolicy | None) -> dict[str, Any]:
    if old is None:
        return {"active": True, "known": 0}
    return {
        "name": old.name,
        "active": old.active,
        "least_risk": old.least_risk,
        "expires_hours": old.expires_hours,
        "recipes": old.recipes,
        "sites": [s.name for s in old.sites.all()],
        "roles": old.roles,
        "conditions": old.conditions,
        "known": keeping.version(old),
    }


def _page(
    request: HttpRequest,
    form: PolicyForm,
    stages: Any,
    old: ApprovalPolicy | None,
    *,
    reasons: Sequence[Reason] = (),
    status: int = 200,
) -> HttpResponse:
    context = {
        "now": clock.now(),
        "room": "rules",
        "form": form,
        "stages": stages,
        "old": old,
        "known": keeping.version(old),
        "refusals": explain.sentences(reasons),
    }
    return render(request, "rooms/policy_form.html", context, status=status)
