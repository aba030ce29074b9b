"""Inputs of a recipe: what may be asked of the person who starts a change, and how the answers are looked up. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fleet.core.model import Json

_LOOKUP = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
_INPUT = re.compile(r"inputs\.([A-Za-z_][A-Za-z0-9_]*)")


class InputType(StrEnum):
    """What kind of answer an input takes. `text` is a string of several lines."""

    INTEGER = "integer"
    STRING = "string"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    TEXT = "text"


@dataclass(frozen=True)
class InputSpec:
    """One input: `minimum` and `maximum` bound an integer's value, or the length of a string or text."""

    name: str
    type: InputType
    summary: str = ""
    required: bool = False
    default: Json = None
    minimum: int | None = None
    maximum: int | None = None
    choices: tuple[Json, ...] = ()

    def refusal(self, value: Json) -> tuple[str, str] | None:
        """`(found, wanted)` where the value does not fit, else None."""
        match self.type:
            case InputType.INTEGER:
                if isinstance(value, bool) or not isinstance(value, int):
                    return _shown(value), "an integer"
                return self._bounds(value, found=str(value), noun="")
            case InputType.BOOLEAN:
                return None if isinstance(value, bool) else (_shown(value), "true or false")
            case InputType.CHOICE:
                fits = any(value == choice and type(value) is type(choice) for choice in self.choices)
                return None if fits else (_shown(value), "one of " + ", ".join(_shown(c) for c in self.choices))
            case InputType.STRING | InputType.TEXT:
                if not isinstance(value, str):
                    return _shown(value), f"a {self.type}"
                if self.type is InputType.STRING and ("\n" in value or "\r" in value):
                    return "several lines", "a string of one line (type text takes several)"
                return self._bounds(len(value), found=f"{len(value)} characters", noun=" characters")

    def _bounds(self, size: int, *, found: str, noun: str) -> tuple[str, str] | None:
        if self.minimum is not None and size < self.minimum:
            return found, f"at least {self.minimum}{noun}"
        if self.maximum is not None and size > self.maximum:
            return found, f"at most {self.maximum}{noun}"
        return None


def _shown(value: Json) -> str:
    """A value as it is quoted in a message: short, and with its type visible."""
    text = f'"{value}"' if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= 80 else text[:77] + '..."'


@dataclass(frozen=True)
class BadLookup:
    """A lookup that cannot be resolved."""

    found: str
    wanted: str


def lookups(value: Json) -> Iterator[str]:
    """The inside of every `${{ ... }}` in a string; nothing for other values."""
    if isinstance(value, str):
        yield from _LOOKUP.findall(value)


def bad_lookups(value: Json, names: Sequence[str]) -> tuple[BadLookup, ...]:
    """What is wrong with the lookups of one scalar: only `${{ inputs.NAME }}` of a declared input is understood."""
    bad: list[BadLookup] = []
    for inside in lookups(value):
        named = _INPUT.fullmatch(inside)
        if named is None:
            bad.append(BadLookup("${{ " + inside + " }}", "${{ inputs.NAME }}: recipes look inputs up, nothing else"))
        elif named.group(1) not in names:
            known = ", ".join(sorted(names)) or "none is declared"
            bad.append(BadLookup(f"inputs.{named.group(1)}", f"a declared input ({known})"))
    if isinstance(value, str) and not bad and "${{" in _LOOKUP.sub("", value):
        bad.append(BadLookup(_shown(value), "a lookup that is closed with }}"))
    return tuple(bad)


def looked_up(value: Json) -> frozenset[str]:
    """Names of the inputs that a value looks up, at any depth."""
    if isinstance(value, Mapping):
        return frozenset().union(*(looked_up(v) for v in value.values()))
    if isinstance(value, list | tuple):
        return frozenset().union(*(looked_up(v) for v in value))
    found = (_INPUT.fullmatch(inside) for inside in lookups(value))
    return frozenset(match.group(1) for match in found if match is not None)


def resolve(value: Json, inputs: Mapping[str, Json]) -> Json:
    """The value with its lookups replaced. A string that is one lookup takes the input's type; inside longer text the
    input is written out. Inputs without a value stay as they are written."""
    if isinstance(value, Mapping):
        return {key: resolve(inner, inputs) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [resolve(inner, inputs) for inner in value]
    if not isinstance(value, str):
        return value
    whole = _LOOKUP.fullmatch(value.strip())
    if whole is not None and len(_LOOKUP.findall(value)) == 1:
        named = _INPUT.fullmatch(whole.group(1))
        return inputs[named.group(1)] if named is not None and named.group(1) in inputs else value

    def written(match: re.Match[str]) -> str:
        named = _INPUT.fullmatch(match.group(1))
        if named is None or named.group(1) not in inputs:
            return match.group(0)
        found: Any = inputs[named.group(1)]
        return str(found).lower() if isinstance(found, bool) else str(found)

    return _LOOKUP.sub(written, value)
