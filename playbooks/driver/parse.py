"""What modinfo, dkms, lsinitramfs, sysfs and ip say about a driver. Pure; no text makes it raise."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

IN_TREE, VENDOR, UNKNOWN = "in-tree", "vendor", ""
_FIELD = re.compile(r"^(filename|version|srcversion):\s+(\S.*)$", re.MULTILINE)
_DKMS = re.compile(r"^(?P<name>[\w.-]+)(?:/|, )(?P<version>[^,:\s]+)(?:, (?P<kernel>\S+), \S+)?: (?P<state>\w+)", re.M)
_VENDOR_FOLDERS = ("/updates/", "/extra/", "/weak-updates/")


@dataclass(frozen=True)
class Copy:
    """One build of a driver: whose it is, its own version (the kernel's has none), and what identifies it."""

    flavour: str
    version: str = ""
    srcversion: str = ""
    path: str = ""

    def __str__(self) -> str:
        return f"{self.flavour or 'unknown'} {self.version}".strip()

    def same(self, flavour: str, version: str) -> bool:
        return self.flavour == flavour and (flavour == IN_TREE or self.version == version)


def flavour_of(path: str) -> str:
    """Whose a module file is, by its folder below /lib/modules/KERNEL."""
    if "/kernel/" in path:
        return IN_TREE
    return VENDOR if any(folder in path for folder in _VENDOR_FOLDERS) else UNKNOWN


def modinfo(text: str) -> Copy | None:
    """The copy on the disk that would be loaded; None where there is none."""
    fields = dict(_FIELD.findall(text))
    path = fields.get("filename", "").strip()
    if not path.startswith("/"):
        return None
    flavour = flavour_of(path)
    version = fields.get("version", "").strip() if flavour != IN_TREE else ""
    return Copy(flavour, version[:60], fields.get("srcversion", "").strip()[:60], path[:200])


def loaded(version: str, srcversion: str, taint: str | None, disk: Copy | None) -> Copy | None:
    """What runs, from /sys/module/NAME; None where it is not loaded. A module from outside the tree taints with O."""
    build = srcversion.strip()[:60]
    if not build and taint is None:
        return None
    if taint is not None:
        flavour = VENDOR if "O" in taint else IN_TREE
    else:
        flavour = disk.flavour if disk is not None and disk.srcversion == build else UNKNOWN
    return Copy(flavour, version.strip()[:60] if flavour != IN_TREE else "", build)


def dkms(text: str, name: str) -> Mapping[str, frozenset[str]]:
    """Version of NAME that dkms knows > kernels that it is installed for. Both ways of writing (dkms 2 and 3)."""
    found: dict[str, set[str]] = {}
    for row in _DKMS.finditer(text):
        if row["name"] == name:
            kernels = found.setdefault(row["version"], set())
            if row["kernel"] and row["state"] == "installed":
                kernels.add(row["kernel"])
    return {version: frozenset(kernels) for version, kernels in found.items()}


def in_initramfs(listing: str, name: str) -> str | None:
    """Whose copy of NAME lies in an initramfs; None where there is none in it."""
    pattern = re.compile(rf"lib/modules/\S*/{re.escape(name)}\.ko(?:\.\w+)?$", re.MULTILINE)
    paths = pattern.findall(listing)
    # `updates/` goes before `kernel/` for depmod, in an initramfs as well.
    flavours = {flavour_of("/" + path) for path in paths}
    if VENDOR in flavours:
        return VENDOR
    return None if not paths else (IN_TREE if IN_TREE in flavours else UNKNOWN)


def conf_in_initramfs(listing: str, path: str) -> bool:
    """Does an initramfs hold this file of /etc/modprobe.d?"""
    return any(line.strip().lstrip("/") == path.lstrip("/") for line in listing.splitlines())


def rows(text: str) -> list[Mapping[str, object]]:
    """The rows of `ip -j -d addr show`; empty for anything else."""
    try:
        found = json.loads(text)
    except ValueError:
        return []
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def why_no_reload(address: str, links: Iterable[Mapping[str, object]], driver_of: Mapping[str, str], name: str) -> str:
    """Why a driver must not be loaded anew under our feet; empty: the way in is elsewhere and nothing hangs on it.

    `address`: of the device, as our own connection sees it. `driver_of`: interface > driver.
    """
    known = {str(row.get("ifname")): row for row in links}
    mine = {ifname for ifname, driver in driver_of.items() if driver == name}
    if not mine:
        return f"no interface of {name} can be seen"
    way_in = [ifname for ifname, row in known.items() if address and address in _addresses(row)]
    if not way_in or known[way_in[0]].get("link_type") == "loopback" or way_in[0].startswith(("lo", "dummy")):
        return f"the way in ({address or 'unknown'}) cannot be told from an interface"
    if under := _below(way_in[0], known) & mine:
        return f"the way in goes over {min(under)}"
    for ifname, row in known.items():
        if str(row.get("link", "")) in mine or (ifname in mine and row.get("master")):
            return f"{row.get('master') or ifname} hangs on {row.get('link') or ifname}"
    return ""


def _addresses(row: Mapping[str, object]) -> set[str]:
    info = row.get("addr_info")
    return {str(one.get("local")) for one in info if isinstance(one, dict)} if isinstance(info, list) else set()


def _below(ifname: str, known: Mapping[str, Mapping[str, object]]) -> set[str]:
    """The interface and everything that it stands on: the parents of VLANs, the members of bonds and bridges."""
    found, todo = set[str](), [ifname]
    while todo:
        one = todo.pop()
        if one in found:
            continue
        found.add(one)
        parent = known.get(one, {}).get("link")
        todo += [str(parent)] if parent else []
        todo += [name for name, row in known.items() if row.get("master") == one]
    return found
