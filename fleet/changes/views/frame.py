"""What every page about one change shows around its content: head, outlook, the Stop place, what needs a person."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db.models import Prefetch, Q
from django.db.models.fields.json import KeyTransform
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from fleet.changes import remedy_asks
from fleet.changes.models import Change, Event, FindingOverride, Pulse, Revision, Run, StepRun, TargetRun
from fleet.changes.models.overrides import in_force
from fleet.changes.views import access, outlook, progress, shown_findings, when
from fleet.changes.views.progress import Progress
from fleet.changes.views.shown_findings import ShownFinding
from fleet.core import explain, gates, overrides
from fleet.core.model import Reason
from fleet.core.states import CHANGE_LIVE, STEP_FAILED, ChangeState, Control, TargetState

# The engine ticks every 2 s (SLIPWAY_TICK_SECONDS); seven missed ticks are no hiccup any more.
ENGINE_SILENT_S = 15.0
# More names than this are counted instead of written out.
NAMES_SHOWN = 50


@dataclass(frozen=True)
class Frame:
    """One change with what surrounds every page about it. `held`: drained, or stuck and not yet released."""

    now: datetime
    change: Change
    revision: Revision | None
    run: Run | None
    waves: dict[int, Progress]
    held: tuple[TargetRun, ...]
    last_event: int
    engine_seen: datetime | None
    overrides: Mapping[str, FindingOverride] = field(default_factory=dict)

    @property
    def state(self) -> ChangeState:
        return ChangeState(self.change.state)

    @property
    def live(self) -> bool:
        return self.state in CHANGE_LIVE

    @property
    def control(self) -> Control:
        return Control(self.run.control) if self.run is not None else Control.NONE

    @property
    def whole(self) -> Progress:
        return progress.of_states((s, n) for p in self.waves.values() for s, n in p.by_state.items())

    @property
    def drained(self) -> tuple[TargetRun, ...]:
        return tuple(t for t in self.held if t.drained)

    @property
    def stuck(self) -> tuple[TargetRun, ...]:
        """Stuck devices that nobody has taken over yet."""
        return tuple(t for t in self.held if t.state == TargetState.STUCK and t.engaged)

    @property
    def engine_silent(self) -> bool:
        """Is something running, and nothing that moves it?"""
        return self.live and silent(self.engine_seen, self.now)

    @property
    def key(self) -> str:
        """Changes when what can be pressed changes: until then a page keeps the buttons it has, opened or not."""
        stuck = ".".join(str(t.pk) for t in self.stuck)
        return f"{self.change.generation}-{self.control}-{stuck}"

    @property
    def findings(self) -> tuple[ShownFinding, ...]:
        return shown_findings.shown(findings_of(self.revision), self.overrides)

    @property
    def fatal(self) -> int:
        """Findings that stop the plan; those that somebody overrode do not."""
        return sum(f.stops for f in self.findings)

    @property
    def next(self) -> str:
        """What happens next, in words."""
        run = self.run
        return outlook.whats_next(
            outlook.Standing(
                state=self.state,
                author=self.change.author.get_username(),
                fatal=self.fatal,
                control=self.control,
                waves=self.waves,
                max_failures=run.strategy.get("max_failures", 0) if run else 0,
                tolerated=run.tolerated if run else 0,
                drained=[t.name for t in self.drained],
                outcome=run.outcome if run else "",
            )
        )


def silent(seen: datetime | None, now: datetime) -> bool:
    """Has the engine not been heard of for too long?"""
    return seen is None or now - seen > timedelta(seconds=ENGINE_SILENT_S)


def engine_seen() -> datetime | None:
    """When the engine last ticked. One query."""
    return Pulse.objects.filter(name="tick").values_list("at", flat=True).first()


def load(pk: int, now: datetime) -> Frame:
    """Read a frame: at most seven queries, however large the change, and one for overrides. Raises Http404."""
    change = Change.objects.select_related("author").filter(pk=pk).first()
    if change is None:
        raise Http404(f"There is no change {pk}.")
    revision = newest(change)
    run: Run | None = getattr(revision, "run", None)
    held: Sequence[TargetRun] = ()
    waves: dict[int, Progress] = {}
    if run is not None:
        waves = progress.of_waves(run.counts())
        rows = run.targets.filter(Q(drained=True) | Q(state=TargetState.STUCK, engaged=True))
        held = tuple(rows.prefetch_related(failed_steps()).order_by("wave", "name")[:NAMES_SHOWN])
    last = Event.objects.filter(change=change).order_by("-id").values_list("id", flat=True).first()
    given = in_force(change.pk, findings_of(revision))
    return Frame(now, change, revision, run, waves, tuple(held), last or 0, engine_seen(), given)


def findings_of(revision: Revision | None) -> Sequence[Any]:
    """The findings that `newest` read beside a revision."""
    return getattr(revision, "findings", None) or ()


def failed_steps() -> "Prefetch[str]":
    """For each target `failed`: the steps that failed, in order, with their reasons."""
    rows = StepRun.objects.filter(state__in=STEP_FAILED).defer("artifact", "data").order_by("index")
    return Prefetch("steps", rows, to_attr="failed")


def newest(change: Change) -> Revision | None:
    """The newest revision with its run and findings, without the plan, which may be large. One query."""
    rows = change.revisions.select_related("run__started_by", "created_by").defer("plan", "recipe_text")
    return rows.annotate(findings=KeyTransform("findings", "plan")).order_by("-number").first()


def revision_numbers(change: Change) -> list[int]:
    """The newest revisions of a change, the newest first."""
    return list(change.revisions.order_by("-number").values_list("number", flat=True)[:20])


def show(
    request: HttpRequest,
    frame: Frame,
    template: str,
    content: dict[str, Any],
    *,
    refusals: Sequence[Reason] = (),
    status: int = 200,
) -> HttpResponse:
    """Render `changes/TEMPLATE.html` in its frame, or for htmx only `changes/_TEMPLATE.html`, its live part."""
    context = {
        "frame": frame,
        "now": frame.now,
        "change": frame.change,
        "revision": frame.revision,
        "run": frame.run,
        "refusals": explain.sentences(refusals),
        "live_template": f"changes/_{template}.html",
        **_rights(request, frame),
        **_approval(request, frame),
        "remedies": partial(_remedies, frame),  # asked of the database by the pages that show them
        **when.shown(frame.change, frame.revision, access.person(request)),
        **content,
    }
    if not access.is_htmx(request) or request.method == "POST":
        return render(request, f"changes/{template}.html", context, status=status)
    context["controls_moved"] = request.GET.get("seen", "") != frame.key
    return render(request, "changes/_live.html", context, status=status)


def _remedies(frame: Frame) -> Sequence[remedy_asks.Standing]:
    return remedy_asks.of_run(frame.run) if frame.run is not None and frame.live else ()


def _approval(request: HttpRequest, frame: Frame) -> dict[str, Any]:
    from fleet.changes.views import approval

    return approval.shown(frame, access.person(request))


def _rights(request: HttpRequest, frame: Frame) -> dict[str, Any]:
    """What this person may press, and why not."""
    who = access.person(request)
    operates, approves = who.has_perm(access.OPERATE), who.has_perm(access.APPROVE)
    mine = who.pk == frame.change.author_id
    wrote = mine or (frame.revision is not None and who.pk == frame.revision.created_by_id)
    not_approving: tuple[Reason, ...] = () if approves else (access.missing(access.APPROVE),)
    if frame.state is ChangeState.SUBMITTED:
        name = who.get_username()
        author = name if wrote else f"not {name}"
        not_approving += gates.may_approve(frame.state, author=author, approver=name, fatal=frame.fatal)
        overrode = any(row.by_id == who.pk for row in frame.overrides.values())
        not_approving += overrides.not_the_overrider(name, overrode=overrode)
    return {
        "may_operate": operates,
        "why_not_submit": explain.sentences(
            gates.may_submit(frame.state, fatal=frame.fatal, planned=frame.revision is not None)
        ),
        "may_override": approves and not wrote and frame.state is ChangeState.DRAFT,
        "may_edit": mine or who.has_perm(access.EDIT),
        "why_not_approve": explain.sentences(not_approving),
        "why_not_operate": explain.sentences(() if operates else (access.missing(access.OPERATE),)),
        "missing_operate": access.OPERATE,
    }
