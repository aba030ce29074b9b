"""Reads whole lists from a NetBox through pynetbox, page by page, and believes no list that does not add up."""

import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pynetbox
import requests
from pynetbox.core.query import ContentError, RequestError

from fleet.core.model import Reason
from inventory.importers.netbox import session as sessions
from inventory.importers.netbox.values import Source
from inventory.importers.problems import shown

Progress = Callable[[str, int, int], None]  # what, read so far, of how many

# Rows per request. NetBox caps it at MAX_PAGE_SIZE (1,000 as shipped); a lower cap is followed.
PAGE = 500
# Ids per request: 250 of 8 digits are 2.8 kB, under the 4,094 bytes that gunicorn takes as a request line.
IDS = 250
# "Try later" is tried later: 3 times, as long as the answer says, at most 30 s each.
_TRIES, _LONGEST_WAIT_S = 4, 30.0
_LATER = {429, 503}
_TOKEN = re.compile(r"[\x21-\x7e]{8,512}")
_AGAIN = "Nothing was written. Look at NetBox, then import again."


class NotRead(Exception):
    """NetBox was not read to its end; nothing of it was used."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(str(reason))
        self.reason = reason


def check_url(url: str) -> str:
    """The address of a NetBox without a last "/" or "/api". Raises NotRead; what may be a secret is not repeated."""
    wanted = "http(s)://HOST[:PORT][/PATH]"
    try:
        parts = urlsplit(url.strip())
        port_is_fine = parts.port != 0
    except ValueError:
        raise NotRead(Reason("NetBox URL", "something that is no URL", wanted, "Correct the address.")) from None
    if parts.username is not None or parts.password is not None:
        remedy = "Put the token into an environment variable; replace it if this was it."
        raise NotRead(Reason("NetBox URL", "a user name or password in it", wanted, remedy))
    plain = not parts.query and not parts.fragment and url.isprintable() and " " not in url.strip()
    if parts.scheme not in {"http", "https"} or not parts.hostname or not port_is_fine or not plain:
        raise NotRead(Reason("NetBox URL", shown(url, at_most=200), wanted, "Correct the address."))
    return url.strip().rstrip("/").removesuffix("/api").rstrip("/")


def _token(name: str) -> str:
    token = os.environ.get(name, "")
    if _TOKEN.fullmatch(token):
        return token
    found = "nothing" if not token else f"{len(token)} characters that are not one word"
    remedy = "Make a read-only token in NetBox and set the variable where this runs."
    raise NotRead(Reason(f"environment variable {shown(name)}", found, "an API token of NetBox", remedy))


@dataclass
class Client:
    """One reading. `asked` counts the requests."""

    url: str
    api: Any  # pynetbox has no types
    progress: Progress
    sleep: Callable[[float], None] = time.sleep
    asked: int = 0
    _secret: str = field(default="", repr=False)

    @classmethod
    def open(
        cls, source: Source, *, progress: Progress, read_s: float = sessions.READ_S, page_s: float = sessions.PAGE_S
    ) -> "Client":
        """Nothing is sent yet. Raises NotRead for an address, token or CA file that cannot be used."""
        url = check_url(source.url)
        token = _token(source.token_env)
        if source.ca_file and not Path(source.ca_file).is_file():
            remedy = "Correct the path; it is read where the import runs."
            raise NotRead(Reason("CA file", f"no file {shown(source.ca_file, at_most=200)}", "a PEM file", remedy))
        api = pynetbox.api(url, token=token)  # type: ignore[no-untyped-call]
        api.http_session = sessions.open_session(source.ca_file, read_s=read_s, page_s=page_s)
        return cls(url=url, api=api, progress=progress, _secret=token)

    def version(self) -> str:
        """NetBox's version, 4 or newer: 3 names the role of a device otherwise and ignores filters for it."""
        where = f"{self.url}/api/status/"
        answer = self._ask(where, self.api.status)
        version = answer.get("netbox-version") if isinstance(answer, dict) else None
        if not isinstance(version, str) or not re.fullmatch(r"\d{1,4}\.[\w.+-]{1,40}", version):
            raise NotRead(
                Reason(where, "no netbox-version", "the status of a NetBox", "Is this the address of NetBox?")
            )
        if int(version.split(".")[0]) < 4:
            raise NotRead(Reason(where, f"NetBox {shown(version)}", "NetBox 4 or newer", "Update NetBox."))
        return version

    def rows(self, endpoint: str, **params: Any) -> list[dict[str, Any]]:
        """Every row of a list, each once. `endpoint`: "devices" of dcim. Raises NotRead when it does not add up."""
        found: dict[int, dict[str, Any]] = {}
        total: int | None = None
        while total is None or len(found) < total:
            where = self._address(endpoint, params, len(found))
            count, rows = self._page(endpoint, params, len(found), where)
            if total is not None and count != total:
                self._unequal(where, f"a count of {count} after one of {total}", "the same count on every page")
            total = count
            before = len(found)
            found |= {row["id"]: row for row in rows}
            if len(found) != before + len(rows):
                self._unequal(where, f"{before + len(rows) - len(found)} row(s) for the second time", "each row once")
            if len(found) > total or (not rows and len(found) < total):
                self._unequal(where, f"{len(found)} rows", f"{total}, its count")
            self.progress(endpoint, len(found), total)
        if "id" not in params:
            self._is_the_end(endpoint, params, total)
        return list(found.values())

    def _is_the_end(self, endpoint: str, params: Mapping[str, Any], total: int) -> None:
        """A count that is too low would end the reading early, and what was not read would be taken for missing."""
        where = self._address(endpoint, params, total)
        _, rows = self._page(endpoint, params, total, where)
        if rows:
            self._unequal(where, f"{len(rows)} more row(s)", f"{total}, its count")

    def by_ids(self, endpoint: str, ids: Sequence[int], **params: Any) -> list[dict[str, Any]]:
        """The rows with these ids; those that are gone or may not be seen are absent."""
        found: list[dict[str, Any]] = []
        quiet = Client(self.url, self.api, lambda what, read, of: None, self.sleep, 0, self._secret)
        for start in range(0, len(ids), IDS):
            found += quiet.rows(endpoint, id=list(ids[start : start + IDS]), **params)
            self.progress(endpoint, min(start + IDS, len(ids)), len(ids))
        self.asked += quiet.asked
        return found

    def _unequal(self, where: str, found: str, wanted: str) -> None:
        raise NotRead(Reason(where, found, wanted, f"Was NetBox changed meanwhile? {_AGAIN}"))

    def _address(self, endpoint: str, params: Mapping[str, Any], offset: int) -> str:
        shown_params = {k: v for k, v in params.items() if k not in {"fields", "ordering", "id"}}
        query = urlencode([*shown_params.items(), ("limit", PAGE), ("offset", offset)], doseq=True)
        return f"{self.url}/api/dcim/{endpoint}/?{query}"

    def _page(self, endpoint: str, params: Mapping[str, Any], offset: int, where: str) -> tuple[int, list[Any]]:
        """One page. With an offset pynetbox asks for that page alone: the server's `next` is never followed."""

        def ask() -> tuple[Any, list[Any]]:
            page = getattr(self.api.dcim, endpoint).filter(limit=PAGE, offset=offset, ordering="id", **params)
            rows = list(page.response)  # plain rows: a Record would ask again for every key that it lacks
            return page.request.count, rows

        count, rows = self._ask(where, ask)
        ids = [row.get("id") if isinstance(row, dict) else None for row in rows]
        if type(count) is not int or count < 0 or not all(type(pk) is int and pk > 0 for pk in ids):
            raise NotRead(Reason(where, "an answer of another shape", "a list of NetBox 4", _AGAIN))
        return count, rows

    def _ask(self, where: str, ask: Callable[[], Any]) -> Any:
        """What `ask` gives; every way of failing becomes a NotRead with the address, without the token."""
        for attempt in range(_TRIES):
            self.asked += 1
            try:
                return ask()
            except RequestError as error:
                wait = _wait(error.req, attempt)
                if wait is None:
                    raise NotRead(self._refused(where, error)) from None
                self.sleep(wait)
            except requests.exceptions.RequestException as error:
                raise NotRead(self._unreachable(where, error)) from None
            except sessions.TooMuch:
                most = f"{sessions.MOST_BYTES // 2**20} MiB"
                raise NotRead(Reason(where, f"more than {most} in one answer", "a page of NetBox", _AGAIN)) from None
            except (ContentError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
                remedy = "Is this the address of NetBox, or of a login page before it?"
                raise NotRead(Reason(where, "an answer that is not NetBox's JSON", "NetBox's API", remedy)) from None
        raise AssertionError("the last attempt answers or raises")

    def _refused(self, where: str, error: RequestError) -> Reason:
        status = error.req.status_code
        found = f"status {status} {self._clean(_detail(error.req.text))}".strip()
        match status:
            case 401 | 403:
                wanted, remedy = "permission to read", "Does the token hold, and may its user view dcim objects?"
            case 400:
                wanted, remedy = "filters that this NetBox knows", "Give slugs, as NetBox's addresses show them."
            case 404:
                wanted, remedy = "NetBox's API", "Is this the address of NetBox?"
            case 429 | 503:
                wanted, remedy = f"an answer within {_TRIES} attempts", f"It is busy. {_AGAIN}"
            case _:
                wanted, remedy = "status 200", _AGAIN
        return Reason(where, found, wanted, remedy)

    def _unreachable(self, where: str, error: requests.exceptions.RequestException) -> Reason:
        match error:
            case requests.exceptions.SSLError():
                found, wanted = (
                    self._clean(_innermost(error)),
                    "a certificate that is signed by a known CA for this name",
                )
                return Reason(where, found, wanted, "Give the CA's certificate with --ca-file.")
            case requests.exceptions.Timeout():
                return Reason(where, "no answer in time", "an answer", f"Is NetBox busy? {_AGAIN}")
            case requests.exceptions.TooManyRedirects():
                to = error.response.headers.get("Location", "?") if error.response is not None else "?"
                found = f"a redirect to {self._clean(to)}"
                return Reason(where, found, "NetBox itself", "Give the address it is redirected to, if it is right.")
            case _:
                found = self._clean(_innermost(error).rsplit("connection: ", 1)[-1])
                return Reason(where, found, "a connection", "Does the address answer from here?")

    def _clean(self, text: str) -> str:
        """Foreign text for a message: without the token, on one line, short."""
        return shown(text.replace(self._secret, "<token>"), at_most=240) if text else ""


def _wait(response: Any, attempt: int) -> float | None:
    """Seconds to wait before asking again, or None: it is no use."""
    if response.status_code not in _LATER or attempt + 1 >= _TRIES:
        return None
    said = response.headers.get("Retry-After", "")
    wait = float(said) if re.fullmatch(r"\d{1,4}", said) else 2.0**attempt
    return wait if wait <= _LONGEST_WAIT_S else None


def _innermost(error: BaseException) -> str:
    """What went wrong, without the layers of the HTTP library around it."""
    for _ in range(8):
        inner = getattr(error, "reason", None) or next((a for a in error.args if isinstance(a, BaseException)), None)
        if not isinstance(inner, BaseException):
            break
        error = inner
    return str(error) or type(error).__name__


def _detail(text: str) -> str:
    """What an error page says, as far as it is short."""
    return " ".join(text[:2_000].split())
