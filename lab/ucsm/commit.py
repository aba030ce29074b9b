"""One commit: checked whole, then written whole. As much is checked as UCS Manager checks: names and ranges."""

from xml.etree import ElementTree as ET

from fleet.core.ucs import ranges
from lab.ucsm.tree import Tree

_RANGE = {
    ("adaptorEthRecvQueueProfile", "count"): "receive",
    ("adaptorEthRecvQueueProfile", "ringSize"): "receive_ring",
    ("adaptorEthWorkQueueProfile", "count"): "transmit",
    ("adaptorEthWorkQueueProfile", "ringSize"): "transmit_ring",
    ("adaptorEthCompQueueProfile", "count"): "completion",
    ("adaptorEthInterruptProfile", "count"): "interrupts",
}
_WORDS = {
    ("adaptorRssProfile", "receiveSideScaling"): {"enabled", "disabled"},
    ("adaptorEthArfsProfile", "accelaratedRFS"): {"enabled", "disabled"},
    ("lsmaintMaintPolicy", "uptimeDisr"): {"immediate", "user-ack", "timer-automatic"},
    ("lsmaintAck", "adminState"): {"trigger-immediate", "trigger", "user-discard", "untriggered"},
    ("lsPower", "state"): {
        "up",
        "down",
        "admin-up",
        "admin-down",
        "soft-shut-down",
        "cycle-immediate",
        "cycle-wait",
        "hard-reset-immediate",
    },
}
_CREATABLE = frozenset(
    {
        "adaptorHostEthIfProfile", "adaptorEthRecvQueueProfile", "adaptorEthWorkQueueProfile", "adaptorRssProfile",
        "adaptorEthCompQueueProfile", "adaptorEthInterruptProfile", "adaptorEthArfsProfile", "lsmaintMaintPolicy",
        "adaptorEthFailoverProfile", "adaptorEthOffloadProfile", "firmwareComputeHostPack",
        "firmwareExcludeServerComponent",
    }
)  # fmt: skip


class NotTaken(Exception):
    """Nothing of a commit was written. `code` and text as UCS Manager's errorCode and errorDescr."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


def written(tree: Tree, configs: ET.Element, version: str) -> list[tuple[str, ET.Element]]:
    """Write the pairs of an `inConfigs` into the tree: what was written, by dn. NotTaken spoils it."""
    done: list[tuple[str, ET.Element]] = []
    for pair in configs.findall("pair"):
        for element in pair:
            _write(tree, element, version, done)
    return done


def _write(tree: Tree, element: ET.Element, version: str, done: list[tuple[str, ET.Element]]) -> None:
    dn, status = element.get("dn", ""), element.get("status", "")
    if not dn:
        raise NotTaken("ERR-xml-parse-error", f"no dn in {element.tag}")
    if status == "deleted":
        if dn not in tree:
            raise NotTaken("102", f"configured object ({dn}) not found")
        tree.remove(dn)
        done.append((dn, element))
        return
    if dn not in tree:
        if status == "modified":
            raise NotTaken("102", f"configured object ({dn}) not found")
        if element.tag not in _CREATABLE:
            raise NotTaken("105", f"Cannot create non-creatable object of class:{element.tag}")
    elif status == "created":
        raise NotTaken("103", "can't create; object already exists.")
    props = {k: v for k, v in element.attrib.items() if k not in {"dn", "rn", "status"}}
    for key, value in props.items():
        _check(element.tag, key, value, version)
    tree.add(element.tag, dn, **props)
    done.append((dn, element))
    for child in element:
        _write(tree, child, version, done)


def _check(cls: str, key: str, value: str, version: str) -> None:
    words = _WORDS.get((cls, key))
    if words is not None and value not in words:
        raise NotTaken("150", f"Property {key} of {cls}: {value} is not one of {', '.join(sorted(words))}")
    field = _RANGE.get((cls, key))
    if field is None:
        return
    legal = next(r for r in ranges(version) if r.field == field)
    if not value.isascii() or not value.isdigit() or int(value) not in legal:
        raise NotTaken("150", f"Property {key} of {cls}: {value} is out of range {legal.least} to {legal.most}")
