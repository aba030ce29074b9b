"""Which addresses may be asked from here: none inside the house unless it is allowed by name. Pure.

A person who may add a webhook must not be able to make Slipway ask what only Slipway can reach.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from fleet.core.model import Reason

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address
_NAT64 = ip_network("64:ff9b::/96")
# 100.64.0.0/10 (RFC 6598) is neither private nor global to Python; it is not the outside.
_MORE = (ip_network("100.64.0.0/10"), ip_network("192.0.0.0/24"))
_IPV6_OUTSIDE = ip_network("2000::/3")  # RFC 4291: whatever is in use of IPv6 between strangers is in here
REMEDY = "Name another address, or allow its network in SLIPWAY_OUTWARD_NETWORKS."


@dataclass(frozen=True)
class Target:
    """Where a request goes, taken apart. `path`: with the query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port


def target(url: str) -> Target | Reason:
    """Take an address apart, or say why it is none that may be asked."""
    shown = repr(url[:80])
    wanted = "https://HOST[:PORT]/PATH without user, password or fragment"
    # A password would be repeated by the reason.
    if "@" in url:
        return Reason("address", "one with a user or password", wanted, "Put the secret into a reference.")
    if not url.isascii() or any(c.isspace() or ord(c) < 33 for c in url) or "\\" in url or len(url) > 500:
        return Reason("address", shown, wanted, "Write it as the other side gives it.")
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    except ValueError:
        return Reason("address", shown, wanted, "Write it as the other side gives it.")
    if parts.scheme not in {"https", "http"} or not parts.hostname or parts.fragment or not 0 < port < 65536:
        return Reason("address", shown, wanted, "Write it as the other side gives it.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, parts.hostname, port, path)


def real(address: str) -> Address | None:
    """The address that is asked in the end: IPv4 inside of IPv6 (mapped, 6to4, NAT64) counts as what it is."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, IPv6Address):
        inside = found.ipv4_mapped or found.sixtofour
        if inside is None and found in _NAT64:
            inside = IPv4Address(int(found) & 0xFFFFFFFF)
        return inside or found
    return found


def allowed_by_name(address: str, allowed: Sequence[Network]) -> bool:
    """Is this address inside a network that the settings allow?"""
    found = real(address)
    return found is not None and any(found.version == n.version and found in n for n in allowed)


def refuse(host: str, address: str, allowed: Sequence[Network]) -> Reason | None:
    """Why this address of a host may not be asked, or None."""
    found = real(address)
    if found is None:
        return Reason(f"address of {host}", repr(address[:60]), "an IP address", REMEDY)
    if allowed_by_name(address, allowed):
        return None
    inside = any(found.version == n.version and found in n for n in _MORE)
    strange = found.version == 6 and found not in _IPV6_OUTSIDE
    if inside or strange or not found.is_global or found.is_multicast:
        return Reason(f"address of {host}", f"{found}, an internal one", "one in the Internet", REMEDY)
    return None
