"""Our own rules on a configuration of VPP, beside those of vppcfg's validator. Pure.

Each says what it saw and what to do; the sources are story S2, domain notes and recordings of vppcfg 0.0.7 and 1.2.4.
"""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any

from fleet.core.model import Json, Reason
from fleet.core.vpp import canonical, routed

_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9._-]*")
IFNAMSIZ = 15
_LOOP = re.compile(r"loop[0-9]+")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9/._-]{0,62}")
# Mbps do not matter here: VPP keeps descriptors of 9216 bytes at most.
MOST_MTU = 9216


def violations(config: Mapping[str, Json]) -> tuple[Reason, ...]:
    """Everything that our rules hold against a configuration; empty for one that may be planned. Never raises."""
    rows = list(routed(config))
    return (*_names(rows), *_lcps(rows), *_addresses(rows), *_mtus(config), *_inner(config), *_members(config))


def _names(rows: list[tuple[str, Mapping[str, Any]]]) -> Iterator[Reason]:
    """Names go into commands of VPP: no blanks, no braces, one dot at most."""
    for name, _ in rows:
        if not _WORD.fullmatch(name) or name.count(".") > 1:
            yield Reason(
                f"interface {name[:60]!r}", "a name that VPP's commands cannot carry", "letters, digits, / - _"
            )


def _lcps(rows: list[tuple[str, Mapping[str, Any]]]) -> Iterator[Reason]:
    seen: dict[str, str] = {}
    for name, about in rows:
        lcp = about.get("lcp")
        if lcp is None:
            if about.get("addresses"):
                remedy = "Without one neither the routing daemon nor ARP sees it: give it the kernel's name."
                yield Reason(f"interface {name}", "addresses without a name in Linux", "an lcp", remedy)
            continue
        if not isinstance(lcp, str) or not _NAME.fullmatch(lcp) or len(lcp) > IFNAMSIZ:
            yield Reason(f"lcp of {name}", repr(lcp)[:60], f"a name of Linux, at most {IFNAMSIZ} characters")
        elif lcp in seen:
            yield Reason(f"lcp {lcp}", f"on {seen[lcp]} and {name}", "one interface for each name")
        seen.setdefault(str(lcp), name)


def _addresses(rows: list[tuple[str, Mapping[str, Any]]]) -> Iterator[Reason]:
    """Compared as values: two spellings are one address."""
    held: dict[Any, str] = {}
    for name, about in rows:
        listed = about.get("addresses")
        for text in listed if isinstance(listed, list | tuple) else ():
            spelled = canonical(text) if isinstance(text, str) else None
            if spelled is None:
                yield Reason(f"address of {name}", repr(text)[:60], "ADDRESS/LENGTH")
                continue
            address = ipaddress.ip_interface(spelled).ip
            if spelled != text:
                remedy = "VPP prints it so, and vppcfg compares the text: else it is deleted and added at each run."
                yield Reason(f"address of {name}", text, spelled, remedy)
            if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
                yield Reason(f"address of {name}", f"{text}, an IPv4 address in IPv6", "an address of its own family")
            if address in held:
                yield Reason(f"address {address}", f"on {held[address]} and {name}", "one interface")
            held.setdefault(address, name)


def _mtus(config: Mapping[str, Json]) -> Iterator[Reason]:
    found = config.get("interfaces")
    for name, about in found.items() if isinstance(found, Mapping) else ():
        if not isinstance(about, Mapping):
            continue
        mtu, subs = about.get("mtu", 1500), about.get("sub-interfaces")
        if isinstance(mtu, int) and mtu > MOST_MTU:
            yield Reason(f"MTU of {name}", str(mtu), f"at most {MOST_MTU}")
        for number, sub in subs.items() if isinstance(subs, Mapping) else ():
            own = sub.get("mtu", 0) if isinstance(sub, Mapping) else 0
            if isinstance(mtu, int) and isinstance(own, int) and own > mtu:
                yield Reason(f"MTU of {name}.{number}", str(own), f"at most {mtu}, which {name} has")


