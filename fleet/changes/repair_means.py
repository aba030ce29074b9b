"""What repairs may use, from rows: artifacts, network cards, routing suites of the devices that need them."""

from collections.abc import Mapping, Sequence

from fleet.core import repair_vpp
from fleet.core.model import Json
from fleet.core.repair import Card, Drifted, Means, Offered
from inventory import intent
from inventory.models import Artifact, Nic, Router

# More artifacts than any shop keeps for its fleet; the newest of each name are looked at.
MOST_ARTIFACTS = 2000
_FOR_VPP = ("dataplane.", "kernel.cmdline.")
_SOFTWARE = ("kernel.version", "driver.", "firmware.", "routing.")


def means(drifted: Sequence[Drifted]) -> Means:
    """At most eight queries; none where neither software nor what forwards has drifted."""
    wanted = _wanted(sorted({one.device for one in drifted if one.setting == repair_vpp.KIND}))
    names = sorted({one.device for one in drifted if one.setting.startswith(_SOFTWARE)})
    if not names:
        return Means(wanted=wanted)
    kinds = ("kernel", "driver", "firmware", "package")
    fields = ("kind", "name", "version", "sha256", "location", "brings")
    rows = Artifact.objects.filter(kind__in=kinds).order_by("-pk").values_list(*fields)[:MOST_ARTIFACTS]
    suites = dict(Router.objects.filter(name__in=names).values_list("name", "suite"))
    return Means(tuple(Offered(*row) for row in rows), _cards(names), suites, wanted)


def _wanted(names: Sequence[str]) -> Mapping[str, Mapping[str, Json]]:
    """What is wanted of the data plane and the command line of these devices, whether they have it or not."""
    if not names:
        return {}
    return {
        name: {key: one.value for key, one in found.wanted.items() if key.startswith(_FOR_VPP)}
        for name, found in intent.of_devices(names).items()
    }


def _cards(names: Sequence[str]) -> tuple[Card, ...]:
    """One port of each card: cards are told apart by serial, or by the place in the PCI bus without its function."""
    fields = ("router__name", "interface__name", "driver", "driver_flavour", "nvm", "firmware", "serial", "pci_address")
    rows = Nic.objects.filter(router__name__in=names).order_by("router__name", "interface__name")
    found: dict[tuple[str, str, str], Card] = {}
    for name, interface, driver, flavour, nvm, firmware, serial, address in rows.values_list(*fields):
        which = serial or address.rpartition(".")[0] or interface
        card = Card(name, interface, driver, flavour, nvm or firmware.partition(" ")[0])
        found.setdefault((name, driver, which), card)
    return tuple(found.values())
