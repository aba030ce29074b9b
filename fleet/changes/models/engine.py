"""What the change engine remembers: change, revision, approval, run, target, step, event, seal.

`state` columns are assigned in transitions/ only. Events and seals are append-only: triggers of the database refuse
to update or delete them (migration 0002).
"""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Count, Exists, ExpressionWrapper, OuterRef, Prefetch, Q, QuerySet
from django.urls import reverse

from fleet.core import plan as planning
from fleet.core.explain import CHANGE_WORDS, TARGET_WORDS
from fleet.core.model import Plan
from fleet.core.states import (
    CHANGE_ENDED,
    CHANGE_LIVE,
    STEP_FAILED,
    STEP_OPEN,
    TARGET_IN_FLIGHT,
    ChangeState,
    Control,
    StepState,
    TargetState,
)
from inventory.models import Router


def _choices(enum: Any) -> list[tuple[str, str]]:
    return [(s.value, s.value.replace("_", " ")) for s in enum]


class ChangeQuerySet(models.QuerySet["Change"]):
    """Questions about many changes."""

    def live(self) -> "ChangeQuerySet":
        return self.filter(state__in=CHANGE_LIVE)

    def listed(self) -> "ChangeQuerySet":
        """With what a list page shows: author and, through the newest revision, the run."""
        return self.select_related("author").order_by("-id")


class Change(models.Model):
    """The record that people discuss; its content is in its revisions."""

    title = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    ticket = models.CharField(max_length=100, blank=True)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="changes")
    state = models.CharField(max_length=12, choices=_choices(ChangeState), default=ChangeState.DRAFT)
    generation = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()
    sealed = models.PositiveIntegerField(default=0)  # links of its chain: one that is cut off at its end is found

    objects = ChangeQuerySet.as_manager()

    class Meta:
        indexes = (models.Index(fields=["state", "-id"], name="change_state"),)

    def __str__(self) -> str:
        return f"change {self.pk}: {self.title}"

    def get_absolute_url(self) -> str:
        return reverse("change", args=[self.pk])

    @property
    def revision(self) -> "Revision | None":
        """The newest revision."""
        return self.revisions.order_by("-number").first()

    @property
    def in_words(self) -> str:
        return CHANGE_WORDS[ChangeState(self.state)]

    @property
    def ended(self) -> bool:
        return self.state in CHANGE_ENDED


class Revision(models.Model):
    """Immutable content of a change: recipe text, inputs, targets and the plan that was computed from them."""

    change = models.ForeignKey(Change, on_delete=models.PROTECT, related_name="revisions")
    number = models.PositiveIntegerField()
    recipe = models.CharField(max_length=100)
    recipe_text = models.TextField()
    inputs = models.JSONField(default=dict)
    plan = models.JSONField()
    digest = models.CharField(max_length=64)
    # Risk, impact and blast radius as they were when it was planned (core/risk.py); for pages. Not part of the digest.
    assessed = models.JSONField(null=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["change", "number"], name="revision_number"),)

    def __str__(self) -> str:
        return f"revision {self.number} of change {self.change_id}"

    def read_plan(self) -> Plan:
        """The plan as values."""
        return planning.from_json(self.plan)

    @property
    def fatal(self) -> int:
        """How many fatal findings stop the plan: those that nobody overrode."""
        from fleet.changes.models.overrides import standing_fatal

        return standing_fatal(self.change_id, self.plan["findings"])

    @property
    def warnings(self) -> int:
        """How many findings of the plan warn."""
        return sum(f["severity"] == "warn" for f in self.plan["findings"])

    def good_approvals(self) -> "QuerySet[Approval]":
        """What people said of this revision and what nothing has voided since, in order."""
        void = self.voids.order_by("-up_to").values_list("up_to", flat=True).first()
        return self.approvals.filter(pk__gt=void or 0).order_by("pk")

    @property
    def approved_digest(self) -> str | None:
        """The digest that somebody approved for this revision, if any; whether that is enough: changes/approvals.py."""
        approval = self.good_approvals().filter(decision=Approval.APPROVED).first()
        return approval.digest if approval else None


class Approval(models.Model):
    """What one person said about one digest; a comment decides nothing. Append-only.

    `groups`: those that the person was in then. Whoever is put into a group later has not approved for it.
    """

    APPROVED, REJECTED, COMMENTED = "approved", "rejected", "commented"

    revision = models.ForeignKey(Revision, on_delete=models.PROTECT, related_name="approvals")
    digest = models.CharField(max_length=64)
    approver = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="approvals")
    decision = models.CharField(
        max_length=10, choices=[(APPROVED, APPROVED), (REJECTED, REJECTED), (COMMENTED, COMMENTED)]
    )
    comment = models.TextField(blank=True)
    groups = models.JSONField(null=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.approver} {self.decision} {self.digest[:12]}"


