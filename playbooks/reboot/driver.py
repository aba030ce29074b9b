"""The verbs `reboot` and `restart`: exactly once, told apart by the boot id and by systemd's invocation id."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from fleet.core.model import Json, PlannedStep, Reason, Reversibility, StepSpec
from fleet.core.states import TargetState
from playbooks import boot
from playbooks.base import Device, Impossible, Look, Refused, Seen, Session, Step
from playbooks.params import Duration
from playbooks.reboot import parse, render

# A machine that goes down stops answering within seconds; systemd gives a service 90 s to stop, few need it. Before
# this is over nothing is concluded from the old boot id.
UNCHANGED_S = 60.0
_AGAIN_S = 2.0


class RebootParams(BaseModel):
    """How long the router may take to answer again after the reboot."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    within: Duration = Field(default=600.0, description="until it answers with a new boot id (servers: 3 to 10 min)")


class RestartParams(BaseModel):
    """How long the routing daemons may take to run again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    within: Duration = Field(default=120.0, description="until the service is active again")


def _since(step: Step, key: str) -> float:
    """`waited_s` when the act was seen sent for the first time."""
    found = step.progress.get(key)
    return float(found) if isinstance(found, int | float) else step.waited_s


def _unchanged(step: Step, what: str, data: Mapping[str, Json]) -> Look:
    """Nothing has changed yet: WAITING for a while, then NOT_DONE so that the engine may look and send again."""
    sent_at = _since(step, "sent_at_s")
    sends = step.progress.get("sends")
    count = sends if isinstance(sends, int) else 1
    reason = Reason(
        f"{step.verb} of {step.device.name}", f"{what} {step.waited_s - sent_at:.0f} s after it was sent", "a new one",
        "See whether the machine hangs in its shutdown (console).",
    )  # fmt: skip
    if step.waited_s - sent_at < UNCHANGED_S:
        return Look(Seen.WAITING, (reason,), {**data, "sent_at_s": sent_at, "sends": count}, after_s=_AGAIN_S)
    # Without sent_at_s: the next look counts from the repetition.
    return Look(Seen.NOT_DONE, (reason,), {**data, "sends": count + 1}, after_s=_AGAIN_S)


class Reboot:
    """Reboot a router. It is done when the router answers with another boot id; whether it is well, verify says."""

    verb = "reboot"
    phase = TargetState.APPLYING
    reversibility = Reversibility.NOTHING_TO_UNDO
    disruptive = True
    acts = True
    repeatable = True  # guarded: it is sent only to the boot that the artifact names
    within_s = 600.0
    estimate_s = 120.0
    params_model = RebootParams

    def plan(self, spec: StepSpec, device: Device, facts: Mapping[str, Json]) -> PlannedStep:
        params = RebootParams.model_validate(spec.params)
        return PlannedStep(
            self.verb, spec.params, self.reversibility, self.disruptive,
            commands=("systemctl reboot",), estimate_s=min(self.estimate_s, params.within), within_s=params.within,
        )  # fmt: skip

    def precheck(self, session: Session, step: Step) -> Look:
        found = boot.boot_id(session.run(boot.BOOT_ID).out)
        if found is None:
            return Look(Seen.UNKNOWN, (_no_boot_id(step),))
        before = (step.artifact or {}).get("boot_id")
        if before is not None and before != found:
            return Look(Seen.ALREADY, (), {"boot_id": found, "boot_id_before": before})
        return Look(Seen.READY, (), {"boot_id": found}, {"boot_id": found})

    def apply(self, session: Session, step: Step, *, deadline_s: float) -> None:
        before = (step.artifact or {}).get("boot_id")
        if not isinstance(before, str) or boot.boot_id(before) is None:
            raise Impossible(Reason(f"reboot of {step.device.name}", "no boot id on record", "the boot that is to end"))
        boot.order(session, before, timeout_s=deadline_s)

    def observe(self, session: Session, step: Step) -> Look:
        """DONE with another boot id; WAITING with the same for 60 s after the send, then NOT_DONE.

        While the machine is down the session is Unreachable, which the engine takes as waiting.
        """
        found = boot.boot_id(session.run(boot.BOOT_ID).out)
        before = (step.artifact or {}).get("boot_id")
        if found is None or before is None:
            return Look(Seen.UNKNOWN, (_no_boot_id(step),), step.progress, after_s=_AGAIN_S)
        if found != before:
            return Look(Seen.DONE, (), {"boot_id": found, "boot_id_before": before, "took_s": round(step.waited_s, 1)})
        return _unchanged(step, "the old boot id", {"boot_id": found})

    def rollback(self, session: Session, step: Step, *, deadline_s: float) -> None:
        """Nothing: a reboot leaves nothing that could be put back."""

    def observe_rollback(self, session: Session, step: Step) -> Look:
        return Look(Seen.DONE)


class Restart:
    """Restart the routing daemons. Done when the service is active under another invocation id."""

    verb = "restart"
    phase = TargetState.APPLYING
    reversibility = Reversibility.NOTHING_TO_UNDO
    disruptive = True
    acts = True
    repeatable = True
    within_s = 120.0
    estimate_s = 15.0
    params_model = RestartParams

    def _unit(self, device: Device) -> str:
        if device.suite not in render.UNIT_OF:
            found = f"routing suite {device.suite}"
            raise Impossible(
                Reason(f"restart of {device.name}", found, "frr or bird", "Set the suite in the inventory.")
            )
        return render.UNIT_OF[device.suite]

    def plan(self, spec: StepSpec, device: Device, facts: Mapping[str, Json]) -> PlannedStep:
        params = RestartParams.model_validate(spec.params)
        return PlannedStep(
            self.verb, spec.params, self.reversibility, self.disruptive,
            commands=tuple(" ".join(argv) for argv in render.restart(self._unit(device))),
            estimate_s=min(self.estimate_s, params.within), within_s=params.within,
        )  # fmt: skip

    def _look(self, session: Session, step: Step) -> parse.Unit:
        return parse.unit(session.run(render.show(self._unit(step.device))).out)

    def precheck(self, session: Session, step: Step) -> Look:
        unit = self._look(session, step)
        if not unit.loaded or not unit.invocation:
            return Look(Seen.UNKNOWN, (self._no_unit(step, unit),))
        before = (step.artifact or {}).get("invocation")
        if before is not None and before != unit.invocation and unit.active == "active":
            return Look(Seen.ALREADY, (), {"invocation": unit.invocation})
        artifact = {"invocation": unit.invocation, "since_us": unit.since_us}
        return Look(Seen.READY, (), {"invocation": unit.invocation}, artifact)

    def apply(self, session: Session, step: Step, *, deadline_s: float) -> None:
        clear, restart = render.restart(self._unit(step.device))
        # A unit that has not failed has nothing to clear, and some versions say so with an error.
        session.run(clear, timeout_s=min(20.0, deadline_s), root=True)
        answer = session.run(restart, timeout_s=min(20.0, deadline_s), root=True)
        if not answer.ok:
            said = " ".join((answer.err or answer.out).split())[:200]
            raise Refused(Reason(f"restart on {step.device.name}", f"refused: {said}", "a restart of the service"))

    def observe(self, session: Session, step: Step) -> Look:
        unit = self._look(session, step)
        before = (step.artifact or {}).get("invocation")
        data: dict[str, Json] = {"invocation": unit.invocation, "active": unit.active}
        if not unit.loaded or before is None:
            return Look(Seen.UNKNOWN, (self._no_unit(step, unit),), step.progress, after_s=_AGAIN_S)
        if unit.active == "failed":
            reason = Reason(
                f"service {self._unit(step.device)} on {step.device.name}", "failed", "active",
                "See `journalctl -u` of the service; the router stays drained.",
            )  # fmt: skip
            # No second attempt: a service that fails to start is not a restart that did not happen.
            return Look(Seen.IMPOSSIBLE, (reason,), data)
        if unit.active == "active" and unit.invocation and unit.invocation != before:
            return Look(Seen.DONE, (), {**data, "invocation_before": before})
        if unit.active in {"activating", "deactivating", "reloading"} or unit.invocation != before:
            reason = Reason(f"service {self._unit(step.device)}", unit.active or "no state", "active")
            return Look(Seen.WAITING, (reason,), {**step.progress, **data}, after_s=1.0)
        return _unchanged(step, "the old invocation", data)

    def rollback(self, session: Session, step: Step, *, deadline_s: float) -> None:
        """Nothing: a restart leaves nothing that could be put back."""

    def observe_rollback(self, session: Session, step: Step) -> Look:
        return Look(Seen.DONE)

    def _no_unit(self, step: Step, unit: parse.Unit) -> Reason:
        name = self._unit(step.device)
        return Reason(
            f"service {name} on {step.device.name}", f"state {unit.active or 'not said'}", "a service of systemd",
            f"See `systemctl status {name}`.",
        )  # fmt: skip


def _no_boot_id(step: Step) -> Reason:
    return Reason(f"boot id of {step.device.name}", "nothing that can be read", "/proc/sys/kernel/random/boot_id")
