"""Links service profiles to devices: by the addresses of vNICs, the UUID, and the serial number of the blade."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from fleet.core import ucs_links
from fleet.core.model import Reason
from fleet.core.ucs_links import Link, Telling
from inventory import models
from playbooks.ucs import seen

_Shown = dict[str, set[int]]  # what is shown > the devices that show it


@dataclass
class Hosts:
    """What the devices of the inventory show of themselves, as far as a domain's profiles ask. Four queries."""

    macs: _Shown = field(default_factory=dict)
    uuids: _Shown = field(default_factory=dict)
    serials: _Shown = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)

    def of(self, profile: seen.Profile, blade: seen.Blade | None) -> Link:
        """The device of a profile with a blade; the UUID is the profile's where it has one of its own."""
        forms = ucs_links.uuids(profile.uuid) or ucs_links.uuids(blade.uuid if blade else "")
        told = (
            Telling("MAC", _all(self.macs, (v.mac for v in profile.vnics))),
            Telling("UUID", _all(self.uuids, forms)),
            Telling("serial", _all(self.serials, [ucs_links.serial(blade.serial)] if blade else [])),
        )
        return ucs_links.link(_shown(profile), told, self.names)


def _all(shown: Mapping[str, set[int]], keys: Iterable[str]) -> frozenset[int]:
    return frozenset(device for key in keys for device in shown.get(key, ()))


def hosts(profiles: Sequence[seen.Profile], blades: Sequence[seen.Blade]) -> Hosts:
    """The devices that any of these could be."""
    macs = {v.mac for p in profiles for v in p.vnics if v.mac}
    known = [*(p.uuid for p in profiles), *(b.uuid for b in blades)]
    forms = {form for text in known for form in ucs_links.uuids(text)}
    serials = {found for b in blades if (found := ucs_links.serial(b.serial))}
    made = Hosts()
    for mac, router in models.Interface.objects.filter(mac__in=macs).values_list("mac", "router_id"):
        made.macs.setdefault(mac, set()).add(router)
    rows = models.Identity.objects
    for key, router in rows.filter(uuid__in=forms).values_list("uuid", "router_id"):
        made.uuids.setdefault(key, set()).add(router)
    for key, router in rows.filter(serial__in=serials).values_list("serial", "router_id"):
        made.serials.setdefault(key, set()).add(router)
    shown = {r for kind in (made.macs, made.uuids, made.serials) for routers in kind.values() for r in routers}
    made.names = dict(models.Router.objects.filter(pk__in=shown).values_list("pk", "name"))
    return made


def unlinked(profile: seen.Profile) -> Reason:
    """Why a profile with a blade has no device."""
    return Reason(
        f"host of {_shown(profile)}",
        "no device with the MAC addresses of its vNICs, its UUID or its blade's serial number",
        "one device of the inventory",
        "Collect the host's facts, or link the service profile by hand.",
    )


def taken_twice(profile: seen.Profile, name: str) -> Reason:
    """Why a profile does not get the device that it points to."""
    remedy = "See which of the profiles it is: the other one was made from it, or moved."
    return Reason(f"host of {_shown(profile)}", f"{name}, which another profile has", "a device of its own", remedy)


def _shown(profile: seen.Profile) -> str:
    return f"{profile.name} ({profile.blade.removeprefix('sys/') or 'no blade'})"
