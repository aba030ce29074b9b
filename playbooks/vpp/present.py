"""What VPP has, as a value: interfaces, pairs with Linux, bonds; fresh from its start, or configured."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fleet.core.model import Json
from fleet.core.vpp import Phy, normalised, routed

# What vppcfg writes onto what it owns; what has another tag belongs to somebody else.
OWN_TAG = "vppcfg"
# vppcfg's own stand-in for a card when it plans without a VPP: everything must be said, and nothing of it is so yet.
_MOCK_MTU = 64


@dataclass(frozen=True)
class Port:
    """One interface of VPP. `kind`: its device type as the API names it. `sup`: of a sub-interface, its card."""

    name: str
    kind: str
    mac: str = "00:00:00:00:00:00"
    up: bool = False
    mtu: int = 9000
    link_mtu: int = 9000
    addresses: tuple[str, ...] = ()
    tag: str = ""
    sup: str = ""
    sub_id: int = 0
    outer: int = 0
    inner: int = 0
    dot1ad: bool = False
    exact: bool = False

    @property
    def tags(self) -> int:
        return (self.outer > 0) + (self.inner > 0)


@dataclass(frozen=True)
class Bond:
    """One bond: mode and load balancing by vppcfg's names."""

    name: str
    mode: str
    balance: str
    members: tuple[str, ...] = ()


@dataclass(frozen=True)
class Present:
    """Everything that vppcfg asks VPP for. `pairs`: interface of VPP > name in Linux."""

    ports: tuple[Port, ...] = ()
    bonds: tuple[Bond, ...] = ()
    pairs: Mapping[str, str] = field(default_factory=dict)
    lcp: bool = True

    def port(self, name: str) -> Port | None:
        return next((port for port in self.ports if port.name == name), None)


LOCAL = Port("local0", "local", mtu=0, link_mtu=0)


def mocked(config: Mapping[str, Json]) -> Present:
    """What `vppcfg plan --novpp` assumes: cards of DPDK that are in the configuration, and nothing set on them."""
    found = config.get("interfaces")
    cards = found.items() if isinstance(found, Mapping) else ()
    ports = [
        Port(str(name), str(about["device-type"]), mtu=_MOCK_MTU, link_mtu=_MOCK_MTU, tag=OWN_TAG)
        for name, about in cards
        if isinstance(about, Mapping) and about.get("device-type") in {"dpdk", "rdma"}
    ]
    return Present((Port("local0", "local", mtu=0, link_mtu=0, tag=OWN_TAG), *ports))


def fresh(phys: Iterable[Phy]) -> Present:
    """VPP after its start: the cards, down, of which nothing is taken for granted: all that is wanted will be said."""
    kinds = {True: "af-packet", False: "dpdk"}
    return Present(
        (
            LOCAL,
            *(Port(p.vpp, kinds[p.vpp != p.linux], mtu=_MOCK_MTU, link_mtu=_MOCK_MTU) for p in phys),
        )
    )


def in_force(config: Mapping[str, Json]) -> Present:
    """VPP with this configuration in force, as the one that was applied last says it."""
    config = normalised(config)
    bonds = tuple(_bond(str(name), about) for name, about in sorted(_of(config, "bondethernets").items()))
    ports = [Port("local0", "local", mtu=0, link_mtu=0)]
    for name, about in routed(config):
        above, _, number = name.partition(".")
        if number:
            ports.append(_sub(name, above, int(number), about, _of(_of(config, "interfaces"), above)))
            continue
        kind = "Loopback" if name in _of(config, "loopbacks") else "bond" if name in {b.name for b in bonds} else ""
        mtu = int(about.get("mtu", 1500))
        mac = str(about.get("mac") or _of(_of(config, "bondethernets"), name).get("mac") or "02:fe:00:00:00:01")
        ports.append(
            Port(
                name, kind or str(about.get("device-type", "dpdk")), mac=mac, up=about.get("state", "up") == "up",
                mtu=mtu, link_mtu=max(mtu, 9216 * (kind == "bond")),
                addresses=tuple(about.get("addresses", ())), tag=OWN_TAG,
            )
        )  # fmt: skip
    pairs = {name: str(about["lcp"]) for name, about in routed(config) if about.get("lcp")}
    return Present(tuple(ports), bonds, pairs)


def _of(value: Any, key: str) -> Mapping[str, Any]:
    found = value.get(key) if isinstance(value, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _bond(name: str, about: Mapping[str, Any]) -> Bond:
    mode = str(about.get("mode", "lacp"))
    balance = str(about.get("load-balance", "l34" if mode in {"lacp", "xor"} else ""))
    return Bond(name, mode, balance, tuple(about.get("interfaces", ())))


def _sub(name: str, above: str, number: int, about: Mapping[str, Any], parent: Mapping[str, Any]) -> Port:
    tags = about.get("encapsulation") or {"dot1q": number, "exact-match": True}
    mtu = int(about.get("mtu", parent.get("mtu", 1500)))
    exact = bool(tags.get("exact-match", False))
    return Port(
        name, "dpdk", up=about.get("state", "up") == "up", mtu=mtu, link_mtu=0,
        addresses=tuple(about.get("addresses", ())), tag=OWN_TAG, sup=above, sub_id=number,
        outer=int(tags.get("dot1ad") or tags.get("dot1q") or 0),
        inner=int(tags.get("inner-dot1q") or 0), dot1ad="dot1ad" in tags, exact=exact,
    )  # fmt: skip
