"""The verb `ucs`: a blade gets another adapter policy or firmware, by an acknowledged reboot of its drained host.

Each visit looks at UCS Manager and does the one thing that is next (`moves`): bind, shut down, acknowledge, wait. What
was done is read from UCS Manager, never remembered, so a lost answer or another worker does nothing twice.
"""

from collections.abc import Mapping

from fleet.core.model import Json, PlannedStep, Reason, Reversibility, StepSpec
from fleet.core.states import TargetState
from playbooks import boot
from playbooks.base import Device, Impossible, Look, Seen, Session, Step
from playbooks.ucs import acts, ask, host, places, wanted, words
from playbooks.ucs.client import Manager, manager
from playbooks.ucs.moves import FIRMWARE, Move, next_move
from playbooks.ucs.params import UcsParams
from playbooks.ucs.seen import Profile
from playbooks.ucs.wanted import Wanted

_PLAN = "ucs"  # key in `PlannedStep.expected`
# UCS Manager evaluates a commit before it shows what waits for it; for so long a profile without anything pending
# is not taken for one that needs no reboot, and a pending reboot is not acted upon. Inferred: seconds on real ones.
_SETTLES_S = 3.0
_NOTHING_PENDS_S = 60.0
# Association takes minutes; polling every 10 to 15 s is what Cisco's own tools do.
_AGAIN_S, _AGAIN_AT_MOST_S, _AGAIN_SHARE = 2.0, 10.0, 0.05

Bindings = Mapping[str, tuple[str, str]]


