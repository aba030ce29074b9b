"""How ucsmsdk's requests travel: TLS to a server whose certificate was recorded, no proxy, no redirect, no fallback."""

import hashlib
import hmac
import http.client
import socket
import ssl
from urllib.parse import urlsplit

CONNECT_S = 10.0
# A configResolveClass over a full domain (160 blades) takes UCS Manager some seconds; a commit with an impact longer.
ANSWER_S = 60.0
_LONGEST = 64 * 1024 * 1024


class NotReached(Exception):
    """Nothing was sent."""


class OtherCertificate(Exception):
    """The server shows a certificate that is not the recorded one; nothing was sent. Text: its SHA-256."""


class NoAnswer(Exception):
    """The request was sent and no answer came that could be read."""


class Pinned:
    """Takes the place of ucsmsdk's own driver, which checks no certificate, follows redirects and falls back to
    TLS 1.0. `certificate`: SHA-256 in hexadecimal."""

    redirect_uri = None  # asked for by ucsmsdk

    def __init__(self, certificate: str) -> None:
        self._certificate = certificate.lower().replace(":", "")

    def post(
        self,
        uri: str,
        data: bytes | str | None = None,
        dump_xml: bool = False,  # noqa: FBT001, FBT002  # ucsmsdk's signature
        read: bool = True,  # noqa: FBT001, FBT002
        timeout: float | None = None,
    ) -> str:
        """Send one request. Raises NotReached, OtherCertificate, NoAnswer."""
        where = urlsplit(uri)
        connection = self._connect(where.hostname or "", where.port or 443)
        try:
            connection.timeout = timeout or ANSWER_S
            if connection.sock is not None:
                connection.sock.settimeout(timeout or ANSWER_S)
            body = data.encode() if isinstance(data, str) else data or b""
            headers = {"Content-Type": "application/x-www-form-urlencoded", "Connection": "close"}
            connection.request("POST", where.path or "/nuova", body, headers)
            answer = connection.getresponse()
            text = answer.read(_LONGEST).decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswer(f"{type(error).__name__}: {error}"[:200]) from None
        finally:
            connection.close()
        # 503: UCS Manager's web server stands, the processes behind it do not; nothing was carried out.
        if answer.status in {502, 503}:
            raise NotReached(f"HTTP {answer.status}")
        if answer.status != http.client.OK:
            raise NoAnswer(f"HTTP {answer.status}")
        return text

    def _connect(self, host: str, port: int) -> http.client.HTTPSConnection:
        """A connection over which nothing was sent yet, to the server of that certificate."""
        # Self-signed, as UCS Manager's own is: the certificate itself is compared, not who signed it.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection(host, port, timeout=CONNECT_S, context=context)
        try:
            connection.connect()
        except TimeoutError:
            raise NotReached(f"no answer in {CONNECT_S:g} s") from None
        except socket.gaierror:
            raise NotReached("an address that no resolver knows") from None
        except (OSError, http.client.HTTPException) as error:
            raise NotReached(f"{type(error).__name__}: {error}"[:200]) from None
        sock = connection.sock
        shown = sock.getpeercert(binary_form=True) if isinstance(sock, ssl.SSLSocket) else None
        digest = hashlib.sha256(shown or b"").hexdigest()
        if not hmac.compare_digest(digest, self._certificate):
            connection.close()
            raise OtherCertificate(digest)
        return connection
