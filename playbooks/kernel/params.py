"""Parameters of kernel and kernel-default, and what a command line may hold."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from playbooks.params import Duration

RELEASE = r"^([0-9][A-Za-z0-9.+~_-]{2,60})?$"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,60}")
_VALUE = re.compile(r"[A-Za-z0-9_.,:/+@%=-]{1,200}")
_CPUS = re.compile(r"[0-9]{1,4}(?:-[0-9]{1,4})?(?:,[0-9]{1,4}(?:-[0-9]{1,4})?)*")
# Parameters whose value is a list of processors: of a core always all its threads (story S2).
OF_PROCESSORS = frozenset({"isolcpus", "nohz_full", "rcu_nocbs"})
# What Slipway sets itself for the trial, and what would make the fallback another one.
_OURS = frozenset({"root", "ro", "rw", "init", "rdinit", "panic", "oops", "BOOT_IMAGE", "initrd", "slipway.trial"})


def command_line(value: Any) -> Mapping[str, str | bool]:
    """Parameters by name. true: the bare word; false: none of that name. ValueError names what does not fit.

    Also as people write a command line: `isolcpus=2-5 nosmt -quiet`, where a dash stands for false.
    """
    if isinstance(value, str):
        pairs = [word.removeprefix("-").partition("=") for word in value.split()]
        negative = [word.startswith("-") for word in value.split()]
        value = {p[0]: not no if no or not p[1] else p[2] for p, no in zip(pairs, negative, strict=True)}
    if not isinstance(value, Mapping):
        raise ValueError("a mapping of parameter to value")
    made: dict[str, str | bool] = {}
    for name, one in value.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name) or name in _OURS:
            raise ValueError(
                f'parameters such as isolcpus, none of {", ".join(sorted(_OURS))} (found "{str(name)[:60]}")'
            )
        text = one if isinstance(one, bool) else str(one)
        if not isinstance(one, bool | int | str) or (isinstance(text, str) and not _VALUE.fullmatch(text)):
            raise ValueError(f"letters, digits and _.,:/+@%=- for {name}, or true, or false (found {one!r})")
        made[name] = text
    return made


CommandLine = Annotated[
    dict[str, str | bool],
    BeforeValidator(command_line),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "object", "additionalProperties": {"type": ["string", "integer", "boolean"]}},
                {"type": "string", "description": "NAME=VALUE NAME -NAME"},
            ]
        }
    ),
]


class Wanted(BaseModel):
    """A kernel and its command line."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    release: str = Field(default="", pattern=RELEASE, description="what uname -r says; empty: the one that runs")
    cmdline: CommandLine = Field(
        default_factory=dict,
        description="parameters of its command line: a value, true for the bare word, false for none of that name; "
        "lists of processors are filled up with sibling threads",
    )


class KernelParams(Wanted):
    """Which kernel, where its package comes from, and how long it may take to be reached after its first boot."""

    package: str = Field(
        default="",
        pattern=r"^([a-z0-9][a-z0-9+.-]{1,80})?$",
        description="its Debian package; default linux-image-RELEASE",
    )
    version: str = Field(default="", pattern=r"^([A-Za-z0-9.+:~-]{1,60})?$", description="exact version of the package")
    source: str = Field(
        default="",
        pattern=r"^(/[A-Za-z0-9._+~/-]{1,300}|https?://[A-Za-z0-9._~:/\[\]%+-]{1,400})?$",
        description="where the device gets the package: an address, or a path on the device",
    )
    sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$", description="of the package; checked on the device")
    panic: int = Field(
        default=10, ge=1, le=300, strict=True, description="seconds from a panic of the trial to the reset"
    )
    # A server needs 3 to 10 minutes until it answers, most of them before its kernel begins, where this is not counted.
    confirm: Duration = Field(
        default=300.0, ge=60.0, le=7200.0,
        description="the device goes back to its old kernel unless it is reached so soon after the trial began to boot",
    )  # fmt: skip
    within: Duration = Field(default=2400.0, description="installation, reboot and confirmation together")

    @model_validator(mode="after")
    def _fits(self) -> "KernelParams":
        if not self.release and not self.cmdline:
            raise ValueError("a release, or a cmdline, or both")
        named = (self.version, self.source, self.sha256)
        if any(named) and not (all(named) and self.release):
            raise ValueError("release, version, source and sha256 together")
        return self

    @property
    def debian_package(self) -> str:
        return self.package or f"linux-image-{self.release}"


def cpu_list(text: str) -> frozenset[int] | None:
    """The processors of "2-3,8"; None for anything else. Flags before it (isolcpus=domain,2-3) are not read here."""
    if not _CPUS.fullmatch(text):
        return None
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        if int(last or first) < int(first) or int(last or first) > 4095:
            return None
        found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)


def cpu_text(cpus: frozenset[int]) -> str:
    """The shortest way to write processors: "2-3,8"."""
    runs: list[list[int]] = []
    for cpu in sorted(cpus):
        if runs and cpu == runs[-1][-1] + 1:
            runs[-1][1:] = [cpu]
        else:
            runs.append([cpu])
    return ",".join("-".join(map(str, run)) for run in runs)


def with_siblings(value: str, siblings: Sequence[Sequence[int]]) -> str | None:
    """A list of processors filled up with the sibling threads of each, its flags kept; None where it cannot be read.

    A thread that is left to the scheduler while its sibling is taken from it disturbs the very core that was to be
    left alone (S2). `siblings`: the threads of each core.
    """
    parts = value.split(",")
    flags = [part for part in parts if not part[:1].isdecimal()]
    cpus = cpu_list(",".join(part for part in parts if part[:1].isdecimal()))
    if cpus is None or parts[: len(flags)] != flags:
        return None
    known = {cpu for core in siblings for cpu in core}
    if not cpus <= known:
        return None
    return ",".join([*flags, cpu_text(frozenset(t for core in siblings for t in core if cpus & set(core)))])
