"""Mitigations on the devices, from the steps that set them; an alarm when the date of one has passed.

take_up(now)     called beside the tick: tells once, by event and notice of the change that brought it
"""

from collections.abc import Collection, Sequence
from datetime import date, datetime

from django.db import transaction

from fleet.changes import notices, transitions
from fleet.changes.models import Change, Notice, StepRun
from fleet.core import mitigations
from fleet.core.mitigations import Applied, Mitigation
from fleet.core.model import Finding
from fleet.core.states import StepState, TargetState

KIND = "mitigation expired"
VERBS = ("nic",)
# Steps that are read of devices with mitigations, the newest first; a fleet has few of either.
MOST = 5000
_told: dict[str, int] = {}  # hour of the epoch in which this process has looked


def in_force(names: Collection[str] | None = None) -> tuple[Mitigation, ...]:
    """Mitigations that stand on these devices (None: on all). Two queries, the second only where there are any."""
    done = StepRun.objects.filter(
        verb__in=VERBS, state=StepState.DONE, back=False, target__state=TargetState.DONE
    )  # put back: rolled_back
    if names is not None:
        done = done.filter(target__name__in=names)
    limited = done.filter(planned__params__has_key="until").order_by("-ended_at")
    devices = set(limited.values_list("target__name", flat=True)[:MOST])
    if not devices:
        return ()
    rows = done.filter(target__name__in=devices).order_by("-ended_at")
    values = rows.values_list("target__name", "target__run__revision__change", "verb", "planned__params")[:MOST]
    return mitigations.standing(Applied(*row) for row in reversed(values))


def findings(names: Collection[str], now: datetime | None) -> Sequence[Finding]:
    """What a plan for these devices should know; nothing without a time."""
    return mitigations.findings(in_force(names), now.date()) if now is not None else ()


def take_up(now: datetime) -> int:
    """Once an hour: tell of what has passed its date and was not told of; how many changes."""
    hour = int(now.timestamp() // 3600)
    if _told.get("hour") == hour:
        return 0
    _told["hour"] = hour
    return tell_expired(now)


def tell_expired(now: datetime) -> int:
    """An event and a notice of each change whose mitigation has passed its date, once a change."""
    late: dict[int, list[Mitigation]] = {}
    for one in in_force():
        if one.expired(now.date()):
            late.setdefault(one.change, []).append(one)
    known = set(Notice.objects.filter(kind=KIND, change__in=late).values_list("change", flat=True))
    for pk in sorted(set(late) - known):
        _tell(pk, late[pk], now)
    return len(set(late) - known)


def _tell(pk: int, found: Sequence[Mitigation], now: datetime) -> None:
    text = "\n".join(str(one.reason) for one in found[:20])
    with transaction.atomic():
        change = Change.objects.select_for_update().get(pk=pk)
        if Notice.objects.filter(kind=KIND, change=change).exists():
            return  # another process was first
        names = ", ".join(sorted({one.device for one in found})[:20])
        said = f"a mitigation has passed its date on {names}"
        transitions.note(pk, KIND, transitions.Note("engine", said, {"until": str(_first(found))}), now)
        notices.tell(change, KIND, text, now)


def _first(found: Sequence[Mitigation]) -> date:
    return min(one.until for one in found)
