"""Delivers what waits for one endpoint, in order, until nothing is due, the time is up, or nobody answers.

One worker at a time per endpoint, so a dead one costs one connection attempt and then waits by itself; the others never
stand behind it. A delivery is at least once: the receiver tells repeats by the webhook-id.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import F, Q

from fleet import clock
from fleet.core.model import Reason
from fleet.outward import backoff, secret, signing
from fleet.outward.backoff import Meaning
from fleet.outward.models import Delivery, Endpoint
from fleet.outward.wire import Line, NoAnswer

# A worker goes on to the next endpoint after this; one exchange (15 s) may still be under way then.
TURN_S = 10.0
# Longer than a turn and an exchange: a live worker is never overtaken.
LEASE = timedelta(seconds=60)
AT_ONCE = 100
TRIES_KEPT = 12


@dataclass
class _Said:
    """What one attempt came to."""

    meaning: Meaning
    status: int | None
    words: str
    took_ms: int
    wait: timedelta | None = None


def claim(endpoint: Endpoint, now: datetime) -> bool:
    """Take the endpoint; False when somebody else has it."""
    free = Q(busy_until=None) | Q(busy_until__lte=now)
    rows = Endpoint.objects.filter(free, pk=endpoint.pk, generation=endpoint.generation, active=True)
    won = rows.update(busy_until=now + LEASE, generation=F("generation") + 1)
    endpoint.generation += won
    return won == 1


def serve(pk: int, *, read_clock: Callable[[], datetime] = clock.now) -> int:
    """Deliver what is due at this endpoint. Returns how many messages were taken."""
    now = read_clock()
    endpoint = Endpoint.objects.filter(pk=pk).first()
    if endpoint is None or not claim(endpoint, now):
        return 0
    try:
        keys = _keys(endpoint)
        if isinstance(keys, Reason):
            _fail(endpoint, str(keys), None, now)
            return 0
        return _turn(endpoint, keys, read_clock)
    finally:
        mine = Endpoint.objects.filter(pk=pk, generation=endpoint.generation)
        mine.update(busy_until=None, served_at=read_clock())


def _keys(endpoint: Endpoint) -> list[bytes] | Reason:
    keys = []
    for reference in (endpoint.secret, endpoint.old_secret):
        if reference:
            text = secret.read(reference)
            key = text if isinstance(text, Reason) else signing.key_of(text)
            if isinstance(key, Reason):
                return key
            keys.append(key)
    return keys


def _turn(endpoint: Endpoint, keys: list[bytes], read_clock: Callable[[], datetime]) -> int:
    ends, taken = time.monotonic() + TURN_S, 0
    with Line(settings.SLIPWAY_OUTWARD_NETWORKS) as line:
        while time.monotonic() < ends:
            rows = Delivery.objects.filter(endpoint=endpoint, outcome="", due_at__lte=read_clock())
            # Whoever was down is tried with one message.
            some = list(rows.select_related("message").order_by("due_at", "pk")[: 1 if endpoint.failures else AT_ONCE])
            if not some:
                break
            for delivery in some:
                said = _attempt(line, endpoint, delivery, keys, read_clock())
                _record(delivery, said, read_clock())
                if said.meaning in {Meaning.DOWN, Meaning.GONE}:
                    _fail(endpoint, said.words, said.wait, read_clock(), gone=said.meaning is Meaning.GONE)
                    return taken
                taken += said.meaning is Meaning.DELIVERED
                if endpoint.failures or (endpoint.ok_at is None and said.meaning is Meaning.DELIVERED):
                    _well(endpoint, read_clock())
                if time.monotonic() >= ends:
                    break
    if taken:
        Endpoint.objects.filter(pk=endpoint.pk, generation=endpoint.generation).update(ok_at=read_clock())
    return taken


def _attempt(line: Line, endpoint: Endpoint, delivery: Delivery, keys: list[bytes], now: datetime) -> _Said:
    body = delivery.message.body.encode()
    headers = signing.headers(keys, message_id=delivery.message.key, at=now, body=body)
    headers |= {"Content-Type": "application/json", "Accept": "*/*"}
    began = time.monotonic()
    try:
        answer = line.ask("POST", endpoint.url, headers=headers, body=body, repeatable=True)
    except NoAnswer as error:
        return _Said(Meaning.DOWN, None, str(error.reason), _ms(began))
    means = backoff.meaning(answer.status)
    words = f"{answer.status} {answer.text(200)}".strip()
    if 300 <= answer.status < 400:
        words = f"{answer.status}, a redirect, which is not followed: correct the address"
    wait = None if means is Meaning.DELIVERED else backoff.retry_after(answer.headers, now)
    return _Said(means, answer.status, words, _ms(began), wait)


def _ms(began: float) -> int:
    return round((time.monotonic() - began) * 1000)


def _record(delivery: Delivery, said: _Said, now: datetime) -> None:
    """Keep what an attempt came to. Guarded by the count of attempts: a late worker writes nothing."""
    stamp = now.isoformat(timespec="seconds")
    tried = {"at": stamp, "status": said.status, "took_ms": said.took_ms, "said": said.words[:300]}
    taken = said.meaning is Meaning.DELIVERED
    attempts = delivery.attempts + 1
    due = None if taken else backoff.message_next(attempts, now, spread=random.random(), wait=said.wait)
    over = taken or due is None
    rows = Delivery.objects.filter(pk=delivery.pk, outcome="", attempts=delivery.attempts)
    rows.update(
        attempts=attempts,
        tries=[*delivery.tries, tried][-TRIES_KEPT:],
        due_at=due,
        own_fault=said.meaning is Meaning.REFUSED,
        outcome=(Delivery.DELIVERED if taken else Delivery.DEAD) if over else "",
        ended_at=now if over else None,
    )


def _fail(endpoint: Endpoint, words: str, wait: timedelta | None, now: datetime, *, gone: bool = False) -> None:
    """Nobody answers there: leave it alone for a while. 410: it never wants to be told again."""
    endpoint.failures += 1
    until = backoff.breaker_next(endpoint.failures, now, spread=random.random(), wait=wait)
    rows = Endpoint.objects.filter(pk=endpoint.pk, generation=endpoint.generation)
    rows.update(failures=endpoint.failures, closed_until=until, problem=words[:500])
    if gone:
        rows.update(active=False, problem="410: it does not want to be told any more; it was switched off")


def _well(endpoint: Endpoint, now: datetime) -> None:
    """It answers again: what waited because of it is due at once."""
    endpoint.failures, endpoint.ok_at = 0, now
    rows = Endpoint.objects.filter(pk=endpoint.pk, generation=endpoint.generation)
    rows.update(failures=0, closed_until=None, problem="", ok_at=now)
    Delivery.objects.filter(endpoint=endpoint, outcome="", own_fault=False, due_at__gt=now).update(due_at=now)


def give_up(now: datetime) -> int:
    """Nobody answered for days: these become dead letters, to be sent again by hand. Returns how many."""
    late = Delivery.objects.filter(outcome="", since__lte=now - backoff.GIVE_UP)
    if not late.exists():  # mostly; an UPDATE of nothing would take SQLite's one writer all the same
        return 0
    return late.update(outcome=Delivery.DEAD, ended_at=now, due_at=None)


def resend(deliveries: Any, by: str, now: datetime) -> int:
    """Try dead letters again from the beginning. Returns how many."""
    dead = deliveries.filter(outcome=Delivery.DEAD)
    return int(dead.update(outcome="", due_at=now, since=now, attempts=0, own_fault=False, ended_at=None, resent_by=by))
