"""Webhooks that come in: is it who it says, is it fresh, was it taken before; then what it asks for, once.

A callback about a ticket is believed in one thing only: that it is worth looking again. What the ticket says is read
from the ticket system; only a system that cannot be asked (generic) tells its approval in the callback itself.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import IntegrityError, transaction
from django.db.models import F

from fleet.core.model import Json, Reason
from fleet.outward import callbacks, secret, signing
from fleet.outward.models import InboundSource, Scheme, SeenMessage

LEAST_SECRET = 16  # what is shorter can be guessed by trying
MOST_BYTES = 1_000_000  # a NetBox device with its snapshots is about 20 kB


@dataclass(frozen=True)
class Taken:
    """What became of a message: an HTTP status, and words for the sender."""

    status: int
    words: str


def take(source: InboundSource, headers: Mapping[str, str], body: bytes, now: datetime) -> Taken:
    """Check a message and do what it asks for. `headers`: lower-case names."""
    key = _verified(source, headers, body, now)
    if isinstance(key, Reason):
        return refuse(source, key, 401, now)
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        reason = Reason("body", "no JSON object", "a JSON object", "docs/webhooks.md shows what is taken.")
        return refuse(source, reason, 400, now)
    try:
        with transaction.atomic():
            # Kept with what it does: of two at once one waits here, and is the second then.
            SeenMessage.objects.create(source=source, key=key, at=now)
            words = callbacks.act(source, said, now)
            if isinstance(words, Reason):
                raise _Refused(words)
            rows = InboundSource.objects.filter(pk=source.pk)
            rows.update(taken=F("taken") + 1, taken_at=now)
    except IntegrityError:
        return Taken(200, "taken before; nothing was done again")
    except _Refused as refused:
        return refuse(source, refused.reason, 422, now)
    return Taken(202, words)


class _Refused(Exception):
    def __init__(self, reason: Reason) -> None:
        super().__init__(str(reason))
        self.reason = reason


def refuse(source: InboundSource, reason: Reason, status: int, now: datetime) -> Taken:
    """Say no, and leave a trace for people who look why nothing comes."""
    rows = InboundSource.objects.filter(pk=source.pk)
    rows.update(refused=F("refused") + 1, refused_at=now, refusal=str(reason)[:500])
    return Taken(status, str(reason))


def _verified(source: InboundSource, headers: Mapping[str, str], body: bytes, now: datetime) -> str | Reason:
    """The key under which this message is taken once, or why it is refused."""
    secrets = []
    for reference in (source.secret, source.old_secret):
        if reference:
            text = secret.read(reference)
            if isinstance(text, Reason):
                return text
            if len(text) < LEAST_SECRET:
                wanted = f"{LEAST_SECRET} or more"
                return Reason(f"secret at {reference}", f"{len(text)} characters", wanted, "Lengthen it.")
            secrets.append(text)
    match Scheme(source.scheme):
        case Scheme.STANDARD:
            keys = []
            for text in secrets:
                key = signing.key_of(text)
                if isinstance(key, Reason):
                    return key
                keys.append(key)
            return signing.verify(keys, headers, body, now)
        case Scheme.HUB:
            given = headers.get("x-hub-signature", "").removeprefix("sha256=")
            return _plain(secrets, given, "sha256", body) or _hub(headers, body, now)
        case Scheme.NETBOX:
            given = headers.get("x-hook-signature", "")
            return _plain(secrets, given, "sha512", body) or _netbox(body, now)


def _plain(secrets: list[str], given: str, algorithm: str, body: bytes) -> Reason | None:
    """Is one of these secrets the key of the HMAC over the body alone?"""
    fits = [
        hmac.compare_digest(hmac.new(s.encode(), body, algorithm).hexdigest(), given)
        for s in secrets
        if re.fullmatch(r"[0-9a-f]{64,128}", given)
    ]
    if any(fits):
        return None
    found = "none that fits" if given else "none"
    return Reason("signature", found, f"HMAC-{algorithm.upper()} of the body", "Compare the secret at both sides.")


def _hub(headers: Mapping[str, str], body: bytes, now: datetime) -> str | Reason:
    """Jira: the instant stands in the signed body, in milliseconds; its own id tells repeats apart."""
    stamp = _said(body).get("timestamp")
    at = datetime.fromtimestamp(stamp / 1000, UTC) if isinstance(stamp, int) and 0 < stamp < 1 << 46 else None
    return _stale(at, now) or f"hub:{headers.get('x-atlassian-webhook-identifier', '')[:80]}:{_digest(body)}"


def _netbox(body: bytes, now: datetime) -> str | Reason:
    """NetBox: the instant stands in the signed body as text; the request and the object tell repeats apart."""
    try:
        at = datetime.fromisoformat(str(_said(body).get("timestamp"))[:40])
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
    except ValueError:
        at = None
    return _stale(at, now) or f"netbox:{_digest(body)}"


def _said(body: bytes) -> dict[str, Json]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _stale(at: datetime | None, now: datetime) -> Reason | None:
    wanted = f"within {signing.TOLERANCE_S} s of now"
    if at is None:
        return Reason("timestamp", "none that can be read", wanted, "Send it in the signed body.")
    off = abs((now - at).total_seconds())
    if off > signing.TOLERANCE_S:
        return Reason("timestamp", f"{off:.0f} s off", wanted, "Set the clock; never send an old one again.")
    return None
