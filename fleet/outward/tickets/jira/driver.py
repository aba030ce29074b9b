"""Speaks with Jira Service Management: an issue of the change workflow with its approvals.

Options: project, issue_type ([System] Change), statuses (their name -> stage), approves, bind, gating (gating.py).
Sources: Jira Cloud platform REST v3 (issue, transitions, comments, attachments), Service Management REST (approvals).
"""

import json
import secrets
from collections.abc import Mapping

from fleet.core.model import Json, Reason
from fleet.core.tickets import WAY, Stage, TicketApproval
from fleet.outward.tickets.base import Closing, NotAllowed, Subject, Ticket, Unreadable
from fleet.outward.tickets.jira import words
from fleet.outward.tickets.talk import REMEDY, Talk, part, rows_of, text_of

ISSUE = "/rest/api/3/issue"
REQUEST = "/rest/servicedeskapi/request"
OPTIONS = frozenset({"project", "issue_type", "statuses", "approves", "bind", "gating"})
# A workflow in which nothing is reached after so many transitions goes round in circles.
MOST_STEPS = 6


class Jira:
    """One issue."""

    def __init__(self, talk: Talk, options: Mapping[str, Json]) -> None:
        self.talk, self.options = talk, options
        statuses = options.get("statuses")
        self.statuses: Mapping[str, Json] = statuses if isinstance(statuses, dict) else {}

    def find(self, subject: Subject) -> Ticket | None:
        key = subject.remote_id or subject.number
        if key:
            return self._read(key)
        asked = {"jql": f'labels = "{subject.mark}"', "fields": ["status", "labels"], "maxResults": 2}
        for row in rows_of(self.talk.json("POST", "/rest/api/3/search/jql", asked), "issues"):
            fields = row.get("fields")
            if isinstance(fields, dict) and subject.mark in (fields.get("labels") or ()):
                return self._read(text_of(row, "key"))
        return None

    def open(self, subject: Subject) -> Ticket:
        fields: dict[str, Json] = {
            "project": {"key": self.options.get("project", "")},
            "issuetype": {"name": self.options.get("issue_type", "[System] Change")},
            "summary": " ".join(subject.title.split())[:250],
            "description": _document(subject.text),
            "labels": [subject.mark],
        }
        key = text_of(self.talk.json("POST", ISSUE, {"fields": fields}), "key")
        found = self._read(key) if key else None
        if found is None:
            raise Unreadable(Reason(self.talk.name, "an answer without a key", "the key of the new issue", REMEDY))
        return found

    def offer(self, subject: Subject, ticket: Ticket) -> Ticket:
        self.note(ticket, subject.text)
        if ticket.stage is Stage.AUTHORIZE and ticket.approval is TicketApproval.REQUESTED:
            return ticket  # nobody has decided: what they look at is this plan
        return self._go(ticket, (Stage.AUTHORIZE, Stage.ASSESS, Stage.NEW), until=Stage.AUTHORIZE)

    def decide(self, ticket: Ticket, *, approve: bool, words: str) -> None:
        if not self.options.get("approves"):
            return
        for row in self._approvals(ticket.number):
            if text_of(row, "finalDecision") == "pending" and row.get("canAnswerApproval") is True:
                said = {"decision": "approve" if approve else "decline", "comment": words, "commentPublic": False}
                path = f"{REQUEST}/{part(ticket.number)}/approval/{part(str(row.get('id')))}"
                self.talk.json("POST", path, said)

    def has_note(self, ticket: Ticket, mark: str) -> bool:
        query = {"orderBy": "-created", "maxResults": "50"}
        document = self.talk.json("GET", f"{ISSUE}/{part(ticket.number)}/comment", query=query)
        return any(mark in json.dumps(row.get("body"), ensure_ascii=False) for row in rows_of(document, "comments"))

    def note(self, ticket: Ticket, text: str) -> None:
        said = {"body": text, "public": False}
        self.talk.json("POST", f"{REQUEST}/{part(ticket.number)}/comment", said, empty=True)

    def conflicts(self, ticket: Ticket, sentences: tuple[str, ...]) -> None:
        if sentences:
            self.note(ticket, "Slipway cannot start this change now:\n" + "\n".join(f"- {s}" for s in sentences))

    def move(self, ticket: Ticket, to: Stage, closing: Closing | None) -> Ticket:
        if ticket.stage is to or ticket.stage in {Stage.CLOSED, Stage.CANCELED}:
            return ticket
        if closing is not None:
            self.note(ticket, f"{closing.code}: {closing.notes}")
        if to is Stage.CANCELED:
            return self._go(ticket, (Stage.CANCELED,), until=to)
        # Closing goes through the states between, where the workflow has them.
        way = tuple(reversed([s for s in WAY if WAY.index(Stage.IMPLEMENT) <= WAY.index(s) <= WAY.index(to)]))
        return self._go(ticket, way, until=to)

    def attach(self, ticket: Ticket, name: str, content: bytes) -> None:
        document = self.talk.json("GET", f"{ISSUE}/{part(ticket.number)}", query={"fields": "attachment"})
        fields = document.get("fields") if isinstance(document, dict) else None
        if any(text_of(row, "filename") == name for row in rows_of(fields, "attachment")):
            return
        boundary = secrets.token_hex(16)
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        body = f"{head}Content-Type: application/zip\r\n\r\n".encode() + content + f"\r\n--{boundary}--\r\n".encode()
        kind = f"multipart/form-data; boundary={boundary}"
        answer = self.talk.raw(
            "POST",
            f"{ISSUE}/{part(ticket.number)}/attachments",
            body,
            kind,
            more={"X-Atlassian-Token": "no-check"},
        )
        document = answer.document()
        rows = [row for row in document if isinstance(row, dict)] if isinstance(document, list) else []
        if not any(row.get("size") == len(content) for row in rows):
            raise Unreadable(Reason("attachment", f"no {name} of this size", f"{len(content)} bytes", REMEDY))

    def _read(self, key: str) -> Ticket | None:
        try:
            row = self.talk.json("GET", f"{ISSUE}/{part(key)}", query={"fields": "status,labels"})
        except NotAllowed as error:
            if "404" not in error.reason.found:
                raise
            return None
        number, status = text_of(row, "key"), text_of(row, "fields", "status", "name")
        if not number or not status:
            raise Unreadable(Reason(self.talk.name, "a document that is none", "an issue with key and status", REMEDY))
        stage = words.stage(status, self.statuses)
        approval, who = words.approval(self._approvals(number), stage)
        return Ticket(number, number, stage, approval, status[:60], f"{self.talk.url}/browse/{number}", who)

    def _approvals(self, key: str) -> list[dict[str, Json]]:
        found: list[dict[str, Json]] = []
        for start in range(0, 500, 50):
            query = {"start": str(start), "limit": "50"}
            page = self.talk.json("GET", f"{REQUEST}/{part(key)}/approval", query=query)
            found += rows_of(page, "values")
            if not isinstance(page, dict) or page.get("isLastPage") is not False:
                break
        return found

    def _go(self, ticket: Ticket, wanted: tuple[Stage, ...], *, until: Stage) -> Ticket:
        """Transition by transition to the first of `wanted` that the workflow offers, until `until` is reached."""
        for _ in range(MOST_STEPS):
            if ticket.stage is until:
                return ticket
            path = f"{ISSUE}/{part(ticket.number)}/transitions"
            offers = {
                words.stage(text_of(row, "to", "name"), self.statuses): text_of(row, "id")
                for row in reversed(rows_of(self.talk.json("GET", path), "transitions"))
            }
            way = next((s for s in wanted if s in offers and s is not ticket.stage), None)
            if way is None:
                break
            self.talk.json("POST", path, {"transition": {"id": offers[way]}}, empty=True)
            after = self._read(ticket.number)
            if after is None or after.stage is ticket.stage:
                break
            ticket = after
        if ticket.stage is until:
            return ticket
        found = f"{ticket.number} stays in {ticket.words}, which leads nowhere nearer"
        raise NotAllowed(Reason("ticket", found, f"a status that means {until}", REMEDY))


def _document(text: str) -> Json:
    """Text in the Atlassian document format, which version 3 wants for descriptions."""
    paragraphs = [
        {"type": "paragraph", "content": [{"type": "text", "text": line}] if line else []} for line in text.split("\n")
    ]
    return {"type": "doc", "version": 1, "content": paragraphs}
