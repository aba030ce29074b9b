"""The part of the facts that is about interfaces and the cards behind them. Pure; no answer makes it raise."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from fleet.core.model import Json
from playbooks.facts import parse_linux, parse_machine, parse_nic
from playbooks.facts.parse_nic import Section
from playbooks.facts.reader import Reader
from playbooks.facts.text import mapping, word

_NO_PROGRAM = re.compile(r"ethtool: (?:command )?not found|can't execute 'ethtool'|ethtool: No such file")
_FLOWS = ("tcp4", "udp4", "esp4", "tcp6", "udp6", "esp6")


def facts(read: Reader, machine: Mapping[str, Json]) -> dict[str, Json] | None:
    """Name > what it is and how it is set; None where no interface could be listed. `machine`: kernel and modules."""
    sections = {name: parse_nic.section(read.text(f"nic:{name}")) for name in _named(read, "nic")}
    links = _links(read, sections)
    if links is None:
        return None
    listed = addresses(read)
    cards = _Cards(read, machine)
    return {
        name: {
            **mapping(row),
            "addresses": mapping(listed).get(name, []) if listed is not None else None,
            "nic": cards.nic(name, sections.get(name, Section())),
            "permanent_mac": parse_linux.permanent_mac(read.text(f"permanent_mac:{name}")),
            "channels": parse_linux.channels(read.text(f"channels:{name}")),
            "rings": parse_linux.rings(read.text(f"rings:{name}")),
            **_settings(read, name, sections.get(name, Section())),
        }
        for name, row in links.items()
    }


def _named(read: Reader, what: str) -> list[str]:
    """The interfaces for which there is an answer of that name, in the order of the answers."""
    return [name.partition(":")[2] for name in read.answers if name.startswith(f"{what}:")]


def _links(read: Reader, sections: Mapping[str, Section]) -> Mapping[str, Json] | None:
    """From `ip`; where that has no JSON (busybox), from sysfs."""
    answer = read.answers.get("links")
    found = parse_linux.links(answer.out) if answer is not None and answer.ok else None
    if found is not None:
        return found
    rows: dict[str, Json] = {
        name: {
            "mac": word(section.fields.get("address")),
            "mtu": parse_machine.number(section.fields.get("mtu", "")),
            "state": word(section.fields.get("operstate", "").upper()) or None,
            "kind": section.fields.get("kind", ""),
        }
        for name, section in sections.items()
        if "address" in section.fields
    }
    if rows or answer is None:
        return rows or None
    return read.read("interfaces", parse_linux.links, "links", only_ok=True)


def addresses(read: Reader) -> Mapping[str, Json] | None:
    """Name > its addresses, lo included; None where they could not be listed."""
    answer = read.answers.get("addresses")
    if answer is not None and not answer.ok and read.text("addresses_text").strip():
        return read.read("addresses", parse_linux.addresses_text, "addresses_text")
    return read.read("addresses", parse_linux.addresses, "addresses", only_ok=True)


def _settings(read: Reader, name: str, section: Section) -> dict[str, Json]:
    """How the card is set. What its driver does not have is null; what could not be told is in `unknown` as well."""

    def of(what: str, parser: Callable[[str], Any]) -> Any:
        said = section.answers.get(what, "")
        value = parser(said)
        if value is None and said.strip() and not parse_nic.not_supported(said) and not _NO_PROGRAM.search(said):
            read.miss(f"{what}:{name}", said)
        return value

    offloads = of("offloads", parse_nic.offloads)
    flows = {flow: of(f"flow {flow}", parse_nic.flow_hash) for flow in _FLOWS}
    return {
        "rss": of("rss", parse_nic.rss),
        "flow_hash": {flow: letters for flow, letters in flows.items() if letters is not None} or None,
        "coalesce": of("coalesce", parse_nic.coalesce),
        "offloads": offloads[0] if offloads is not None else None,
        "offloads_fixed": offloads[1] if offloads is not None else None,
        "priv_flags": of("priv_flags", parse_nic.priv_flags),
        "affinity": parse_nic.affinity(section),
        "rps": parse_nic.steering(section, "rps"),
        "xps": parse_nic.steering(section, "xps"),
    }


class _Cards:
    """What is known about cards from elsewhere than their own interface: devlink, the kernel's log, its modules."""

    def __init__(self, read: Reader, machine: Mapping[str, Json]) -> None:
        self._read = read
        self._kernel = machine.get("kernel")
        modules = machine.get("modules")
        self._modules = modules if isinstance(modules, Mapping) else None
        self._devlink = read.read("devlink", parse_machine.devlink, "devlink") or {}
        self._log = read.read("driver_log", parse_machine.driver_log, "driver_log") or {}

    def nic(self, name: str, section: Section) -> dict[str, Json] | None:
        """The card of an interface; None where neither ethtool nor sysfs knows a driver."""
        said = self._read.text(f"driver:{name}")
        found = parse_linux.driver(said)
        if found is None and _NO_PROGRAM.search(said):
            self._read.miss("ethtool", said)
        if found is None and section.fields.get("driver"):
            fields = section.fields
            found = {"driver": fields["driver"], "version": fields.get("version", ""), "firmware": "", "bus": ""}
        if found is None:
            return None
        driver, text, bus = (str(found[key]) for key in ("driver", "firmware", "bus"))
        firmware, more = parse_nic.firmware(driver, text), mapping(self._devlink.get(bus))
        return {
            **found,
            "pci": parse_nic.pci(section),
            "serial": self._serial(name, section, more),
            "numa_node": parse_nic.numa_node(section),
            "nvm": firmware.nvm,
            "api": more.get("api") or self._log.get(bus),
            "option_rom": firmware.option_rom,
            "stored": self._pending(more),
            "flavour": self._flavour(section, str(found["version"])),
        }

    def _serial(self, name: str, section: Section, more: Mapping[str, Json]) -> Json:
        serial = more.get("serial") or parse_nic.serial(section)
        if serial is None and "config" in section.fields and parse_nic.pci(section):
            self._read.miss(f"serial:{name}", "the card's configuration space could not be read", roots=True)
        return serial

    @staticmethod
    def _pending(more: Mapping[str, Json]) -> Json:
        """Versions that are flashed and not active yet; None for none, and where devlink knows no stored versions."""
        running, stored = mapping(more.get("running")), mapping(more.get("stored"))
        return {key: value for key, value in stored.items() if running.get(key) != value} or None

    def _flavour(self, section: Section, version: str) -> str | None:
        """`in-tree` or `vendor`; None where the list of modules could not be read and the version says nothing.

        What is built into the kernel has no module. In-tree drivers without a version of their own have the kernel's.
        """
        module = section.fields.get("module", "")
        if "module" in section.fields and (not module or self._modules is not None):
            row = mapping((self._modules or {}).get(module))
            return str(row["flavour"]) if "flavour" in row else "in-tree"
        return "in-tree" if version and version == self._kernel else None
