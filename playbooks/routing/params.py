"""Parameters of routing."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from playbooks.params import Duration


def variables(value: Any) -> Mapping[str, Any]:
    """Variables from a mapping, or from lines of NAME=VALUE. ValueError for anything else."""
    if isinstance(value, str):
        lines = [line.strip() for line in value.splitlines() if line.strip()]
        if any("=" not in line for line in lines):
            raise ValueError("lines of NAME=VALUE")
        return {name.strip(): text.strip() for name, _, text in (line.partition("=") for line in lines)}
    if isinstance(value, Mapping):
        return dict(value)
    raise ValueError("a mapping, or lines of NAME=VALUE")


# A plan is stored and shown: what is secret has no place in it.
_SECRET = re.compile(r"(?i)\b(?:password|passphrase|secret|key-string|auth_pass|message-digest-key|md5)\s+\S")


def fragment(value: Any) -> Mapping[str, str]:
    """Text by routing suite, from one text for both or from a mapping. ValueError for anything else."""
    if isinstance(value, str):
        return {"frr": value, "bird": value}
    named = isinstance(value, Mapping) and set(value) <= {"frr", "bird"}
    if named and all(text is None or isinstance(text, str) for text in value.values()):
        return {suite: text or "" for suite, text in value.items()}
    raise ValueError("a text, or {frr: text, bird: text}")


Variables = Annotated[dict[str, Any], BeforeValidator(variables), WithJsonSchema({"type": ["object", "string"]})]
Fragment = Annotated[
    dict[str, str],
    BeforeValidator(fragment),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object", "additionalProperties": {"type": "string"}}]}),
]


class RoutingParams(BaseModel):
    """A section of the configuration: from a template, or as text. `remove` is for FRR: its sections have no marks."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    section: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$", description="its name: letters, digits, dashes")
    template: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9_-]{0,60}$", description="templates/device/*/")
    variables: Variables = Field(default_factory=dict, description="what the template needs, or lines of NAME=VALUE")
    fragment: Fragment = Field(default_factory=dict, description="statements, one text or one for each suite")
    remove: str = Field(default="", max_length=100_000, description="FRR: statements that shall not be there")
    # Two round trips on two connections confirm a change; a router that is merely slow must not put itself back.
    confirm: Duration = Field(default=60.0, ge=15.0, le=3600.0, description="the router puts itself back after this")
    # What the planner rendered and the approver saw; the template may have changed since.
    rendered: str | None = Field(default=None, description="filled in by the plan")

    @model_validator(mode="after")
    def _something(self) -> "RoutingParams":
        given = [text for text in self.fragment.values() if text.strip()]
        if self.template is not None and given:
            raise ValueError("either a template or a fragment")
        if self.template is None and not given and not self.remove.strip() and self.rendered is None:
            raise ValueError("a template, a fragment, or (FRR) statements to remove")
        if any(re.search(r"[\x00-\x08\x0b-\x1f]", text) for text in (*given, self.remove, self.rendered or "")):
            raise ValueError("a text without control characters")
        if any(_SECRET.search(text) for text in (*given, self.rendered or "", *map(str, self.variables.values()))):
            raise ValueError("a text without passwords and keys: a plan is stored and shown")
        return self
