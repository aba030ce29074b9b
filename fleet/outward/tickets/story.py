"""What a ticket is told, in words: the plan to approve, what happened since, why not now, how it ended."""

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fleet.changes import evidence_bundle, scheduled
from fleet.changes.models import Approval, Change, Event, Revision, Run, TargetRun
from fleet.core.states import ChangeState, TargetState
from fleet.outward import outbox
from fleet.outward.models import TicketLink
from fleet.outward.tickets.base import Closing, Subject

# A work note that is longer is not read; the page has everything.
LINES, MOST_TEXT = 25, 3500
EVENTS_AT_ONCE = 2000
# Systems take attachments up to some tens of MB; a larger bundle is fetched by its address.
MOST_EVIDENCE = 20_000_000


@dataclass(frozen=True)
class Told:
    """A note, the last event in it, and the mark by which it is found again."""

    text: str
    upto: int
    mark: str


def mark_of(change_id: int) -> str:
    """By which a ticket that we opened is found again, whatever became of the answer."""
    return f"slipway-change-{change_id}"


def subject(link: TicketLink, revision: Revision | None) -> Subject:
    """What the ticket is about."""
    change = link.change
    url = outbox.origin() + change.get_absolute_url()
    digest, number = (revision.digest, revision.number) if revision is not None else ("", 0)
    targets = _targets(revision)
    lines = [
        change.title,
        *([change.description] if change.description else []),
        "",
        f"Slipway change {change.pk} by {change.author.get_username()}, revision {number}",
        f"Plan: {revision.recipe if revision is not None else 'none yet'} on {targets}",
        f"Digest: {digest}",
        f"Everything about it: {url}",
        "Approval is for exactly this plan; another one will be asked for again.",
    ]
    text = "\n".join(lines)[:MOST_TEXT]
    return Subject(change.pk, number, link.number, link.remote_id, mark_of(change.pk), change.title, text, digest, url)


def _targets(revision: Revision | None) -> str:
    if revision is None:
        return "no device"
    names = [t["name"] for t in Revision.objects.values_list("plan", flat=True).get(pk=revision.pk)["targets"]]
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return f"{len(names)} devices: {', '.join(names[:10])}{more}"


def since(link: TicketLink, *, upto: int | None) -> Told | None:
    """What happened since the last note, up to an event or up to now; None: nothing that belongs into a ticket."""
    rows = Event.objects.filter(change=link.change_id, pk__gt=link.told).exclude(kind__startswith="step ")
    rows = rows.exclude(kind__startswith="ticket ")
    if upto is not None:
        rows = rows.filter(pk__lte=upto)
    events = list(rows.order_by("pk")[:EVENTS_AT_ONCE])
    if not events:
        return None
    last = events[-1].pk
    mark = f"[slipway {link.change_id}.{last}]"
    return Told(f"{_lines(events)}\n{mark}", last, mark)


def _lines(events: Sequence[Event]) -> str:
    """The events of the change itself each on a line; those of devices counted where they are many."""
    single = [e for e in events if e.target_id is None or e.kind in {"target stuck", "target rolled_back"}]
    if len(events) <= LINES:
        single = list(events)
    counted = Counter(e.kind for e in events if e not in single) if len(single) != len(events) else Counter()
    shown = [f"{e.at:%Y-%m-%d %H:%M:%S} UTC {e.actor}: {' '.join(e.text.split())[:400]}" for e in single[-LINES:]]
    if len(single) > LINES:
        shown.insert(0, f"({len(single) - LINES} earlier lines stand on the page of the change)")
    shown += [f"{kind}: {count} times" for kind, count in sorted(counted.items())]
    return "\n".join(shown)[:MOST_TEXT]


def stands_against(change: Change, now: datetime, *, but: str) -> tuple[str, ...]:
    """Why it cannot start now, without what the ticket itself holds up and without that it waits for approval."""
    found = scheduled.ahead(change, now).holds
    return tuple(s for s in found if not s.startswith((but, "ticket ", "change: ")))[:20]


def decision(revision: Revision) -> str:
    """Who decided in Slipway, and what they said."""
    rows = revision.good_approvals().exclude(decision=Approval.COMMENTED).select_related("approver")
    said = [f"{a.decision} by {a.approver.get_username()}" + (f": {a.comment}" if a.comment else "") for a in rows]
    return f"Slipway, digest {revision.digest[:12]}: " + ("; ".join(said)[:800] or "decided")


def closing(change: Change, revision: Revision | None) -> Closing:
    """How it ended: successful only when everything is as wanted and nothing is held by anybody."""
    run = Run.objects.filter(revision=revision).first() if revision is not None else None
    counts: Counter[str] = Counter()
    if run is not None:
        counts.update(TargetRun.objects.filter(run=run).values_list("state", flat=True))
    bad = counts[TargetState.STUCK] + counts[TargetState.ROLLED_BACK]
    well = "successful_issues" if bad else "successful"
    code = well if change.state == ChangeState.SUCCEEDED else "unsuccessful"
    states = ", ".join(f"{n} {state.replace('_', ' ')}" for state, n in sorted(counts.items()))
    words = f"{change.state.replace('_', ' ')}: {run.outcome}" if run is not None and run.outcome else change.in_words
    digest = f" Digest {revision.digest[:12]}." if revision is not None else ""
    return Closing(code, f"{words}. {states or 'no device was touched'}.{digest}"[:1000])


def evidence(change: Change) -> tuple[str, bytes]:
    """File name and content of the evidence bundle."""
    with tempfile.TemporaryFile() as file:
        evidence_bundle.write(change, file)
        file.seek(0)
        content = file.read(MOST_EVIDENCE + 1)
    if len(content) > MOST_EVIDENCE:
        where = outbox.origin() + change.get_absolute_url()
        text = f"The evidence has more than {MOST_EVIDENCE} bytes: fetch it at {where}"
        return f"slipway-change-{change.pk}-evidence.txt", text.encode()
    return evidence_bundle.file_name(change), content
