"""The figures of a demonstration: loss by router and family for each stretch, as a table and as result.json."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

FAMILIES = ("ipv4", "ipv6")
STRETCHES = ("with_drain", "without_drain", "idle")
TITLES = {
    "with_drain": "with drain",
    "without_drain": "without drain",
    "idle": "idle (noise floor)",
}
WRITTEN = {"ipv4": "IPv4", "ipv6": "IPv6"}


@dataclass(frozen=True)
class Count:
    """Packets sent, and those that the receiver never saw."""

    sent: int = 0
    lost: int = 0

    def plus(self, other: "Count") -> "Count":
        return Count(self.sent + other.sent, self.lost + other.lost)


Loss = Mapping[str, Mapping[str, Count]]  # router -> family -> count


@dataclass
class Result:
    """Everything that a demonstration measured. A control that a round did not measure is absent from it."""

    machine: str
    fleet: str
    rounds: list[dict[str, Loss]] = field(default_factory=list)  # stretch -> loss
    states: dict[str, str] = field(default_factory=dict)  # router -> how its restart ended
    planted_fault: dict[str, Any] = field(default_factory=dict)

    def total(self, stretch: str, family: str, router: str | None = None) -> Count:
        """The sum over all rounds, of one router's probe or of all."""
        sum_up = Count()
        for losses in self.rounds:
            for name, families in losses.get(stretch, {}).items():
                if router in {None, name}:
                    sum_up = sum_up.plus(families[family])
        return sum_up

    def covers(self, stretch: str) -> int:
        """How many rounds measured this stretch."""
        return sum(stretch in losses for losses in self.rounds)

    def worse_than_idle(self) -> list[str]:
        """Routers that lost more with the drain than the machine loses by itself, as sentences; wanted: none.

        Each round is judged by an idle control of its own length: its own, else the one of the first round. A sum of
        ten rounds is never held against one control.
        """
        found, idle = [], next((losses["idle"] for losses in self.rounds if "idle" in losses), {})
        for number, losses in enumerate(self.rounds, start=1):
            floor = losses.get("idle", idle)
            for router, families in losses.get("with_drain", {}).items():
                for family, count in families.items():
                    least = floor[router][family].lost if router in floor else 0
                    if count.lost > least:
                        lost = f"{count.lost} of {count.sent} {WRITTEN[family]} packets"
                        found.append(f"round {number}, {router}: {lost} lost with the drain, {least} when idle")
        return found

    def routers(self) -> list[str]:
        return list(dict.fromkeys(n for losses in self.rounds for loss in losses.values() for n in loss))

    def document(self) -> dict[str, Any]:
        """The JSON of result.json."""
        made: dict[str, Any] = {"machine": self.machine, "fleet": self.fleet, "states": self.states}
        for stretch in STRETCHES:
            made[stretch] = {f: asdict(self.total(stretch, f)) for f in FAMILIES}
            made[stretch]["rounds"] = self.covers(stretch)
            made[stretch]["routers"] = {
                r: {f: asdict(self.total(stretch, f, r)) for f in FAMILIES} for r in self.routers()
            }
        made["rounds"] = [
            {s: {f: asdict(total(loss, f)) for f in FAMILIES} for s, loss in losses.items()} for losses in self.rounds
        ]
        made["worse_than_idle"] = self.worse_than_idle()
        made["planted_fault"] = self.planted_fault
        return made

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(self.document(), indent=2) + "\n")


def total(loss: Loss, family: str) -> Count:
    """What all routers of a stretch lost together."""
    made = Count()
    for families in loss.values():
        made = made.plus(families[family])
    return made


def in_words(loss: Loss) -> str:
    """The loss of a stretch in one line: both families, and which routers it was."""
    parts = [f"{c.lost:,} of {c.sent:,} {WRITTEN[f]} packets" for f in FAMILIES for c in [total(loss, f)]]
    who = [f"{r} {sum(c.lost for c in families.values()):,}" for r, families in loss.items()
           if any(c.lost for c in families.values())]  # fmt: skip
    return f"lost {' and '.join(parts)}" + (f" ({', '.join(who)})" if who else "")


def show(result: Result, console: Console) -> None:
    """The table that ends a demonstration."""
    table = Table(title=f"packets lost of those sent, by the probe through each router ({result.fleet})")
    table.add_column("router")
    table.add_column("restart")
    for stretch in STRETCHES:
        for family in FAMILIES:
            table.add_column(f"{TITLES[stretch]}\n{_rounds(result.covers(stretch))}\n{family}", justify="right")
    rows: Sequence[str | None] = [*result.routers(), None]
    for router in rows:
        cells = []
        for stretch in STRETCHES:
            for family in FAMILIES:
                count = result.total(stretch, family, router)
                cells.append(f"{count.lost} / {count.sent}" if count.sent else "-")
        if router is None:
            table.add_section()
        table.add_row(router or "all", result.states.get(router or "", ""), *cells)
    console.print(table)
    for sentence in result.worse_than_idle():
        console.print(f"worse than idle: {sentence}")
    if fault := result.planted_fault:
        console.print(
            f"planted fault: canary {fault['canary_name']} {fault['canary'].replace('_', ' ')}; "
            f"later waves: {fault['later_waves']}"
        )


def _rounds(number: int) -> str:
    return "not measured" if not number else f"{number} round{'s' if number > 1 else ''}"
