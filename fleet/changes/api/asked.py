"""What may be asked and sent: the words in addresses and contents of the API of changes, with their bounds."""

from typing import Any

from rest_framework import serializers

from fleet.api.fields import Flag, Text, Whole
from fleet.api.views import Paged
from fleet.changes.views.actions import LONGEST_TEXT
from fleet.changes.views.draft_form import LONGEST
from fleet.changes.windows import LONGEST_NAME
from fleet.core.model import OnFailure
from fleet.core.states import ChangeState, TargetState

Shape = serializers.Serializer[Any]
LARGEST = 2**63 - 1
LOCAL = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?$"


def line(longest: int, **more: Any) -> Text:
    """A text of at most so many characters; spaces stay as they are."""
    return Text(max_length=longest, **more)


def some_names(**more: Any) -> serializers.ListField:
    """A list of names."""
    return serializers.ListField(child=line(100), required=False, max_length=20_000, **more)


class Time(serializers.DateTimeField):
    """An instant with its offset: what has none could be any of 26 hours."""

    def enforce_timezone(self, value: Any) -> Any:
        if value.tzinfo is None:
            raise serializers.ValidationError("an instant with its offset, as 2026-11-21T06:00:00Z")
        return super().enforce_timezone(value)


class ChangesAsked(Paged):
    """Which changes."""

    state = serializers.ChoiceField([s.value for s in ChangeState], required=False)
    author = line(150, required=False)
    ticket = line(100, required=False)
    recipe = line(100, required=False)
    device = line(63, required=False, help_text="a device of the newest run")
    since = Time(required=False, help_text="made then or later")


class EventsAsked(Paged):
    """Which events."""

    since = Time(required=False)
    kind = line(40, required=False)
    actor = line(150, required=False)
    change = serializers.IntegerField(required=False, min_value=1, max_value=LARGEST)


class OfChangeEvents(Paged):
    """Which events of one change."""

    since = Time(required=False)
    kind = line(40, required=False)


class RunsAsked(Paged):
    """Which runs."""

    change = serializers.IntegerField(required=False, min_value=1, max_value=LARGEST)
    live = serializers.BooleanField(required=False, allow_null=True, default=None)


class TargetsAsked(Paged):
    """Which targets of a run."""

    state = serializers.ChoiceField([s.value for s in TargetState], required=False)
    wave = serializers.IntegerField(required=False, min_value=0, max_value=100_000)


class SlotsAsked(Shape):
    """Which time, and in which window (none: any that covers the change)."""

    first = Time(required=False, help_text="default: now")
    last = Time(required=False, help_text="default: 14 days later; at most 400 days")
    window = line(LONGEST_NAME, required=False)


class PeriodsAsked(Paged):
    """Which windows or freezes."""

    withdrawn = serializers.BooleanField(required=False, allow_null=True, default=None)
    name = line(LONGEST_NAME, required=False)


class Strategy(Shape):
    """How it goes through the devices; what is left out is as the recipe says."""

    waves = line(1000, required=False, help_text='"1, 25%, 100%"')
    total = Whole(required=False, min_value=0, max_value=1_000_000)
    per_failure_domain = Whole(required=False, min_value=0, max_value=1_000_000)
    max_failures = Whole(required=False, min_value=0, max_value=1_000_000)
    on_failure = serializers.ChoiceField([o.value for o in OnFailure], required=False)


class Targets(Shape):
    """Which devices: all that is said must hold. Empty: those that the recipe's own selection means."""

    names = some_names(help_text="names and patterns (edge-*); the canary first")
    sites = some_names()
    roles = some_names()


class ChangeWanted(Shape):
    """A change that somebody wants."""

    title = line(LONGEST["title"])
    recipe = line(63)
    inputs = serializers.DictField(child=serializers.JSONField(allow_null=True), required=False)
    targets = Targets(required=False)
    strategy = Strategy(required=False)
    ticket = line(LONGEST["ticket"], required=False, allow_blank=True)
    description = line(LONGEST["description"], required=False, allow_blank=True)


class RevisionWanted(Shape):
    """What is to be otherwise in the next revision; what is left out stays."""

    title = line(LONGEST["title"], required=False)
    inputs = serializers.DictField(child=serializers.JSONField(allow_null=True), required=False)
    targets = Targets(required=False)
    strategy = Strategy(required=False)
    ticket = line(LONGEST["ticket"], required=False, allow_blank=True)
    description = line(LONGEST["description"], required=False, allow_blank=True)


class Why(Shape):
    """Why; kept with what is done."""

    why = line(LONGEST_TEXT, required=False, allow_blank=True)


class Said(Shape):
    """A comment."""

    comment = line(LONGEST_TEXT)


class Decision(Shape):
    """What is approved or denied: exactly the plan with this digest."""

    digest = line(64)
    comment = line(LONGEST_TEXT, required=False, allow_blank=True)


class Submission(Shape):
    """How it is submitted: for approval, or as a standard change, which was approved beforehand."""

    standard = line(63, required=False, allow_blank=True)


class Start(Shape):
    """A start at once."""

    window_end = Time(required=False, help_text="nothing starts that could not be undone by then")


class Into(Shape):
    """Which window (none: any that covers the change)."""

    window = line(LONGEST_NAME, required=False, allow_blank=True)


class Released(Shape):
    """Stuck devices that were put right by hand, and how."""

    names = serializers.ListField(child=line(100), min_length=1, max_length=20_000)
    why = line(LONGEST_TEXT)


class RepairWanted(Shape):
    """Which drift is to be repaired: of a setting, of a device, or both."""

    setting = line(255, required=False)
    profile = line(63, required=False)
    device = line(63, required=False)


class LocalTime(serializers.RegexField):
    """A time on a wall clock, as text."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


class PeriodWanted(Shape):
    """A time on the wall clock of a zone."""

    name = line(LONGEST_NAME)
    starts = LocalTime(LOCAL, help_text="local, as 2026-12-01T01:00")
    length_s = Whole(min_value=60, max_value=400 * 86_400)
    zone = line(63)
    repeat = line(500, required=False, allow_blank=True, help_text="an RRULE, as FREQ=WEEKLY;BYDAY=SU; empty: once")
    without = serializers.ListField(child=serializers.DateField(), required=False, max_length=1000)
    sites = some_names()
    roles = some_names()
    recipes = some_names()


class WindowWanted(PeriodWanted):
    """A window."""

    required = Flag(required=False, default=False)  # type: ignore[assignment]  # a field of that name


class FreezeWanted(PeriodWanted):
    """A freeze."""

    why = line(2000)
