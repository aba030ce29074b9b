"""Service accounts and the people who answer for them: two accounts, one person, where it is about who approves."""

from collections.abc import Collection, Sequence
from datetime import datetime

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Q

from fleet.api.models import ServiceAccount
from fleet.core.model import Reason

Reasons = tuple[Reason, ...]


def with_their_people(ids: Collection[int]) -> frozenset[int]:
    """These accounts, with whoever answers for those among them that are services, and all services of these people.

    One query. Somebody who lets a program write a change does not approve it, nor does another program of theirs.
    """
    ours = Q(owner__in=ids) | Q(owner__service_accounts__user__in=ids)
    pairs = ServiceAccount.objects.filter(ours).values_list("user", "owner")
    return frozenset(ids) | {one for pair in pairs for one in pair}


def may_not_approve(person: User) -> Reasons:
    """Why a service account does not approve; nothing for people. One query."""
    account = ServiceAccount.objects.filter(user=person).first()
    if account is None or account.may_approve:
        return ()
    remedy = "Approve it yourself, or let an administrator say that this account may."
    return (Reason("approver", f"{person.get_username()}, a service account", "a person", remedy),)


def policies_of(ids: Collection[int]) -> Sequence[int]:
    """The policies that every change of these authors must meet, beside those that apply anyway. One query."""
    rows = ServiceAccount.objects.filter(user__in=ids, policy__isnull=False)
    return sorted({pk for pk in rows.values_list("policy", flat=True) if pk is not None})


def open_account(
    name: str, *, owner: User, purpose: str, now: datetime, may_approve: bool = False
) -> ServiceAccount | Reasons:
    """A new service account. It has no password, so that nobody signs in with it, and no role until it is given one."""
    reasons = []
    if not name.isascii() or not name.replace("-", "").isalnum() or len(name) > 60:
        reasons.append(Reason("name", repr(name[:60]), "letters, digits and hyphens", "Name it after the program."))
    if User.objects.filter(username=name).exists():
        reasons.append(Reason("name", f"{name}, which exists", "a name of its own", "Choose another."))
    if not purpose.strip() or len(purpose) > 200:
        reasons.append(Reason("purpose", repr(purpose[:60]), "which program, and whom to ask", "Write it in a line."))
    if ServiceAccount.objects.filter(user=owner).exists():
        found = f"{owner.get_username()}, a service account"
        reasons.append(Reason("owner", found, "a person who answers for it", "Name one."))
    if reasons:
        return tuple(reasons)
    try:
        with transaction.atomic():
            user = User.objects.create_user(name)
            return ServiceAccount.objects.create(
                user=user, owner=owner, purpose=purpose.strip(), may_approve=may_approve, created_at=now
            )
    except IntegrityError:
        return (Reason("name", f"{name}, which exists", "a name of its own", "Choose another."),)
