"""Sessions of BIRD held back: `disabled yes;` at the end of a protocol of bird.conf, where the last word counts. Pure.

Not by `birdc disable`: a BIRD that starts would have spoken before, and the next `configure` (undrain makes several)
takes every protocol to what the file says. So the file says it, and opening a group takes the line out of it.
"""

import ipaddress
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import takewhile

from fleet.core.model import Reason
from playbooks.vpp.holds import Hold
from playbooks.vpp.params import Group

LINE = "disabled yes;"
_MARK = f"\n  {LINE} # held back by Slipway until its group's turn\n"
_TOKEN = re.compile(
    r"(?P<skip>\s+|\#[^\n]*|/\*.*?\*/)"
    r"|(?P<text>\"[^\"\n]*\")"
    r"|(?P<number>[0-9A-Fa-f]*:[0-9A-Fa-f:.]*[0-9A-Fa-f:]|[0-9][0-9.]*)"
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_]*|'[^'\n]*')"
    r"|(?P<sign>.)",
    re.DOTALL,
)
_YES, _NO = frozenset({"", "yes", "on", "true", "1"}), frozenset({"no", "off", "false", "0"})
# Protocols that speak to neighbours in a way that no group knows.
_UNKNOWN_KINDS = frozenset({"rip", "babel", "l3vpn"})
_MOST_NESTED = 10


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    start: int


@dataclass(frozen=True)
class _Block:
    """`protocol` or `template`: its statements as words, and where its closing brace stands."""

    what: str
    kind: str
    name: str
    version: str
    origin: str  # the template that it is `from`
    statements: tuple[tuple[str, ...], ...]
    end: int

    @property
    def section(self) -> str:
        return f"protocol {self.kind} {self.name}"


@dataclass(frozen=True)
class _Config:
    blocks: tuple[_Block, ...] = ()
    templates: Mapping[str, _Block] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    whole: bool = True  # every brace has its other one

    def said(self, block: _Block, word: str, *, naming: Collection[str] = ()) -> tuple[str, ...] | None:
        """What the last statement with this first word says, of the protocol or of what it is made from.

        `naming`: only one that has one of these words (`local as 65000`, not `local role peer`).
        """
        one: _Block | None = block
        for _ in range(_MOST_NESTED):
            if one is None:
                break
            mine = [s for s in one.statements if s[:1] == (word,) and (not naming or not set(naming).isdisjoint(s))]
            if mine:
                return mine[-1][1:]
            one = self.templates.get(one.origin)
        return None

    def value(self, words: Iterable[str]) -> str | None:
        """One number or address, by itself, in parentheses, or by the name of a constant; None for anything else."""
        inner = [word for word in words if word not in "()"]
        if len(inner) != 1:
            return None
        found = self.constants.get(inner[0], inner[0])
        return found if found[:1].isdecimal() or ":" in found else None


def _tokens(text: str) -> list[_Token]:
    made = (_Token(str(m.lastgroup), m[0], m.start()) for m in _TOKEN.finditer(text))
    return [token for token in made if token.kind != "skip"]


def _read(text: str) -> _Config:
    tokens, at = _tokens(text), 0
    blocks: list[_Block] = []
    constants: dict[str, str] = {}
    whole = True
    while at < len(tokens):
        end = _ends(tokens, at)
        part = tokens[at:end]
        whole = whole and end <= len(tokens) and part[0].text != "}" and _closed(part)
        match part[0].text:
            case "protocol" | "template" if any(token.text == "{" for token in part) and _closed(part):
                blocks.append(_block(part))
            case "define" if len(part) == 5 and part[2].text == "=":
                constants[part[1].text] = part[3].text
            case _:
                pass
        at = end
    templates = {block.name: block for block in blocks if block.what == "template"}
    return _Config(tuple(b for b in blocks if b.what == "protocol"), templates, constants, whole)


def _closed(part: list[_Token]) -> bool:
    return sum((token.text == "{") - (token.text == "}") for token in part) == 0 and part[-1].text in (";", "}")


def _ends(tokens: list[_Token], at: int) -> int:
    """Where the statement that begins here ends: after its `;`, or after the brace that closes its block."""
    depth = 0
    for n in range(at, len(tokens)):
        text = tokens[n].text if tokens[n].kind == "sign" else ""
        depth += (text == "{") - (text == "}")
        if depth <= 0 and text in (";", "}"):
            # `filter x {...}` may be followed by a `;` of its own; a block is over with its brace.
            return n + 1
    return len(tokens)


