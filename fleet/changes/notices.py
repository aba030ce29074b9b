"""Tells people at once: a row that whoever delivers messages finds, and a mail where a mail server is set."""

import logging
from datetime import datetime

from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import Q

from fleet import clock
from fleet.changes.models import Change, Notice
from fleet.people.models import Grant
from fleet.people.roles import APPROVE, RIGHTS

log = logging.getLogger(__name__)


def tell(change: Change, kind: str, text: str, now: datetime) -> Notice:
    """Keep a notice with what it tells, in the same transaction; its mail leaves when that is committed."""
    notice = Notice.objects.create(change=change, kind=kind, text=text, at=now)
    if settings.EMAIL_HOST:
        transaction.on_commit(lambda: _mail(notice), robust=True)
    return notice


def who_approves() -> list[str]:
    """Mail addresses of everybody who may approve somewhere."""
    app, codename = APPROVE.split(".")
    right = Permission.objects.filter(content_type__app_label=app, codename=codename)
    roles = [role.value for role, rights in RIGHTS.items() if APPROVE in rights]
    granted = Grant.objects.filter(role__in=roles)
    people = User.objects.filter(
        Q(is_superuser=True)
        | Q(user_permissions__in=right)
        | Q(groups__permissions__in=right)
        | Q(grants__in=granted)
        | Q(groups__grants__in=granted),
        is_active=True,
    )
    return sorted(set(people.exclude(email="").values_list("email", flat=True)))


def _mail(notice: Notice) -> None:
    """A mail server that does not answer holds nothing up: the row stays undelivered and the log says why."""
    recipients = who_approves()
    if not recipients:
        return
    subject = f"Slipway: {notice.kind}, change {notice.change_id}"
    try:
        send_mail(subject, notice.text, settings.DEFAULT_FROM_EMAIL, recipients)
    except OSError as error:
        log.warning("mail of notice %s to %d people: %s", notice.pk, len(recipients), error)
        return
    Notice.objects.filter(pk=notice.pk).update(delivered_at=clock.now())
