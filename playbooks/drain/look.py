"""What drain and undrain share: the look at a router and the network around it, and the wait between two stages."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from fleet.core.model import Json, Reason
from playbooks.base import Answer, Device, Impossible, Look, Seen, Session, Step
from playbooks.drain import fresh
from playbooks.drain.bird import Bird
from playbooks.drain.frr import Frr
from playbooks.drain.parse import LEAST_DRAINED
from playbooks.drain.state import Before, Stage, State, Switch, of_stage, position


class Suite(Protocol):
    """A routing suite as the drain sees it."""

    name: str
    almost: int

    def look_commands(self) -> Mapping[str, list[str]]: ...
    def live_commands(self, answers: Mapping[str, Answer]) -> Mapping[str, list[str]]: ...
    def look(self, answers: Mapping[str, Answer], *, own_router_id: str) -> State | Reason: ...
    def notes(self, answers: Mapping[str, Answer]) -> tuple[Reason, ...]: ...
    def denied(self, answers: Mapping[str, Answer], state: State) -> tuple[Reason, ...]: ...
    def last_extra(self, switches: Iterable[Switch]) -> int: ...
    def go(
        self, session: Session, stage: Stage, switches: Iterable[Switch], *, save: bool, timeout_s: float
    ) -> None: ...
    def planned(self, stages: Iterable[tuple[Stage, tuple[Switch, ...]]]) -> tuple[str, ...]: ...
    def switches_of(self, config: str) -> tuple[Switch, ...]: ...


_SUITES: Mapping[str, Suite] = {"frr": Frr(), "bird": Bird()}

AGAIN_S = 1.0
# FRR and BIRD originate the same LSA at most every 5 s (RFC 2328, MinLSInterval): a new cost that is not announced
# after that long is one that cannot be seen from here, and only the gate is waited for.
ANNOUNCED_S = 6.0


def suite_of(device: Device) -> Suite:
    """Raises Impossible for a suite that cannot be drained."""
    if device.suite not in _SUITES:
        found = f"routing suite {device.suite}"
        raise Impossible(Reason(f"drain of {device.name}", found, "frr or bird", "Set the suite in the inventory."))
    return _SUITES[device.suite]


def look(
    session: Session, step: Step, extra: Mapping[str, list[str]] | None = None
) -> tuple[State | Reason, dict[str, Answer]]:
    """One look at the switches and the network around: one round trip (on BIRD the first one of a session takes two:
    its protocols are named by the operator)."""
    suite = suite_of(step.device)
    guessed: Mapping[str, list[str]] = fresh.kept(session, fresh.ASKED, within_s=None) or {}
    asked = {**suite.look_commands(), **guessed, **(extra or {})}
    answers = session.batch(asked, timeout_s=30.0, root=True)
    live = suite.live_commands(answers)
    if more := {name: argv for name, argv in live.items() if name not in guessed}:
        answers.update(session.batch(more, timeout_s=30.0, root=True))
    for gone in guessed.keys() - live.keys():
        answers.pop(gone, None)
    fresh.keep(session, fresh.ASKED, live)
    fresh.keep(session, fresh.SEEN, answers)
    return suite.look(answers, own_router_id=step.device.router_id), answers


def look_before(session: Session, step: Step) -> tuple[State | Reason, dict[str, Answer]]:
    """The look before an act; what was seen a moment ago over this session, with nothing asked since, is as good."""
    answers: dict[str, Answer] | None = fresh.kept(session, fresh.SEEN)
    if answers is None:
        return look(session, step)
    return suite_of(step.device).look(answers, own_router_id=step.device.router_id), answers


def unknown(*reasons: Reason, hold: bool = False) -> Look:
    """Cannot tell; `hold` tells the shell that waiting may help."""
    return Look(Seen.UNKNOWN, reasons, {"hold": True} if hold else {})


def next_stage(
    session: Session, step: Step, stages: tuple[Stage, ...], before: Before, state: State, *, timeout_s: float
) -> None:
    """Carry out the first stage that is not reached; with the last one, or when none is left, save."""
    at = position(stages, state.running, before)
    stage = stages[at] if at < len(stages) else Stage("igp", on=True)
    switches = of_stage(stage, before) if at < len(stages) else ()
    suite_of(step.device).go(session, stage, switches, save=at >= len(stages) - 1, timeout_s=timeout_s)


def settling(
    step: Step, stages: tuple[Stage, ...], at: int, before: Before, state: State, gate_s: float
) -> Look | None:
    """WAITING while the network learns of the last stage (its number is `at`); None when `gate_s` has passed.

    Kept in the progress: `stage`, `stage_since_s`, `settled_since_s`, all of `waited_s`.
    """
    kept = step.progress if step.progress.get("stage") == at else {}
    since, settled = kept.get("stage_since_s", step.waited_s), kept.get("settled_since_s")
    data: dict[str, Json] = {"stage": at, "stage_is": str(stages[at - 1]) if at else "begun", "stage_since_s": since}
    if settled is None:
        seen = at == 0 or announced(stages[at - 1], before, state, step.device.router_id)
        if not seen and step.waited_s - since < ANNOUNCED_S:
            return Look(Seen.WAITING, (), data, after_s=AGAIN_S)
        settled = step.waited_s
    data["settled_since_s"] = settled
    # A stage that is seen for the first time is waited for in any case: NOT_DONE right after an act is a failure.
    left = max(gate_s - (step.waited_s - settled), 0.0 if kept else 0.1)
    return Look(Seen.WAITING, (), data, after_s=left) if left > 0 else None


def kept_progress(step: Step) -> Mapping[str, Json]:
    """What `settling` keeps, to be handed on with other data."""
    names = ("stage", "stage_is", "stage_since_s", "settled_since_s")
    return {name: step.progress[name] for name in names if name in step.progress}


def announced(stage: Stage, before: Before, state: State, router_id: str) -> bool:
    """Does the network say what the interior protocols were set to? True for other stages, and without a database."""
    own = [metric for name, metric in state.graph.get(router_id, {}).items() if not name.startswith("network ")]
    if stage.name != "igp" or not own:
        return True
    bases = {one.base for one in before.ours() if one.protocol in {"ospf-cost", "ospf6"}} or {0}
    if stage.on and not stage.extra:
        return min(own) >= LEAST_DRAINED
    extra = stage.extra or 0
    if before.ours() and before.ours()[0].protocol == "bird":
        # BIRD's own costs are in the operator's file; that the metric has moved the right way is all there is to see.
        return min(own) > extra if stage.on else max(own) < LEAST_DRAINED
    return set(own) <= {base + extra for base in bases}


def missing_neighbours(step: Step, state: State) -> tuple[Reason, ...]:
    """Neighbours of the baseline that are not Full now: redundancy that is gone already."""
    reasons = []
    for protocol, wanted in baseline_neighbours(step.baseline).items():
        if not wanted:
            continue
        now = (state.neighbours or {}).get(protocol)
        if now is None:
            reasons.append(Reason(f"{protocol} neighbours", "no readable answer", f"{len(wanted)} as in the baseline"))
        elif gone := sorted(wanted - now):
            reasons.append(
                Reason(
                    f"{protocol} neighbours of {step.device.name}", f"not Full: {', '.join(gone)}",
                    "all of the baseline", "Holding: see what happened to the neighbour.",
                )
            )  # fmt: skip
    return tuple(reasons)


def baseline_neighbours(baseline: Mapping[str, Json] | None) -> Mapping[str, frozenset[str]]:
    """Router ids with a Full adjacency in the baseline's measurement, by protocol."""
    made: dict[str, frozenset[str]] = {}
    for protocol in ("ospf", "ospf3"):
        section = (baseline or {}).get(protocol)
        listed = section.get("neighbours") if isinstance(section, Mapping) else None
        if isinstance(listed, Mapping):
            full = (key for key, one in listed.items() if isinstance(one, Mapping) and one.get("full"))
            made[protocol] = frozenset(full)
    return made


def configuration(facts: Mapping[str, Json]) -> str:
    """The configuration text of the facts, "" where they have none."""
    routing = facts.get("routing")
    text = routing.get("running_config") if isinstance(routing, Mapping) else None
    return text if isinstance(text, str) else ""


def are_not(what: str, switches: Iterable[Switch]) -> tuple[Reason, ...]:
    return tuple(Reason(str(switch), f"not {what}", what) for switch in switches)


def no_artifact(step: Step) -> Reason:
    return Reason(
        f"drain of {step.device.name}", "no record of what was in place before it", "the drain step's artifact",
        "Holding: what somebody else drained must not be put back.",
    )  # fmt: skip
