"""What approval is made of: policies, the rules that a submission fixed, what voided it, break-glass, standard changes.

What people decided is append-only: triggers refuse to alter it (migration `approvals`).
"""

from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from fleet.changes.models.engine import Change, Revision
from fleet.core import approval, standard
from fleet.core.approval import Condition, Policy, Stage
from fleet.core.risk import Risk
from inventory.models import Site


def _names(value: Any) -> None:
    if not isinstance(value, list) or not all(isinstance(v, str) and v for v in value):
        raise ValidationError('wanted a list of names: ["edge", "core"]')


def _conditions(value: Any) -> None:
    _names(value)
    if unknown := sorted(set(value) - set(Condition)):
        raise ValidationError(f"found {', '.join(unknown)}, wanted some of: {', '.join(Condition)}")


def _bounds(value: Any) -> None:
    if reasons := standard.wrong_bounds(value):
        raise ValidationError([str(r) for r in reasons])


class PolicyQuerySet(models.QuerySet["ApprovalPolicy"]):
    """Questions about many policies."""

    def values_in_force(self) -> tuple[Policy, ...]:
        """Every active policy with at least one stage, as values. Four queries."""
        rows = self.filter(active=True, stages__isnull=False).distinct()
        return tuple(row.value() for row in rows.prefetch_related("sites", "stages__groups"))


class ApprovalPolicy(models.Model):
    """Which changes need which approvals. Every policy that applies must be met; empty scopes mean: whichever."""

    name = models.CharField(max_length=63, unique=True)
    active = models.BooleanField(default=True)
    least_risk = models.CharField(
        max_length=10,
        blank=True,
        choices=[(r.value, r.value) for r in Risk],
        help_text="about plans of at least this risk",
    )
    recipes = models.JSONField(default=list, blank=True, validators=[_names], help_text='kinds: ["nic-queues"]')
    sites = models.ManyToManyField(Site, blank=True, related_name="+")
    roles = models.JSONField(default=list, blank=True, validators=[_names], help_text='roles of devices: ["edge"]')
    expires_hours = models.PositiveIntegerField(null=True, blank=True, help_text="from the first approval on")
    conditions = models.JSONField(default=list, blank=True, validators=[_conditions], help_text=", ".join(Condition))

    objects = PolicyQuerySet.as_manager()

    class Meta:
        ordering = ("name",)
        verbose_name_plural = "approval policies"

    def __str__(self) -> str:
        return self.name

    def value(self) -> Policy:
        """The policy as core decides by it."""
        return Policy(
            name=self.name,
            stages=tuple(stage.value() for stage in sorted(self.stages.all(), key=lambda s: s.number)),
            least_risk=Risk(self.least_risk) if self.least_risk else None,
            recipes=frozenset(self.recipes),
            sites=frozenset(s.name for s in self.sites.all()),
            roles=frozenset(self.roles),
            expires_s=self.expires_hours * 3600.0 if self.expires_hours else None,
            conditions=frozenset(Condition(c) for c in self.conditions),
        )


class ApprovalStage(models.Model):
    """One stage of a policy; the next one opens when it is met. No groups: anybody who may approve."""

    policy = models.ForeignKey(ApprovalPolicy, on_delete=models.CASCADE, related_name="stages")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=63)
    groups = models.ManyToManyField(Group, blank=True, related_name="+")
    quorum = models.PositiveIntegerField(default=1, validators=[MinValueValidator(1), MaxValueValidator(20)])

    class Meta:
        ordering = ("policy", "number")
        constraints = (
            models.UniqueConstraint(fields=["policy", "number"], name="stage_number"),
            # A quorum of none would approve by itself.
            models.CheckConstraint(condition=Q(quorum__gte=1), name="stage_quorum"),
        )

    def __str__(self) -> str:
        return f"{self.policy}: {self.name}"

    def value(self) -> Stage:
        return Stage(self.name, frozenset(g.name for g in self.groups.all()), self.quorum)


class PolicyEdit(models.Model):
    """Somebody added, changed or removed a policy, and why. Append-only; the policy itself may be gone."""

    policy_number = models.BigIntegerField(db_index=True)
    name = models.CharField(max_length=63)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()
    why = models.TextField()
    lines = models.JSONField(default=list)  # "least risk: whichever > high"

    def __str__(self) -> str:
        return f"edit of {self.name} by {self.by}"


