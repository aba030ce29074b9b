"""What the neighbours of a router forward, measured beside it: a neighbour that still forwards to the dead one is the
fault that looking at the changed router alone misses (story S0-15)."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from fleet.core.model import CheckSpec, Finding, Json, Reason, Severity, Topology
from inventory.models import LinkEnd, Router
from playbooks import transport
from playbooks.base import Device, DeviceError, Step
from playbooks.facts.driver import measure

CHECK = "rib_fib_neighbours"
VERBS = frozenset({"verify", "soak"})


_NAMED = 5


def none_on_record(names: Sequence[str], topology: Topology, checks: Collection[CheckSpec]) -> tuple[Finding, ...]:
    """A warning where a check is about neighbours and routers have none that Slipway could ask."""
    if all(check.name != CHECK for check in checks):
        return ()
    managed = [link for link in topology.links if topology.domain_of.keys() >= {link.a, link.b}]
    linked = {name for link in managed for name in (link.a, link.b)}
    alone = [name for name in names if name not in linked]
    if not alone:
        return ()
    more = f" and {len(alone) - _NAMED} more" if len(alone) > _NAMED else ""
    reason = Reason(
        f"neighbours of {', '.join(alone[:_NAMED])}{more}", "no managed router at the other end of a link", "one",
        "Enter its links. Without, whether a neighbour still forwards to a router that is gone is not looked at.",
    )  # fmt: skip
    return (Finding("no-neighbours", Severity.WARN, reason),)


def beside(value: Step, devices: Sequence[Device]) -> Step:
    """The step with what the neighbours forward, where it judges that.

    Of a router that has none the others of its checks decide: the approver was told (`none_on_record`). As the only
    check it stays, and is inconclusive.
    """
    if value.verb not in VERBS or value.baseline is None or all(check.name != CHECK for check in value.checks):
        return value
    others = tuple(check for check in value.checks if check.name != CHECK)
    if not devices and others:
        return replace(value, checks=others)
    samples = value.baseline.get("samples")
    around = measure_around(devices, [str(a) for a in samples] if isinstance(samples, list) else [])
    return replace(value, progress={**value.progress, "neighbours": around})


def devices_around(names: Collection[str]) -> Mapping[str, Sequence[Device]]:
    """Router name -> the managed routers at the other ends of its links. Three queries, however many names."""
    links: dict[int, list[str]] = defaultdict(list)
    ends = LinkEnd.objects.filter(link__ends__router__name__in=names, router__isnull=False)
    for link, name in ends.values_list("link_id", "router__name").distinct():
        links[link].append(name)
    around: dict[str, set[str]] = defaultdict(set)
    for pair in links.values():
        for name in pair:
            around[name].update(other for other in pair if other != name)
    devices = Router.objects.devices({other for name in names for other in around[name]})
    return {name: [devices[other] for other in sorted(around[name])] for name in names}


def measure_around(devices: Sequence[Device], samples: Sequence[str]) -> dict[str, Json]:
    """Name -> measurement of each neighbour; one that cannot be asked has its error there, and proves nothing."""
    made: dict[str, Json] = {}
    for device in devices:
        try:
            session = transport.connect(device)
            try:
                made[device.name] = measure(session, samples)
            finally:
                session.close()
        except DeviceError as error:
            made[device.name] = {"error": str(error)}
    return made
