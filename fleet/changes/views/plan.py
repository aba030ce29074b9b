"""The plan of a revision, as it is approved: risk and why, findings, waves and times, per device what is done.

Works on the stored document: of a thousand devices only those on the page are read as values.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse

from fleet import clock
from fleet.changes import durations
from fleet.changes.models import Revision
from fleet.changes.models.overrides import in_force
from fleet.changes.views import diff, drawing, shown_findings, timing
from fleet.changes.views import frame as frames
from fleet.changes.views.access import reads
from fleet.changes.views.change import number_in
from fleet.changes.views.diff import Diff
from fleet.core import plan as planning
from fleet.core import preconditions, risk
from fleet.core.durations import Expected, Known
from fleet.core.model import Json, PlannedStep, to_json
from inventory.models import Router
from inventory.topology import load as load_topology

DEVICES_PER_PAGE = 25
FACTS_SHOWN = 40
# Looking at the risk anew costs up to 24 ms a device on a network of one piece; what the engine planned is kept.
LOOKED_AT_ANEW = 25

Document = Mapping[str, Any]


@dataclass(frozen=True)
class ShownStep:
    """A planned step with its diff, how long it takes, and what must still be so."""

    step: PlannedStep
    diff: Diff | None
    expected: Expected
    facts: tuple[tuple[str, Json], ...]
    conditions: Mapping[str, Json]


@dataclass(frozen=True)
class ShownTarget:
    """A device of the plan with how long it takes."""

    name: str
    role: str
    wave: int
    failure_domain: str
    steps: tuple[ShownStep, ...]
    expected: Expected
    forward_s: float
    worst_case_s: float
    same_as: str = ""  # an earlier device of the page on which exactly the same is done

    @property
    def back_s(self) -> float:
        """What the way back adds at most."""
        return self.worst_case_s - self.forward_s


@reads
def plan(request: HttpRequest, pk: int, number: int | None = None) -> HttpResponse:
    """The plan of the newest revision, or of revision `number`. ?wave= and ?device= narrow its devices."""
    frame = frames.load(pk, clock.now())
    row = _revision(pk, number)
    document = _document(row.digest)
    roles = dict(Router.objects.filter(name__in=[t["name"] for t in document["targets"]]).values_list("name", "role"))
    known = durations.known({step["verb"] for target in document["targets"][:50] for step in target["steps"]})
    at_once = document["strategy"]["budget"]["total"]
    times = timing.of(document["targets"], at_once, known, roles, names_shown=12)
    content = {
        "shown": row,
        "findings": shown_findings.shown(document["findings"], in_force(pk, document["findings"])),
        "newest": frame.revision is not None and frame.revision.pk == row.pk,
        "plan": document,
        "reversibility": _ways_back(document["targets"]),
        "assessed": _assessed(row),
        "times": times,
        "drawing": drawing.draw({t["name"]: t["wave"] for t in document["targets"]}),
        "table": drawing.table([(t["failure_domain"], t["wave"]) for t in document["targets"]]),
        "others": [n for n in frames.revision_numbers(frame.change) if n != row.number],
        "still": True,
        **_devices(request, document, known, roles),
    }
    return frames.show(request, frame, "plan", content)


def _revision(pk: int, number: int | None) -> Revision:
    rows = Revision.objects.filter(change=pk).select_related("created_by").defer("recipe_text", "plan")
    row = (rows.filter(number=number) if number is not None else rows.order_by("-number")).first()
    if row is None:
        raise Http404(f"Change {pk} has no revision {number}." if number else f"Change {pk} has no plan yet.")
    return row


# Reading the document of 1,000 devices takes 40 ms and more; whoever reads a plan turns its pages. It never changes.
@lru_cache(maxsize=2)
def _document(digest: str) -> Document:
    """The plan with this digest."""
    found: Document | None = Revision.objects.filter(digest=digest).values_list("plan", flat=True).first()
    assert found is not None
    return found


def _devices(request: HttpRequest, document: Document, known: Known, roles: Mapping[str, str]) -> dict[str, Any]:
    """The devices of this page of the plan."""
    wave, part = number_in(request, "wave", -1), request.GET.get("device", "").strip()[:100]
    targets: Sequence[Document] = document["targets"]
    exact = [t for t in targets if t["name"] == part]
    chosen = exact or [t for t in targets if part in t["name"] and wave in {-1, t["wave"]}]
    page = max(1, number_in(request, "page", 1))
    first = (page - 1) * DEVICES_PER_PAGE
    shown = chosen[first : first + DEVICES_PER_PAGE]
    narrowed = "".join(f"&{k}={v}" for k, v in (("wave", wave if wave >= 0 else ""), ("device", part)) if v != "")
    return {
        "targets": _all_shown(shown, known, roles),
        "first": first + 1,
        "last": first + len(shown),
        "chosen": len(chosen),
        "total": len(targets),
        "wave": wave,
        "part": part,
        "narrowed": narrowed,
        "previous": page - 1,
        "following": page + 1 if first + DEVICES_PER_PAGE < len(chosen) else 0,
    }


def _all_shown(targets: Sequence[Document], known: Known, roles: Mapping[str, str]) -> list[ShownTarget]:
    """Each device; what is done on it is the same as on an earlier one more often than not."""
    firsts: list[Document] = []
    made = []
    for target in targets:
        like = next((f["name"] for f in firsts if f["steps"] == target["steps"]), "")
        if not like:
            firsts.append(target)
        made.append(_shown(target, known, roles.get(target["name"], ""), same_as=like))
    return made


def _shown(target: Document, known: Known, role: str, *, same_as: str) -> ShownTarget:
    name = target["name"]
    steps = [planning.step_from_json(step) for step in target["steps"]]
    return ShownTarget(
        name,
        role,
        target["wave"],
        target["failure_domain"],
        tuple(_step(step, known.step(step, name, role)) for step in steps),
        known.target(steps, name, role),
        sum(step.within_s for step in steps),
        planning.worst_case_s(steps),
        same_as,
    )


def _step(step: PlannedStep, expected: Expected) -> ShownStep:
    facts = step.expected.get(preconditions.FACTS) or {}
    others = {key: value for key, value in step.expected.items() if key != preconditions.FACTS}
    return ShownStep(step, diff.of(step.diff), expected, tuple(sorted(facts.items()))[:FACTS_SHOWN], others)


def _ways_back(targets: Sequence[Document]) -> dict[str, list[str]]:
    """Way back -> the verbs that have it, over the whole plan, the best first."""
    found: dict[str, dict[str, None]] = {}
    for target in targets:
        for step in target["steps"]:
            found.setdefault(step["reversibility"], {})[step["verb"]] = None
    order = ("not at all", "by reflash", "by reboot", "in place", "nothing to undo")
    return {way: sorted(found[way]) for way in order if way in found}


def _assessed(row: Revision) -> Document | None:
    """Risk, impact, blast radius and their reasons: as submitted, else as planned; None where nobody knows."""
    kept: dict[str, Any] | None = row.assessed
    if kept is None and len(_document(row.digest)["targets"]) <= LOOKED_AT_ANEW:
        kept = to_json(risk.assess(row.read_plan(), load_topology()))
    rules = row.rules.order_by("-pk").first()
    if rules is None:
        return kept
    return {**(kept or {}), "risk": rules.risk, "fixed_at": rules.at, "why": rules.why}
