"""What vtysh prints: configuration blocks and JSON. Pure; no text makes it raise."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from fleet.core.model import Json

_NOISE = frozenset({"", "!", "exit", "end", "exit-vrf", "exit-address-family", "Building configuration...",
                    "Current configuration:"})  # fmt: skip


@dataclass(frozen=True)
class Block:
    """One indented block of a configuration: its first line, and the lines under it without their indentation."""

    heading: str
    lines: tuple[str, ...]


def blocks(config: str) -> tuple[Block, ...]:
    """The blocks of an FRR configuration in their order. A line without anything under it is a block without lines.

    Takes what `show running-config` and `write memory` print (captures/frr-8.4.4/01-baseline/running_config.txt):
    whatever belongs to a block is indented.
    """
    found: list[tuple[str, list[str]]] = []
    for raw in config.splitlines():
        line = raw.strip()
        if line in _NOISE:
            continue
        if raw[:1].isspace() and found:
            found[-1][1].append(line)
        else:
            found.append((line, []))
    return tuple(Block(heading, tuple(lines)) for heading, lines in found)


@lru_cache(
    maxsize=512
)  # running and saved configuration of 100 routers, before and after a stage: looks in a row mostly find the same text
def statements(config: str) -> frozenset[tuple[str, str]]:
    """Every statement of a configuration with the block it stands in, without order: for comparing two of them."""

    def each() -> Iterator[tuple[str, str]]:
        for block in blocks(config):
            if not block.heading.startswith(("frr version", "hostname")):
                yield block.heading, ""
            for line in block.lines:
                yield block.heading, line

    return frozenset(each())


def json_object(text: str) -> Mapping[str, Json] | None:
    """The JSON object that vtysh printed; None for anything else.

    A daemon that does not run answers in plain text although JSON was asked for, and exits 0 or 1 (drain.md 2.2).
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, Mapping) else None


def argv(*lines: str) -> list[str]:
    """One vtysh invocation that executes lines one after another and stops at the first that is refused."""
    return ["vtysh", *(part for line in lines for part in ("-c", line))]


def refusal(text: str) -> str:
    """What vtysh or a daemon said no with, shortened to one line; "" where the text holds no refusal."""
    for line in text.splitlines():
        if line.startswith("%") or "Unknown command" in line or "is not running" in line or "failed to connect" in line:
            return " ".join(line.split())[:200]
    return ""
