"""A Cisco IMC by the real imcsdk: one short session for each look or write, since a controller has four at most."""

import contextlib
import threading
import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from xml.etree.ElementTree import ParseError

from fleet.core.model import Reason
from playbooks import deadlines
from playbooks.base import HostKeyRefused, LoginRefused, Refused, Unreachable, Unsure
from playbooks.ucs import rack
from playbooks.ucs.passwords import password
from playbooks.ucs.pinned import NoAnswer, NotReached, OtherCertificate, Pinned
from playbooks.ucs.places import Domain

with warnings.catch_warnings():
    # imcsdk 0.9.17 has some thirty invalid escape sequences in its texts.
    warnings.simplefilter("ignore")
    from imcsdk import imccoreutils
    from imcsdk.imcexception import ImcException, ImcLoginError, ImcValidationException
    from imcsdk.imchandle import ImcHandle

T = TypeVar("T")
_HANDLE: Any = ImcHandle
_OBJECT: Any = imccoreutils.get_imc_obj
_PARTS = {
    "eth-rcv-q": "adaptorEthRecvQueueProfile", "eth-work-q": "adaptorEthWorkQueueProfile",
    "eth-comp-q": "adaptorEthCompQueueProfile", "eth-int": "adaptorEthInterruptProfile", "rss": "adaptorRssProfile",
}  # fmt: skip
_FULL = {"ERR-max-userid-sessions-reached", "ERR-session-cache-full", "2001"}
# imcsdk keeps what it knows of platforms in its modules: one session at a time in a process.
_one = threading.Lock()


def look(where: Domain) -> rack.Server:
    """Everything of a server that concerns its adapters: 8 requests, with login and logout ten.

    Raises Unreachable, Refused, HostKeyRefused (another certificate), LoginRefused.
    """

    def question(handle: Any) -> rack.Server:
        units = [*handle.query_classid("computeRackUnit"), *handle.query_classid("computeServerNode")]
        if not units:
            wanted = "a rack unit or a server node"
            raise Refused(Reason(_subject(where), "no server that it speaks of", wanted, "Is it a Cisco IMC?"))
        parts = [one for name in _PARTS.values() for one in handle.query_classid(name)]
        adapters, ports = handle.query_classid("adaptorUnit"), handle.query_classid("adaptorHostEthIf")
        return rack.server(units[0], adapters, ports, parts, str(handle.version))

    return _session(where, question, sent=False)


def write(where: Domain, vnic: str, changes: Mapping[str, Mapping[str, str]]) -> None:
    """Write settings below a vNIC (dn), one request for each object: nothing holds them together.

    They take effect with the next boot of the host. Raises as `look`, and Unsure.
    """

    def act(handle: Any) -> None:
        for rn, values in changes.items():
            deadlines.refuse_late(f"{vnic}/{rn}")
            found = handle.query_dn(f"{vnic}/{rn}")
            if found is None:
                raise Refused(Reason(f"{vnic}/{rn}", "not there", "as it was a moment ago", "Collect it again."))
            for name, value in values.items():
                setattr(found, name, value)
            handle.set_mo(found)

    _session(where, act, sent=True)


def _session(where: Domain, call: Callable[[Any], T], *, sent: bool) -> T:
    if not where.certificate:
        remedy = "Compare it on its page, and record it: ./manage.py collect_ucs says what is shown."
        found = "a certificate that nobody recorded"
        raise HostKeyRefused(Reason(_subject(where), found, "the SHA-256 of its certificate", remedy))
    secret = password(where, _subject(where))
    with _one:
        handle = _HANDLE(where.address, where.username, secret, where.port, secure=True)
        # imcsdk checks no certificate, follows redirects and falls back to TLS 1.0: its driver is replaced by ours.
        handle._ImcSession__driver = Pinned(where.certificate)
        _guarded(where, handle.login, sent=False)
        try:
            return _guarded(where, lambda: call(handle), sent=sent)
        finally:
            _leave(handle)


def _leave(handle: Any) -> None:
    with contextlib.suppress(Exception):  # a session that is gone is what is wanted
        handle.logout(timeout=5)


def _guarded(where: Domain, call: Callable[[], T], *, sent: bool) -> T:
    """What imcsdk and the network raise, as the errors of a device."""
    subject = _subject(where)
    try:
        return call()
    except OtherCertificate as error:
        remedy = "If it was renewed on purpose, compare it on its page and record it; if not, find out."
        wanted = f"SHA-256 {where.certificate}"
        raise HostKeyRefused(Reason(subject, f"certificate {error}", wanted, remedy)) from None
    except NotReached as error:
        raise Unreachable(Reason(subject, str(error), "an answer", "It is asked again.")) from None
    except ImcLoginError as error:
        raise Refused(Reason(subject, f"{error}"[:200], "a server that imcsdk knows", "")) from None
    except ImcException as error:
        raise _said(subject, error) from None
    except (ValueError, ImcValidationException) as error:  # imcsdk's own check of values, before anything is sent
        raise Refused(Reason(subject, f"refused by imcsdk: {error}"[:300], "a legal value")) from None
    except (NoAnswer, ParseError, OSError) as error:
        reason = Reason(subject, f"no answer: {error}"[:300], "an answer", "It is looked at again.")
        raise (Unsure(reason) if sent else Unreachable(reason)) from None


def _said(subject: str, error: ImcException) -> Exception:
    code, words = str(error.error_code), f"{error.error_code}: {error.error_descr}"[:300]
    if code == "551":
        remedy = "Correct the credential. It is not tried again by itself: a user may be locked out."
        return LoginRefused(Reason(subject, words, "a login", remedy))
    if code in _FULL or code in {"552", "555"}:
        return Unreachable(Reason(subject, words, "room for one session", "It has few; it is asked again."))
    return Refused(Reason(subject, f"it refused: {words}", "a change that it takes"))


def _subject(where: Domain) -> str:
    return f"Cisco IMC of {where.name} ({where.address} port {where.port})"
