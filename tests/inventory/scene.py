"""A fleet of any size in the database as the pages show it: devices, NICs, software, facts, profiles and drift.

scene.fleet(200, now)      # rows by bulk, no device and no parser is asked
"""

from datetime import datetime, timedelta

from django.contrib.auth.models import User

from fleet.core.model import Json
from inventory import drift
from inventory.models import (
    AdapterPolicy,
    Artifact,
    Assignment,
    Beacon,
    Console,
    Cpu,
    Credential,
    Daemon,
    External,
    FailureDomain,
    HostKey,
    Interface,
    Link,
    LinkEnd,
    Module,
    Nic,
    Observation,
    Package,
    Profile,
    Router,
    SavedFilter,
    ServiceProfile,
    Site,
    Software,
    UcsDomain,
    digest_of,
)

RING = ("bly", "aebi", "dekker", "thn1", "ixn1", "aql1")
SITES = ("lon1", "lon2", "ams1", "fra1", "par1", "nyc1", "sin1", "syd1")
ROLES = ("edge", "core", "transit", "edge", "edge")
KERNELS = ("6.1.0-28-amd64", "6.1.0-28-amd64", "5.10.46-trunk", "6.12.9")
# Driver, version, flavour, NVM, API, firmware as ethtool prints it, PCI device and model.
CARDS = (
    (
        "i40e",
        "2.8.20-k",
        "in-tree",
        "8.00",
        "1.12",
        "8.00 0x80009e5b 1.2829.0",
        "1583",
        "Ethernet Controller XL710 for 40GbE QSFP+",
    ),
    (
        "i40e",
        "2.13.10",
        "vendor",
        "8.00",
        "1.12",
        "8.00 0x80009e5b 1.2829.0",
        "1583",
        "Ethernet Controller XL710 for 40GbE QSFP+",
    ),
    (
        "ice",
        "6.1.0-28-amd64",
        "in-tree",
        "4.40",
        "1.7",
        "4.40 0x8001c7d4 1.3534.0",
        "1592",
        "Ethernet Controller E810-C for QSFP",
    ),
    (
        "ixgbe",
        "6.1.0-28-amd64",
        "in-tree",
        "",
        "",
        "0x800006da, 1.1197.0",
        "1528",
        "Ethernet Controller 10-Gigabit X540-AT2",
    ),
)
KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIBQ0sLTGvcEGL7N7Cb3XjN9xqmFg7M3lXVDOgM4G0rwc"
PORTS = 4


def names(count: int) -> list[str]:
    return [*RING[:count], *(f"edge{n:05}" for n in range(max(0, count - len(RING))))]


def facts(number: int, *, queues: int = 8) -> dict[str, Json]:
    """The facts of device `number`, as discovery has them. Every fifth device has four queues on its first port."""
    driver, version, flavour, nvm, api, firmware, device, _ = CARDS[number % len(CARDS)]
    interfaces: dict[str, Json] = {}
    for port in range(PORTS):
        now = 4 if number % 5 == 1 and port == 0 else queues
        interfaces[f"eth{port}"] = {
            "mac": f"3c:fd:fe:{number >> 8 & 255:02x}:{number & 255:02x}:{port:02x}",
            "nic": {
                "driver": driver, "version": version, "flavour": flavour, "nvm": nvm, "api": api, "firmware": firmware,
                "bus": f"0000:3b:00.{port}", "serial": f"{number:06x}{port:02x}",
                "pci": {"vendor": "8086", "device": device, "subvendor": "8086", "subdevice": "0001"},
            },
            "channels": {"combined": now, "max": {"combined": 64}},
            "rings": {"rx": 512 if number % 7 == 2 else 4096, "tx": 4096},
        }  # fmt: skip
    return {
        "kernel": KERNELS[number % len(KERNELS)],
        "cmdline": "BOOT_IMAGE=/vmlinuz root=/dev/sda1 ro quiet isolcpus=2-5",
        "interfaces": interfaces,
        "routing": {"suite": "frr", "version": "8.4.4" if number % 3 else "7.3.1", "daemon_list": {"ospf6d": {}}},
        "sysctl": {"net.ipv4.ip_forward": "1"},
        "modules": {driver: {"version": version, "flavour": flavour}},
        "packages": {"frr": "8.4.4-1"},
        "cpu": {"vendor": "GenuineIntel"},
        "unknown": {"dmidecode": "needs root"},
    }


