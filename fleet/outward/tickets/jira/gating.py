"""Deployment gating: the plan is announced as a deployment, Jira opens the change request and holds the gate.

Each revision is a deployment of its own, so that what was approved for an older plan opens no gate.
Options: gating = {"pipeline": ..., "environment": ..., "services": [...]}.
Source: Jira Software deployments API 0.1 (bulk, gating-status).
"""

from collections.abc import Mapping
from datetime import datetime

from fleet.core.model import Json, Reason
from fleet.core.tickets import Stage, TicketApproval
from fleet.outward.tickets.base import Closing, NotAllowed, Subject, Ticket, Unreadable
from fleet.outward.tickets.jira import words
from fleet.outward.tickets.jira.driver import Jira
from fleet.outward.tickets.talk import REMEDY, Talk, part, rows_of, text_of

DEPLOYMENTS = "/rest/deployments/0.1"
REVISIONS = 1000  # of one change; deployment numbers are change * 1000 + revision


class Gated(Jira):
    """The change request that Jira opens for a deployment that waits at its gate."""

    def __init__(self, talk: Talk, options: Mapping[str, Json], now: datetime) -> None:
        super().__init__(talk, options)
        self.now, self._subject = now, None
        gating = options.get("gating")
        self.gating: Mapping[str, Json] = gating if isinstance(gating, dict) else {}

    _subject: Subject | None

    def find(self, subject: Subject) -> Ticket | None:
        self._subject = subject
        where = "/".join(
            (DEPLOYMENTS, "pipelines", part(str(self.gating.get("pipeline"))), "environments",
             part(str(self.gating.get("environment"))), "deployments", str(_number(subject)), "gating-status")
        )  # fmt: skip
        try:
            document = self.talk.json("GET", where)
        except NotAllowed as error:
            if "404" not in error.reason.found:
                raise
            return super().find(subject) if subject.number else None
        if not isinstance(document, dict) or document.get("deploymentSequenceNumber") not in {
            _number(subject), str(_number(subject)),
        }:  # fmt: skip
            raise Unreadable(Reason(self.talk.name, "the gate of another deployment", str(_number(subject)), REMEDY))
        gate = text_of(document, "gatingStatus")
        approval = words.GATES.get(gate, TicketApproval.UNKNOWN)
        keys = [text_of(d, "issueKey") for d in rows_of(document, "details") if text_of(d, "type") == "issue"]
        key = next((k for k in keys if k), subject.number)
        issue = self._read(key) if key else None
        if issue is None:
            return Ticket("", key, Stage.AUTHORIZE, approval, f"gate {gate[:30] or 'unknown'}")
        if issue.approval is TicketApproval.WITHDRAWN:
            approval = issue.approval
        shown = f"{issue.words}, gate {gate[:30] or 'unknown'}"
        return Ticket(issue.remote_id, issue.number, issue.stage, approval, shown, issue.page, issue.approved_by)

    def open(self, subject: Subject) -> Ticket:
        self._announce(subject, "pending", gate=True)
        return Ticket("", subject.number, Stage.AUTHORIZE, TicketApproval.REQUESTED, "gate asked for")

    def offer(self, subject: Subject, ticket: Ticket) -> Ticket:
        found = self.find(subject)
        if found is None or found.words.startswith("gate unknown") or not self._has_gate(found):
            return self.open(subject)
        if found.number:
            self.note(found, subject.text)
        return found

    def _has_gate(self, ticket: Ticket) -> bool:
        return "gate " in ticket.words

    def note(self, ticket: Ticket, text: str) -> None:
        if ticket.number:
            super().note(ticket, text)

    def has_note(self, ticket: Ticket, mark: str) -> bool:
        return bool(ticket.number) and super().has_note(ticket, mark)

    def attach(self, ticket: Ticket, name: str, content: bytes) -> None:
        if ticket.number:
            super().attach(ticket, name, content)

    def move(self, ticket: Ticket, to: Stage, closing: Closing | None) -> Ticket:
        assert self._subject is not None, "a ticket is found before it is moved"
        self._announce(self._subject, words.deployment_state(to, closing.code if closing else ""), gate=False)
        return super().move(ticket, to, closing) if ticket.number else ticket

    def _announce(self, subject: Subject, state: str, *, gate: bool) -> None:
        pipeline, environment = str(self.gating.get("pipeline")), str(self.gating.get("environment"))
        deployment: dict[str, Json] = {
            "schemaVersion": "1.0",
            "deploymentSequenceNumber": _number(subject),
            "updateSequenceNumber": int(self.now.timestamp()),
            "displayName": subject.title[:255],
            "description": subject.text[:255],
            "url": subject.url,
            "lastUpdated": self.now.isoformat().replace("+00:00", "Z"),
            "label": f"digest {subject.digest[:12]}",
            "state": state,
            "pipeline": {"id": pipeline, "displayName": "Slipway", "url": subject.url},
            "environment": {"id": environment, "displayName": environment, "type": "production"},
            "associations": [{"associationType": "serviceIdOrKeys", "values": self.gating.get("services", [])}],
        }
        if gate:
            deployment["commands"] = [{"command": "initiate_deployment_gating"}]
        answer = self.talk.json("POST", f"{DEPLOYMENTS}/bulk", {"deployments": [deployment]})
        if refused := rows_of(answer, "rejectedDeployments"):
            errors = "; ".join(text_of(e, "message") for e in rows_of(refused[0], "errors"))[:200]
            raise NotAllowed(Reason(self.talk.name, f"deployment refused: {errors}", "accepted", REMEDY))
        if not rows_of(answer, "acceptedDeployments"):
            raise Unreadable(Reason(self.talk.name, "neither accepted nor refused", "accepted", REMEDY))


def _number(subject: Subject) -> int:
    return subject.change * REVISIONS + subject.revision
