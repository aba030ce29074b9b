"""Reads what providers announce (mails, calendars) and keeps it on the circuits of the inventory.

Reading is the work of circuit-maintenance-parser; what it makes of a text from outside is judged again here.
"""

import email
import email.policy
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import transaction

from fleet.core.model import Impact, Reason
from inventory.models import ProviderCircuit, ProviderImpact, ProviderMaintenance, ProviderStatus

# A notice of a whole exchange with 2,000 circuits is below 1 MB.
MOST_BYTES = 5_000_000
MOST_CIRCUITS = 5_000
GENERIC = "genericprovider"
_REMEDY = "Name the provider with --provider, or enter the maintenance by hand."


@dataclass(frozen=True)
class Kept:
    """What was kept, one line each, or why nothing was."""

    lines: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()


def known_providers() -> tuple[str, ...]:
    """The names of formats that can be read; `genericprovider` is maintnote itself."""
    from circuit_maintenance_parser import SUPPORTED_PROVIDERS

    return tuple(sorted(p.get_provider_type() for p in SUPPORTED_PROVIDERS))


def read(content: bytes, who: str, now: datetime, *, provider: str = "") -> Kept:
    """Keep every maintenance that a mail (RFC 5322) or calendar announces; all of it or nothing. Never raises on what
    the content is. `provider`: the format, when the sender does not tell it; `who`: received it."""
    if not 0 < len(content) <= MOST_BYTES:
        return Kept(reasons=(Reason("notice", f"{len(content)} bytes", f"1 to {MOST_BYTES}", "Choose another file."),))
    found = _parsed(content, provider)
    if isinstance(found, Reason):
        return Kept(reasons=(found,))
    wanted = [_wanted(m) for m in found]
    reasons = tuple(w for w in wanted if isinstance(w, Reason))
    if reasons:
        return Kept(reasons=reasons)
    with transaction.atomic():
        return Kept(lines=tuple(_keep(w, who, now) for w in wanted if isinstance(w, _Wanted)))


def _parsed(content: bytes, provider: str) -> Sequence[Any] | Reason:
    from circuit_maintenance_parser import NotificationData, init_provider
    from circuit_maintenance_parser.errors import ProviderError

    logging.getLogger("circuit_maintenance_parser").setLevel(logging.ERROR)
    is_calendar = content.lstrip()[:15].upper() == b"BEGIN:VCALENDAR"
    try:
        if is_calendar:
            data = NotificationData.init_from_raw("ical", content)
        else:
            message = email.message_from_bytes(content, policy=email.policy.default)
            data = NotificationData.init_from_emailmessage(message)
    except Exception as error:  # mails of others: the library and the standard library raise many kinds
        data, words = None, f"{type(error).__name__} {str(error)[:100]}"
    else:
        words = "nothing that could be read"
    if data is None:
        return Reason("notice", words, "a mail (.eml) or a calendar (.ics)", _REMEDY)
    format_ = provider or (GENERIC if is_calendar else _by_sender(content))
    reader = init_provider(format_)
    if reader is None:
        names = ", ".join(known_providers())
        return Reason("provider", repr(format_[:60]), f"one of {names}", "Name one of these with --provider.")
    try:
        found = list(reader.get_maintenances(data))
    except ProviderError as error:
        said = " ".join(str(error).split())[-200:]
        return Reason(f"notice read as {format_}", said, "a notice of maintenance", _REMEDY)
    except Exception as error:  # a parser that fell over what it read
        said = f"{type(error).__name__} {' '.join(str(error).split())[:150]}"
        return Reason(f"notice read as {format_}", said, "a notice of maintenance", _REMEDY)
    return found or Reason(f"notice read as {format_}", "no event in it", "a notice of maintenance", _REMEDY)


def _by_sender(content: bytes) -> str:
    """The format by the sender's domain, as the library knows it; else maintnote."""
    from email.utils import parseaddr

    from circuit_maintenance_parser import get_provider_class_from_sender
    from circuit_maintenance_parser.errors import NonexistentProviderError

    message = email.message_from_bytes(content, policy=email.policy.default)
    sender = parseaddr(str(message.get("From", "")))[1].lower()
    try:
        return str(get_provider_class_from_sender(sender).get_provider_type())
    except (NonexistentProviderError, IndexError):
        return GENERIC


