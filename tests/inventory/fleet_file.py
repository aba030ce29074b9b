"""An inventory of any size as YAML text."""

KEY_1 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBQ0sLTGvcEGL7N7Cb3XjN9xqmFg7M3lXVDOgM4G0rwc"
KEY_2 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKxHhJxQsJ8m1hVvX4tq3dCHb4C3e0aN7o2bq1n9rT5z"


def pods(routers: int, key: str = KEY_1) -> str:
    """Chains of two routers behind one upstream, as many as asked for."""
    lines = ["failure_domains: [north, south]", "sites:"]
    lines += ["  - {name: N, failure_domain: north, time_zone: Europe/London}", "  - {name: S, failure_domain: south}"]
    lines += ["credentials:", '  - {name: lab, username: ops, reference: "file:/keys/id_ed25519", become: sudo}']
    lines += ["routers:"]
    lines += [
        f"  - {{name: r{n}, site: {'NS'[n % 2]}, role: edge, suite: {('frr', 'bird')[n % 2]}, address: 127.0.0.1,"
        f' port: {20000 + n}, credential: lab, router_id: 10.0.{n // 250}.{n % 250 + 1}, host_key: "{key}"}}'
        for n in range(routers)
    ]
    lines += ["externals: [internet]", "links:"]
    for n in range(0, routers, 2):
        lines.append(f'  - {{a: "r{n}:eth0", b: "r{n + 1}:eth0", kind: core, capacity: 10G}}')
        lines.append(f'  - {{a: "r{n}:eth1", b: internet, kind: transit, capacity: 1G}}')
    lines += ["keep_connected:", *(f"  - {{between: [r{n}, r{n + 1}], floor: 1G}}" for n in range(0, routers, 2))]
    return "\n".join(lines) + "\n"
