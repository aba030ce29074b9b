"""Changes that repair drift: asked for here as by the button of the page, drafted by the engine."""

from django.http import Http404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from fleet import clock
from fleet.api.problems import refused
from fleet.api.scopes import Scope
from fleet.api.views import ApiView, Op, methods
from fleet.changes.api import asked, shapes
from fleet.changes.models.repairs import RepairRequest
from fleet.changes.views import repair
from fleet.people.roles import DRAFT


class RepairOut(shapes.Shape):
    """What somebody asked to be repaired, and what came of it."""

    id = serializers.IntegerField(source="pk")
    state = serializers.SerializerMethodField()
    words = serializers.CharField()
    asked_by = serializers.CharField(source="asked_by.username")
    asked_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    changes = serializers.SerializerMethodField()
    already = serializers.ListField(child=serializers.IntegerField(), help_text="changes that do the same already")
    reasons = shapes.texts(source="left", help_text="sentences: what no draft repairs, and why")

    def get_state(self, row: RepairRequest) -> str:
        """waiting or ended"""
        return "waiting" if row.ended_at is None else "ended"

    def get_changes(self, row: RepairRequest) -> list[int]:
        """The drafts."""
        return sorted(row.changes.values_list("pk", flat=True))


class RepairsView(ApiView):
    """Repairs."""

    name, tag = "drift-repairs", "drift"
    ops = methods(
        POST=Op(Scope.DRAFT, rights=(DRAFT,), takes=asked.RepairWanted, gives=RepairOut, status=202, refuses=True)
    )

    def post(self, request: Request) -> Response:
        """Ask for the changes that repair drift of a setting, of a device, or both."""
        said = {key: self.sent.get(key, "") for key in ("setting", "profile", "device")}
        row = repair.ask(said, self.person(), clock.now())
        if isinstance(row, tuple):
            return refused(row)
        where = request.build_absolute_uri(f"/api/v1/drift/repairs/{row.pk}")
        return self.answer(row, status=202, headers={"Location": where})


class RepairView(ApiView):
    """What came of asking."""

    name, tag = "drift-repair", "drift"
    ops = methods(GET=Op(Scope.READ, gives=RepairOut))

    def get(self, request: Request, pk: int) -> Response:
        """Look what came of asking for a repair."""
        row = RepairRequest.objects.select_related("asked_by").filter(pk=pk).first()
        if row is None:
            raise Http404(f"There is no repair request {pk}.")
        return self.answer(row)
