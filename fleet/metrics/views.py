"""What machines ask: figures for Prometheus (by token or network), and whether this process lives and can serve."""

import hmac
import ipaddress

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from fleet import clock
from fleet.changes.models import Pulse
from fleet.metrics import collect

TEXT = "text/plain; version=0.0.4; charset=utf-8"


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Every figure. Whoever is neither in a network of SLIPWAY_METRICS_NETWORKS nor has the token hears why not."""
    if not _may(request):
        said = "Found neither the token nor a network of SLIPWAY_METRICS_NETWORKS, wanted one of them.\n"
        answer = HttpResponse(said, status=401, content_type="text/plain; charset=utf-8")
        answer["WWW-Authenticate"] = 'Bearer realm="slipway metrics"'
        return answer
    try:
        content = collect.kept.get(clock.now())
    except DatabaseError:
        return HttpResponse("The database does not answer.\n", status=503, content_type="text/plain; charset=utf-8")
    answer = HttpResponse(content, content_type=TEXT)
    answer["Cache-Control"] = "no-store"
    return answer


def _may(request: HttpRequest) -> bool:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    wanted: str = settings.SLIPWAY_METRICS_TOKEN
    if wanted and scheme.lower() == "bearer" and hmac.compare_digest(token.strip().encode(), wanted.encode()):
        return True
    try:
        # The peer itself: what a header says of where it came from, whoever asks can write.
        address = ipaddress.ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(
        address in network for network in settings.SLIPWAY_METRICS_NETWORKS if network.version == address.version
    )


@require_safe
def health(request: HttpRequest) -> HttpResponse:
    """This process answers. Asks nobody else: a database that is away is no reason to restart it."""
    return HttpResponse("ok\n", content_type="text/plain; charset=utf-8")


@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """This process can serve: the database answers, and its tables are those of this code. 200 or 503.

    `engine`: seconds since its last tick (null: never); a still engine does not make pages worse.
    """
    try:
        tick = Pulse.objects.filter(name="tick").values_list("at", flat=True).first()
        waiting = len(_unapplied())
    except DatabaseError as error:
        return JsonResponse({"ready": False, "database": type(error).__name__}, status=503)
    said = {
        "ready": not waiting,
        "database": "answers" if not waiting else f"{waiting} migrations are missing: ./manage.py migrate",
        "engine": round((clock.now() - tick).total_seconds(), 1) if tick else None,
    }
    return JsonResponse(said, status=503 if waiting else 200)


_applied = False


def _unapplied() -> list[object]:
    """Migrations that the database has not seen. Looked at until none is missing: none comes back by itself."""
    global _applied
    if _applied:
        return []
    executor = MigrationExecutor(connection)
    plan: list[object] = list(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    _applied = not plan
    return plan