def fleet(count: int, now: datetime, *, observations: int = 2) -> list[Router]:
    """Devices with all that a page shows of them, each linked to the next, drift counted. Returns them by number."""
    people_and_places()
    made = _devices(range(count), now, observations)
    wanted()
    _drift(made, now)
    return made


def more(count: int, now: datetime) -> list[Router]:
    """So many further devices."""
    begin = Router.objects.count()
    made = _devices(range(begin, begin + count), now, 2)
    _drift(made, now)
    return made


def _drift(made: list[Router], now: datetime) -> None:
    for start in range(0, len(made), 500):
        drift.refresh(made[start : start + 500], now - timedelta(minutes=4))


def _devices(numbers: range, now: datetime, observations: int) -> list[Router]:
    sites, lab = list(Site.objects.order_by("pk")), Credential.objects.get(name="lab")
    called = names(numbers.stop)
    made = Router.objects.bulk_create(
        Router(
            name=called[n],
            site=sites[n % len(sites)],
            role=ROLES[n % len(ROLES)],
            suite="frr",
            credential=lab,
            address=f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}",
            router_id=f"192.{168 + (n >> 16)}.{n >> 8 & 255}.{n & 255}",
            tags=["canary"] if n % 50 == 0 else [],
            kind="blade" if n % 9 == 4 else "router",
            stale_since=now - timedelta(days=3) if n % 40 == 39 else None,
        )
        for n in numbers
    )
    _hardware(made, now)
    _software(made, now)
    _links(made)
    for back in range(observations, 0, -1):
        _observed(made, now - timedelta(minutes=10 * back - 5), queues=8 if back == 1 else 6)
    return made


def people_and_places() -> None:
    domains = FailureDomain.objects.bulk_create(FailureDomain(name=f"fd{n}") for n in range(4))
    Site.objects.bulk_create(
        Site(name=name, failure_domain=domains[n % 4], time_zone="Europe/London" if n < 2 else "UTC")
        for n, name in enumerate(SITES)
    )
    Credential.objects.bulk_create([Credential(name="lab", username="slipway", reference="env:SLIPWAY_TEST_SECRET")])
    External.objects.bulk_create([External(name="transit-a")])
    Artifact.objects.create(
        kind="image",
        name="vyos",
        version="1.4-2027",
        sha256="ab" * 32,
        location="/srv/images/vyos-1.4.iso",
        brings=[{"kind": "driver", "name": "i40e", "version": "2.13.10", "flavour": "vendor"}],
    )


def _observed(routers: list[Router], at: datetime, *, queues: int) -> None:
    for start in range(0, len(routers), 500):
        seen = [(r, facts(start + n, queues=queues)) for n, r in enumerate(routers[start : start + 500])]
        Observation.objects.bulk_create(
            Observation(router=r, kind="facts", observed_at=at, facts=f, digest=digest_of(f)) for r, f in seen
        )


def _hardware(routers: list[Router], now: datetime) -> None:
    rows = [
        Interface(
            router=r, name=f"eth{port}", mac=f"3c:fd:fe:{n >> 8 & 255:02x}:{n & 255:02x}:{port:02x}", last_seen_at=now
        )
        for n, r in enumerate(routers)
        for port in range(PORTS)
    ]
    cards = []
    for at, row in enumerate(Interface.objects.bulk_create(rows, batch_size=2000)):
        number, port = divmod(at, PORTS)
        driver, version, flavour, nvm, api, firmware, device, model = CARDS[number % len(CARDS)]
        cards.append(
            Nic(
                router_id=row.router_id,
                interface=row,
                pci_address=f"0000:3b:00.{port}",
                driver=driver,
                driver_version=version,
                driver_flavour=flavour,
                firmware=firmware,
                nvm=nvm,
                api=api,
                model=model,
                pci_vendor="8086",
                pci_device=device,
                serial=f"{number:06x}{port:02x}",
                numa_node=0,
                channels={"combined": 8, "max": {"combined": 64}},
                rings={"rx": 4096, "tx": 4096},
                last_seen_at=now,
            )
        )
    Nic.objects.bulk_create(cards, batch_size=2000)
    HostKey.objects.bulk_create(HostKey(router=r, algorithm="ssh-ed25519", key=KEY) for r in routers)
    Console.objects.bulk_create(
        Console(router=r, kind="ipmi", address=f"172.{r.address.partition('.')[2]}", port=623, credential=r.credential)
        for r in routers
    )
    _blades(routers)


