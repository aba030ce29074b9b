"""Imports from NetBox and collections of facts: ask for a preview, look at every change, agree to it by its digest."""

import re

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from fleet import clock
from fleet.core import explain
from fleet.core.model import Reason
from fleet.guards import acts, is_htmx, person, reads
from inventory.importers.netbox import asks
from inventory.importers.netbox.preview import Preview
from inventory.importers.netbox.values import Defaults, Filters
from inventory.models import CollectionRun, Credential, DeviceKind, NetboxImport, NetboxSource, Suite

ASK, APPLY = "inventory.add_netboximport", "inventory.change_netboximport"
IMPORTS_SHOWN = 30
# Of a first import of 5,000 devices; all of them stand in what `./manage.py import_netbox --preview` prints.
CHANGES_SHOWN = 200
_SLUG = re.compile(r"[-a-zA-Z0-9_]{1,100}")


@reads
def imports(request: HttpRequest) -> HttpResponse:
    """What was imported, what waits for agreement, and the form for the next one."""
    return _list(request)


def _list(request: HttpRequest, *, refusals: tuple[Reason, ...] = (), status: int = 200) -> HttpResponse:
    rows = NetboxImport.objects.defer("preview").select_related("source")[:IMPORTS_SHOWN]
    context = {
        "now": clock.now(),
        "imports": rows,
        "collections": CollectionRun.objects.order_by("-started_at", "-pk")[:10],
        "sources": NetboxSource.objects.all(),
        "credentials": Credential.objects.values_list("name", flat=True),
        "suites": Suite.choices,
        "kinds": DeviceKind.choices,
        "may_ask": request.user.has_perm(ASK),
        "asked": request.POST,
        "refusals": explain.sentences(refusals),
    }
    return render(request, "inventory/imports.html", context, status=status)


@acts(ASK)
def ask(request: HttpRequest) -> HttpResponse:
    """Ask for a preview. The row is written here; a worker reads NetBox."""
    refusals: list[Reason] = []
    key = request.POST.get("source", "")
    source = NetboxSource.objects.filter(pk=key).first() if key.isascii() and key.isdigit() and len(key) < 10 else None
    if source is None:
        refusals.append(Reason("NetBox", repr(key[:20]), "one of the list", "Add it in the admin first."))
    slugs = {name: _slugs(request.POST.get(name, ""), name, refusals) for name in ("sites", "roles", "tags")}
    credential, suite, kind = (request.POST.get(name, "") for name in ("credential", "suite", "kind"))
    if credential and not Credential.objects.filter(name=credential).exists():
        refusals.append(Reason("credential", repr(credential[:60]), "a credential that exists", "Choose one."))
    if suite not in {"", *Suite.values} or kind not in DeviceKind.values:
        refusals.append(Reason("suite and kind", repr(f"{suite} {kind}"[:60]), "those of the list", "Choose one."))
    if refusals or source is None:
        return _list(request, refusals=tuple(refusals), status=400)
    defaults = Defaults(credential=credential, suite=suite, kind=kind)
    row = asks.ask(source, Filters(**slugs), defaults, by=person(request).get_username(), now=clock.now())
    return redirect("inventory-import", row.pk)


def _slugs(text: str, name: str, refusals: list[Reason]) -> tuple[str, ...]:
    words = tuple(dict.fromkeys(text.replace(",", " ").split()))
    wrong = [w for w in words if not _SLUG.fullmatch(w)]
    if wrong or len(words) > 100:
        wanted = "slugs of NetBox with commas between, at most 100"
        refusals.append(Reason(name, ", ".join(repr(w[:40]) for w in wrong[:5]) or f"{len(words)}", wanted))
    return words


@reads
def one_import(request: HttpRequest, pk: int) -> HttpResponse:
    """One import: how far it is, then every create, update and stale before it happens. Looks again by itself."""
    return _one(request, pk)


def _one(request: HttpRequest, pk: int, *, refusals: tuple[Reason, ...] = (), status: int = 200) -> HttpResponse:
    row = NetboxImport.objects.select_related("source").filter(pk=pk).first()
    if row is None:
        raise Http404(f"There is no import {pk}.")
    preview = Preview.from_json(row.preview) if row.preview is not None else None
    groups = []
    if preview is not None:
        kinds = (("Create", preview.creates), ("Update", preview.updates), ("Mark stale", preview.stale))
        groups = [(words, len(changes), changes[:CHANGES_SHOWN]) for words, changes in kinds if changes]
    context = {
        "now": clock.now(),
        "row": row,
        "preview": preview,
        "groups": groups,
        "wrong": explain.sentences(preview.wrong[:CHANGES_SHOWN]) if preview else [],
        "kept": explain.sentences(preview.kept[:CHANGES_SHOWN]) if preview else [],
        "why": explain.sentences([Reason(**row.refused)]) if isinstance(row.refused, dict) else [],
        "waits": row.state in {"asked", "applying"},
        "may_apply": request.user.has_perm(APPLY),
        "refusals": explain.sentences(refusals),
    }
    fragment = is_htmx(request) and request.method == "GET"
    return render(request, f"inventory/{'_import' if fragment else 'import'}.html", context, status=status)


@acts(APPLY)
def apply(request: HttpRequest, pk: int) -> HttpResponse:
    """Agree to exactly the preview whose digest the form carried."""
    if not NetboxImport.objects.filter(pk=pk).exists():
        raise Http404(f"There is no import {pk}.")
    reason = asks.ask_apply(
        pk,
        digest=request.POST.get("digest", "")[:64],
        by=person(request).get_username(),
        now=clock.now(),
        skip_wrong_rows=request.POST.get("skip_wrong_rows") == "1",
    )
    if reason is not None:
        return _one(request, pk, refusals=(reason,), status=409)
    return redirect("inventory-import", pk)
