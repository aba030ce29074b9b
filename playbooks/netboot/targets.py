"""What a step may ask of the boot targets, which Slipway itself keeps. The app that keeps them tells where."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from fleet.core.model import Reason
from playbooks.base import Impossible


@dataclass(frozen=True)
class BootState:
    """What a host boots: `default`, what it tries `once` at its next boot, what is on `trial` since; names of targets.

    `releases`: every target that there is > what `uname -r` says when it runs.
    """

    default: str
    once: str = ""
    trial: str = ""
    releases: Mapping[str, str] = field(default_factory=dict)


class BootTargets(Protocol):
    """Where boot targets are kept. Writes are idempotent; a Reason says why one was not made."""

    def read(self, device: str) -> BootState | None: ...
    def arm(self, device: str, target: str) -> Reason | None: ...
    def disarm(self, device: str) -> None: ...
    def keep(self, device: str, target: str) -> Reason | None: ...


_kept: BootTargets | None = None


def tell(where: BootTargets) -> None:
    """Register where they are kept. Called once, by the app that keeps them."""
    global _kept
    _kept = where


def kept() -> BootTargets:
    """Raises Impossible where nobody keeps any."""
    if _kept is None:
        raise Impossible(Reason("boot targets", "nobody keeps any here", "the boot endpoint of Slipway"))
    return _kept
