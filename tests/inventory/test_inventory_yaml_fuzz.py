"""Whatever stands in an inventory file: an answer with lines, never an exception."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory.importers.references import read_checked

RIGHT = (Path(__file__).parent / "yaml" / "right.yaml").read_text()
SNIPPETS = [
    "{",
    "}",
    "[",
    "]",
    ":",
    "- ",
    "\n",
    "\t",
    "&a",
    "*a",
    "!!int",
    "!x",
    '"',
    "'",
    "|",
    "<<",
    "%",
    "@",
    "\0",
    "𝛌",
]


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    _, problems = read_checked(text)
    assert problems


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(RIGHT)), st.integers(0, 12), st.sampled_from(SNIPPETS) | st.text(max_size=4))
def test_a_right_file_with_a_piece_torn_out_or_put_in(at: int, length: int, piece: str) -> None:
    text = RIGHT[:at] + piece + RIGHT[at + length :]
    for problem in read_checked(text)[1]:
        assert 0 <= problem.line <= text.count("\n") + 1


@pytest.mark.parametrize(
    "text", ["[" * 5000, "- " * 3000, "a: {" * 2000, "%YAML 1.x\n---\na: 1", "? [a]\n: b", "%TAG ! !\n"]
)
def test_hostile_shapes(text: str) -> None:
    _, problems = read_checked(text)
    assert problems
