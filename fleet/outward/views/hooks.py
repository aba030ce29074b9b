"""The door for webhooks that come in: /hooks/NAME/. No login: who sends proves it by a signature."""

from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from fleet import clock
from fleet.core.model import Reason
from fleet.outward import inbound
from fleet.outward.models import InboundSource


@csrf_exempt
@require_POST
def take(request: HttpRequest, name: str) -> JsonResponse:
    """202: taken; 200: taken before; 401: not believed; 422: believed, but it cannot be done."""
    now = clock.now()
    source = InboundSource.objects.filter(name=name, active=True).select_related("system", "netbox").first()
    if source is None:
        return _answer(404, str(Reason(f"/hooks/{name}/", "no such sender", "one that is set up", "Set it up first.")))
    length = request.headers.get("Content-Length", "")
    if not length.isdigit() or len(length) > 9 or int(length) > inbound.MOST_BYTES:
        reason = Reason("body", f"{length[:12] or 'unknown'} bytes", f"at most {inbound.MOST_BYTES}", "Send less.")
        return _answer(413, str(reason))
    headers = {key.lower(): value for key, value in request.headers.items()}
    taken = inbound.take(source, headers, request.body, now)
    return _answer(taken.status, taken.words)


def _answer(status: int, words: str) -> JsonResponse:
    if status < 400:
        return JsonResponse({"said": words}, status=status)
    problem = {"type": "about:blank", "title": "Refused", "status": status, "detail": words}
    return JsonResponse(problem, status=status, content_type="application/problem+json")
