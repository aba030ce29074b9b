"""Write the pages of docs/ that are generated from the code: `make docs`; `--check` fails when one is out of date."""

import argparse
import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from fleet.core import states
from playbooks import way_in

State = TypeVar("State", bound=StrEnum)
DOCS = Path(__file__).resolve().parent

STATES_PAGE = """# States

Generated from `fleet/core/states.py` by `make docs`; do not edit. What is not drawn here is refused: every move is one
guarded UPDATE in `fleet/changes/transitions/`, with its event in the same transaction.

## Change

The record that people discuss. Any edit makes a new revision, returns it to draft and voids its approvals.

{change}

## Target

One device of a run. What has begun is finished or rolled back; `stuck` needs a person, and what was drained stays so.

{target}

Ended: {target_ended}. In flight (they count against the budget): {in_flight}.

## Step

One action on one device. A claim is a lease: when its worker is not heard of, the step becomes ready again.

{step}
"""


def diagram(moves: Mapping[State, frozenset[State]], ends: frozenset[State]) -> str:
    """A Mermaid state diagram: the first state is the beginning; `ends` lead out of it."""
    order = {state: n for n, state in enumerate(moves)}
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {next(iter(moves))}"]
    for state, to in moves.items():
        lines += [f"    {state} --> {other}" for other in sorted(to, key=order.__getitem__)]
        if state in ends:
            lines.append(f"    {state} --> [*]")
    return "\n".join([*lines, "```"])


def _listed(some: frozenset[State]) -> str:
    return ", ".join(f"`{s}`" for s in type(next(iter(some))) if s in some)


def pages() -> dict[str, str]:
    """File name in docs/ and its text."""
    return {
        "states.md": STATES_PAGE.format(
            change=diagram(states.CHANGE_MOVES, states.CHANGE_ENDED),
            target=diagram(states.TARGET_MOVES, states.TARGET_ENDED),
            step=diagram(states.STEP_MOVES, frozenset(states.StepState) - states.STEP_OPEN),
            target_ended=_listed(states.TARGET_ENDED),
            in_flight=_listed(states.TARGET_IN_FLIGHT),
        ),
        "way-in.md": way_in.page(),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a page is out of date")
    check = parser.parse_args().check
    stale = []
    for name, text in pages().items():
        path = DOCS / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if not check:
                path.write_text(text, encoding="utf-8")
    if stale and check:
        print(f"docs/{', docs/'.join(stale)}: out of date. Run make docs.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
