"""Adding, changing and removing what people enter: one form each, for those with the right of the table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db import IntegrityError, transaction
from django.db.models import Model, ProtectedError, RestrictedError
from django.forms import ModelForm
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse

from fleet import clock
from fleet.core import explain
from fleet.core.model import Reason
from fleet.guards import acts, edits, person, refused
from inventory.models import Router
from inventory.views import forms


@dataclass(frozen=True)
class Thing:
    """Something that people enter. `back`: the address name of its list; `words`: what it is, in a sentence."""

    slug: str
    folder: str
    words: str
    form: type["ModelForm[Any]"]
    back: str
    new_form: type["ModelForm[Any]"] | None = None
    note: str = ""

    @property
    def article(self) -> str:
        return "an" if self.words[0] in "aeio" else "a"

    @property
    def model(self) -> type[Model]:
        return self.form._meta.model

    def right(self, verb: str) -> str:
        """The Django permission: "inventory.change_site"."""
        return f"{self.model._meta.app_label}.{verb}_{self.model._meta.model_name}"


THINGS = (
    Thing("device", "devices", "device", forms.DeviceForm, "inventory-devices", forms.NewDeviceForm),
    Thing("site", "sites", "site", forms.SiteForm, "inventory-sites"),
    Thing("failure-domain", "failure-domains", "failure domain", forms.FailureDomainForm, "inventory-failure-domains"),
    Thing("link", "links", "link", forms.LinkForm, "inventory-links"),
    Thing("external", "externals", "external", forms.ExternalForm, "inventory-externals"),
    Thing("profile", "profiles", "profile", forms.ProfileForm, "inventory-profiles",
          note="What is saved here is wanted from then on: drift shows at the next look; no device is touched."),
    Thing("assignment", "assignments", "assignment", forms.AssignmentForm, "inventory-assignments",
          note="Fill in exactly what the level says: a role, a site, a NIC model or a device; nothing for the fleet."),
    Thing("artifact", "artifacts", "artifact", forms.ArtifactForm, "inventory-artifacts"),
    Thing("console", "consoles", "console", forms.ConsoleForm, "inventory-consoles"),
    Thing("beacon", "beacons", "beacon", forms.BeaconForm, "inventory-beacons"),
    Thing("ucs-domain", "ucs-domains", "UCS domain", forms.UcsDomainForm, "inventory-ucs-domains"),
    Thing("adapter-policy", "adapter-policies", "adapter policy", forms.AdapterPolicyForm,
          "inventory-adapter-policies", note="What is saved here is what the inventory knows; no domain is touched."),
    Thing("service-profile", "service-profiles", "service profile", forms.ServiceProfileForm,
          "inventory-service-profiles", note="What is saved here is what the inventory knows; no domain is touched."),
    Thing("credential", "credentials", "credential", forms.CredentialForm, "inventory-credentials",
          note="Say where the secret lies, never the secret itself."),
)  # fmt: skip


# Where the name of a field does not make a label by itself.
LABELS: Mapping[str, str] = {
    "dn": "Distinguished name", "sha256": "SHA-256", "rss": "RSS", "router_id": "Router ID", "nic_model": "NIC model",
    "capacity_mbps": "Capacity in Mb/s", "rx_queues": "Receive queues", "tx_queues": "Transmit queues",
    "rx_ring": "Receive ring", "tx_ring": "Transmit ring", "brings": "Brings along", "location": "Where it lies",
}  # fmt: skip


def _adds(thing: Thing) -> Callable[..., HttpResponseBase]:
    @edits(thing.right("add"))
    def add(request: HttpRequest) -> HttpResponse:
        return _show(request, thing, (thing.new_form or thing.form), None)

    return add


def _changes(thing: Thing) -> Callable[..., HttpResponseBase]:
    @edits()
    def change(request: HttpRequest, pk: int) -> HttpResponse:
        if request.method == "POST" and not person(request).has_perm(thing.right("change")):
            return _may_not(request, thing)
        return _show(request, thing, thing.form, _row(thing, pk))

    return change


def _may_not(request: HttpRequest, thing: Thing) -> HttpResponse:
    reason = Reason(
        "permission", "none of yours allows this", thing.right("change"), "Ask an administrator of Slipway for it."
    )
    return refused(request, [reason], status=403)


def _removes(thing: Thing) -> Callable[..., HttpResponseBase]:
    @acts(thing.right("delete"))
    def remove(request: HttpRequest, pk: int) -> HttpResponse:
        row = _row(thing, pk)
        words = f"{thing.words} {row}"
        try:
            with transaction.atomic():
                row.delete()
        except (ProtectedError, RestrictedError, TypeError, IntegrityError) as error:
            return _show(request, thing, thing.form, row, refusals=(in_use(words, error),), status=409)
        messages.success(request, f"The {words} is removed.")
        return redirect(thing.back)

    return remove


def in_use(words: str, error: Exception) -> Reason:
    """What still needs the row, by name."""
    needed = getattr(error, "protected_objects", None) or getattr(error, "restricted_objects", None) or ()
    names = sorted(f"{each._meta.verbose_name} {each}" for each in list(needed)[:200])
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    found = f"used by {', '.join(names[:5])}{more}" if names else "rows of its history that are kept for ever"
    return Reason(words, found, "nothing that needs it", "Move or remove that first." if names else "Leave it; tag it.")


def _row(thing: Thing, pk: int) -> Model:
    row = thing.model._default_manager.filter(pk=pk).first()
    if row is None:
        raise Http404(f"There is no {thing.words} {pk}.")
    return row


def _show(
    request: HttpRequest,
    thing: Thing,
    form_class: type["ModelForm[Any]"],
    row: Model | None,
    *,
    refusals: tuple[Reason, ...] = (),
    status: int = 200,
) -> HttpResponse:
    """The form; after a good POST back to the list. 400 with every error at its field otherwise."""
    sent = request.POST if request.method == "POST" and not refusals else None
    form = form_class(sent, instance=row, label_suffix="")
    for name, field in form.fields.items():
        field.label = LABELS.get(name, field.label)
    if sent is not None:
        if form.is_valid():
            kept = saved(form)
            if kept is not None:
                messages.success(request, f"The {thing.words} {kept} is saved.")
                return redirect("device", kept.name) if isinstance(kept, Router) else redirect(thing.back)
        status = 400
    who = person(request)
    context = {
        "now": clock.now(),
        "thing": thing,
        "form": form,
        "row": row,
        "back": reverse(thing.back),
        "may_change": who.has_perm(thing.right("add" if row is None else "change")),
        "remove": reverse(f"inventory-remove-{thing.slug}", args=[row.pk]) if row is not None else "",
        "may_remove": row is not None and who.has_perm(thing.right("delete")),
        "refusals": explain.sentences(refusals),
    }
    return render(request, "inventory/edit.html", context, status=status)


def saved(form: "ModelForm[Any]") -> Model | None:
    """Save it whole or not at all. What the database alone could see (somebody was quicker) becomes an error."""
    try:
        with transaction.atomic():
            kept: Model = form.save()
            return kept
    except IntegrityError:
        form.add_error(None, "found a row with the same values, made meanwhile, wanted one of each. Look at the list.")
        return None


def addresses() -> list[URLPattern]:
    """inventory-add-site, inventory-edit-site, inventory-remove-site, and so on for each."""
    made: list[URLPattern] = []
    for thing in THINGS:
        made += [
            path(f"{thing.folder}/add", _adds(thing), name=f"inventory-add-{thing.slug}"),
            path(f"{thing.folder}/<int:pk>/edit", _changes(thing), name=f"inventory-edit-{thing.slug}"),
            path(f"{thing.folder}/<int:pk>/remove", _removes(thing), name=f"inventory-remove-{thing.slug}"),
        ]
    return made