class ApprovalRules(models.Model):
    """What a submission asked approvers for: the policies that applied then, and the risk. Append-only."""

    revision = models.ForeignKey(Revision, on_delete=models.PROTECT, related_name="rules")
    at = models.DateTimeField()
    risk = models.CharField(max_length=10)
    why = models.JSONField(default=list)  # factors of the risk, in words, the gravest first
    policies = models.JSONField()
    runs_out = models.BooleanField(default=False)  # one of the policies has an expiry: the tick looks at it

    class Meta:
        verbose_name_plural = "approval rules"

    def __str__(self) -> str:
        return f"rules of {self.revision}"

    def values(self) -> tuple[Policy, ...]:
        return approval.from_document(self.policies)


class ApprovalVoid(models.Model):
    """Every approval of a revision up to `up_to` is void: facts moved, it ran out. Append-only."""

    revision = models.ForeignKey(Revision, on_delete=models.PROTECT, related_name="voids")
    up_to = models.BigIntegerField()  # the newest approval then
    at = models.DateTimeField()
    by = models.CharField(max_length=150)
    reasons = models.JSONField()  # sentences: which fact moved

    def __str__(self) -> str:
        return f"approvals of {self.revision} void: {' '.join(self.reasons)}"


class BreakGlass(models.Model):
    """Somebody went on without approval in an emergency; a second person looks at it afterwards. Append-only."""

    revision = models.OneToOneField(Revision, on_delete=models.PROTECT, related_name="break_glass")
    digest = models.CharField(max_length=64)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    why = models.TextField()
    at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "break-glass"

    def __str__(self) -> str:
        return f"break-glass of {self.revision} by {self.by}"


class BreakGlassReview(models.Model):
    """What the second person found afterwards. Append-only."""

    break_glass = models.OneToOneField(BreakGlass, on_delete=models.PROTECT, related_name="review")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    comment = models.TextField()
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"review of {self.break_glass}"


class StandardChange(models.Model):
    """A recipe that was approved once, with fixed bounds. Its content is fixed: another one is another row."""

    name = models.CharField(max_length=63, unique=True)
    recipe = models.CharField(max_length=100)
    recipe_digest = models.CharField(max_length=64)  # of the recipe's text
    bounds = models.JSONField(default=dict, blank=True, validators=[_bounds])
    site_names = models.JSONField(default=list, blank=True, validators=[_names])
    roles = models.JSONField(default=list, blank=True, validators=[_names])
    max_devices = models.PositiveIntegerField(validators=[MinValueValidator(1)])
    expires_at = models.DateTimeField()
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    @property
    def withdrawn(self) -> bool:
        return any(d.decision == StandardDecision.WITHDRAWN for d in self.decisions.all())

    def value(self) -> standard.Standard:
        decisions = list(self.decisions.all())
        return standard.Standard(
            name=self.name,
            recipe=self.recipe,
            recipe_digest=self.recipe_digest,
            bounds=self.bounds,
            max_devices=self.max_devices,
            expires_at=self.expires_at,
            sites=frozenset(self.site_names),
            roles=frozenset(self.roles),
            author=self.author_id,
            approvers=frozenset(d.by_id for d in decisions if d.decision == StandardDecision.APPROVED),
            withdrawn=self.withdrawn,
        )


class StandardDecision(models.Model):
    """Somebody approved a standard change, or withdrew it. Append-only."""

    APPROVED, WITHDRAWN = "approved", "withdrawn"

    standard = models.ForeignKey(StandardChange, on_delete=models.PROTECT, related_name="decisions")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    decision = models.CharField(max_length=10, choices=[(APPROVED, APPROVED), (WITHDRAWN, WITHDRAWN)])
    comment = models.TextField(blank=True)
    at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["standard", "by", "decision"], name="standard_decision_once"),)

    def __str__(self) -> str:
        return f"{self.standard} {self.decision} by {self.by}"


class StandardUse(models.Model):
    """A submission that was approved beforehand, by which standard change. Append-only."""

    revision = models.OneToOneField(Revision, on_delete=models.PROTECT, related_name="standard_use")
    standard = models.ForeignKey(StandardChange, on_delete=models.PROTECT, related_name="uses")
    digest = models.CharField(max_length=64)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.revision} by {self.standard}"


class Notice(models.Model):
    """Something that people are to be told at once. Whoever delivers it sets `delivered_at`."""

    change = models.ForeignKey(Change, on_delete=models.PROTECT, related_name="notices")
    kind = models.CharField(max_length=40)  # "break-glass"
    text = models.TextField()
    at = models.DateTimeField()
    delivered_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.kind} of change {self.change_id}"
