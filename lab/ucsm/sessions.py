"""Who is logged in: cookies that expire, a most of them at once, refresh and logout."""

import secrets
import time
from collections.abc import Callable

REFRESH_S = 600.0
MOST = 32  # of one user, as UCS Manager's default


class Refused(Exception):
    """No session. `code`, text and result as UCS Manager's errorCode, errorDescr and invocationResult."""

    def __init__(self, code: str, text: str, result: str = "unidentified-fail") -> None:
        super().__init__(text)
        self.code, self.result = code, result


class Sessions:
    """Cookies of one domain. `password`: of the user `admin`."""

    def __init__(
        self, password: str, clock: Callable[[], float], *, refresh_s: float = REFRESH_S, most: int = MOST
    ) -> None:
        self.password, self.clock, self.refresh_s, self.most = password, clock, refresh_s, most
        self._until: dict[str, float] = {}

    def login(self, name: str, password: str) -> str:
        if name != "admin" or not secrets.compare_digest(password, self.password):
            raise Refused("551", "Authentication failed")
        self._forget_old()
        if len(self._until) >= self.most:
            raise Refused("ERR-max-userid-sessions-reached", "User has reached maximum number of sessions")
        return self._new()

    def refresh(self, cookie: str, name: str, password: str) -> str:
        self.check(cookie)
        if name != "admin" or not secrets.compare_digest(password, self.password):
            raise Refused("551", "Authentication failed")
        self._until.pop(cookie, None)
        return self._new()

    def check(self, cookie: str) -> None:
        """Raises Refused for a cookie that is not known or has expired."""
        self._forget_old()
        if cookie not in self._until:
            raise Refused("552", "Authorization required", "service-unavailable")

    def logout(self, cookie: str) -> None:
        if self._until.pop(cookie, None) is None:
            raise Refused("555", "Session not found")

    def end_all(self) -> None:
        """What a restart or a fail-over does to them."""
        self._until.clear()

    def count(self) -> int:
        self._forget_old()
        return len(self._until)

    def _new(self) -> str:
        cookie = f"{int(time.time())}/{secrets.token_hex(8)}"
        self._until[cookie] = self.clock() + self.refresh_s
        return cookie

    def _forget_old(self) -> None:
        now = self.clock()
        self._until = {cookie: until for cookie, until in self._until.items() if until > now}
