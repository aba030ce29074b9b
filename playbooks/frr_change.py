"""What changes between two FRR configurations: merge, replace, diff, and what may not be left to frr-reload.py. Pure.

Configurations are compared as statements, each with the block it stands in (frr_tree.py), never as text.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import unified_diff

from fleet.core.model import Reason
from playbooks import frr_tree
from playbooks.frr_tree import Node, Path

REDACTED = "(redacted)"
FRR_CONF = "/etc/frr/frr.conf"
# The words after which facts show nothing of a line (playbooks/facts/redact.py), and so does this.
_SECRET = re.compile(
    r"(?i)^(.*?(?:\b|-)(?:password|passphrase|secret|md5|auth_pass|authentication|key-string|"
    r"key(?=\s+(?![0-9]+\s*$))|snmp-server community|community(?=\s+\S+\s+(?:ro|rw)\b)))\b(\s*)(\S.*)$"
)
# Said by whoever prints a configuration; no statements that anybody could change.
_HEADER = re.compile(r"frr version .*|Building configuration\.\.\.|Current configuration:|end")
# Negations that are configuration by themselves, because what they negate is FRR's default.
_KEPT_NEGATION = re.compile(
    r"no (?:bgp (?:default .*|ebgp-requires-policy|network import-check|suppress-duplicates|fast-external-failover|"
    r"hard-administrative-reset|log-neighbor-changes)|neighbor \S+ (?:activate|send-community.*|capability .*)|"
    r"ip(?:v6)? (?:forwarding|nd .*|nht .*)|zebra .*|link-detect)"
)
# A drain sets these and takes them back (playbooks/drain): they come and go between approval and act, and a change
# that wrote them would be undone by the undrain.
DRAIN = re.compile(
    r"bgp graceful-shutdown|max-metric router-lsa administrative|stub-router administrative|set-overload-bit|"
    r"(?:ipv6 ospf6|ip ospf) cost \d+|neighbor \S+ weight \d+"
)
_PROCESS = re.compile(r"router \S+.*|vrf \S+")
_FILTER = re.compile(
    r"route-map |(?:ip|ipv6) prefix-list |(?:ip|ipv6) access-list |access-list |bgp \S*community-list "
)


@dataclass(frozen=True)
class Change:
    """Statements that go and statements that come, in the order of the two configurations."""

    gone: tuple[Path, ...]
    new: tuple[Path, ...]

    @property
    def lines(self) -> tuple[str, ...]:
        """The change as people read it: the block and the statement, with its sign, without secrets."""
        signed = (*(("-", path) for path in self.gone), *(("+", path) for path in self.new))
        return tuple(f"{sign} {shown(path)}" for sign, path in signed)


def shown(path: Iterable[str]) -> str:
    """A statement with the block it stands in, without its secret."""
    return " / ".join(redacted(line) for line in path)


def redacted(text: str) -> str:
    """The text with what follows a secret's word on its line replaced by "(redacted)"."""
    return "\n".join(_line(line) for line in text.split("\n"))


def _line(line: str) -> str:
    match = _SECRET.match(line)
    return f"{match[1]} {REDACTED}" if match else line


def statements(text: str) -> tuple[Node, ...]:
    """The statements of a configuration or of a part of one, without its header."""
    return tuple(node for node in frr_tree.parse(text) if not _HEADER.fullmatch(node.line))


def running(text: str) -> str | None:
    """The configuration in what `show running-config` printed; None for anything else."""
    _, found, body = text.partition("Current configuration:\n")
    body = body if found else text
    return body if re.search(r"^frr (?:version|defaults) ", body, re.MULTILINE) else None


def normal(text: str) -> str:
    """The configuration as `frr_tree` writes it: what two of them have to be before they are compared as text."""
    return frr_tree.text(frr_tree.parse(text))


# -- candidates


def merged(config: str, part: str) -> str:
    """The configuration with a part merged into it as somebody would type it: `no X` takes X away.

    `no X` of what is not there is a statement where FRR shows it as one (`no bgp ...`), else nothing.
    """
    return frr_tree.text(_merged(frr_tree.parse(config), statements(part)))


