"""The configuration that a BIRD router runs: its files as they were at the last configure. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_INCLUDE = re.compile(r'^\s*include\s+"([^"]+)"\s*;', re.MULTILINE)
_DEFINE = re.compile(r"^\s*define\s+(\w+)\s*=\s*(\d+|true|false)\s*;", re.MULTILINE)
_STATEMENT = re.compile(r"^\s*(define|include|log|router|filter|function|protocol|template|table|ipv[46]|timeformat|"
                        r"debug|roa[46]|watchdog|hostname|graceful|eval|attribute|threads)\b")  # fmt: skip
_PROTOCOL = re.compile(r"^protocol ospf v([23])(.*?)(?=^protocol |\Z)", re.MULTILINE | re.DOTALL)
_NAMED = re.compile(r"^protocol (bgp|ospf v[23]) (\w+)(.*?)(?=^protocol |\Z)", re.MULTILINE | re.DOTALL)
_COST = r'interface "{}"[^}}]*?\bcost ([^;]+);'
MAX_COST = 65535
USUAL_COST = 10  # BIRD's ECONF_COST for an interface that names none
# An extra cost from which on nothing chooses the way any more (the drain adds 60,000).
DRAINED_COST = 50_000


@dataclass
class BirdState:
    """`loaded`: path -> text in force. `previous`: what `configure undo` goes back to, one deep."""

    loaded: dict[str, str] = field(default_factory=dict)
    previous: dict[str, str] | None = None
    undo_due: float | None = None
    configured_at: float = 0.0
    previous_at: float = 0.0
    disabled: set[str] = field(default_factory=set)

    def text(self) -> str:
        return "".join(self.loaded.values())

    @property
    def off(self) -> set[str]:
        """Protocols that are down because somebody or their configuration says so."""
        text = self.text()
        by_file = _NAMED.findall(text) if "disabled yes;" in text else ()
        return self.disabled | {name for _, name, body in by_file if "disabled yes;" in body}

    @property
    def sections(self) -> dict[str, list[str]]:
        """Does OSPFv3 speak, as a section of FRR would say it: what brings down VPP's control plane (vppstate.py)."""
        return {"interface of ospf6": ["ipv6 ospf6 area 0", *(["ipv6 ospf6 passive"] if "ospf6" in self.off else [])]}

    def constants(self) -> dict[str, str]:
        """Name -> literal as written: true, false or digits."""
        return dict(_DEFINE.findall(self.text()))

    def cost(self, ifname: str, *, six: bool) -> int:
        """The OSPF or OSPFv3 cost of an interface: a number, or one plus a constant; 10 (BIRD's own) without."""
        constants = self.constants()
        for kind, body in _PROTOCOL.findall(self.text()):
            if (kind == "3") is six and (found := re.search(_COST.format(re.escape(ifname)), body)):
                terms = (constants.get(term, term) for term in re.findall(r"\w+", found[1]))
                return sum(int(term) for term in terms if term.isdigit())
        return USUAL_COST


def read(files: Mapping[str, str], path: str) -> tuple[dict[str, str], str]:
    """The file and what it includes, and BIRD's complaint ("" = Configuration OK), as `configure check` prints it."""
    if path not in files:
        return {}, f"{path}: No such file or directory"
    loaded = {path: files[path]}
    complaint = _syntax(path, files[path])
    for match in _INCLUDE.finditer(files[path]):
        line = files[path].count("\n", 0, match.start(1)) + 1
        for included in _glob(files, match.group(1)):
            loaded[included] = files[included]
            complaint = complaint or _syntax(included, files[included])
        if "*" not in match.group(1) and match.group(1) not in files:
            missing = f"Unable to open included file {match.group(1)}: No such file or directory"
            complaint = complaint or f"{path}:{line}:10 {missing}"
    if not complaint:
        complaint = _undefined(loaded, path)
    return loaded, complaint


def _glob(files: Mapping[str, str], pattern: str) -> list[str]:
    wanted = re.compile(re.escape(pattern).replace(r"\*", "[^/]*"))
    return sorted(p for p in files if wanted.fullmatch(p))


def _syntax(path: str, text: str) -> str:
    """A rough grammar: braces balance, statements at top level begin with a known word and end."""
    depth, number = 0, 0
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.split("#", 1)[0]
        if depth == 0 and line.strip() and not _STATEMENT.match(line) and line.strip() not in ("}", "};"):
            return f"{path}:{number}:{len(line) - len(line.lstrip()) + 1} syntax error, unexpected CF_SYM_UNDEFINED"
        depth += line.count("{") - line.count("}")
        if depth < 0:
            return f"{path}:{number}:{line.index('}') + 1} syntax error, unexpected '}}'"
        if depth == 0 and line.strip() and not line.rstrip().endswith((";", "}")):
            return f"{path}:{number + 1}:1 syntax error, unexpected end of file, expecting ';'"
    return f"{path}:{number + 1}:1 syntax error, unexpected end of file" if depth else ""


def _undefined(loaded: Mapping[str, str], path: str) -> str:
    """A constant of Slipway's include that the main file uses but nobody defines."""
    text = "".join(loaded.values())
    costly = [int(v) for n, v in _DEFINE.findall(text) if n == "SLIPWAY_EXTRA_COST" and v.isdigit()]
    if costly and costly[-1] + 10 > MAX_COST:
        return f"{path}:1:1 Cost must be in range 1-{MAX_COST}"
    defined = {name for name, _ in _DEFINE.findall(text)}
    for number, line in enumerate(loaded[path].splitlines(), 1):
        for used in re.findall(r"\bSLIPWAY_\w+", line.split("#", 1)[0]):
            if used not in defined:
                column = line.index(used) + 1
                return f"{path}:{number}:{column} syntax error, unexpected CF_SYM_UNDEFINED, expecting number"
    return ""


def drained(constants: Mapping[str, str]) -> tuple[bool, bool, bool]:
    """BGP, OSPF, OSPFv3 drained, by what Slipway's constants hold."""
    extra = constants.get("SLIPWAY_EXTRA_COST", "0")
    costed = extra.isdigit() and int(extra) >= DRAINED_COST
    return constants.get("SLIPWAY_DRAIN_BGP") in ("true", "1"), costed, costed
