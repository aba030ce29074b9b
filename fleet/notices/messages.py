"""From events to messages: for each channel what it listens to, once; what pages is told again until it is over."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.conf import settings

from fleet.changes.models import BreakGlass, Event, TargetRun
from fleet.core import redact
from fleet.core.states import TargetState
from fleet.notices.kinds import BREAK_GLASS, EVENTS, PAGES, STUCK, kinds_of
from fleet.notices.models import Channel, Cursor, Message

# Events of transactions that were slow to commit are older than others that were read already: looked at again.
OVERLAP = timedelta(minutes=5)
# A fleet that goes wrong makes many; the rest follows in the next round.
AT_ONCE = 2_000
MOST_TEXT = 2_000


def make(now: datetime) -> int:
    """Messages of everything that happened since; returns how many. Three queries when nothing did."""
    channels = list(Channel.objects.filter(active=True))
    cursor, new = Cursor.objects.get_or_create(name="messages", defaults={"at": now})
    if new or not channels:
        Cursor.objects.filter(pk=cursor.pk).update(at=now)  # nobody is told of what was before they asked
        return 0
    rows = Event.objects.filter(at__gte=cursor.at - OVERLAP, kind__in=sorted(EVENTS)).order_by("at", "pk")
    events = list(rows.select_related("change", "target")[:AT_ONCE])
    wanted = [
        _message(channel, kind, f"event-{event.pk}-{kind}", event, now)
        for event in events
        for kind in kinds_of(event.kind, event.data)
        for channel in channels
        if kind in channel.kinds
    ]
    made = _keep(wanted)
    made += _keep(_again([c for c in channels if c.repeat_minutes], now))
    upto = events[-1].at if len(events) == AT_ONCE else now
    Cursor.objects.filter(pk=cursor.pk, at__lt=upto).update(at=upto)
    return made


def _keep(messages: Sequence[Message]) -> int:
    """Insert those that are not there."""
    if not messages:
        return 0
    keys = {m.key for m in messages}
    there = set(Message.objects.filter(key__in=keys).values_list("channel_id", "key"))
    missing = [m for m in messages if (m.channel_id, m.key) not in there]
    Message.objects.bulk_create(missing, ignore_conflicts=True, batch_size=500)
    return len(missing)


def _message(channel: Channel, kind: str, key: str, event: Event, now: datetime) -> Message:
    change = event.change
    about = f"{event.target.name}: " if event.target is not None and event.target.name not in event.text else ""
    text = f"{about}{event.text}\n{change.title}, change {change.pk}, by {event.actor}"
    return Message(
        channel=channel, key=key, kind=kind, change=change, text=_worded(text, change.pk), at=event.at, due_at=now
    )


def _worded(text: str, change: int) -> str:
    link = f"\n{settings.SLIPWAY_URL}/changes/{change}/" if settings.SLIPWAY_URL else ""
    return redact.text(text)[:MOST_TEXT] + link


def _again(channels: Iterable[Channel], now: datetime) -> list[Message]:
    """What is still stuck, or not yet reviewed, for channels that want to be told again."""
    some = list(channels)
    if not some:
        return []
    stuck = TargetRun.objects.filter(state=TargetState.STUCK, engaged=True).select_related("run__revision__change")
    glasses = BreakGlass.objects.filter(review__isnull=True).select_related("revision__change", "by")
    pending = [
        (STUCK, f"stuck-{t.pk}", t.run.revision.change, f"still stuck: {t.name}. {' '.join(t.reasons)}")
        for t in stuck.defer("run__revision__plan", "run__revision__recipe_text").order_by("pk")[:100]
    ] + [
        (BREAK_GLASS, f"glass-{g.pk}", g.revision.change, f"break-glass by {g.by.get_username()} not reviewed: {g.why}")
        for g in glasses.defer("revision__plan", "revision__recipe_text").order_by("pk")[:100]
    ]
    if not pending:
        return []
    told: dict[tuple[int, str, int], datetime] = {}
    rows = Message.objects.filter(channel__in=some, change__in={c.pk for _, _, c, _ in pending}, kind__in=sorted(PAGES))
    for channel_id, kind, change_id, at in rows.order_by("at").values_list("channel_id", "kind", "change_id", "at"):
        told[channel_id, kind, change_id] = at
    messages = []
    for channel in some:
        every = timedelta(minutes=channel.repeat_minutes)
        for kind, key, change, text in pending:
            before = told.get((channel.pk, kind, change.pk))
            if kind in channel.kinds and before is not None and now - before >= every:
                turn = f"{key}-{int(now.timestamp() // every.total_seconds())}"
                said = _worded(f"{text}\n{change.title}, change {change.pk}", change.pk)
                messages.append(
                    Message(channel=channel, key=turn, kind=kind, change=change, text=said, at=now, due_at=now)
                )
    return messages
