"""Which destinations are looked up to compare the routing daemon with the kernel. Pure."""

from collections.abc import Mapping, Sequence

from fleet.core.model import Json
from playbooks.addresses import address_in, family_of, is_address
from playbooks.facts.text import mapping, whole

# Each address costs the router one `ip route get` (2 ms) and one lookup in zebra or BIRD.
PER_FAMILY = 8
_CANDIDATES = 16
# Of these, peers that come before any route: they are the next hops on which other routes hang, and one whose route
# the kernel has refused takes them all down at the next drain (FRR 8.4.4, seen on the lab's ring).
_PEERS_FIRST = 4
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


def candidates(
    asked: Sequence[str], peers: Sequence[str], listed: Sequence[tuple[str, str]], *, full_table: bool
) -> list[str]:
    """At most 16 addresses of each family: those asked for, four peers, routes (of each next hop in turn), peers.

    `listed`: (prefix, next hops) of the kernel. The same input gives the same candidates.
    """
    behind = [a for a in peers if is_address(a) and not a.startswith("fe80:")]
    wanted = [a for a in asked if is_address(a)]
    wanted += _some_of_each(behind, _PEERS_FIRST)
    wanted += list(FAR) if full_table else _spread(listed)
    wanted += behind
    return _some_of_each(wanted, _CANDIDATES)


def choose(paths: Mapping[str, Json]) -> list[str]:
    """The samples: of the candidates, at most eight of each family that the kernel sends on to another router.

    What it delivers itself or reaches directly is its own doing, whatever a routing protocol says about it.
    """
    return _some_of_each(
        [a for a, row in paths.items() if mapping(mapping(row).get("kernel")).get("gateway")], PER_FAMILY
    )


def _some_of_each(addresses: Sequence[str], most: int) -> list[str]:
    unique = list(dict.fromkeys(addresses))
    return [a for family in ("ipv4", "ipv6") for a in [u for u in unique if family_of(u) == family][:most]]


def _spread(listed: Sequence[tuple[str, str]]) -> list[str]:
    """First, last, then middle prefix of each set of next hops, the sets in turn."""
    groups: dict[str, list[str]] = {}
    for prefix, hops in listed:
        if prefix != "default":
            groups.setdefault(hops, []).append(prefix)
    turns = [[group[0], group[-1], group[len(group) // 2]] for _, group in sorted(groups.items())]
    # Only these few are read as addresses: reading all was a third of a baseline's CPU time (43 ms for 258 routes
    # under the profiler), and a router may have 20,000.
    found = (address_in(turn[n]) for n in range(3) for turn in turns)
    return [address for address in found if address is not None]
