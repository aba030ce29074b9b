"""A whole domain as it is now, and the certificate that a UCS Manager shows."""

import hashlib
import ssl

from fleet.core.model import Reason
from playbooks.base import Unreachable
from playbooks.ucs import ask, seen
from playbooks.ucs.client import manager
from playbooks.ucs.pinned import CONNECT_S
from playbooks.ucs.places import Domain


def collect(domain: Domain) -> seen.Domain:
    """Everything of a domain that concerns adapter policies. Errors as `client.Manager`."""
    return ask.domain(manager(domain))


def shown_certificate(domain: Domain) -> str:
    """SHA-256 of the certificate that is shown now, in hexadecimal. Nothing is sent. Raises Unreachable."""
    try:
        text = ssl.get_server_certificate((domain.address, domain.port), timeout=CONNECT_S)
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(text)).hexdigest()
    except (OSError, ValueError) as error:
        where = f"certificate of {domain.name} ({domain.address} port {domain.port})"
        raise Unreachable(Reason(where, f"{type(error).__name__}: {error}"[:200], "a TLS server")) from None
