"""What was seen of devices, what is wanted of them, and where the two differ."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Q
from django.http import Http404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from fleet.api.fields import Text
from fleet.api.scopes import Scope
from fleet.api.views import ApiView, Op, Paged, methods
from fleet.core.intent import LineState
from inventory import intent
from inventory.models import Drift, Observation, Router

Shape = serializers.Serializer[Any]
LARGEST = 2**63 - 1


class ObservationsAsked(Paged):
    """Which observations."""

    device = Text(max_length=63, required=False)
    kind = Text(max_length=32, required=False)
    since = serializers.DateTimeField(required=False)


class ObservationBrief(Shape):
    """What was seen of a device at one instant, without the facts."""

    id = serializers.IntegerField(source="pk")
    device = serializers.CharField(source="router.name")
    kind = serializers.CharField()
    observed_at = serializers.DateTimeField()
    during_change = serializers.BooleanField()
    digest = serializers.CharField()


class ObservationOut(ObservationBrief):
    """What was seen of a device at one instant."""

    facts = serializers.JSONField()


class ObservationsView(ApiView):
    """Observations."""

    name, tag = "observations", "observations"
    ops = methods(GET=Op(Scope.READ, query=ObservationsAsked, gives=ObservationBrief, many=True))

    def get(self, request: Request) -> Response:
        """List what was seen of devices, the newest first."""
        rows = Observation.objects.select_related("router").defer("facts")
        for word, field in (("device", "router__name"), ("kind", "kind"), ("since", "observed_at__gte")):
            if word in self.asked:
                rows = rows.filter(**{field: self.asked[word]})
        return self.page(rows, newest_first=True)


class ObservationView(ApiView):
    """One observation."""

    name, tag = "observation", "observations"
    ops = methods(GET=Op(Scope.READ, gives=ObservationOut))

    def get(self, request: Request, pk: int) -> Response:
        """Show what was seen of a device at one instant."""
        row = Observation.objects.select_related("router").filter(pk=pk).first()
        if row is None:
            raise Http404(f"There is no observation {pk}.")
        return self.answer(row)


class FactsView(ApiView):
    """The newest facts of a device."""

    name, tag = "device-facts", "observations"
    ops = methods(GET=Op(Scope.READ, gives=ObservationOut))

    def get(self, request: Request, pk: int) -> Response:
        """Show the newest facts of a device, and when they were seen."""
        row = Observation.objects.select_related("router").filter(router=pk, kind="facts").first()
        if row is None:
            raise Http404(f"Device {pk} does not exist, or was never observed.")
        return self.answer(row)


class IntentLine(Shape):
    """One setting of a device: wanted beside found. Unknown is never the same, and never drift."""

    setting = serializers.CharField()
    wanted = serializers.JSONField()
    found = serializers.JSONField()
    state = serializers.ChoiceField([s.value for s in LineState])
    why = serializers.CharField(allow_blank=True)
    profile = serializers.CharField(allow_blank=True)


class IntentOut(Shape):
    """What is wanted of a device, and how its newest facts stand to it."""

    device = serializers.CharField()
    lines = IntentLine(many=True)


class IntentView(ApiView):
    """What is wanted of a device."""

    name, tag = "device-intent", "intent"
    ops = methods(GET=Op(Scope.READ, gives=IntentOut))

    def get(self, request: Request, pk: int) -> Response:
        """Show what is wanted of a device beside what was found."""
        name = Router.objects.filter(pk=pk).values_list("name", flat=True).first()
        if name is None:
            raise Http404(f"There is no device {pk}.")
        found = intent.of_devices([name]).get(name)
        return self.answer({"device": name, "lines": list(found.lines) if found is not None else []})


class DriftAsked(Paged):
    """Which drift."""

    device = Text(max_length=63, required=False)
    setting = Text(max_length=255, required=False, help_text="nic.queues: of any interface")
    profile = Text(max_length=63, required=False)
    ended = serializers.BooleanField(
        required=False, allow_null=True, default=None, help_text="default: what drifts now"
    )


class DriftOut(Shape):
    """One setting of one device that was not as wanted from `since` to `ended_at`."""

    id = serializers.IntegerField(source="pk")
    device = serializers.CharField(source="router.name")
    setting = serializers.CharField()
    wanted = serializers.JSONField()
    found = serializers.JSONField()
    profile = serializers.CharField()
    since = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)


class DriftView(ApiView):
    """Drift."""

    name, tag = "drift", "drift"
    ops = methods(GET=Op(Scope.READ, query=DriftAsked, gives=DriftOut, many=True))

    def get(self, request: Request) -> Response:
        """List what is not as wanted; with `ended`: what was."""
        rows = Drift.objects.select_related("router").filter(ended_at__isnull=not self.asked.get("ended", False))
        if setting := self.asked.get("setting"):
            rows = rows.filter(Q(setting=setting) | Q(setting__startswith=f"{setting}["))
        for word, field in (("device", "router__name"), ("profile", "profile")):
            if word in self.asked:
                rows = rows.filter(**{field: self.asked[word]})
        return self.page(rows)


VIEWS: Sequence[tuple[str, type[ApiView]]] = (
    ("observations", ObservationsView),
    ("observations/<int:pk>", ObservationView),
    ("inventory/devices/<int:pk>/facts", FactsView),
    ("inventory/devices/<int:pk>/intent", IntentView),
    ("drift", DriftView),
)
