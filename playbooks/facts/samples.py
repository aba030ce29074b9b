"""Which destinations are looked up to compare the routing daemon with the kernel. Pure."""

from collections.abc import Sequence

from fleet.core.model import Json
from playbooks.facts.text import address_in, family_of, is_address, mapping, whole

# Each address costs the router one `ip route get` (2 ms) and one lookup in zebra or BIRD.
PER_FAMILY = 8
# Above this many routes in the kernel, printing them all costs seconds and tens of megabytes on the router.
LISTED_UP_TO = 20_000
# For full tables: addresses of well-known services far apart; whatever route covers them is compared.
FAR = (
    "1.1.1.1", "8.8.8.8", "9.9.9.9", "77.88.8.8", "114.114.114.114", "193.0.14.129", "199.7.83.42", "202.12.27.33",
    "2001:4860:4860::8888", "2001:500:9f::42", "2001:7fd::1", "2001:dc3::35", "2606:4700:4700::1111", "2620:fe::fe",
)  # fmt: skip


def few_routes(routes: Json) -> bool:
    """May the kernel's routes be listed? `routes`: the section of a measurement; unknown numbers count as many."""
    numbers = [whole(mapping(mapping(routes).get(family)).get("rib")) for family in ("ipv4", "ipv6")]
    return all(n is not None and n <= LISTED_UP_TO for n in numbers)


def choose(
    asked: Sequence[str], peers: Sequence[str], listed: Sequence[tuple[str, str]], *, full_table: bool
) -> list[str]:
    """At most eight addresses of each family: those asked for, then routes, one of each next hop in turn, then peers.

    `listed`: the kernel's (prefix, next hops). The same input gives the same samples.
    """
    wanted = [a for a in asked if is_address(a)]
    wanted += list(FAR) if full_table else _spread(listed)
    wanted += [a for a in peers if is_address(a) and not a.startswith("fe80:")]
    made: list[str] = []
    for family in ("ipv4", "ipv6"):
        mine = [a for a in dict.fromkeys(wanted) if family_of(a) == family]
        made += mine[:PER_FAMILY]
    return made


def _spread(listed: Sequence[tuple[str, str]]) -> list[str]:
    """First, last, then middle prefix of each set of next hops, the sets in turn."""
    groups: dict[str, list[str]] = {}
    for prefix, hops in listed:
        address = address_in(prefix)
        if prefix != "default" and address is not None:
            groups.setdefault(hops, []).append(address)
    turns = [[group[0], group[-1], group[len(group) // 2]] for _, group in sorted(groups.items())]
    return [turn[n] for n in range(3) for turn in turns]
