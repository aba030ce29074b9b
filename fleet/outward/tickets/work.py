"""Keeps one ticket in step with its change: read it, then tell it what it does not know yet. Each step may be repeated.

What is wanted follows from the rows, not from what happened last: a ticket system that was down for a day, a callback
that came twice, a worker that died in between all end in the same ticket.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.db.models import F, Q

from fleet import clock
from fleet.changes import transitions
from fleet.changes.models import BreakGlass, Change, Revision, Run
from fleet.core.model import Reason
from fleet.core.states import CHANGE_ENDED, CHANGE_LIVE, ChangeState, Control
from fleet.core.tickets import STAGE_OF, WAY, Stage, TicketApproval
from fleet.outward.models import TicketLink, TicketSystem
from fleet.outward.tickets import registry, story
from fleet.outward.tickets.base import Adapter, NotAllowed, Subject, Ticket, Unreadable

ENGINE = "engine"
# While a change waits for its ticket or runs; a draft is nobody's hurry.
LOOK_EVERY = timedelta(seconds=60)
LOOK_AT_DRAFT = timedelta(minutes=10)
LEASE = timedelta(seconds=180)
# After 30 days of refusals nobody closes the ticket by itself any more.
TRY_FOR = timedelta(days=30)
WAITS = (timedelta(seconds=5), timedelta(seconds=20), timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15))
_WAITING = frozenset({ChangeState.SUBMITTED, ChangeState.APPROVED, ChangeState.SCHEDULED})


class _Lost(Exception):
    """A callback or another worker moved the row meanwhile: whoever looks next sees it as it is then."""


def attend(pk: int, *, read_clock: Callable[[], datetime] = clock.now) -> bool:
    """Look at one ticket and tell it what is new. False: somebody else is at it, or it went wrong (kept in its row)."""
    now = read_clock()
    link = TicketLink.objects.select_related("system", "change__author").filter(pk=pk, ended_at=None).first()
    if link is None or not _claim(link, now):
        return False
    try:
        _Visit(link, now).go()
    except _Lost:
        return False
    except Unreadable as error:
        _failed(link, str(error.reason), read_clock(), system=True, wait=error.wait)
        return False
    except NotAllowed as error:
        _failed(link, str(error.reason), read_clock(), system=False)
        return False
    _well(link, read_clock())
    return True


def _claim(link: TicketLink, now: datetime) -> bool:
    free = Q(busy_until=None) | Q(busy_until__lte=now)
    rows = TicketLink.objects.filter(free, pk=link.pk, generation=link.generation)
    won = rows.update(busy_until=now + LEASE, generation=F("generation") + 1)
    link.generation += won
    return won == 1


def _keep(link: TicketLink, *fields: str) -> None:
    """Write these fields of the row in hand; lost when somebody else took it over."""
    rows = TicketLink.objects.filter(pk=link.pk, generation=link.generation)
    if not rows.update(**{field: getattr(link, field) for field in fields}):
        raise _Lost


def _failed(link: TicketLink, words: str, now: datetime, *, system: bool, wait: timedelta | None = None) -> None:
    """Keep why; the gate and the page say it. `system`: nobody answers there, so its other tickets wait as well."""
    link.failures += 1
    pause = max(WAITS[min(link.failures, len(WAITS)) - 1], wait or timedelta())
    rows = TicketLink.objects.filter(pk=link.pk, generation=link.generation)
    rows.update(problem=words[:1000], failures=link.failures, due_at=now + pause, busy_until=None)
    if system:
        failures = link.system.failures + 1
        closed = now + max(WAITS[min(failures, len(WAITS)) - 1], wait or timedelta())
        TicketSystem.objects.filter(pk=link.system_id).update(
            failures=failures, closed_until=closed, problem=words[:1000]
        )
    if link.change.ended and link.read_at is not None and now - link.read_at > TRY_FOR:
        rows.update(ended_at=now)


def _well(link: TicketLink, now: datetime) -> None:
    state = ChangeState(link.change.state)
    due = now + (LOOK_AT_DRAFT if state is ChangeState.DRAFT or link.ended_at else LOOK_EVERY)
    rows = TicketLink.objects.filter(pk=link.pk, generation=link.generation)
    # Something new may have been told to the row meanwhile: then it is due already and stays so.
    rows.update(busy_until=None, failures=0, problem="", due_at=due)
    if Change.objects.filter(pk=link.change_id).exclude(generation=link.change.generation).exists() or link.telling:
        rows.update(due_at=now)
    TicketSystem.objects.filter(pk=link.system_id).update(failures=0, closed_until=None, problem="", ok_at=now)
    if link.system.closed_until is not None:
        # It answers again: what waited because of it is due at once.
        TicketLink.objects.filter(system=link.system_id, ended_at=None, failures__gt=0).update(due_at=now)


class _Visit:
    """One look at one ticket."""

    def __init__(self, link: TicketLink, now: datetime) -> None:
        self.link, self.change, self.now = link, link.change, now
        self.at = ChangeState(self.change.state)
        revision = self.change.revisions.defer("plan", "recipe_text").order_by("-number").first()
        self.revision: Revision | None = revision

    def go(self) -> None:
        adapter, talk = registry.adapter(self.link, self.now)
        try:
            ticket = self._found(adapter)
            if ticket is None:
                return
            self._read(ticket)
            ticket = self._offer(adapter, ticket)
            self._withdrawn(ticket)
            self._decided(adapter, ticket)
            self._tell(adapter, ticket)
            self._conflicts(adapter, ticket)
            self._move(adapter, ticket)
        finally:
            if talk is not None:
                talk.close()

    @property
    def subject(self) -> Subject:
        revision = self.revision
        return story.subject(self.link, revision)

    def _found(self, adapter: Adapter) -> Ticket | None:
        ticket = adapter.find(self.subject)
        if ticket is None and self.link.number and not self.link.remote_id and not self.link.system.opens:
            raise NotAllowed(
                Reason(
                    f"ticket {self.link.name}", "no such ticket there", "one with this number", "Correct the number."
                )
            )
        if ticket is None and self.link.remote_id:
            raise NotAllowed(Reason(f"ticket {self.link.name}", "gone", "the ticket", "It was deleted there: say why."))
        if ticket is None:
            if self.at in CHANGE_ENDED or self.revision is None:
                return None
            ticket = adapter.open(self.subject)
        return ticket

    def _read(self, ticket: Ticket) -> None:
        """Keep what was read. Approved counts for the plan that the ticket showed while it was still undecided."""
        link = self.link
        link.remote_id, link.page, link.remote_state = ticket.remote_id[:100], ticket.page[:500], ticket.words[:60]
        if ticket.number and ticket.number != link.number:
            link.number = ticket.number[:100]
            Change.objects.filter(pk=self.change.pk, ticket="").update(ticket=link.number)
            note = transitions.Note(ENGINE, f"ticket {link.system.name} {link.number} speaks for this change")
            transitions.note(self.change.pk, "ticket linked", note, self.now)
        before, link.approval = link.approval, ticket.approval
        if ticket.approval is TicketApproval.APPROVED:
            link.stopped_run = 0
        if link.system.kind != "generic":
            link.read_at = self.now
        if ticket.approval is not TicketApproval.APPROVED:
            link.asked, link.approved = bool(link.offered), ""
        elif link.asked and not link.approved:
            link.approved, link.approved_by = link.offered, ticket.approved_by[:150]
        if before != link.approval and link.approval in {TicketApproval.APPROVED, TicketApproval.REJECTED}:
            by = f" by {ticket.approved_by}" if ticket.approved_by else ""
            what = f"ticket {link.name} {link.approval}{by}" + (
                f", digest {link.approved[:12]}" if link.approved else ""
            )
            note = transitions.Note(f"ticket:{link.system.name}", what)
            transitions.note(self.change.pk, f"ticket {link.approval}", note, self.now)
        _keep(
            link,
            *("remote_id", "page", "remote_state", "number", "approval", "read_at", "asked"),
            *("approved", "approved_by", "stopped_run"),
        )

    def _offer(self, adapter: Adapter, ticket: Ticket) -> Ticket:
        """Show the plan that waits for approval, each plan once."""
        revision, link = self.revision, self.link
        if revision is None or self.at not in _WAITING or link.offered == revision.digest:
            return ticket
        if ticket.approval is TicketApproval.APPROVED and not link.system.options.get("bind", True):
            link.offered = link.approved = revision.digest  # approved beforehand, and that is enough here
            _keep(link, "offered", "approved")
            return ticket
        after = adapter.offer(self.subject, ticket)
        link.offered, link.asked, link.approved, link.decided = revision.digest, False, "", ""
        _keep(link, "offered", "asked", "approved", "decided")
        self._read(after)
        return after

    def _withdrawn(self, ticket: Ticket) -> None:
        """The ticket was taken back while the change runs: no further step begins until a person has looked."""
        gone = ticket.approval in {TicketApproval.REJECTED, TicketApproval.WITHDRAWN}
        if self.at not in CHANGE_LIVE or not gone or not self.link.system.gate:
            return
        run = Run.objects.live().filter(revision__change=self.change).defer("revision__plan").first()
        if run is None or run.control != Control.NONE or self.link.stopped_run == run.pk:
            return
        if BreakGlass.objects.filter(revision=run.revision_id).exists():
            return
        found = f"{ticket.approval} ({ticket.words}) while the change runs"
        reason = Reason(f"ticket {self.link.name}", found, "approved", "Ask there, then resume or abort.")
        transitions.ask(run, Control.PAUSE, transitions.Note(f"ticket:{self.link.system.name}", str(reason)), self.now)
        self.link.stopped_run = run.pk  # once: whoever resumes it has looked
        _keep(self.link, "stopped_run")

    def _decided(self, adapter: Adapter, ticket: Ticket) -> None:
        """What was decided here, said there, once for each plan."""
        revision, link = self.revision, self.link
        if revision is None or ticket.approval is not TicketApproval.REQUESTED or link.offered != revision.digest:
            return
        approved = self.at in {ChangeState.APPROVED, ChangeState.SCHEDULED}
        if not approved and self.at is not ChangeState.REJECTED:
            return
        key = f"{'approved' if approved else 'rejected'} {revision.digest}"
        if link.decided != key[:80]:
            adapter.decide(ticket, approve=approved, words=story.decision(revision))
            link.decided = key[:80]
            _keep(link, "decided")

    def _tell(self, adapter: Adapter, ticket: Ticket) -> None:
        """Work notes with what happened since. Written ahead, so that after a crash it is looked for first."""
        link = self.link
        note = story.since(link, upto=link.telling or None)
        if note is None:
            return
        if link.telling:
            if not adapter.has_note(ticket, note.mark):
                adapter.note(ticket, note.text)
        else:
            link.telling = note.upto
            _keep(link, "telling")
            adapter.note(ticket, note.text)
        link.told, link.telling = note.upto, 0
        _keep(link, "told", "telling")

    def _conflicts(self, adapter: Adapter, ticket: Ticket) -> None:
        """Why it cannot start, as long as that is a question; said again only when the reasons change."""
        link = self.link
        if self.at not in _WAITING:
            return
        sentences = story.stands_against(self.change, self.now, but=f"ticket {link.name}")
        if link.conflicts != list(sentences) and (sentences or link.conflicts):
            adapter.conflicts(ticket, sentences)
        link.conflicts = list(sentences)
        _keep(link, "conflicts")

    def _move(self, adapter: Adapter, ticket: Ticket) -> None:
        """Take the ticket as far as the change is; at the end with evidence and how it ended."""
        link, wanted = self.link, STAGE_OF[self.at]
        if self.at not in CHANGE_LIVE | CHANGE_ENDED:
            return
        ended = self.at in CHANGE_ENDED
        closing = story.closing(self.change, self.revision) if ended else None
        if ended and link.attached_at is None and wanted is Stage.CLOSED:
            name, content = story.evidence(self.change)
            adapter.attach(ticket, name, content)
            link.attached_at = self.now
            _keep(link, "attached_at")
        if ticket.stage is not wanted and not _beyond(ticket.stage, wanted):
            ticket = adapter.move(ticket, wanted, closing)
            link.remote_state = ticket.words[:60]
            _keep(link, "remote_state")
        if ended and story.since(link, upto=None) is None:
            link.ended_at = self.now
            _keep(link, "ended_at")


def _beyond(stage: Stage | None, wanted: Stage) -> bool:
    """Is the ticket further already, by somebody's hand?"""
    return stage in WAY and wanted in WAY and WAY.index(stage) > WAY.index(wanted)
