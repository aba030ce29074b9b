"""Reading by libyaml gives what reading in Python gives: every sample, pieces torn out or put in, every scalar."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.importers import yaml_events, yaml_tree
from inventory.importers.yaml_tree import Tree
from tests.inventory.test_inventory_yaml_fuzz import RIGHT, SNIPPETS

SAMPLES = sorted((Path(__file__).parent / "yaml").glob("*.yaml"))
SCALARS = (
    "on", "yes", "true", "010", "0o17", "0x1F", "1_000", "12:30", "1:2:3", "1e3", "1.5", ".5", ".inf", "~", "null", "",
    "2026-11-21", "2026-11-21 05:00:00", "<<", "=", "!x y", "!!str 5", '"5"', "'on'", "00:11:22:33:44:55", "a: b",
    "2001:db8::1", "10.0.0.1", "-", "a#b", "&x 5", "'a''b'", '"\\x41"', "|\n      a\n      b\n", ">\n  a\n  b",
)  # fmt: skip


def flat(tree: Tree | None) -> object:
    """All of a tree; what contains itself once."""
    if tree is None:
        return None
    items = [flat(item) for item in tree.items] if tree.items is not None else None
    keys = {name: flat(value) for name, value in tree.keys.items()} if tree.keys is not None else None
    # Where nothing was written libyaml names the line of the key; ruamel.yaml the next line on which something stands.
    line = None if tree.kind == "nothing" and tree.text == "" else tree.line
    return (line, tree.kind, tree.text, items, keys, dict(tree.key_lines))


def both(text: str) -> bool:
    """Do the two agree? True where libyaml was asked at all."""
    problems: list[yaml_tree.Problem] = []
    try:
        events = yaml_events.events(text)
    except yaml_events.TooDeep:
        return False
    if events is None:
        return False
    quick = yaml_tree._of_events(events, problems)
    if quick is None:
        return False
    slow, said = yaml_tree._slowly(text)
    assert (flat(quick), problems) == (flat(slow), said)
    return True


@pytest.mark.parametrize("path", SAMPLES, ids=lambda p: p.stem)
def test_every_sample(path: Path) -> None:
    both(path.read_text(encoding="utf-8"))


def test_a_right_file_is_read_by_libyaml() -> None:
    assert both(RIGHT)


@pytest.mark.parametrize("scalar", SCALARS)
def test_every_kind_of_scalar(scalar: str) -> None:
    both(f"a: {scalar}\nb: [{scalar}]\n")
    both(f"- {scalar}\n")


@given(st.integers(0, len(RIGHT)), st.integers(0, 12), st.sampled_from(SNIPPETS) | st.text(max_size=4))
def test_pieces_torn_out_or_put_in(at: int, length: int, piece: str) -> None:
    both(RIGHT[max(0, at - 300) : at] + piece + RIGHT[at + length : at + 300])


def test_aliases_are_shared_and_never_multiplied() -> None:
    """A billion of them are as many values as were written."""
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [
        f"{name}: &{name} [{', '.join(['*' + before] * 10)}]"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    tree, problems = yaml_tree.parse("\n".join(lines))
    assert problems == [] and tree is not None and tree.keys is not None
    assert tree.keys["i"].items is not None and tree.keys["i"].items[0] is tree.keys["h"]


@pytest.mark.parametrize("text", ["[" * 100_000, "a: " + "{a: " * 50_000, "- " * 50_000, "a: &a [*a]\n", "a: *b\n"])
def test_hostile_shapes_end(text: str) -> None:
    yaml_tree.parse(text)
