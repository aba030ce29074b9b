"""Making, finding, rotating and ending tokens. The text of a token is returned once and kept nowhere."""

import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q, QuerySet

from fleet.api.models import ApiToken, ServiceAccount, networks_only
from fleet.api.scopes import Scope
from fleet.core.model import Reason

Reasons = tuple[Reason, ...]

MARK = "slipway"  # by it secret scanners and people see what they have before them
LONGEST_DAYS = 366  # nobody remembers what a token is for that is older than a year
USUAL_DAYS = 90
MOST_TOKENS = 50  # usable ones of one person: more are lost ones
# How long the old token works on after a rotation: a program that is told the new one by hand has until tomorrow.
OVERLAP = timedelta(hours=24)
# Compared with when nothing is found, so that a wrong prefix takes as long as a wrong secret.
_NOBODY = hashlib.sha256(b"nobody has this").hexdigest()


@dataclass(frozen=True)
class Wanted:
    """A token that somebody wants. `networks` empty: from anywhere."""

    name: str
    scopes: tuple[str, ...]
    days: int = USUAL_DAYS
    networks: tuple[str, ...] = ()


def _text() -> tuple[str, str]:
    """A new token: its prefix and its whole text."""
    prefix = secrets.token_hex(4)
    return prefix, f"{MARK}_{prefix}_{secrets.token_urlsafe(32)}"


def hash_of(text: str) -> str:
    """SHA-256. A slow hash would protect nothing: 256 bits are not guessed, and every request is asked."""
    return hashlib.sha256(text.encode()).hexdigest()


def holders(person: User) -> "QuerySet[User]":
    """Whose tokens somebody keeps: their own, and those of the service accounts that they answer for."""
    return User.objects.filter(Q(pk=person.pk) | Q(service_account__owner=person.pk)).order_by("username")


def refuse(wanted: Wanted, holder: User, person: User, now: datetime) -> Reasons:
    """Everything that is wrong with a token that somebody wants."""
    reasons = []
    if not wanted.name.strip() or len(wanted.name) > 63 or not wanted.name.isprintable():
        reasons.append(Reason("name", repr(wanted.name[:80]), "1 to 63 characters", "Name the program that uses it."))
    unknown = sorted(set(wanted.scopes) - set(Scope))
    if unknown or not wanted.scopes:
        found = ", ".join(unknown)[:100] or "none"
        reasons.append(Reason("scopes", found, f"some of {', '.join(Scope)}", "Choose what it is for, no more."))
    if not 1 <= wanted.days <= LONGEST_DAYS:
        reasons.append(Reason("days", str(wanted.days), f"1 to {LONGEST_DAYS}", "Rotate it when it runs out."))
    try:
        networks_only(list(wanted.networks))
    except ValidationError as error:
        reasons.append(Reason("networks", error.messages[0], "prefixes, or none", "Leave host bits zero."))
    if not holders(person).filter(pk=holder.pk).exists():
        remedy = "Ask whoever answers for that account."
        reasons.append(Reason("account", holder.get_username(), "you, or a service account of yours", remedy))
    if ApiToken.objects.usable(now).filter(person=holder).count() >= MOST_TOKENS:
        reasons.append(Reason("tokens", f"{MOST_TOKENS} that work", "fewer", "Revoke those that nobody uses."))
    return tuple(reasons)


def make(wanted: Wanted, *, holder: User, person: User, now: datetime) -> tuple[str, ApiToken] | Reasons:
    """A new token for `holder`, made by `person`: its text, which is shown this once, and its row."""
    if reasons := refuse(wanted, holder, person, now):
        return reasons
    prefix, text = _text()
    row = ApiToken.objects.create(
        prefix=prefix,
        hash=hash_of(text),
        person=holder,
        name=wanted.name.strip(),
        scopes=sorted(set(wanted.scopes)),
        networks=list(wanted.networks),
        created_by=person,
        created_at=now,
        expires_at=now + timedelta(days=wanted.days),
    )
    return text, row


def rotate(row: ApiToken, person: User, now: datetime) -> tuple[str, ApiToken] | Reasons:
    """Another token like this one, for as long; the old one ends when OVERLAP is over, or before."""
    if not row.usable(now):
        return (Reason(f"token {row.prefix}", "ended", "one that works", "Make a new one."),)
    days = max(1, round((row.expires_at - row.created_at) / timedelta(days=1)))
    wanted = Wanted(row.name, tuple(row.scopes), min(days, LONGEST_DAYS), tuple(row.networks))
    with transaction.atomic():
        made = make(wanted, holder=row.person, person=person, now=now)
        if isinstance(made[1], ApiToken):
            ApiToken.objects.filter(pk=made[1].pk).update(replaces=row)
            ending = ApiToken.objects.filter(pk=row.pk, revoked_at__isnull=True, expires_at__gt=now + OVERLAP)
            ending.update(expires_at=now + OVERLAP)
    return made


def revoke(row: ApiToken, now: datetime) -> Reasons:
    """It works no longer, from this instant on."""
    if ApiToken.objects.filter(pk=row.pk, revoked_at__isnull=True).update(revoked_at=now) != 1:
        return (Reason(f"token {row.prefix}", "revoked already", "one that works", "Nothing is left to do."),)
    return ()


def find(text: str, address: str, now: datetime) -> ApiToken | Reason:
    """The token of this text, when it may be used from this address now. One query."""
    parts = text.split("_", 2)
    prefix = parts[1] if len(parts) == 3 and parts[0] == MARK else ""
    row = None
    if len(prefix) == 8 and prefix.isascii() and prefix.isalnum():
        row = ApiToken.objects.select_related("person").filter(prefix=prefix).first()
    same = hmac.compare_digest(hash_of(text), row.hash if row is not None else _NOBODY)
    if row is None or not same:
        # One answer for both: a stranger learns of no prefix.
        return Reason("token", "one that nobody was given", "a token of Slipway", "Make one at /tokens/.")
    return _usable(row, address, now) or row


def _usable(row: ApiToken, address: str, now: datetime) -> Reason | None:
    what = f"token {row.prefix}"
    if row.revoked_at is not None:
        return Reason(what, f"revoked {row.revoked_at:%Y-%m-%d %H:%M} UTC", "one that works", "Make a new one.")
    if row.expires_at <= now:
        return Reason(what, f"expired {row.expires_at:%Y-%m-%d %H:%M} UTC", "one that works", "Make a new one.")
    if not row.person.is_active:
        return Reason(what, "of an account that is closed", "one of somebody who is there", "Ask an administrator.")
    if row.networks and not within(address, row.networks):
        return Reason(what, f"used from {address}", f"from {', '.join(row.networks)}", "Use it from there.")
    return None


def within(address: str, networks: Sequence[str]) -> bool:
    """Is an address in one of these prefixes? What is no address is in none."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    found = mapped or found
    return any(found in ipaddress.ip_network(n) for n in networks)


def used(row: ApiToken, address: str, now: datetime) -> None:
    """Keep when and from where it was used last, at most once a minute: a write for each request would be too much."""
    if row.last_used_at is not None and now - row.last_used_at < timedelta(minutes=1) and row.last_used_from == address:
        return
    seen = address if within(address, ["0.0.0.0/0", "::/0"]) else None
    ApiToken.objects.filter(pk=row.pk).update(last_used_at=now, last_used_from=seen)


def account_of(person: User) -> ServiceAccount | None:
    """The service account that a user is, if any."""
    return ServiceAccount.objects.select_related("owner", "policy").filter(user=person).first()
