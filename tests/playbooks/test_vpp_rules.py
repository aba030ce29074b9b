"""vppcfg's validator as a library: every rule of it has a configuration that breaks it, and says so through us."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import vppcfg.config
import yaml

from playbooks.vpp import vppcfg_tool

CASES = yaml.safe_load((Path(__file__).parent / "recordings/vppcfg-rules/cases.yaml").read_text())
FOLDER = Path(vppcfg.config.__file__).parent
# Warnings, which change nothing; and a rule that can never hold in 1.2.4: what looks for the outer tag finds the
# sub-interface itself. Ours (fleet/core/vpp_rules.py, `_inner`) says it.
_NO_REFUSALS = ("is not canonical, using",)
_UNREACHABLE = ("which requires a parent",)


def messages() -> Iterator[str]:
    """Every message that vppcfg's validators append, as a regular expression."""
    for path in sorted(FOLDER.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="msgs"), attr="append"), args=[ast.Constant(value)]):
                    yield re.escape(str(value))
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="msgs"), attr="append"), args=[ast.JoinedStr(parts)]
                ):
                    yield "".join(re.escape(str(p.value)) if isinstance(p, ast.Constant) else ".+" for p in parts)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["says"])
def test_a_configuration_that_breaks_a_rule_is_refused_with_its_words(case: dict[str, Any]) -> None:
    found = [reason.found for reason in vppcfg_tool.refusals(case["config"])]
    assert any(case["says"] in text for text in found), found


def test_every_rule_of_the_validator_has_a_case() -> None:
    out = [re.escape(words) for words in _NO_REFUSALS + _UNREACHABLE]
    rules = [rule for rule in messages() if not any(words in rule for words in out)]
    assert len(rules) >= 100
    said = [reason.found for case in CASES for reason in vppcfg_tool.refusals(case["config"])]
    assert [rule for rule in rules if not any(re.search(rule, text) for text in said)] == []


def test_a_good_configuration_is_not_refused_and_odd_ones_never_raise() -> None:
    assert vppcfg_tool.refusals({"interfaces": {"a": {"lcp": "eno1.205", "addresses": ["192.0.2.1/24"]}}}) == ()
    for odd in ({"interfaces": None}, {"interfaces": {"a": None}}, {"interfaces": []}, {"bondethernets": {"x": 1}}):
        assert vppcfg_tool.refusals(odd), odd
