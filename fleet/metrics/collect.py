"""Reads every metric from the database: a bounded number of queries, each answered by an index or a small table."""

import threading
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from django.db.models import Count, Max, Min, Q
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from fleet.changes.models import BreakGlass, Change, Event, Pulse, Run, StepRun, TargetRun
from fleet.core.states import CHANGE_LIVE, ChangeState, StepState, TargetState
from fleet.metrics.names import BY_NAME, METRICS, Kind
from fleet.notices.models import MaintenanceNotice, Message
from fleet.outward.models import Delivery
from inventory.models import Drift, ProviderMaintenance, Router

# Label values (empty: none) -> figure.
Figures = Mapping[tuple[str, ...], float]
OVERDUE = timedelta(minutes=1)
GIVEN_UP_SHOWN = timedelta(days=30)
# Several who ask at once, and who asks every second, cost what one does.
KEPT_S = 3.0


def figures(now: datetime) -> dict[str, Figures]:
    """Name of the metric -> its figures. Fourteen queries."""
    started = time.monotonic()
    tick = Pulse.objects.filter(name="tick").values_list("at", flat=True).first()
    deliveries = Delivery.objects.aggregate(
        waiting=Count("pk", filter=Q(outcome="")),
        dead=Count("pk", filter=Q(outcome=Delivery.DEAD)),
        oldest=Min("since", filter=Q(outcome="")),
    )
    given_up = Q(due_at=None, sent_at=None, at__gte=now - GIVEN_UP_SHOWN) & ~Q(error="")
    notices, messages = (
        model._default_manager.aggregate(
            waiting=Count("pk", filter=Q(due_at__isnull=False)), given_up=Count("pk", filter=given_up)
        )
        for model in (MaintenanceNotice, Message)
    )
    found: dict[str, Figures] = {
        "slipway_engine_last_tick_timestamp_seconds": one(tick.timestamp() if tick else 0.0),
        "slipway_tick_lag_seconds": one((now - tick).total_seconds() if tick else float("inf")),
        **_engine(now),
        "slipway_break_glass_unreviewed": one(BreakGlass.objects.filter(review__isnull=True).count()),
        "slipway_webhook_backlog": one(deliveries["waiting"]),
        "slipway_webhook_oldest_seconds": one(
            (now - deliveries["oldest"]).total_seconds() if deliveries["oldest"] else 0.0
        ),
        "slipway_webhook_dead_letters": one(deliveries["dead"]),
        "slipway_notices_waiting": one(notices["waiting"]),
        "slipway_messages_waiting": one(messages["waiting"]),
        "slipway_messages_given_up": one(notices["given_up"] + messages["given_up"]),
        "slipway_devices": one(Router.objects.count()),
        "slipway_drift_settings": one(Drift.objects.filter(ended_at__isnull=True).count()),
        "slipway_provider_maintenances": one(ProviderMaintenance.objects.ahead(now).count()),
    }
    found["slipway_scrape_seconds"] = one(round(time.monotonic() - started, 4))
    return found


def one(figure: float) -> Figures:
    """A metric without labels."""
    return {(): float(figure)}


def _engine(now: datetime) -> dict[str, Figures]:
    """Changes, their devices and steps. Eight queries; finished runs are not counted over."""
    live = Q(run__ended_at__isnull=True, run__revision__change__state__in=CHANGE_LIVE)
    changes = dict(Change.objects.order_by().values_list("state").annotate(n=Count("pk")))
    targets = dict(TargetRun.objects.filter(live).order_by().values_list("state").annotate(n=Count("pk")))
    held = TargetRun.objects.engaged().aggregate(
        engaged=Count("pk"),
        drained=Count("pk", filter=Q(drained=True)),
        stuck=Count("pk", filter=Q(state=TargetState.STUCK)),
    )
    runs = Run.objects.live().exclude(holds=[]).count()
    overdue = StepRun.objects.filter(
        state=StepState.READY, due_at__lt=now - OVERDUE, target__run__ended_at__isnull=True
    ).count()
    return {
        "slipway_changes": {(s.value,): float(changes.get(s.value, 0)) for s in ChangeState},
        "slipway_targets": {(s.value,): float(targets.get(s.value, 0)) for s in TargetState},
        "slipway_engaged_devices": one(held["engaged"]),
        "slipway_drained_devices": one(held["drained"]),
        "slipway_stuck_devices": one(held["stuck"]),
        "slipway_held_runs": one(runs),
        "slipway_overdue_steps": one(overdue),
        "slipway_rollbacks_total": one(Event.objects.filter(kind="target rolled_back").count()),
        "slipway_stuck_total": one(Event.objects.filter(kind="target stuck").count()),
        # Events are never deleted: the newest number is how many there were.
        "slipway_events_total": one(Event.objects.aggregate(n=Max("pk"))["n"] or 0),
    }


class _Database(Collector):
    def __init__(self, found: Mapping[str, Figures]) -> None:
        self._found = found

    def collect(self) -> Iterator[Family]:
        for metric in METRICS:
            family = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
            made = family(metric.name, metric.about, labels=metric.labels)
            for labels, figure in sorted(self._found[metric.name].items()):
                made.add_metric(labels, figure)
            yield made


def text(found: Mapping[str, Figures]) -> bytes:
    """The figures in Prometheus' text format (0.0.4)."""
    assert set(found) == set(BY_NAME)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Database(found))
    return generate_latest(registry)


class Kept:
    """The text of a moment ago, for everybody who asks at about the same time; one of them reads the database."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._text, self._until = b"", 0.0

    def get(self, now: datetime) -> bytes:
        with self._lock:
            if time.monotonic() >= self._until:
                self._text = text(figures(now))
                self._until = time.monotonic() + KEPT_S
            return self._text

    def forget(self) -> None:
        """Read anew at the next question."""
        self._until = 0.0


kept = Kept()