def _merged(nodes: tuple[Node, ...], part: Sequence[Node]) -> tuple[Node, ...]:
    for one in part:
        positive = one.line.removeprefix("no ")
        if positive == one.line:
            here = next((node for node in nodes if node.line == one.line), None)
            if here is None or not one.children:
                without = Node(one.line, tuple(child for child in one.children if not _takes_away(child)))
                nodes = _without_negation(frr_tree.added(nodes, (without,)), one.line)
            else:
                nodes = tuple(Node(n.line, _merged(n.children, one.children)) if n is here else n for n in nodes)
        elif (left := _less(nodes, positive)) != nodes:
            nodes = left
        elif _KEPT_NEGATION.fullmatch(one.line):
            nodes = frr_tree.added(nodes, (one,))
    return nodes


def _takes_away(node: Node) -> bool:
    return node.line.startswith("no ") and not _KEPT_NEGATION.fullmatch(node.line)


def _without_negation(nodes: tuple[Node, ...], line: str) -> tuple[Node, ...]:
    return tuple(node for node in nodes if node.line != f"no {line}")


def _less(nodes: tuple[Node, ...], positive: str) -> tuple[Node, ...]:
    """Without what `no POSITIVE` takes away: the statement, or all that begin with these words; a neighbour
    goes from the families too."""
    neighbor = re.fullmatch(r"neighbor \S+(?: remote-as \S+| peer-group)?", positive)
    start = " ".join(positive.split()[:2]) if neighbor else positive
    kept = []
    for node in nodes:
        if node.line == positive or node.line.startswith(start + " "):
            continue
        kept.append(Node(node.line, _less(node.children, positive)) if neighbor and node.children else node)
    return tuple(kept)


def change(before: str, after: str) -> Change:
    """What differs between two configurations. Both with their secrets, or both without."""
    old = dict.fromkeys(frr_tree.paths(statements(before)))
    new = dict.fromkeys(frr_tree.paths(statements(after)))
    return Change(tuple(path for path in old if path not in new), tuple(path for path in new if path not in old))


def carried(config: str, what: Change) -> str:
    """The configuration that runs with a change made to it that was computed from another state of it.

    What a drain has set meanwhile stays; a statement whose secret the change does not show is found without it.
    """
    nodes = frr_tree.parse(config)
    for path in what.gone:
        nodes = _removed(nodes, path)
    for path in what.new:
        nodes = frr_tree.added(nodes, (_nested(path),))
    return frr_tree.text(nodes)


def _removed(nodes: tuple[Node, ...], path: Path) -> tuple[Node, ...]:
    def fits(line: str) -> bool:
        return line == path[0] or (path[0].endswith(REDACTED) and redacted(line) == path[0])

    if len(path) == 1:
        return tuple(node for node in nodes if not fits(node.line))
    return tuple(Node(n.line, _removed(n.children, path[1:])) if fits(n.line) else n for n in nodes)


def _nested(path: Path) -> Node:
    node = Node(path[-1])
    for line in reversed(path[:-1]):
        node = Node(line, (node,))
    return node


def stages(before: str, candidate: str) -> tuple[str, ...]:
    """The candidate in stages for frr-reload.py, in normal form; the last one is the candidate itself.

    It changes what a router has before it adds what is new, and takes blocks away first of all: a neighbour would be
    given a route map that does not exist yet, or keep one that does not exist any more, and either denies everything.
    So filters that come are there before what uses them, and filters that go stay until nothing does.
    """
    old, new = frr_tree.parse(before), frr_tree.parse(candidate)
    what = change(before, candidate)
    coming = carried(before, Change((), tuple(path for path in what.new if _FILTER.match(path[0]))))
    lines, kinds = {node.line for node in new}, {frr_tree.kind(node.line) for node in new}
    going = tuple(
        node for node in old
        if _FILTER.match(node.line) and node.line not in lines and frr_tree.kind(node.line) not in kinds
    )  # fmt: skip
    made = [normal(before)]
    for text in (coming, frr_tree.text((*new, *going)), frr_tree.text(new)):
        found = change(made[-1], text)
        if found.gone or found.new:
            made.append(text)
    return tuple(made[1:])


# -- diffs


def diff(before: str, after: str) -> str:
    """A unified diff of two configurations in normal form; empty where no statement differs."""
    old, new = (frr_tree.text(statements(text)).splitlines() for text in (before, after))
    lines = unified_diff(old, new, FRR_CONF, FRR_CONF, n=3, lineterm="")
    return "".join(f"{line}\n" for line in lines)


