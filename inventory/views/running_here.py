"""What runs in the fleet, counted by kind: combinations of kernel, driver and firmware; routing suites; neighbours."""

from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlencode

from django.db.models import Count
from django.urls import reverse

from fleet.core.compat import Combination
from fleet.core.compat_components import KERNEL, Adapter, Component, Running
from fleet.core.compat_hardware import flavour, hardware
from inventory.models import Nic, Software


@dataclass(frozen=True)
class Group:
    """Devices that are alike in what an entry of the matrix or an advisory may ask. `href`: the list of them."""

    running: Running
    devices: int
    href: str
    combination: Combination | None = None


def by_card(*, router: int | None = None) -> list[Group]:
    """One group per combination on network cards of a known family. One query."""
    fields = (
        "driver", "driver_version", "driver_flavour", "nvm", "firmware", "api", "pci_vendor", "pci_device",
        "router__software__kernel", "router__cpu__vendor",
    )  # fmt: skip
    rows = Nic.objects.filter(driver__gt="").order_by()
    if router is not None:
        rows = rows.filter(router=router)
    counted: dict[tuple[Adapter, str, str], tuple[int, str]] = {}
    for *values, devices in rows.values_list(*fields).annotate(n=Count("router", distinct=True)):
        driver, version, kind, nvm, firmware, api, vendor, device, kernel, cpu = (value or "" for value in values)
        found = hardware(vendor, device, driver)
        if not found.family:
            continue
        kind = kind or flavour(found.family, version, kernel)
        adapter = Adapter("", found.family, found.model, kind, version, nvm or firmware.partition(" ")[0], api)
        key = (adapter, kernel, _cpu(cpu))
        query = {"driver": driver, "driver_version": version, "firmware": nvm, "kernel": kernel}
        href = f"{reverse('inventory-nics')}?{urlencode({k: v for k, v in query.items() if v})}"
        counted[key] = (counted.get(key, (0, ""))[0] + devices, href)
    return [_of_card(*key, devices, href) for key, (devices, href) in counted.items()]


def _cpu(vendor: str) -> str:
    return {"genuineintel": "intel", "authenticamd": "amd"}.get(vendor.lower(), vendor.lower())


def _of_card(adapter: Adapter, kernel: str, cpu: str, devices: int, href: str) -> Group:
    a = adapter
    components = (
        *([Component(KERNEL, kernel)] if kernel else []),
        Component(f"driver.{a.family}", a.driver, a.flavour),
        *([Component(f"firmware.{a.family}", a.nvm, api=a.api)] if a.nvm else []),
    )
    running = Running("", kernel, cpu, components, (adapter,), unknown=frozenset())
    found = Combination(a.family, a.model, a.flavour, a.driver, kernel, a.nvm, a.api, cpu)
    return Group(running, devices, href, found)


def by_software() -> list[Group]:
    """One group per routing suite with its version, and kernel. One query."""
    rows = Software.objects.order_by().values_list("suite", "suite_version", "kernel").annotate(n=Count("pk"))
    made = []
    for suite, version, kernel, devices in rows:
        query = {"suite": suite, "suite_version": version, "kernel": kernel}
        href = f"{reverse('inventory-devices')}?{urlencode({k: v for k, v in query.items() if v})}"
        made.append(Group(_of_software(suite, version, kernel), devices, href))
    return made


def of_routers(routers: Collection[int]) -> list[tuple[int, Running]]:
    """The routing suites and kernels of these devices. One query."""
    rows = Software.objects.filter(router__in=routers).values_list("router_id", "suite", "suite_version", "kernel")
    return [(pk, _of_software(suite, version, kernel)) for pk, suite, version, kernel in rows]


def _of_software(suite: str, version: str, kernel: str) -> Running:
    components = (
        *([Component(KERNEL, kernel)] if kernel else []),
        *([Component(f"routing.{suite}", version)] if suite else []),
    )
    return Running("", kernel, "", components, unknown=frozenset())
