"""A ServiceNow of ours: change_request over the table, change and attachment APIs, with the rules of its state model.

It answers as the real one does: numbers as texts, `{"value", "display_value"}` from the change API, 200 where a rule
silently kept the state, 403 with "Operation Failed" where a business rule aborted, every row where a query names a
field that does not exist.
"""

import base64
import uuid
from typing import Any

from lab.tickets.server import Asked, Fake, Said

TABLE = "/api/now/table/change_request"
CHANGE = "/api/sn_chg_rest/change"
ATTACHMENT = "/api/now/attachment"
# From each state to which a person or an API may take a normal change; the rest happens by approvals.
MOVES = {
    "-5": {"-4", "4"}, "-4": {"-5", "4"}, "-3": {"-5", "4"}, "-2": {"-5", "-1", "4"}, "-1": {"0", "4"},
    "0": {"3", "-1"}, "3": set(), "4": set(),
}  # fmt: skip


class ServiceNow(Fake):
    """`approve(number)`: what the CAB does. `strict`: an illegal move is refused; otherwise 200, and it stays."""

    def __init__(self, *, user: str = "slipway", password: str = "ticket-password", strict: bool = True) -> None:
        super().__init__()
        self.login = base64.b64encode(f"{user}:{password}".encode()).decode()
        self.strict = strict
        self.rows: dict[str, dict[str, str]] = {}
        self.notes: dict[str, list[str]] = {}
        self.attachments: dict[str, dict[str, bytes]] = {}
        self.approvals: list[dict[str, str]] = []

    # --- what people do there ---

    def make(self, **fields: str) -> dict[str, str]:
        """A new change request."""
        sys_id = uuid.uuid4().hex
        row = {
            "sys_id": sys_id, "number": f"CHG{30000 + len(self.rows) + 1:07d}", "state": "-5",
            "approval": "not requested",
            "on_hold": "false", "on_hold_reason": "", "correlation_id": "", "close_code": "", "close_notes": "",
            "conflict_status": "Not Run", "short_description": "", "description": "", "assignment_group": "network",
            "sys_updated_by": "admin", **fields,
        }  # fmt: skip
        self.rows[sys_id] = row
        self.notes[sys_id] = []
        self.attachments[sys_id] = {}
        return row

    def row(self, number: str) -> dict[str, str]:
        return next(r for r in self.rows.values() if r["number"] == number)

    def approve(self, number: str) -> None:
        """The group and the board approve: the ticket goes on to Scheduled by itself."""
        row = self.row(number)
        assert row["state"] in {"-4", "-3"}, f"nothing to approve in state {row['state']}"
        row.update(approval="approved", state="-2")

    def reject(self, number: str) -> None:
        self.row(number).update(approval="rejected", state="-5")

    def cancel(self, number: str) -> None:
        self.row(number).update(state="4")

    def notes_of(self, number: str) -> list[str]:
        return self.notes[self.row(number)["sys_id"]]

    def files_of(self, number: str) -> dict[str, bytes]:
        return self.attachments[self.row(number)["sys_id"]]

    # --- the API ---

    def answer(self, asked: Asked) -> Said:
        if asked.headers.get("authorization") != f"Basic {self.login}":
            return _error(401, "User Not Authenticated", "Required to provide Auth information")
        path = asked.path
        if path == TABLE:
            return self._query(asked)
        if path.startswith(f"{TABLE}/"):
            return self._record(path.removeprefix(f"{TABLE}/"), asked)
        if path == f"{CHANGE}/normal" and asked.method == "POST":
            row = self.make(**{k: str(v) for k, v in asked.document().items()})
            return Said(200, {"result": {k: {"value": v, "display_value": v} for k, v in row.items()}})
        if path.startswith(f"{CHANGE}/") and path.endswith("/approvals"):
            return self._approve(path.split("/")[-2], asked)
        if path == "/api/now/table/sys_journal_field":
            return self._journal(asked)
        if path == ATTACHMENT:
            query = _query(asked)
            files = self.attachments.get(query.get("table_sys_id", ""), {})
            found = [{"file_name": n, "size_bytes": str(len(c))} for n, c in files.items() if n == query["file_name"]]
            return Said(200, {"result": found})
        if path == f"{ATTACHMENT}/file" and asked.method == "POST":
            name = asked.query["file_name"]
            self.attachments[asked.query["table_sys_id"]][name] = asked.body
            result = {"sys_id": uuid.uuid4().hex, "file_name": name, "size_bytes": str(len(asked.body))}
            return Said(201, {"result": result})
        return _error(400, f"Requested URI does not represent any resource: {path}", "")

    def _query(self, asked: Asked) -> Said:
        query = _query(asked)
        rows = list(self.rows.values())
        for field, wanted in query.items():
            if not rows or field in rows[0]:  # a field that it does not know is ignored, as the real one does
                rows = [r for r in rows if r.get(field) == wanted]
        limit = int(asked.query.get("sysparm_limit", "10000"))
        return Said(200, {"result": [_shown(r, asked) for r in rows[:limit]]})

    def _record(self, sys_id: str, asked: Asked) -> Said:
        row = self.rows.get(sys_id)
        if row is None:
            return _error(404, "No Record found", "Record doesn't exist or ACL restricts the record retrieval")
        if asked.method == "GET":
            return Said(200, {"result": _shown(row, asked)})
        said = {k: str(v) for k, v in asked.document().items()}
        new = said.pop("state", row["state"])
        refused = self._refused(row, new, said)
        if refused and self.strict:
            return _error(403, "Operation Failed", refused)
        if note := said.pop("work_notes", ""):
            self.notes[sys_id].append(note)
        row.update(said)
        if not refused and new != row["state"]:
            row["state"] = new
            row["approval"] = {"-5": "not requested", "-4": "requested"}.get(new, row["approval"])
        return Said(200, {"result": _shown(row, asked)})

    def _refused(self, row: dict[str, str], new: str, said: dict[str, str]) -> str:
        if new == row["state"]:
            return ""
        if new not in MOVES[row["state"]]:
            rule = "Change Model: Check State Transition"
            return f"Operation against file 'change_request' was aborted by Business Rule '{rule}'"
        if new == "-4" and not (row["assignment_group"] or said.get("assignment_group")):
            return "Data Policy Exception: Assignment group is mandatory"
        if new == "3" and not (said.get("close_code") and said.get("close_notes")):
            return "Data Policy Exception: Close code, Close notes are mandatory"
        return ""

    def _approve(self, sys_id: str, asked: Asked) -> Said:
        said = asked.document()
        self.approvals.append({"sys_id": sys_id, "state": said.get("state", ""), "comments": said.get("comments", "")})
        if said.get("state") == "rejected":
            self.rows[sys_id].update(approval="rejected", state="-5")
        return Said(200, {"result": {"message": "Approval updated"}})

    def _journal(self, asked: Asked) -> Said:
        query = asked.query["sysparm_query"]
        sys_id = query.split("element_id=")[1].split("^")[0]
        text = query.split("valueLIKE")[1]
        found = [{"element_id": sys_id, "value": n} for n in self.notes.get(sys_id, []) if text in n]
        return Said(200, {"result": found})


def _query(asked: Asked) -> dict[str, str]:
    parts = asked.query.get("sysparm_query", "").split("^")
    return dict(p.split("=", 1) for p in parts if "=" in p)


def _shown(row: dict[str, str], asked: Asked) -> dict[str, Any]:
    fields = asked.query.get("sysparm_fields", "")
    return {k: row[k] for k in fields.split(",") if k in row} if fields else dict(row)


def _error(status: int, message: str, detail: str) -> Said:
    return Said(status, {"error": {"message": message, "detail": detail}, "status": "failure"})
