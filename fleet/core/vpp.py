"""What a router that forwards with VPP shall be, from what runs in its kernel now: vppcfg's configuration. Pure.

A configuration is a mapping in vppcfg's schema (interfaces, bondethernets, loopbacks ...). Names, MAC addresses, MTUs
and addresses are those of the kernel: routing daemons keep their configuration (story S2-11). Nothing here guesses:
what cannot be carried over is a reason.
"""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from fleet.core.model import Json, Reason

# Ethtool's names of modes and policies of the kernel's bonding driver > vppcfg's.
_MODES = {"802.3ad": "lacp", "active-backup": "active-backup", "balance-rr": "round-robin", "balance-xor": "xor",
          "broadcast": "broadcast"}  # fmt: skip
_POLICIES = {"layer2": "l2", "layer2+3": "l23", "layer3+4": "l34"}
_HASHES = frozenset({"lacp", "xor"})
_CARRIED = frozenset({"", "vlan", "bond", "dummy"})
_PCI = re.compile(r"[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
# A double tag needs an id of its own: outer and inner tag side by side.
_INNER_ID = 10_000
LOOP = "loop0"


class Dataplane(StrEnum):
    """How VPP gets at the packets of a card."""

    DPDK = "dpdk"  # takes the card away from the kernel
    AF_PACKET = "af_packet"  # the kernel keeps the card: any card, slow
    AF_XDP = "af_xdp"  # the kernel keeps the card: its driver must know XDP


@dataclass(frozen=True)
class Wish:
    """What is asked for. `keep`: interfaces that stay with the kernel (management)."""

    dataplane: Dataplane = Dataplane.DPDK
    keep: tuple[str, ...] = ()
    loopback6_on: str = ""  # the loopback's IPv6 addresses go to this interface (story S2-17)


@dataclass(frozen=True)
class Phy:
    """One card that VPP takes: its name in VPP, and what it is in the kernel."""

    vpp: str
    linux: str
    pci: str
    driver: str
    mac: str
    mtu: int


@dataclass(frozen=True)
class Intent:
    """The wanted configuration, the cards behind it, and what stands in the way (then the rest is not whole)."""

    config: Mapping[str, Json]
    phys: tuple[Phy, ...] = ()
    wrong: tuple[Reason, ...] = ()


@dataclass
class _Made:
    """The configuration while it is put together; `names`: kernel name > VPP's."""

    interfaces: dict[str, dict[str, Any]] = field(default_factory=dict)
    bonds: dict[str, dict[str, Any]] = field(default_factory=dict)
    loopbacks: dict[str, dict[str, Any]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    phys: list[Phy] = field(default_factory=list)
    wrong: list[Reason] = field(default_factory=list)


def canonical(address: str) -> str | None:
    """An address with its length as VPP prints it (RFC 5952); None for what is none."""
    try:
        return str(ipaddress.ip_interface(address)) if "/" in address else None
    except ValueError:
        return None


def normalised(config: Json) -> Json:
    """The configuration with every address spelled as VPP spells it; what is no address stays as it is written.

    vppcfg compares addresses of sub-interfaces as text: 2001:DB8::1 would be deleted and added again at each run.
    """
    match config:
        case Mapping():
            return {key: _addresses(value) if key == "addresses" else normalised(value)
                    for key, value in config.items()}  # fmt: skip
        case list() | tuple():
            return [normalised(value) for value in config]
        case _:
            return config


def _addresses(value: Json) -> Json:
    if not isinstance(value, list | tuple):
        return value
    spelled = [(canonical(a) or a) if isinstance(a, str) else a for a in value]
    return [a for n, a in enumerate(spelled) if a not in spelled[:n]]


def merged(config: Json, change: Json) -> Json:
    """The configuration with a change laid over it: maps are merged, `null` takes a key away, the rest replaces."""
    if not isinstance(config, Mapping) or not isinstance(change, Mapping):
        return change
    made = {key: value for key, value in config.items() if change.get(key, value) is not None}
    for key, value in change.items():
        if value is not None:
            made[key] = merged(made.get(key, {}) if isinstance(value, Mapping) else None, value)
    return made


def from_kernel(facts: Mapping[str, Json], wish: Wish) -> Intent:
    """The intent "forwards with VPP" from the facts of a router that forwards with its kernel."""
    found = facts.get("interfaces")
    rows = {str(n): r for n, r in found.items() if isinstance(r, Mapping)} if isinstance(found, Mapping) else {}
    made = _Made()
    if not rows:
        remedy = "Collect facts of the router."
        made.wrong.append(Reason("interfaces", "none known", "those of the kernel", remedy))
    left = {name: row for name, row in rows.items() if name not in wish.keep}
    for name in sorted(set(wish.keep) - set(rows)):
        made.wrong.append(Reason(f"interface {name}", "no such interface", "one that stays with the kernel"))
    _cards(left, wish, made)
    for kind, carry in (("bond", _bond), ("vlan", _vlan), ("dummy", _dummy)):
        for name, row in sorted(left.items(), key=lambda item: (_depth(item[0], left), item[0])):
            if row.get("kind") == kind:
                carry(name, row, left, made)
    for name, row in sorted(left.items()):
        if row.get("kind") not in _CARRIED and row.get("addresses"):
            found_kind = f"a {row.get('kind')} with addresses"
            remedy = f"Name it in `keep`, or take it away first: {name} is not carried over."
            made.wrong.append(Reason(f"interface {name}", found_kind, "a card, bond, VLAN or dummy", remedy))
    _loopback(facts, wish, made)
    if rows and not made.phys:
        made.wrong.append(Reason("cards", "none for VPP", "at least one that is not named in `keep`"))
    config = {"interfaces": made.interfaces, "bondethernets": made.bonds, "loopbacks": made.loopbacks}
    return Intent(normalised({k: v for k, v in config.items() if v}), tuple(made.phys), tuple(made.wrong))


def _depth(name: str, rows: Mapping[str, Mapping[str, Any]]) -> int:
    """How many interfaces lie below: a VLAN in a VLAN comes after the outer one."""
    depth, seen = 0, {name}
    while (below := str(_of(rows.get(name, {}), "vlan").get("parent") or "")) and below not in seen:
        depth, name = depth + 1, below
        seen.add(below)
    return depth


def _of(row: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = row.get(key)
    return value if isinstance(value, Mapping) else {}


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _common(name: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """What every routed interface has: its name in Linux, MTU and addresses."""
    made: dict[str, Any] = {"lcp": name}
    if _whole(row.get("mtu")):
        made["mtu"] = row["mtu"]
    if row.get("addresses"):
        made["addresses"] = list(row["addresses"])
    return made


def _cards(rows: Mapping[str, Mapping[str, Any]], wish: Wish, made: _Made) -> None:
    for name, row in sorted(rows.items()):
        nic = _of(row, "nic")
        if row.get("kind") or not nic:
            continue
        pci = str(nic.get("bus") or "")
        if wish.dataplane is Dataplane.DPDK and not _PCI.fullmatch(pci):
            remedy = f"Name it in `keep`, or choose {Dataplane.AF_PACKET} or {Dataplane.AF_XDP} as the dataplane."
            made.wrong.append(Reason(f"interface {name}", f"PCI address {pci or 'unknown'}", "one for DPDK", remedy))
            continue
        vpp = {Dataplane.DPDK: name, Dataplane.AF_PACKET: f"host-{name}", Dataplane.AF_XDP: f"xdp-{name}"}
        made.names[name] = vpp[wish.dataplane]
        # A card in a bond shows the bond's address: its own is the one that it was made with.
        mac = str(row.get("permanent_mac") or row.get("mac") or "")
        phy = Phy(made.names[name], name, pci, str(nic.get("driver") or ""), mac, _whole(row.get("mtu")) or 1500)
        made.phys.append(phy)
        kind = "dpdk" if wish.dataplane is Dataplane.DPDK else "af-packet"
        about = (
            {"device-type": kind, "mtu": phy.mtu} if row.get("master") else {"device-type": kind} | _common(name, row)
        )
        # VPP gives its own addresses to what it does not drive itself; a card of DPDK keeps the one it was made with.
        other = wish.dataplane is not Dataplane.DPDK or row.get("permanent_mac", row.get("mac")) != row.get("mac")
        if other and row.get("mac") and not row.get("master"):
            about |= {"mac": str(row["mac"]).lower()}
        made.interfaces[phy.vpp] = about


def _bond(name: str, row: Mapping[str, Any], rows: Mapping[str, Mapping[str, Any]], made: _Made) -> None:
    about = _of(row, "bond")
    mode, policy = _MODES.get(str(about.get("mode"))), _POLICIES.get(str(about.get("policy")))
    if mode is None or (mode in _HASHES and policy is None):
        found = f"mode {about.get('mode')}, policy {about.get('policy')}"
        wanted = f"one of {', '.join(_MODES)}, with {', '.join(_POLICIES)}"
        made.wrong.append(Reason(f"bond {name}", found, wanted, "VPP has no such bond."))
        return
    number = re.search(r"[0-9]+$", name)
    vpp = f"BondEthernet{number[0] if number else len(made.bonds)}"
    members = sorted(made.names[n] for n, r in rows.items() if r.get("master") == name and n in made.names)
    made.names[name] = vpp
    made.bonds[vpp] = {"mode": mode, **({"load-balance": policy} if mode in _HASHES else {}), "interfaces": members}
    if row.get("mac"):
        made.bonds[vpp]["mac"] = str(row["mac"]).lower()  # the same to the switch and to every neighbour (S2-11)
    made.interfaces[vpp] = _common(name, row)


def _vlan(name: str, row: Mapping[str, Any], rows: Mapping[str, Mapping[str, Any]], made: _Made) -> None:
    about = _of(row, "vlan")
    parent, tag = str(about.get("parent") or ""), _whole(about.get("id"))
    outer = str(about.get("protocol") or "802.1Q").lower() == "802.1ad"
    if parent not in made.names or not tag:
        found = f"VLAN {tag or 'unknown'} on {parent or 'unknown'}"
        made.wrong.append(Reason(f"interface {name}", found, "a VLAN of a card or bond that VPP takes"))
        return
    above, _, middle = made.names[parent].partition(".")
    own: dict[str, Any] = _common(name, row)
    number = tag
    if middle:
        held = made.interfaces[above]["sub-interfaces"][int(middle)]
        first = {k: v for k, v in held.get("encapsulation", {"dot1q": int(middle)}).items() if k != "exact-match"}
        own["encapsulation"] = {**first, "inner-dot1q": tag, "exact-match": True}
        number = int(middle) * _INNER_ID + tag
    elif outer:
        own["encapsulation"] = {"dot1ad": tag, "exact-match": True}
    made.names[name] = f"{above}.{number}"
    made.interfaces[above].setdefault("sub-interfaces", {})[number] = own


def _dummy(name: str, row: Mapping[str, Any], rows: Mapping[str, Mapping[str, Any]], made: _Made) -> None:
    number = re.search(r"[0-9]+$", name)
    vpp = f"loop{number[0] if number else len(made.loopbacks)}"
    made.names[name] = vpp
    made.loopbacks[vpp] = _common(name, row)


def _loopback(facts: Mapping[str, Json], wish: Wish, made: _Made) -> None:
    """The addresses of lo: to a loopback of VPP; those of IPv6 to a card where that is wished."""
    found = facts.get("loopback")
    held = [str(a) for a in found] if isinstance(found, list | tuple) else []
    if LOOP in made.loopbacks:
        held = [*made.loopbacks[LOOP].get("addresses", []), *held]
    six = [a for a in held if ":" in a] if wish.loopback6_on else []
    if wish.loopback6_on and wish.loopback6_on not in made.names:
        found_name = f"{wish.loopback6_on}, which VPP does not take"
        made.wrong.append(Reason("loopback6_on", found_name, f"one of {', '.join(sorted(made.names)) or 'its cards'}"))
    elif six:
        place = _place(made, made.names[wish.loopback6_on])
        place["addresses"] = [*place.get("addresses", []), *six]
    left = [a for a in held if a not in six]
    if left:
        made.loopbacks.setdefault(LOOP, {"lcp": LOOP})["addresses"] = left
    elif LOOP in made.loopbacks:
        made.loopbacks[LOOP].pop("addresses", None)


def _place(made: _Made, vpp: str) -> dict[str, Any]:
    """The part of the configuration that is about a name in VPP."""
    above, _, sub = vpp.partition(".")
    if above in made.loopbacks:
        return made.loopbacks[above]
    about = made.interfaces[above]
    held: dict[str, Any] = about["sub-interfaces"][int(sub)] if sub else about
    return held


def routed(config: Mapping[str, Json]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every interface, sub-interface and loopback by its name in VPP, with its part of the configuration."""
    for group in ("interfaces", "loopbacks"):
        for name, about in sorted(_of(config, group).items()):
            about = about if isinstance(about, Mapping) else {}
            yield str(name), about
            for number, sub in sorted(_of(about, "sub-interfaces").items(), key=lambda item: str(item[0])):
                yield f"{name}.{number}", sub if isinstance(sub, Mapping) else {}


def pairs(config: Mapping[str, Json]) -> Mapping[str, str]:
    """Name in VPP > name in Linux, of everything that Linux sees."""
    return {name: str(about["lcp"]) for name, about in routed(config) if about.get("lcp")}