def _inner(config: Mapping[str, Json]) -> Iterator[Reason]:
    """A double tag with a name in Linux needs its outer tag, with a name too. vppcfg 1.2.4 looks and finds itself."""
    found = config.get("interfaces")
    for name, about in found.items() if isinstance(found, Mapping) else ():
        subs = about.get("sub-interfaces") if isinstance(about, Mapping) else None
        rows = {n: s for n, s in subs.items() if isinstance(s, Mapping)} if isinstance(subs, Mapping) else {}
        outer = {_tag(n, sub) for n, sub in rows.items() if sub.get("lcp") and not _inner_tag(sub)}
        for number, sub in rows.items():
            if sub.get("lcp") and _inner_tag(sub) and _tag(number, sub) not in outer:
                kind, tag = _tag(number, sub)
                wanted = f"{kind} {tag} on {name} with an lcp"
                yield Reason(f"interface {name}.{number}", "an lcp and two tags, without the outer one", wanted)


def _inner_tag(sub: Mapping[str, Any]) -> bool:
    tags = sub.get("encapsulation")
    return isinstance(tags, Mapping) and bool(tags.get("inner-dot1q"))


def _tag(number: Any, sub: Mapping[str, Any]) -> tuple[str, int]:
    """The outer tag of a sub-interface: its kind and number; without an encapsulation that of its id."""
    tags = sub.get("encapsulation")
    tags = tags if isinstance(tags, Mapping) else {}
    return ("dot1ad", int(tags["dot1ad"])) if tags.get("dot1ad") else ("dot1q", int(tags.get("dot1q") or number))


def _members(config: Mapping[str, Json]) -> Iterator[Reason]:
    """A bond without members carries nothing; a card may be in one only."""
    found, seen = config.get("bondethernets"), dict[str, str]()
    for name, about in found.items() if isinstance(found, Mapping) else ():
        members = about.get("interfaces") if isinstance(about, Mapping) else None
        if not members:
            yield Reason(f"bond {name}", "no members", "at least one card")
        for member in members or ():
            if member in seen:
                yield Reason(f"card {member}", f"in {seen[member]} and {name}", "one bond")
            seen[str(member)] = str(name)


def loopback_hang(config: Mapping[str, Json], *, ospf3_stubs: frozenset[str], known_good: bool) -> tuple[Reason, ...]:
    """The advisory of story S2-17: IPv6 on a loopback that OSPFv3 announces as a stub hangs VPP's main thread.

    Forwarding goes on, nothing can be told to it any more. `ospf3_stubs`: names in Linux of interfaces that OSPFv3
    covers without neighbours (FRR passive, BIRD stub). `known_good`: somebody says that this VPP does not.
    """
    if known_good:
        return ()
    reasons = []
    for name, about in routed(config):
        six = [a for a in about.get("addresses") or () if isinstance(a, str) and ":" in a]
        # What is on lo in the kernel is on loop0 in VPP: the daemon names it as it was.
        covered = str(about.get("lcp")) in ospf3_stubs or (name == "loop0" and "lo" in ospf3_stubs)
        if _LOOP.fullmatch(name) and six and covered:
            remedy = (
                "Put it on a card (`loopback6_on`), as story S2 did, or say with `loopback6_known_good` that this "
                "version was tried. Advisory vpp-loopback-ospf3-stub."
            )
            found = f"{', '.join(six)} and an OSPFv3 stub on it"
            reasons.append(Reason(f"loopback {name}", found, "no IPv6 address that OSPFv3 announces as a stub", remedy))
    return tuple(reasons)


_INTERFACE = re.compile(r"^interface (\S+)\n((?:[ \t]+.*\n)*)", re.MULTILINE)
_BIRD_OSPF3 = re.compile(r"protocol\s+ospf\s+v3\b", re.IGNORECASE)
_BIRD_STUB = re.compile(r'interface\s+"([^"]+)"\s*\{[^}]*\bstub\s+yes', re.IGNORECASE)


def ospf3_stubs(config: str) -> frozenset[str]:
    """Interfaces that OSPFv3 announces without neighbours, from the text of FRR's or BIRD's configuration."""
    frr = {
        name for name, body in _INTERFACE.findall(config)
        if all(re.search(rf"^\s*ipv6 ospf6 {word}", body, re.MULTILINE) for word in ("area", "passive"))
    }  # fmt: skip
    bird = {name for part in _BIRD_OSPF3.split(config)[1:] for name in _BIRD_STUB.findall(_block(part))}
    return frozenset(frr | bird)


def _block(text: str) -> str:
    """What stands in the first pair of braces."""
    depth = 0
    for n, char in enumerate(text):
        depth += (char == "{") - (char == "}")
        if char == "}" and depth == 0:
            return text[: n + 1]
    return text
