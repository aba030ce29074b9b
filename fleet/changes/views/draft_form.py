"""The fields of the form that drafts a change, read into values or refused with every reason. No rows are written."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

from django.db.models import QuerySet
from django.http import QueryDict

from fleet.changes.models import DraftRequest, RecipeCard, Revision
from fleet.core import plan as planning
from fleet.core import strategy as strategies
from fleet.core.model import Json, Reason, Strategy, to_json
from inventory.models import Router

LONGEST = {"title": 200, "ticket": 100, "description": 2000}
LONGEST_INPUT = 50_000  # characters: a section of a routing configuration
STRATEGY = ("waves", "total", "per_failure_domain", "max_failures", "on_failure")
# More names than this are not offered one by one as "did you mean".
CLOSE_AMONG = 20_000


@dataclass(frozen=True)
class Form:
    """What stands in the fields, as text, and what is wrong with it."""

    texts: Mapping[str, str] = field(default_factory=dict)  # title, ticket, description, names, the strategy's
    inputs: Mapping[str, str] = field(default_factory=dict)
    sites: Sequence[str] = ()
    roles: Sequence[str] = ()

    @property
    def patterns(self) -> tuple[str, ...]:
        """Names and patterns of devices, in the order in which they were written, each once."""
        words = self.texts.get("names", "").replace(",", " ").split()
        return tuple(dict.fromkeys(word[:100] for word in words))


def fresh(card: RecipeCard) -> Form:
    """The form before anybody wrote into it: the recipe's own strategy and defaults."""
    inputs = {spec["name"]: shown(spec["default"]) for spec in card.inputs}
    return Form(_written(planning.strategy_from_json(card.strategy)), inputs)


def of_request(row: DraftRequest) -> Form:
    """What somebody asked for, to be corrected."""
    texts = {"title": row.title, "ticket": row.ticket, "description": row.description, "names": "\n".join(row.names)}
    strategy = _written(planning.strategy_from_json(row.strategy)) if row.strategy else {}
    return Form({**strategy, **texts}, {k: shown(v) for k, v in row.inputs.items()})


def of_revision(revision: Revision) -> Form:
    """What a revision says, to be edited. Reads the plan."""
    change = revision.change
    texts = {"title": change.title, "ticket": change.ticket, "description": change.description}
    texts["names"] = "\n".join(target["name"] for target in revision.plan["targets"])
    strategy = planning.strategy_from_json(revision.plan["strategy"])
    inputs = revision.plan["inputs"] or revision.inputs
    return Form({**_written(strategy), **texts}, {k: shown(v) for k, v in inputs.items()})


def _written(strategy: Strategy) -> dict[str, str]:
    written = strategies.write(strategy)
    return {name: getattr(written, name) for name in STRATEGY}


def of_post(post: QueryDict, card: RecipeCard) -> Form:
    """The form as it was sent. Null characters are taken out; what is too long is cut one beyond its bound."""

    def text(name: str, longest: int) -> str:
        return post.get(name, "").replace("\x00", "").replace("\r\n", "\n").strip()[: longest + 1]

    texts = {name: text(name, longest) for name, longest in LONGEST.items()}
    texts |= {name: text(name, 1000) for name in STRATEGY}
    texts["names"] = text("names", 2_000_000)
    inputs = {spec["name"]: text(f"input-{spec['name']}", LONGEST_INPUT) for spec in card.inputs}
    return Form(texts, inputs, post.getlist("site")[:500], post.getlist("role")[:500])


