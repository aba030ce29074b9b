"""What to change so that packets spread: requests for recipes, and advice where no recipe of a router helps. Pure."""

from collections.abc import Iterable

from fleet.core.model import Json
from fleet.core.repair import Repair
from fleet.core.rss import ESP, UDP, Flow
from fleet.core.rss_load import Card, Limits, Machine

RECIPE = "nic-rss"
# Where the queues are those of the blade's adapter: its policy, with an acknowledged reboot.
UCS_RECIPE = "ucs-queues"
RACK_RECIPE = "ucs-rack-queues"  # the same of a standalone server, which has no policies
OF_VICS = frozenset({UCS_RECIPE, RACK_RECIPE})
_NAT_T = 4500
_VXLAN, _GENEVE = 4789, 6081
# Behind this many queues a router's cores are rarely short, and each takes memory and an interrupt (scaling.rst: "as
# many queues as avoid overflow, no more").
_PLENTY = 16


def queues_wanted(card: Card, machine: Machine, limits: Limits) -> int | None:
    """How many receive queues this card should have; None: not known.

    Half of the physical cores, rounded up, as the kernel's default (netif_get_num_default_rss_queues); a power of two,
    so that an indirection table is even; never more than the card, its driver or RSS can use.
    """
    cores = machine.cores or machine.cpus
    bounds = [n for n in (card.most, limits.queues, limits.spread) if n]
    if cores is None or not (bounds or card.settable):
        return None
    wanted = min([_PLENTY, max(2, (cores + 1) // 2) if cores > 2 else cores, *bounds])
    return 1 << (wanted.bit_length() - 1) if wanted > 0 else None


def _request(device: str, card: Card, **inputs: Json) -> Repair:
    return Repair(RECIPE, {"interface": card.name, **inputs}, (device,), ())


def _pinned(machine: Machine) -> dict[str, Json]:
    """One CPU for each queue, of the card's NUMA node and none that is isolated. irqbalance would move them again."""
    balanced: dict[str, Json] = {"irqbalance": False} if machine.irqbalance else {}
    return {"interrupts": "local", **balanced}


def more_queues(device: str, card: Card, machine: Machine, wanted: int) -> tuple[Repair | None, tuple[str, ...]]:
    """Queues with RSS over all of them, and CPUs for them; words where the host cannot set them."""
    if card.driver == "enic":
        rules = (
            f"The host cannot set them: the UCS adapter policy does: recv-queue {wanted}, trans-queue {wanted}, "
            f"comp-queue {2 * wanted}, interrupt {2 * wanted + 2}, rss receivesidescaling enabled; the server reboots."
        )
        return Repair(UCS_RECIPE, {"queues": wanted}, (device,), ()), (rules,)
    if not card.settable:
        return None, ("The host cannot set its queues: its hypervisor or its adapter policy does.",)
    return _request(device, card, queues=wanted, spread=True, **_pinned(machine)), ()


def equal_table(device: str, card: Card) -> Repair:
    """The same number of buckets for every queue."""
    return _request(device, card, spread=True)


def hash_ports(device: str, card: Card) -> Repair:
    """Addresses and ports, for UDP of both families: TCP has them on every card."""
    return _request(device, card, spread=False, udp="sdfn")


def spread_interrupts(device: str, card: Card, machine: Machine) -> Repair:
    """One CPU for each queue, kept from irqbalance."""
    return _request(device, card, spread=False, **_pinned(machine))


def entropy_advice(flows: Iterable[Flow]) -> tuple[str, ...]:
    """What whoever encapsulates could do, by what these flows are."""
    advice = []
    ports = {port for f in flows if f.protocol == UDP for port in (f.source_port, f.destination_port)}
    protocols = {f.protocol for f in flows}
    if _NAT_T in ports:
        advice.append(
            "The entropy must come from the encapsulator: ESP in UDP has port 4500 at both ends, so only the peers' "
            "addresses differ. VXLAN hashes the inner flow into the outer source port; the same for ESP, if the peer "
            "can, or several tunnels between different addresses."
        )
    if ESP in protocols:
        advice.append("ESP has no ports: several tunnels between different addresses spread, one tunnel does not.")
    if ports & {_VXLAN, _GENEVE}:
        advice.append("The tunnel's source port should be a hash of the inner flow: its encapsulator does not do that.")
    advice.append(
        "One tunnel is one queue and one core for decryption; a faster core, or decryption in parallel (pcrypt, xfrm "
        "by CPU), is what is left. RPS does not help: it hashes the same addresses and ports."
    )
    return tuple(advice)


def not_hashed_advice(kinds: Iterable[str], card: Card) -> tuple[str, ...]:
    """What helps where a card assigns no hash."""
    return (
        f"Try another firmware or another card: {card.driver or 'this driver'} assigns no hash to {', '.join(kinds)}.",
        "RPS spreads in software what the card leaves on one queue: nic with rps, as a mitigation with a date.",
    )


def interrupts_advice(machine: Machine) -> tuple[str, ...]:
    """irqbalance and affinity do not work against each other."""
    if machine.irqbalance is False:
        return ("Or start irqbalance: systemctl enable --now irqbalance.",)
    if machine.irqbalance:
        return ("irqbalance runs: what is pinned by hand it moves again within 10 s, unless it is told to leave it.",)
    return ()
