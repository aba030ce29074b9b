"""Writes inventory.yaml, the description of the running lab that Slipway imports."""

from __future__ import annotations

from lab.netns.host_files import public_host_key
from lab.netns.paths import INVENTORY, LOGIN_KEY
from lab.netns.topology import EXTERNALS, LINKS, ROUTERS, SITES, End, Router, ends_of


def write_inventory() -> None:
    """Writes the file in one go (a reader sees the old one or the new one)."""
    unfinished = INVENTORY.with_suffix(".new")
    unfinished.write_text(render())
    unfinished.replace(INVENTORY)


def render() -> str:
    """The inventory as YAML; the only thing read from disk are the public host keys."""
    domains = list(dict.fromkeys(site.failure_domain for site in SITES))
    labels = list(dict.fromkeys(external.label for external in EXTERNALS))
    lines = ["credentials:", f'  - {{name: lab, username: ops, reference: "file:{LOGIN_KEY}", become: sudo}}']
    lines += [f"failure_domains: [{', '.join(domains)}]", "sites:"]
    lines += [f"  - {{name: {s.name}, failure_domain: {s.failure_domain}, time_zone: {s.time_zone}}}" for s in SITES]
    lines += ["routers:", *(_router(router) for router in ROUTERS)]
    lines += [f"externals: [{', '.join(labels)}]  # not managed by Slipway, but must stay reachable", "links:"]
    lines += [
        f'  - {{a: "{_end(link.a)}", b: "{_end(link.b)}", kind: {link.kind}, capacity: {link.capacity}}}'
        for link in LINKS
        if link.kind != "outside"
    ]
    together = ", ".join([*(router.name for router in ROUTERS), *labels])
    lines += ["keep_connected:", f"  - {{between: [{together}], floor: 10G}}"]
    return "\n".join(lines) + "\n"


def _router(router: Router) -> str:
    edge = any(link.kind == "transit" for _mine, _far, link in ends_of(router.name))
    return (
        f"  - {{name: {router.name}, site: {router.site}, role: {'edge' if edge else 'access'}, platform: linux,"
        f" suite: {router.suite}, address: {router.management_address}, port: 22, credential: lab,"
        f' router_id: {router.loopback4}, host_key: "{public_host_key(router.name)}"}}'
    )


def _end(end: End) -> str:
    for external in EXTERNALS:
        if external.name == end.host:
            return external.label
    return f"{end.host}:{end.interface}"
