"""The verb `vpp-sessions`: behind the drain, sessions come back group by group, with a gate between groups.

OSPF, OSPFv3, iBGP, members, eBGP (story S2-16): each group is a step of its own, with its own way back. What fails its
gate has carried no traffic yet.
"""

from collections.abc import Mapping
from typing import Any

from fleet.core import vpp_judge
from fleet.core.checks import CheckResult
from fleet.core.model import Json, PlannedStep, Reason, Reversibility, StepSpec
from fleet.core.states import TargetState
from playbooks.base import Device, Look, Refused, Seen, Session, Step
from playbooks.vpp import daemon, look
from playbooks.vpp.holds import Hold, from_json, of_group, peers, to_json
from playbooks.vpp.params import Group, SessionParams

_AGAIN_S = 1.0
# A group is not given up at the first silence of VPP: it answers late while it takes in a table.
_SILENCES = 2
# Prefixes may come and go meanwhile; a session that brings clearly fewer than in the baseline is not back.
_MOST_FEWER = 0.1
_ROUTES: frozenset[Group] = frozenset({"ibgp", "members", "ebgp"})


class VppSessions:
    """Open one group of sessions that the launch held back, and see that everything of the baseline is there."""

    verb = "vpp-sessions"
    phase = TargetState.APPLYING
    reversibility = Reversibility.IN_PLACE
    disruptive = False
    acts = True
    repeatable = True
    within_s = 120.0
    estimate_s = 15.0
    params_model = SessionParams

    def expand(self, spec: StepSpec) -> tuple[StepSpec, ...]:
        """One step for each group of `order`; one that names its group stays as it is."""
        params = SessionParams.model_validate(spec.params)
        if params.group is not None:
            return (spec,)
        rest = {key: value for key, value in spec.params.items() if key != "order"}
        return tuple(StepSpec(spec.verb, {**rest, "group": group}) for group in params.order)

    def plan(self, spec: StepSpec, device: Device, facts: Mapping[str, Json]) -> PlannedStep:
        params = SessionParams.model_validate(spec.params)
        speaker = daemon.of(device)
        mine = _mine(params, speaker.holds(daemon.config_of(facts), members=params.members))
        return PlannedStep(
            self.verb, spec.params, self.reversibility, self.disruptive,
            diff="".join(f"-{one.line} ({one.section})\n" for one in mine),
            commands=speaker.planned(mine), expected={"held": to_json(mine)},
            estimate_s=params.gate + 5.0, within_s=params.within + params.gate + 30.0,
        )  # fmt: skip

    def precheck(self, session: Session, step: Step) -> Look:
        if step.drain_artifact is None:
            return Look(Seen.READY)  # asked before the drain, as every step is: VPP is not there yet
        shut = daemon.of(step.device).shut(session, _planned(step))
        if isinstance(shut, Reason):
            return Look(Seen.UNKNOWN, (shut,))
        seen = look.look(session, alive_s=_params(step).alive)
        if wrong := look.failed(look.health(seen, _wanted(seen)))[:3]:
            return Look(Seen.UNKNOWN, wrong)
        if not shut:
            # Opened by us, and asked for again because it was not back in time: what is wrong is the answer.
            wrong = _wrong(session, step, seen) if step.artifact and step.waited_s > _params(step).within else ()
            return Look(Seen.UNKNOWN, wrong) if wrong else Look(Seen.ALREADY)
        return Look(Seen.READY, (), {}, {"held": to_json(shut), "vpp": seen.kept(), "pairs": seen.pairs})

    def apply(self, session: Session, step: Step, *, deadline_s: float) -> None:
        daemon.of(step.device).configure(session, _held(step), hold=False, timeout_s=min(30.0, deadline_s))

    def observe(self, session: Session, step: Step) -> Look:
        """DONE when the group is open, VPP is well, every session of the baseline is back, for as long as `gate`.

        The control plane is asked first: when it hangs the group has failed, whatever the sessions still show.
        """
        params, shut = _params(step), daemon.of(step.device).shut(session, _planned(step))
        if isinstance(shut, Reason):
            return Look(Seen.UNKNOWN, (shut,), step.progress, after_s=_AGAIN_S)
        if shut:
            reasons = tuple(Reason(one.section, one.line, "open") for one in shut)
            return Look(Seen.NOT_DONE, reasons)
        seen = look.look(session, alive_s=params.alive)
        if seen.seconds is None:
            silent = int(step.progress.get("silent", 0)) + 1
            wrong = look.failed(look.health(seen, {}))
            over = silent >= _SILENCES
            return Look(
                Seen.NOT_DONE if over else Seen.WAITING, wrong, {"silent": silent}, after_s=0.0 if over else _AGAIN_S
            )
        if wrong := _wrong(session, step, seen):
            late = step.waited_s > params.within
            return Look(Seen.NOT_DONE if late else Seen.WAITING, wrong, {}, after_s=0.0 if late else _AGAIN_S)
        since = step.progress.get("good_since_s")
        since = float(since) if isinstance(since, int | float) else step.waited_s
        left = params.gate - (step.waited_s - since)
        data: dict[str, Json] = {"good_since_s": since, "answered_s": seen.seconds}
        return Look(Seen.WAITING, (), data, after_s=min(left, _AGAIN_S)) if left > 0 else Look(Seen.DONE, (), data)

    def rollback(self, session: Session, step: Step, *, deadline_s: float) -> None:
        daemon.of(step.device).configure(session, _held(step), hold=True, timeout_s=min(30.0, deadline_s))

    def observe_rollback(self, session: Session, step: Step) -> Look:
        left = daemon.of(step.device).open(session, _held(step))
        if isinstance(left, Reason):
            return Look(Seen.UNKNOWN, (left,), after_s=_AGAIN_S)
        reasons = tuple(Reason(one.section, f"without {one.line}", one.line) for one in left)
        return Look(Seen.NOT_DONE, reasons) if left else Look(Seen.DONE)


