"""Speaks with ServiceNow: table API for the record, change API to open and to approve, attachment API for evidence.

Options: assignment_group, category, type (normal), approves (our account is an approver), bind (docs/tickets.md).
Sources: ServiceNow REST reference: Table API, Change Management API, Attachment API.
"""

from collections.abc import Mapping

from fleet.core.model import Json, Reason
from fleet.core.tickets import WAY, Stage
from fleet.outward.tickets.base import Closing, NotAllowed, Subject, Ticket, Unreadable
from fleet.outward.tickets.servicenow import words
from fleet.outward.tickets.talk import REMEDY, Talk, part, rows_of

TABLE = "/api/now/table/change_request"
CHANGE = "/api/sn_chg_rest/change"
_QUERY = {"sysparm_fields": words.FIELDS, "sysparm_display_value": "false", "sysparm_exclude_reference_link": "true"}
OPTIONS = frozenset({"assignment_group", "category", "type", "approves", "bind"})
# The states that have to be gone through, one after another; from assess to scheduled the ticket goes by itself.
_STEPS = (Stage.IMPLEMENT, Stage.REVIEW, Stage.CLOSED)


class ServiceNow:
    """One change_request."""

    def __init__(self, talk: Talk, options: Mapping[str, Json]) -> None:
        self.talk, self.options = talk, options

    def find(self, subject: Subject) -> Ticket | None:
        if subject.remote_id:
            try:
                return self._read(subject.remote_id)
            except NotAllowed as error:
                if "404" not in error.reason.found:
                    raise
                return None
        query = f"number={subject.number}" if subject.number else f"correlation_id={subject.mark}"
        rows = self._rows(TABLE, {**_QUERY, "sysparm_query": query, "sysparm_limit": "2"})
        # It is asked for one number and must answer with it: an unknown field in a query is ignored by ServiceNow,
        # and then every change request there is comes back.
        field, _, wanted = query.partition("=")
        fits = [row for row in rows if words.value(row, field) == wanted]
        return self._ticket(fits[0]) if fits else None

    def open(self, subject: Subject) -> Ticket:
        kind = str(self.options.get("type", "normal"))
        said: dict[str, Json] = {
            "short_description": subject.title[:160],
            "description": subject.text,
            "correlation_id": subject.mark,
            "correlation_display": "Slipway",
            **{k: self.options[k] for k in ("assignment_group", "category") if self.options.get(k)},
        }
        answer = self.talk.json("POST", f"{CHANGE}/{part(kind)}", said)
        return self._ticket(answer.get("result") if isinstance(answer, dict) else None)

    def offer(self, subject: Subject, ticket: Ticket) -> Ticket:
        if ticket.stage in {Stage.ASSESS, Stage.AUTHORIZE, Stage.SCHEDULED}:
            # Back to New voids what was approved: it was another plan.
            ticket = self._patch(ticket, {"state": words.NUMBERS[Stage.NEW]})
        if ticket.stage is not Stage.NEW:
            found = f"{ticket.number} in state {ticket.words}"
            raise NotAllowed(Reason("ticket", found, "New: only then approval can be asked for", REMEDY))
        said = {k: self.options[k] for k in ("assignment_group",) if self.options.get(k)}
        asks = {"state": words.NUMBERS[Stage.ASSESS], "work_notes": subject.text, **said}
        moved = self._patch(ticket, asks)
        if moved.stage is Stage.NEW:
            raise NotAllowed(Reason("ticket", f"{ticket.number} stays in New", "Assess", REMEDY))
        return moved

    def decide(self, ticket: Ticket, *, approve: bool, words: str) -> None:
        if not self.options.get("approves"):
            return
        said = {"state": "approved" if approve else "rejected", "comments": words}
        self.talk.json("PATCH", f"{CHANGE}/{part(ticket.remote_id)}/approvals", said)

    def has_note(self, ticket: Ticket, mark: str) -> bool:
        query = f"element_id={ticket.remote_id}^element=work_notes^valueLIKE{mark}"
        fields = {"sysparm_query": query, "sysparm_fields": "element_id,value", "sysparm_limit": "5"}
        rows = self._rows("/api/now/table/sys_journal_field", fields)
        return any(mark in words.value(row, "value") for row in rows)

    def note(self, ticket: Ticket, text: str) -> None:
        self._patch(ticket, {"work_notes": text})

    def conflicts(self, ticket: Ticket, sentences: tuple[str, ...]) -> None:
        said = {"conflict_status": "Conflict" if sentences else "No Conflict"}
        if sentences:
            said["work_notes"] = "Slipway cannot start this change now:\n" + "\n".join(f"- {s}" for s in sentences)
        self._patch(ticket, said)

    def move(self, ticket: Ticket, to: Stage, closing: Closing | None) -> Ticket:
        if to is Stage.CANCELED:
            if ticket.stage in {Stage.CANCELED, Stage.CLOSED}:
                return ticket
            notes = closing.notes if closing else "withdrawn"
            return self._step(ticket, to, {"work_notes": notes, "close_notes": notes})
        for stage in _STEPS:
            if ticket.stage is None or ticket.stage not in WAY:
                break
            if WAY.index(ticket.stage) < WAY.index(stage) <= WAY.index(to):
                ticket = self._step(ticket, stage, _closing(closing) if stage is Stage.CLOSED else {})
        return ticket

    def attach(self, ticket: Ticket, name: str, content: bytes) -> None:
        query = f"table_name=change_request^table_sys_id={ticket.remote_id}^file_name={name}"
        rows = self._rows("/api/now/attachment", {"sysparm_query": query, "sysparm_limit": "5"})
        if any(words.value(row, "file_name") == name for row in rows):
            return
        where = {"table_name": "change_request", "table_sys_id": ticket.remote_id, "file_name": name}
        answer = self.talk.raw("POST", "/api/now/attachment/file", content, "application/zip", query=where)
        document = answer.document()
        size = words.value(document.get("result"), "size_bytes") if isinstance(document, dict) else ""
        if size != str(len(content)):
            found = f"{size or 'no size'} at {name}"
            raise Unreadable(Reason("attachment", found, f"{len(content)} bytes", REMEDY))

    def _read(self, sys_id: str) -> Ticket:
        answer = self.talk.json("GET", f"{TABLE}/{part(sys_id)}", query=_QUERY)
        return self._ticket(answer.get("result") if isinstance(answer, dict) else None)

    def _rows(self, path: str, query: Mapping[str, str]) -> list[dict[str, Json]]:
        return rows_of(self.talk.json("GET", path, query=query), "result")

    def _ticket(self, row: Json) -> Ticket:
        found = words.ticket(row, self.talk.url)
        if found is None:
            wanted = "a change_request with sys_id, number and state"
            raise Unreadable(Reason(self.talk.name, "a document that is none", wanted, REMEDY))
        return found

    def _patch(self, ticket: Ticket, said: Mapping[str, Json]) -> Ticket:
        query = {**_QUERY}
        answer = self.talk.json("PATCH", f"{TABLE}/{part(ticket.remote_id)}", dict(said), query=query)
        found = self._ticket(answer.get("result") if isinstance(answer, dict) else None)
        if found.remote_id != ticket.remote_id:
            raise Unreadable(Reason(self.talk.name, f"ticket {found.number}", ticket.number, REMEDY))
        return found

    def _step(self, ticket: Ticket, to: Stage, more: Mapping[str, Json]) -> Ticket:
        """One state further. ServiceNow answers 200 also when a rule kept the state as it was: it is looked at."""
        moved = self._patch(ticket, {"state": words.NUMBERS[to], **more})
        if moved.stage is not to:
            found = f"{ticket.number} stays {moved.words}, approval {moved.approval}"
            raise NotAllowed(Reason("ticket", found, to.capitalize(), REMEDY))
        return moved


def _closing(closing: Closing | None) -> dict[str, Json]:
    assert closing is not None, "a ticket is closed with how it ended"
    return {"close_code": closing.code, "close_notes": closing.notes}
