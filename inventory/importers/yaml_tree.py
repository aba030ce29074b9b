"""YAML text as a tree in which every value knows its line. Nothing is constructed: no tags, no types beyond scalars."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from inventory.importers import yaml_events
from inventory.importers.problems import Problem, shown
from inventory.importers.yaml_events import Alias, Begin, End, Event, Scalar

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
        events = yaml_events.events(text)
    except yaml_events.TooDeep:
        return None, [_not_yaml(0, "lists nested hundreds deep")]
    if events is not None and (whole := _of_events(events, problems)) is not None:
        return whole, problems
    return _slowly(text)


def _slowly(text: str) -> tuple[Tree | None, list[Problem]]:
    """By ruamel.yaml in Python, which says in words what is wrong with a text as YAML."""
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


@dataclass
class _Open:
    """A list or mapping that is being read. `key`: of a mapping, the one whose value comes next."""

    begin: Begin
    items: list[Tree] = field(default_factory=list)
    keys: dict[str, Tree] = field(default_factory=dict)
    key_lines: dict[str, int] = field(default_factory=dict)
    key: str | None = None
    at: int = 0
    skip: bool = False  # the value of a key that is there already

    def tree(self) -> Tree:
        if self.begin.is_list:
            return Tree(self.begin.line, "a list", items=self.items)
        return Tree(self.begin.line, "a mapping", keys=self.keys, key_lines=self.key_lines)


def _of_events(events: Sequence[Event], problems: list[Problem]) -> Tree | None:
    """The tree of a document; None where it is empty or has a key that is no word."""
    stack: list[_Open] = []
    anchored: dict[str, Tree] = {}
    for event in events:
        if isinstance(event, Begin):
            if stack and not stack[-1].begin.is_list and stack[-1].key is None:
                return None
            if event.anchor is not None:
                anchored[event.anchor] = Tree(event.line, "an alias of itself")
            stack.append(_Open(event))
            continue
        match event:
            case Scalar(line=line, tag=tag, text=text, anchor=anchor):
                tree = _scalar(line, tag, text)
            case End():
                done = stack.pop()
                tree, anchor = done.tree(), done.begin.anchor
            case Alias(name=name):
                tree, anchor = anchored[name], None
        if anchor is not None:
            anchored[anchor] = tree
        if not stack:
            return tree
        if not _put(stack[-1], tree, event, problems):
            return None
    return None


def _scalar(line: int, tag: str, text: str) -> Tree:
    tag = tag.removeprefix(_TAG)
    return Tree(line, "text" if tag == "str" else _NAMES.get(tag, f"the tag {tag}"), text=text)


def _put(into: _Open, tree: Tree, event: Event, problems: list[Problem]) -> bool:
    """An item, a key, or the value of the last key; False for a key that is no word."""
    if into.begin.is_list:
        into.items.append(tree)
    elif into.key is None:
        if not isinstance(event, Scalar):
            return False
        into.key, into.at = event.text, event.line
        into.skip = event.text in into.keys
        if into.skip:
            found, once = f"the key {shown(event.text)} a second time", f"it once (line {into.key_lines[event.text]})"
            problems.append(Problem(event.line, event.text, found, once, "Remove one of the two."))
    else:
        if not into.skip:
            into.keys[into.key], into.key_lines[into.key] = tree, into.at
        into.key = None
    return True


def _tree(node: Node, done: dict[int, Tree], problems: list[Problem]) -> Tree:
    """Aliases share one tree; one that contains itself is refused."""
    line = node.start_mark.line + 1
    if id(node) in done:
        return done[id(node)]
    done[id(node)] = Tree(line, "an alias of itself")
    match node:
        case ScalarNode():
            tree = _scalar(line, str(node.tag), str(node.value))
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
