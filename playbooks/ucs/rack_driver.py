"""The verb `ucs-rack`: vNICs of a standalone server get other queues, by its management controller and a reboot.

There are no policies, nothing is estimated or waits: what is written takes effect with the next boot of the host,
whoever boots it. So it is written when the host is drained, and its own reboot follows at once.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from fleet.core import ucs
from fleet.core.model import Json, PlannedStep, Reason, Reversibility, Severity, StepSpec
from fleet.core.states import TargetState
from fleet.core.ucs import Policy
from playbooks import boot
from playbooks.base import Device, Impossible, Look, Seen, Session, Step
from playbooks.params import Duration
from playbooks.ucs import host, places, rack, rack_client
from playbooks.ucs.words import counts_in_words

_PLAN = "ucs-rack"
_AGAIN_S = 5.0
_FROM = "back_from"  # key in progress: the boot that the way back ends


class RackParams(BaseModel):
    """The queues that a standalone server's vNICs are to have. Completion queues, interrupts and RSS follow."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    receive: int = Field(ge=1, le=256, description="receive queues of each vNIC")
    transmit: int | None = Field(default=None, ge=1, le=256, description="transmit queues; as many as receive queues")
    vnics: tuple[str, ...] = Field(default=(), description="names of the vNICs; all")
    within: Duration = Field(default=1800.0, description="shutdown and boot together")


