"""What a fault is, and the places of a run at which a worker is killed once each. Pure: needs no Django."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong. `kind` is what it counts as in the table; the rest depends on it."""

    kind: str
    params: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        said = ", ".join(f"{k} {round(v, 1) if isinstance(v, float) else v}" for k, v in self.params.items())
        return f"{self.kind} ({said})" if said else self.kind


# How often each gate is passed in a run without faults, by story: at each of these a worker is killed once.
PASSED: Mapping[str, Mapping[str, int]] = {
    "restarted": {"commit": 76, "before": 150},
    "settings": {"commit": 120, "before": 295},
    "put-back": {"commit": 112, "before": 299},
    "daemons": {"commit": 62, "before": 177},
}


# Longer than a lease (90 s): the step of a worker that is stopped so long is another's when it goes on.
OVERTAKEN_S = 150.0


def boundaries(*, stopped: bool = False) -> list[tuple[str, Fault]]:
    """Every commit and every request of every story: a worker is killed after the one and before the other.

    `stopped`: it is stopped there instead, until it has been overtaken, and goes on then.
    """
    kind, more = ("worker stopped", {"seconds": OVERTAKEN_S}) if stopped else ("worker killed", {})
    return [
        (story, Fault(kind, {"gate": gate, "nth": nth, **more}))
        for story, gates in PASSED.items()
        for gate, many in gates.items()
        for nth in range(1, many + 1)
    ]
