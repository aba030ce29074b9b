"""Events of YAML from libyaml (written in C) for the tree of an inventory file: seven times as quick as in Python.

libyaml reads YAML 1.1 and 1.2 alike; which scalar is a number is decided here, by the rules of YAML 1.2 that
ruamel.yaml has: `on` is a text, 0o17 a number, 12:30 a text. Whatever libyaml refuses, and what the two are known to
see differently, is None here, and is read (or refused, in the words that people know) by ruamel.yaml.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from ruamel.yaml.resolver import implicit_resolvers

# Line breaks of YAML 1.1 that YAML 1.2 takes for text.
_OTHER_BREAKS = re.compile("[\x85\u2028\u2029]")
_STR = "tag:yaml.org,2002:str"
DEEPEST = 100  # an inventory has four levels


def _rules() -> Mapping[str, Sequence[tuple[str, Any]]]:
    """First character of a plain scalar -> tags with their patterns, in the order in which they are tried."""
    made: dict[str, list[tuple[str, Any]]] = {}
    for versions, tag, pattern, firsts in implicit_resolvers:
        if (1, 2) in versions:
            for first in firsts:
                made.setdefault(first, []).append((tag, pattern))
    return made


_RULES = _rules()


@dataclass(frozen=True, slots=True)
class Scalar:
    line: int
    tag: str
    text: str
    anchor: str | None


@dataclass(frozen=True, slots=True)
class Begin:
    line: int
    is_list: bool
    anchor: str | None


@dataclass(frozen=True, slots=True)
class End:
    pass


@dataclass(frozen=True, slots=True)
class Alias:
    line: int
    name: str


Event = Scalar | Begin | End | Alias


def events(text: str) -> Sequence[Event] | None:
    """The events of the one document of a text, without those of stream and document; None: ask ruamel.yaml.

    Raises TooDeep.
    """
    if _OTHER_BREAKS.search(text):
        return None
    try:
        return list(_events(text))
    except (yaml.YAMLError, UnicodeError, _Other):
        return None


class TooDeep(Exception):
    """Lists in lists, deeper than anybody writes: read no further."""


class _Other(Exception):
    """Something that is better read by ruamel.yaml: a directive, a second document, an alias of nothing."""


def _events(text: str) -> Iterator[Event]:
    known: set[str] = set()
    documents = depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else 0
        anchor = getattr(event, "anchor", None)
        match event:
            case yaml.ScalarEvent():
                yield Scalar(line, _tag(event), event.value, anchor)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                depth += 1
                if depth > DEEPEST:
                    raise TooDeep
                yield Begin(line, isinstance(event, yaml.SequenceStartEvent), anchor)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                depth -= 1
                yield End()
            case yaml.AliasEvent():
                if event.anchor not in known:
                    raise _Other
                yield Alias(line, event.anchor)
                continue
            case yaml.DocumentStartEvent():
                documents += 1
                if documents > 1 or event.version or event.tags:
                    raise _Other
        if anchor is not None:
            if anchor in known:
                raise _Other
            known.add(anchor)


def _tag(event: yaml.ScalarEvent) -> str:
    """As a composer resolves it: the tag that is written, or for a plain scalar the one of its text."""
    if event.tag is not None and event.tag != "!":
        return str(event.tag)
    plain, _ = event.implicit
    if plain:
        for tag, pattern in _RULES.get(event.value[:1], ()):
            if pattern.match(event.value):
                return tag
    return _STR
