"""A request that is sent twice acts once: Idempotency-Key (draft-ietf-httpapi-idempotency-key-header).

    missing or no key at all             400
    the key of another request           422
    the first one is still at it         409, Retry-After
    it was answered                      the same answer again, with Idempotency-Replayed: true

Two transactions: the claim, so that whoever comes second sees it; then what is done together with its answer. A
process that is killed before the second one ends has done nothing: the claim runs out and a retry takes over. One that
is only late finds its claim taken and is rolled back. Answers that say that nothing was tried are not kept, and their
key is free again.
"""

import hashlib
import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import F
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from fleet import clock
from fleet.api.models import KeptAnswer
from fleet.api.problems import PROBLEM, Problem
from fleet.core.model import Reason

HEADER = "Idempotency-Key"
# The draft writes a key as a quoted string; most clients send it bare. Both are the same key.
FORM = re.compile(r'"?[A-Za-z0-9._~:/+=@-]{1,255}"?')
KEPT_FOR = timedelta(days=7)  # published in docs/api.md and in the header Idempotency-Expires
# Longer than a request takes (rows are written, nothing is planned and no device is touched: measured under 1 s), short
# enough that a retry after a crash does not wait long.
CLAIMED_FOR = timedelta(seconds=30)
_KEPT_HEADERS = ("Location", "ETag")


def key_of(request: Request) -> str:
    """The key of a request. Raises a Problem with 400 when there is none."""
    text = request.headers.get(HEADER, "").strip()
    if FORM.fullmatch(text):
        return text.strip('"')
    found = repr(text[:60]) if text else "none"
    remedy = "Send a new UUID with each new request, and the same one when you send it again."
    raise Problem(400, "idempotency_key", [Reason(HEADER, found, "1 to 255 characters of A-Za-z0-9._~:/+=@-", remedy)])


def fingerprint(request: Request) -> str:
    """SHA-256 of what is asked: method, address, content. The order of names in the content means nothing."""
    content = json.dumps(request.data, sort_keys=True, separators=(",", ":"), default=str)
    precondition = request.headers.get("If-Match", "")
    text = "\n".join((str(request.method), request.get_full_path(), precondition, content))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class _Overtaken(Exception):
    """Somebody else took the claim over: nothing of this request stays."""


def once(request: Request, act: Callable[[], Response]) -> Response:
    """Do it, or answer as it was answered before."""
    person = request.user
    assert isinstance(person, User)
    now = clock.now()
    row = _claimed(person, key_of(request), fingerprint(request), now)
    if row.status is not None:
        return _again(row)
    mine = KeptAnswer.objects.filter(pk=row.pk, claim=row.claim, status__isnull=True)
    try:
        with transaction.atomic():
            # First of all, so that on PostgreSQL whoever would take over waits for the end of this.
            if mine.update(claimed_until=now + CLAIMED_FOR) != 1:
                raise _Overtaken
            response = act()
            if response.status_code not in {*range(200, 300), 409}:
                transaction.set_rollback(True)
            elif mine.update(**_answer(response)) != 1:
                raise _Overtaken
    except _Overtaken:
        raise _running(row.claimed_until, now) from None
    except BaseException:
        mine.delete()
        raise
    if response.status_code not in {*range(200, 300), 409}:
        mine.delete()
    response["Idempotency-Expires"] = row.expires_at.isoformat()
    return response


def _answer(response: Response) -> dict[str, Any]:
    return {
        "status": response.status_code,
        "headers": {name: response[name] for name in _KEPT_HEADERS if response.has_header(name)},
        "content": "" if response.data is None else JSONRenderer().render(response.data).decode(),
    }


def _again(row: KeptAnswer) -> Response:
    data = json.loads(row.content) if row.content else None
    kind = PROBLEM if row.status is not None and row.status >= 400 else None
    headers = {**row.headers, "Idempotency-Replayed": "true", "Idempotency-Expires": row.expires_at.isoformat()}
    return Response(data, status=row.status, headers=headers, content_type=kind)


def _claimed(person: User, key: str, asked: str, now: datetime) -> KeptAnswer:
    """The row of this key: claimed for this request, or answered. Raises a Problem with 409 or 422."""
    KeptAnswer.objects.filter(expires_at__lte=now).delete()
    try:
        with transaction.atomic():
            return KeptAnswer.objects.create(
                person=person, key=key, asked=asked, claimed_until=now + CLAIMED_FOR, expires_at=now + KEPT_FOR
            )
    except IntegrityError:
        row = KeptAnswer.objects.filter(person=person, key=key).first()
    if row is None:  # it was freed in this very moment
        raise _running(now + timedelta(seconds=1), now)
    if row.asked != asked:
        remedy = "A new request needs a new key; the same key is for sending the same again."
        other = Reason(HEADER, "the key of another request", "a key of its own", remedy)
        raise Problem(422, "idempotency_key_reused", [other])
    if row.status is not None:
        return row
    if row.claimed_until > now:
        raise _running(row.claimed_until, now)
    died = KeptAnswer.objects.filter(pk=row.pk, claim=row.claim, status__isnull=True, claimed_until__lte=now)
    if died.update(claim=F("claim") + 1, claimed_until=now + CLAIMED_FOR) != 1:
        raise _running(now + timedelta(seconds=1), now)
    row.refresh_from_db()
    return row


def _running(until: datetime, now: datetime) -> Problem:
    wait = max(1, round((until - now).total_seconds()))
    reason = Reason(
        HEADER, "a request with it that is not answered yet", "its answer", f"Ask again in {wait} s or less."
    )
    return Problem(409, "idempotency_key_running", [reason], headers={"Retry-After": str(min(wait, 5))})
