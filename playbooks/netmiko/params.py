"""Parameters of netmiko."""

import re
from typing import Annotated, Any

from netmiko.ssh_dispatcher import CLASS_MAPPER_BASE
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from playbooks.params import Duration

_SECRET = re.compile(r"(?i)\b(?:password|passphrase|secret|key-string|pre-shared-key|auth-key)[ \t=]+(?:\d[ \t]+)?\S")


_NO = r"(?im)^\s*(?:% ?(?:invalid|error|unknown|incomplete|ambiguous)|error:|syntax error|failure:|bad command)"


def lines(value: Any) -> list[str]:
    """Lines from a text or a list. ValueError for anything else."""
    if isinstance(value, str):
        value = value.splitlines()
    if not isinstance(value, list) or any(not isinstance(line, str) or "\n" in line for line in value):
        raise ValueError("lines, as a text or as a list")
    return [line.rstrip() for line in value if line.strip()]


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"found {text[:60]!r} ({error}), wanted a regular expression") from None
    return text


def _device_type(name: str) -> str:
    if name not in CLASS_MAPPER_BASE:
        raise ValueError(f"found {name[:60]!r}, wanted a device type of netmiko such as mikrotik_routeros")
    return name


Lines = Annotated[list[str], BeforeValidator(lines), WithJsonSchema({"type": ["array", "string"]})]
Pattern = Annotated[str, AfterValidator(_pattern)]


class NetmikoParams(BaseModel):
    """Lines, their opposite, and the command whose output says which of the two is in effect.

    Nothing here is guessed: a platform of which Slipway knows no more than its prompt gets told what to do and what
    to undo, word by word.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    lines: Lines = Field(description="what is entered in configuration mode")
    undo: Lines = Field(description="what takes it back, entered in configuration mode")
    show: str = Field(min_length=1, max_length=500, description="the command that shows whether it is in effect")
    has: tuple[Pattern, ...] = Field(default=(), description="its output has each of these when it is in effect")
    lacks: tuple[Pattern, ...] = Field(default=(), description="and none of these")
    # Exec mode, as `reload in 5` and `reload cancel`: the only way back of a device that is cut off.
    arm: Lines = Field(default_factory=list, description="entered before: the device puts itself back after a while")
    disarm: Lines = Field(default_factory=list, description="entered over a new connection: it keeps what it has")
    unguarded: bool = Field(default=False, description="go on where nothing puts the device back by itself")
    save: bool = Field(default=True, description="keep it over a restart, when it was seen over a new connection")
    device_type: Annotated[str, AfterValidator(_device_type)] | None = Field(
        default=None, description="netmiko's, instead of the platform of the inventory"
    )
    refused: Pattern = Field(default=_NO, description="output that means no")
    answer: Duration = Field(default=30.0, ge=1.0, le=600.0, description="how long one command may take")

    @model_validator(mode="after")
    def _whole(self) -> "NetmikoParams":
        if not self.lines or not self.undo:
            raise ValueError("lines, and an undo that takes them back")
        if not self.has and not self.lacks:
            raise ValueError("`has` or `lacks`: what in the output of `show` says that it is in effect")
        if bool(self.arm) != bool(self.disarm):
            raise ValueError("`arm` and `disarm` together")
        if not self.arm and not self.unguarded:
            raise ValueError("`arm` and `disarm`, or `unguarded: true` where nothing puts the device back by itself")
        texts = (*self.lines, *self.undo, *self.arm, *self.disarm, self.show)
        if any(re.search(r"[\x00-\x08\x0a-\x1f]", text) for text in texts):
            raise ValueError("lines without control characters")
        if any(_SECRET.search(text) for text in texts):
            raise ValueError("lines without passwords and keys: a plan is stored and shown")
        return self
