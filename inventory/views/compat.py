"""What goes together: the matrix and the advisories with source and confidence, and which devices each speaks of."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from fleet import clock
from fleet.core import explain
from fleet.core.compat import Advisory, Answer, Condition, Knowledge, Row, Says, Side, Status, Told, Weight, match
from fleet.core.compat_components import running
from fleet.core.model import Json
from fleet.guards import reads
from inventory.compat import knowledge
from inventory.models import Router
from inventory.views import running_here
from inventory.views.cells import Cell
from inventory.views.running_here import Group

ROWS_SHOWN = 300

STATUS = {
    Status.OWN: Cell("own", icon="signed", tone="good"),
    Status.PUBLISHED: Cell("published", icon="look", tone="calm"),
    Status.WITHDRAWN: Cell("withdrawn", icon="cross", tone="alarm"),
}
SAYS = {Says.WORKS: Cell("works", icon="check", tone="good"), Says.AVOID: Cell("avoid", icon="alarm", tone="alarm")}
WEIGHT = {
    Weight.STOP: Cell("stops a plan", icon="stop", tone="alarm"),
    Weight.WARN: Cell("warns", icon="unsure", tone="care"),
}


@dataclass(frozen=True)
class Speaks:
    """Of whom an entry speaks: devices for certain, and those where a part of the condition is unknown."""

    devices: int = 0
    perhaps: int = 0
    groups: tuple[Group, ...] = ()

    @property
    def href(self) -> str:
        return self.groups[0].href if len(self.groups) == 1 else ""


@dataclass(frozen=True)
class ShownRow:
    row: Row
    when: str
    status: Cell
    says: Cell
    speaks: Speaks

    @property
    def withdrawn(self) -> bool:
        return self.row.told.status is Status.WITHDRAWN


@dataclass(frozen=True)
class ShownAdvisory:
    advisory: Advisory
    weight: Cell
    status: Cell
    where: str
    speaks: Speaks

    @property
    def withdrawn(self) -> bool:
        return self.advisory.told.status is Status.WITHDRAWN


@dataclass(frozen=True)
class ShownGroup:
    """A combination that runs here, and what is said of it; `evidence`: the query that asks for the fleet's own."""

    group: Group
    rows: tuple[tuple[Row, Cell, Cell, bool], ...]
    evidence: str


@dataclass(frozen=True)
class Advised:
    """An advisory that speaks of a device, of its `neighbour`, or perhaps does: a part of its condition is unknown."""

    advisory: Advisory
    weight: Cell
    perhaps: bool
    neighbour: str = ""


def in_words(when: Condition) -> str:
    """A condition as a person reads it."""
    parts = [
        when.family,
        ", ".join(sorted(when.models)),
        f"{when.flavour} driver" if when.flavour else "",
        f"driver {when.driver}" if when.driver else "",
        f"kernel {when.kernel}" if when.kernel else "",
        f"NVM {when.nvm}" if when.nvm else "",
        f"API {when.api}" if when.api else "",
        f"on {when.cpu_vendor}" if when.cpu_vendor else "",
        *(f"with {feature}" for feature in sorted(when.features)),
    ]
    return ", ".join(part for part in parts if part)


def speaks(answers: Iterable[tuple[Group, Answer]]) -> Speaks:
    sure = [(g, a) for g, a in answers if a is not Answer.NO]
    return Speaks(
        devices=sum(g.devices for g, a in sure if a is Answer.YES),
        perhaps=sum(g.devices for g, a in sure if a is Answer.UNKNOWN),
        groups=tuple(g for g, _ in sure),
    )


def _row(row: Row, cards: Sequence[Group]) -> ShownRow:
    asked = ((g, row.when.of_adapter(g.combination)) for g in cards if g.combination is not None)
    return ShownRow(row, in_words(row.when), STATUS[row.told.status], SAYS[row.says], speaks(asked))


