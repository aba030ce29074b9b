"""What the neighbours of a router forward, measured beside it: a neighbour that still forwards to the dead one is the
fault that looking at the changed router alone misses (story S0-15)."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from fleet.core.model import CheckSpec, Json
from inventory.models import LinkEnd, Router
from playbooks import transport
from playbooks.base import Device, DeviceError
from playbooks.facts.driver import measure

CHECK = "rib_fib_neighbours"
VERBS = frozenset({"verify", "soak"})


def wanted(verb: str, checks: Collection[CheckSpec]) -> bool:
    """Does this step judge what the neighbours forward?"""
    return verb in VERBS and any(check.name == CHECK for check in checks)


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
