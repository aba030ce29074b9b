"""Sessions held back, group by group: what of FRR's configuration stays shut until it is that group's turn. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from playbooks.vpp.params import ORDER, Group

_SECTION = re.compile(r"^(interface \S+|router bgp .*)\n((?:[ \t]+.*\n|!\n(?=[ \t]))*)", re.MULTILINE)
_NEIGHBOR = re.compile(r"^\s*neighbor (\S+) (remote-as|description|shutdown|peer-group)\b ?(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Hold:
    """One line that keeps something shut, in its section."""

    group: Group
    section: str
    line: str
    peer: str = ""  # of a BGP session


def holds(config: str, *, members: str = "") -> tuple[Hold, ...]:
    """What would hold every session back, from the configuration before; what is shut already is not ours.

    `members`: a regular expression; eBGP peers whose description it matches are members.
    """
    made: list[Hold] = []
    for section, body in _SECTION.findall(config):
        if section.startswith("interface "):
            for group, word in (("ospf", "ip ospf"), ("ospf3", "ipv6 ospf6")):
                if _says(body, f"{word} area") and not _says(body, f"{word} passive"):
                    made.append(Hold(group, section, f"{word} passive"))  # type: ignore[arg-type]  # one of Group
        else:
            made += _neighbours(section, body, members)
    return tuple(made)


def _says(body: str, words: str) -> bool:
    return re.search(rf"^\s+{re.escape(words)}\b", body, re.MULTILINE) is not None


def _neighbours(section: str, body: str, members: str) -> Iterable[Hold]:
    own = section.split()[2]
    said: dict[str, dict[str, str]] = {}
    for peer, word, rest in _NEIGHBOR.findall(body):
        said.setdefault(peer, {})[word] = rest.strip()
    for peer, about in said.items():
        # A peer group is no session; its members are, and may have its remote-as.
        remote = about.get("remote-as") or said.get(about.get("peer-group", ""), {}).get("remote-as", "")
        if not remote or not re.fullmatch(r"[0-9a-fA-F:.]+", peer) or "shutdown" in about:
            continue
        inner = remote in {own, "internal"}
        matches = bool(members) and re.search(members, about.get("description", "")) is not None
        group: Group = "ibgp" if inner else "members" if matches else "ebgp"
        yield Hold(group, section, f"neighbor {peer} shutdown", peer)


def lines(chosen: Iterable[Hold], *, hold: bool) -> tuple[str, ...]:
    """Configuration lines that shut these, or open them."""
    made: list[str] = []
    for one in chosen:
        made += [one.section, one.line if hold else f"no {one.line}", "exit"]
    return tuple(made)


def held(config: str, chosen: Iterable[Hold]) -> tuple[Hold, ...]:
    """Those of `chosen` that a configuration has."""
    have: dict[str, list[str]] = {}
    for section, body in _SECTION.findall(config):
        have.setdefault(section, []).extend(line.strip() for line in body.splitlines())
    return tuple(one for one in chosen if one.line in have.get(one.section, ()))


def peers(chosen: Iterable[Hold]) -> frozenset[str]:
    """Addresses of the BGP sessions among these."""
    return frozenset(one.peer for one in chosen if one.peer)


def of_group(chosen: Iterable[Hold], group: Group) -> tuple[Hold, ...]:
    return tuple(one for one in chosen if one.group == group)


def to_json(chosen: Iterable[Hold]) -> list[dict[str, str]]:
    return [dict(vars(one)) for one in chosen]


def from_json(rows: Sequence[Mapping[str, str]] | None) -> tuple[Hold, ...]:
    """What an artifact holds; a row that is none is left out."""
    known = set(ORDER)
    return tuple(
        Hold(row["group"], str(row["section"]), str(row["line"]), str(row.get("peer", "")))  # type: ignore[arg-type]
        for row in rows or ()
        if isinstance(row, Mapping) and row.get("group") in known and {"section", "line"} <= row.keys()
    )