class Rack:
    """Write counts below each vNIC, reboot the host. Done when the host itself shows the queues, in another boot."""

    verb = "ucs-rack"
    phase = TargetState.APPLYING
    reversibility = Reversibility.BY_REBOOT
    disruptive = True
    acts = True
    repeatable = True  # what is written already differs no more; a boot is ended by its id
    within_s = 1800.0
    estimate_s = 480.0
    params_model = RackParams

    def plan(self, spec: StepSpec, device: Device, facts: Mapping[str, Json]) -> PlannedStep:
        params = RackParams.model_validate(spec.params)
        place = places.rack(device.name)
        subject = f"C-series server {device.name}"
        chosen = [v for v in place.vnics if not params.vnics or v.name in params.vnics]
        missing = sorted(set(params.vnics) - {v.name for v in place.vnics})
        if missing or not chosen:
            found = ", ".join(v.name for v in place.vnics) or "no vNIC"
            raise Impossible(Reason(subject, found, ", ".join(missing) or "at least one vNIC", "Name the vNICs."))
        aims = {v.dn: _aim(subject, v, params) for v in chosen}
        shows = ucs.on_host(
            next(iter(aims.values())), place.limits, kernel=ucs.linux(str(facts.get("kernel") or "")),
            cpus=_cpus(facts),
        )  # fmt: skip
        shown = shows.value if shows.value is not None else "not known before"
        return PlannedStep(
            self.verb, spec.params, self.reversibility, self.disruptive,
            diff="".join(_diff(_known(subject, v), v.name, aims[v.dn]) for v in chosen)
            + f" {place.model or 'server'}: receive queues on the host: {shown} ({shows.why})\n",
            commands=(
                *(line for v in chosen for line in _lines(v, _known(subject, v), aims[v.dn])),
                "systemctl reboot",
                "way back: the counts as they were, and another reboot",
            ),
            expected={_PLAN: {"vnics": [rack.vnic_json(replace(v, counts=aims[v.dn])) for v in chosen],
                              "shows": shows.value}},
            estimate_s=min(self.estimate_s, params.within), within_s=params.within,
        )  # fmt: skip

    def precheck(self, session: Session, step: Step) -> Look:
        wanted, now = _wanted(step), _now(step)
        if wrong := _unknown(step, wanted, now):
            return Look(Seen.UNKNOWN, wrong)
        if step.artifact is not None:
            return Look(Seen.READY, (), step.progress)
        found = host.look(session, {v.mac for v in wanted})
        if found.boot_id is None:
            return Look(Seen.UNKNOWN, (Reason(f"boot id of {step.device.name}", "unreadable", "a boot id"),))
        data: dict[str, Json] = {"queues": dict(found.queues), "boot_id": found.boot_id}
        if not _differing(wanted, now) and _short(step, wanted, found) is None:
            return Look(Seen.ALREADY, (), data)
        held = [rack.vnic_json(now[v.dn]) for v in wanted]
        return Look(Seen.READY, (), data, {**data, "vnics": held})

    def apply(self, session: Session, step: Step, *, deadline_s: float) -> None:
        wanted = _wanted(step)
        _write(step, wanted)
        found = host.look(session, {v.mac for v in wanted})
        if found.boot_id is not None and found.boot_id == (step.artifact or {}).get("boot_id"):
            boot.order(session, found.boot_id, timeout_s=deadline_s)

    def observe(self, session: Session, step: Step) -> Look:
        """DONE when the controller has the counts and the host, in another boot, shows the queues."""
        wanted, now = _wanted(step), _now(step)
        if left := _differing(wanted, now):
            return Look(Seen.NOT_DONE, (_left(step, left),))
        found = host.look(session, {v.mac for v in wanted})
        data: dict[str, Json] = {"queues": dict(found.queues), "boot_id": found.boot_id, "irqbalance": found.balanced}
        if found.boot_id is None or found.boot_id == (step.artifact or {}).get("boot_id"):
            reason = Reason(f"boot of {step.device.name}", found.boot_id or "unreadable", "another one")
            waits = session.run(boot.pending(found.boot_id), root=True).ok if found.boot_id else True
            return Look(Seen.WAITING if waits else Seen.NOT_DONE, (reason,), data, after_s=_AGAIN_S)
        short = _short(step, wanted, found)
        return Look(Seen.IMPOSSIBLE if short else Seen.DONE, (short,) if short else (), data)

    def rollback(self, session: Session, step: Step, *, deadline_s: float) -> None:
        held = _held(step)
        _write(step, held)
        found = host.look(session, {v.mac for v in held})
        if found.boot_id is not None and found.boot_id in {step.progress.get(_FROM, found.boot_id)} - _never(step):
            boot.order(session, found.boot_id, timeout_s=deadline_s)

    def observe_rollback(self, session: Session, step: Step) -> Look:
        """DONE when the controller has the old counts and the host the old queues, in a boot that began with them."""
        held, now = _held(step), _now(step)
        if left := _differing(held, now):
            return Look(Seen.NOT_DONE, (_left(step, left),), step.progress)
        found = host.look(session, {v.mac for v in held})
        before, since = (step.artifact or {}).get("queues"), step.progress.get(_FROM)
        data: dict[str, Json] = {"queues": dict(found.queues), "boot_id": found.boot_id, _FROM: since or found.boot_id}
        # Where the number of receive queues was not changed, only another boot tells that the old counts are in effect.
        told = found.boot_id in _never(step) or _receive(_wanted(step)) != _receive(held)
        booted = since is not None and found.boot_id not in {None, since}
        if found.boot_id is not None and dict(found.queues) == before and (told or booted):
            return Look(Seen.DONE, (), data)
        reason = Reason(f"queues of {step.device.name}", str(dict(found.queues)), f"{before}, as they were")
        waits = session.run(boot.pending(found.boot_id), root=True).ok if found.boot_id else True
        return Look(Seen.WAITING if waits else Seen.NOT_DONE, (reason,), data, after_s=_AGAIN_S)


def _write(step: Step, wanted: tuple[rack.Vnic, ...]) -> None:
    """What differs, and nothing else."""
    where, now = places.rack(step.device.name).domain, _now(step)
    for one in wanted:
        there = now[one.dn].counts if one.dn in now else None
        if there is not None and one.counts is not None and there != one.counts:
            rack_client.write(where, one.dn, rack.changes(there, one.counts))


def _never(step: Step) -> frozenset[Json]:
    """The boot in which the old counts were captured: as long as it lasts, no others were in effect."""
    return frozenset({(step.artifact or {}).get("boot_id")})


