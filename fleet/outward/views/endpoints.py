"""Webhook endpoints, what was delivered to them, and dead letters with their button."""

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db import IntegrityError, transaction
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from fleet import clock
from fleet.core import explain
from fleet.core.model import Reason
from fleet.guards import acts, edits, person, reads
from fleet.outward import deliver, outbox
from fleet.outward.models import Delivery, Endpoint
from fleet.people.roles import OUTWARD

PER_PAGE = 50
# More than this is not counted out: "1000 or more" says enough.
COUNTED = 1000


def _count(outcome: str) -> Any:
    """How many deliveries of an endpoint are like that, at most COUNTED."""
    some = Delivery.objects.filter(endpoint=OuterRef(OuterRef("pk")), outcome=outcome).order_by()
    limited = Delivery.objects.filter(pk__in=some.values("pk")[:COUNTED]).order_by().values("endpoint")
    return Coalesce(Subquery(limited.annotate(n=Count("pk")).values("n")[:1]), 0)


@reads
def endpoints(request: HttpRequest) -> HttpResponse:
    """Everybody who is told, and whether they take it."""
    rows = Endpoint.objects.annotate(waiting=_count(""), dead=_count(Delivery.DEAD)).order_by("name")
    context = {
        "now": clock.now(),
        "room": "outward",
        "page": Paginator(rows, PER_PAGE).get_page(request.GET.get("page")),
        "counted": COUNTED,
        "may_edit": request.user.has_perm(OUTWARD),
    }
    return render(request, "outward/endpoints.html", context)


def _one(pk: int) -> Endpoint:
    found = Endpoint.objects.annotate(waiting=_count(""), dead=_count(Delivery.DEAD)).filter(pk=pk).first()
    if found is None:
        raise Http404(f"There is no endpoint {pk}.")
    return found


@reads
def endpoint(request: HttpRequest, pk: int) -> HttpResponse:
    """One endpoint and its deliveries, newest first."""
    row = _one(pk)
    shown = request.GET.get("show", "")
    rows: QuerySet[Delivery] = Delivery.objects.filter(endpoint=row).select_related("message__event")
    if shown in {"waiting", Delivery.DELIVERED, Delivery.DEAD}:
        rows = rows.filter(outcome="" if shown == "waiting" else shown)
    context = {
        "now": clock.now(),
        "room": "outward",
        "endpoint": row,
        "shown": shown,
        "kinds": (("", "All"), ("waiting", "Waiting"), (Delivery.DELIVERED, "Taken"), (Delivery.DEAD, "Dead")),
        "counted": COUNTED,
        "deliveries": rows.order_by("-pk")[:PER_PAGE],
        "may_edit": request.user.has_perm(OUTWARD),
    }
    return render(request, "outward/endpoint.html", context)


@edits(OUTWARD)
def edit(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """Add an endpoint, or change one."""
    now = clock.now()
    who = person(request).get_username()
    row = _one(pk) if pk is not None else Endpoint(created_at=now, created_by=who)
    reasons: Sequence[Reason] = ()
    if request.method == "POST":
        reasons = _written(row, request)
        if not reasons:
            messages.success(request, f"{row.name}: kept.")
            return redirect(row)
    context = {
        "now": now,
        "room": "outward",
        "endpoint": row,
        "events": "\n".join(row.events) if isinstance(row.events, list) else "",
        "refusals": explain.sentences(reasons),
    }
    return render(request, "outward/endpoint_form.html", context, status=409 if reasons else 200)


def _written(row: Endpoint, request: HttpRequest) -> Sequence[Reason]:
    """Put what was sent into the row and save it, or say why not."""
    said = {name: request.POST.get(name, "").strip() for name in ("name", "url", "secret", "old_secret")}
    if any("\x00" in value for value in said.values()):
        return (Reason("form", "a character that is no text", "text", "Type it again."),)
    row.name, row.url, row.secret, row.old_secret = (said[n][:1000] for n in ("name", "url", "secret", "old_secret"))
    row.events = request.POST.get("events", "").split()
    row.active = request.POST.get("active") == "on"
    if row.active:
        row.closed_until = None  # whoever has just looked at it wants to see it tried
    try:
        row.full_clean(exclude=["created_at"])
        with transaction.atomic():
            row.save()
    except ValidationError as error:
        return tuple(
            Reason(field, "; ".join(texts), "what is said there", "Correct it.")
            for field, texts in error.message_dict.items()
        )
    except IntegrityError:
        return (Reason("name", f"{row.name[:60]!r}, which is taken", "a name of its own", "Choose another."),)
    return ()


@acts(OUTWARD)
def ping(request: HttpRequest, pk: int) -> HttpResponse:
    """Send a message that tells nothing."""
    row = _one(pk)
    outbox.ping(row, person(request).get_username(), clock.now())
    messages.success(request, f"{row.name}: a ping is on its way; reload to see what became of it.")
    return redirect(row)


@acts(OUTWARD)
def try_now(request: HttpRequest, pk: int) -> HttpResponse:
    """Do not wait until the next attempt."""
    row = _one(pk)
    now = clock.now()
    Endpoint.objects.filter(pk=pk).update(closed_until=None)
    Delivery.objects.filter(endpoint=pk, outcome="", due_at__gt=now).update(due_at=now)
    messages.success(request, f"{row.name}: it is tried now.")
    return redirect(row)


@reads
def dead(request: HttpRequest) -> HttpResponse:
    """What nobody took for days."""
    rows = Delivery.objects.filter(outcome=Delivery.DEAD).select_related("endpoint", "message__event__change")
    context = {
        "now": clock.now(),
        "room": "outward",
        "page": Paginator(rows.order_by("-ended_at", "-pk"), PER_PAGE).get_page(request.GET.get("page")),
        "may_edit": request.user.has_perm(OUTWARD),
    }
    return render(request, "outward/dead.html", context)


@acts(OUTWARD)
def resend(request: HttpRequest) -> HttpResponse:
    """Send dead letters again: those that were ticked, or all of one endpoint."""
    ids = [int(i) for i in request.POST.getlist("delivery")[:PER_PAGE] if i.isascii() and i.isdigit() and len(i) < 18]
    whole = request.POST.get("endpoint", "")
    wanted = Q(pk__in=ids)
    if whole.isascii() and whole.isdigit() and len(whole) < 18:
        wanted |= Q(endpoint=int(whole))
    count = deliver.resend(Delivery.objects.filter(wanted), person(request).get_username(), clock.now())
    messages.success(request, f"{count} sent again.")
    return redirect("dead-letters")