def _advisory(one: Advisory, cards: Sequence[Group], software: Sequence[Group]) -> ShownAdvisory:
    group = one.component.partition(".")[0]
    asked = cards if group in {"driver", "firmware"} else software
    where = " or ".join(
        {Side.DEVICE: "on the device", Side.NEIGHBOUR: "on a neighbour"}[side] for side in sorted(one.looks_at)
    )
    return ShownAdvisory(
        one, WEIGHT[one.weight], STATUS[one.told.status], where, speaks((g, one.of(g.running)) for g in asked)
    )


def groups_with_rows(known: Knowledge, cards: Iterable[Group]) -> list[ShownGroup]:
    """The combinations that run, most devices first, each with the rows that speak of it."""
    made = []
    for group in sorted(cards, key=lambda g: (-g.devices, str(g.combination))):
        found = group.combination
        if found is None:
            continue
        rows = tuple(
            (row, STATUS[row.told.status], SAYS[row.says], answer is Answer.UNKNOWN)
            for row, answer in match(known, found)
        )
        made.append(ShownGroup(group, rows, urlencode({k: v for k, v in vars(found).items() if v})))
    return made


@reads
def compat(request: HttpRequest) -> HttpResponse:
    """The page: advisories, what runs here, the matrix narrowed by family, status and words."""
    known = knowledge()
    cards, software = running_here.by_card(), running_here.by_software()
    family, status, words = (
        request.GET.get(key, "").replace("\x00", "").strip()[:200] for key in ("family", "status", "q")
    )
    chosen = [row for row in known.rows if _fits(row, family, status, words)]
    shown = sorted((_row(row, cards) for row in chosen), key=lambda r: (-r.speaks.devices, -r.speaks.perhaps))
    advisories = [_advisory(one, cards, software) for one in known.advisories]
    advisories.sort(key=lambda a: (a.withdrawn, a.advisory.weight is not Weight.STOP, -a.speaks.devices))
    context: dict[str, Any] = {
        "now": clock.now(),
        "wrong": explain.sentences(known.wrong),
        "advisories": advisories,
        "running": groups_with_rows(known, cards),
        "rows": shown[:ROWS_SHOWN],
        "rows_in_all": len(shown),
        "families": sorted({row.when.family for row in known.rows}),
        "statuses": [status.value for status in Status],
        "family": family,
        "status": status,
        "words": words,
    }
    return render(request, "inventory/compat.html", context)


def _fits(row: Row, family: str, status: str, words: str) -> bool:
    told: Told = row.told
    text = " ".join((row.id, in_words(row.when), told.source, row.note, told.because, *told.reference)).lower()
    asked = all(word in text for word in words.lower().split())
    return asked and (not family or row.when.family == family) and (not status or told.status.value == status)


def of_device(router: Router, facts: Json, neighbours: Mapping[int, str]) -> dict[str, Any]:
    """What is known of a device's combinations; advisories that speak of it or of a neighbour. Two queries."""
    known = knowledge()
    device = running(router.name, facts if isinstance(facts, dict) else {})
    advised = []
    for one in known.advisories:
        answer = one.of(device) if Side.DEVICE in one.looks_at else Answer.NO
        if answer is not Answer.NO:
            advised.append(Advised(one, WEIGHT[one.weight], answer is Answer.UNKNOWN))
    for pk, group in running_here.of_routers(list(neighbours)):
        for one in known.advisories:
            if Side.NEIGHBOUR in one.looks_at and (answer := one.of(group)) is not Answer.NO:
                advised.append(Advised(one, WEIGHT[one.weight], answer is Answer.UNKNOWN, neighbours[pk]))
    advised.sort(key=lambda a: (a.perhaps, a.advisory.weight is not Weight.STOP, a.neighbour, a.advisory.id))
    return {
        "advised": [a for a in advised if not a.perhaps],
        "advised_perhaps": [a for a in advised if a.perhaps],
        "combinations": groups_with_rows(known, running_here.by_card(router=router.pk)),
    }
