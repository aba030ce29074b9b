"""Writes docs/proof.md: one section per claim, replaced only by a run of that claim's own command.

write("faults", [Row("runs judged", "2,000", "2,000", holds=True)], seed=7)      a table, machine, versions, date
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fleet import clock
from tests.bench import machine

PAGE = Path(__file__).resolve().parents[1] / "docs" / "proof.md"
# Claim: its heading, its command, what is claimed. In the order of the page.
CLAIMS: Mapping[str, tuple[str, str, str]] = {
    "faults": (
        "Faults",
        "make proof-faults",
        "Whatever dies, is lost or lies in the middle of a change, judged from outside by what the devices saw: no "
        "step that must not be repeated is repeated, never more is drained than the budget, nothing stays drained "
        "unsaid.",
    ),
    "restore": (
        "Backup and restore",
        "make proof-restore",
        "A database restored from an hour ago finds changes half done: it looks and holds, and repeats nothing.",
    ),
    "long": (
        "Long run",
        "make proof-long",
        "Under continuous changes with faults, memory, file descriptors, connections and rows are flat or explained.",
    ),
    "scale": (
        "Scale",
        "make proof-scale",
        "Ten thousand devices: the cost grows with the work and no faster, waiting costs nothing, more workers help.",
    ),
    "peers": (
        "Beside what users would take instead",
        "make proof-peers",
        "The same change over the same SSH targets by Slipway, by ansible-core and by a nornir and netmiko script.",
    ),
    "security": (
        "Security",
        "make proof-security",
        "What attackers of the [threat model](security.md) try, tried; what they reach.",
    ),
}
INTRODUCTION = """# Proof

One command for each claim; each writes its own section here, with what it was measured on. What fell short stands in
the table as such. Figures of another machine are other figures: run the command on yours.
"""


@dataclass(frozen=True)
class Row:
    """One line of a claim's table. `holds` None: a figure without a bound."""

    what: str
    found: str
    wanted: str = ""
    holds: bool | None = None

    @property
    def verdict(self) -> str:
        return {None: "", True: "holds", False: "**falls short**"}[self.holds]


def write(claim: str, rows: Sequence[Row], *, seed: int | None = None, words: str = "", page: Path = PAGE) -> str:
    """Replace the section of this claim, keep the others as they are; returns the section."""
    section = _section(claim, rows, seed=seed, words=words)
    have = _sections(page)
    texts = [section if name == claim else have.get(name, _unrun(name)) for name in CLAIMS]
    page.write_text("\n".join([INTRODUCTION, *texts]), encoding="utf-8")
    return section


def _sections(page: Path) -> dict[str, str]:
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    found = re.finditer(r"^<!-- (\w+) -->\n.*?^<!-- /\1 -->\n", text, re.MULTILINE | re.DOTALL)
    return {m[1]: m[0] for m in found}


def _framed(claim: str, body: Sequence[str]) -> str:
    title, command, claimed = CLAIMS[claim]
    head = [f"<!-- {claim} -->", f"## {title}", "", f"`{command}`. {claimed}", ""]
    return "\n".join([*head, *body, f"<!-- /{claim} -->"]) + "\n"


def _unrun(claim: str) -> str:
    return _framed(claim, ["Not run yet.", ""])


def _section(claim: str, rows: Sequence[Row], *, seed: int | None, words: str) -> str:
    on = {name: str(value) for name, value in machine.about().items()}
    cores, memory, kernel = on.pop("cores"), on.pop("memory_gib"), on.pop("kernel")
    where = f"{cores} cores, {memory} GiB, Linux {kernel}; " + ", ".join(f"{n} {v}" for n, v in on.items())
    when = f"{clock.now():%Y-%m-%d}" + (f", seed {seed}" if seed is not None else "")
    table = ["| what | found | wanted | |", "|---|---|---|---|"]
    table += ["| " + " | ".join(_cell(c) for c in (r.what, r.found, r.wanted, r.verdict)) + " |" for r in rows]
    return _framed(claim, [f"Measured {when}: {where}.", "", *table, "", *([words, ""] if words else [])])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").strip()
