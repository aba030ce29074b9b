"""The measured procedure: takes a lab router out of the traffic and puts it back, without losing a packet.

Order, and why (each was measured, see README):
1. FRR: weight on the sessions to the outside, so that the router itself goes on using its own exits. Graceful shutdown
   lowers LOCAL_PREF on FRR's own table too; the router would turn around traffic that its neighbours still send it.
2. BGP says "do not prefer me", to our own routers and outside. Those who send to it move away, one by one.
3. The IGP cost rises in steps that cannot loop (loop_free.py), each waited for.
4. All of it is saved, so that the router comes back from a reboot as unattractive as it went.
Back: IGP costs down the same steps, then BGP, then the weights.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from lab.netns import bird_config
from lab.netns.command import LabError, run
from lab.netns.lifecycle import exec_on, routes_in_kernel
from lab.netns.loop_free import MAX_COST, extra_costs
from lab.netns.paths import namespace
from lab.netns.topology import CORE_ASN, CORE_COST, LINKS, RING_BEFORE, RING_NEXT, Router, ends_of

# The slowest router had a change in its kernel 1.6 s after the command (worst of 15 drains that looped meanwhile).
SETTLE_S = 4.0

# FRR and BIRD originate the same LSA at most every 5 s (RFC 2328 MinLSInterval): a second change waits for that long.
LSA_LIMIT_S = 12.0

# Forwarded packets per second that are nobody's traffic: the lab forwards nothing but probes, so none.
QUIET_PPS = 5.0
QUIET_LIMIT_S = 20.0
READY_LIMIT_S = 90.0

# A restarted router is complete after 13 to 24 s (45 restarts). What is missing later is waiting for lost LSAs.
REANNOUNCE_AFTER_S = 30.0

_OWN_EXIT_WEIGHT = 60000

Mark = Callable[[str], None]


class Switches(Protocol):
    """What a routing suite offers for draining. Each call returns when the router itself has done it."""

    def keep_own_exits(self, *, on: bool) -> None: ...
    def avoid_in_bgp(self, *, on: bool) -> None: ...
    def add_cost(self, extra: int) -> None: ...
    def save(self) -> None: ...


@dataclass(frozen=True)
class Baseline:
    """What a router had before it was touched: established sessions with their prefixes, adjacencies, routes."""

    sessions: dict[str, int]
    adjacencies: tuple[int, int]
    routes: tuple[int, int]


def costs() -> dict[str, dict[str, int]]:
    """Interface costs of the undrained ring."""
    table: dict[str, dict[str, int]] = {}
    for link in LINKS:
        if link.kind == "core":
            table.setdefault(link.a.host, {})[link.b.host] = CORE_COST
            table.setdefault(link.b.host, {})[link.a.host] = CORE_COST
    return table


def switches(router: Router) -> Switches:
    """The drain switches of a router's suite."""
    return _Frr(router) if router.suite == "frr" else _Bird(router)


def drain(router: Router, mark: Mark) -> None:
    """Takes the router out of the traffic and saves that; LabError when traffic does not go away."""
    router_switches = switches(router)
    mark("drain: own exits")
    router_switches.keep_own_exits(on=True)
    mark("drain: bgp")
    router_switches.avoid_in_bgp(on=True)
    time.sleep(SETTLE_S)
    for extra in extra_costs(costs(), router.name):
        mark(f"drain: extra cost {extra}")
        router_switches.add_cost(extra)
        time.sleep(SETTLE_S)
    _wait_quiet(router)
    router_switches.save()
    mark("drained")


def undrain(router: Router, mark: Mark) -> None:
    """Puts the router back; the caller has seen that it is ready."""
    router_switches = switches(router)
    for extra in [*reversed(extra_costs(costs(), router.name)[:-1]), 0]:
        mark(f"undrain: extra cost {extra}")
        router_switches.add_cost(extra)
        time.sleep(SETTLE_S)
    mark("undrain: bgp")
    router_switches.avoid_in_bgp(on=False)
    time.sleep(SETTLE_S)
    mark("undrain: own exits")
    router_switches.keep_own_exits(on=False)
    router_switches.save()
    time.sleep(SETTLE_S)
    mark("undrained")


def forwarded(router: str) -> tuple[int, int]:
    """Packets forwarded for others so far, (IPv4, IPv6)."""
    text = run(["ip", "netns", "exec", namespace(router), "cat", "/proc/net/snmp", "/proc/net/snmp6"]).splitlines()
    names, values = [line.split() for line in text if line.startswith("Ip:")]
    v6 = next(line.split()[1] for line in text if line.startswith("Ip6OutForwDatagrams"))
    return int(values[names.index("ForwDatagrams")]), int(v6)


def _wait_quiet(router: Router) -> None:
    deadline = time.monotonic() + QUIET_LIMIT_S
    while True:
        before = sum(forwarded(router.name))
        time.sleep(1.0)
        rate = float(sum(forwarded(router.name)) - before)
        if rate <= QUIET_PPS:
            return
        if time.monotonic() > deadline:
            raise LabError(f"router {router.name}: still forwards {rate:.0f} packets/s; wanted none: do not touch it")


