"""Which commands facts and measurements send, as batches of argument lists. Pure.

Everything runs in one round trip, as root where the login may. Only reading commands; none blocks.
"""

from collections.abc import Collection, Mapping, Sequence

from playbooks.addresses import family_of
from playbooks.facts import scripts

Commands = dict[str, list[str]]

# Kernel settings that a plan may look at and that forwarding depends on.
SYSCTLS = (
    "kernel.panic",
    "net.core.netdev_budget",
    "net.core.netdev_budget_usecs",
    "net.core.netdev_max_backlog",
    "net.core.rmem_max",
    "net.core.somaxconn",
    "net.core.wmem_max",
    "net.ipv4.conf.all.arp_ignore",
    "net.ipv4.conf.all.rp_filter",
    "net.ipv4.conf.default.rp_filter",
    "net.ipv4.fib_multipath_hash_policy",
    "net.ipv4.ip_forward",
    "net.ipv4.neigh.default.gc_thresh1",
    "net.ipv4.neigh.default.gc_thresh2",
    "net.ipv4.neigh.default.gc_thresh3",
    "net.ipv4.route.gc_thresh",
    "net.ipv6.conf.all.forwarding",
    "net.ipv6.fib_multipath_hash_policy",
    "net.ipv6.neigh.default.gc_thresh3",
    "net.ipv6.route.max_size",
    "net.netfilter.nf_conntrack_max",
)

_MACHINE: Commands = {
    "boot_id": ["cat", "/proc/sys/kernel/random/boot_id"],
    "uptime": ["cat", "/proc/uptime"],
    "kernel": ["uname", "-r"],
    "meminfo": ["cat", "/proc/meminfo"],
}
_FACTS: Commands = {
    "root": ["id", "-u"],
    "booted_at": ["grep", "^btime ", "/proc/stat"],
    "cmdline": ["cat", "/proc/cmdline"],
    "tainted": ["cat", "/proc/sys/kernel/tainted"],
    "cpu": scripts.argv("cpu"),
    "identity": scripts.argv("identity"),
    "modules": scripts.argv("modules"),
    "packages": scripts.argv("packages"),
    "processes": scripts.argv("processes"),
    "devlink": ["devlink", "-j", "dev", "info"],
    "driver_log": scripts.argv("driver-log"),
    "vpp": scripts.argv("vpp"),
    "addresses_text": scripts.argv("addresses"),
    "hostname": ["hostname"],
    "os_release": ["cat", "/etc/os-release"],
    "links": ["ip", "-j", "-d", "link", "show"],
    "addresses": ["ip", "-j", "addr", "show"],
    "cpus": ["nproc"],
    "sysctl": ["sysctl", "-e", *SYSCTLS],
}
_ROUTING_FACTS: Mapping[str, Commands] = {
    "frr": {
        "version": ["vtysh", "-c", "show version"],
        "running_config": ["vtysh", "-c", "show running-config"],
        "saved_config": ["cat", "/etc/frr/frr.conf"],
        "daemons": ["vtysh", "-c", "show watchfrr"],
        "zebra": ["pgrep", "-a", "-x", "zebra"],
    },
    "bird": {
        "status": ["birdc", "show", "status"],
        "saved_config": ["cat", "/etc/bird/bird.conf"],
    },
}
_COUNTERS: Commands = {
    "vpp": scripts.argv("vpp"),
    "counters": ["ip", "-j", "-s", "link", "show"],
    "snmp": ["cat", "/proc/net/snmp"],
    "snmp6": ["cat", "/proc/net/snmp6"],
}
_ROUTING_NOW: Mapping[str, Commands] = {
    "frr": {
        "version": ["vtysh", "-c", "show version"],
        "bgp": ["vtysh", "-c", "show bgp summary json"],
        "ospf": ["vtysh", "-c", "show ip ospf neighbor json"],
        "ospf3": ["vtysh", "-c", "show ipv6 ospf6 neighbor json"],
        "bfd": ["vtysh", "-c", "show bfd peers json"],
        "routes4": ["vtysh", "-c", "show ip route summary json"],
        "routes6": ["vtysh", "-c", "show ipv6 route summary json"],
        "daemons": ["vtysh", "-c", "show watchfrr"],
    },
    "bird": {
        "status": ["birdc", "show", "status"],
        "protocols": ["birdc", "show", "protocols", "all"],
        "ospf": ["birdc", "show", "ospf", "neighbors"],
        "bfd": ["birdc", "show", "bfd", "sessions"],
        "routes": ["birdc", "show", "route", "count"],
    },
}

