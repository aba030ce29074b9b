"""The README of the simulation says what the code does: behaviours, their parameters and defaults, the oracle."""

import re
from pathlib import Path

import pytest

from lab.sim import oracle
from lab.sim.behaviours import ONE_SHOT, PARAMS, BadBehaviour, Kind, behaviour

README = (Path(__file__).resolve().parents[2] / "lab" / "sim" / "README.md").read_text()
ROWS = {m[1]: (m[2], m[3]) for m in re.finditer(r"^\| `(\w+)` \|(.*?)\|(.*?)\|", README, re.MULTILINE)}


def test_every_behaviour_has_its_row_and_no_row_is_invented() -> None:
    assert set(ROWS) == {str(kind) for kind in Kind}


@pytest.mark.parametrize("kind", list(Kind), ids=str)
def test_the_row_names_the_parameters_and_the_default(kind: Kind) -> None:
    params, default = (cell.strip() for cell in ROWS[str(kind)])
    assert set(filter(None, params.split(", "))) == PARAMS[kind]
    assert default == ("once" if kind in ONE_SHOT else "lasts")
    given = {"match": "x"} if kind is Kind.MGMT_CUT else {}
    assert behaviour(str(kind), given, now=0.0).once == (kind in ONE_SHOT)
    with pytest.raises(BadBehaviour, match="found parameter nosuch"):
        behaviour(str(kind), {"nosuch": 1}, now=0.0)


def test_every_behaviour_is_tested_over_ssh() -> None:
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_sim_*.py"))
    assert {str(kind) for kind in Kind} <= set(re.findall(r'inject\("\w+", "(\w+)"', tests))


def test_the_named_functions_of_the_oracle_exist() -> None:
    section = README.split("## The journal")[1].split("## ")[0]
    named = set(re.findall(r"`(\w+)`", section.split("judges it")[1]))
    assert named and all(callable(getattr(oracle, name)) for name in named)
