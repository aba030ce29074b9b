"""Addresses as devices write them: whether a text is one, its family, one of a prefix. Pure; nothing here raises."""

from ipaddress import ip_address, ip_network


def is_address(text: str) -> bool:
    """Is this one IPv4 or IPv6 address without a zone?"""
    try:
        return "%" not in text and bool(ip_address(text))
    except ValueError:
        return False


def family_of(address: str) -> str:
    """`ipv4` or `ipv6` by the form of the address."""
    return "ipv6" if ":" in address else "ipv4"


def address_in(prefix: str) -> str | None:
    """An address of a prefix that a host could have: itself for a host route, else its second; None if unreadable."""
    try:
        network = ip_network(prefix, strict=False)
    except ValueError:
        return None
    return str(network[0] if network.num_addresses == 1 else network[1])