@dataclass(frozen=True)
class _Wanted:
    provider: str
    account: str
    maintenance_id: str
    status: ProviderStatus | None  # None: as before
    sequence: int
    stamp: datetime
    start: datetime
    end: datetime
    summary: str
    circuits: tuple[tuple[str, Impact], ...]


def _wanted(said: Any) -> _Wanted | Reason:
    """One maintenance as the library read it, judged: bounded, printable, in order."""
    name = _text(said.maintenance_id, 200)
    about = f"maintenance {name[:60]}"
    if len(said.circuits) > MOST_CIRCUITS:
        return Reason(about, f"{len(said.circuits)} circuits", f"at most {MOST_CIRCUITS}", "Enter it by hand.")
    try:
        start, end, stamp = (datetime.fromtimestamp(t, UTC) for t in (said.start, said.end, said.stamp))
    except (ValueError, OverflowError, OSError):
        return Reason(about, "a time that no clock shows", "begin and end", "Ask the provider.")
    if end <= start:
        return Reason(about, f"end {end:%Y-%m-%d %H:%M} UTC", f"after {start:%Y-%m-%d %H:%M} UTC", "Ask the provider.")
    status = None if said.status.value == "NO-CHANGE" else ProviderStatus(said.status.value)
    circuits = {_text(c.circuit_id, 100): Impact(c.impact.value) for c in said.circuits}
    circuits.pop("", None)
    return _Wanted(
        _text(said.provider, 63), _text(said.account, 100), name, status, int(said.sequence), stamp, start, end,
        _text(said.summary, 1000), tuple(sorted(circuits.items())),
    )  # fmt: skip


def _text(value: object, most: int) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in str(value)).split())[:most]


def _keep(wanted: _Wanted, who: str, now: datetime) -> str:
    """Keep one maintenance unless a newer notice about it is here. Returns what was done."""
    row = (
        ProviderMaintenance.objects.select_for_update()
        .filter(provider__iexact=wanted.provider, maintenance_id=wanted.maintenance_id)
        .first()
    )
    about = f"{wanted.provider} {wanted.maintenance_id}"
    if row is not None and (row.sequence, row.stamp) > (wanted.sequence, wanted.stamp):
        return f"{about}: older than what is known (sequence {wanted.sequence}, known {row.sequence}), left alone"
    values = {
        "account": wanted.account,
        "status": wanted.status or (row.status if row is not None else ProviderStatus.CONFIRMED),
        "sequence": wanted.sequence,
        "stamp": wanted.stamp,
        "start_at": wanted.start,
        "end_at": wanted.end,
        "summary": wanted.summary,
        "received_at": now,
        "received_by": who[:150],
    }
    if row is None:
        row = ProviderMaintenance.objects.create(
            provider=wanted.provider, maintenance_id=wanted.maintenance_id, **values
        )
    else:
        for name, value in values.items():
            setattr(row, name, value)
        row.save()
    known = _links(wanted)
    if wanted.circuits:  # a cancellation may leave them out; then it is about those that are known
        row.impacts.all().delete()
        ProviderImpact.objects.bulk_create(
            ProviderImpact(maintenance=row, circuit_id=name, impact=impact, link_id=known.get(name.lower()))
            for name, impact in wanted.circuits
        )
    unknown = [name for name, _ in wanted.circuits if name.lower() not in known]
    said = f"{about}: {row.status}, {wanted.start:%Y-%m-%d %H:%M} to {wanted.end:%Y-%m-%d %H:%M} UTC, "
    said += f"{len(wanted.circuits) - len(unknown)} links of ours"
    return said + (f"; not in the inventory: {_some(unknown)}" if unknown else "")


def _links(wanted: _Wanted) -> dict[str, int]:
    """Circuit (lower case) -> link: those of this provider, else, where the name is the only one, of any."""
    names = {name.lower() for name, _ in wanted.circuits}
    rows = ProviderCircuit.objects.values_list("provider", "circuit_id", "link_id")
    found: dict[str, set[int]] = {}
    own: dict[str, int] = {}
    for provider, name, link in rows.iterator():
        if name.lower() in names:
            found.setdefault(name.lower(), set()).add(link)
            if provider.lower() == wanted.provider.lower():
                own[name.lower()] = link
    return {name: next(iter(links)) for name, links in found.items() if len(links) == 1} | own


def _some(names: Iterable[str], most: int = 10) -> str:
    every = list(names)
    return ", ".join(every[:most]) + (f" and {len(every) - most} more" if len(every) > most else "")
