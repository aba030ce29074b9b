"""The sections that may be left out: ways to devices, what is wanted of them, what can be put onto them, UCS."""

from inventory.importers import kinds
from inventory.importers.field import Field, Section
from inventory.models import ArtifactKind, ConsoleKind, Level, ProfileKind

_QUEUES, _RING = kinds.whole(1, 1000), kinds.whole(64, 16384)


def _section(name: str, about: str, *fields: Field) -> Section:
    return Section(name, about, fields, required=False)


MORE = (
    _section(
        "consoles",
        "Ways to a device beside its own network.",
        Field("router", kinds.NAME, "the device; from `routers`"),
        Field("kind", kinds.choice(*ConsoleKind.values), "how it is spoken to"),
        Field("address", kinds.ADDRESS, "of the management controller or terminal server"),
        Field("port", kinds.PORT, "its port; of a terminal server the port that leads to this device"),
        Field("credential", kinds.NAME, "how to log in; from `credentials`"),
    ),
    _section(
        "beacons",
        "Prefixes that only one device announces, to probe through it.",
        Field("prefix", kinds.PREFIX, "the prefix"),
        Field("router", kinds.NAME, "who announces it; from `routers`"),
        Field("test_address", kinds.ADDRESS, "an address in it that answers", None),
    ),
    _section(
        "cards",
        "Network cards by their serial.",
        Field("serial", kinds.NAME, "as the card shows it"),
        Field("router", kinds.NAME, "the one device that it is in; from `routers`"),
        Field("model", kinds.TEXT, "what it is", ""),
    ),
    _section(
        "artifacts",
        "Software that can be put onto devices.",
        Field("kind", kinds.choice(*ArtifactKind.values), "what it is"),
        Field("name", kinds.NAME, "its name"),
        Field("version", kinds.VERSION, "its version"),
        Field("sha256", kinds.SHA256, "its digest"),
        Field("location", kinds.LOCATION, "where it lies"),
        Field("brings", kinds.COMPONENTS, "what it brings along", []),
    ),
    _section(
        "profiles",
        "What is wanted, under a name.",
        Field("name", kinds.NAME, "its name"),
        Field("kind", kinds.choice(*ProfileKind.values), "what it is about"),
        Field("parent", kinds.NAME, "a profile whose settings it has as well; from `profiles`", None),
        Field("weight", kinds.whole(-1000, 1000), "among profiles of one level the higher one wins", 0),
        Field("settings", kinds.SETTINGS, "what is wanted; null: left alone on purpose", {}),
    ),
    _section(
        "assignments",
        "For which devices a profile counts.",
        Field("profile", kinds.NAME, "the profile; from `profiles`"),
        Field("level", kinds.choice(*Level.values), "of what"),
        Field("target", kinds.TEXT, "which role, site, NIC model or device; left out for the fleet", None),
    ),
    _section(
        "ucs_domains",
        "Cisco UCS domains.",
        Field("name", kinds.NAME, "its name"),
        Field("site", kinds.NAME, "where it stands; from `sites`"),
        Field("address", kinds.ADDRESS, "of UCS Manager"),
        Field("port", kinds.PORT, "of UCS Manager", 443),
        Field("credential", kinds.NAME, "how to log in; from `credentials`"),
    ),
    _section(
        "adapter_policies",
        "Ethernet adapter policies of UCS.",
        Field("domain", kinds.NAME, "its domain; from `ucs_domains`"),
        Field("dn", kinds.DN, "its distinguished name"),
        Field("name", kinds.UCS_SHORT, "its name"),
        Field("rx_queues", _QUEUES, "receive queues", 1),
        Field("rx_ring", _RING, "descriptors of each", 512),
        Field("tx_queues", _QUEUES, "transmit queues", 1),
        Field("tx_ring", _RING, "descriptors of each", 256),
        Field("completion_queues", kinds.whole(1, 2000), "completion queues", 2),
        Field("interrupts", kinds.whole(1, 1024), "interrupts", 4),
        Field("rss", kinds.TRUTH, "receive side scaling", default=False),
    ),
    _section(
        "service_profiles",
        "Service profiles and templates of UCS.",
        Field("domain", kinds.NAME, "its domain; from `ucs_domains`"),
        Field("dn", kinds.DN, "its distinguished name"),
        Field("name", kinds.UCS_NAME, "its name"),
        Field("template", kinds.DN, "distinguished name of its template, in the same domain", None),
        Field("adapter_policy", kinds.DN, "distinguished name of the policy of its vNICs, in the same domain", None),
        Field("maintenance_policy", kinds.UCS_SHORT, "its maintenance policy", ""),
        Field("router", kinds.NAME, "the device that it makes; from `routers`", None),
    ),
)
