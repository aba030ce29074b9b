"""The RSS doctor over the API: looks are asked for, read with what they say, and drafted into what sets them right."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.http import Http404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from fleet import clock
from fleet.api.fields import Text
from fleet.api.problems import refused
from fleet.api.scopes import Scope
from fleet.api.views import ApiView, Op, Paged, methods
from fleet.changes import rss_aims
from fleet.changes.api import asked, changes, drafting, shapes
from fleet.changes.models import DraftRequest, RecipeCard
from fleet.changes.views import draft_asks
from fleet.core import explain
from fleet.core.model import Reason, to_json
from fleet.core.repair import Repair
from fleet.core.rss_doctor import Diagnosis
from fleet.core.rss_report import report, rows, title
from fleet.core.rss_stored import from_rows
from fleet.people.roles import DRAFT
from inventory import queue_asks
from inventory.models import QueueLook, Router

TAG = "queues"
MOST_DEVICES = 200  # of one request: each look has some 20 kB of counters
_WORDS = 1800


def _devices(**more: Any) -> serializers.ListField:
    return serializers.ListField(child=Text(max_length=63), min_length=1, max_length=MOST_DEVICES, **more)


class LooksAsked(Paged):
    """Which looks."""

    device = Text(max_length=63, required=False)


class LooksWanted(asked.Shape):
    """Whose queues are to be looked at."""

    devices = _devices(help_text="names of devices")


class LookBrief(shapes.Shape):
    """Two looks at the queues of a device, some seconds apart."""

    id = serializers.IntegerField(source="pk")
    device = serializers.CharField(source="router.name")
    state = serializers.SerializerMethodField()
    asked_by = serializers.CharField()
    asked_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    reasons = shapes.texts(help_text="sentences: why it could not look, or what was left out")

    def get_state(self, row: QueueLook) -> str:
        """waiting, looked or failed"""
        if row.ended_at is None:
            return "waiting"
        return "failed" if row.after is None else "looked"


class LooksOut(shapes.Shape):
    """What was asked for, or is waited for already."""

    looks = LookBrief(many=True)


class FindingOut(shapes.Shape):
    """One thing that the doctor says of a card."""

    says = serializers.CharField()
    words = serializers.CharField()
    reasons = shapes.texts()
    advice = shapes.texts()


class CardOut(shapes.Shape):
    """One card: what is wrong with the spread of its packets, if anything is."""

    interface = serializers.CharField()
    driver = serializers.CharField(allow_blank=True)
    queues = serializers.IntegerField(allow_null=True)
    fine = serializers.BooleanField()
    lost = serializers.IntegerField(help_text="packets without a buffer between the two looks")
    findings = FindingOut(many=True)
    seen_by = serializers.CharField(allow_blank=True)
    spread = serializers.JSONField(help_text="queue by queue: share of the packets seen, predicted, best")
    change = serializers.JSONField(allow_null=True, help_text="recipe and inputs that set it right")


class LookOut(LookBrief):
    """What the doctor says of two looks."""

    cards = CardOut(many=True)


class DraftsWanted(asked.Shape):
    """Which newest looks are to be made into changes; what is said of them goes before what the doctor would take."""

    devices = _devices(help_text="names of devices that were looked at")
    inputs = serializers.DictField(child=serializers.JSONField(allow_null=True), required=False)
    strategy = asked.Strategy(required=False)
    ticket = Text(max_length=100, required=False, allow_blank=True)


class DraftsOut(shapes.Shape):
    """As few changes as the devices allow, and why the others are in none."""

    drafts = shapes.DraftOut(many=True)
    left = shapes.texts(help_text="sentences")


def _known(names: Sequence[str]) -> dict[str, Router] | tuple[Reason, ...]:
    found = {row.name: row for row in Router.objects.filter(name__in=names)}
    missing = [name for name in names if name not in found]
    return tuple(Reason(f"device {n}", "not in the inventory", "one of its devices") for n in missing) or found


class QueueLooksView(ApiView):
    """Looks at queues."""

    name, tag = "queue-looks", TAG
    ops = methods(
        GET=Op(Scope.READ, query=LooksAsked, gives=LookBrief, many=True),
        POST=Op(Scope.DRAFT, rights=(DRAFT,), takes=LooksWanted, gives=LooksOut, status=202, refuses=True),
    )

    def get(self, request: Request) -> Response:
        """List looks at the queues of devices, the newest first."""
        found = QueueLook.objects.select_related("router").defer("flows", "before")
        if "device" in self.asked:
            found = found.filter(router__name=self.asked["device"])
        return self.page(found, newest_first=True)

    def post(self, request: Request) -> Response:
        """Ask for two looks at the queues of devices, 11 s apart: a worker takes them."""
        found = _known(self.sent["devices"])
        if isinstance(found, tuple):
            return refused(found)
        now, by = clock.now(), str(self.person())
        with transaction.atomic():
            waiting = QueueLook.objects.filter(router__in=found.values(), ended_at__isnull=True).defer("flows")
            open_now = {row.router_id: row for row in waiting.select_related("router")}
            looks = [
                open_now.get(row.pk) or queue_asks.ask(row, by=by, now=now)
                for row in (found[name] for name in dict.fromkeys(self.sent["devices"]))
            ]
        return self.answer({"looks": looks}, status=202)


class QueueLookView(ApiView):
    """What the doctor says."""

    name, tag = "queue-look", TAG
    ops = methods(GET=Op(Scope.READ, gives=LookOut))

    def get(self, request: Request, pk: int) -> Response:
        """Show what the RSS doctor says of two looks, and what would set it right."""
        row: Any = QueueLook.objects.select_related("router").filter(pk=pk).first()
        if row is None:
            raise Http404(f"There is no look at queues {pk}.")
        row.cards = [_card(one) for one in _report(row)]
        return self.answer(row)


def _report(row: QueueLook) -> tuple[Diagnosis, ...]:
    if row.after is None:
        return ()
    flows = from_rows(row.flows) if row.interface else {}
    interface = row.interface if flows else ""
    return report(row.router.name, row.before, row.after, flows=flows, interface=interface)


def _card(found: Diagnosis) -> dict[str, Any]:
    wanted = found.repairs[0] if found.repairs else None
    return {
        "interface": found.card.name, "driver": found.card.driver, "queues": found.card.queues, "fine": found.is_fine,
        "lost": found.lost, "seen_by": found.seen_by, "spread": [to_json(row) for row in rows(found)],
        "findings": [
            {"says": f.says.value, "words": f.words, "reasons": explain.sentences(f.reasons), "advice": f.advice}
            for f in found.findings
        ],
        "change": {"recipe": wanted.recipe, "inputs": dict(wanted.inputs)} if wanted is not None else None,
    }  # fmt: skip


class QueueDraftsView(ApiView):
    """From looks to changes."""

    name, tag = "queue-drafts", TAG
    ops = methods(POST=Op(Scope.DRAFT, rights=(DRAFT,), takes=DraftsWanted, gives=DraftsOut, status=202, refuses=True))

    def post(self, request: Request) -> Response:
        """Ask for the changes that the newest looks at these devices lead to: devices that need the same are in one."""
        found = _known(self.sent["devices"])
        if isinstance(found, tuple):
            return refused(found)
        diagnoses = _newest(list(found))
        wanted = rss_aims.aimed(repair for one in diagnoses for repair in one.repairs)
        aimed = {name for one in wanted for name in one.targets}
        left = [_nothing(name, diagnoses) for name in self.sent["devices"] if name not in aimed]
        if not wanted:
            return refused(left)
        made: list[DraftRequest] = []
        with transaction.atomic():
            for one in wanted:
                row = self._asked(one, diagnoses)
                if isinstance(row, tuple):
                    transaction.set_rollback(True)
                    return refused(row)
                made.append(changes.shown(row))
        where = request.build_absolute_uri(f"/api/v1/drafts/{made[0].pk}")
        said = {"drafts": made, "left": explain.sentences(left)}
        return self.answer(said, status=202, headers={"Location": where})

    def _asked(self, wanted: Repair, diagnoses: Sequence[Diagnosis]) -> DraftRequest | tuple[Reason, ...]:
        card = RecipeCard.objects.filter(name=wanted.recipe).first()
        if card is None:
            return (Reason("recipe", f"{wanted.recipe} is not published yet", "one of GET /recipes", "Ask again."),)
        said: Mapping[str, Any] = {
            "title": title(wanted), "description": _words(wanted, diagnoses), "ticket": self.sent.get("ticket", ""),
            "inputs": {**wanted.inputs, **self.sent.get("inputs", {})}, "targets": {"names": list(wanted.targets)},
            "strategy": self.sent.get("strategy", {}),
        }  # fmt: skip
        form = drafting.form_of(said, card, drafting.fresh(card))
        return form if isinstance(form, tuple) else draft_asks.ask(form, card, self.person(), clock.now())


def _newest(names: Sequence[str]) -> list[Diagnosis]:
    """What the newest look at each device says, in the order of the names. Two queries."""
    looked = QueueLook.objects.filter(router__name__in=names, after__isnull=False)
    newest = looked.order_by().values("router").annotate(newest=Max("pk")).values("newest")
    found = {row.router.name: row for row in QueueLook.objects.filter(pk__in=newest).select_related("router")}
    return [one for name in names if name in found for one in _report(found[name])]


def _nothing(name: str, diagnoses: Sequence[Diagnosis]) -> Reason:
    mine = [one for one in diagnoses if one.device == name]
    if not mine:
        return Reason(f"queues of {name}", "no look yet", "a look that ended", "POST /queue-looks.")
    said = "; ".join(f"{one.card.name}: {f.words}" for one in mine for f in one.findings)[:300]
    return Reason(f"queues of {name}", said, "a verdict that a recipe sets right", "Look again under load.")


def _words(wanted: Repair, diagnoses: Sequence[Diagnosis]) -> str:
    mine = [one for one in diagnoses if one.device in wanted.targets]
    lines = [f"{one.device}, {one.card.name}: {f.words}" for one in mine for f in one.findings if f.repair]
    return "The RSS doctor says:\n\n" + "\n".join(lines)[:_WORDS]
