"""The HTTP session that pynetbox uses: deadlines, checked certificates, bounded answers, no detours."""

import time
from typing import Any

import requests
from requests.adapters import HTTPAdapter

# A page of 500 devices takes a busy NetBox some seconds; pynetbox by itself would wait for ever.
CONNECT_S, READ_S, PAGE_S = 10.0, 60.0, 120.0
# 500 devices with their nested rows are about 1 MB of JSON; 64 times that is not a page of NetBox.
MOST_BYTES = 64 * 2**20
_PIECE = 65_536


class TooMuch(Exception):
    """The body of an answer is larger than any page."""


class _Adapter(HTTPAdapter):
    """Sends with our deadlines and our CA, and reads the whole body within `page_s`, byte by byte or not."""

    def __init__(self, ca_file: str, read_s: float, page_s: float) -> None:
        super().__init__()
        self._verify: str | bool = ca_file or True
        self._read_s, self._page_s = read_s, page_s

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: FBT001, FBT002  # the signature is requests' own
        timeout: Any = None,
        verify: Any = True,  # noqa: FBT002  # not used: REQUESTS_CA_BUNDLE would go before --ca-file
        cert: Any = None,
        proxies: dict[str, str] | None = None,
    ) -> requests.Response:
        until = time.monotonic() + self._page_s
        response = super().send(
            request,
            stream=True,
            timeout=(CONNECT_S, self._read_s),
            verify=self._verify,
            cert=cert,
            proxies=proxies,
        )
        response._content = self._body(response, until)
        response._content_consumed = True  # requests reads no further
        return response

    def _body(self, response: requests.Response, until: float) -> bytes:
        found = bytearray()
        while piece := response.raw.read1(_PIECE, decode_content=True):
            found += piece
            if len(found) > MOST_BYTES:
                response.close()
                raise TooMuch
            if time.monotonic() > until:
                response.close()
                raise requests.exceptions.ReadTimeout
        return bytes(found)


def open_session(ca_file: str, *, read_s: float = READ_S, page_s: float = PAGE_S) -> requests.Session:
    """A session that goes to the given address alone: a redirect is an error, ~/.netrc is not asked.

    A redirect would carry the token elsewhere; netrc would replace it.
    """
    session = requests.Session()
    session.max_redirects = 0
    session.auth = lambda request: request
    adapter = _Adapter(ca_file, read_s, page_s)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session
