"""The verbs `netboot` and `netboot-default`: another boot target, tried once; what was tried and soaked is kept."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from fleet.core.model import Json, PlannedStep, Reason, Reversibility, StepSpec
from fleet.core.states import TargetState
from playbooks import boot
from playbooks.base import Device, Impossible, Look, Refused, Seen, Session, Step
from playbooks.netboot import targets
from playbooks.netboot.render import CONFIRMED
from playbooks.netboot.targets import BootState
from playbooks.params import Duration

_AGAIN_S = 2.0
_UNCHANGED_S = 120.0
_NAME = r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,62}$"


class NetbootParams(BaseModel):
    """Which boot target is tried, and how long the host may take to answer again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    target: str = Field(pattern=_NAME, description="name of the boot target")
    within: Duration = Field(default=900.0, description="until it answers with a new boot id, downloads included")


class DefaultParams(BaseModel):
    """Which boot target is kept."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    target: str = Field(pattern=_NAME, description="name of the boot target that runs")


def _state(device: Device, target: str) -> BootState:
    found = targets.kept().read(device.name)
    if found is None:
        remedy = "Enter its address and boot target in the admin."
        raise Impossible(Reason(f"network boot of {device.name}", "no host on record", "a diskless host", remedy))
    if target not in found.releases:
        known = ", ".join(sorted(found.releases)[:20]) or "none"
        raise Impossible(Reason(f"boot target {target}", "not there", f"one of {known}", "Enter it in the admin."))
    return found


def _runs(session: Session) -> tuple[str, str | None]:
    """Release of the kernel, and the boot."""
    answers = session.batch({"uname": ["uname", "-r"], "boot": boot.BOOT_ID})
    release = answers["uname"].out.strip()[:100] if "uname" in answers and answers["uname"].ok else ""
    return release, boot.boot_id(answers["boot"].out) if "boot" in answers else None


class Netboot:
    """Have the endpoint serve a target once, and reboot. Any later boot is the default again: that is the way back."""

    verb = "netboot"
    phase = TargetState.APPLYING
    reversibility = Reversibility.BY_REBOOT
    disruptive = True
    acts = True
    repeatable = True  # the order names the boot that it ends
    within_s = 900.0
    estimate_s = 180.0
    params_model = NetbootParams

    def plan(self, spec: StepSpec, device: Device, facts: Mapping[str, Json]) -> PlannedStep:
        params = NetbootParams.model_validate(spec.params)
        state = _state(device, params.target)
        kernel = str(facts.get("kernel") or "unknown")
        return PlannedStep(
            self.verb, spec.params, self.reversibility, self.disruptive,
            diff=f"-boots {state.default} ({kernel})\n+boots {params.target} ({state.releases[params.target]}) once\n",
            commands=(f"serve {params.target} to the next boot, {state.default} to later ones", "systemctl reboot"),
            estimate_s=self.estimate_s, within_s=params.within,
        )  # fmt: skip

    def precheck(self, session: Session, step: Step) -> Look:
        params = NetbootParams.model_validate(step.params)
        state = _state(step.device, params.target)
        release, boot_id = _runs(session)
        if boot_id is None:
            reason = Reason(f"boot id of {step.device.name}", "nothing that can be read", "/proc/sys/kernel")
            return Look(Seen.UNKNOWN, (reason,))
        data: dict[str, Json] = {"release": release, "boot_id": boot_id, "default": state.default}
        if state.default == params.target and release == state.releases[params.target]:
            return Look(Seen.ALREADY, (), data)
        return Look(Seen.READY, (), data, {"boot_id": boot_id, "release": release, "default": state.default})

    def apply(self, session: Session, step: Step, *, deadline_s: float) -> None:
        params = NetbootParams.model_validate(step.params)
        no = targets.kept().arm(step.device.name, params.target)
        if no is not None:
            raise Refused(no)
        boot.order(session, _before(step), timeout_s=deadline_s)

    def observe(self, session: Session, step: Step) -> Look:
        """DONE when a new boot runs the target's kernel, and nothing is left to be served once."""
        params = NetbootParams.model_validate(step.params)
        state = _state(step.device, params.target)
        release, boot_id = _runs(session)
        data: dict[str, Json] = {**step.progress, "release": release, "boot_id": boot_id}
        if boot_id == _before(step):
            since = data.setdefault("sent_at_s", step.waited_s)
            late = step.waited_s - float(since if isinstance(since, int | float) else 0.0)
            found = f"the old boot {late:.0f} s after it was sent"
            reason = Reason(f"reboot of {step.device.name}", found, "a new one")
            if late > _UNCHANGED_S or not (state.once or state.trial):
                return Look(Seen.NOT_DONE, (reason,), {**data, "sent_at_s": step.waited_s})
            return Look(Seen.WAITING, (reason,), data, after_s=_AGAIN_S)
        wanted = state.releases[params.target]
        if boot_id is not None and release == wanted and state.trial == params.target:
            # It was reached over a connection of the new boot: the watch of an image that has one lets it be.
            kept = session.run(["touch", CONFIRMED], root=True)
            confirmed = Reason(CONFIRMED, kept.said, "written, or the trial ends")
            return Look(Seen.DONE, (), data) if kept.ok else Look(Seen.WAITING, (confirmed,), data, after_s=_AGAIN_S)
        if state.once:
            found = f"a new boot with {release}, and {state.once} was never asked for"
            remedy = "It did not boot from Slipway: see its boot order, DHCPv6 option 59 and its console."
        else:
            found = f"a new boot with {release or 'an unknown kernel'}, by itself"
            remedy = f"{params.target} was served once and did not stay: see the console, or the panic."
        return Look(Seen.IMPOSSIBLE, (Reason(f"kernel of {step.device.name}", found, wanted, remedy),), data)

    def rollback(self, session: Session, step: Step, *, deadline_s: float) -> None:
        """Nothing is served once any more; a host that runs the trial is rebooted into its default."""
        targets.kept().disarm(step.device.name)
        release, boot_id = _runs(session)
        if boot_id is not None and release != (step.artifact or {}).get("release"):
            boot.order(session, boot_id, timeout_s=deadline_s)

    def observe_rollback(self, session: Session, step: Step) -> Look:
        params = NetbootParams.model_validate(step.params)
        state, held = _state(step.device, params.target), step.artifact or {}
        release, boot_id = _runs(session)
        data: dict[str, Json] = {"release": release, "boot_id": boot_id, "default": state.default}
        if boot_id is not None and session.run(boot.pending(boot_id)).ok:
            return Look(Seen.WAITING, (), data, after_s=_AGAIN_S)
        if release == held.get("release") and not (state.once or state.trial) and state.default == held.get("default"):
            return Look(Seen.DONE, (), data)
        found = f"{release} runs; {state.default} by default, {state.once or state.trial or 'nothing'} on trial"
        return Look(Seen.NOT_DONE, (Reason(f"kernel of {step.device.name}", found, f"{held.get('release')}"),), data)


