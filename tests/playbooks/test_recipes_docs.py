"""The published schema and the reference page are what the code accepts; run `python -m playbooks.recipe_schema`."""

import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from playbooks import registry
from playbooks.recipe import known_checks, recipe_paths
from playbooks.recipe_schema import DOCS, page, schema, schema_text

jsonschema = pytest.importorskip("jsonschema", reason="comes with check-jsonschema of the dev group")


def valid(document: Any) -> bool:
    return bool(jsonschema.Draft202012Validator(schema()).is_valid(document))


def test_the_published_schema_is_the_one_the_code_makes() -> None:
    assert (DOCS / "recipe.schema.json").read_text() == schema_text()
    jsonschema.Draft202012Validator.check_schema(json.loads(schema_text()))


def test_the_reference_page_is_the_one_the_code_makes() -> None:
    text = (DOCS / "recipes.md").read_text()
    assert page(text) == text
    for verb in registry.verbs():
        assert f"### {verb}\n" in text
    for check in known_checks():
        assert f"`{check}`" in text


@pytest.mark.parametrize("path", recipe_paths().values(), ids=lambda path: path.stem)
def test_every_shipped_recipe_fits_the_schema(path: Path) -> None:
    document = YAML(typ="safe").load(path)
    jsonschema.Draft202012Validator(schema()).validate(document)


@pytest.mark.parametrize(
    "steps",
    [
        [{"drian": {}}], [{"drain": {"setle": "3s"}}], [{"drain": {"settle": 3}}], ["nic"],
        [{"nic": {"queues": "four"}}],
        [], [{"baseline": None, "verify": None}], [{"undrain": {"order": ["ospf7"]}}],
    ],
)  # fmt: skip
def test_a_wrong_step_does_not_fit_the_schema(steps: Any) -> None:
    recipe = {"recipe": "x", "summary": "y", "steps": steps}
    assert not valid(recipe)
    assert valid({**recipe, "steps": ["baseline", {"drain": {"settle": "3s"}}, {"nic": {"queues": "${{ inputs.q }}"}}]})
