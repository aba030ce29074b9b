"""The doctor's report on a device out of two stored looks and stored flows; and the picture over time. Pure."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from fleet.core import rss_reading
from fleet.core.model import Json
from fleet.core.repair import Repair
from fleet.core.rss import Flow
from fleet.core.rss_doctor import Diagnosis, diagnose
from fleet.core.rss_remedies import OF_VICS, UCS_RECIPE


@dataclass(frozen=True)
class QueueRow:
    """One queue: share of the packets that was seen, predicted, and best; None where not told."""

    queue: int
    seen: float | None
    predicted: float | None
    best: float | None


@dataclass(frozen=True)
class HeatMap:
    """Queues by CPUs: interrupts of each receive queue on each CPU, as shares of the busiest. Both sorted."""

    queues: tuple[int, ...]
    cpus: tuple[int, ...]
    shares: Mapping[tuple[int, int], float]
    counts: Mapping[tuple[int, int], int]


def report(
    device: str, before: Json, after: Json, *, flows: Mapping[Flow, int] | None = None, interface: str = ""
) -> tuple[Diagnosis, ...]:
    """What the doctor says of each interface; `flows` are those of `interface` alone."""
    machine = rss_reading.machine(after)
    made = []
    for name in rss_reading.names(after):
        card = rss_reading.card(after, name)
        if card is not None and (not interface or flows or name == interface):
            mine = flows if flows and name == interface else None
            load = rss_reading.load(before, after, name)
            made.append(diagnose(device, card, machine, load=load, flows=mine))
    return tuple(made)


def rows(found: Diagnosis) -> tuple[QueueRow, ...]:
    """Queue by queue, all that any of the three spreads names."""
    spreads = (found.seen, found.predicted, found.best)
    queues = {q for spread in spreads if spread is not None for q in spread.packets}
    queues |= set(range(found.card.queues or 0))
    return tuple(
        QueueRow(q, *(spread.share(q) if spread is not None else None for spread in spreads)) for q in sorted(queues)
    )


def heat(before: Json, after: Json, name: str) -> HeatMap | None:
    """Interrupts of queues by CPUs between two looks; None where a driver's interrupts cannot be told."""
    load = rss_reading.load(before, after, name)
    if load is None or load.interrupts is None:
        return None
    counts = {(q, cpu): n for q, by_cpu in load.interrupts.items() for cpu, n in by_cpu.items()}
    most = max(counts.values(), default=0) or 1
    return HeatMap(
        tuple(sorted({q for q, _ in counts})),
        tuple(sorted({cpu for _, cpu in counts})),
        {place: n / most for place, n in counts.items()},
        counts,
    )


def over_time(looks: Sequence[tuple[Json, Json]], name: str) -> list[tuple[float, ...]]:
    """For each pair of looks, oldest first: the share of the packets (or interrupts) of each queue; empty: not told."""
    made = []
    for before, after in looks:
        load = rss_reading.load(before, after, name)
        seen = load.seen() if load is not None else None
        made.append(tuple(seen[0].share(q) for q in sorted(seen[0].packets)) if seen is not None else ())
    return made


def together(repairs: Iterable[Repair]) -> tuple[Repair, ...]:
    """As few requests as devices and settings allow: devices that need the same are targets of one, in their order.
    A machine reboots once, for as many queues as any of its vNICs needs."""
    most: dict[str, int] = {}
    listed = list(repairs)
    for one in listed:
        if one.recipe in OF_VICS:
            for name in one.targets:
                most[name] = max(most.get(name, 0), int(one.inputs["queues"]))
    made: dict[str, tuple[Repair, list[str]]] = {}
    for one in listed:
        for name in one.targets:
            inputs = {"queues": most[name]} if one.recipe in OF_VICS else dict(one.inputs)
            key = json.dumps([one.recipe, inputs], sort_keys=True)
            names = made.setdefault(key, (replace(one, inputs=inputs), []))[1]
            if name not in names:
                names.append(name)
    return tuple(replace(one, targets=tuple(names)) for one, names in made.values())


def _where(cpus: str) -> str:
    return "CPUs near the card" if cpus == "local" else f"CPUs {cpus}"


def title(one: Repair) -> str:
    """What a request of the doctor does, in a few words."""
    inputs = one.inputs
    if one.recipe in OF_VICS:
        who = ", ".join(one.targets) if len(one.targets) < 6 else f"{len(one.targets)} hosts"
        how = "adapter policy" if one.recipe == UCS_RECIPE else "management controller"
        return f"{inputs['queues']} queues by {how} for the vNICs of {who}"[:200]
    what = [f"{inputs['queues']} queues"] if inputs.get("queues") else []
    what += ["RSS over all of them"] if inputs.get("spread") else []
    what += [f"their interrupts on {_where(str(inputs['interrupts']))}"] if inputs.get("interrupts") else []
    what += [f"UDP hashed by {inputs['udp']}"] if inputs.get("udp") else []
    return f"Spread packets of {inputs.get('interface')} on {', '.join(one.targets)}: {', '.join(what)}"[:200]
