"""What the API of changes answers, as JSON; made from rows and values without further queries."""

from typing import Any

from rest_framework import serializers

from fleet.changes.models import Change, Run
from fleet.core.explain import CHANGE_WORDS, TARGET_WORDS
from fleet.core.model import Impact
from fleet.core.risk import Risk
from fleet.core.states import ChangeState, Control, StepState, TargetState

Shape = serializers.Serializer[Any]
_Text, _Whole, _Time = serializers.CharField, serializers.IntegerField, serializers.DateTimeField


def _one_of(kind: Any, **more: Any) -> serializers.ChoiceField:
    return serializers.ChoiceField([(s.value, s.value) for s in kind], **more)


def texts(**more: Any) -> serializers.ListField:
    """A list of texts."""
    return serializers.ListField(child=serializers.CharField(), **more)


class FindingCounts(Shape):
    """How many findings of a plan stop it or warn."""

    fatal = _Whole()
    warn = _Whole()


class RevisionBrief(Shape):
    """The newest revision, without its plan."""

    number = _Whole()
    digest = _Text()
    recipe = _Text()
    inputs = serializers.JSONField()
    created_by = _Text(source="created_by.username")
    created_at = _Time()
    risk = serializers.ChoiceField([r.value for r in Risk], allow_null=True, source="risk_word")
    impact = serializers.ChoiceField([i.value for i in Impact], allow_null=True, source="impact_word")
    findings = FindingCounts()


class RunBrief(Shape):
    """The run of a change, without its targets."""

    id = _Whole(source="pk")
    control = _one_of(Control)
    started_at = _Time()
    ended_at = _Time(allow_null=True)
    outcome = _Text(allow_blank=True)
    holds = texts(help_text="sentences: why nothing more is happening now")


class ChangeOut(Shape):
    """A change: the record that people discuss, with its newest revision and its run."""

    id = _Whole(source="pk")
    title = _Text()
    description = _Text(allow_blank=True)
    ticket = _Text(allow_blank=True)
    author = _Text(source="author.username")
    state = _one_of(ChangeState)
    in_words = serializers.SerializerMethodField()
    created_at = _Time()
    page = _Text(source="get_absolute_url", help_text="the page of it for people")
    revision = RevisionBrief(allow_null=True, source="brief")
    run = RunBrief(allow_null=True, source="brief_run")

    def get_in_words(self, row: Change) -> str:
        return CHANGE_WORDS[ChangeState(row.state)]


class DraftOut(Shape):
    """What somebody asked to be drafted, and what came of it: the engine plans, and answers within seconds."""

    id = _Whole(source="pk")
    state = serializers.SerializerMethodField()
    title = _Text()
    recipe = _Text()
    asked_by = _Text(source="asked_by.username")
    asked_at = _Time()
    ended_at = _Time(allow_null=True)
    change = _Whole(allow_null=True, source="drafted")
    reasons = texts(source="left", help_text="sentences: why it could not be planned")

    def get_state(self, row: Any) -> str:
        """waiting, drafted or refused"""
        if row.ended_at is None:
            return "waiting"
        return "refused" if row.left else "drafted"


class RevisionOut(Shape):
    """A revision: the immutable content of a change."""

    number = _Whole()
    digest = _Text()
    recipe = _Text()
    recipe_text = _Text()
    inputs = serializers.JSONField()
    created_by = _Text(source="created_by.username")
    created_at = _Time()
    assessed = serializers.JSONField(help_text="risk, impact and blast radius, as they were when it was planned")


class PlanOut(Shape):
    """What would be done: strategy, checks, findings, and per device the steps with their diffs."""

    change = _Whole(source="change_id")
    revision = _Whole(source="number")
    digest = _Text()
    plan = serializers.JSONField()


class StageOut(Shape):
    """One stage of approval."""

    policy = _Text()
    stage = _Text()
    have = texts()
    missing = _Whole()
    open = serializers.BooleanField()
    words = _Text()


class WhyTarget(Shape):
    """A device of the run that is under way, stuck or back."""

    name = _Text()
    state = _one_of(TargetState)
    in_words = serializers.SerializerMethodField()
    step = _Text(allow_null=True)
    drained = serializers.BooleanField()
    reasons = texts()

    def get_in_words(self, row: Any) -> str:
        return TARGET_WORDS[TargetState(row["state"])]


class WhyOut(Shape):
    """Where a change stands and why nothing (more) happens: the words of its page, all reasons at once."""

    change = _Whole()
    state = _one_of(ChangeState)
    in_words = _Text()
    next = _Text(help_text="what happens next if nobody does anything, or whom it waits for")
    holds = texts(help_text="why not now")
    starts_at = _Time(allow_null=True, help_text="windows and freezes let it start then, at the earliest")
    scheduled = serializers.BooleanField(help_text="it starts by itself then")
    digest = _Text(allow_null=True, help_text="of the newest revision: what an approval is about")
    approval = StageOut(many=True)
    approval_expires_at = _Time(allow_null=True)
    void = texts(help_text="why an approval of this revision does not hold any more")
    targets = WhyTarget(many=True)
    engine_seen_at = _Time(allow_null=True)


class ApprovalOut(Shape):
    """What one person said about one digest."""

    id = _Whole(source="pk")
    revision = _Whole(source="revision.number")
    digest = _Text()
    by = _Text(source="approver.username")
    decision = _Text()
    comment = _Text(allow_blank=True)
    at = _Time()


class SlotOut(Shape):
    """A period in which a change fits: it may start from `starts` to `latest_start`; its worst case ends by `ends`."""

    starts = _Time(source="start")
    latest_start = _Time(source="latest")
    ends = _Time(source="end")


