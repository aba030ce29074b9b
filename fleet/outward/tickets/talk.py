"""JSON over HTTP with a ticket system: what comes back is a document, or a reason why there is none."""

import base64
import json
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import quote, urlencode

from fleet.core.model import Json, Reason
from fleet.outward import backoff
from fleet.outward.addresses import Network
from fleet.outward.tickets.base import NotAllowed, Unreadable
from fleet.outward.wire import Answer, Limits, Line, NoAnswer

# For all requests of one visit: less than the lease of the ticket, so that a live worker is never overtaken.
VISIT_S = 120.0
# A list of fifty tickets with all their fields is about 400 kB.
LIMITS = Limits(within_s=20.0, most_bytes=2_000_000)
REMEDY = "It is tried again by itself; look at the ticket system and at the account that Slipway has there."


def part(text: str) -> str:
    """Text of others as one part of a path."""
    return quote(text, safe="")


def authorization(username: str, secret: str) -> str:
    """The header: basic with a user name, otherwise a bearer token."""
    if not username:
        return f"Bearer {secret}"
    return "Basic " + base64.b64encode(f"{username}:{secret}".encode()).decode()


class Talk:
    """Requests to one system. `name`: what it is called in reasons."""

    def __init__(self, name: str, url: str, auth: str, allowed: Sequence[Network], now: datetime) -> None:
        self.name, self.url = name, url.rstrip("/")
        self._headers = {"Authorization": auth, "Accept": "application/json"}
        self._line, self._now = Line(allowed, LIMITS), now
        self._ends = time.monotonic() + VISIT_S

    def close(self) -> None:
        self._line.close()

    def _clean(self, text: str) -> str:
        """What is said about an error, without our own credentials: some systems repeat what they were sent."""
        credentials = self._headers["Authorization"].partition(" ")[2]
        try:
            plain = base64.b64decode(credentials).decode("utf-8", "replace")
        except ValueError:
            plain = ""  # a bearer token
        for secret in (credentials, plain, plain.partition(":")[2]):
            text = text.replace(secret, "***") if len(secret) > 3 else text
        return text

    def json(
        self, method: str, path: str, said: Json = None, *, query: Mapping[str, str] | None = None, empty: bool = False
    ) -> Json:
        """Ask and read a document. `empty`: an answer without one is in order. Raises Unreadable, NotAllowed."""
        body = b"" if said is None else json.dumps(said).encode()
        answer = self.raw(method, path, body, "application/json", query=query)
        if empty and not answer.body:
            return {}
        document = answer.document()
        if not isinstance(document, dict | list):
            found = f"{answer.status} and no JSON: {self._clean(answer.text(80))!r}"
            raise Unreadable(Reason(self.name, found, "JSON", REMEDY))
        return document

    def raw(
        self, method: str, path: str, body: bytes, content_type: str, *, query: Mapping[str, str] | None = None,
        more: Mapping[str, str] | None = None,
    ) -> Answer:  # fmt: skip
        """Ask with a body of any kind; an answer that is no success is raised."""
        headers = dict(self._headers) | ({"Content-Type": content_type} if body else {}) | dict(more or {})
        url = self.url + path + (f"?{urlencode(query)}" if query else "")
        limits = Limits(min(LIMITS.within_s, self._ends - time.monotonic()), LIMITS.most_bytes)
        if limits.within_s <= 0:
            raise Unreadable(Reason(self.name, f"all requests together took {VISIT_S:g} s", "less", REMEDY))
        try:
            answer = self._line.ask(method, url, headers=headers, body=body, limits=limits, repeatable=method == "GET")
        except NoAnswer as error:
            raise Unreadable(Reason(self.name, error.reason.found, error.reason.wanted, REMEDY)) from error
        if 200 <= answer.status < 300:
            return answer
        found = f"{answer.status} at {method} {path[:80]}: {self._clean(_said(answer))}"
        if answer.status in {400, 403, 404, 405, 409, 422}:
            raise NotAllowed(Reason(self.name, found, "a success", REMEDY))
        raise Unreadable(Reason(self.name, found, "a success", REMEDY), backoff.retry_after(answer.headers, self._now))


def _said(answer: Answer) -> str:
    """What the system says about its no: ServiceNow's and Jira's shapes, else the beginning of the text."""
    document = answer.document()
    if isinstance(document, dict):
        error = document.get("error")
        if isinstance(error, dict):
            return ", ".join(str(error[k]) for k in ("message", "detail") if error.get(k))[:200]
        texts = document.get("errorMessages") or document.get("errorMessage")
        if texts:
            return ", ".join(map(str, texts))[:200] if isinstance(texts, list) else str(texts)[:200]
    return answer.text(120)


def text_of(document: Json, *path: str) -> str:
    """A text inside of a document; empty when it is not there or is no text."""
    for key in path:
        document = document.get(key) if isinstance(document, dict) else None
    return document if isinstance(document, str) else ""


def rows_of(document: Json, key: str) -> list[dict[str, Json]]:
    """The documents in a list inside of a document; what is none is left out."""
    rows = document.get(key) if isinstance(document, dict) else None
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