class Ucs:
    """Bind one host's vNICs to a policy with other queues, its profile to a pack with other firmware, or both. Done
    when the host itself shows the queues and UCS Manager the running bundle, after its boot."""

    verb = "ucs"
    phase = TargetState.APPLYING
    reversibility = Reversibility.BY_REBOOT
    disruptive = True
    acts = True
    repeatable = True  # every send looks first at whether it is still to be sent
    within_s = 3600.0
    estimate_s = 900.0
    params_model = UcsParams

    def plan(self, spec: StepSpec, device: Device, facts: Mapping[str, Json]) -> PlannedStep:
        params = UcsParams.model_validate(spec.params)
        place = places.place(device.name)
        aim = wanted.wanted(params, place, device=device.name, kernel=str(facts.get("kernel") or ""), cpus=_cpus(facts))
        return PlannedStep(
            self.verb, spec.params, words.reversibility(aim), self.disruptive, diff=words.diff(aim, place),
            commands=words.commands(aim), expected={_PLAN: aim.json()},
            estimate_s=min(self.estimate_s, params.within), within_s=params.within,
        )  # fmt: skip

    def precheck(self, session: Session, step: Step) -> Look:
        aim, asked = _aim(step)
        now = ask.profile(asked, aim.profile)
        if no := _refusal(step, aim, now):
            return Look(Seen.UNKNOWN, no)
        if step.artifact is not None:
            return Look(Seen.READY, (), step.progress)
        found = host.look(session, _macs(now, aim))
        if found.boot_id is None:
            return Look(Seen.UNKNOWN, (Reason(f"boot id of {step.device.name}", "unreadable", "a boot id"),))
        data: dict[str, Json] = {"queues": dict(found.queues), "boot_id": found.boot_id}
        bound = next_move(now, _forth(aim)).move is Move.ASSOCIATED
        if bound and _short(step, aim, found) is None and _other_bundle(aim, now) is None:
            return Look(Seen.ALREADY, (), data | {"firmware": now.running})
        held = {vnic.name: [vnic.named, vnic.policy] for vnic in now.vnics if vnic.name in aim.vnics}
        held |= {FIRMWARE: [now.pack_named, now.pack]} if aim.pack is not None else {}
        artifact = {**data, "bindings": held, "profile": aim.profile, "blade": now.blade}
        return Look(Seen.READY, (), data, artifact)

    def apply(self, session: Session, step: Step, *, deadline_s: float) -> None:
        aim, asked = _aim(step)
        now = ask.profile(asked, aim.profile)
        move = next_move(now, _forth(aim)).move
        if move is Move.BIND:
            if aim.policy is not None:
                origin = next((str(pair[1]) for name, pair in _held(step).items() if name != FIRMWARE), "")
                acts.make_copy(asked, aim.copy, aim.policy, origin)
            if aim.pack is not None:
                acts.make_pack(asked, aim.pack)
        self._act(session, step, asked, now, _forth(aim), move, deadline_s)

    def observe(self, session: Session, step: Step) -> Look:
        """DONE when the host answers with another boot id and shows the queues; WAITING through the association."""
        aim, asked = _aim(step)
        now = ask.profile(asked, aim.profile)
        found = self._settled(step, now, _forth(aim))
        if found is not None:
            return found
        seen = host.look(session, _macs(now, aim))  # Unreachable until it has booted: the engine waits
        data = _data(step, now) | {"queues": dict(seen.queues), "boot_id": seen.boot_id, "irqbalance": seen.balanced}
        if seen.boot_id is None:
            reason = Reason(f"boot id of {step.device.name}", "unreadable", "a boot id")
            return Look(Seen.UNKNOWN, (reason,), data, after_s=_AGAIN_S)
        if seen.boot_id == (step.artifact or {}).get("boot_id"):
            return _nothing_pends(step, data)
        wrong = [no for no in (_short(step, aim, seen), _other_bundle(aim, now)) if no is not None]
        if wrong:
            return Look(Seen.IMPOSSIBLE, tuple(wrong), data)
        return Look(Seen.DONE, _unbalanced(step, seen), data)

    def rollback(self, session: Session, step: Step, *, deadline_s: float) -> None:
        aim, asked = _aim(step)
        now = ask.profile(asked, aim.profile)
        move = next_move(now, _back(step), back=True).move
        self._act(session, step, asked, now, _back(step), move, deadline_s)

    def observe_rollback(self, session: Session, step: Step) -> Look:
        """DONE when the vNICs are bound as they were, the profile is associated and the host answers."""
        aim, asked = _aim(step)
        now = ask.profile(asked, aim.profile)
        found = self._settled(step, now, _back(step), back=True)
        if found is not None:
            return found
        seen = host.look(session, _macs(now, aim))
        data = _data(step, now) | {"queues": dict(seen.queues), "boot_id": seen.boot_id}
        before = (step.artifact or {}).get("queues")
        if seen.boot_id is None or (isinstance(before, Mapping) and dict(seen.queues) != dict(before)):
            found_ = f"queues {dict(seen.queues)}, boot id {seen.boot_id or 'unreadable'}"
            reason = Reason(f"queues of {step.device.name}", found_, f"{before}, as they were")
            return Look(Seen.UNKNOWN, (reason,), data, after_s=_AGAIN_S)
        return Look(Seen.DONE, (), data)

    def _act(
        self,
        session: Session,
        step: Step,
        asked: Manager,
        now: Profile,
        bindings: Bindings,
        move: Move,
        deadline_s: float,
    ) -> None:
        """The one thing that is next; nothing where that is to wait."""
        match move:
            case Move.BIND:
                acts.bind(asked, now, bindings)
            case Move.SHUT_DOWN:
                found = boot.boot_id(session.run(boot.BOOT_ID).out)
                if found is not None:
                    boot.order(session, found, timeout_s=deadline_s, command=("systemctl", "poweroff"))
            case Move.ACKNOWLEDGE:
                acts.acknowledge(asked, now.dn)
            case Move.POWER_ON:
                acts.power_on(asked, now.dn)
            case _:
                pass

    def _settled(self, step: Step, now: Profile, bindings: Bindings, *, back: bool = False) -> Look | None:
        """What follows from UCS Manager's view alone; None when it has nothing left to do: then the host is asked."""
        step_next = next_move(now, bindings, back=back)
        data = _data(step, now) | {"next": step_next.move.value}
        after_s = min(_AGAIN_AT_MOST_S, _AGAIN_S + step.waited_s * _AGAIN_SHARE)
        match step_next.move:
            case Move.ASSOCIATED:
                return None
            case Move.WAIT:
                return Look(Seen.WAITING, (step_next.why,), data, after_s=after_s)
            case Move.FAILED | Move.STRANGE:
                # On the way back nothing is given up: until the time is over it may still come right.
                seen = Seen.UNKNOWN if back else Seen.IMPOSSIBLE
                return Look(seen, (step_next.why,), data, after_s=after_s)
            case Move.SHUT_DOWN:
                return self._stopping(step, step_next.why, data)
            case _:
                return Look(Seen.NOT_DONE, (step_next.why,), data, after_s=0.5)

    def _stopping(self, step: Step, why: Reason, data: dict[str, Json]) -> Look:
        """The host is to go down: not in the first seconds after a commit, and not for longer than it may take."""
        since = step.progress.get("pending_s")
        began = float(since) if isinstance(since, int | float) else step.waited_s
        data["pending_s"] = began
        waited_s = step.waited_s - began
        limit_s = UcsParams.model_validate(step.params).shutdown
        if waited_s < _SETTLES_S:
            return Look(Seen.WAITING, (why,), data, after_s=1.0)
        if waited_s > limit_s + _SETTLES_S:
            reason = Reason(
                f"shutdown of {step.device.name}", f"still on after {waited_s:.0f} s", f"off within {limit_s:.0f} s",
                "It is not switched off hard: see its console for what keeps it.",
            )  # fmt: skip
            return Look(Seen.IMPOSSIBLE, (reason,), data)
        # Ordered anew at each look: an order that is pending, or carried out, is what is wanted.
        return Look(Seen.NOT_DONE, (why,), data, after_s=_AGAIN_S)


def _aim(step: Step) -> tuple[Wanted, Manager]:
    planned = step.planned.expected.get(_PLAN)
    if not isinstance(planned, Mapping):
        raise Impossible(
            Reason(f"ucs on {step.device.name}", "nothing planned", "a plan of this version", "Plan again.")
        )
    return wanted.read(planned), manager(places.place(step.device.name).domain)


