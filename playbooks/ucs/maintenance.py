"""The verb `ucs-user-ack`: a service profile gets a maintenance policy under which a reboot waits. Reboots nothing."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from fleet.core.model import Json, PlannedStep, Reason, Reversibility, StepSpec
from fleet.core.states import TargetState
from playbooks.base import Device, Impossible, Look, Refused, Seen, Session, Step
from playbooks.ucs import acts, ask, places, wanted
from playbooks.ucs.client import Manager, manager
from playbooks.ucs.seen import Profile

_PLAN = "ucs-user-ack"
_ASKS = "user-ack"


class UserAckParams(BaseModel):
    """Which maintenance policy the profile gets."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    policy: str = Field(
        default="slipway-ack", pattern=r"^[-.:_a-zA-Z0-9]{1,16}$",
        description="maintenance policy with user-ack; made where there is none of that name",
    )  # fmt: skip


class UserAck:
    """Name another maintenance policy in one service profile; the policy that others share is left as it is."""

    verb = "ucs-user-ack"
    phase = TargetState.APPLYING
    reversibility = Reversibility.IN_PLACE
    disruptive = False
    acts = True
    repeatable = True
    within_s = 300.0
    estimate_s = 5.0
    params_model = UserAckParams

    def plan(self, spec: StepSpec, device: Device, facts: Mapping[str, Json]) -> PlannedStep:
        params = UserAckParams.model_validate(spec.params)
        place = places.place(device.name)
        if place.template:
            raise Impossible(wanted.in_template(f"UCS blade of {device.name}", place))
        dn = place.profile.rpartition("/ls-")[0] + f"/maint-{params.policy}"
        return PlannedStep(
            self.verb, spec.params, self.reversibility, self.disruptive,
            diff=f"-{place.profile}: {place.maintenance or 'maintenance policy unknown'}\n"
            f"+{place.profile}: {_ASKS} ({dn})\n",
            commands=(f"have {dn} with {_ASKS}", f"name {params.policy} in {place.profile}; nothing reboots"),
            expected={_PLAN: {"profile": place.profile, "name": params.policy, "dn": dn}},
            estimate_s=self.estimate_s, within_s=self.within_s,
        )  # fmt: skip

    def precheck(self, session: Session, step: Step) -> Look:
        aim, now, _ = _at(step)
        if _is_so(aim, now) or (step.artifact is None and now.maintenance == _ASKS):
            return Look(Seen.ALREADY)
        if now.pending is not None:
            return Look(Seen.UNKNOWN, (_pending(now),))
        return Look(Seen.READY, (), {"maintenance": now.maintenance}, {"named": now.maintenance_named})

    def apply(self, session: Session, step: Step, *, deadline_s: float) -> None:
        aim, now, asked = _at(step)
        if now.pending is not None:
            raise Refused(_pending(now))
        acts.make_user_ack(asked, aim["dn"], aim["name"])
        acts.name_maintenance(asked, now, aim["name"])

    def observe(self, session: Session, step: Step) -> Look:
        """DONE when UCS Manager resolves the profile's maintenance policy to the one with user-ack."""
        aim, now, _ = _at(step)
        return Look(Seen.DONE if _is_so(aim, now) else Seen.NOT_DONE, () if _is_so(aim, now) else (_other(now),))

    def rollback(self, session: Session, step: Step, *, deadline_s: float) -> None:
        _, now, asked = _at(step)
        if now.pending is not None:
            raise Refused(_pending(now))  # what waits now would be carried out at once
        acts.name_maintenance(asked, now, str((step.artifact or {}).get("named", "")))

    def observe_rollback(self, session: Session, step: Step) -> Look:
        _, now, _ = _at(step)
        named = str((step.artifact or {}).get("named", ""))
        return Look(Seen.DONE if now.maintenance_named == named else Seen.NOT_DONE)


def _at(step: Step) -> tuple[Mapping[str, str], Profile, Manager]:
    planned: Any = step.planned.expected.get(_PLAN)
    if not isinstance(planned, Mapping):
        wants = Reason(f"{_PLAN} on {step.device.name}", "nothing planned", "a plan of this version", "Plan again.")
        raise Impossible(wants)
    asked = manager(places.place(step.device.name).domain)
    return planned, ask.profile(asked, str(planned["profile"])), asked


def _is_so(aim: Mapping[str, str], now: Profile) -> bool:
    return now.maintenance == _ASKS and now.maintenance_named == aim["name"]


def _other(now: Profile) -> Reason:
    found = f"maintenance policy {now.maintenance_named or 'of no name'} ({now.maintenance})"
    return Reason(f"service profile {now.name}", found, _ASKS, "It is asked again.")


def _pending(now: Profile) -> Reason:
    changes = ", ".join(now.pending.changes) if now.pending is not None else ""
    remedy = "Acknowledge or discard it in UCS Manager first: what waits should not change when it is carried out."
    return Reason(f"service profile {now.name}", f"a reboot is pending ({changes or 'unnamed'})", "nothing", remedy)
