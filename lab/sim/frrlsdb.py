"""`show ip ospf database router` and `show ipv6 ospf6 database router` of an FRR 8.4.4 router, from state. Pure.

A new cost is announced at once: the pause between two originations of one LSA (5 s) is not modelled.
"""

from collections.abc import Iterable, Sequence
from ipaddress import ip_network
from typing import Any

from lab.sim.frrshow import dump, ifindex
from lab.sim.reply import Context
from lab.sim.router import Router
from lab.sim.topology import Port


def ospf(ctx: Context, which: Sequence[str]) -> str | None:
    """`router [ID | adv-router ID | self-originate] json`; None for other words.

    Two forms, as 8.4.4 prints them: lists below "routerLinkStates" for all and for one link state id, "Router Link
    States" by router for one that is named as advertising.
    """
    head = {"routerId": ctx.router.spec.router_id}
    match which:
        case [] | [_] if list(which) != ["self-originate"]:
            lsas = [_lsa4(ctx, router) for router in _routers(ctx, *which)]
            return dump({**head, "routerLinkStates": {"areas": {"0.0.0.0": lsas}}})
        case ["self-originate"]:
            only = ctx.router.spec.router_id
        case ["adv-router", only]:
            pass
        case _:
            return None
    by_router = {router.spec.router_id: _lsa4(ctx, router) for router in _routers(ctx, only)}
    return dump({**head, "Router Link States": {"0.0.0.0": by_router}})


def ospf6(ctx: Context, which: Sequence[str]) -> str | None:
    """`router [adv-router ID] detail json`; None for other words."""
    match which:
        case ["detail"]:
            routers = _routers(ctx)
        case ["adv-router", only, "detail"]:
            routers = _routers(ctx, only)
        case _:
            return None
    lsas = [_lsa6(ctx, router) for router in routers if _heard6(ctx, router)]
    return dump({"areaScopedLinkStateDb": [{"areaId": "0", "lsa": lsas}]})


def _routers(ctx: Context, only: str = "") -> Iterable[Router]:
    pod = (ctx.net.routers[name] for name in ctx.net.pods[ctx.router.spec.pod])
    return (router for router in pod if not only or router.spec.router_id == only)


def _heard6(ctx: Context, router: Router) -> bool:
    """Has this router taken in the other's OSPFv3 LSAs?"""
    return router.unheard6 is None or router is ctx.router or ctx.net.adjacent(ctx.router, router.name)


def _core(router: Router) -> Iterable[Port]:
    return (port for port in router.ports if not port.external)


def _lsa4(ctx: Context, router: Router) -> dict[str, Any]:
    """Maximum metric stands on the links to routers; stub networks keep the cost of their interface."""
    links: dict[str, Any] = {}
    for port in _core(router):
        if ctx.net.adjacent_since(router, port, ctx.now) is not None:
            links[f"link{len(links)}"] = {
                "linkType": "another Router (point-to-point)",
                "neighborRouterId": ctx.net.routers[port.peer].spec.router_id,
                "routerInterfaceAddress": port.local4,
                "numOfTosMetrics": 0,
                "tos0Metric": router.metric(port.ifname, six=False),
            }
        near = ip_network(f"{port.local4}/30", strict=False)
        net = {"networkAddress": str(near.network_address), "networkMask": "255.255.255.252"}
        cost = router.cost(port.ifname, six=False)
        links[f"link{len(links)}"] = {"linkType": "Stub Network", **net, "numOfTosMetrics": 0, "tos0Metric": cost}
    own = {"networkAddress": router.spec.router_id, "networkMask": "255.255.255.255", "numOfTosMetrics": 0}
    links[f"link{len(links)}"] = {"linkType": "Stub Network", **own, "tos0Metric": 0}
    ident = router.spec.router_id
    head = {"lsaAge": 71, "options": "*|-|-|-|-|-|E|-", "lsaFlags": 3, "flags": 0, "lsaType": "router-LSA"}
    head |= {"linkStateId": ident, "advertisingRouter": ident, "lsaSeqNumber": "80000005", "checksum": "1544"}
    return {**head, "length": 24 + 12 * len(links), "numOfLinks": len(links), "routerLinks": links}


def _lsa6(ctx: Context, router: Router) -> dict[str, Any]:
    links = [
        {
            "type": "Point-To-Point",
            "metric": router.metric(port.ifname, six=True),
            "interfaceId": f"0.0.0.{ifindex(port.ifname)}",
            "neighborInterfaceId": f"0.0.0.{ifindex(port.remote_ifname)}",
            "neighborRouterId": ctx.net.routers[port.peer].spec.router_id,
        }
        for port in _core(router)
        if ctx.net.adjacent_since(router, port, ctx.now) is not None
    ]
    head: dict[str, Any] = {"age": 71, "type": "Router", "linkStateId": "0.0.0.0"}
    head |= {"advertisingRouter": router.spec.router_id, "lsSequenceNumber": 2147483653, "checksum": 27107}
    head |= {"length": 24 + 16 * len(links), "duration": "00:01:11", "bits": "--------"}
    # A stub router of OSPFv3 keeps its costs; it clears R and V6, which take it out of every way through.
    stub = router.frr is not None and router.frr.has("router ospf6", "stub-router administrative")
    options = "--|-|--|-|-|--|-|-|--|E|--" if stub else "--|-|--|-|-|--|R|-|--|E|V6"
    return {**head, "options": options, "lsaDescription": links}
