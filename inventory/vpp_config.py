"""VPP's configuration out of the facts of a router: a text of the device, read where a profile speaks of it."""

from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import AliasEvent

from fleet.core.model import Json


def with_vpp_read(facts: Json) -> Json:
    """The facts with `vpp.applied`, the mapping that the text `vpp.config` is; as they are where it is none."""
    vpp = facts.get("vpp") if isinstance(facts, Mapping) else None
    if not isinstance(facts, Mapping) or not isinstance(vpp, Mapping) or not isinstance(vpp.get("config"), str):
        return facts
    read = _mapping(vpp["config"])
    return {**facts, "vpp": {**vpp, "applied": read}} if read is not None else facts


def _mapping(text: str) -> dict[str, Any] | None:
    """None for what is no YAML mapping, and for one with aliases: vppcfg's has none, ten lines of them are a bomb."""
    try:
        if any(isinstance(event, AliasEvent) for event in YAML(typ="safe", pure=True).parse(text)):
            return None
        found = YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
