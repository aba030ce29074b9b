"""Who did what, when: the events of all changes, newest first, by person, device, change, kind and time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render

from fleet import clock
from fleet.changes.models import Event, TargetRun
from fleet.changes.views import audit_rules
from fleet.changes.views.access import reads
from fleet.changes.views.audit_rules import Between, Done
from fleet.core import explain
from fleet.core.model import Reason
from fleet.core.states import ChangeState, Control, StepState, TargetState
from inventory.views import sheet
from inventory.views.cells import Plain

PER_PAGE = 100
# What one file holds at most; more is asked for by time.
MOST_IN_FILE = 50_000
# Runs that one device was in; older ones are found by their change.
RUNS_OF_DEVICE = 500
SUGGESTED = 200
# The kinds that are no state of anything.
_OTHER = (
    "approval given", "break-glass reviewed", "change comment", "change draft", "change edited", "change holds",
    "change override", "change planned", "change rescheduled", "finding overridden", "run holds", "run resume",
    "step remedy", "step waits", "target released",
)  # fmt: skip
KINDS = tuple(
    sorted(
        {
            *_OTHER,
            *audit_rules.KINDS,
            *(f"change {s}" for s in ChangeState),
            *(f"target {s}" for s in TargetState),
            *(f"step {s}" for s in StepState),
            *(f"run {c}" for c in Control if c is not Control.NONE),
        }
    )
)
FILTERS = ("person", "device", "change", "kind", "since", "until")


@dataclass(frozen=True)
class Asked:
    """What the address asks for; `before`: only what is older than this event."""

    person: str = ""
    device: str = ""
    change: int | None = None
    kind: str = ""
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None


def read(said: Mapping[str, str]) -> tuple[Asked, list[Reason]]:
    """What an address asks for, and what of it cannot be read."""
    reasons: list[Reason] = []
    since, until = (_time(name, said.get(name, ""), reasons) for name in ("since", "until"))
    change, before = (_number(name, said.get(name, ""), reasons) for name in ("change", "before"))
    if since and until and until < since:
        found = f"{until:%Y-%m-%d %H:%M}, before {since:%Y-%m-%d %H:%M}"
        reasons.append(Reason("until", found, "a time after since", "Turn them round."))
    person, device, kind = (said.get(name, "").strip()[:150] for name in ("person", "device", "kind"))
    return Asked(person, device, change, kind, since, until, before), reasons


def _number(name: str, text: str, reasons: list[Reason]) -> int | None:
    if not text:
        return None
    if text.isascii() and text.isdigit() and len(text) <= 18:
        return int(text)
    reasons.append(Reason(name, repr(text[:40]), "a number", "Write digits only."))
    return None


def _time(name: str, text: str, reasons: list[Reason]) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        reasons.append(Reason(name, repr(text[:40]), "a time such as 2026-11-28T05:00", "Times are UTC."))
        return None


def rows(asked: Asked) -> "QuerySet[Event]":
    """The events that are asked for, newest first. At most two queries are made for it here.

    One change is read in the order of its chain; everything else in the order of time, for which there are indexes.
    """
    found = Event.objects.select_related("seal", "change", "target")
    if asked.person:
        found = found.filter(actor=asked.person)
    if asked.kind:
        found = found.filter(kind=asked.kind)
    if asked.device:
        # As numbers: a join would let the database walk through all events for a device that has few.
        runs = TargetRun.objects.filter(router__name=asked.device).order_by("-id").values_list("id", flat=True)
        found = found.filter(target__in=list(runs[:RUNS_OF_DEVICE]))
    if asked.since:
        found = found.filter(at__gte=asked.since)
    if asked.until:
        found = found.filter(at__lte=asked.until)
    if asked.change is not None:
        found = found.filter(change=asked.change)
        return (found.filter(id__lt=asked.before) if asked.before else found).order_by("-id")
    if asked.before:
        at = Event.objects.filter(pk=asked.before).values_list("at", flat=True).first()
        if at is not None:
            found = found.filter(Q(at__lt=at) | Q(id__lt=asked.before), at__lte=at)
    return found.order_by("-at", "-id")


@reads
def audit(request: HttpRequest) -> HttpResponseBase:
    """The page, or its CSV file with `format=csv`. 400 with the reasons when the address is not understood."""
    asked, reasons = read(request.GET.dict())
    wanted = request.GET.get("format", "")
    if wanted not in {"", "csv"}:
        reasons.append(Reason("format", repr(wanted[:20]), "csv", "Leave it away for the page."))
    if wanted == "csv" and not reasons:
        titles = ("at", "who", "kind", "change", "device", "text", "number", "hash")
        return sheet.csv("audit", titles, *_file(asked))
    events = [] if reasons else list(rows(asked)[: PER_PAGE + 1])
    more, events = len(events) > PER_PAGE, events[:PER_PAGE]
    lines = merged(events, () if reasons else _rules(asked, oldest=events[-1].at if more else None))
    said = {k: v for k in FILTERS if (v := request.GET.get(k, ""))}
    return _page(request, said, lines, older=events[-1].pk if more else 0, reasons=reasons)


def _rules(asked: Asked, *, oldest: datetime | None) -> Sequence[Done]:
    """What was done to the rules between the newest and the oldest event of a page; nothing for a device or change."""
    if asked.device or asked.change is not None:
        return ()
    before = Event.objects.filter(pk=asked.before).values_list("at", flat=True).first() if asked.before else None
    since = max(filter(None, (asked.since, oldest)), default=None)
    return audit_rules.done(Between(asked.person, asked.kind, since, asked.until, before))


def merged(events: Sequence[Event], rules: Sequence[Done]) -> list[Event | Done]:
    """Both by time, newest first. Events keep their order: those of one change are in the order of its chain."""
    if not rules:
        return list(events)
    lines: list[Event | Done] = []
    left = list(rules)
    for event in events:
        while left and left[0].at >= event.at:
            lines.append(left.pop(0))
        lines.append(event)
    return [*lines, *left]


def _page(
    request: HttpRequest,
    said: Mapping[str, str],
    events: Sequence[Event | Done],
    *,
    older: int,
    reasons: Sequence[Reason],
) -> HttpResponse:
    context = {
        "now": clock.now(),
        "room": "audit",
        "events": events,
        "said": said,
        "chips": [(f"{k}: {v}", "?" + urlencode({o: w for o, w in said.items() if o != k})) for k, v in said.items()],
        "newest": "?" + urlencode(said) if request.GET.get("before") else "",
        "older": "?" + urlencode({**said, "before": older}) if older else "",
        "csv": "?" + urlencode({**said, "format": "csv"}),
        "most_in_file": MOST_IN_FILE,
        "kinds": KINDS,
        "people": ["engine", *User.objects.order_by("username").values_list("username", flat=True)[:SUGGESTED]],
        "refusals": explain.sentences(reasons),
    }
    return render(request, "rooms/audit.html", context, status=400 if reasons else 200)


def _file(asked: Asked) -> tuple[Sequence[int], Callable[[Sequence[int]], list[list[Plain]]]]:
    """The rows of the file by number, negative ones for what was done to the rules; and how some of them are read."""
    found = list(rows(asked).values_list("pk", "at")[:MOST_IN_FILE])
    rules = _rules(asked, oldest=found[-1][1] if len(found) == MOST_IN_FILE else None)
    numbers: list[int] = []
    told = 0
    for pk, at in found:
        while told < len(rules) and rules[told].at >= at:
            told += 1
            numbers.append(-told)
        numbers.append(pk)
    numbers += [-n for n in range(told + 1, len(rules) + 1)]

    def values(pks: Sequence[int]) -> list[list[Plain]]:
        events = Event.objects.filter(pk__in=[pk for pk in pks if pk > 0]).select_related("seal", "target")
        lines = {event.pk: _line(event) for event in events}
        lines |= {-n: _of_rules(one) for n, one in enumerate(rules, 1)}
        return [lines[pk] for pk in pks if pk in lines]

    return numbers, values


def _of_rules(one: Done) -> list[Plain]:
    return [one.at.isoformat(), one.actor, one.kind, "", "", one.text, "", ""]


def _line(event: Event) -> list[Plain]:
    seal = getattr(event, "seal", None)
    device = event.target.name if event.target else ""
    at = event.at.isoformat()
    hashed = (seal.number, seal.hash) if seal else ("", "")
    return [at, event.actor, event.kind, event.change_id, device, event.text, *hashed]
