"""The managed objects of a UCS domain by their distinguished names, and the search in them. No clock, no network."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.etree import ElementTree as ET


@dataclass
class Node:
    """One managed object. `props`: its attributes but for the dn, as text."""

    cls: str
    dn: str
    props: dict[str, str] = field(default_factory=dict)


class Tree:
    """Objects by dn; children are those one step below."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}

    def __contains__(self, dn: object) -> bool:
        return dn in self._nodes

    def get(self, dn: str) -> Node | None:
        return self._nodes.get(dn)

    def __getitem__(self, dn: str) -> Node:
        return self._nodes[dn]

    def add(self, cls: str, dn: str, **props: str) -> Node:
        """Put an object in, or give one that is there other properties."""
        node = self._nodes.setdefault(dn, Node(cls, dn))
        node.props |= props
        return node

    def remove(self, dn: str) -> None:
        """Take an object out, with all below it."""
        for name in [n for n in self._nodes if n == dn or n.startswith(f"{dn}/")]:
            del self._nodes[name]

    def of_class(self, cls: str) -> Iterator[Node]:
        return (node for _, node in sorted(self._nodes.items()) if node.cls == cls)

    def children(self, dn: str, cls: str = "") -> Iterator[Node]:
        at = len(dn) + 1
        for name, node in sorted(self._nodes.items()):
            if name.startswith(f"{dn}/") and "/" not in name[at:] and (not cls or node.cls == cls):
                yield node

    def copy(self) -> "Tree":
        made = Tree()
        for dn, node in self._nodes.items():
            made.add(node.cls, dn, **node.props)
        return made

    def element(self, node: Node, *, deep: bool = False, nested: bool = False) -> ET.Element:
        """An object as UCS Manager writes it: dn at the top, rn within another object."""
        name = {"rn": node.dn.rpartition("/")[2]} if nested else {"dn": node.dn}
        made = ET.Element(node.cls, name | node.props)
        if deep:
            made.extend(self.element(child, deep=True, nested=True) for child in self.children(node.dn))
        return made


def matches(node: Node, rule: ET.Element) -> bool:
    """Does an object pass a filter (`inFilter`'s child)? Raises ValueError for a filter that is not known here."""
    match rule.tag:
        case "and":
            return all(matches(node, one) for one in rule)
        case "or":
            return any(matches(node, one) for one in rule)
        case "not":
            return not any(matches(node, one) for one in rule)
    if rule.get("class") != node.cls:
        return False
    value, wanted = {**node.props, "dn": node.dn}.get(rule.get("property", ""), ""), rule.get("value", "")
    match rule.tag:
        case "eq":
            return value == wanted
        case "ne":
            return value != wanted
        case "wcard":
            return wanted in value
        case _:
            raise ValueError(f"unknown filter {rule.tag}")
