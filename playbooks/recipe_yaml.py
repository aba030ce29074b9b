"""Read a YAML text into plain values that remember their lines, and collect every problem found on the way."""

import copy
import functools
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent

from fleet.core.model import Json, Reason

# A recipe is read by people: the longest of ours has 40 lines. The bounds keep a hostile file (aliases that multiply)
# from costing memory.
MAX_CHARACTERS = 200_000
MAX_NODES = 20_000
MAX_DEPTH = 50  # the deepest of ours has 6
# A text of 40 lines takes some 30 ms to read, and each draft reads its recipe twice. The longest of ours is far below
# the bound, so what is remembered is a few hundred kilobytes.
REMEMBERED_CHARACTERS = 10_000
REMEMBERED_TEXTS = 64

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class RecipeError:
    """One thing that is wrong with a recipe. `line` counts from 1."""

    file: str
    line: int
    found: str
    wanted: str
    remedy: str = ""

    def __str__(self) -> str:
        text = f"{self.file}:{self.line}: found {self.found}, wanted {self.wanted}"
        return f"{text}. {self.remedy}" if self.remedy else f"{text}."

    def reason(self) -> Reason:
        return Reason(f"{self.file}:{self.line}", self.found, self.wanted, self.remedy)


class RecipeRefused(ValueError):
    """A recipe or its inputs cannot be used. `errors` holds everything that is wrong with them, in order of lines."""

    def __init__(self, errors: tuple[RecipeError, ...]) -> None:
        super().__init__("\n".join(str(error) for error in errors))
        self.errors = errors

    @property
    def reasons(self) -> tuple[Reason, ...]:
        return tuple(error.reason() for error in self.errors)


@dataclass
class Document:
    """A YAML text as plain values, with the line of every path in it and the problems found so far."""

    file: str
    value: Json = None
    lines: dict[Path, int] = field(default_factory=dict)
    errors: list[RecipeError] = field(default_factory=list)

    def line(self, path: Path) -> int:
        """The line of a path, or of the nearest thing around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def refuse(self, path: Path, *, found: str, wanted: str, remedy: str = "") -> None:
        error = RecipeError(self.file, self.line(path), found, wanted, remedy)
        if error not in self.errors:
            self.errors.append(error)

    def raise_if_wrong(self) -> None:
        if self.errors:
            raise RecipeRefused(tuple(sorted(self.errors, key=lambda error: error.line)))

    # -- typed looks at values; each returns what was found or a harmless default and notes the problem

    def mapping(self, value: Json, path: Path, *, what: str) -> Mapping[str, Json]:
        if isinstance(value, Mapping):
            return value
        self.refuse(path, found=shown(value), wanted=what)
        return {}

    def sequence(self, value: Json, path: Path, *, what: str) -> list[Json]:
        if isinstance(value, list):
            return value
        self.refuse(path, found=shown(value), wanted=what)
        return []

    def scalar(self, value: Json, path: Path, *, fits: Callable[[Json], bool], what: str, default: Json) -> Json:
        if fits(value):
            return value
        self.refuse(path, found=shown(value), wanted=what)
        return default

    def known_keys(self, value: Mapping[str, Json], path: Path, known: tuple[str, ...], *, noun: str = "key") -> None:
        for key in value:
            if key not in known:
                self.refuse(
                    (*path, key),
                    found=f'{noun} "{key}"',
                    wanted="one of " + ", ".join(known) if known else f"no {noun} here",
                    remedy=close_match(key, known),
                )


def shown(value: Json) -> str:
    """A value as it is quoted in a message."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case str():
            return f'"{value}"' if len(value) <= 80 else f'"{value[:77]}..."'
        case list():
            return "a list"
        case Mapping():
            return "a mapping"
        case _:
            return str(value)


def close_match(name: str, known: tuple[str, ...]) -> str:
    """ "Did you mean X?" where X is near, else nothing."""
    near = get_close_matches(name, known, n=1, cutoff=0.6)
    return f"Did you mean {near[0]}?" if near else ""


