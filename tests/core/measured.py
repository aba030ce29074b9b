"""A measurement of a router on which everything passes, and the same with one value replaced."""

from copy import deepcopy
from typing import Any


def peer(state: str = "Established", received: int | None = 1000) -> dict[str, Any]:
    return {"state": state, "received": received, "sent": 5, "dropped": 0, "name": "transit x1"}


def interface(state: str = "UP", dropped: int = 0, errors: int = 0, packets: int = 1000) -> dict[str, Any]:
    side = {"packets": packets, "dropped": dropped, "errors": errors}
    return {"state": state, "rx": dict(side), "tx": {"packets": packets, "dropped": 0, "errors": 0}}


MEASURED: dict[str, Any] = {
    "version": 1,
    "boot_id": "a",
    "kernel": "6.1.0-28-amd64",
    "routing": {"suite": "frr", "version": "8.4.4"},
    "bgp": {
        "running": True,
        "peers": {
            "ipv4": {"192.0.2.2": peer(), "192.0.2.130": peer("Active", 0)},
            "ipv6": {"2001:db8::2": peer(received=200)},
        },
    },
    "ospf": {"running": True, "neighbours": {"r2": {"state": "Full/-", "full": 2, "interfaces": ["eth1", "eth2"]},
                                             "r9": {"state": "Init", "full": 0, "interfaces": ["eth9"]}}},
    "ospf3": {"running": True, "neighbours": {"r2": {"state": "Full", "full": 1, "interfaces": ["eth1"]}}},
    "vpp": {"running": False, "version": None},
    "bfd": {"running": True, "peers": {"192.0.2.2%eth1": "up", "192.0.2.130%eth1": "down"}},
    "daemons": {"zebra": "up", "bgpd": "up", "watchdog": "down"},
    "interfaces": {"eth1": interface(), "eth9": interface("DOWN")},
    "memory": {"MemTotal": 1_000_000, "SUnreclaim": 50_000},
    "queues": {"eth1": {"combined": 4, "max": {"combined": 8}}, "eth0": {"rx": 1, "tx": 1, "max": {"rx": 1, "tx": 1}}},
    "sysctl": {"net.ipv4.ip_forward": "1"},
    "forwarded": {"ipv4": 1000, "ipv6": 500},
    "paths": {"203.0.113.7": {"rib": [["192.0.2.2", "eth1"]], "kernel": {"gateway": "192.0.2.2", "dev": "eth1"}}},
    "neighbours": {"aebi": {"paths": {"203.0.113.7": {
        "rib": [["10.0.0.1", "eth1"]], "kernel": {"gateway": "10.0.0.1", "dev": "eth1"}}}}},
}  # fmt: skip


def changed(*path: Any, to: Any) -> dict[str, Any]:
    """The measurement with one value replaced; `to` Ellipsis removes it."""
    made = deepcopy(MEASURED)
    at: Any = made
    for key in path[:-1]:
        at = at[key]
    if to is ...:
        del at[path[-1]]
    else:
        at[path[-1]] = to
    return made
