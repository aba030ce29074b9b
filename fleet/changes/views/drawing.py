"""The drawing of a plan's waves on the topology, as values that templates/changes/_drawing.html writes as SVG.

Up to layout.MOST devices are drawn one by one with their links; more as a table of failure domains and waves.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from fleet.core import layout
from inventory.models import LinkEnd

WIDTH, HEIGHT, EDGE = 900.0, 420.0, 46.0  # units of the drawing; EDGE: room for names at its border
UNLINKED = 12  # more devices than this without any link among them are no drawing
# Failure domains and waves of a large plan that are drawn; the others are counted.
DOMAINS_SHOWN, WAVES_SHOWN = 20, 8


@dataclass(frozen=True)
class Node:
    """A device on the drawing; `wave` is None of neighbours that the plan does not touch."""

    name: str
    x: float
    y: float
    wave: int | None
    external: bool = False

    @property
    def below(self) -> float:
        """Where its name stands."""
        return self.y + 34.0

    @property
    def corner(self) -> tuple[float, float]:
        """Of the square that an external is drawn as."""
        return self.x - 8.0, self.y - 8.0

    @property
    def middle(self) -> float:
        """The base line of the number in it."""
        return self.y + 5.5


@dataclass(frozen=True)
class Line:
    """A link on the drawing."""

    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True)
class Drawing:
    """Nodes and links. `height`: of the drawing, less for few devices."""

    nodes: tuple[Node, ...]
    lines: tuple[Line, ...]
    height: float
    words: str


@dataclass(frozen=True)
class Row:
    """One failure domain: how many of its devices each wave takes (one cell for each wave)."""

    domain: str
    cells: tuple[int, ...]
    total: int


@dataclass(frozen=True)
class Table:
    """Failure domains and waves of a plan that is too large to be drawn device by device."""

    waves: tuple[int, ...]
    rows: tuple[Row, ...]
    more: int  # failure domains that are not shown
    later: bool  # waves that are not shown


def draw(wave_of: Mapping[str, int]) -> Drawing | None:
    """The devices of a plan with their neighbours and links; None when they are too many. One query."""
    if not wave_of or len(wave_of) > layout.MOST:
        return None
    links = _links(wave_of)
    ends = {end for pair in links for end in pair}
    around = sorted(ends - {(name, False) for name in wave_of})
    if len(wave_of) + len(around) > layout.MOST:
        around = []
    external = {name for name, is_external in around if is_external}
    names = (*wave_of, *(name for name, _ in around))
    known = set(names)
    pairs = tuple(sorted((a, b) for (a, _), (b, _) in links if a in known and b in known))
    at = _placed(names, pairs)
    if not pairs and len(names) > UNLINKED:
        return None
    height = HEIGHT if len(names) > 8 else HEIGHT * 0.7 if pairs else HEIGHT * 0.33
    spot = {name: _spot(x, y, height) for name, (x, y) in at.items()}
    nodes = tuple(Node(name, *spot[name], wave_of.get(name), name in external) for name in names)
    lines = tuple(Line(*spot[a], *spot[b]) for a, b in dict.fromkeys(pairs))
    neighbours = f", {len(around)} neighbours that are not touched" if around else ""
    words = f"{len(wave_of)} devices of the plan with their wave{neighbours}, {len(lines)} links"
    return Drawing(nodes, lines, height, words)


# The same plan is looked at again and again: its drawing is worked out once in a process.
@lru_cache(maxsize=64)
def _placed(names: tuple[str, ...], pairs: tuple[tuple[str, str], ...]) -> dict[str, layout.Point]:
    return layout.place(names, pairs)


def _spot(x: float, y: float, height: float) -> tuple[float, float]:
    return round(EDGE + x * (WIDTH - 2 * EDGE), 1), round(EDGE * 0.6 + y * (height - 1.9 * EDGE), 1)


def _links(names: Mapping[str, int]) -> list[tuple[tuple[str, bool], tuple[str, bool]]]:
    """Every link with an end on one of these devices: pairs of (name, is it an external)."""
    mine = LinkEnd.objects.filter(router__name__in=list(names)).order_by().values("link")
    rows = LinkEnd.objects.filter(link__in=mine).order_by("link_id", "side")
    ends: dict[int, list[tuple[str, bool]]] = {}
    for link, router, external in rows.values_list("link_id", "router__name", "external__name"):
        ends.setdefault(link, []).append((router, False) if router is not None else (external, True))
    return [(pair[0], pair[1]) for pair in ends.values() if len(pair) == 2]


def table(placed: Sequence[tuple[str, int]]) -> Table:
    """`placed`: failure domain and wave of every device. The domains with most devices first."""
    count = Counter(placed)
    totals = Counter(domain for domain, _ in placed)
    waves = sorted({wave for _, wave in placed})
    shown = tuple(waves[:WAVES_SHOWN])
    ordered = sorted(totals, key=lambda d: (-totals[d], d))
    rows = tuple(
        Row(domain or "unknown", tuple(count[domain, wave] for wave in shown), totals[domain])
        for domain in ordered[:DOMAINS_SHOWN]
    )
    return Table(shown, rows, len(ordered) - len(rows), len(waves) > len(shown))
