"""A session into the simulated network in the very wire format, and a leg that walks one step with the real engine."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from fleet.core.model import Json, Reason, StepSpec
from playbooks import engine, registry, wire
from playbooks.base import Answer, Device, Session, Step, Unreachable, Unsure
from playbooks.engine import Outcome, OutcomeKind
from tests.playbooks.simlab import SimLab

TOKEN = "@@slipway-0123456789abcdef"


@dataclass
class SimSession(Session):
    """One connection to one virtual router."""

    device: Device
    lab: SimLab

    def _sent(self, argv: list[str], stdin: str, *, root: bool) -> tuple[int, str]:
        command = wire.command(argv, root=root, become=self.device.become)
        if not self.lab.state(self.device.name)["reachable"]:
            raise Unreachable(Reason(self.device.name, "no answer", "a session"))
        status, out = self.lab.run(self.device.name, command, stdin)
        if isinstance(status, str):
            raise Unsure(Reason(self.device.name, f"{status} after {argv[0]}", "an answer"))
        return status, out

    def run(self, argv: list[str], *, stdin: str = "", timeout_s: float = 30.0, root: bool = False) -> Answer:
        status, out = self._sent(argv, stdin, root=root)
        return Answer(status, out, "")

    def batch(
        self,
        commands: Mapping[str, list[str]],
        *,
        per_interface: Mapping[str, list[str]] | None = None,
        timeout_s: float = 30.0,
        root: bool = False,
    ) -> dict[str, Answer]:
        script = wire.batch_script(commands, per_interface or {}, token=TOKEN)
        _, out = self._sent(list(wire.BATCH_SHELL), script, root=root)
        return wire.batch_answers(out, token=TOKEN)

    def put(self, path: str, text: str, *, mode: str = "0644") -> Answer:
        status, out = self._sent(wire.put_argv(path, mode), text, root=True)
        return Answer(status, out, "")


@dataclass
class FullDisk(SimSession):
    """A router that has no room for the files that `no_room` finds."""

    no_room: str = ""

    def put(self, path: str, text: str, *, mode: str = "0644") -> Answer:
        if re.search(self.no_room, path):
            return Answer(1, "", "cat: write error: No space left on device\n")
        return super().put(path, text, mode=mode)


@dataclass
class Walk:
    """One target of the simulated network, its steps one after another as the engine's shell carries them out."""

    lab: SimLab
    device: Device
    drain_artifact: Mapping[str, Json] | None = None
    looks: list[Outcome] = field(default_factory=list)

    def facts(self) -> Mapping[str, Json]:
        from playbooks.facts.driver import collect

        return collect(SimSession(self.device, self.lab))

    def made(self, verb: str, params: Mapping[str, Any], facts: Mapping[str, Json] | None = None, **more: Any) -> Step:
        planned = registry.driver(verb).plan(StepSpec(verb, params), self.device, facts or {})
        return Step(verb, planned.params, planned, self.device, drain_artifact=self.drain_artifact, **more)

    def go(self, step: Step, *, rollback: bool = False, sent: bool = False, limit: int = 500) -> tuple[Outcome, Step]:
        """Visit a step until it has ended; the clock moves by what each visit asks for."""
        driver, began, held = registry.driver(step.verb), self.lab.now, [step]

        def ahead(artifact: Mapping[str, Json] | None) -> bool:
            nonlocal sent
            sent = True
            if artifact is not None:
                held[0] = replace(held[0], artifact=artifact)
            return True

        act = engine.perform_rollback if rollback else engine.perform
        for _ in range(limit):
            now = replace(held[0], waited_s=self.lab.now - began)
            session = SimSession(self.device, self.lab)
            outcome = act(driver, session, now, sent=sent, deadline_s=60.0, write_ahead=ahead)
            self.looks.append(outcome)
            held[0] = replace(held[0], progress=outcome.data)
            if outcome.kind not in (OutcomeKind.WAIT, OutcomeKind.RETRY):
                return outcome, held[0]
            self.lab.wait(max(0.1, outcome.after_s))
        raise AssertionError(f"no end after {limit} visits: {outcome}")


def device(lab: SimLab, name: str) -> Device:
    spec = lab.net.routers[name].spec
    return Device(
        name=name, address="127.0.0.1", port=22, username="ops", credential="file:/nowhere", host_key="",
        suite=spec.suite, become="sudo", router_id=spec.router_id,
    )  # fmt: skip
