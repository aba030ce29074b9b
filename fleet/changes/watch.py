"""A live change in the terminal: one line per wave, one per target in flight, and why nothing more happens."""

from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from fleet.changes.models import Change, Event, Run, TargetRun
from fleet.core.states import TARGET_ENDED, TARGET_IN_FLIGHT, TargetState

MARKS = {
    TargetState.PENDING: ("·", "dim"),
    TargetState.DONE: ("✓", "green"),
    TargetState.ROLLED_BACK: ("↩", "yellow"),
    TargetState.STUCK: ("✗", "bold red"),
    TargetState.ROLLING_BACK: ("↩", "yellow"),
}
SHOWN_IN_FLIGHT = 12


def mark(state: str) -> Text:
    """A state as a sign and a word: never by colour alone."""
    sign, style = MARKS.get(TargetState(state), ("▸", "cyan"))
    return Text(f"{sign} {state.replace('_', ' ')}", style=style)


def picture(change: Change, now: datetime) -> RenderableType:
    """The present state of a change's run; six queries."""
    head = Text.assemble((f"change {change.pk} ", "bold"), change.title, "  ", (change.state, "bold"))
    run = Run.objects.filter(revision__change=change).defer("revision__plan").order_by("-id").first()
    if run is None:
        return Group(head, Text(change.in_words, style="dim"))
    parts: list[RenderableType] = [head, _waves(run)]
    flying = list(run.targets.in_flight().with_steps().order_by("name")[:SHOWN_IN_FLIGHT])
    if flying:
        parts.append(_flying(flying, now))
    for target in run.targets.filter(state__in=[TargetState.STUCK, TargetState.ROLLED_BACK])[:5]:
        parts.append(Text.assemble(mark(target.state), f" {target.name}: ", " ".join(target.reasons)))
    parts += [Text(f"holds: {hold}", style="yellow") for hold in run.holds[:3]]
    if run.outcome:
        parts.append(Text(run.outcome, style="bold"))
    return Group(*parts)


def _waves(run: Run) -> Table:
    counts = run.counts()
    table = Table(box=None, padding=(0, 2), header_style="dim")
    for title in ("wave", "targets", "ended", "in flight", "waiting"):
        table.add_column(title, justify="left" if title == "wave" else "right")
    for wave in sorted({w for w, _ in counts}):
        of_wave = {TargetState(s): n for (w, s), n in counts.items() if w == wave}
        ended = sum(of_wave.get(s, 0) for s in TARGET_ENDED)
        flying = sum(of_wave.get(s, 0) for s in TARGET_IN_FLIGHT)
        name = "0 (canary)" if wave == 0 else str(wave)
        waiting = of_wave.get(TargetState.PENDING, 0)
        table.add_row(name, str(sum(of_wave.values())), str(ended), str(flying), str(waiting))
    return table


def _flying(targets: list[TargetRun], now: datetime) -> Table:
    table = Table(box=None, padding=(0, 2), header_style="dim")
    for title in ("target", "state", "step", "since", "waits for"):
        table.add_column(title)
    for target in targets:
        step = target.current_step()
        since = f"{(now - step.first_claimed_at).total_seconds():.0f} s" if step and step.first_claimed_at else ""
        waits = str(step.reasons[0])[:90] if step and step.reasons else ""
        table.add_row(target.name, mark(target.state), step.title if step else "", since, waits)
    return table


def lines(change: Change, after: int) -> list[Event]:
    """Events newer than the given id, oldest first."""
    return list(Event.objects.filter(change=change).after(after))
