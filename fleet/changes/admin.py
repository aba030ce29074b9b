"""The tables in Django's admin, to look at only: the admin is no way round the rules of approval and of transitions."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from fleet.changes.models import Approval, Change, Event, Revision, Run, StepRun, TargetRun

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[models.Model]
else:
    ModelAdmin = admin.ModelAdmin  # not generic at run time


class ReadOnly(ModelAdmin):
    """Nothing can be added, changed or deleted, also not by a superuser or by a bulk action."""

    actions = None
    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Change)
class ChangeAdmin(ReadOnly):
    """Changes."""

    list_display = ("id", "title", "state", "author", "created_at")
    list_filter = ("state",)
    search_fields = ("title", "ticket")
    list_select_related = ("author",)


@admin.register(Revision)
class RevisionAdmin(ReadOnly):
    """Revisions."""

    list_display = ("change_id", "number", "recipe", "digest", "created_by", "created_at")
    list_select_related = ("created_by",)


@admin.register(Approval)
class ApprovalAdmin(ReadOnly):
    """Approvals and rejections."""

    list_display = ("revision_id", "decision", "approver", "digest", "at")
    list_filter = ("decision",)
    list_select_related = ("approver",)


@admin.register(Run)
class RunAdmin(ReadOnly):
    """Runs."""

    list_display = ("id", "revision_id", "control", "started_at", "ended_at", "outcome")


@admin.register(TargetRun)
class TargetRunAdmin(ReadOnly):
    """Targets."""

    list_display = ("name", "run_id", "wave", "state", "drained", "engaged", "began_at", "ended_at")
    list_filter = ("state", "drained", "engaged")
    search_fields = ("name",)


@admin.register(StepRun)
class StepRunAdmin(ReadOnly):
    """Steps."""

    list_display = ("target_id", "index", "verb", "state", "attempt", "claimed_by", "first_claimed_at", "ended_at")
    list_filter = ("state", "verb")


@admin.register(Event)
class EventAdmin(ReadOnly):
    """Events."""

    list_display = ("id", "at", "change_id", "actor", "kind", "text")
    list_filter = ("kind",)


from fleet.changes import approval_admin  # noqa: E402, F401  (its models are registered beside these)
