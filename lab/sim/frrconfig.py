"""The configuration of an FRR router as lines in sections: parse, change by command, print as vtysh prints it. Pure."""

from dataclasses import dataclass, field

VERSION = "8.4.4"
USUAL_COST = 10  # of an interface that names none: FRR's for 10 Gbit/s, and that of the lab's ring

# First words that a context accepts; anything else is answered as vtysh answers it: "% Unknown command".
_ACCEPTED = """
: frr hostname log service ip ipv6 access-list debug password enable line key bgp mpls domainname agentx
interface: ip ipv6 description bandwidth shutdown link-detect bfd isis vrrp mpls link-params
router bgp: bgp neighbor network redistribute timers maximum-paths distance aggregate-address
address-family: neighbor network redistribute maximum-paths distance aggregate-address import export table-map
router ospf: ospf max-metric timers passive-interface area network redistribute auto-cost default-information
router ospf: distance maximum-paths log-adjacency-changes neighbor capability compatible
router ospf6: ospf6 stub-router timers area redistribute default-information distance maximum-paths interface
router ospf6: log-adjacency-changes auto-cost
router isis: net is-type set-overload-bit metric-style redistribute log-adjacency-changes
route-map: match set on-match call description continue
bfd: peer profile
peer: receive-interval transmit-interval detect-multiplier shutdown passive-mode minimum-ttl
vrf: ip ipv6 vni
"""


def _accepts() -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for row in _ACCEPTED.strip().splitlines():
        context, _, words = row.partition(":")
        found[context] = found.get(context, frozenset()) | frozenset(words.split())
    return found


_ACCEPTS = _accepts()
_OPENERS = ("interface", "router bgp", "router ospf6", "router ospf", "router isis", "route-map", "bfd", "vrf")
_ORDER = ("interface", "vrf", "router bgp", "router ospf", "router ospf6", "router isis", "route-map", "bfd")
# Commands of which one section holds one value: a new one replaces the old one.
_SINGLE = frozenset(
    {
        "ipv6 ospf6 cost",
        "ip ospf cost",
        "ipv6 ospf6 network",
        "ip ospf network",
        "ipv6 ospf6 area",
        "ip ospf area",
        "ip ospf hello-interval",
        "ip ospf dead-interval",
        "ipv6 ospf6 hello-interval",
        "ipv6 ospf6 dead-interval",
        "description",
        "hostname",
        "bandwidth",
        "bgp router-id",
        "ospf router-id",
        "ospf6 router-id",
        "bgp graceful-shutdown",
    }
)
# What vtysh shows when it is off; everything else that is off is not there.
_SHOWN_OFF = frozenset({"no zebra nexthop kernel enable"})
_NEIGHBOR_SINGLE = ("remote-as", "description", "update-source", "timers", "local-as", "ebgp-multihop")


class UnknownCommand(Exception):
    """vtysh would say "% Unknown command"."""


def context_of(section: str) -> str:
    """The kind of a section name: "router bgp 65000|address-family ipv4 unicast" -> "address-family"."""
    last = section.rpartition("|")[2]
    if last.startswith("address-family"):
        return "address-family"
    if "|" in section:
        return "peer"
    return next((o for o in _OPENERS if last == o or last.startswith(o + " ")), "")


def _slot(line: str) -> str:
    """What a line occupies: two lines with one slot cannot stand in one section together."""
    words = line.split(maxsplit=4)
    for length in (3, 2, 1):
        if " ".join(words[:length]) in _SINGLE:
            return " ".join(words[:length])
    if words[0] == "neighbor" and len(words) > 2 and words[2] in _NEIGHBOR_SINGLE:
        return " ".join(words[:3])
    return line


