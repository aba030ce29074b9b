"""YAML text as a tree in which every value knows its line. Nothing is constructed: no tags, no types beyond scalars."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from inventory.importers.problems import Problem, shown

_TAG = "tag:yaml.org,2002:"
_NAMES = {"int": "a number", "float": "a number", "bool": "a truth value", "null": "nothing", "timestamp": "a date"}


@dataclass(frozen=True)
class Tree:
    """One value: a scalar (`text`), a list (`items`) or a mapping (`keys`), whichever is not None."""

    line: int
    kind: str  # "text", "a number", "a truth value", "nothing", "a date", "a list", "a mapping", or a foreign tag
    text: str | None = None
    items: Sequence["Tree"] | None = None
    keys: Mapping[str, "Tree"] | None = None
    key_lines: Mapping[str, int] = field(default_factory=dict)


def parse(text: str) -> tuple[Tree | None, list[Problem]]:
    """The tree of a text, and what is wrong with it as YAML. No tree = not YAML, or empty. Never raises."""
    problems: list[Problem] = []
    try:
        node = YAML(typ="safe", pure=True).compose(text)
        tree = _tree(node, {}, problems) if node is not None else None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = " ".join(part for part in (error.context, error.problem) if part)
        return None, [_not_yaml(mark.line + 1 if mark else 0, said)]
    except YAMLError as error:  # the reader: a character that YAML does not allow
        line = text.count("\n", 0, getattr(error, "position", 0)) + 1
        return None, [_not_yaml(line, "a character that YAML does not allow")]
    except RecursionError:
        return None, [_not_yaml(0, "lists nested hundreds deep")]
    if tree is None:
        return None, [Problem(0, "file", "an empty file", "an inventory", "docs/inventory.md shows one.")]
    return tree, problems


def _not_yaml(line: int, said: str) -> Problem:
    return Problem(
        line, "file", said, "YAML", "Correct this line, or the one before it (quotes, brackets, indentation)."
    )


def _tree(node: Node, done: dict[int, Tree], problems: list[Problem]) -> Tree:
    """Aliases share one tree; one that contains itself is refused."""
    line = node.start_mark.line + 1
    if id(node) in done:
        return done[id(node)]
    done[id(node)] = Tree(line, "an alias of itself")
    match node:
        case ScalarNode():
            tag = str(node.tag).removeprefix(_TAG)
            tree = Tree(line, "text" if tag == "str" else _NAMES.get(tag, f"the tag {tag}"), text=str(node.value))
        case SequenceNode():
            tree = Tree(line, "a list", items=[_tree(item, done, problems) for item in node.value])
        case MappingNode():
            tree = _mapping(node, line, done, problems)
        case _:
            tree = Tree(line, "something unknown")
    done[id(node)] = tree
    return tree


def _mapping(node: MappingNode, line: int, done: dict[int, Tree], problems: list[Problem]) -> Tree:
    keys: dict[str, Tree] = {}
    lines: dict[str, int] = {}
    for key, value in node.value:
        at = key.start_mark.line + 1
        if not isinstance(key, ScalarNode):
            problems.append(Problem(at, "file", "a key that is not a word", "a key", "Write KEY: VALUE."))
            continue
        name = str(key.value)
        if name in keys:
            found = f"the key {shown(name)} a second time"
            problems.append(Problem(at, name, found, f"it once (line {lines[name]})", "Remove one of the two."))
            continue
        keys[name] = _tree(value, done, problems)
        lines[name] = at
    return Tree(line, "a mapping", keys=keys, key_lines=lines)
