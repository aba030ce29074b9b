"""The tables in Django's admin, to look at only: the admin is no way round the rules of approval and of transitions."""

from django.contrib import admin

from fleet.changes import approval_admin
from fleet.changes.admin_base import ReadOnly
from fleet.changes.models import Approval, Change, Event, Revision, Run, StepRun, TargetRun

__all__ = ["approval_admin"]  # registers its own tables when it is imported


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