def _wrong(session: Session, step: Step, seen: look.Vpp) -> tuple[Reason, ...]:
    """What keeps a group's gate shut: VPP itself, neighbours and sessions, BFD, routes."""
    group, artifact = _params(step).group or "ospf", step.artifact or {}
    said = daemon.of(step.device).asked(session)
    return (
        *look.failed(look.health(seen, {"pairs": artifact.get("pairs") or {}}, before=artifact.get("vpp"))),
        *back(group, said, step.baseline or {}, peers(_planned(step))),
        *look.failed((_bfd(group, said, step),)),
        *(look.failed(look.fibs(seen, _counts(said))) if group in _ROUTES else ()),
    )


def back(group: Group, said: daemon.Said, baseline: Mapping[str, Any], mine: frozenset[str]) -> tuple[Reason, ...]:
    """What of the baseline's sessions of a group is not back. Pure."""
    if group in {"ospf", "ospf3"}:
        now = said.full.get(group)
        section = baseline.get(group)
        listed = section.get("neighbours") if isinstance(section, Mapping) else None
        want = {n for n, one in (listed or {}).items() if isinstance(one, Mapping) and one.get("full")}
        if now is None:
            return (Reason(f"{group} neighbours", "no readable answer", f"{len(want)} as in the baseline"),)
        gone = sorted(want - now)
        return (Reason(f"{group} neighbours", f"not Full: {', '.join(gone)}", "all of the baseline"),) if gone else ()
    found, was = said.sessions, _before(baseline)
    if found is None:
        return (Reason(f"{group} sessions", "no readable answer", "those of the baseline"),)
    reasons = []
    for peer in sorted(mine):
        if peer not in was:
            continue  # it was not up before either
        up, prefixes = found.get(peer, (False, 0))
        if not up:
            reasons.append(Reason(f"session {peer}", "not Established", "Established as in the baseline"))
        elif prefixes < was[peer] * (1 - _MOST_FEWER):
            reasons.append(Reason(f"session {peer}", f"{prefixes} prefixes", f"about {was[peer]} as in the baseline"))
    return tuple(reasons)


def bfd_of(group: Group, baseline: Mapping[str, Any], mine: frozenset[str]) -> frozenset[str]:
    """The BFD sessions (PEER%INTERFACE) that were up in the baseline and belong to a group. Pure.

    Those of a BGP session by its address. Those of OSPF by the interface of a neighbour, IPv4, and those of OSPFv3 by
    the same, IPv6; an address that a BGP session has as well is that session's.
    """
    section = baseline.get("bfd")
    listed = section.get("peers") if isinstance(section, Mapping) else None
    up = {str(name) for name, state in (listed or {}).items() if state == "up"}
    if group not in {"ospf", "ospf3"}:
        return frozenset(name for name in up if name.partition("%")[0] in mine)
    neighbours = baseline.get(group)
    rows = neighbours.get("neighbours") if isinstance(neighbours, Mapping) else None
    about = [row for row in (rows or {}).values() if isinstance(row, Mapping) and row.get("full")]
    interfaces = {str(name) for row in about for name in row.get("interfaces") or ()}
    others = _bgp_peers(baseline)
    split = ((name, *name.partition("%")[::2]) for name in up)
    six = group == "ospf3"
    return frozenset(n for n, peer, i in split if i in interfaces and (":" in peer) is six and peer not in others)


def _bgp_peers(baseline: Mapping[str, Any]) -> frozenset[str]:
    """Every BGP peer of the baseline, up or not."""
    bgp = baseline.get("bgp")
    families = bgp.get("peers") if isinstance(bgp, Mapping) else None
    return frozenset(
        str(peer) for family in (families or {}).values() if isinstance(family, Mapping) for peer in family
    )


def _bfd(group: Group, said: daemon.Said, step: Step) -> CheckResult:
    wanted = bfd_of(group, step.baseline or {}, peers(_planned(step)))
    return vpp_judge.bfd(wanted, said.bfd)


def _before(baseline: Mapping[str, Any]) -> dict[str, int]:
    """Sessions that were Established in the baseline, with their prefixes."""
    bgp = baseline.get("bgp")
    families = bgp.get("peers") if isinstance(bgp, Mapping) else None
    made: dict[str, int] = {}
    for family in families.values() if isinstance(families, Mapping) else ():
        for peer, row in family.items() if isinstance(family, Mapping) else ():
            if isinstance(row, Mapping) and row.get("state") == "Established":
                made[str(peer)] = max(made.get(str(peer), 0), int(row.get("received") or 0))
    return made


def _counts(said: daemon.Said) -> dict[str, tuple[int | None, int | None]]:
    """Family > routes that the daemon has installed, and None: the kernel's are those of its namespace."""
    return {family: (said.routes.get(family), None) for family in ("ipv4", "ipv6")}


def _wanted(seen: look.Vpp) -> dict[str, Any]:
    """Before a group: whatever pairs there are, none is broken."""
    return {"pairs": seen.pairs or {}}


def _params(step: Step) -> SessionParams:
    return SessionParams.model_validate(step.params)


def _mine(params: SessionParams, found: tuple[Hold, ...]) -> tuple[Hold, ...]:
    return of_group(found, params.group) if params.group is not None else found


def _planned(step: Step) -> tuple[Hold, ...]:
    return from_json(step.planned.expected.get("held"))


def _held(step: Step) -> tuple[Hold, ...]:
    found = from_json((step.artifact or {}).get("held"))
    if not found:
        raise Refused(Reason(f"sessions of {step.device.name}", "no record of what was held", "the step's artifact"))
    return found
