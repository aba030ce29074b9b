"""The verb `sysctl`: kernel settings in effect and in a file, read back."""

import secrets
from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from fleet.core import preconditions
from fleet.core.model import Json, PlannedStep, Reason, Reversibility, StepSpec
from fleet.core.states import TargetState
from playbooks import confirm
from playbooks.base import Device, Impossible, Look, Refused, Seen, Session, Step
from playbooks.params import Duration
from playbooks.sysctl import parse, render

Settings = Annotated[
    dict[str, str],
    BeforeValidator(parse.settings),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "object", "additionalProperties": {"type": ["string", "integer"]}, "minProperties": 1},
                {"type": "string", "description": "lines of key = value"},
            ]
        }
    ),
]


class SysctlParams(BaseModel):
    """The settings that are wanted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    set: Settings = Field(description="key -> value, or lines of `key = value`")
    confirm: Duration = Field(
        default=60.0, ge=10.0, le=3600.0,
        description="the device puts them back by itself unless it is reached so soon over a new connection",
    )  # fmt: skip


def _expected(wanted: Mapping[str, str], seen: Json) -> dict[str, Json]:
    """The settings as the facts have them and as they will be; facts write what they print, spaces included."""
    known = seen if isinstance(seen, Mapping) else {}
    pairs: dict[str, tuple[Json, Json]] = {}
    for key, value in wanted.items():
        now = known.get(key)
        pairs[f"sysctl.{key}"] = (now, now if now is not None and parse.normal(str(now)) == value else value)
    return preconditions.of_step(pairs)


def _drifted(step: Step, values: Mapping[str, str]) -> tuple[Reason, ...]:
    """Settings that are neither as they were when it was approved nor as wanted. After the first touch nobody asks."""
    expected = {
        key: {path: parse.normal(str(value)) for path, value in facts.items()}
        for key, facts in step.planned.expected.items()
        if isinstance(facts, Mapping)
    }
    found = {f"sysctl.{key}": value for key, value in values.items()}
    return preconditions.drifted(step.device.name, expected, found)


class Sysctl:
    """Set kernel settings. The artifact holds the values in effect and the file as they were."""

    verb = "sysctl"
    phase = TargetState.APPLYING
    reversibility = Reversibility.IN_PLACE
    disruptive = True  # ip_forward and rp_filter stop forwarding at once
    acts = True
    repeatable = True
    within_s = 60.0
    estimate_s = 2.0
    params_model = SysctlParams

    def _wanted(self, spec: StepSpec | Step) -> Mapping[str, str]:
        return SysctlParams.model_validate(spec.params).set

    def plan(self, spec: StepSpec, device: Device, facts: Mapping[str, Json]) -> PlannedStep:
        wanted = self._wanted(spec)
        seen = facts.get("sysctl")
        known = {key: parse.normal(str(value)) for key, value in seen.items()} if isinstance(seen, Mapping) else {}
        diff = "".join(
            (f"-{key} = {known[key]}\n" if key in known else "") + f"+{key} = {value}\n"
            for key, value in sorted(wanted.items())
            if known.get(key) != value
        )
        confirm_s = SysctlParams.model_validate(spec.params).confirm
        armed = f"the device puts them back by itself unless it is reached within {confirm_s:.0f} s"
        commands = (armed, *(" ".join(render.write(k, v)) for k, v in sorted(wanted.items())), f"write {render.FILE}")
        return PlannedStep(
            self.verb, spec.params, self.reversibility, self.disruptive,
            diff=diff, commands=commands, expected=_expected(wanted, seen),
            estimate_s=self.estimate_s, within_s=max(self.within_s, 2 * confirm_s),
        )  # fmt: skip

    def _read(self, session: Session, wanted: Mapping[str, str]) -> tuple[dict[str, str], str | None, Look | None]:
        """Values in effect, the file's text (None: there is none), and the look that says why they cannot be told."""
        commands = {f"k{index}": render.read(key) for index, key in enumerate(wanted)}
        answers = session.batch({**commands, "file": ["cat", render.FILE]}, root=True)
        values: dict[str, str] = {}
        absent, unread = [], []
        for index, key in enumerate(wanted):
            answer = answers.get(f"k{index}")
            value, known = parse.current(answer.status, answer.out) if answer is not None else (None, True)
            if not known:
                absent.append(key)
            elif value is None:
                unread.append(key)
            else:
                values[key] = value
        file = answers.get("file")
        text = file.out if file is not None and file.ok else None
        if absent:
            reasons = tuple(
                Reason(f"sysctl {key}", "no such key in this kernel", "a key that exists", "See `sysctl -a`.")
                for key in absent
            )
            return values, text, Look(Seen.IMPOSSIBLE, reasons)
        if unread or file is None or (not file.ok and "No such file" not in file.out):
            subjects = [f"sysctl {key}" for key in unread] or [render.FILE]
            return values, text, Look(Seen.UNKNOWN, tuple(Reason(s, "cannot be read", "its value") for s in subjects))
        return values, text, None

    def precheck(self, session: Session, step: Step) -> Look:
        wanted = self._wanted(step)
        values, text, refused = self._read(session, wanted)
        if refused is not None:
            return refused
        if not self._different(wanted, values, text):
            return Look(Seen.ALREADY, (), {"values": values})
        if step.artifact is None and (moved := _drifted(step, values)):
            return Look(Seen.UNKNOWN, moved)
        artifact: dict[str, Json] = {"values": values, "file": text, "token": secrets.token_hex(4)}
        return Look(Seen.READY, (), {"values": values}, artifact)

    def _different(self, wanted: Mapping[str, str], values: Mapping[str, str], text: str | None) -> tuple[Reason, ...]:
        written = parse.file_settings(text or "")
        return tuple(
            Reason(f"{where} {key}", found.get(key, "nothing"), value)
            for key, value in wanted.items()
            for where, found in (("sysctl", values), (render.FILE, written))
            if found.get(key) != value
        )

    def apply(self, session: Session, step: Step, *, deadline_s: float) -> None:
        wanted = self._wanted(step)
        before = session.run(["cat", render.FILE], root=True)
        if (man := confirm.of(step)) is not None:
            values, text = self._artifact(step)
            back = [render.write(key, value) for key, value in values.items()]
            back += confirm.files_back(session, man, {render.FILE: text})
            within_s = SysctlParams.model_validate(step.params).confirm
            confirm.arm(session, man, back, within_s=within_s, lasting=True)
        self._write(session, wanted, deadline_s)
        session.put(render.FILE, render.file_text({**parse.file_settings(before.out if before.ok else ""), **wanted}))

    def _write(self, session: Session, values: Mapping[str, str], deadline_s: float) -> None:
        commands = {f"k{index}": render.write(key, value) for index, (key, value) in enumerate(values.items())}
        session.batch(commands, timeout_s=min(30.0, deadline_s), root=True)

    def observe(self, session: Session, step: Step) -> Look:
        """DONE when every value is in effect and in the file, read back; what `sysctl -w` returned does not count."""
        wanted = self._wanted(step)
        values, text, refused = self._read(session, wanted)
        if refused is not None:
            return refused
        different = self._different(wanted, values, text)
        if different:
            return confirm.put_back(session, step) or Look(Seen.NOT_DONE, different, {"values": values})
        return confirm.confirmed(session, step, {"values": values})

    def rollback(self, session: Session, step: Step, *, deadline_s: float) -> None:
        values, text = self._artifact(step)
        if (man := confirm.of(step)) is not None:
            confirm.disarm(session, man)
        self._write(session, values, deadline_s)
        if text is not None:
            session.put(render.FILE, text)
        else:
            answer = session.run(["rm", "-f", render.FILE], root=True)
            if not answer.ok:
                raise Refused(Reason(render.FILE, " ".join((answer.err or answer.out).split())[:200], "removed"))

    def _artifact(self, step: Step) -> tuple[Mapping[str, str], str | None]:
        held = step.artifact or {}
        values, text = held.get("values"), held.get("file")
        if not isinstance(values, Mapping):
            raise Impossible(Reason(f"rollback of {step.verb}", "no values on record", "those from before"))
        return {str(k): str(v) for k, v in values.items()}, text if isinstance(text, str) else None

    def observe_rollback(self, session: Session, step: Step) -> Look:
        before, text = self._artifact(step)
        values, now, refused = self._read(session, before)
        if refused is not None:
            return refused
        wrong = [Reason(f"sysctl {k}", values.get(k, "nothing"), v) for k, v in before.items() if values.get(k) != v]
        if now != text:
            wrong.append(Reason(render.FILE, "not as before", "the content from before, or no file"))
        wrong += confirm.still_armed(session, step)
        return Look(Seen.NOT_DONE if wrong else Seen.DONE, tuple(wrong), {"values": values})
