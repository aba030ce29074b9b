"""One session with a UCS Manager for each domain and worker process: kept, renewed, made again when it is lost."""

import atexit
import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from xml.etree.ElementTree import ParseError

from ucsmsdk.ucsexception import UcsError, UcsException, UcsWrapperException
from ucsmsdk.ucshandle import UcsHandle
from ucsmsdk.ucsmethodfactory import aaa_refresh

from fleet.core.model import Reason
from playbooks import deadlines
from playbooks.base import DeviceError, HostKeyRefused, LoginRefused, Refused, Unreachable, Unsure
from playbooks.ucs.passwords import password
from playbooks.ucs.pinned import NoAnswer, NotReached, OtherCertificate, Pinned
from playbooks.ucs.places import Domain

# UCS Manager's codes (domain facts of UCS, §2.1).
_NOT_AUTHENTICATED = {"551"}
_SESSION_LOST = {"552", "555"}
_FULL = {"ERR-session-cache-full", "ERR-max-userid-sessions-reached"}
_AWAY = {"ERR-service-not-ready", "ERR-secondary-node", "ERR-process-not-ready"}
ALREADY_THERE = "103"
# Of a session's life after which it is renewed: UCS Manager gives 600 s, and ucsmsdk's own timer renews at 540.
_RENEW_AT = 0.8

# ucsmsdk has no types.
_HANDLE: Any = UcsHandle
_REFRESH: Any = aaa_refresh

T = TypeVar("T")