class RunQuerySet(models.QuerySet["Run"]):
    """Questions about many runs."""

    def live(self) -> "RunQuerySet":
        return self.filter(ended_at__isnull=True, revision__change__state__in=CHANGE_LIVE)


class Run(models.Model):
    """One execution of an approved plan. `control` is what a person asked for; the engine obeys at its next step."""

    revision = models.OneToOneField(Revision, on_delete=models.PROTECT, related_name="run")
    control = models.CharField(max_length=10, choices=_choices(Control), default=Control.NONE)
    control_by = models.CharField(max_length=150, blank=True)
    control_reason = models.TextField(blank=True)
    tolerated = models.PositiveIntegerField(default=0)
    strategy = models.JSONField()  # copied from the plan, so that a tick need not read the whole plan
    checks = models.JSONField(default=list)
    window_end = models.DateTimeField(null=True, blank=True)
    holds = models.JSONField(default=list)  # sentences: why nothing more is happening now
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True, db_index=True)
    outcome = models.CharField(max_length=200, blank=True)

    objects = RunQuerySet.as_manager()

    def __str__(self) -> str:
        return f"run of {self.revision}"

    @property
    def change(self) -> Change:
        return self.revision.change

    def counts(self) -> dict[tuple[int, str], int]:
        """How many targets of each wave are in each state. One query."""
        rows = self.targets.values_list("wave", "state").annotate(n=Count("id")).order_by()
        return {(wave, state): n for wave, state, n in rows}


def failed_in_traffic() -> "ExpressionWrapper[Q]":
    """Of a target: it failed while soaking and waits to be turned round."""
    steps = StepRun.objects.filter(target=OuterRef("pk"), back=False, state__in=STEP_FAILED)
    return ExpressionWrapper(Q(state=TargetState.SOAKING) & Q(Exists(steps)), output_field=models.BooleanField())


class TargetRunQuerySet(models.QuerySet["TargetRun"]):
    """Questions about many targets."""

    def in_flight(self) -> "TargetRunQuerySet":
        return self.filter(state__in=TARGET_IN_FLIGHT)

    def engaged(self) -> "TargetRunQuerySet":
        """Devices that some change holds now."""
        return self.filter(engaged=True)

    def failing(self) -> "TargetRunQuerySet":
        """What failed, back already or not; the same as `decide.is_failing`."""
        ended = Q(state__in=[TargetState.STUCK, TargetState.ROLLED_BACK, TargetState.ROLLING_BACK])
        over = Q(overruns__isnull=False, overruns__resumed_at=None) & ~Q(state=TargetState.STUCK)
        return self.annotate(failed=failed_in_traffic()).filter(ended | Q(failed=True)).exclude(over)

    def with_steps(self) -> "TargetRunQuerySet":
        return self.prefetch_related(Prefetch("steps", StepRun.objects.order_by("index")))


class TargetRun(models.Model):
    """One device in a run."""

    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="targets")
    router = models.ForeignKey(Router, on_delete=models.PROTECT, related_name="targets")
    name = models.CharField(max_length=100)
    failure_domain = models.CharField(max_length=100, blank=True)
    wave = models.PositiveIntegerField()
    state = models.CharField(max_length=12, choices=_choices(TargetState), default=TargetState.PENDING)
    generation = models.PositiveIntegerField(default=0)
    worst_case_s = models.FloatField(default=0.0)
    engaged = models.BooleanField(default=False)  # this run holds the device: no other change may begin on it
    drained = models.BooleanField(default=False)  # traffic is (being) taken off by this run and not yet back
    kicked_at = models.DateTimeField(null=True, blank=True)  # a message for a worker was sent then
    began_at = models.DateTimeField(null=True, blank=True)
    drained_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    look_due_at = models.DateTimeField(null=True, blank=True)  # its facts are to be collected again (facts_again.py)
    changed = models.BooleanField(null=True)
    reasons = models.JSONField(default=list)  # sentences: why it is rolled back, stuck or held
    released_by = models.CharField(max_length=150, blank=True)
    released_reason = models.TextField(blank=True)

    objects = TargetRunQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["run", "router"], name="target_once_per_run"),
            # Per-device serialisation across all changes, held by the database itself.
            models.UniqueConstraint(fields=["router"], condition=Q(engaged=True), name="device_in_one_change"),
        )
        indexes = (
            models.Index(fields=["run", "wave", "state"], name="target_wave_state"),
            models.Index(fields=["look_due_at"], name="target_look_due", condition=Q(look_due_at__isnull=False)),
        )

    def __str__(self) -> str:
        return f"{self.name} in {self.run}"

    @property
    def in_words(self) -> str:
        return TARGET_WORDS[TargetState(self.state)]

    def current_step(self) -> "StepRun | None":
        """The step it is at: the open one that was reached, else the last that ended."""
        steps = sorted(self.steps.all(), key=lambda s: s.index)
        reached = [s for s in steps if s.state in STEP_OPEN and s.due_at is not None]
        ended = [s for s in steps if s.state not in STEP_OPEN]
        return reached[-1] if reached else (ended[-1] if ended else None)


