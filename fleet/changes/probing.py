"""Before a visit to `probe` or `probe-again`: who the vantage points are, and what is measured between them."""

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_network

from fleet.changes import neighbours
from fleet.changes.models import StepRun
from fleet.core import probes
from fleet.core.states import StepState
from inventory.models import Beacon, Router
from playbooks.base import Device, Step
from playbooks.probe.measure import Task, measure
from playbooks.probe.params import BEACON, HERE, NEIGHBOURS, ProbeParams

VERBS = frozenset({"probe", "probe-again"})
# Routers beside the vantage points that are asked whether they, too, announce a beacon; the nearest first.
MOST_ASKED = 12


def attend(steps: Sequence[StepRun], value: Step) -> Step:
    """The step with its measurement in its progress; `steps`: all of its target, of which `probe` has measured before.

    No query and no connection for other verbs. Takes as long as the probes do.
    """
    first = next((s for s in steps if s.verb == "probe" and not s.back), None) if value.verb in VERBS else None
    if first is None:
        return value  # a recipe that probes again without having probed: the driver says so
    params, kept = first.planned["params"], first.data if first.state == StepState.DONE else None
    asked = ProbeParams.model_validate(params)
    pairs, left_out = measure(task_of(value.device, asked))
    probed = {"pairs": [probes.to_row(one) for one in pairs], "left_out": [str(reason) for reason in left_out]}
    return replace(value, progress={**value.progress, "probed": probed, "before": kept, "dry_run": asked.dry_run})


def task_of(device: Device, asked: ProbeParams) -> Task:
    """What the words of a recipe mean for one device. At most six queries."""
    words = [*asked.from_, *asked.to]
    beacons = _beacons(device.name) if BEACON in asked.to else []
    named = {w for w in words if w not in (HERE, NEIGHBOURS, BEACON)}
    known = set(Router.objects.filter(name__in=named).values_list("name", flat=True))
    around = neighbours.devices_around({device.name, *known})
    near = [d.name for d in around[device.name]]
    wanted = {device.name, *known, *near[:MOST_ASKED]}
    # Hops have names where their address is that of a device that was asked: those beside the ends are compared.
    beside = sorted({d.name for name in known for d in around[name]} - wanted)
    wanted |= set(beside[: max(0, MOST_ASKED - len(wanted))])
    if beacons and len(wanted) < MOST_ASKED:
        more = Router.objects.exclude(name__in=wanted).exclude(suite="none").order_by("name")
        wanted |= set(more.values_list("name", flat=True)[: MOST_ASKED - len(wanted)])
    return Task(
        device=device,
        devices=Router.objects.devices(wanted),
        sources=_spelled(asked.from_, near),
        targets=_spelled(asked.to, near),
        beacons=beacons,
        count=asked.count,
        interval=asked.interval,
        strict=asked.way_back,
    )


def _spelled(words: Sequence[str], near: Sequence[str]) -> list[str]:
    """`neighbours` by their names."""
    return list(dict.fromkeys(name for word in words for name in (near if word == NEIGHBOURS else (word,))))


def _beacons(name: str) -> list[tuple[str, str]]:
    """(prefix, address in it that answers): the address on record, else the first of the prefix."""
    rows = Beacon.objects.filter(router__name=name).values_list("prefix", "test_address")
    return [(prefix, address or str(ip_network(prefix)[0 if "/32" in prefix or "/128" in prefix else 1]))
            for prefix, address in rows]  # fmt: skip
