"""How many requests a token may send in a minute, counted in the cache; told in the headers of every answer.

The cache is the memory of one web process, or Redis where Celery runs: a limit on load, no rule of approval. When the
cache does not answer, nobody is held up.
"""

import logging
from dataclasses import dataclass

from django.conf import settings
from django.core.cache import caches
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from fleet import clock
from fleet.api.models import ApiToken
from fleet.api.problems import Problem
from fleet.core.model import Reason

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rate:
    """How many may be sent in a minute, how many are left, and how long until it begins anew, in s."""

    limit: int
    left: int
    reset: int

    def headers(self) -> dict[str, str]:
        values = {"Limit": self.limit, "Remaining": max(0, self.left), "Reset": self.reset}
        return {f"RateLimit-{name}": str(value) for name, value in values.items()}


class PerToken(BaseThrottle):
    """SLIPWAY_API_PER_MINUTE requests for each token."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        if not isinstance(request.auth, ApiToken):
            return True
        rate = _counted(request.auth, int(clock.now().timestamp()), settings.SLIPWAY_API_PER_MINUTE)
        request._request.META["slipway.rate"] = rate  # finalize_response tells it
        if rate is not None and rate.left < 0:
            reason = Reason(
                "requests", f"more than {rate.limit} in a minute", "fewer", f"Wait {rate.reset} s, then go on."
            )
            raise Problem(429, "throttled", [reason], headers={"Retry-After": str(rate.reset)})
        return True


def _counted(token: ApiToken, second: int, limit: int) -> Rate | None:
    counted = count(f"api-rate:{token.prefix}:{second // 60}")
    return Rate(limit, limit - counted, 60 - second % 60) if counted is not None else None


def count(key: str) -> int | None:
    """How often this was counted in its minute, this time included; None when the cache does not answer."""
    try:
        cache = caches["api"]
        cache.add(key, 0, timeout=120)
        return int(cache.incr(key))
    except Exception:  # whatever the cache raises: a limit that cannot be counted is none
        log.warning("requests cannot be counted", exc_info=True)
        return None
