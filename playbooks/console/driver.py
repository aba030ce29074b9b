"""The verb `console`: the out-of-band console is proven before anything that may need it.

Who the controllers are comes in `Step.progress["consoles"]` (rows of `Console`'s fields); the engine's shell puts it
there, for the look before the drain as well.
"""

import time
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from fleet.core.model import Json, PlannedStep, Reason, StepSpec
from fleet.core.states import TargetState
from playbooks import oob
from playbooks.base import Device, DeviceError, Look, Seen, Session, Step, Unreachable
from playbooks.looking import Looking

# A controller that is busy misses a request now and then, and is asked once more; not one that took its time to say
# nothing (ipmitool gives up after 20 s), because the claim on the step runs meanwhile.
_SOON_S = 10.0


class ConsoleParams(BaseModel):
    """Whether there must be one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    needs: Literal["required", "none"] = Field(
        default="required", description="none: it is not asked, and the plan says so"
    )


class ConsoleProof(Looking):
    """Log in at the management controller, read power and console. It changes nothing: a look is all there is."""

    verb = "console"
    phase = TargetState.APPLYING
    acts = True  # so that it is looked at before the drain too; it is never READY, so nothing is ever sent
    within_s = 120.0
    estimate_s = 3.0
    params_model: type[BaseModel] = ConsoleParams

    def plan(self, spec: StepSpec, device: Device, facts: Mapping[str, Json]) -> PlannedStep:
        asked = ConsoleParams.model_validate(spec.params).needs == "required"
        words = ("log in at its management controller; it is on, and offers a console",) if asked else ()
        return PlannedStep(
            self.verb, spec.params, self.reversibility, self.disruptive, commands=words, estimate_s=self.estimate_s,
            within_s=self.within_s,
        )  # fmt: skip

    def precheck(self, session: Session, step: Step) -> Look:
        """ALREADY with what was found in `data`; IMPOSSIBLE where none is on record, UNKNOWN where none is proven."""
        if ConsoleParams.model_validate(step.params).needs == "none":
            return Look(Seen.ALREADY, (), {"console": "not asked: the change goes without"})
        rows: Any = step.progress.get("consoles")
        consoles = [oob.Console(**row) for row in rows or ()]
        if not any(one.kind in oob.ASKED for one in consoles):
            found = "a serial console alone, which cannot be asked" if consoles else "none on record"
            remedy = "Enter its management controller in the inventory, or plan with the console `none`."
            reason = Reason(f"console of {step.device.name}", found, "a management controller that answers", remedy)
            return Look(Seen.IMPOSSIBLE, (reason,), {"console": found})
        reasons: list[Reason] = []
        for one in (c for c in consoles if c.kind in oob.ASKED):
            proof = _proven(one)
            if isinstance(proof, oob.Proof):
                return Look(Seen.ALREADY, (), {"console": f"{one.kind}: {proof.words}"})
            reasons += proof
        return Look(Seen.UNKNOWN, tuple(reasons), {"console": "not proven"})

    def observe(self, session: Session, step: Step) -> Look:
        look = self.precheck(session, step)
        return Look(Seen.DONE, (), look.data) if look.seen is Seen.ALREADY else look


def _proven(console: oob.Console) -> oob.Proof | list[Reason]:
    """What one controller says, or why it is no way in."""
    begun = time.monotonic()
    try:
        try:
            proof = oob.prove(console)
        except Unreachable:
            if time.monotonic() - begun > _SOON_S:
                raise
            proof = oob.prove(console)
    except DeviceError as error:
        return [error.reason]
    return list(proof.against(console)) or proof
