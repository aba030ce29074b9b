"""A Jira Service Management of ours: issues of the change workflow, approvals, comments, files, deployment gates."""

import base64
import json
import re
from typing import Any

from lab.tickets.server import Asked, Fake, Said

ISSUE = "/rest/api/3/issue"
REQUEST = "/rest/servicedeskapi/request"
GATES = "/rest/deployments/0.1"
# The change management workflow as it is shipped, shortened: status -> transitions (id, name, status).
WORKFLOW: dict[str, list[tuple[str, str, str]]] = {
    "Planning": [("11", "Ask for approval", "Awaiting CAB approval"), ("91", "Cancel", "Canceled")],
    "Awaiting CAB approval": [("12", "Back to planning", "Planning"), ("91", "Cancel", "Canceled")],
    "Awaiting implementation": [
        ("12", "Back to planning", "Planning"), ("21", "Implement", "Implementing"), ("91", "Cancel", "Canceled"),
    ],
    "Implementing": [("31", "Done", "Completed"), ("91", "Cancel", "Canceled")],
    "Completed": [],
    "Declined": [],
    "Canceled": [],
}  # fmt: skip


class Jira(Fake):
    """`approve(key)`: what the CAB does."""

    def __init__(self, *, user: str = "slipway@example.net", password: str = "ticket-password") -> None:
        super().__init__()
        self.login = base64.b64encode(f"{user}:{password}".encode()).decode()
        self.issues: dict[str, dict[str, Any]] = {}
        self.gates: dict[tuple[str, str, int], dict[str, Any]] = {}

    # --- what people do there ---

    def make(self, status: str = "Planning", **fields: Any) -> str:
        key = f"CHM-{len(self.issues) + 1}"
        self.issues[key] = {
            "status": status, "labels": [], "summary": "", "comments": [], "attachments": {}, "approvals": [], **fields,
        }  # fmt: skip
        if status == "Awaiting CAB approval":
            self._ask(key)
        return key

    def _ask(self, key: str) -> None:
        approvals = self.issues[key]["approvals"]
        approvals.append({"id": str(len(approvals) + 1), "finalDecision": "pending", "answered": []})

    def approve(self, key: str, by: str = "CAB") -> None:
        self._decide(key, "approved", by)

    def decline(self, key: str, by: str = "CAB") -> None:
        self._decide(key, "declined", by)

    def _decide(self, key: str, decision: str, by: str) -> None:
        issue = self.issues[key]
        pending = [a for a in issue["approvals"] if a["finalDecision"] == "pending"]
        assert pending, f"nothing to decide about {key}"
        pending[-1].update(finalDecision=decision, answered=[(by, decision)])
        issue["status"] = "Awaiting implementation" if decision == "approved" else "Declined"
        for gate in self.gates.values():
            if gate["issue"] == key:
                gate["status"] = "allowed" if decision == "approved" else "prevented"

    def cancel(self, key: str) -> None:
        self.issues[key]["status"] = "Canceled"

    def comments_of(self, key: str) -> list[str]:
        return [c["body"] for c in self.issues[key]["comments"]]

    # --- the API ---

    def answer(self, asked: Asked) -> Said:
        if asked.headers.get("authorization") not in {f"Basic {self.login}", "Bearer ticket-password"}:
            return Said(401, {"errorMessages": ["You are not authenticated."], "errors": {}})
        path = asked.path
        if path.startswith(GATES):
            return self._gating(asked)
        if path == "/rest/api/3/search/jql":
            label = re.findall(r'labels = "([^"]*)"', asked.document()["jql"])[0]
            found = [
                {"id": k, "key": k, "fields": {"status": {"name": i["status"]}, "labels": i["labels"]}}
                for k, i in self.issues.items()
                if label in i["labels"]
            ]
            return Said(200, {"issues": found, "isLast": True})
        if path == ISSUE and asked.method == "POST":
            fields = asked.document()["fields"]
            key = self.make(summary=fields["summary"], labels=fields["labels"])
            return Said(201, {"id": key, "key": key, "self": ""})
        parts = path.split("/")
        key = next((p for p in parts if p in self.issues), "")
        if not key:
            return Said(404, {"errorMessages": ["Issue does not exist or you do not have permission to see it."]})
        return self._issue(key, parts[parts.index(key) + 1 :], asked)

    def _issue(self, key: str, rest: list[str], asked: Asked) -> Said:
        issue = self.issues[key]
        match (asked.method, rest):
            case ("GET", []):
                files = [{"filename": n, "size": len(c)} for n, c in issue["attachments"].items()]
                fields = {"status": {"name": issue["status"]}, "labels": issue["labels"], "attachment": files}
                return Said(200, {"id": key, "key": key, "fields": fields})
            case ("GET", ["transitions"]):
                offers = [{"id": i, "name": n, "to": {"name": to}} for i, n, to in WORKFLOW[issue["status"]]]
                return Said(200, {"transitions": offers})
            case ("POST", ["transitions"]):
                return self._transition(key, asked.document()["transition"]["id"])
            case ("GET", ["comment"]):
                comments = [{"id": str(n), "body": _document(c["body"])} for n, c in enumerate(issue["comments"])]
                return Said(200, {"comments": comments[::-1], "total": len(comments)})
            case ("POST", ["comment"]):
                issue["comments"].append(asked.document())
                return Said(201, {"id": str(len(issue["comments"])), "body": asked.document()["body"]})
            case ("POST", ["attachments"]):
                return self._attach(issue, asked)
            case ("GET", ["approval"]):
                return Said(200, _page([_approval(a) for a in issue["approvals"]], asked))
            case ("POST", ["approval", number]):
                decision = {"approve": "approved", "decline": "declined"}[asked.document()["decision"]]
                self._decide(key, decision, "Slipway")
                return Said(200, _approval(issue["approvals"][int(number) - 1]))
        return Said(405, {"errorMessages": ["Method not allowed"]})

    def _transition(self, key: str, number: str) -> Said:
        issue = self.issues[key]
        found = next((to for i, _, to in WORKFLOW[issue["status"]] if i == number), None)
        if found is None:
            return Said(
                400, {"errorMessages": ["It seems that you have tried to perform an illegal workflow operation."]}
            )
        issue["status"] = found
        if found == "Awaiting CAB approval":
            self._ask(key)
        return Said(204)

    def _attach(self, issue: dict[str, Any], asked: Asked) -> Said:
        if asked.headers.get("x-atlassian-token") != "no-check":
            return Said(403, {"errorMessages": ["XSRF check failed"]})
        boundary = asked.headers["content-type"].split("boundary=")[1].encode()
        head, _, content = asked.body.partition(b"\r\n\r\n")
        name = re.findall(rb'filename="([^"]*)"', head)[0].decode()
        issue["attachments"][name] = content.removesuffix(b"\r\n--" + boundary + b"--\r\n")
        return Said(200, [{"id": "1", "filename": name, "size": len(issue["attachments"][name])}])

    def _gating(self, asked: Asked) -> Said:
        if asked.path == f"{GATES}/bulk":
            accepted = [self._deployment(d) for d in asked.document()["deployments"]]
            return Said(202, {"acceptedDeployments": accepted, "rejectedDeployments": [], "unknownAssociations": []})
        parts = asked.path.split("/")
        where = (parts[5], parts[7], int(parts[9]))
        gate = self.gates.get(where)
        if gate is None:
            return Said(404, {"errorMessages": ["No deployment was found"]})
        details = [{"type": "issue", "issueKey": gate["issue"], "issueLink": f"/browse/{gate['issue']}"}]
        said = {
            "pipelineId": where[0], "environmentId": where[1], "deploymentSequenceNumber": where[2],
            "updatedTimestamp": "2026-01-01T00:00:00Z", "gatingStatus": gate["status"], "details": details,
        }  # fmt: skip
        return Said(200, said)

    def _deployment(self, said: dict[str, Any]) -> dict[str, Any]:
        where = (said["pipeline"]["id"], said["environment"]["id"], int(said["deploymentSequenceNumber"]))
        gate = self.gates.get(where)
        commands = [c["command"] for c in said.get("commands", [])]
        if gate is None and "initiate_deployment_gating" in commands:
            key = self.make("Awaiting CAB approval", summary=said["displayName"])
            self.gates[where] = {
                "issue": key,
                "status": "awaiting",
                "state": said["state"],
                "labels": said.get("label"),
            }
        elif gate is not None:
            gate["state"] = said["state"]
        return {"pipelineId": where[0], "environmentId": where[1], "deploymentSequenceNumber": where[2]}


def _approval(row: dict[str, Any]) -> dict[str, Any]:
    approvers = [{"approver": {"displayName": who}, "approverDecision": what} for who, what in row["answered"]]
    pending = row["finalDecision"] == "pending"
    return {"id": row["id"], "name": "Waiting for approval", "finalDecision": row["finalDecision"],
            "canAnswerApproval": pending, "approvers": approvers}  # fmt: skip


def _page(rows: list[Any], asked: Asked) -> dict[str, Any]:
    start, limit = int(asked.query.get("start", "0")), int(asked.query.get("limit", "50"))
    shown = rows[start : start + limit]
    return {
        "size": len(shown),
        "start": start,
        "limit": limit,
        "isLastPage": start + limit >= len(rows),
        "values": shown,
    }


def _document(text: str) -> dict[str, Any]:
    lines = [{"type": "paragraph", "content": [{"type": "text", "text": t}]} for t in text.split("\n") if t]
    return json.loads(json.dumps({"type": "doc", "version": 1, "content": lines}))  # type: ignore[no-any-return]