def baseline(router: Router) -> Baseline:
    """What `ready` will compare with; taken before the drain."""
    sessions = _frr_sessions(router) if router.suite == "frr" else _bird_sessions(router)
    return Baseline(sessions, _adjacencies(router), routes_in_kernel(router.name))


def missing(router: Router, wanted: Baseline) -> list[str]:
    """What the router lacks of its baseline, as sentences; empty means it may be undrained."""
    try:
        found = baseline(router)
    except (LabError, ValueError, KeyError) as unreadable:
        return [f"{router.name}: cannot be asked yet: {str(unreadable)[:120]}"]
    lacks = [
        f"session {peer}: {found.sessions.get(peer, 'down')} prefixes, wanted {prefixes}"
        for peer, prefixes in wanted.sessions.items()
        if found.sessions.get(peer, -1) < prefixes
    ]
    if found.adjacencies < wanted.adjacencies:
        lacks.append(f"adjacencies {found.adjacencies}, wanted {wanted.adjacencies}")
    if found.routes[0] < wanted.routes[0] or found.routes[1] < wanted.routes[1]:
        lacks.append(f"routes in the kernel {found.routes}, wanted {wanted.routes}")
    return lacks


def drained_cost(router: Router) -> int:
    """The extra cost of the router's core interfaces while it is drained."""
    return extra_costs(costs(), router.name)[-1]


def wait_ready(router: Router, wanted: Baseline, mark: Mark, *, extra: int) -> float:
    """Seconds until nothing of the baseline was missing twice in a row, one second apart.

    `extra` is the extra cost that the router has now: drained_cost, or 0 when it is not drained.

    Announces the router's LSAs anew when that takes long. ospf6d 8.4 keeps the withdrawn LSAs of a router that stops
    for a while; when the router is back within that time, it takes in the new ones but does not always pass them on
    (1 restart of 4 in a row of restarts), and routers further away never hear of them. A change of cost, and be it
    by one, is flooded.
    """
    begun = time.monotonic()
    good, announced = 0, False
    while good < 2:
        lacks = missing(router, wanted)
        good = 0 if lacks else good + 1
        waited = time.monotonic() - begun
        if waited > READY_LIMIT_S:
            raise LabError(f"router {router.name}: not ready after {READY_LIMIT_S:.0f} s: {'; '.join(lacks)}")
        if lacks and waited > REANNOUNCE_AFTER_S and not announced:
            mark(f"announce anew, lacking {'; '.join(lacks)}")
            switches(router).add_cost(extra - 1 if extra else 1)
            time.sleep(1.0)
            switches(router).add_cost(extra)
            announced = True
        time.sleep(1.0)
    return time.monotonic() - begun