class StepRunQuerySet(models.QuerySet["StepRun"]):
    """Questions about many steps."""

    def due(self, now: datetime) -> "StepRunQuerySet":
        """Open steps that were reached and may be worked on, or whose lease ran out."""
        return self.filter(state__in=STEP_OPEN, due_at__lte=now)

    def claimed(self, now: datetime) -> "StepRunQuerySet":
        return self.filter(state=StepState.CLAIMED, due_at__gt=now)


class StepRun(models.Model):
    """One action on one device.

    `due_at`: null until the step is reached; then when it may next be worked on. While claimed it is the end of the
    lease: whoever finds it passed may claim again, and the generation refuses the late writer.
    """

    target = models.ForeignKey(TargetRun, on_delete=models.PROTECT, related_name="steps")
    index = models.PositiveIntegerField()
    verb = models.CharField(max_length=40)
    planned = models.JSONField()
    phase = models.CharField(max_length=12, choices=_choices(TargetState))
    back = models.BooleanField(default=False)  # belongs to the way back
    undoes = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="undone_by")
    state = models.CharField(max_length=10, choices=_choices(StepState), default=StepState.READY)
    attempt = models.PositiveIntegerField(default=0)
    generation = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField(null=True, blank=True)
    claimed_by = models.CharField(max_length=100, blank=True)
    first_claimed_at = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)  # written ahead: from here on the device may be touched
    ended_at = models.DateTimeField(null=True, blank=True)
    artifact = models.JSONField(null=True)  # what restores the device, captured before the first touch
    data = models.JSONField(default=dict)  # what was last seen
    changed = models.BooleanField(null=True)
    reasons = models.JSONField(default=list)

    objects = StepRunQuerySet.as_manager()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["target", "index"], name="step_index"),)
        indexes = (
            models.Index(fields=["due_at"], name="step_due", condition=Q(state__in=sorted(STEP_OPEN))),
            models.Index(fields=["target", "index"], name="step_target"),
            # How long steps of this verb took lately: asked by every plan page (durations.py).
            models.Index(fields=["verb", "-ended_at"], name="step_took", condition=Q(state="done", back=False)),
        )

    def __str__(self) -> str:
        return f"{self.title} on {self.target.name}"

    @property
    def title(self) -> str:
        """The step in words: "undo nic", "undrain igp", "verify"."""
        group = self.planned.get("params", {}).get("group", "")
        return " ".join(w for w in ("undo" if self.undoes_id else "", self.verb, str(group)) if w)


class EventQuerySet(models.QuerySet["Event"]):
    """Questions about many events."""

    def after(self, event_id: int) -> "EventQuerySet":
        return self.filter(id__gt=event_id).order_by("id")

    def unsealed(self) -> QuerySet["Event"]:
        return self.filter(seal__isnull=True).order_by("id")


class Event(models.Model):
    """Something happened. Written in the same transaction as what it tells; append-only."""

    change = models.ForeignKey(Change, on_delete=models.PROTECT, related_name="events")
    target = models.ForeignKey(TargetRun, on_delete=models.PROTECT, null=True, blank=True, related_name="events")
    step = models.ForeignKey(StepRun, on_delete=models.PROTECT, null=True, blank=True, related_name="events")
    at = models.DateTimeField()
    actor = models.CharField(max_length=150)
    kind = models.CharField(max_length=40)  # "change approved", "target drained", "step done" ...
    text = models.TextField()
    data = models.JSONField(default=dict)

    objects = EventQuerySet.as_manager()

    class Meta:
        indexes = (
            models.Index(fields=["change", "id"], name="event_change"),
            # The audit page: newest first over all changes, of one person, of one kind (views/audit.py).
            models.Index(fields=["at", "id"], name="event_at"),
            models.Index(fields=["actor", "at", "id"], name="event_actor"),
            models.Index(fields=["kind", "at", "id"], name="event_kind"),
        )

    def __str__(self) -> str:
        return f"{self.at:%H:%M:%S} {self.text}"


class EventSeal(models.Model):
    """One link of a change's hash chain over one event (decision 003). Append-only."""

    event = models.OneToOneField(Event, on_delete=models.PROTECT, related_name="seal", primary_key=True)
    change = models.ForeignKey(Change, on_delete=models.PROTECT, related_name="seals")
    number = models.PositiveIntegerField()
    hash = models.CharField(max_length=64)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["change", "number"], name="seal_number"),)

    def __str__(self) -> str:
        return f"seal {self.number} of change {self.change_id}"


class Admission(models.Model):
    """One row: the generation that every start of a target bumps, so that two ticks never spend one budget twice."""

    generation = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"admission generation {self.generation}"


class Pulse(models.Model):
    """When each part of the engine was last alive: "tick" and one row per worker."""

    name = models.CharField(max_length=100, primary_key=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} at {self.at:%H:%M:%S}"
