"""Whether what was observed of a router says that somebody drained it. Pure."""

from collections.abc import Mapping
from typing import Any

from playbooks.drain.parse import frr_switches

# A cost on one interface takes one link out of use; these take the traffic off the router.
_WHOLE = frozenset({"bgp", "ospf", "isis"})
_IN_WORDS = {
    "bgp": "graceful-shutdown",
    "ospf": "max-metric router-lsa administrative",
    "isis": "set-overload-bit",
    "ospf6": "the highest cost on every interface",
}


def drained_by(facts: Mapping[str, Any]) -> tuple[str, ...] | None:
    """What in its configuration keeps traffic off it, in words; () when nothing does; None when it cannot be told.

    Told of FRR from `routing.running_config` of an observation; BIRD is drained by a file that facts do not have.
    """
    routing = facts.get("routing")
    config = routing.get("running_config") if isinstance(routing, Mapping) and routing.get("suite") == "frr" else None
    if not isinstance(config, str) or not config.strip():
        return None
    switches = frr_switches(config)
    found = [f"{one.where}: {_IN_WORDS[one.protocol]}" for one in switches if one.protocol in _WHOLE and one.drained]
    costs = [one.drained for one in switches if one.protocol == "ospf6"]
    if costs and all(costs):
        found.append(f"ospf6: {_IN_WORDS['ospf6']}")
    return tuple(found)