def read(text: str, *, file: str) -> Document:
    """Parse a YAML 1.2 text. Raises RecipeRefused where it is not YAML at all, or not within the bounds."""
    if len(text) > REMEMBERED_CHARACTERS:
        return _read(text, file)
    return copy.deepcopy(_remembered(text, file))


@functools.lru_cache(maxsize=REMEMBERED_TEXTS)
def _remembered(text: str, file: str) -> Document:
    """Read once for as long as the text is the same. Whoever asks gets a copy: a document collects problems."""
    return _read(text, file)


def _read(text: str, file: str) -> Document:
    document = Document(file)
    if len(text) > MAX_CHARACTERS:
        document.refuse((), found=f"{len(text)} characters", wanted=f"at most {MAX_CHARACTERS}")
        document.raise_if_wrong()
    try:
        _refuse_shapes(text, file)
        loaded = YAML(typ="rt", pure=True).load(io.StringIO(text))
    except (YAMLError, ValueError, RecursionError) as error:
        line, found = _syntax(error)
        raise RecipeRefused((RecipeError(file, line, found, "YAML 1.2"),)) from error
    document.lines[()] = 1
    document.value = _plain(loaded, (), document, [0])
    document.raise_if_wrong()
    return document


def _refuse_shapes(text: str, file: str) -> None:
    """What no recipe has and ruamel stumbles over: tags of its own, a value that holds itself, endless depth."""
    open_anchors: list[str | None] = []
    for event in YAML(typ="rt", pure=True).parse(io.StringIO(text)):
        anchor, found = getattr(event, "anchor", None), ""
        if isinstance(event, CollectionEndEvent):
            open_anchors.pop()
        elif isinstance(event, AliasEvent) and anchor in open_anchors:
            found = f"*{anchor} in what &{anchor} names"
        elif getattr(event, "tag", None):
            found = f"the tag {event.tag}"[:80]
        elif isinstance(event, CollectionStartEvent) and len(open_anchors) >= MAX_DEPTH:
            found = f"more than {MAX_DEPTH} levels"
        if found:
            line = event.start_mark.line + 1
            raise RecipeRefused((RecipeError(file, line, found, "texts, numbers, lists and mappings"),))
        if isinstance(event, CollectionStartEvent):
            open_anchors.append(anchor)


def _syntax(error: Exception) -> tuple[int, str]:
    """Line and problem of a syntax error, on one line."""
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        return error.problem_mark.line + 1, " ".join(str(error.problem).split())
    return 1, " ".join(str(error).split())[:200] or type(error).__name__


def _plain(node: Any, path: Path, document: Document, count: list[int]) -> Json:
    """The node without ruamel's types, its lines written into the document."""
    count[0] += 1
    if count[0] > MAX_NODES:
        raise RecipeRefused((RecipeError(document.file, document.line(path), "aliases that multiply", "a short file"),))
    if isinstance(node, Mapping):
        plain: dict[str, Json] = {}
        for key, inner in node.items():
            below = (*path, str(key))
            document.lines[below] = _line_of(node, key, default=document.line(path))
            plain[str(key)] = _plain(inner, below, document, count)
        return plain
    if isinstance(node, list):
        items = []
        for index, inner in enumerate(node):
            below = (*path, index)
            document.lines[below] = _line_of(node, index, default=document.line(path))
            items.append(_plain(inner, below, document, count))
        return items
    return _plain_scalar(node, path, document)


def _plain_scalar(node: Any, path: Path, document: Document) -> Json:
    if node is None or isinstance(node, bool):
        return node
    if type(node).__name__ == "ScalarBoolean":
        return bool(node)
    for plain in (int, float, str):
        if isinstance(node, plain):
            return plain(node)
    document.refuse(path, found=f"a {type(node).__name__}", wanted="text, a number, true or false", remedy="Quote it.")
    return str(node)


def _line_of(node: Any, key: Any, *, default: int) -> int:
    position = getattr(getattr(node, "lc", None), "data", None) or {}
    return int(position[key][0]) + 1 if key in position else default
