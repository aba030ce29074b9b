"""Approval in Django's admin: policies are edited there; what people decided is to look at only."""

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
    StandardChange,
    StandardDecision,
    StandardUse,
)

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[ApprovalPolicy]
    TabularInline = admin.TabularInline[ApprovalStage, ApprovalPolicy]
else:
    ModelAdmin, TabularInline = admin.ModelAdmin, admin.TabularInline  # not generic at run time


class Stages(TabularInline):
    """The stages of a policy."""

    model = ApprovalStage
    extra = 1


@admin.register(ApprovalPolicy)
class ApprovalPolicyAdmin(ModelAdmin):
    """Policies. What is under way keeps those of its submission."""

    list_display = ("name", "active", "least_risk", "recipes", "roles", "expires_hours")
    filter_horizontal = ("sites",)
    inlines = (Stages,)


for model in (
    ApprovalRules,
    ApprovalVoid,
    BreakGlass,
    BreakGlassReview,
    Notice,
    StandardChange,
    StandardDecision,
    StandardUse,
):
    admin.site.register(model, ReadOnly)