def _forth(aim: Wanted) -> Bindings:
    made = dict.fromkeys(aim.vnics, (aim.policy.name, aim.copy)) if aim.policy is not None else {}
    return made | ({FIRMWARE: (aim.pack.name, aim.pack.dn)} if aim.pack is not None else {})


def _held(step: Step) -> Mapping[str, list[str]]:
    found = (step.artifact or {}).get("bindings")
    return found if isinstance(found, Mapping) else {}


def _back(step: Step) -> Bindings:
    return {name: (str(pair[0]), str(pair[1])) for name, pair in _held(step).items()}


def _macs(now: Profile, aim: Wanted) -> frozenset[str]:
    return frozenset(vnic.mac for vnic in now.vnics if vnic.name in aim.vnics and vnic.mac)


def _data(step: Step, now: Profile) -> dict[str, Json]:
    """What is kept from visit to visit and shown: where the association is, and since when we wait for the host."""
    kept = {key: step.progress[key] for key in ("pending_s", "bound_s") if key in step.progress}
    said = {"association": now.association, "stage": now.stage, "progress": now.progress, "fault": now.fault}
    return {**kept, **said, "firmware": now.running}


def _refusal(step: Step, aim: Wanted, now: Profile) -> tuple[Reason, ...]:
    """What speaks against touching the profile now. All of it."""
    subject = f"service profile {now.name} ({aim.blade.removeprefix('sys/')})"
    found = []
    if now.maintenance != "user-ack":
        remedy = "Somebody changed it since: set user-ack again, or its reboot would not wait for the drain."
        found.append(Reason(subject, f"maintenance policy {now.maintenance}", "user-ack", remedy))
    if now.blade != aim.blade:
        remedy = "Collect the domain and plan again."
        found.append(Reason(subject, f"associated with {now.blade or 'no blade'}", aim.blade, remedy))
    if step.artifact is not None:
        return tuple(found)
    if now.pending is not None:
        remedy = "Acknowledge or discard it in UCS Manager first: our reboot would carry it out as well."
        changes = ", ".join(now.pending.changes) or "changes that are not named"
        found.append(Reason(subject, f"a reboot is pending already ({changes})", "nothing pending", remedy))
    elif now.association != "associated":
        said = " ".join(part for part in (now.association or "unknown", now.stage, now.fault) if part)
        found.append(Reason(subject, said, "associated", "See the profile in UCS Manager."))
    return tuple(found)


def _short(step: Step, aim: Wanted, seen: host.Host) -> Reason | None:
    """Fewer queues on the host than there are to be; also where it does not show them."""
    if aim.policy is None:
        return None
    least = aim.shows if aim.shows is not None else aim.policy.receive
    wrong = {name: count for name, count in seen.queues.items() if count != least}
    if len(seen.queues) >= len(aim.vnics) and not wrong:
        return None
    shown = ", ".join(f"{name} {count}" for name, count in sorted(seen.queues.items())) or "no interface of its vNICs"
    remedy = "See dmesg of enic: completion queues, interrupts and CPUs bound them as well as the policy."
    return Reason(f"receive queues of {step.device.name}", shown, f"{least} on each of {len(aim.vnics)} vNICs", remedy)


def _other_bundle(aim: Wanted, now: Profile) -> Reason | None:
    """Another bundle than that of the pack runs on the blade; what UCS Manager does not tell is not held against it."""
    if aim.pack is None or not now.running or now.running == aim.pack.bundle:
        return None
    remedy = "See the firmware of its components in UCS Manager: one that was not updated keeps the blade's bundle."
    return Reason(f"firmware of {now.blade.removeprefix('sys/')}", now.running, aim.pack.bundle, remedy)


def _unbalanced(step: Step, seen: host.Host) -> tuple[Reason, ...]:
    if seen.balanced is not False:
        return ()
    remedy = "Without it one CPU may serve all queues: start irqbalance, or place the interrupts with a recipe."
    return (Reason(f"irqbalance of {step.device.name}", "not running", "interrupts spread over the CPUs", remedy),)


def _nothing_pends(step: Step, data: dict[str, Json]) -> Look:
    """Bound, nothing pending, and the host in its old boot: UCS Manager still evaluates, or saw no need to reboot."""
    since = step.progress.get("bound_s")
    began = float(since) if isinstance(since, int | float) else step.waited_s
    found = f"bound for {step.waited_s - began:.0f} s, and nothing waits for an acknowledgement"
    remedy = "Did somebody discard it in UCS Manager, or was it acknowledged on a policy that changes nothing?"
    reason = Reason(f"pending reboot of {step.device.name}", found, "one, for the new queues", remedy)
    if step.waited_s - began < _NOTHING_PENDS_S:
        return Look(Seen.WAITING, (reason,), {**data, "bound_s": began}, after_s=_AGAIN_S)
    return Look(Seen.IMPOSSIBLE, (reason,), data)


def _cpus(facts: Mapping[str, Json]) -> int | None:
    cpu = facts.get("cpu")
    threads = cpu.get("threads") if isinstance(cpu, Mapping) else None
    return threads if isinstance(threads, int) and threads > 0 else None
