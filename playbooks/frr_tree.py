"""An FRR configuration as a tree of statements: add some, remove some, write it out again. Pure; nothing raises.

Whatever belongs to a block is indented, as `show running-config` prints it. Comments are not kept: FRR drops them
itself at the next `write memory`, so nothing may rest on them.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_NOISE = re.compile(r"!.*|#.*|exit(-[a-z-]+)?|end|Building configuration\.\.\.|Current configuration:|")

# Statements of which a block has one: what they speak about, by the groups. The new one takes the place of the old.
_ONE_OF_A_KIND = tuple(
    re.compile(pattern)
    for pattern in (
        r"(neighbor \S+ (?:description|remote-as|timers connect|update-source|ebgp-multihop|maximum-prefix|password|"
        r"local-as|weight|advertisement-interval|peer-group))(?: .*)?",
        r"(neighbor \S+ timers) \d.*",
        r"(neighbor \S+ (?:route-map|prefix-list|filter-list|distribute-list)) \S+ (in|out)",
        r"((?:ip|ipv6) ospf6? (?:cost|hello-interval|dead-interval|priority|area|network|retransmit-interval)) .*",
        r"((?:ip|ipv6) prefix-list \S+ seq \d+) .*",
        r"(set (?:local-preference|metric|weight|origin|tag|community|large-community|ip next-hop|ipv6 next-hop)) .*",
        r"((?:bgp|ospf|ospf6) router-id) .*",
        r"(timers throttle spf) .*",
        r"(description|hostname|log syslog|bandwidth) .*",
    )
)


@dataclass(frozen=True)
class Node:
    """One statement and what stands under it."""

    line: str
    children: tuple["Node", ...] = ()


Path = tuple[str, ...]


def parse(text: str) -> tuple[Node, ...]:
    """The statements of a configuration or of a fragment of one."""
    lines = [(len(raw) - len(raw.lstrip()), raw.strip()) for raw in text.splitlines()]
    return _nodes([(depth, line) for depth, line in lines if not _NOISE.fullmatch(line)])


def _nodes(lines: Sequence[tuple[int, str]]) -> tuple[Node, ...]:
    made: list[Node] = []
    at = 0
    while at < len(lines):
        depth, line = lines[at]
        end = at + 1
        while end < len(lines) and lines[end][0] > depth:
            end += 1
        # Deeper than anything FRR has: taken as flat, so that hostile indentation cannot exhaust the stack.
        under = lines[at + 1 : end]
        if not under:  # nine lines of ten
            made.append(Node(line))
        else:
            made.append(Node(line, _nodes(under) if depth < 16 else tuple(Node(text) for _, text in under)))
        at = end
    return tuple(made)


def kind(line: str) -> Path:
    """What a statement speaks about: equal for two statements of which a block can have only one."""
    for pattern in _ONE_OF_A_KIND:
        if match := pattern.fullmatch(line):
            return tuple(group for group in match.groups() if group)
    return (line,)


def added(nodes: tuple[Node, ...], wanted: tuple[Node, ...]) -> tuple[Node, ...]:
    """The tree with these statements in it, each in its block; one of a kind takes the place of what is there."""
    made = list(nodes)
    for one in wanted:
        same = next((i for i, node in enumerate(made) if node.line == one.line), None)
        same = (
            next((i for i, node in enumerate(made) if kind(node.line) == kind(one.line)), None)
            if same is None
            else same
        )
        if same is not None:
            made[same] = Node(one.line, added(made[same].children, one.children))
            continue
        # A block's own lines come before the blocks in it: neighbours must exist before a family activates them.
        first_block = next((i for i, node in enumerate(made) if node.children), len(made))
        is_inner = bool(nodes) and not one.children and not _is_top(nodes)
        made.insert(first_block if is_inner else len(made), one)
    return tuple(made)


def _is_top(nodes: tuple[Node, ...]) -> bool:
    return any(node.line.startswith(("frr version", "frr defaults", "hostname ")) for node in nodes)


def removed(nodes: tuple[Node, ...], gone: tuple[Node, ...]) -> tuple[Node, ...]:
    """The tree without these statements. A block that is named without anything under it goes as a whole."""
    by_line = {one.line: one for one in gone}
    made = []
    for node in nodes:
        one = by_line.get(node.line)
        if one is None:
            made.append(node)
        elif one.children:
            made.append(Node(node.line, removed(node.children, one.children)))
    return tuple(made)


def paths(nodes: tuple[Node, ...], above: Path = ()) -> Iterator[Path]:
    """Every statement with the blocks it stands in."""
    for node in nodes:
        yield (*above, node.line)
        yield from paths(node.children, (*above, node.line))


def leaves(nodes: tuple[Node, ...], above: Path = ()) -> Iterator[Path]:
    """Every statement that has nothing under it, with the blocks it stands in."""
    for node in nodes:
        if node.children:
            yield from leaves(node.children, (*above, node.line))
        else:
            yield (*above, node.line)


_EXITS = {"address-family": "exit-address-family", "vni": "exit-vni", "vrf": "exit-vrf"}


def text(nodes: tuple[Node, ...], depth: int = 0) -> str:
    """The tree as FRR writes it."""
    made = []
    for node in nodes:
        made.append(" " * depth + node.line + "\n")
        if node.children:
            made.append(text(node.children, depth + 1))
            made.append(" " * depth + _EXITS.get(node.line.split()[0], "exit") + "\n")
        if depth == 0 and node.children:
            made.append("!\n")
    return "".join(made)