class NetbootDefault:
    """Keep what was tried: every later boot is this target. Nothing is sent to the host."""

    verb = "netboot-default"
    phase = TargetState.SOAKING
    reversibility = Reversibility.IN_PLACE
    disruptive = False
    acts = True
    repeatable = True
    within_s = 120.0
    estimate_s = 2.0
    params_model = DefaultParams

    def plan(self, spec: StepSpec, device: Device, facts: Mapping[str, Json]) -> PlannedStep:
        params = DefaultParams.model_validate(spec.params)
        state = _state(device, params.target)
        return PlannedStep(
            self.verb, spec.params, self.reversibility, self.disruptive,
            diff=f"-default {state.default}\n+default {params.target}\n" if state.default != params.target else "",
            commands=(f"serve {params.target} to every boot",), estimate_s=self.estimate_s, within_s=self.within_s,
        )  # fmt: skip

    def precheck(self, session: Session, step: Step) -> Look:
        params = DefaultParams.model_validate(step.params)
        state = _state(step.device, params.target)
        data: dict[str, Json] = {"default": state.default}
        if state.default == params.target:
            return Look(Seen.ALREADY, (), data)
        release, _ = _runs(session)
        return Look(Seen.READY, (), {**data, "release": release}, {"default": state.default})

    def apply(self, session: Session, step: Step, *, deadline_s: float) -> None:
        params = DefaultParams.model_validate(step.params)
        state = _state(step.device, params.target)
        release, _ = _runs(session)
        if release != state.releases[params.target]:
            raise Refused(Reason(f"kernel of {step.device.name}", f"{release} runs", state.releases[params.target]))
        no = targets.kept().keep(step.device.name, params.target)
        if no is not None:
            raise Refused(no)

    def observe(self, session: Session, step: Step) -> Look:
        params = DefaultParams.model_validate(step.params)
        state = _state(step.device, params.target)
        seen = Seen.DONE if state.default == params.target and not state.once else Seen.NOT_DONE
        return Look(seen, (), {"default": state.default})

    def rollback(self, session: Session, step: Step, *, deadline_s: float) -> None:
        no = targets.kept().keep(step.device.name, str((step.artifact or {}).get("default") or ""))
        if no is not None:
            raise Refused(no)

    def observe_rollback(self, session: Session, step: Step) -> Look:
        state = targets.kept().read(step.device.name)
        back = state is not None and state.default == (step.artifact or {}).get("default")
        return Look(Seen.DONE if back else Seen.NOT_DONE)


def _before(step: Step) -> str:
    found = (step.artifact or {}).get("boot_id")
    if not isinstance(found, str) or boot.boot_id(found) is None:
        raise Impossible(Reason(f"reboot of {step.device.name}", "no boot id on record", "the boot that is to end"))
    return found
