"""The contract between the engine and everything that can be done to a device.

A driver is one verb of a recipe (`drain`, `nic`, `verify` ...). It never decides whether or when; it looks, acts once,
and looks again. Everything that it learns goes back as a value with reasons.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from fleet.core.model import CheckSpec, Json, PlannedStep, Reason, Reversibility, StepSpec
from fleet.core.states import TargetState


class Seen(StrEnum):
    """What a look at the device says about a step."""

    ALREADY = "already"  # precheck: it is as wanted; nothing to do
    READY = "ready"  # precheck: may be applied; `artifact` holds what restores the present state
    DONE = "done"  # observe: the device says so
    WAITING = "waiting"  # observe: under way; look again after `after_s`
    NOT_DONE = "not done"  # observe: the device says it is not so
    IMPOSSIBLE = "impossible"  # will never be possible on this device
    UNKNOWN = "unknown"  # cannot tell: hold


@dataclass(frozen=True)
class Look:
    """The answer of `precheck` and `observe`. `data` and `artifact` are JSON-able and free of secrets."""

    seen: Seen
    reasons: tuple[Reason, ...] = ()
    data: Mapping[str, Json] = field(default_factory=dict)
    artifact: Mapping[str, Json] | None = None
    after_s: float = 0.0


@dataclass(frozen=True)
class Device:
    """The device that a step is about: who it is and how to reach it. Holds a credential reference, never a secret."""

    name: str
    address: str
    port: int
    username: str
    credential: str  # where the secret lies: "file:/path/of/private/key" | "env:NAME" (a password)
    host_key: str  # "ssh-ed25519 AAAA..."; empty = not known, which refuses the connection
    suite: str  # routing suite: "frr" | "bird" | "none"
    become: str = ""  # "" | "sudo"
    router_id: str = ""
    platform: str = "linux"
    fallback_address: str = ""  # tried where nothing answers at `address`; the same host key must show there


@dataclass(frozen=True)
class Step:
    """One step on one device as the driver gets it."""

    verb: str
    params: Mapping[str, Json]
    planned: PlannedStep
    device: Device
    artifact: Mapping[str, Json] | None = None  # captured before the first touch; None until then
    baseline: Mapping[str, Json] | None = None  # measurement of the baseline step
    checks: tuple[CheckSpec, ...] = ()
    progress: Mapping[str, Json] = field(default_factory=dict)  # `data` of the last look at this very step
    waited_s: float = 0.0  # since the step was first claimed
    # What this target's drain step captured (who was drained before us); undrain restores to it.
    drain_artifact: Mapping[str, Json] | None = None
    # Other devices that Slipway knows to be drained now, by router id; drain compares with what the network shows.
    drained_elsewhere: tuple[str, ...] = ()
    budget_total: int = 1


@dataclass(frozen=True)
class Answer:
    """What one command on a device returned. `status` is the exit status."""

    status: int
    out: str
    err: str

    @property
    def ok(self) -> bool:
        return self.status == 0

    @property
    def said(self) -> str:
        """What it says of itself, in one shortened line: for the `found` of a reason."""
        return " ".join((self.err or self.out).split())[:160] or f"exit status {self.status}"


def output(answers: Mapping[str, Answer], name: str) -> str:
    """What a command of a batch printed; "" where it did not succeed or did not answer."""
    return answers[name].out if name in answers and answers[name].ok else ""


class Session(Protocol):
    """One open connection to one device (see `transport.py`). Commands are argument lists: nothing is unquoted."""

    device: Device

    def run(self, argv: list[str], *, stdin: str = "", timeout_s: float = 30.0, root: bool = False) -> Answer:
        """Run one command. Raises Unreachable (nothing was sent) or Unsure (sent, no answer)."""
        ...

    def batch(
        self,
        commands: Mapping[str, list[str]],
        *,
        per_interface: Mapping[str, list[str]] | None = None,
        timeout_s: float = 30.0,
        root: bool = False,
    ) -> dict[str, Answer]:
        """Run many commands in one round trip; every name gets its own answer, a failing one stops nothing.

        `per_interface` commands run once for each interface but lo, which is their last argument; their answers are
        named NAME:IFACE. Standard error is merged into `out`.
        """
        ...

    def put(self, path: str, text: str, *, mode: str = "0644") -> Answer:
        """Write a file atomically (temporary file beside it, fsync, rename), as root."""
        ...


class DeviceError(Exception):
    """Something went wrong with a device. `retryable`: trying later may help. `may_have_changed`: observe first."""

    retryable = False
    may_have_changed = False

    def __init__(self, reason: Reason) -> None:
        super().__init__(str(reason))
        self.reason = reason


class Unreachable(DeviceError):
    """No session: nothing was sent."""

    retryable = True


class HostKeyRefused(DeviceError):
    """The device showed no, another or an unknown host key; nothing was sent. A person must look."""


class LoginRefused(DeviceError):
    """The device refused the login; nothing was sent."""


class Refused(DeviceError):
    """The device said no; it is unchanged."""


class Unsure(DeviceError):
    """The command was sent and no answer came: it may have been carried out."""

    retryable = True
    may_have_changed = True


class Impossible(DeviceError):
    """This can never be done on this device."""


def write(session: Session, path: str, text: str, *, mode: str = "0644") -> None:
    """Write a file. Raises Refused where the device says that it has not (a full disk), and as `Session.put`."""
    answer = session.put(path, text, mode=mode)
    if not answer.ok:
        raise Refused(Reason(f"{path} on {session.device.name}", answer.said, "a file that can be written"))


class Driver(Protocol):
    """One verb of a recipe. Stateless: everything it needs is in the step."""

    verb: str
    phase: TargetState  # the state of a target while this step runs
    reversibility: Reversibility
    disruptive: bool  # may only run on a device that is proven drained
    acts: bool  # False: only looks (baseline, verify, soak); `observe` alone is called
    # May `apply` be sent again after a crash left it open, when `observe` says NOT_DONE? True for whatever declares a
    # state; False for what counts (a reboot is guarded by its boot id instead).
    repeatable: bool
    within_s: float  # default for how long the step may take before it has failed
    estimate_s: float  # what it usually takes

    def plan(self, spec: StepSpec, device: Device, facts: Mapping[str, Json]) -> PlannedStep:
        """Render the step for one device from its facts: diff, commands, preconditions. Pure.

        Raises Impossible where the device cannot do it, and `ValueError` subclasses never: parameters were checked by
        the recipe's schema.
        """
        ...

    def precheck(self, session: Session, step: Step) -> Look: ...

    def apply(self, session: Session, step: Step, *, deadline_s: float) -> None:
        """Act once. `deadline_s` is seconds from now after which nothing may be sent any more.

        Raises Unreachable, Refused, Unsure, Impossible. Returning means "sent and answered", not "done".
        """
        ...

    def observe(self, session: Session, step: Step) -> Look: ...

    def rollback(self, session: Session, step: Step, *, deadline_s: float) -> None:
        """Put back what `step.artifact` holds. Same errors as `apply`. May be sent again."""
        ...

    def observe_rollback(self, session: Session, step: Step) -> Look: ...


@runtime_checkable
class Cautious(Protocol):
    """A driver that may have something to say about a device before anybody approves."""

    def cautions(self, device: Device, facts: Mapping[str, Json]) -> tuple[Reason, ...]:
        """Warnings (findings WARN) from the facts of a device. Pure; none where the facts do not tell."""
        ...


@runtime_checkable
class Remedying(Protocol):
    """A driver that can mend what keeps a verification from passing while its own step is in force. See remedy.py."""

    def remedy(self, session: Session, step: Step, *, deadline_s: float, begin: Callable[[str], bool]) -> str | None:
        """Act once, if the device shows that it fits. `step` is the verification; returns what was done, in words.

        None: it does not fit, nothing was sent. `begin(words)` commits that it is about to be done and says whether
        this worker may; nothing that changes the device is sent before or without it. What a crash leaves half done
        must be put right by the step's own way back, and by the next remedy. Same errors as `Driver.apply`.
        """
        ...


class StepParams(Protocol):
    """A pydantic model of a verb's parameters; the recipe's schema is made of these."""

    @classmethod
    def model_validate(cls, obj: Any) -> Any: ...


Connect = Callable[[Device], Session]