def shown(value: Json) -> str:
    """A value as it stands in a field."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True)
class Read:
    """The values of a form, when `reasons` is empty."""

    inputs: Mapping[str, Json]
    names: tuple[str, ...]
    strategy: Mapping[str, Any]
    reasons: tuple[Reason, ...]


def read(form: Form, card: RecipeCard) -> Read:
    """The values, and everything that is wrong with them. Three queries at most."""
    reasons = [
        Reason(name, f"{len(form.texts[name])} characters", f"at most {longest}", "Put the long story into the ticket.")
        for name, longest in LONGEST.items()
        if len(form.texts.get(name, "")) > longest
    ]
    if not form.texts.get("title"):
        reasons.append(Reason("title", "none", "what is done, in a few words", "Write it: people will look for it."))
    inputs: dict[str, Json] = {}
    for spec in card.inputs:
        value = _input(spec, form.inputs.get(spec["name"], ""))
        if isinstance(value, Reason):
            reasons.append(value)
        elif value is not None:
            inputs[spec["name"]] = value
    written = strategies.Written(*(form.texts.get(name, "") for name in STRATEGY))
    strategy = strategies.read(written)
    if isinstance(strategy, tuple):
        reasons += strategy
    names, wrong = select(form, card)
    values = {} if isinstance(strategy, tuple) else to_json(strategy)
    return Read(inputs, names, values, (*reasons, *wrong))


def _input(spec: Mapping[str, Any], text: str) -> Json | Reason:
    """One input; None when it is left out. What its bounds say is asked of the recipe by the engine as well."""
    name, kind = spec["name"], spec["type"]
    if not text:
        return Reason(name, "nothing", f"a value ({spec['summary'] or kind})", "Fill it in.") if _wanted(spec) else None
    if len(text) > LONGEST_INPUT:
        return Reason(name, f"more than {LONGEST_INPUT} characters", f"at most {LONGEST_INPUT}", "Shorten it.")
    match kind:
        case "integer":
            return _integer(spec, text)
        case "boolean":
            known = {"true": True, "false": False}
            return known[text] if text in known else Reason(name, repr(text[:40]), "true or false", "Choose one.")
        case "choice":
            found = [choice for choice in spec["choices"] if shown(choice) == text]
            wanted = f"one of {', '.join(shown(c) for c in spec['choices'])}"
            return found[0] if found else Reason(name, repr(text[:40]), wanted, "Choose one.")
        case _:
            if kind == "string" and "\n" in text:
                return Reason(name, "several lines", "one line", "Write it in one line.")
            return _within(spec, len(text), text, " characters") or text


def _wanted(spec: Mapping[str, Any]) -> bool:
    return bool(spec["required"]) and spec["default"] is None


def _integer(spec: Mapping[str, Any], text: str) -> int | Reason:
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 15):
        return Reason(spec["name"], repr(text[:40]), "a whole number", "Write digits only.")
    return _within(spec, int(text), text, "") or int(text)


def _within(spec: Mapping[str, Any], size: int, text: str, noun: str) -> Reason | None:
    found = f"{size}{noun}"
    if spec["minimum"] is not None and size < spec["minimum"]:
        return Reason(spec["name"], found, f"at least {spec['minimum']}{noun}", "Choose a larger one.")
    if spec["maximum"] is not None and size > spec["maximum"]:
        return Reason(spec["name"], found, f"at most {spec['maximum']}{noun}", "Choose a smaller one.")
    return None


# --- targets ---------------------------------------------------------------------------------------------------------


def select(form: Form, card: RecipeCard) -> tuple[tuple[str, ...], tuple[Reason, ...]]:
    """The devices that the selection means, the canary first, and what is wrong with it. Two queries at most.

    Everything that was said must hold: site, role, names. Without names in order of their names; with, as written.
    """
    rows = _narrowed(Router.objects.reachable(), form, card)
    found = tuple(rows.order_by("name").values_list("name", flat=True))
    if form.patterns:
        return _as_written(form.patterns, found)
    if not found:
        said = "; ".join(f"{k} {v}" for k, v in (("site", form.sites), ("role", form.roles)) if v) or "the recipe's own"
        return (), (Reason("devices", f"none for {said}", "at least one", "Widen the selection."),)
    return found, ()


def _narrowed(rows: "QuerySet[Router]", form: Form, card: RecipeCard) -> "QuerySet[Router]":
    if form.sites:
        rows = rows.filter(site__name__in=form.sites)
    if form.roles:
        rows = rows.filter(role__in=form.roles)
    # What a recipe says of its targets holds where nobody names any: a name is meant as it is written.
    if form.patterns:
        return rows
    return rows.filter(**{("site__name" if key == "site" else key): value for key, value in card.where.items()})


def _as_written(patterns: Iterable[str], found: Sequence[str]) -> tuple[tuple[str, ...], tuple[Reason, ...]]:
    have, names, wrong = set(found), dict[str, None](), []
    for pattern in patterns:
        if pattern in have:
            names[pattern] = None
        elif any(sign in pattern for sign in "*?[") and (meant := [n for n in found if fnmatchcase(n, pattern)]):
            names.update(dict.fromkeys(meant))
        else:
            close = get_close_matches(pattern, found, 1) if len(found) <= CLOSE_AMONG else []
            remedy = f"Did you mean {close[0]}?" if close else "See the inventory; sites and roles must fit as well."
            wrong.append(Reason(f"device {pattern[:60]}", "none of that name in the selection", "one", remedy))
    return tuple(names), tuple(wrong[:20])