def _receive(vnics: tuple[rack.Vnic, ...]) -> list[int]:
    return [one.counts.receive for one in vnics if one.counts is not None]


def _aim(subject: str, vnic: rack.Vnic, params: RackParams) -> Policy:
    now = _known(subject, vnic)
    made = ucs.derived(now.name, receive=params.receive, transmit=params.transmit or params.receive, like=now)
    wrong = [one.reason for one in ucs.illegal_in(made, rack.RANGES, "Cisco IMC") if one.severity is Severity.FATAL]
    if wrong:
        raise Impossible(wrong[0])
    return made


def _diff(now: Policy, name: str, wanted: Policy) -> str:
    return f"-{name}: {counts_in_words(now)}\n+{name}: {counts_in_words(wanted)}\n"


def _lines(vnic: rack.Vnic, now: Policy, wanted: Policy) -> list[str]:
    rows = rack.changes(now, wanted).items()
    return [f"set {vnic.dn}/{rn} {' '.join(f'{k}={x}' for k, x in values.items())}" for rn, values in rows]


def _known(subject: str, vnic: rack.Vnic) -> Policy:
    if vnic.counts is None:
        found = f"vNIC {vnic.name} whose counts are not known"
        raise Impossible(Reason(subject, found, "its counts", "Collect it again: ./manage.py collect_ucs."))
    return vnic.counts


def _wanted(step: Step) -> tuple[rack.Vnic, ...]:
    return _rows(step.planned.expected.get(_PLAN), step)


def _held(step: Step) -> tuple[rack.Vnic, ...]:
    return _rows(step.artifact, step)


def _rows(kept: Any, step: Step) -> tuple[rack.Vnic, ...]:
    if not isinstance(kept, Mapping) or not kept.get("vnics"):
        reason = Reason(f"{_PLAN} on {step.device.name}", "nothing planned", "a plan of this version", "Plan again.")
        raise Impossible(reason)
    return tuple(rack.vnic_of(row) for row in kept["vnics"])


def _now(step: Step) -> Mapping[str, rack.Vnic]:
    return {one.dn: one for one in rack_client.look(places.rack(step.device.name).domain).vnics}


def _unknown(step: Step, wanted: tuple[rack.Vnic, ...], now: Mapping[str, rack.Vnic]) -> tuple[Reason, ...]:
    gone = [v.name for v in wanted if v.dn not in now or now[v.dn].counts is None]
    if not gone:
        return ()
    remedy = "Was the server replaced? Collect it and plan again."
    return (Reason(f"vNICs of {step.device.name}", f"{', '.join(gone)}: gone or unreadable", "as planned", remedy),)


def _differing(wanted: tuple[rack.Vnic, ...], now: Mapping[str, rack.Vnic]) -> list[rack.Vnic]:
    return [one for one in wanted if one.dn not in now or now[one.dn].counts != one.counts]


def _left(step: Step, left: list[rack.Vnic]) -> Reason:
    return Reason(f"vNICs of {step.device.name}", f"{', '.join(v.name for v in left)} not written", "all of them")


def _short(step: Step, wanted: tuple[rack.Vnic, ...], seen: host.Host) -> Reason | None:
    planned = step.planned.expected.get(_PLAN)
    shows = planned.get("shows") if isinstance(planned, Mapping) else None
    least = shows if isinstance(shows, int) else next(v.counts.receive for v in wanted if v.counts is not None)
    if len(seen.queues) >= len(wanted) and all(count == least for count in seen.queues.values()):
        return None
    shown = ", ".join(f"{name} {count}" for name, count in sorted(seen.queues.items())) or "no interface of its vNICs"
    remedy = "See dmesg of enic: completion queues, interrupts and CPUs bound them as well."
    return Reason(f"receive queues of {step.device.name}", shown, f"{least} on each of {len(wanted)} vNICs", remedy)


def _cpus(facts: Mapping[str, Json]) -> int | None:
    cpu = facts.get("cpu")
    threads = cpu.get("threads") if isinstance(cpu, Mapping) else None
    return threads if isinstance(threads, int) and threads > 0 else None
