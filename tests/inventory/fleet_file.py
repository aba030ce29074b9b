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


def wishes(routers: int) -> str:
    """What the pods may have besides: a console, beacon and card each, profiles, artifacts, and UCS."""
    each = range(routers)
    sha = "0" * 64
    lines = ["consoles:"]
    lines += [f"  - {{router: r{n}, kind: ipmi, address: 192.0.2.1, port: {1000 + n}, credential: lab}}" for n in each]
    lines += ["beacons:", *(f"  - {{prefix: 10.{n // 250}.{n % 250}.0/24, router: r{n}}}" for n in each)]
    lines += ["cards:", *(f"  - {{serial: 68-05-{n}, router: r{n}, model: XL710}}" for n in each)]
    lines += ["artifacts:", f'  - {{kind: kernel, name: linux, version: "6.1", sha256: "{sha}", location: /srv/linux,']
    lines += ["     brings: [{kind: driver, name: i40e, version: 2.13.10, flavour: vendor}]}"]
    lines += ["profiles:", "  - {name: fast, kind: nic, parent: base, weight: 1, settings: {nic.queues: 8}}"]
    lines += ["  - {name: base, kind: nic, settings: {nic.rings.rx: 512, nic.offload.lro: null}}", "assignments:"]
    lines += ["  - {profile: base, level: fleet}", "  - {profile: fast, level: role, target: edge}"]
    lines += [
        "  - {profile: fast, level: site, target: N}",
        '  - {profile: fast, level: nic_model, target: "8086:1583"}',
    ]
    lines += [f"  - {{profile: fast, level: device, target: r{n}}}" for n in each]
    lines += ["ucs_domains:", "  - {name: ucs1, site: N, address: 192.0.2.9, credential: lab}", "adapter_policies:"]
    lines += ["  - {domain: ucs1, dn: org-root/eth-profile-a, name: a, rx_queues: 8, rss: true}", "service_profiles:"]
    lines += ["  - {domain: ucs1, dn: org-root/ls-t, name: template}"]
    lines += [
        f"  - {{domain: ucs1, dn: org-root/ls-{n}, name: ls-{n}, template: org-root/ls-t, router: r{n},"
        " adapter_policy: org-root/eth-profile-a}"
        for n in each
    ]
    return "\n".join(lines) + "\n"
