"""The inventory file of a simulated fleet, in the form that Slipway imports."""

from collections.abc import Mapping

from lab.sim.keys import Keys
from lab.sim.topology import Layout

USER = "ops"


def render(layout: Layout, ports: Mapping[str, int], keys: Keys) -> str:
    """The YAML text. `ports`: where each router listens on 127.0.0.1."""
    domains = list(dict.fromkeys(site.failure_domain for site in layout.sites))
    reference = f"file:{keys.login_path.absolute()}"
    lines = ["# A simulated fleet: virtual routers that speak real SSH (lab/sim).", "credentials:"]
    lines += [f'  - {{name: lab, username: {USER}, reference: "{reference}", become: sudo}}']
    lines += [f"failure_domains: [{', '.join(domains)}]", "sites:"]
    lines += [
        f"  - {{name: {s.name}, failure_domain: {s.failure_domain}, time_zone: Europe/London}}" for s in layout.sites
    ]
    lines += ["routers:"]
    for router in layout.routers:
        lines.append(
            f"  - {{name: {router.name}, site: {router.site}, role: {router.role}, platform: linux, "
            f"suite: {router.suite}, address: 127.0.0.1, port: {ports[router.name]}, credential: lab, "
            f'router_id: {router.router_id}, host_key: "{keys.public_line(router.name)}"}}'
        )
    lines += [f"externals: [{', '.join(layout.externals)}]", "links:"]
    lines += [f'  - {{a: "{c.a}", b: "{c.b}", kind: {c.kind}, capacity: {c.capacity}}}' for c in layout.cables]
    lines += ["keep_connected:"] if layout.keep_connected else ["keep_connected: []"]
    lines += [f"  - {{between: [{', '.join(names)}], floor: {floor}}}" for names, floor in layout.keep_connected]
    return "\n".join(lines) + "\n"
