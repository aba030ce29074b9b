"""Mitigations: settings that stay only until a date, such as a feature that is off until a driver is mended. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from fleet.core.model import Finding, Json, Reason, Severity

# Parameters that say which cards and how long, not what is set.
_NOT_SETTINGS = frozenset({"interface", "because", "until", "irqbalance", "confirm"})


@dataclass(frozen=True)
class Applied:
    """A step that set something on a device and was not put back; in order of time. `change`: its number."""

    device: str
    change: int
    verb: str
    params: Mapping[str, Json]


@dataclass(frozen=True)
class Mitigation:
    """What stands on a device until a date, and why."""

    device: str
    change: int
    what: str  # "eth1: offloads, priv_flags"
    until: date
    because: str

    def expired(self, today: date) -> bool:
        """It may stay on the day itself."""
        return today > self.until

    @property
    def reason(self) -> Reason:
        found = f"{self.what}, a mitigation until {self.until} that is still there ({self.because})"
        remedy = f"Take it back by a change, or say anew until when it stays. It came with change {self.change}."
        return Reason(self.device, found, "none that has passed its date", remedy)


def standing(applied: Iterable[Applied]) -> tuple[Mitigation, ...]:
    """Mitigations in force: of each setting of each device the last step that set it decides."""
    last: dict[tuple[str, str, str, str], tuple[int, Mitigation | None]] = {}
    for step in applied:
        interface = str(step.params.get("interface", "all"))
        settings = _settings(step.params)
        mitigation = _mitigation(step, interface, settings)
        for setting in settings:
            last[step.device, step.verb, interface, setting] = (step.change, mitigation)
    return tuple(dict.fromkeys(m for _, m in last.values() if m is not None))


def _settings(params: Mapping[str, Json]) -> tuple[str, ...]:
    """Names of what is set; of mappings each name: the next step may take back one of two."""
    made = []
    for name, value in params.items():
        if name in _NOT_SETTINGS or value in (None, "", {}, False, 0):
            continue
        made += [f"{name} {key}" for key in value] if isinstance(value, Mapping) else [name]
    return tuple(sorted(made))


def _mitigation(step: Applied, interface: str, settings: Sequence[str]) -> Mitigation | None:
    try:
        until = date.fromisoformat(str(step.params["until"]))
    except (KeyError, ValueError):
        return None
    because = str(step.params.get("because", ""))[:200]
    return Mitigation(step.device, step.change, f"{interface}: {', '.join(settings)}", until, because)


def findings(found: Iterable[Mitigation], today: date) -> tuple[Finding, ...]:
    """WARN for each that has passed its date: whoever plans another change on the device is told."""
    return tuple(
        Finding("mitigation-expired", Severity.WARN, one.reason)
        for one in sorted(found, key=lambda m: (m.device, m.until, m.what))
        if one.expired(today)
    )
