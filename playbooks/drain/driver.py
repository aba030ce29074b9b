"""The verbs `drain` and `undrain`: look, set the switches, and prove by counters that the traffic is gone."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from fleet.core.model import Json, PlannedStep, Reason, Reversibility, StepSpec
from fleet.core.states import TargetState
from playbooks.base import Answer, Device, Impossible, Look, Refused, Seen, Session, Step
from playbooks.drain.bird import Bird
from playbooks.drain.frr import Frr
from playbooks.drain.params import DrainParams, UndrainParams, for_group
from playbooks.drain.parse import Forwarded, forwarded, rates
from playbooks.drain.state import Group, State, Switch, from_artifact, not_as, ours, to_artifact


class Suite(Protocol):
    """A routing suite as the drain sees it."""

    name: str

    def look_commands(self) -> Mapping[str, list[str]]: ...
    def live_commands(self, answers: Mapping[str, Answer]) -> Mapping[str, list[str]]: ...
    def look(self, answers: Mapping[str, Answer], *, own_router_id: str) -> State | Reason: ...
    def denied(self, answers: Mapping[str, Answer], state: State) -> tuple[Reason, ...]: ...
    def drain(self, session: Session, switches: Iterable[Switch], *, timeout_s: float) -> None: ...
    def undrain(self, session: Session, switches: Iterable[Switch], *, timeout_s: float) -> None: ...
    def planned(self, switches: Iterable[Switch], *, drain: bool) -> tuple[str, ...]: ...
    def switches_of(self, config: str) -> tuple[Switch, ...]: ...


_SUITES: Mapping[str, Suite] = {"frr": Frr(), "bird": Bird()}

# Two samples one second apart in one round trip, timed by the device's own uptime.
_COUNTERS: Mapping[str, list[str]] = {
    "uptime1": ["cat", "/proc/uptime"],
    "snmp1": ["cat", "/proc/net/snmp"],
    "snmp6_1": ["cat", "/proc/net/snmp6"],
    "pause": ["sleep", "1"],
    "uptime2": ["cat", "/proc/uptime"],
    "snmp2": ["cat", "/proc/net/snmp"],
    "snmp6_2": ["cat", "/proc/net/snmp6"],
}
_AGAIN_S = 1.0  # between two looks while waiting; each look itself takes the second of its two samples
_BACK_GATE_S = 3  # between the two groups when a drain is taken back at once; see UndrainParams.gate


def _suite(device: Device) -> Suite:
    if device.suite not in _SUITES:
        found = f"routing suite {device.suite}"
        raise Impossible(Reason(f"drain of {device.name}", found, "frr or bird", "Set the suite in the inventory."))
    return _SUITES[device.suite]


def _look(session: Session, step: Step, extra: Mapping[str, list[str]]) -> tuple[State | Reason, dict[str, Answer]]:
    """One look at the switches and the network around (one round trip on FRR, two on BIRD)."""
    suite = _suite(step.device)
    answers = session.batch({**suite.look_commands(), **extra}, timeout_s=30.0, root=True)
    live = suite.live_commands(answers)
    if live:
        answers.update(session.batch(live, timeout_s=30.0, root=True))
    return suite.look(answers, own_router_id=step.device.router_id), answers


def _traffic(answers: Mapping[str, Answer]) -> Mapping[str, float] | None:
    """Forwarded packets per second by family from the two samples; None where it cannot be told."""

    def sample(number: str) -> Forwarded:
        uptime, snmp, snmp6 = (answers.get(f"{n}{number}") for n in ("uptime", "snmp", "snmp6_"))
        six = snmp6.out if snmp6 is not None else ""
        if snmp6 is not None and not snmp6.ok and "No such file" in six:
            six = "Ip6OutForwDatagrams 0"  # a kernel without IPv6 forwards none
        return forwarded(snmp.out if snmp else "", six, uptime.out if uptime else "")

    return rates(sample("1"), sample("2"))


def _unknown(*reasons: Reason, hold: bool = False) -> Look:
    return Look(Seen.UNKNOWN, reasons, {"hold": True} if hold else {})


class Drain:
    """Move traffic away: lower preference in BGP, cost out in the interior protocols, saved over a restart."""

    verb = "drain"
    phase = TargetState.DRAINING
    reversibility = Reversibility.IN_PLACE
    disruptive = False
    acts = True
    repeatable = True
    within_s = 300.0
    estimate_s = 10.0
    params_model = DrainParams

    def plan(self, spec: StepSpec, device: Device, facts: Mapping[str, Json]) -> PlannedStep:
        params = DrainParams.model_validate(spec.params)
        suite = _suite(device)
        switches = suite.switches_of(_configuration(facts))
        return PlannedStep(
            self.verb, spec.params, self.reversibility, self.disruptive,
            diff="".join(f"drain {switch}\n" for switch in switches),
            commands=suite.planned(switches, drain=True),
            estimate_s=5.0 + params.settle, within_s=params.within,
        )  # fmt: skip

    def precheck(self, session: Session, step: Step) -> Look:
        """READY with what is in place, never ALREADY: also a router that somebody else drained has to be proven quiet.

        UNKNOWN with `{"hold": true}` where the live network does not leave room for one more drained router.
        """
        state, _ = _look(session, step, {})
        if isinstance(state, Reason):
            return _unknown(state)
        if not state.running:
            reason = Reason(f"drain of {step.device.name}", "no BGP and no OSPF", "something that draws traffic")
            return Look(Seen.IMPOSSIBLE, (reason,))
        refusals = (*self._budget(step, state), *_missing_neighbours(step, state))
        if refusals:
            return _unknown(*refusals, hold=True)
        artifact = to_artifact(state.running, suite=step.device.suite)
        data = {"prior_drain": artifact["prior_drain"], "stub_routers": _listed(state.stub_routers)}
        return Look(Seen.READY, state.notes, data, artifact)

    def _budget(self, step: Step, state: State) -> tuple[Reason, ...]:
        """The budget against the live network: whoever announces maximum metric counts, whoever drained it."""
        if state.stub_routers is None:
            return (
                Reason(
                    f"routers drained around {step.device.name}", "no readable OSPF database", "the database of OSPF",
                    "Holding: without it the budget cannot be checked against the live network.",
                ),
            )  # fmt: skip
        drained = (state.stub_routers | set(step.drained_elsewhere)) - {step.device.router_id}
        if len(drained) + 1 <= step.budget_total:
            return ()
        named = ", ".join(
            f"{r} ({'by Slipway' if r in step.drained_elsewhere else 'by others'})" for r in sorted(drained)
        )
        return (
            Reason(
                "budget of drained routers", f"{len(drained)} drained already: {named}",
                f"at most {step.budget_total} with {step.device.name}",
                "Holding until one is back; raise the budget only if the network carries it.",
            ),
        )  # fmt: skip

    def apply(self, session: Session, step: Step, *, deadline_s: float) -> None:
        suite = _suite(step.device)
        before = from_artifact(step.artifact)
        if before is None:
            state, _ = _look(session, step, {})
            if isinstance(state, Reason):
                raise Refused(state)
            before = state.running
        suite.drain(session, ours(before, Group.ALL), timeout_s=min(30.0, deadline_s))

    def observe(self, session: Session, step: Step) -> Look:
        """DONE when every switch is set and saved and forwarding stayed below `below` for `settle`.

        `data`: forwarded (pps by family), quiet_since_s (of `waited_s`), prior_drain.
        """
        params = DrainParams.model_validate(step.params)
        state, answers = _look(session, step, _COUNTERS)
        if isinstance(state, Reason):
            return _unknown(state)
        # What the write-ahead says is wanted, even if a block has vanished since; before it, everything there is.
        wanted = from_artifact(step.artifact) or state.running
        unset = not_as(state.running, wanted, drained=True)
        unsaved = not_as(state.saved, wanted, drained=True) if state.saved is not None else wanted
        if unset or unsaved:
            return Look(Seen.NOT_DONE, (*_not("drained", unset), *_not("saved as drained", unsaved)))
        pps = _traffic(answers)
        late = step.waited_s > params.within
        denied = suite_denied = _suite(step.device).denied(answers, state)
        loud = pps is None or bool(denied) or any(rate >= params.below for rate in pps.values())
        data: dict[str, Json] = {"prior_drain": any(s.drained for s in wanted), "forwarded": pps}
        if not loud:
            since = step.progress.get("quiet_since_s")
            data["quiet_since_s"] = since = since if isinstance(since, int | float) else step.waited_s
            left = params.settle - (step.waited_s - since)
            if left <= 0:
                return Look(Seen.DONE, (), data)
            return Look(Seen.WAITING, (), data, after_s=min(left, _AGAIN_S))
        reasons = (*suite_denied, *_loud(step.device.name, pps, params.below))
        if pps is None:
            return Look(Seen.UNKNOWN if late else Seen.WAITING, reasons, data, after_s=_AGAIN_S)
        return Look(Seen.NOT_DONE if late else Seen.WAITING, reasons, data, after_s=_AGAIN_S)

    def rollback(self, session: Session, step: Step, *, deadline_s: float) -> None:
        """Put back what was in place: the interior protocols first, BGP when they have settled."""
        suite, before = _suite(step.device), from_artifact(step.artifact)
        if before is None:
            raise Impossible(_no_artifact(step))
        for group in (Group.IGP, Group.BGP):
            switches = ours(before, group)
            if switches:
                suite.undrain(session, switches, timeout_s=min(30.0, deadline_s))
                if group is Group.IGP:
                    session.run(["sleep", str(_BACK_GATE_S)], timeout_s=30.0)

    def observe_rollback(self, session: Session, step: Step) -> Look:
        return _put_back(session, step, step.artifact, Group.ALL)


class Undrain:
    """Put traffic back: what we drained, and nothing that somebody else had drained before."""

    verb = "undrain"
    phase = TargetState.UNDRAINING
    reversibility = Reversibility.IN_PLACE
    disruptive = False
    acts = True
    repeatable = True
    within_s = 120.0
    estimate_s = 5.0
    params_model = UndrainParams

    def expand(self, spec: StepSpec) -> tuple[StepSpec, ...]:
        """One step for each group of `order`, each with its own gate. One that names its group stays as it is."""
        params = UndrainParams.model_validate(spec.params)
        if params.group is not None:
            return (spec,)
        return tuple(StepSpec(spec.verb, for_group(spec.params, group)) for group in params.groups())

    def plan(self, spec: StepSpec, device: Device, facts: Mapping[str, Json]) -> PlannedStep:
        params = UndrainParams.model_validate(spec.params)
        suite = _suite(device)
        groups = params.groups()
        switches = tuple(s for s in suite.switches_of(_configuration(facts)) if any(g.covers(s.group) for g in groups))
        return PlannedStep(
            self.verb, spec.params, self.reversibility, self.disruptive,
            diff="".join(f"undrain {switch}, unless it was drained before\n" for switch in switches),
            commands=suite.planned(switches, drain=False),
            estimate_s=2.0 + params.gate, within_s=params.within,
        )  # fmt: skip

    def _group(self, step: Step) -> Group:
        groups = UndrainParams.model_validate(step.params).groups()
        return groups[0] if len(groups) == 1 else Group.ALL

    def precheck(self, session: Session, step: Step) -> Look:
        before = from_artifact(step.drain_artifact)
        if before is None:
            return _unknown(_no_artifact(step), hold=True)
        state, _ = _look(session, step, {})
        if isinstance(state, Reason):
            return _unknown(state)
        group = self._group(step)
        left = tuple(s for s in before if group.covers(s.group) and s.drained)
        data: dict[str, Json] = {"prior_drain": bool(left), "left_drained": [str(switch) for switch in left]}
        refusals = _missing_neighbours(step, state)
        if refusals:
            return _unknown(*refusals, hold=True)
        wanted = ours(before, group)
        if not _still_drained(state, wanted):
            return Look(Seen.ALREADY, (), data)
        return Look(Seen.READY, (), data, to_artifact(state.of(group), suite=step.device.suite))

    def apply(self, session: Session, step: Step, *, deadline_s: float) -> None:
        before = from_artifact(step.drain_artifact)
        if before is None:
            raise Impossible(_no_artifact(step))
        switches = ours(before, self._group(step))
        _suite(step.device).undrain(session, switches, timeout_s=min(30.0, deadline_s))

    def observe(self, session: Session, step: Step) -> Look:
        """DONE when the group is back and saved, every neighbour of the baseline is Full, and `gate` has passed."""
        params = UndrainParams.model_validate(step.params)
        look = _put_back(session, step, step.drain_artifact, self._group(step))
        if look.seen is not Seen.DONE:
            late = look.seen is Seen.WAITING and step.waited_s > params.within
            return Look(Seen.NOT_DONE, look.reasons, look.data) if late else look
        since = step.progress.get("back_since_s")
        since = since if isinstance(since, int | float) else step.waited_s
        data = {**look.data, "back_since_s": since}
        left = params.gate - (step.waited_s - since)
        return Look(Seen.DONE, (), data) if left <= 0 else Look(Seen.WAITING, (), data, after_s=left)

    def rollback(self, session: Session, step: Step, *, deadline_s: float) -> None:
        """Drain again what this step undrained."""
        now_drained = from_artifact(step.artifact)
        before = from_artifact(step.drain_artifact)
        if now_drained is None or before is None:
            raise Impossible(_no_artifact(step))
        _suite(step.device).drain(session, ours(before, self._group(step)), timeout_s=min(30.0, deadline_s))

    def observe_rollback(self, session: Session, step: Step) -> Look:
        before = from_artifact(step.drain_artifact)
        state, _ = _look(session, step, {})
        if isinstance(state, Reason) or before is None:
            return _unknown(state if isinstance(state, Reason) else _no_artifact(step))
        unset = not_as(state.running, ours(before, self._group(step)), drained=True)
        return Look(Seen.NOT_DONE, _not("drained", unset)) if unset else Look(Seen.DONE)


def _still_drained(state: State, wanted: tuple[Switch, ...]) -> tuple[Switch, ...]:
    """What of `wanted` is not as it was before the drain, in the running or in the startup configuration."""
    running = not_as(state.running, wanted, drained=False)
    return running or (not_as(state.saved, wanted, drained=False) if state.saved is not None else ())


def _put_back(session: Session, step: Step, artifact: Mapping[str, Json] | None, group: Group) -> Look:
    """Is a group as it was before the drain, saved, and with the neighbours of the baseline?"""
    before = from_artifact(artifact)
    if before is None:
        return _unknown(_no_artifact(step))
    state, _ = _look(session, step, {})
    if isinstance(state, Reason):
        return _unknown(state)
    left = [str(s) for s in before if group.covers(s.group) and s.drained]
    data: dict[str, Json] = {"prior_drain": bool(left), "left_drained": left}
    drained = _still_drained(state, ours(before, group))
    if drained:
        return Look(Seen.NOT_DONE, _not("undrained and saved", drained), data)
    missing = _missing_neighbours(step, state)
    return Look(Seen.WAITING, missing, data, after_s=_AGAIN_S) if missing else Look(Seen.DONE, (), data)


def _missing_neighbours(step: Step, state: State) -> tuple[Reason, ...]:
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
            made[protocol] = frozenset(
                key for key, one in listed.items() if isinstance(one, Mapping) and one.get("full")
            )
    return made


def _configuration(facts: Mapping[str, Json]) -> str:
    """The configuration text of the facts, "" where they have none."""
    routing = facts.get("routing")
    text = routing.get("running_config") if isinstance(routing, Mapping) else None
    return text if isinstance(text, str) else ""


def _not(what: str, switches: Iterable[Switch]) -> tuple[Reason, ...]:
    return tuple(Reason(str(switch), f"not {what}", what) for switch in switches)


def _loud(name: str, pps: Mapping[str, float] | None, below: float) -> tuple[Reason, ...]:
    if pps is None:
        return (Reason(f"traffic through {name}", "no usable counters", "two samples of ForwDatagrams"),)
    remedy = "See who still sends: a prefix without another way, a static route, a peer that ignores graceful shutdown."
    return tuple(
        Reason(f"{family} through {name}", f"{rate:g} packets/s forwarded", f"less than {below:g}", remedy)
        for family, rate in pps.items()
        if rate >= below
    )


def _no_artifact(step: Step) -> Reason:
    return Reason(
        f"drain of {step.device.name}", "no record of what was in place before it", "the drain step's artifact",
        "Holding: what somebody else drained must not be put back.",
    )  # fmt: skip


def _listed(routers: frozenset[str] | None) -> Json:
    return None if routers is None else sorted(routers)