def _ask(router: Router, *command: str) -> str:
    done = exec_on(router.name, command)
    if done.returncode or "% " in done.stdout:
        raise LabError(f"router {router.name}: {' '.join(command)}: exit {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


def _frr_sessions(router: Router) -> dict[str, int]:
    summary = json.loads(_ask(router, "vtysh", "-c", "show bgp summary json"))
    return {
        peer: int(state["pfxRcd"])
        for family in ("ipv4Unicast", "ipv6Unicast")
        for peer, state in summary[family]["peers"].items()
        if state["state"] == "Established"
    }


def _bird_sessions(router: Router) -> dict[str, int]:
    text = _ask(router, "birdc", "show", "protocols", "all")
    found = {}
    for block in text.split("\n\n"):
        name = block.strip().splitlines()[0].split()[0] if block.strip() else ""
        imported = re.search(r"Routes:\s+(\d+) imported", block)
        if "BGP state:          Established" in block and imported:
            found[name] = int(imported[1])
    return found


def _adjacencies(router: Router) -> tuple[int, int]:
    if router.suite == "bird":
        lists = (_ask(router, "birdc", "show", "ospf", "neighbors", name) for name in ("ospf4", "ospf6"))
    else:
        lists = (_ask(router, "vtysh", "-c", f"show {name} neighbor") for name in ("ip ospf", "ipv6 ospf6"))
    v4, v6 = (text.count("Full") for text in lists)
    return v4, v6


class _Frr:
    def __init__(self, router: Router) -> None:
        self._router = router

    def keep_own_exits(self, *, on: bool) -> None:
        lines = [f"router bgp {CORE_ASN}"]
        for family in (4, 6):
            lines.append(f"address-family ipv{family} unicast")
            for peer in self._outside(family):
                lines.append(f"neighbor {peer} weight {_OWN_EXIT_WEIGHT}" if on else f"no neighbor {peer} weight")
            lines.append("exit-address-family")
        self._configure(*lines)
        deadline = time.monotonic() + LSA_LIMIT_S
        while not self._weighted(on=on):
            if time.monotonic() > deadline:
                raise LabError(f"router {self._router.name}: weight {on} not on all outside paths")
            time.sleep(0.5)

    def avoid_in_bgp(self, *, on: bool) -> None:
        self._configure(f"router bgp {CORE_ASN}", "bgp graceful-shutdown" if on else "no bgp graceful-shutdown")

    def add_cost(self, extra: int) -> None:
        drained = CORE_COST + extra == MAX_COST
        lines = ["router ospf", f"{'' if drained else 'no '}max-metric router-lsa administrative", "exit"]
        for name in (RING_NEXT, RING_BEFORE):
            lines += [f"interface {name}", f"ipv6 ospf6 cost {CORE_COST + extra}"]
            if not drained:  # max-metric says it for OSPFv2
                lines.append(f"ip ospf cost {CORE_COST + extra}")
            lines.append("exit")
        self._configure(*lines)
        _wait_lsa(self._router, CORE_COST + extra, self._own_metrics)

    def save(self) -> None:
        _ask(self._router, "vtysh", "-c", "write memory")

    def _configure(self, *lines: str) -> None:
        words = ["vtysh", "-c", "configure terminal"]
        for line in lines:
            words += ["-c", line]
        _ask(self._router, *words)

    def _outside(self, family: int) -> list[str]:
        ends = [far for _mine, far, link in ends_of(self._router.name) if link.kind != "core"]
        return [far.address4 if family == 4 else far.address6 for far in ends]

    def _weighted(self, *, on: bool) -> bool:
        """True when every path from outside has the weight, or none has."""
        for family in (4, 6):
            table = json.loads(_ask(self._router, "vtysh", "-c", f"show bgp ipv{family} unicast json"))
            for paths in table["routes"].values():
                for path in paths:
                    if path["pathFrom"] == "external" and (path["weight"] == _OWN_EXIT_WEIGHT) is not on:
                        return False
        return True

    def _own_metrics(self) -> set[int]:
        own = self._router.loopback4
        v2 = _ask(self._router, "vtysh", "-c", f"show ip ospf database router adv-router {own} json")
        areas = json.loads(v2)["Router Link States"].values()
        links = [link for area in areas for lsa in area.values() for link in lsa["routerLinks"].values()]
        metrics = {int(link["tos0Metric"]) for link in links if "point-to-point" in link["linkType"]}
        v3 = _ask(self._router, "vtysh", "-c", f"show ipv6 ospf6 database router adv-router {own} detail json")
        for area in json.loads(v3)["areaScopedLinkStateDb"]:
            metrics |= {int(link["metric"]) for lsa in area["lsa"] for link in lsa["lsaDescription"]}
        return metrics


class _Bird:
    def __init__(self, router: Router) -> None:
        self._router = router

    def keep_own_exits(self, *, on: bool) -> None:
        """Nothing to do: BIRD is drained in its export filters, its own choice of exits does not change."""

    def avoid_in_bgp(self, *, on: bool) -> None:
        self._set("SLIPWAY_DRAIN_BGP", "true" if on else "false")

    def add_cost(self, extra: int) -> None:
        self._set("SLIPWAY_EXTRA_COST", str(extra))
        _wait_lsa(self._router, CORE_COST + extra, self._own_metrics)

    def save(self) -> None:
        """Nothing to do: the switches are a file."""

    def _set(self, name: str, value: str) -> None:
        text = _ask(self._router, "cat", bird_config.DRAIN_FILE)
        changed = re.sub(rf"^define {name} = .*;$", f"define {name} = {value};", text, flags=re.MULTILINE)
        replace = 'printf %s "$1" > "$0.new" && chown bird:bird "$0.new" && chmod 640 "$0.new" && mv "$0.new" "$0"'
        _ask(self._router, "sh", "-c", replace, bird_config.DRAIN_FILE, changed)
        answer = _ask(self._router, "birdc", "configure")
        if "Reconfigured" not in answer and "in progress" not in answer:
            raise LabError(f"router {self._router.name}: birdc configure: {answer}")

    def _own_metrics(self) -> set[int]:
        metrics = set()
        for name in ("ospf4", "ospf6"):
            text = _ask(self._router, "birdc", "show", "ospf", "state", "all", name)
            own = text.split(f"\trouter {self._router.loopback4}\n", 1)[1].split("\n\n", 1)[0]
            metrics |= {int(metric) for metric in re.findall(r"^\t\trouter \S+ metric (\d+)", own, re.MULTILINE)}
        return metrics


def _wait_lsa(router: Router, cost: int, own_metrics: Callable[[], set[int]]) -> None:
    deadline = time.monotonic() + LSA_LIMIT_S
    while (found := own_metrics()) != {cost}:
        if time.monotonic() > deadline:
            raise LabError(f"router {router.name}: its router-LSAs say {sorted(found)}; wanted {cost} on every link")
        time.sleep(0.2)