def _blades(routers: list[Router]) -> None:
    """One domain whose policy every device's service profile uses, and a beacon through each."""
    first = routers[1]
    domain, _ = UcsDomain.objects.get_or_create(
        name="fi-a", defaults={"site": first.site, "address": "192.0.2.200", "credential": first.credential}
    )
    policy, _ = AdapterPolicy.objects.get_or_create(domain=domain, dn="org-root/eth-profile-Linux", name="Linux")
    ServiceProfile.objects.bulk_create(
        ServiceProfile(
            domain=domain, dn=f"org-root/ls-{r.name}", name=r.name[:32], adapter_policy=policy,
            maintenance_policy="user-ack", router=r,
        )
        for r in routers
    )  # fmt: skip
    Beacon.objects.bulk_create(
        Beacon(router=r, prefix=f"2001:db8:b:{r.pk:x}::/64", test_address=f"2001:db8:b:{r.pk:x}::1") for r in routers
    )


def _software(routers: list[Router], now: datetime) -> None:
    up = now - timedelta(days=40)
    Software.objects.bulk_create(
        Software(
            router=r,
            os="Debian GNU/Linux 12",
            kernel=KERNELS[n % len(KERNELS)],
            suite="frr",
            booted_at=up,
            suite_version="8.4.4" if n % 3 else "7.3.1",
            cmdline="root=/dev/sda1 ro quiet isolcpus=2-5",
        )
        for n, r in enumerate(routers)
    )
    Cpu.objects.bulk_create(
        Cpu(router=r, vendor="GenuineIntel", model="Xeon D-1541", sockets=1, cores=8, threads=16, numa_nodes=1)
        for r in routers
    )
    daemons = ("zebra", "bgpd", "ospfd", "ospf6d")
    Daemon.objects.bulk_create(
        Daemon(router=r, name=d, version="8.4.4", started_at=up) for r in routers for d in daemons
    )
    Module.objects.bulk_create(
        Module(router=r, name=CARDS[n % 4][0], version=CARDS[n % 4][1], flavour=CARDS[n % 4][2])
        for n, r in enumerate(routers)
    )
    Package.objects.bulk_create(Package(router=r, name="frr", version="8.4.4-1") for r in routers)


def _links(routers: list[Router]) -> None:
    """A chain, and a transit of the first."""
    upstream = External.objects.get(name="transit-a")
    links = Link.objects.bulk_create(Link(kind="core", capacity_mbps=10_000) for _ in routers)
    ends: list[LinkEnd] = []
    for n, link in enumerate(links):
        ends.append(LinkEnd(link=link, side="a", router=routers[n], interface="eth1"))
        last = n + 1 == len(routers)
        other = {"external": upstream} if last else {"router": routers[n + 1], "interface": "eth2"}
        ends.append(LinkEnd(link=link, side="b", **other))  # type: ignore[arg-type]
    LinkEnd.objects.bulk_create(ends)


def wanted() -> None:
    """Profiles that override each other: eight queues everywhere, other rings at the edge."""
    base = Profile.objects.create(
        name="nic-base", kind="nic", settings={"nic.queues": 8, "nic.rings.rx": 4096, "nic.rss.key": None}
    )
    small = Profile.objects.create(name="nic-edge", kind="nic", settings={"nic.rings.rx": 4096, "nic.rings.tx": 4096})
    kernel = Profile.objects.create(
        name="forwarding",
        kind="kernel",
        settings={
            "kernel.sysctl.net.ipv4.ip_forward": "1",
            "kernel.cmdline.isolcpus": "2-5",
            "kernel.sysctl.net.core.rmem_max": "1",
        },
    )
    bly = Profile.objects.create(name="bly-queues", kind="nic", settings={"nic.queues[eth0]": 16})
    Assignment.objects.create(profile=base, level="fleet")
    Assignment.objects.create(profile=kernel, level="fleet")
    Assignment.objects.create(profile=small, level="role", role="edge")
    Assignment.objects.create(profile=bly, level="device", router=Router.objects.get(name="bly"))


def saved(owner: User) -> None:
    SavedFilter.objects.create(owner=owner, page="devices", name="Vendor i40e", query="driver=i40e", shared=True)