# Which checks an answer serves. A vtysh costs 25 ms of a router's time (measured on FRR 8.4.4), so a round of a
# verification asks only for what its checks look at; what is in no list here is asked once, in the baseline.
_SERVES: Mapping[str, frozenset[str]] = {
    "kernel": frozenset({"version"}),
    "meminfo": frozenset({"slab"}),
    "counters": frozenset({"drops", "interface_errors"}),
    "sysctl": frozenset({"sysctl"}),
    "version": frozenset({"version"}),
    "status": frozenset({"version", "daemons"}),
    "bgp": frozenset({"bgp_sessions", "route_counts"}),
    "protocols": frozenset({"bgp_sessions", "route_counts", "ospf", "ospf3"}),
    "bfd": frozenset({"bfd", "vpp"}),
    "daemons": frozenset({"daemons"}),
    "channels": frozenset({"queues"}),
    "vpp": frozenset({"vpp", "rib_fib", "rib_fib_neighbours"}),
}
_ALWAYS = frozenset({"boot_id", "uptime"})
_OSPF: Mapping[str, Mapping[str, frozenset[str]]] = {
    "frr": {"ospf": frozenset({"ospf"}), "ospf3": frozenset({"ospf3"})},
    "bird": {"ospf": frozenset({"ospf", "ospf3"})},
}
_RIB = frozenset({"rib_fib", "rib_fib_neighbours"})

FACTS_PER_INTERFACE: Commands = {
    "driver": ["ethtool", "-i"],
    "channels": ["ethtool", "-l"],
    "rings": ["ethtool", "-g"],
    "permanent_mac": ["ethtool", "-P"],
    "nic": scripts.argv("nic"),
}
MEASURE_PER_INTERFACE: Commands = {"channels": ["ethtool", "-l"]}
KERNEL_ROUTES: Commands = {
    "kernel_routes4": ["ip", "-j", "route", "show"],
    "kernel_routes6": ["ip", "-j", "-6", "route", "show"],
}


def facts(suite: str) -> Commands:
    """The batch that facts are made of."""
    return {**_MACHINE, **_FACTS, **_ROUTING_FACTS.get(suite, {})}


def measurement(
    suite: str, *, samples: Sequence[str], sysctls: Sequence[str], checks: Collection[str] | None
) -> tuple[Commands, Commands]:
    """The batch that a measurement is made of, and its part per interface; of `checks`: only what they look at."""
    settings: Commands = {"sysctl": ["sysctl", "-e", *sysctls]} if sysctls else {}
    made = {**_MACHINE, **_COUNTERS, **settings, **_ROUTING_NOW.get(suite, {})}
    if checks is None:
        return {**made, **lookups(suite, samples)}, MEASURE_PER_INTERFACE
    serves = {**_SERVES, **_OSPF.get(suite, {})}
    wanted = {n: c for n, c in made.items() if n in _ALWAYS or not serves.get(n, frozenset()).isdisjoint(checks)}
    paths = lookups(suite, samples) if not _RIB.isdisjoint(checks) else {}
    return {**wanted, **paths}, MEASURE_PER_INTERFACE if "queues" in checks else {}


def lookups(suite: str, samples: Sequence[str]) -> Commands:
    """What the routing daemon and the kernel do with each sample address, both by longest match.

    One vtysh for all addresses of a family: starting one costs 15 to 25 ms of the router's time.
    """
    made: Commands = {f"get:{address}": ["ip", "-j", "route", "get", address] for address in samples}
    match suite:
        case "frr":
            for family, words in (("ipv4", "ip"), ("ipv6", "ipv6")):
                mine = of_family(samples, family)
                if mine:
                    shown = (part for a in mine for part in ("-c", f"show {words} route {a} json"))
                    made[f"rib:{family}"] = ["vtysh", *shown]
        case "bird":
            made |= {f"rib:{address}": ["birdc", "show", "route", "for", address] for address in samples}
    return made


def there(asked: Commands) -> Commands:
    """What asks the kernel, in the namespace of the routing daemon; the daemon itself answers from any."""
    return {name: [*scripts.argv("there"), *argv] for name, argv in asked.items() if argv[0] == "ip"}


def of_family(samples: Sequence[str], family: str) -> list[str]:
    """The samples of one family, in their order."""
    return [address for address in samples if family_of(address) == family]