class Manager:
    """A domain's UCS Manager, asked by the real ucsmsdk. One request at a time.

    Every method raises Unreachable (nothing was sent or carried out), Unsure (sent, no answer), Refused,
    HostKeyRefused (another certificate), LoginRefused.
    """

    def __init__(self, domain: Domain, clock: Callable[[], float] = time.monotonic) -> None:
        self.domain, self._clock = domain, clock
        self._lock = threading.RLock()
        self._handle: Any = None
        self._renew_at = 0.0

    @property
    def version(self) -> str:
        """As it says at login: "4.2(3d)"."""
        return self.ask(lambda handle: str(handle.version))

    def ask(self, question: Callable[[Any], T]) -> T:
        """Ask something that changes nothing; once more with a new session where the old one was lost."""
        with self._lock:
            try:
                return self._guarded(lambda: question(self._session()), sent=False)
            except _Lost:
                self._handle = None
                return self._guarded(lambda: question(self._session()), sent=False)

    def commit(self, objects: Sequence[Any], *, created: bool = False) -> None:
        """Write these managed objects in one commit, whole or not at all.

        A session that was lost is made again, once: a commit with an unknown cookie is refused before it is read.
        """
        with self._lock:
            self.ask(lambda handle: handle.query_dn("sys"))  # a session that is lost is found here, not by the commit
            deadlines.refuse_late(f"commit on {self.domain.name}")
            try:
                self._guarded(lambda: self._send(objects, created=created), sent=True)
            except _Lost:
                self._handle = None
                self._guarded(lambda: self._send(objects, created=created), sent=True)

    def impact(self, objects: Sequence[Any]) -> dict[str, list[str]]:
        """Who would reboot and when if these were committed: reboot_immediate, reboot_user_ack ... > dn of profiles."""

        def estimate(handle: Any) -> dict[str, list[str]]:
            try:
                for one in objects:
                    handle.set_mo(one)
                told = json.loads(handle.estimate_impact() or "{}")
            finally:
                handle.commit_buffer_discard()
            return {
                how: [str(row.get("dn", "")) for row in rows]
                for how, rows in told.items()
                if how.startswith("reboot") or how == "failure"
                if isinstance(rows, list)
            }

        return self.ask(estimate)

    def close(self) -> None:
        """Log out; what does not answer is left to expire."""
        with self._lock:
            handle, self._handle = self._handle, None
            if handle is not None:
                with contextlib.suppress(Exception):  # a session that is gone is what is wanted
                    handle.logout(timeout=5)

    def _send(self, objects: Sequence[Any], *, created: bool) -> None:
        handle = self._session()
        try:
            for one in objects:
                handle.add_mo(one) if created else handle.set_mo(one)
            handle.commit()
        finally:
            handle.commit_buffer_discard()

    def _session(self) -> Any:
        if self._handle is not None and self._clock() >= self._renew_at:
            self._renew(self._handle)
        if self._handle is None:
            self._handle = self._login()
        return self._handle

    def _login(self) -> Any:
        if not self.domain.certificate:
            remedy = "Compare it on UCS Manager's page, and record it: ./manage.py collect_ucs says what is shown."
            found = "a certificate that nobody recorded"
            raise HostKeyRefused(Reason(self._subject, found, "the SHA-256 of its certificate", remedy))
        made = _HANDLE(self.domain.address, self.domain.username, self._password(), self.domain.port, secure=True)
        # ucsmsdk checks no certificate and has no option for it: its driver is replaced by ours.
        made._UcsSession__driver = Pinned(self.domain.certificate)
        made.login()
        self._remember(made)
        return made

    def _renew(self, handle: Any) -> None:
        answer = handle.post_elem(_REFRESH(handle.cookie, self.domain.username, self._password()))
        if str(answer.error_code) != "0":
            self._handle = None  # it has expired: a new one
            return
        self._remember(handle)

    def _remember(self, handle: Any) -> None:
        self._renew_at = self._clock() + _RENEW_AT * float(handle.refresh_period or 600)

    def _password(self) -> str:
        return password(self.domain, self._subject)

    @property
    def _subject(self) -> str:
        return f"UCS Manager of {self.domain.name} ({self.domain.address} port {self.domain.port})"

    def _guarded(self, call: Callable[[], T], *, sent: bool) -> T:
        """What ucsmsdk and the network raise, as the errors of a device."""
        try:
            return call()
        except DeviceError:
            raise
        except OtherCertificate as error:
            self._handle = None
            remedy = "If it was renewed on purpose, compare it on UCS Manager's page and record it; if not, find out."
            wanted = f"SHA-256 {self.domain.certificate}"
            raise HostKeyRefused(Reason(self._subject, f"certificate {error}", wanted, remedy)) from None
        except NotReached as error:
            remedy = "It is asked again: it may restart, or the other fabric interconnect takes over."
            raise Unreachable(Reason(self._subject, str(error), "an answer", remedy)) from None
        except UcsException as error:
            raise self._said(error) from None
        except (NoAnswer, ParseError, OSError, UcsError, UcsWrapperException) as error:
            reason = Reason(self._subject, f"no answer: {error}"[:300], "an answer", "It is looked at again.")
            raise (Unsure(reason) if sent else Unreachable(reason)) from None
        except ValueError as error:  # ucsmsdk's own check of values, before anything is sent
            raise Refused(Reason(self._subject, f"refused by ucsmsdk: {error}"[:300], "a legal value")) from None

    def _said(self, error: UcsException) -> Exception:
        code, text = str(error.error_code), f"{error.error_code}: {error.error_descr}"[:300]
        if code in _SESSION_LOST:
            return _Lost(Reason(self._subject, f"the session is lost ({text})", "a session", "It logs in again."))
        if code in _NOT_AUTHENTICATED:
            remedy = "Correct the credential. It is not tried again by itself: a user may be locked out."
            return LoginRefused(Reason(self._subject, text, "a login", remedy))
        if code in _FULL:
            remedy = "Close sessions in UCS Manager (Admin > User Services); it is tried again."
            return Unreachable(Reason(self._subject, text, "room for one session", remedy))
        if code in _AWAY:
            return Unreachable(Reason(self._subject, text, "UCS Manager in service", "It is asked again."))
        return NotTaken(code, Reason(self._subject, f"it refused: {text}", "a change that it takes"))


class _Lost(Unreachable):
    """The session is not known any more; what was asked was not carried out."""


class NotTaken(Refused):
    """UCS Manager refused a change, with this code. An object that exists already is no fault."""

    def __init__(self, code: str, reason: Reason) -> None:
        super().__init__(reason)
        self.code = code


_managers: dict[tuple[int, Domain], Manager] = {}
_making = threading.Lock()


def manager(domain: Domain) -> Manager:
    """The one `Manager` of a domain in this process. A forked child has its own: sessions are not shared."""
    with _making:
        return _managers.setdefault((os.getpid(), domain), Manager(domain))


def close_all() -> None:
    """Log out everywhere. Called when the process ends."""
    with _making:
        mine = [key for key in _managers if key[0] == os.getpid()]
        for key in mine:
            _managers.pop(key).close()


atexit.register(close_all)