@dataclass
class FrrConfig:
    """Sections in order of appearance; "" holds the global lines."""

    sections: dict[str, list[str]] = field(default_factory=lambda: {"": []})

    def copy(self) -> "FrrConfig":
        return FrrConfig({name: list(lines) for name, lines in self.sections.items()})

    def enter(self, section: str, line: str) -> str | None:
        """The section that `line` opens when typed in `section`; None if it opens none."""
        words = line.split()
        bare = " ".join(words)
        top = section.partition("|")[0]
        if words[0] == "address-family" and context_of(top) == "router bgp":
            return f"{top}|{bare}"
        if words[0] == "peer" and context_of(top) == "bfd":
            return f"{top}|{bare}"
        # The interface statement of old ospf6 syntax is a line, not a section.
        if context_of(section) == "router ospf6" and words[0] == "interface":
            return None
        opener = context_of(bare)
        return bare if opener and opener not in ("peer", "address-family") else None

    def type(self, section: str, line: str) -> str:
        """Type one configuration command in a section; returns the section one is in afterwards.

        Raises UnknownCommand where neither this context nor the global one accepts it, as vtysh walks up the tree.
        """
        words = line.split()
        if " ".join(words) in _SHOWN_OFF:
            lines = self.sections[""]
            lines += [line for line in [" ".join(words)] if line not in lines]
            return ""
        left = self._left(section, words[0] if words else "!")
        if left is not None:
            return left
        negated = words[0] == "no"
        bare = " ".join(words[1:] if negated else words)
        opened = self.enter(section, bare) if bare else None
        if opened is not None:
            return self._close(opened) if negated else self._open(opened)
        target = section
        while bare.split(maxsplit=1)[:1] and bare.split()[0] not in _ACCEPTS.get(context_of(target), frozenset()):
            if not target:
                raise UnknownCommand(line)
            target = target.rpartition("|")[0]
        if not bare:
            raise UnknownCommand(line)
        self._set(target, bare, negated=negated)
        return target

    @staticmethod
    def _left(section: str, word: str) -> str | None:
        """Where a line that only walks leads; None for a line that says something."""
        if word.startswith(("!", "#")):
            return section
        if word in ("exit", "exit-address-family", "quit"):
            return section.rpartition("|")[0] if "|" in section else ""
        return "" if word in ("end", "exit-vrf") else None

    def _open(self, section: str) -> str:
        self.sections.setdefault(section, [])
        return section

    def _close(self, section: str) -> str:
        for name in [n for n in self.sections if n == section or n.startswith(section + "|")]:
            del self.sections[name]
        return section.rpartition("|")[0] if "|" in section else ""

    def _set(self, section: str, line: str, *, negated: bool) -> None:
        lines = self.sections.setdefault(section, [])
        if (negated and f"no {line}" in KEPT_NEGATIONS) or (negated and line.endswith(" activate")):
            if f"no {line}" not in lines:
                lines.append(f"no {line}")
            return
        slot = _slot(line)
        if negated:
            gone = {slot, line} if slot in _SINGLE else {line}
            lines[:] = [o for o in lines if not any(o == g or o.startswith(g + " ") for g in gone)]
            return
        if f"no {line}" in lines:
            lines.remove(f"no {line}")
        if slot != line or slot in _SINGLE:
            for i, other in enumerate(lines):
                if other == slot or other.startswith(slot + " "):
                    lines[i] = line
                    return
        if line not in lines:
            lines.append(line)

    def has(self, prefix: str, line: str) -> bool:
        """Is `line` in any section whose name starts with `prefix`?"""
        return any(line in lines for name, lines in self.sections.items() if name.startswith(prefix))

    def cost(self, ifname: str, *, six: bool) -> int:
        """The OSPF or OSPFv3 cost of an interface."""
        word = "ipv6 ospf6 cost " if six else "ip ospf cost "
        said = (line.removeprefix(word) for line in self.sections.get(f"interface {ifname}", ()))
        return next((int(number) for number in said if number.isdigit()), USUAL_COST)

    def text(self) -> str:
        """The body as in frr.conf."""
        out = [f"frr version {VERSION}", "frr defaults traditional", *self.sections.get("", []), "!"]
        top = [name for name in self.sections if name and "|" not in name]
        for name in sorted(top, key=lambda n: _ORDER.index(context_of(n)) if context_of(n) in _ORDER else len(_ORDER)):
            out += [name, *(f" {line}" for line in self.sections[name])]
            for inner in [n for n in self.sections if n.startswith(name + "|")]:
                kind = inner.rpartition("|")[2]
                out += [" !", f" {kind}", *(f"  {line}" for line in self.sections[inner])]
                out.append(" exit-address-family" if kind.startswith("address-family") else " exit")
            out += ["exit", "!"]
        return "\n".join(out) + "\n"


# `no X` lines that are configuration by themselves, because X is the default.
KEPT_NEGATIONS = frozenset({"no bgp ebgp-requires-policy", "no bgp default ipv4-unicast", "no ip forwarding"})


def parse(text: str) -> tuple[FrrConfig, list[tuple[int, str]]]:
    """Read frr.conf. Returns the configuration and the lines that were not understood, with their numbers."""
    config, section, unknown = FrrConfig(), "", []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if line.startswith(("frr version", "frr defaults")):
            continue
        try:
            section = config.type(section, line)
        except UnknownCommand:
            unknown.append((number, raw))
    return config, unknown