# -- what frr-reload.py is not trusted with


def refusals(before: str, after: str, *, allow_removal: bool = False) -> tuple[Reason, ...]:
    """Why this candidate is not given to frr-reload.py, which deletes whatever a candidate does not have."""
    old, new = statements(before), statements(after)
    lines = {node.line for node in new}
    reasons = []
    gone = [node.line for node in old if _PROCESS.fullmatch(node.line) and node.line not in lines]
    if gone and not allow_removal:
        remedy = "Is the candidate the whole configuration? Allow it where the process shall go."
        reasons.append(Reason("candidate", f"without {', '.join(gone)[:200]}", "every process that runs", remedy))
    if not new or not any(_PROCESS.fullmatch(line) for line in lines):
        wanted = "a whole configuration"
        reasons.append(Reason("candidate", "no routing process in it", wanted, "frr-reload.py would remove them all."))
    profiles = [{n.line for n in nodes if n.line.startswith("frr defaults ")} for nodes in (old, new)]
    if all(profiles) and profiles[0] != profiles[1]:
        found, wanted = (", ".join(sorted(found)) for found in (profiles[1], profiles[0]))
        remedy = "Defaults are those of the start of FRR: frr-reload.py cannot change them."
        reasons.append(Reason("candidate", found, wanted, remedy))
    for service in ("service integrated-vtysh-config",):
        if service in {n.line for n in old} and service not in lines:
            remedy = "Without it FRR starts with other files, and frr-reload.py no longer works."
            reasons.append(Reason("candidate", f"without {service}", service, remedy))
    return (*reasons, *_filters_at_once(before, after))


def _filters_at_once(before: str, after: str) -> tuple[Reason, ...]:
    """frr-reload.py deletes before it adds. bgpd waits (5 s by default) before it follows a changed filter, unless told
    not to: then a list that is rewritten is in force while it is empty."""
    at_once = any(path[-1] == "bgp route-map delay-timer 0" for path in frr_tree.paths(statements(before)))
    found = change(before, after)
    touched = sorted({" ".join(path[0].split()[:3]) for path in found.gone if _FILTER.match(path[0])})
    if not at_once or not touched:
        return ()
    remedy = "Remove `bgp route-map delay-timer 0`, or give the new filter another name and move the neighbours to it."
    return (Reason("candidate", f"{', '.join(touched)[:200]} rewritten with delay-timer 0", "a timer", remedy),)


def outcome(before: str, candidate: str, now: str) -> tuple[Reason, ...]:
    """What frr-reload.py did otherwise than the candidate says; () when all of it is so and nothing else went.

    A `no` line that FRR refuses is shortened by frr-reload.py word by word until it is accepted: `no neighbor X
    route-map A in` may end as `no neighbor X`. What went that way is named here.
    """
    found = set(frr_tree.paths(statements(now)))
    wanted = [path for path in frr_tree.paths(statements(candidate)) if path not in found]
    had = set(frr_tree.paths(statements(before)))
    asked = change(before, candidate)
    left = [path for path in asked.gone if path in found]
    remedy = "Write statements as `show running-config` prints them."
    reasons = [
        Reason(shown(p), "gone: frr-reload.py took it away too", "as before", "Make the change in smaller parts.")
        if p in had
        else Reason(shown(p), "not in the running configuration", "this statement", remedy)
        for p in wanted
    ]
    return (*reasons, *(Reason(shown(p), "still in the running configuration", "no such statement") for p in left))


def drained_by_it(what: Change) -> tuple[str, ...]:
    """Statements of a change that belong to a drain: it sets them before and takes them back afterwards."""
    return tuple(shown(path) for path in (*what.gone, *what.new) if DRAIN.fullmatch(path[-1].removeprefix("no ")))


def digest(config: str) -> str:
    """SHA-256 of a configuration's statements without order, without secrets and without the lines of a drain."""
    kept = sorted(
        "\0".join(path)
        for path in frr_tree.paths(statements(config))
        if not DRAIN.fullmatch(path[-1]) and not any(_line(line) != line or line.endswith(REDACTED) for line in path)
    )
    return hashlib.sha256("\n".join(kept).encode()).hexdigest()
