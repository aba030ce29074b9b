"""What differs between two plans: what the recipe was given, the strategy, the devices, their steps. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import unified_diff
from typing import Any

from fleet.core import plan as planning
from fleet.core import preconditions
from fleet.core.model import Json
from fleet.core.strategy import in_words

Document = Mapping[str, Any]  # a plan as core/plan.py writes it


@dataclass(frozen=True)
class Differs:
    """One thing that both plans say, and each says otherwise; empty: it does not say it."""

    what: str
    old: str
    new: str


@dataclass(frozen=True)
class TargetDiffers:
    """A device of both plans whose wave or steps differ; `diff`: unified, of its steps in words."""

    name: str
    old_wave: int
    new_wave: int
    diff: str


@dataclass(frozen=True)
class Comparison:
    """Everything that differs. `same`: how many devices are alike in both."""

    settings: tuple[Differs, ...]
    gone: tuple[str, ...]
    come: tuple[str, ...]
    targets: tuple[TargetDiffers, ...]
    same: int
    findings_gone: tuple[str, ...]
    findings_come: tuple[str, ...]

    @property
    def alike(self) -> bool:
        """Is there nothing that differs?"""
        parts = (self.settings, self.gone, self.come, self.targets, self.findings_gone, self.findings_come)
        return not any(parts)


def compare(old: Document, new: Document) -> Comparison:
    """Old and new plan. What is equal is compared as it is stored and never written out: 1,000 devices cost 10 ms."""
    before = {t["name"]: t for t in old["targets"]}
    after = {t["name"]: t for t in new["targets"]}
    both = [name for name in after if name in before]
    differ = [name for name in both if before[name] != after[name]]
    was, now = _findings(old), _findings(new)
    return Comparison(
        settings=tuple(_settings(old, new)),
        gone=tuple(name for name in before if name not in after),
        come=tuple(name for name in after if name not in before),
        targets=tuple(_target(before[name], after[name]) for name in differ),
        same=len(both) - len(differ),
        findings_gone=tuple(f for f in was if f not in set(now)),
        findings_come=tuple(f for f in now if f not in set(was)),
    )


def _settings(old: Document, new: Document) -> Iterator[Differs]:
    said, says = _said(old), _said(new)
    for what in dict.fromkeys((*said, *says)):
        if said.get(what, "") != says.get(what, ""):
            yield Differs(what, said.get(what, ""), says.get(what, ""))


def _said(plan: Document) -> dict[str, str]:
    """What a plan says beside its devices, in words."""
    words = {"recipe": str(plan["recipe"])}
    words |= {f"input {name}": _shown(value) for name, value in plan["inputs"].items()}
    words |= dict(in_words(planning.strategy_from_json(plan["strategy"])))
    words |= {f"check {c['name']}": _shown(c["expect"]) or "as in the baseline" for c in plan["checks"]}
    words |= {f"artifact {key}": _shown(value) for key, value in plan.get("artifact", {}).items()}
    return words


def _shown(value: Json) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _findings(plan: Document) -> list[str]:
    return [_finding(f["severity"], f["reason"]) for f in plan["findings"]]


def _finding(severity: str, reason: Mapping[str, str]) -> str:
    return f"{severity.upper()} {reason['subject']}: found {reason['found']}, wanted {reason['wanted']}."


def _target(old: Mapping[str, Any], new: Mapping[str, Any]) -> TargetDiffers:
    lines = unified_diff(_words(old["steps"]), _words(new["steps"]), "old revision", "new revision", n=2, lineterm="")
    return TargetDiffers(new["name"], old["wave"], new["wave"], "\n".join(lines))


def _words(steps: Sequence[Mapping[str, Any]]) -> list[str]:
    """The steps of a device as lines that people read."""
    lines = []
    for number, step in enumerate(steps, 1):
        lines.append(f"step {number}: {step['verb']}")
        lines += [f"  {key} = {_shown(value)}" for key, value in sorted(step["params"].items())]
        lines += [f"  runs: {command}" for command in step["commands"]]
        lines += [f"  | {line}" for line in step["diff"].splitlines()]
        facts = step["expected"].get(preconditions.FACTS) or {}
        others = {key: value for key, value in step["expected"].items() if key != preconditions.FACTS}
        lines += [f"  only if {key} is {_shown(value)}" for key, value in sorted((others | facts).items())]
        lines.append(f"  undone {step['reversibility']}, at most {step['within_s']:g} s")
    return lines
