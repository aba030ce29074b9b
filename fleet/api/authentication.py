"""Who asks: a token in the Authorization header, nothing else. A session of a browser opens nothing here."""

from datetime import datetime

from django.contrib.auth.models import User
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from fleet import clock
from fleet.api import throttles, tokens
from fleet.api.models import ApiToken
from fleet.api.problems import Problem
from fleet.core.model import Reason

# Wrong tokens from one address in a minute, before that address has to wait. Nobody guesses 256 bits, but a broken
# program asks for ever.
MOST_WRONG = 60


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer slipway_...`."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        header = request.META.get("HTTP_AUTHORIZATION", "")
        if not header:
            return None
        address, now = str(request.META.get("REMOTE_ADDR", "")), clock.now()
        kind, _, text = header.partition(" ")
        if kind.lower() != "bearer":
            wrong = Reason("Authorization", repr(kind[:20]), "Bearer TOKEN", "Make a token at /tokens/.")
            raise Problem(401, "not_authenticated", [wrong], headers={"WWW-Authenticate": CHALLENGE})
        found = tokens.find(text.strip(), address, now)
        if isinstance(found, Reason):
            self._wrong(address, now)
            raise Problem(401, "authentication_failed", [found], headers={"WWW-Authenticate": CHALLENGE})
        tokens.used(found, address, now)
        return found.person, found

    def _wrong(self, address: str, now: datetime) -> None:
        minute = int(now.timestamp()) // 60
        key = f"api-wrong:{address}:{minute}"
        if (counted := throttles.count(key)) is not None and counted > MOST_WRONG:
            wait = 60 - int(now.timestamp()) % 60
            reason = Reason("address", f"more than {MOST_WRONG} wrong tokens in a minute", "fewer", f"Wait {wait} s.")
            raise Problem(429, "throttled", [reason], headers={"Retry-After": str(wait)})

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


CHALLENGE = 'Bearer realm="slipway"'