def _block(part: list[_Token]) -> _Block:
    head = [token.text for token in takewhile(lambda token: token.text != "{", part)]
    kind = head[1] if len(head) > 1 else ""
    rest = head[2:]
    version = rest.pop(0) if rest[:1] in (["v2"], ["v3"]) else ""
    origin = rest[rest.index("from") + 1] if "from" in rest[:-1] else ""
    name = rest[0] if rest and rest[0] != "from" else ""
    body = part[len(head) + 1 : -1]
    made: list[tuple[str, ...]] = []
    at = 0
    while at < len(body):
        end = _ends(body, at)
        made.append(tuple(token.text for token in body[at:end] if token.text != ";"))
        at = end
    return _Block(head[0], kind, name.strip("'"), version, origin, tuple(made), part[-1].start)


def _speaking(config: _Config) -> Iterator[_Block]:
    return (block for block in config.blocks if block.kind in ("bgp", "ospf"))


def _shut(config: _Config, block: _Block) -> bool | None:
    """Is it disabled by what the file says? None: by something that cannot be told."""
    said = config.said(block, "disabled")
    if said is None:
        return False
    word = " ".join(said).lower()
    return True if word in _YES else False if word in _NO else None


def _peer(config: _Config, block: _Block) -> str:
    """The address of the neighbour, spelled as BIRD spells it; "" where it cannot be told."""
    said = config.said(block, "neighbor") or ()
    value = config.value(said[:1]) if said else None
    try:
        return str(ipaddress.ip_address(value or ""))
    except ValueError:
        return ""


def _inner(config: _Config, block: _Block) -> bool | None:
    """Is it a session within the own AS? None where it cannot be told."""
    there = config.said(block, "neighbor", naming=("as", "internal", "external")) or ()
    here = config.said(block, "local", naming=("as",)) or ()
    if "internal" in there or "external" in there:
        return "internal" in there
    numbers = [config.value(said[said.index("as") + 1 :]) if "as" in said else None for said in (there, here)]
    return None if None in numbers else numbers[0] == numbers[1]


def _group(config: _Config, block: _Block, members: str) -> Group:
    if block.kind == "ospf":
        channels = {s[0] for s in block.statements if s[:1] and s[0] in ("ipv4", "ipv6")}
        six = "ipv6" in channels or (not channels and block.version == "v3")
        return "ospf3" if six else "ospf"
    if _inner(config, block):
        return "ibgp"
    about = " ".join((block.name, *(config.said(block, "description") or ())))
    return "members" if members and re.search(members, about.replace('"', "")) else "ebgp"


def holds(text: str, *, members: str = "") -> tuple[Hold, ...]:
    """What would hold every session back; what is shut already is not ours.

    `members`: a regular expression over name and description of eBGP sessions.
    """
    config = _read(_without_marks(text))
    return tuple(
        Hold(_group(config, block, members), block.section, LINE, _peer(config, block) if block.kind == "bgp" else "")
        for block in _speaking(config)
        if not _shut(config, block)
    )


def against(text: str) -> tuple[Reason, ...]:
    """Why sessions of this file cannot be held back and opened again, group by group; all reasons."""
    config = _read(_without_marks(text))
    reasons = [] if config.whole else [Reason("bird.conf", "braces that do not match", "a file that can be read")]
    names = [block.section for block in _speaking(config)]
    for block in config.blocks:
        if block.kind in _UNKNOWN_KINDS:
            reasons.append(Reason(block.section, "a protocol that no group knows", "OSPF and BGP"))
    for block in _speaking(config):
        if not block.name:
            remedy = "Give it one, so that it can be told from the others."
            reasons.append(Reason(block.section.strip(), "no name", "a name", remedy))
        elif names.count(block.section) > 1:
            reasons.append(Reason(block.section, "there twice", "once"))
        if _shut(config, block) is None:
            found = "disabled " + " ".join(config.said(block, "disabled") or ())
            reasons.append(Reason(block.section, found[:60], "disabled yes, or no"))
        if block.kind == "bgp" and (not _peer(config, block) or _inner(config, block) is None):
            found = "neighbor " + " ".join(config.said(block, "neighbor") or ("none",))
            remedy = "Address and AS as numbers, or as constants that this very file defines."
            reasons.append(Reason(block.section, found[:80], "an address, and an AS on both sides", remedy))
    return tuple(reasons)


def held(text: str, chosen: Iterable[Hold]) -> tuple[Hold, ...]:
    """Those of `chosen` that a file holds back by our line."""
    marked = {block.section for block in _read(text).blocks if text[: block.end].endswith(_MARK)}
    return tuple(one for one in chosen if one.section in marked)


def changed(text: str, chosen: Iterable[Hold], *, hold: bool) -> str:
    """The file with these shut, or with these open again; everything else is kept to the byte."""
    sections = {one.section for one in chosen}
    made = text
    for block in sorted(_read(text).blocks, key=lambda b: b.end, reverse=True):
        before, after = made[: block.end], made[block.end :]
        marked = before.endswith(_MARK)
        if block.section not in sections or marked is hold:
            continue
        made = (before + _MARK if hold else before.removesuffix(_MARK)) + after
    return made


def _without_marks(text: str) -> str:
    return text.replace(_MARK, "")
