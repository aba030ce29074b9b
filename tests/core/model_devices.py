"""Devices of the in-memory engine: what is true of them, drivers that act on them, and faults that can be planted.

The devices judge every act themselves (`wrongs`): nothing disruptive where traffic is, nothing undrained unverified,
nothing that counts done twice. They know nothing of the engine's rows.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from fleet.core.model import Json, Reason, Reversibility
from fleet.core.states import TargetState, phase_of
from playbooks.base import Impossible, Look, Refused, Seen, Session, Step, Unreachable, Unsure
from tests.core.fleets import kind_of

_TAKES_S = {"soak": 20.0, "drain": 5.0, "reboot": 5.0}


class Killed(BaseException):
    """The worker died here."""


# One-shot faults, each consumed by the next call that it fits.
FAULTS = (
    "refused", "impossible", "unsure, done", "unsure, not done", "unreachable", "takes time", "lies", "bug",
    "drift", "makes it worse", "fails under traffic", "was bad before",
)  # fmt: skip
DEATHS = ("", "before the act", "after the act", "before the record", "after the record")


@dataclass
class Device:
    """What is true of one device."""

    name: str
    drained: bool = False
    verified: bool = True  # found good after the last act
    worse: bool = False  # the last act made it worse; undoing mends it
    dead: bool = False
    in_place: set[str] = field(default_factory=set)  # verbs whose wanted state it has
    rebooted: Counter[int] = field(default_factory=Counter)  # step id -> times
    faults: list[str] = field(default_factory=list)
    wrongs: list[str] = field(default_factory=list)  # how it was treated as it never may be; an error would be caught
    changes_here: Callable[[], set[int]] = set  # which runs hold it, by the engine's rows

    def takes(self, *faults: str) -> str:
        """The first planted fault that is one of these; it is used up."""
        fault = next((f for f in self.faults if f in faults), "")
        if fault:
            self.faults.remove(fault)
        return fault


def _reason(device: Device, found: str) -> Reason:
    return Reason(device.name, found, "none of it", "It was planted.")


@dataclass
class Scripted:
    """A driver of any verb on these devices."""

    verb: str
    devices: Mapping[str, Device]
    dies: str = ""  # where the worker that uses it dies
    step_id: int = 0

    def __post_init__(self) -> None:
        self.phase: TargetState = phase_of(self.verb)
        self.reversibility, self.disruptive = kind_of(self.verb)
        self.acts = self.verb not in {"baseline", "verify", "soak"}
        self.repeatable = self.verb != "reboot"
        self.within_s = self.estimate_s = 60.0

    def _reached(self, step: Step) -> Device:
        device = self.devices[step.device.name]
        if device.dead or device.takes("unreachable"):
            raise Unreachable(_reason(device, "no answer"))
        if device.takes("bug"):
            raise RuntimeError("a bug in a driver")
        return device

    # -- looking

    def precheck(self, session: Session, step: Step) -> Look:
        device = self._reached(step)
        if device.takes("impossible"):
            raise Impossible(_reason(device, "impossible"))
        if device.takes("drift"):
            return Look(Seen.UNKNOWN, (_reason(device, "facts that moved"),))
        if self.verb in device.in_place:
            return Look(Seen.ALREADY)
        if (self.verb == "drain" and device.drained) or (self.verb == "undrain" and not device.drained):
            return Look(Seen.ALREADY)
        return Look(Seen.READY, artifact={"was": sorted(device.in_place)})

    def observe(self, session: Session, step: Step) -> Look:
        device = self._reached(step)
        if self.verb == "soak" and device.takes("fails under traffic"):
            return Look(Seen.NOT_DONE, (_reason(device, "not so"),))
        if device.takes("takes time") or step.waited_s < _TAKES_S.get(self.verb, 0.0):
            return Look(Seen.WAITING, after_s=5.0)
        match self.verb:
            case "baseline":
                good = not device.takes("was bad before")
            case "soak":
                good = not (device.worse or device.drained)
            case "verify":
                good = device.verified = not device.worse
            case "drain":
                good = device.drained
            case "undrain":
                good = not device.drained
            case "reboot":
                good = device.rebooted[self.step_id] > 0
            case verb:
                good = verb in device.in_place
        return Look(Seen.DONE if good else Seen.NOT_DONE, () if good else (_reason(device, "not so"),))

    # -- acting

    def apply(self, session: Session, step: Step, *, deadline_s: float) -> None:
        self._act(step, self._do)

    def rollback(self, session: Session, step: Step, *, deadline_s: float) -> None:
        self._act(step, self._undo)

    def observe_rollback(self, session: Session, step: Step) -> Look:
        device = self._reached(step)
        good = self.verb not in device.in_place
        return Look(Seen.DONE if good else Seen.NOT_DONE)

    def _act(self, step: Step, act: Callable[[Device], None]) -> None:
        if self.dies == "before the act":
            raise Killed
        device = self._reached(step)
        if device.takes("refused"):
            raise Refused(_reason(device, "no"))
        if device.takes("unsure, not done"):
            raise Unsure(_reason(device, "no answer"))
        if len(holders := device.changes_here()) > 1:
            device.wrongs.append(f"{device.name} is changed by {holders} at once")
        if not device.takes("lies"):
            act(device)
        if self.dies == "after the act":
            raise Killed
        if device.takes("unsure, done"):
            raise Unsure(_reason(device, "no answer"))

    def _do(self, device: Device) -> None:
        match self.verb:
            case "drain":
                device.drained, device.verified = True, False
            case "undrain":
                if not device.verified:
                    device.wrongs.append(f"{device.name} is undrained and was not verified after its last act")
                device.drained = False
            case verb:
                if self.disruptive and not device.drained:
                    device.wrongs.append(f"{verb} on {device.name}, which carries traffic")
                device.verified = False
                if device.takes("makes it worse"):
                    device.worse = True
                if verb == "reboot":
                    device.rebooted[self.step_id] += 1
                    if device.rebooted[self.step_id] > 1:
                        device.wrongs.append(f"{device.name} was rebooted again for the same step")
                else:
                    device.in_place.add(verb)

    def _undo(self, device: Device) -> None:
        if self.reversibility in {Reversibility.NOT_AT_ALL, Reversibility.BY_REFLASH, Reversibility.NOTHING_TO_UNDO}:
            device.wrongs.append(f"{self.verb} on {device.name} was undone, which it cannot be")
        if self.disruptive and not device.drained:
            device.wrongs.append(f"{self.verb} is undone on {device.name}, which carries traffic")
        device.in_place.discard(self.verb)
        device.verified = device.worse = False

    def plan(self, *args: object) -> Json:
        raise NotImplementedError("plans are made by the tests")
