"""A session without a device: commands are looked up in a table, or answered by a function. Every one is kept."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from fleet.core.model import PlannedStep, Reversibility
from playbooks import engine
from playbooks.base import Answer, Device, Session, Step
from playbooks.engine import Outcome, OutcomeKind

Script = Callable[[tuple[str, ...]], Answer | str | None]

FRR = Device(
    name="bly", address="192.0.2.1", port=22, username="ops", credential="file:/nowhere", host_key="", suite="frr",
    router_id="10.255.0.1",
)  # fmt: skip
BIRD = replace(FRR, name="dekker", suite="bird", router_id="10.255.0.4")


def no() -> Answer:
    return Answer(127, "sh: 1: not found\n", "")


@dataclass
class Scripted(Session):
    """`answers`: argv joined by spaces -> text (status 0) or Answer. `script` is asked first and may change things."""

    device: Device = FRR
    answers: dict[str, str | Answer] = field(default_factory=dict)
    script: Script | None = None
    files: dict[str, str] = field(default_factory=dict)
    ran: list[tuple[str, ...]] = field(default_factory=list)
    round_trips: int = 0

    def _answer(self, argv: list[str]) -> Answer:
        key = tuple(argv)
        self.ran.append(key)
        found: Any = self.script(key) if self.script is not None else None
        if found is None:
            found = self.answers.get(" ".join(argv))
        if found is None and argv[:2] == ["rm", "-f"]:
            found = ""
            for path in argv[2:]:
                self.files.pop(path, None)
        if found is None and argv[:2] == ["test", "-e"]:
            found = Answer(int(argv[2] not in self.files), "", "")
        if found is None and argv[:2] == ["systemd-run", "--collect"] and "slipway-confirm-" in argv[2]:
            found = ""  # armed; a test that wants it to fire runs the script that was put
        if found is None and argv[0] == "cat" and len(argv) == 2:
            text = self.files.get(argv[1])
            found = text if text is not None else Answer(1, f"cat: {argv[1]}: No such file or directory\n", "")
        if found is None:
            return no()
        return Answer(0, found, "") if isinstance(found, str) else found

    def run(self, argv: list[str], *, stdin: str = "", timeout_s: float = 30.0, root: bool = False) -> Answer:
        self.round_trips += 1
        return self._answer(argv)

    def batch(
        self,
        commands: Mapping[str, list[str]],
        *,
        per_interface: Mapping[str, list[str]] | None = None,
        timeout_s: float = 30.0,
        root: bool = False,
    ) -> dict[str, Answer]:
        assert not per_interface, "this session knows no interfaces"
        self.round_trips += 1
        return {name: self._answer(argv) for name, argv in commands.items()}

    def put(self, path: str, text: str, *, mode: str = "0644") -> Answer:
        self.round_trips += 1
        self.ran.append(("put", path))
        self.files[path] = text
        return Answer(0, "", "")

    def said(self, word: str) -> list[tuple[str, ...]]:
        """The commands that hold a word."""
        return [argv for argv in self.ran if any(word in part for part in argv)]


def step(verb: str, params: Mapping[str, Any], *, device: Device = FRR, **more: Any) -> Step:
    planned = PlannedStep(verb, params, Reversibility.IN_PLACE, disruptive=False, within_s=300.0)
    return Step(verb=verb, params=params, planned=planned, device=device, **more)


def reached(held: Step) -> Step:
    """A step at the visit after the act, over a connection of its own: what is armed is confirmed by its look."""
    return replace(held, progress={**held.progress, "reached": True})


def visits(
    driver: Any, session: Scripted, held: Step, *, rollback: bool = False, limit: int = 300
) -> tuple[Outcome, Step]:
    """Visit a step through the engine until it has ended; waiting moves its clock and the device's."""
    sent = False

    def ahead(artifact: Mapping[str, Any] | None) -> bool:
        nonlocal sent, held
        sent = True
        held = replace(held, artifact=artifact) if artifact is not None else held
        return True

    act = engine.perform_rollback if rollback else engine.perform
    for _ in range(limit):
        outcome = act(driver, session, held, sent=sent, deadline_s=60.0, write_ahead=ahead)
        held = replace(held, progress=outcome.data)
        if outcome.kind not in (OutcomeKind.WAIT, OutcomeKind.RETRY):
            return outcome, held
        held = replace(held, waited_s=held.waited_s + max(0.1, outcome.after_s))
    raise AssertionError(f"no end after {limit} visits: {outcome}")