class SlotsOut(Shape):
    """The periods in which a change fits, and what was asked."""

    change = _Whole()
    first = _Time()
    last = _Time()
    window = _Text(allow_null=True)
    worst_case_s = serializers.FloatField(help_text="the longest of its first wave, with rollback and verification")
    slots = SlotOut(many=True)
    reasons = texts(help_text="why there is none")


class ReasonShape(Shape):
    """Why the answer is no."""

    subject = _Text()
    found = _Text()
    wanted = _Text()
    remedy = _Text(allow_blank=True)
    text = serializers.SerializerMethodField()

    def get_text(self, row: Any) -> str:
        return str(row)


class ConflictsOut(Shape):
    """Other changes on the same devices, on the other ends of their links, in their failure domains."""

    change = _Whole()
    conflicts = ReasonShape(many=True)


class RunOut(RunBrief):
    """A run: one execution of an approved plan."""

    change = _Whole(source="revision.change_id")
    revision = _Whole(source="revision.number")
    digest = _Text(source="revision.digest")
    control_by = _Text(allow_blank=True)
    control_reason = _Text(allow_blank=True)
    started_by = _Text(source="started_by.username")
    window_end = _Time(allow_null=True)
    waves = serializers.SerializerMethodField()

    def get_waves(self, row: Run) -> list[dict[str, Any]]:
        """For each wave how many targets are in each state."""
        waves: dict[int, dict[str, int]] = {}
        for (wave, state), count in sorted(getattr(row, "counted", {}).items()):
            waves.setdefault(wave, {})[state] = count
        return [{"number": number, "targets": states} for number, states in waves.items()]


class ProbeFigures(Shape):
    """What mtr would report: times in ms, null where nothing came back."""

    sent = _Whole()
    lost = _Whole()
    best = serializers.FloatField(allow_null=True)
    avg = serializers.FloatField(allow_null=True)
    worst = serializers.FloatField(allow_null=True)
    stdev = serializers.FloatField(allow_null=True)


class ProbeOut(Shape):
    """Probes from a vantage point to an address, before the change and after it."""

    vantage = _Text()
    to = _Text()
    family = _Text()
    address = _Text()
    before = ProbeFigures(allow_null=True)
    after = ProbeFigures(allow_null=True)
    there = texts(help_text="routers on the way")
    back = texts(help_text="routers on the way back")
    verdict = _Text(allow_blank=True, help_text="pass, fail, inconclusive, error; empty before there is one")
    words = _Text(allow_blank=True)
    reasons = texts()


class StepOut(Shape):
    """One action on one device."""

    index = _Whole()
    title = _Text()
    verb = _Text()
    state = _one_of(StepState)
    back = serializers.BooleanField(help_text="belongs to the way back")
    attempt = _Whole()
    first_claimed_at = _Time(allow_null=True)
    ended_at = _Time(allow_null=True)
    changed = serializers.BooleanField(allow_null=True)
    reasons = texts()
    probes = ProbeOut(many=True, source="probed", help_text="of a step that probes: each pair")


class TargetBrief(Shape):
    """One device in a run."""

    id = _Whole(source="pk")
    name = _Text()
    wave = _Whole()
    failure_domain = _Text(allow_blank=True)
    state = _one_of(TargetState)
    in_words = _Text()
    drained = serializers.BooleanField()
    changed = serializers.BooleanField(allow_null=True)
    began_at = _Time(allow_null=True)
    drained_at = _Time(allow_null=True)
    ended_at = _Time(allow_null=True)
    reasons = texts()
    released_by = _Text(allow_blank=True)
    released_reason = _Text(allow_blank=True)


class TargetOut(TargetBrief):
    """One device in a run, with its steps."""

    steps = StepOut(many=True, source="listed")


class EventOut(Shape):
    """Something happened. Kept for ever; `seal`: its link in the hash chain of the change, once it is sealed."""

    id = _Whole(source="pk")
    change = _Whole(source="change_id")
    at = _Time()
    actor = _Text()
    kind = _Text()
    text = _Text()
    target = _Text(allow_null=True, source="on")
    step = _Whole(allow_null=True, source="at_step")
    seal = _Text(allow_null=True, source="sealed")


class RecipeInput(Shape):
    """One input of a recipe."""

    name = _Text()
    type = _Text()
    summary = _Text(allow_blank=True)
    required = serializers.BooleanField()  # type: ignore[assignment]  # a field of that name
    default = serializers.JSONField()
    minimum = serializers.JSONField()
    maximum = serializers.JSONField()
    choices = serializers.JSONField()


class RecipeOut(Shape):
    """What can be done: a recipe that comes with Slipway."""

    id = _Whole(source="pk")
    name = _Text()
    summary = _Text(allow_blank=True)
    inputs = RecipeInput(many=True)
    where = serializers.JSONField(help_text="its own selection of targets")
    strategy = serializers.JSONField(help_text="its own strategy")


class PeriodOut(Shape):
    """A time on the wall clock of a zone, once or again and again, for some sites, roles and recipes (empty: all)."""

    id = _Whole(source="pk")
    name = _Text()
    starts = _Text(source="local_start", help_text="local, as 2026-12-01T01:00")
    length_s = _Whole()
    zone = _Text()
    repeat = _Text(source="recurrence", allow_blank=True)
    without = texts()
    sites = texts()
    roles = texts()
    recipes = texts()
    in_words = _Text()
    created_by = _Text(source="created_by.username")
    created_at = _Time()
    withdrawn_at = _Time(allow_null=True)


class WindowOut(PeriodOut):
    """When work may start."""

    required = serializers.BooleanField()  # type: ignore[assignment]  # a field of that name


class FreezeOut(PeriodOut):
    """When no work may start, whatever the windows."""

    why = _Text(allow_blank=True)
