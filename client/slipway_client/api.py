"""Requests to the API: the same key when one is sent again, every "no" as sentences, no redirect followed."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any
from urllib.parse import urlsplit
from uuid import uuid4

import requests

from slipway_client.ends import Ended, Exit
from slipway_client.where import Where

Json = Any
# Connecting, and waiting for each piece of an answer. A page over 10,000 devices takes below a second.
CONNECT_S, READ_S = 10.0, 60.0
# A web process that is restarted is back within seconds; whoever waits longer has something else to do.
WAITS_S = (0.5, 2.0, 5.0)
LONGEST_WAIT_S = 60.0
_AGAIN = frozenset({429, 502, 503, 504})
_CODES = {
    400: Exit.USAGE,
    401: Exit.NOT_ALLOWED,
    403: Exit.NOT_ALLOWED,
    404: Exit.NOT_FOUND,
    422: Exit.USAGE,
    429: Exit.NO_ANSWER,
}
MOST_ROWS = 100_000
_CHUNK = 1 << 16


class Api:
    """One Slipway. Reads may be repeated; what acts is sent again with the same Idempotency-Key."""

    def __init__(self, where: Where, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._base, self._sleep = f"{where.url}/api/v1", sleep
        self._session = requests.Session()
        self._session.trust_env = False  # no .netrc that speaks for us, no proxy that nobody named
        self._session.verify = where.ca or True
        self._session.headers.update(
            {"Authorization": f"Bearer {where.token}", "Accept": "application/json, application/problem+json"}
        )

    def get(self, path: str, **asked: object) -> Json:
        """What is there. `asked` that is None is left out."""
        return self._document(self._send("GET", path, params={k: _word(v) for k, v in asked.items() if v is not None}))

    def post(self, path: str, said: Mapping[str, Json] | None = None) -> Json:
        """Do something. Sent again with the same key when the answer is lost: it happens once."""
        key = {"Idempotency-Key": str(uuid4())}
        return self._document(self._send("POST", path, json=dict(said or {}), headers=key))

    def every(self, path: str, **asked: object) -> Iterator[Json]:
        """Every row of a list, page by page."""
        cursor: object = None
        for _ in range(MOST_ROWS // 500):
            page = self.get(path, limit=500, cursor=cursor, **asked)
            yield from page["items"]
            if page.get("next") is None:
                return
            cursor = page["cursor"]

    def fetch(self, path: str, file: IO[bytes]) -> int:
        """A file, piece by piece; returns its length."""
        answer, size = self._send("GET", path, stream=True), 0
        try:
            for piece in answer.iter_content(_CHUNK):
                size += file.write(piece)
        except requests.RequestException as error:
            raise _no_answer(self._base, error) from error
        return size

    def _send(self, method: str, path: str, **more: Any) -> requests.Response:
        for wait_s in (*WAITS_S, None):
            try:
                answer = self._session.request(
                    method, self._base + path, timeout=(CONNECT_S, READ_S), allow_redirects=False, **more
                )
            except requests.exceptions.SSLError as error:
                raise _no_answer(self._base, error) from error
            except (requests.ConnectionError, requests.Timeout) as error:
                if wait_s is None:
                    raise _no_answer(self._base, error) from error
                self._sleep(wait_s)
                continue
            except (requests.RequestException, ValueError) as error:
                raise _no_answer(self._base, error) from error
            # 409 "in progress": the first of two with one key is still at it; its answer is what we want.
            in_progress = answer.status_code == 409 and "Retry-After" in answer.headers
            if wait_s is None or not (answer.status_code in _AGAIN or in_progress):
                return self._judged(answer)
            self._sleep(_wait(answer.headers.get("Retry-After"), wait_s))
        raise AssertionError("the last turn returns")

    def _judged(self, answer: requests.Response) -> requests.Response:
        if 200 <= answer.status_code < 300:
            return answer
        problem = _json(answer)
        status = answer.status_code
        code = _CODES.get(status, Exit.REFUSED if 400 <= status < 500 else Exit.NO_ANSWER)
        raise Ended(code, _sentences(problem, status), problem=problem)

    def _document(self, answer: requests.Response) -> Json:
        found = _json(answer)
        if found is None:
            raise Ended(Exit.NO_ANSWER, [f"{self._base}: found no JSON, wanted the API of Slipway."])
        return found


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _json(answer: requests.Response) -> Json:
    try:
        return answer.json()
    except ValueError:
        return None


def _sentences(problem: Json, status: int) -> list[str]:
    """The sentences of a problem (RFC 9457); what is none of Slipway's says its status."""
    if isinstance(problem, dict):
        reasons = problem.get("reasons")
        texts = [str(r["text"]) for r in reasons if isinstance(r, dict) and "text" in r] if reasons else []
        if texts or problem.get("detail"):
            return texts or [str(problem["detail"])]
    if 300 <= status < 400:
        return [f"Slipway: found status {status}, which leads elsewhere, wanted an answer. Correct SLIPWAY_URL."]
    return [f"Slipway: found status {status}, wanted an answer. Is SLIPWAY_URL right?"]


def _wait(said: str | None, usual_s: float) -> float:
    try:
        return min(max(float(said or 0), usual_s), LONGEST_WAIT_S)
    except ValueError:
        return usual_s


def _no_answer(base: str, error: Exception) -> Ended:
    host = urlsplit(base).netloc
    match error:
        case requests.exceptions.SSLError():
            said = "a certificate that does not hold"
            remedy = "Name your own authority with SLIPWAY_CA_FILE; it is never skipped."
        case requests.Timeout():
            said, remedy = "nothing in time", "Is it up?"
        case requests.ConnectionError():
            said, remedy = "no connection", "Is it up and reachable from here?"
        case _:
            said, remedy = type(error).__name__, "Correct SLIPWAY_URL."
    return Ended(Exit.NO_ANSWER, [f"{host}: found {said}, wanted an answer. {remedy}"])
