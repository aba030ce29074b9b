"""Parameters of napalm."""

import io
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from playbooks.params import Duration

# A plan is stored and shown: what is secret has no place in it.
_SECRET = re.compile(
    r"(?i)\b(?:password|passphrase|secret|key-string|auth_pass|message-digest-key|md5|community)[ \t]+(?!\(redacted\))"
    r"(?:\d[ \t]+)?\S"
)
_NOT_SECRET = re.compile(
    r"(?im)^.*\b(?:set|match|bgp|ip) (?:\S+ )?(?:ext|large-|l)?community.*$|^.*community-list.*$|^.*send-community.*$"
)
# What a compliance report may call: getters only. NAPALM calls whatever method the source names.
GETTERS = frozenset(
    {
        "get_facts", "get_interfaces", "get_interfaces_counters", "get_interfaces_ip", "get_bgp_neighbors",
        "get_bgp_neighbors_detail", "get_bgp_config", "get_arp_table", "get_ipv6_neighbors_table", "get_environment",
        "get_lldp_neighbors", "get_lldp_neighbors_detail", "get_mac_address_table", "get_network_instances",
        "get_ntp_peers", "get_ntp_servers", "get_ntp_stats", "get_optics", "get_route_to", "get_snmp_information",
        "get_users", "get_vlans", "ping",
    }
)  # fmt: skip


def validation(value: Any) -> list[dict[str, Any]]:
    """A validation source of NAPALM from a list or from YAML text. ValueError for what it is not."""
    if isinstance(value, str):
        try:
            value = YAML(typ="safe", pure=True).load(io.StringIO(value)) if value.strip() else []
        except (YAMLError, ValueError, RecursionError):
            raise ValueError(
                "found a text that is not YAML, wanted a list of {getter: {what it must return}}"
            ) from None
    if not isinstance(value, list) or any(not isinstance(row, Mapping) for row in value):
        raise ValueError("a list of {getter: {what it must return}}")
    for row in value:
        for name, wanted in row.items():
            if name not in GETTERS:
                raise ValueError(f"found {str(name)[:60]!r}, wanted one of {', '.join(sorted(GETTERS))}")
            if not isinstance(wanted, Mapping):
                raise ValueError(f"{name}: found {type(wanted).__name__}, wanted a mapping of what it must return")
    return [dict(row) for row in value]


Validation = Annotated[list[dict[str, Any]], BeforeValidator(validation), WithJsonSchema({"type": ["array", "string"]})]


class NapalmParams(BaseModel):
    """What the configuration shall be, how long until it goes back by itself, and what must hold afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: Literal["merge", "replace"] = Field(default="merge", description="add to the configuration, or be all of it")
    config: str = Field(default="", max_length=2_000_000, description="the configuration, in the device's language")
    template: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9_-]{0,60}$", description="templates/device/*/")
    variables: dict[str, Any] = Field(default_factory=dict, description="what the template needs")
    driver: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9_]{0,30}$", description="instead of the platform's")
    # Two round trips on two connections confirm a change; a device that is merely slow must not put itself back.
    confirm: Duration = Field(default=60.0, ge=15.0, le=3600.0, description="the device puts itself back after this")
    revert: list[list[str]] = Field(
        default_factory=list, max_length=20,
        description="commands of its shell that put it back, where the driver has no commit-confirm",
    )  # fmt: skip
    unguarded: bool = Field(default=False, description="go on where nothing puts the device back by itself")
    undo: str = Field(
        default="", max_length=200_000, description="merged on the way back where the driver has no rollback"
    )
    in_service: bool = Field(default=False, description="nothing in it moves traffic: it needs no drain")
    allow_removal: bool = Field(default=False, description="FRR: whole routing processes may go")
    # NAPALM calls it a validation source; "validate" is taken by pydantic.
    compliance: Validation = Field(default_factory=list, description="NAPALM's compliance report after the change")
    # What the planner rendered and computed and the approver saw.
    rendered: str | None = Field(default=None, description="filled in by the plan")
    change: dict[str, list[list[str]]] | None = Field(default=None, description="filled in by the plan")

    @model_validator(mode="after")
    def _something(self) -> "NapalmParams":
        texts = (self.config, self.undo, self.rendered or "", *map(str, self.variables.values()))
        if self.template is not None and self.config.strip():
            raise ValueError("either a template or a configuration")
        if self.template is None and not self.config.strip() and self.rendered is None:
            raise ValueError("a configuration or a template")
        if any(re.search(r"[\x00-\x08\x0b-\x1f]", text) for text in texts):
            raise ValueError("a text without control characters")
        if any(_SECRET.search(_NOT_SECRET.sub("", text)) for text in texts):
            raise ValueError(
                "a text without passwords and keys: a plan is stored and shown; write (redacted) for those that stay"
            )
        return self
