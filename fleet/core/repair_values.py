"""What the repair of drift is made from and made into: rows of drift, what could be used, requests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fleet.core.model import Json, Reason


@dataclass(frozen=True)
class Drifted:
    """One setting of one device that is not as wanted."""

    device: str
    setting: str
    wanted: Json
    found: Json


@dataclass(frozen=True)
class Offered:
    """Software that the inventory has: an artifact, and what it brings ([{kind, name, version, flavour, ...}])."""

    kind: str
    name: str
    version: str
    sha256: str
    location: str
    brings: Sequence[Mapping[str, Json]] = ()

    def __str__(self) -> str:
        return f"{self.kind} {self.name} {self.version}"

    def brought(self, kind: str, name: str = "") -> Mapping[str, Json]:
        """The component of this kind (and name) that it brings; empty: none."""
        return next((c for c in self.brings if c.get("kind") == kind and name in {"", c.get("name")}), {})


@dataclass(frozen=True)
class Card:
    """One network card of a device: one of its ports, its family, and what runs on it now."""

    device: str
    interface: str
    family: str
    flavour: str = ""
    nvm: str = ""


@dataclass(frozen=True)
class Means:
    """What repairs may use. `suites`: device -> its routing suite. `wanted`: device -> setting -> value, of those whose
    data plane has drifted: all that is wanted of it and of the command line, drifted or not."""

    artifacts: Sequence[Offered] = ()
    cards: Sequence[Card] = ()
    suites: Mapping[str, str] = field(default_factory=dict)
    wanted: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)


@dataclass(frozen=True)
class Repair:
    """A request that repairs: which recipe with which inputs on which devices, and what it puts right."""

    recipe: str
    inputs: Mapping[str, Json]
    targets: tuple[str, ...]
    repairs: tuple[Drifted, ...]


@dataclass(frozen=True)
class Repairs:
    """The requests that repair together all that can be repaired, and why the rest cannot."""

    requests: tuple[Repair, ...] = ()
    left: tuple[Reason, ...] = ()


def cannot(one: Drifted, remedy: str) -> Reason:
    """Why nothing is drafted for this row."""
    return Reason(f"{one.device}, {one.setting}", _shown(one.found), _shown(one.wanted), remedy)


def _shown(value: Json) -> str:
    text = str(value)
    return text if len(text) <= 80 else text[:77] + "..."
