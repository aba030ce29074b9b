"""Approval in Django's admin: to look at only. Policies are edited on their own pages, which keep who did and why."""

from typing import TYPE_CHECKING

from django.contrib import admin

from fleet.changes.admin_base import ReadOnly
from fleet.changes.models import (
    ApprovalPolicy,
    ApprovalRules,
    ApprovalStage,
    ApprovalVoid,
    BreakGlass,
    BreakGlassReview,
    Notice,
    PolicyEdit,
    StandardChange,
    StandardDecision,
    StandardUse,
)

if TYPE_CHECKING:
    TabularInline = admin.TabularInline[ApprovalStage, ApprovalPolicy]
else:
    TabularInline = admin.TabularInline  # not generic at run time


class Stages(TabularInline):
    """The stages of a policy."""

    model = ApprovalStage
    extra = 0


@admin.register(ApprovalPolicy)
class ApprovalPolicyAdmin(ReadOnly):
    """Policies. What is under way keeps those of its submission."""

    list_display = ("name", "active", "least_risk", "recipes", "roles", "expires_hours")
    inlines = (Stages,)


for model in (
    ApprovalRules,
    ApprovalVoid,
    BreakGlass,
    BreakGlassReview,
    Notice,
    PolicyEdit,
    StandardChange,
    StandardDecision,
    StandardUse,
):
    admin.site.register(model, ReadOnly)
