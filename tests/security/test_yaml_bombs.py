"""Every door that takes YAML, or XML of a device, refuses what grows: in words, quickly, with little memory."""

import tracemalloc
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from typing import Any

import pytest

from inventory.compat import reading
from inventory.importers.references import read_checked
from playbooks import recipe_yaml

BOMBS = {
    "aliases of aliases": "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{','.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(9)
    ),
    "an alias in itself": "a: &a [*a, *a]\n",
    "depth in flow": "[" * 20_000,
    "depth in mappings": "{a: " * 20_000,
    "depth in blocks": "".join(" " * n + "a:\n" for n in range(2_000)),
    "a merge of itself": "a: &a\n  <<: *a\n  b: 1\n",
    "a python object": "!!python/object/apply:os.system ['touch owned']\n",
    "a tag of ours": "!!binary aGFsbG8=\n",
    "many keys": "".join(f"k{n}: {n}\n" for n in range(60_000)),
    "one long word": "a: " + "x" * 3_000_000 + "\n",
}  # fmt: skip
# What a door may use for a document of a few bytes. 200 MB: an expanded bomb of nine levels would want terabytes.
MOST_BYTES = 200_000_000


def inventory(text: str) -> bool:
    return bool(read_checked(text)[1])


def recipe(text: str) -> bool:
    try:
        recipe_yaml.read(text, file="bomb.yaml")
    except recipe_yaml.RecipeRefused:
        return True
    return False


def compatibility(text: str) -> bool:
    return bool(getattr(reading.read(text, "bomb.yaml"), "problems", ()))


DOORS: dict[str, Callable[[str], bool]] = {"inventory": inventory, "recipe": recipe, "compatibility": compatibility}


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.timeout(60)
def test_a_bomb_is_refused(door: str, bomb: str, record_property: Any) -> None:
    tracemalloc.start()
    try:
        refused = DOORS[door](BOMBS[bomb])
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    record_property("megabytes", round(most / 1e6))
    assert refused, f"{door} took {bomb}"
    assert most < MOST_BYTES


def test_what_a_flash_tool_prints_as_xml_does_not_multiply() -> None:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "x" * 100}">' for n in range(10))
    bomb = f'<?xml version="1.0"?><!DOCTYPE d [{entities}]><DeviceUpdate>&e9;</DeviceUpdate>'
    with pytest.raises(ElementTree.ParseError, match="amplification"):
        ElementTree.fromstring(bomb)
