"""Recipes: the YAML files that operators read, turned into values that can be planned.

A recipe has lookups (`${{ inputs.x }}`) and no control flow. A wrong one is refused with everything that is wrong with
it: file, line, found and wanted.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath

from pydantic import BaseModel, ValidationError

from fleet.core.model import Budget, CheckSpec, Json, OnFailure, Recipe, StepSpec, Strategy
from playbooks import registry
from playbooks.recipe_inputs import InputSpec, InputType, bad_lookups, looked_up, resolve
from playbooks.recipe_yaml import Document, Path, RecipeError, RecipeRefused, close_match, read, shown

__all__ = ["RecipeError", "RecipeFile", "RecipeRefused", "load_recipe", "read_recipe", "recipe_path", "recipe_paths"]

RECIPES = FilePath(__file__).parent / "recipes"

TOP_KEYS = ("recipe", "summary", "inputs", "targets", "artifact", "strategy", "checks", "steps")
STRATEGY_KEYS = ("waves", "budget", "max_failures", "on_failure", "soak")
INPUT_KEYS = ("type", "summary", "required", "default", "min", "max", "choices")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
_INPUT_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_PERCENT = re.compile(r"(\d{1,3})%")


@dataclass(frozen=True)
class RecipeFile:
    """A recipe before its inputs are known: what is asked for, where it applies, how it goes about it."""

    name: str
    summary: str
    inputs: tuple[InputSpec, ...]
    targets: Mapping[str, Json]  # the `where` of its targets: attribute of a router -> value
    strategy: Strategy


def recipe_paths() -> Mapping[str, FilePath]:
    """The recipes that come with Slipway: name -> file."""
    return {path.stem: path for path in sorted(RECIPES.glob("*.yaml"))}


def recipe_path(name: str) -> FilePath:
    """The file of a recipe that comes with Slipway. Raises RecipeRefused naming those there are."""
    known = recipe_paths()
    if name not in known:
        names = tuple(known)
        raise RecipeRefused(
            (RecipeError(name, 1, f'recipe "{name}"', "one of " + ", ".join(names), close_match(name, names)),)
        )
    return known[name]


def read_recipe(source: FilePath | str, *, file: str = "recipe") -> RecipeFile:
    """Check a recipe as far as it can be without its inputs. Raises RecipeRefused with everything that is wrong."""
    document = _document(source, file)
    described, _ = _build(document, None)
    document.raise_if_wrong()
    return described


def load_recipe(source: FilePath | str, inputs: Mapping[str, Json], *, file: str = "recipe") -> Recipe:
    """A recipe (a file, or its text) with its inputs resolved and its lines expanded, ready to be planned.

    Raises RecipeRefused with everything that is wrong with the recipe and with the inputs.
    """
    document = _document(source, file)
    _, made = _build(document, inputs)
    document.raise_if_wrong()
    return made


def _document(source: FilePath | str, file: str) -> Document:
    if isinstance(source, str):
        return read(source, file=file)
    try:
        text = source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        found = error.strerror or "no file" if isinstance(error, OSError) else "bytes that are not UTF-8"
        raise RecipeRefused((RecipeError(source.name, 1, found, "a recipe that can be read"),)) from error
    return read(text, file=source.name)


def _build(document: Document, given: Mapping[str, Json] | None) -> tuple[RecipeFile, Recipe]:
    """Everything a recipe says. `given` None: its inputs are not known yet, what looks them up is not judged."""
    top = document.mapping(document.value, (), what="a mapping that starts with `recipe: NAME`")
    document.known_keys(top, (), TOP_KEYS)
    for key in ("recipe", "summary", "steps"):
        if top and top.get(key) is None:
            document.refuse((key,), found=f"no {key}", wanted=f"`{key}:`")
    name = _text(document, top, "recipe")
    if name and not _NAME.fullmatch(name):
        document.refuse(("recipe",), found=shown(name), wanted="lower-case letters, digits and dashes")
    specs = _input_specs(document, top)
    _check_lookups(document, specs)
    values = _input_values(document, specs, given)
    missing = frozenset(spec.name for spec in specs) - frozenset(values)
    reader = _Reader(document, values, missing)
    strategy, soak = reader.strategy(top.get("strategy"))
    described = RecipeFile(name, _text(document, top, "summary"), specs, reader.targets(top.get("targets")), strategy)
    checks = reader.checks(top.get("checks"))
    steps = reader.steps(top.get("steps"), soak=soak)
    artifact = reader.artifact(top.get("artifact"))
    return described, Recipe(name, described.summary, strategy, checks, steps, values, artifact)


def _text(document: Document, top: Mapping[str, Json], key: str) -> str:
    value = top.get(key)
    if value is None:
        return ""
    return str(document.scalar(value, (key,), fits=lambda v: isinstance(v, str), what="text", default=""))


# -- inputs


def _input_specs(document: Document, top: Mapping[str, Json]) -> tuple[InputSpec, ...]:
    if top.get("inputs") is None:
        return ()
    declared = document.mapping(top["inputs"], ("inputs",), what="a mapping of inputs")
    made = (_input_spec(document, name, spec) for name, spec in declared.items())
    return tuple(spec for spec in made if spec is not None)


def _input_spec(document: Document, name: str, value: Json) -> InputSpec | None:
    path: Path = ("inputs", name)
    body = document.mapping(value, path, what="a mapping with `type:`")
    if not body:
        return None
    document.known_keys(body, path, INPUT_KEYS)
    if not _INPUT_NAME.fullmatch(name):
        document.refuse(path, found=shown(name), wanted="lower-case letters, digits and underscores")
    types = tuple(kind.value for kind in InputType)
    if body.get("type") not in types:
        remedy = close_match(str(body.get("type")), types)
        document.refuse(
            (*path, "type"), found=shown(body.get("type")), wanted="one of " + ", ".join(types), remedy=remedy
        )
        return None
    kind = InputType(body["type"])
    bounds: dict[str, int | None] = {}
    for key in ("min", "max"):
        fits = isinstance(body.get(key), int) and not isinstance(body.get(key), bool)
        if body.get(key) is not None and (not fits or kind in (InputType.BOOLEAN, InputType.CHOICE)):
            document.refuse((*path, key), found=shown(body[key]), wanted="an integer, for integer, string and text")
        bounds[key] = body[key] if fits else None
    choices = tuple(document.sequence(body.get("choices", []), (*path, "choices"), what="a list of choices"))
    if (kind is InputType.CHOICE) != bool(choices):
        document.refuse(
            (*path, "choices"), found="choices" if choices else "no choices", wanted="a list, for type choice only"
        )
    required = body.get("required", False)
    document.scalar(
        required, (*path, "required"), fits=lambda v: isinstance(v, bool), what="true or false", default=False
    )
    summary = str(body.get("summary") or "")
    spec = InputSpec(name, kind, summary, required is True, body.get("default"), bounds["min"], bounds["max"], choices)
    if spec.default is not None and (wrong := spec.refusal(spec.default)) is not None:
        document.refuse((*path, "default"), found=wrong[0], wanted=wrong[1])
    return spec


def _input_values(
    document: Document, specs: tuple[InputSpec, ...], given: Mapping[str, Json] | None
) -> Mapping[str, Json]:
    """The value of every input that has one. An optional input without default is null."""
    values: dict[str, Json] = {}
    names = tuple(spec.name for spec in specs)
    for name in given or {}:
        if name not in names:
            wanted = "one of " + ", ".join(names) if names else "no input: this recipe has none"
            document.refuse(("inputs",), found=f'input "{name}"', wanted=wanted, remedy=close_match(name, names))
    for spec in specs:
        path: Path = ("inputs", spec.name)
        value = (given or {}).get(spec.name)
        if value is None:
            if spec.default is not None or (given is not None and not spec.required):
                values[spec.name] = spec.default
            elif given is not None:
                document.refuse(path, found=f"no value for input {spec.name}", wanted=f"a value of type {spec.type}")
        elif (wrong := spec.refusal(value)) is not None:
            document.refuse(path, found=f"input {spec.name}: {wrong[0]}", wanted=wrong[1])
        else:
            values[spec.name] = value
    return values


def _check_lookups(document: Document, specs: tuple[InputSpec, ...]) -> None:
    names = tuple(spec.name for spec in specs)

    def walk(value: Json, path: Path) -> None:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                walk(inner, (*path, key))
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                walk(inner, (*path, index))
        for bad in bad_lookups(value, names):
            document.refuse(path, found=bad.found, wanted=bad.wanted)

    top = document.value
    for key in ("targets", "artifact", "strategy", "checks", "steps"):
        if isinstance(top, Mapping) and key in top:
            walk(top[key], (key,))


# -- the parts that are read with the inputs


@dataclass(frozen=True)
class _Reader:
    """Reads the parts of a recipe. What looks up an input in `missing` is left alone."""

    document: Document
    values: Mapping[str, Json]
    missing: frozenset[str]

    def _known(self, value: Json) -> bool:
        return not (looked_up(value) & self.missing)

    def targets(self, value: Json) -> Mapping[str, Json]:
        if value is None:
            return {}
        body = self.document.mapping(value, ("targets",), what="`where: {...}`")
        self.document.known_keys(body, ("targets",), ("where",))
        where = resolve(body.get("where") or {}, self.values)
        return self.document.mapping(where, ("targets", "where"), what="a mapping of attribute to value")

    def artifact(self, value: Json) -> str:
        """The name of what the steps bring onto the devices; an input that was not given names nothing."""
        if value is None or not self._known(value):
            return ""
        found = resolve(value, self.values)
        what = 'the name of an artifact, or "${{ inputs.image }}"'
        return str(
            self.document.scalar(
                "" if found is None else found, ("artifact",), fits=lambda v: isinstance(v, str), what=what, default=""
            )
        )

    def strategy(self, value: Json) -> tuple[Strategy, Json]:
        """The strategy, and how long a soak lasts where the step does not say."""
        if value is None:
            return Strategy(), None
        body = self.document.mapping(value, ("strategy",), what="a mapping")
        self.document.known_keys(body, ("strategy",), STRATEGY_KEYS)
        body = {key: resolve(inner, self.values) for key, inner in body.items() if self._known(inner)}
        default = Strategy()
        names = tuple(way.value for way in OnFailure)
        on_failure = body.get("on_failure", default.on_failure.value)
        if on_failure not in names:
            remedy = close_match(str(on_failure), names)
            wanted = "one of " + ", ".join(names)
            self.document.refuse(("strategy", "on_failure"), found=shown(on_failure), wanted=wanted, remedy=remedy)
            on_failure = default.on_failure.value
        made = Strategy(
            waves=self._waves(body.get("waves")) if "waves" in body else default.waves,
            budget=self._budget(body.get("budget")),
            max_failures=self._count(body, "max_failures", ("strategy",), least=0, default=default.max_failures),
            on_failure=OnFailure(on_failure),
        )
        return made, body.get("soak")

    def _count(self, body: Mapping[str, Json], key: str, path: Path, *, least: int, default: int) -> int:
        def fits(value: Json) -> bool:
            return isinstance(value, int) and not isinstance(value, bool) and value >= least

        what = f"an integer of at least {least}"
        value = self.document.scalar(body.get(key, default), (*path, key), fits=fits, what=what, default=default)
        return int(value)

    def _budget(self, value: Json) -> Budget:
        if value is None:
            return Budget()
        path: Path = ("strategy", "budget")
        body = self.document.mapping(value, path, what="`{total: N, per_failure_domain: N}`")
        self.document.known_keys(body, path, ("total", "per_failure_domain"))
        return Budget(
            total=self._count(body, "total", path, least=1, default=1),
            per_failure_domain=self._count(body, "per_failure_domain", path, least=1, default=1),
        )

    def _waves(self, value: Json) -> tuple[int | str | tuple[str, ...], ...]:
        path: Path = ("strategy", "waves")
        waves = self.document.sequence(value, path, what="a list of sizes or of lists of names")
        if isinstance(value, list) and not value:
            self.document.refuse(path, found="no wave", wanted="at least one")
        made = (self._wave(wave, (*path, index)) for index, wave in enumerate(waves))
        return tuple(wave for wave in made if wave is not None)

    def _wave(self, wave: Json, path: Path) -> int | str | tuple[str, ...] | None:
        match wave:
            case bool():
                pass
            case int() if wave >= 1:
                return wave
            case str() if (percent := _PERCENT.fullmatch(wave)) and 1 <= int(percent.group(1)) <= 100:
                return wave
            case list() if wave and all(isinstance(name, str) and name for name in wave):
                return tuple(wave)
            case _:
                pass
        self.document.refuse(path, found=shown(wave), wanted='a count (1), a percentage ("25%") or a list of names')
        return None

    def checks(self, value: Json) -> tuple[CheckSpec, ...]:
        if value is None:
            return ()
        made: list[CheckSpec] = []
        for index, item in enumerate(self.document.sequence(value, ("checks",), what="a list of checks")):
            found = self._named(item, ("checks", index), noun="check", known=known_checks())
            if found is not None:
                name, body = found
                body = resolve(body, self.values)
                expect = body.get("expect") if isinstance(body, Mapping) and tuple(body) == ("expect",) else body
                made.append(CheckSpec(name, expect))
        return tuple(made)

    def steps(self, value: Json, *, soak: Json) -> tuple[StepSpec, ...]:
        if value is None:
            return ()
        items = self.document.sequence(value, ("steps",), what="a list of steps")
        if isinstance(value, list) and not value:
            self.document.refuse(("steps",), found="no step", wanted="at least one")
        made: list[StepSpec] = []
        for index, item in enumerate(items):
            found = self._named(item, ("steps", index), noun="step", known=registry.verbs())
            if found is not None:
                made.extend(self._step(*found, ("steps", index, found[0]), soak=soak))
        return tuple(made)

    def _named(self, item: Json, path: Path, *, noun: str, known: tuple[str, ...]) -> tuple[str, Json] | None:
        """Name and body of `- name` or `- name: {...}`, where the name is known."""
        if isinstance(item, str):
            name, body = item, None
        elif isinstance(item, Mapping) and len(item) == 1:
            ((name, body),) = item.items()
        else:
            self.document.refuse(path, found=shown(item), wanted=f"the name of a {noun}, or `{noun}: {{...}}`")
            return None
        if name in known:
            return name, body
        wanted = "one of " + ", ".join(known)
        self.document.refuse(path, found=f'{noun} "{name}"', wanted=wanted, remedy=close_match(name, known))
        return None

    def _step(self, verb: str, body: Json, path: Path, *, soak: Json) -> tuple[StepSpec, ...]:
        params = dict(self.document.mapping({} if body is None else body, path, what="a mapping of parameters"))
        if verb == "soak" and soak is not None:
            params.setdefault("for", soak)
        resolved = {key: resolve(inner, self.values) for key, inner in params.items()}
        # An optional input that was not given leaves its parameter at the driver's default.
        resolved = {key: inner for key, inner in resolved.items() if inner is not None or params[key] is None}
        model = registry.params_model(verb)
        try:
            model.model_validate(resolved)
            return registry.expand(StepSpec(verb, resolved))
        except ValidationError as error:
            self._refuse_params(error, model, params, path)
            return ()

    def _refuse_params(
        self, error: ValidationError, model: type[BaseModel], params: Mapping[str, Json], path: Path
    ) -> None:
        known = tuple(name.alias or key for key, name in model.model_fields.items())
        for wrong in error.errors(include_url=False):
            at = tuple(
                str(part) if isinstance(params, Mapping) and index == 0 else part
                for index, part in enumerate(wrong["loc"])
            )
            if at and at[0] in params and not self._known(params[str(at[0])]):
                continue
            if not at and not self._known(params):
                continue
            name = str(at[0]) if at else ""
            match wrong["type"]:
                case "extra_forbidden" if len(at) == 1:
                    found, wanted, remedy = (
                        f'parameter "{name}"',
                        "one of " + ", ".join(known),
                        close_match(name, known),
                    )
                    wanted = wanted if known else "no parameters"
                case "missing" if len(at) == 1:
                    found, wanted, remedy = f"no parameter {name}", f"{path[-1]}: {{{name}: ...}}", ""
                case _:
                    found = f"{'.'.join(map(str, at))}: {shown(wrong['input'])}" if at else shown(wrong["input"])
                    wanted, remedy = wrong["msg"].removeprefix("Value error, "), ""
            self.document.refuse((*path, *at), found=found, wanted=wanted, remedy=remedy)


def known_checks() -> tuple[str, ...]:
    """The checks that a recipe may name, in alphabetical order."""
    from fleet.core.checks import CHECKS

    return tuple(sorted(CHECKS))
