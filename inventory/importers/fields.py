"""The tables of the inventory file: sections and their keys. docs/inventory.md is compared with them by a test."""

from collections.abc import Mapping

from inventory.importers import kinds
from inventory.importers.field import Field, Section
from inventory.importers.fields_more import MORE
from inventory.models import Become, DeviceKind, Suite

_SECTIONS = (
    Section("failure_domains", "Names of what fails together: a building, a power feed."),
    Section(
        "sites",
        "Places with devices.",
        (
            Field("name", kinds.NAME, "name of the site"),
            Field("failure_domain", kinds.NAME, "what it fails together with; from `failure_domains`"),
            Field("time_zone", kinds.TIME_ZONE, "in which people at this site read a window", "UTC"),
        ),
    ),
    Section(
        "credentials",
        "How to log in: where the secret lies, never the secret.",
        (
            Field("name", kinds.NAME, "name of the credential"),
            Field("username", kinds.USERNAME, "login name"),
            Field("reference", kinds.REFERENCE, "where the secret lies"),
            Field("become", kinds.choice(Become.SUDO.value), "how root is reached; left out: logs in as root", ""),
        ),
    ),
    Section(
        "routers",
        "The managed devices: routers, hosts, blades.",
        (
            Field("name", kinds.NAME, "name of the router"),
            Field("site", kinds.NAME, "where it stands; from `sites`"),
            Field("kind", kinds.choice(*DeviceKind.values), "what it is", DeviceKind.ROUTER.value),
            Field("role", kinds.NAME, "what it is for, such as edge or core; recipes choose targets by it"),
            Field("platform", kinds.NAME, "operating system", "linux"),
            Field("suite", kinds.choice(*Suite.values), "routing suite"),
            Field("address", kinds.ADDRESS, "where SSH listens"),
            Field("port", kinds.PORT, "port of SSH", 22),
            Field(
                "fallback_address", kinds.ADDRESS, "tried where nothing answers at `address`; same port and key", None
            ),
            Field("credential", kinds.NAME, "how to log in; from `credentials`"),
            Field("router_id", kinds.ROUTER_ID, "matches the router with what the network shows", None),
            Field("tags", kinds.TAGS, "words to find it by", []),
            Field("host_key", kinds.HOST_KEY, "the key that it must show; left out: no connection", None),
        ),
    ),
    Section("externals", "Names of what links lead to and Slipway does not manage.", required=False),
    Section(
        "links",
        "Links, each once.",
        (
            Field("a", kinds.END, "one end"),
            Field("b", kinds.END, "the other end"),
            Field("kind", kinds.NAME, "such as core, transit, customer"),
            Field("capacity", kinds.CAPACITY, "what it carries"),
        ),
        required=False,
    ),
    Section(
        "keep_connected",
        "What redundancy promises: sets of which every pair that is not itself drained must reach each other.",
        (
            Field("between", kinds.NAMES, "the set"),
            Field("floor", kinds.CAPACITY, "capacity that must stay between every pair", 0),
        ),
        required=False,
    ),
)
SECTIONS: Mapping[str, Section] = {section.name: section for section in (*_SECTIONS, *MORE)}

__all__ = ["SECTIONS", "Field", "Section"]
