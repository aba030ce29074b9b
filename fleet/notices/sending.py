"""Sends what is due: notices to customers by mail with their calendar, messages to chat and mail."""

import json
import random
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import EmailMessage, EmailMultiAlternatives, get_connection
from django.db.models import F

from fleet import clock
from fleet.core.model import Reason
from fleet.notices import announce, maintnote
from fleet.notices.models import Channel, MaintenanceNotice, Message
from fleet.outward import backoff, secret
from fleet.outward.wire import Line, NoAnswer

# While somebody is at it nobody else is; longer than a mail server or a chat may take.
LEASE = timedelta(minutes=2)
AT_ONCE = 50
MAIL_WITHIN_S = 15


@dataclass(frozen=True)
class _Failed:
    """It was not taken, in words; `final`: it never will be."""

    words: str
    final: bool = False


def send_due(now: datetime, *, read_clock: Callable[[], datetime] = clock.now) -> int:
    """Send what is due, at most AT_ONCE of each kind; returns how many were taken. Others may do the same beside."""
    sent, broken = 0, set[int]()
    for message in Message.objects.filter(due_at__lte=now).select_related("channel").order_by("due_at", "pk")[:AT_ONCE]:
        # One channel that does not answer costs one wait a round, however much is due there.
        if message.channel_id not in broken and _claim(message, now):
            said = _message(message)
            broken |= {message.channel_id} if said is not None else set()
            sent += _keep(message, said, read_clock())
    silent = False
    notices = MaintenanceNotice.objects.filter(due_at__lte=now).select_related("customer")
    for notice in notices.order_by("due_at", "pk")[:AT_ONCE]:
        if not silent and _claim(notice, now):
            said = _notice(notice)
            silent = said is not None and not said.final
            sent += _keep(notice, said, read_clock())
    return sent


def _claim(row: Message | MaintenanceNotice, now: datetime) -> bool:
    """Take the row; False when somebody else has it. A worker that dies leaves it due again after the lease."""
    rows = type(row)._default_manager.filter(pk=row.pk, due_at=row.due_at, attempts=row.attempts)
    won = rows.update(due_at=now + LEASE, attempts=F("attempts") + 1) == 1
    row.attempts += won
    return won


def _keep(row: Message | MaintenanceNotice, failed: _Failed | None, now: datetime) -> int:
    """Keep what came of it. Guarded by the count of attempts: a late worker writes nothing."""
    mine = type(row)._default_manager.filter(pk=row.pk, attempts=row.attempts)
    if failed is None:
        mine.update(sent_at=now, due_at=None, error="")
        return 1
    again = None if failed.final else backoff.message_next(row.attempts, now, spread=random.random())
    mine.update(due_at=again, error=failed.words[:300])
    return 0


def _message(row: Message) -> _Failed | None:
    channel = row.channel
    if channel.kind == Channel.MAIL:
        subject = f"Slipway: {row.kind}, change {row.change_id}"
        return _mail(EmailMessage(subject, row.text, settings.DEFAULT_FROM_EMAIL, [channel.email]))
    address = secret.read(channel.reference)
    if isinstance(address, Reason):
        return _Failed(str(address))
    return _post(address, {"text": row.text})


def _post(address: str, content: Mapping[str, str]) -> _Failed | None:
    """To an incoming webhook of Slack or Mattermost: JSON with `text`. The address itself is never in the words."""
    body = json.dumps(content).encode()
    try:
        with Line(settings.SLIPWAY_OUTWARD_NETWORKS) as line:
            answer = line.ask("POST", address, headers={"Content-Type": "application/json"}, body=body)
    except NoAnswer as error:
        return _Failed(str(error.reason))
    meaning = backoff.meaning(answer.status)
    if meaning is backoff.Meaning.DELIVERED:
        return None
    final = meaning is backoff.Meaning.GONE
    return _Failed(f"channel: found status {answer.status} ({answer.text(80)}), wanted 200.", final=final)


def _notice(row: MaintenanceNotice) -> _Failed | None:
    """A mail that people can read, with the calendar that machines read."""
    note = announce.note(row)
    body = _body(note)
    to = [row.customer.email]
    mail = EmailMultiAlternatives(f"[{note.status}] {note.summary}", body, settings.DEFAULT_FROM_EMAIL, to)
    calendar = maintnote.calendar([note])
    mail.attach("maintenance.ics", calendar.decode(), "text/calendar")
    mail.extra_headers = {"X-Slipway-Uid": note.uid, "Auto-Submitted": "auto-generated"}
    return _mail(mail)


def _body(note: maintnote.Note) -> str:
    lines = [
        f"{note.provider} announces maintenance {note.maintenance_id}.",
        "",
        f"Status:  {note.status}",
        f"Begin:   {note.start:%Y-%m-%d %H:%M} UTC",
        f"End:     {note.end:%Y-%m-%d %H:%M} UTC",
        f"Account: {note.account}",
        f"Impact:  {note.impact}",
        "",
        *(f"  {name}: {impact}" for name, impact in note.objects),
        "",
        f"Notice {note.sequence + 1} about this maintenance; the calendar attached says the same for machines.",
    ]
    return "\n".join(lines) + "\n"


def _mail(mail: EmailMessage) -> _Failed | None:
    if not settings.EMAIL_HOST:
        return _Failed("mail: found no mail server, wanted one. Set SLIPWAY_MAIL_HOST.")
    try:
        mail.connection = get_connection(timeout=MAIL_WITHIN_S)
        mail.send()
    except (OSError, SMTPException, socket.gaierror, ValueError) as error:
        # A header with a line end (ValueError) and an address that the server refuses for good are not tried again.
        code = getattr(error, "smtp_code", 0)
        final = isinstance(error, ValueError) or 500 <= code < 600
        return _Failed(f"mail: found {type(error).__name__} {str(error)[:150]}, wanted it taken.", final=final)
    return None
