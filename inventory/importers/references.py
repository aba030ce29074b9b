"""What the entries of an inventory file say about each other: names, duplicates, links, promises. Pure."""

import dataclasses
from collections import deque
from collections.abc import Iterator, Sequence

from fleet.core.model import Json, KeepConnected, Link, Topology
from fleet.core.waves import Network, broken_promises, prepare
from inventory.importers.check_more import ways, wishes
from inventory.importers.document import Document, Entry, read
from inventory.importers.problems import Problem, did_you_mean, shown

_REFERS_TO = (("sites", "failure_domain", "failure_domains"), ("routers", "site", "sites"))
_REFERS = (*_REFERS_TO, ("routers", "credential", "credentials"))


# What hangs together is asked only when nothing here is wrong: a link that was refused would cut what it joins.
_PICTURE = {"file", "routers", "externals", "links", "keep_connected"}


def read_checked(text: str) -> tuple[Document, list[Problem]]:
    """The entries of a text and everything that is wrong with it, in the order of its lines."""
    document, found = read(text)
    return document, sorted({*found, *check(document, found)})


def check(document: Document, found: Sequence[Problem] = ()) -> list[Problem]:
    """What is wrong between the entries; `found`: what is wrong with single ones."""
    found = [
        *found,
        *wishes(document),
        *_duplicates(document),
        *_unknown_names(document),
        *_links(document),
        *_interfaces_used_twice(document),
    ]
    found += _promises(document)
    found += ways(document)
    if not any(problem.field.partition(".")[0] in _PICTURE for problem in found):
        found += _not_connected(document)
    return found


def _seen_twice(entries: list[tuple[Json, Entry]], key: str, what: str) -> Iterator[Problem]:
    first: dict[Json, Entry] = {}
    for value, entry in entries:
        other = first.setdefault(value, entry)
        if other is not entry:
            where = f"{other.section}.{other.label}, line {other.line_of(key)}"
            wanted = f"each {what} once"
            yield entry.problem(key, f"{value}, which {where} has too", wanted, "Correct one of the two.")


def _duplicates(document: Document) -> Iterator[Problem]:
    for sections in (("failure_domains",), ("sites",), ("credentials",), ("routers", "externals")):
        entries = [e for section in sections for e in document.entries(section) if "name" in e.values]
        yield from _seen_twice([(e.values["name"], e) for e in entries], "name", "name")
    routers = [e.values for e in document.entries("routers")], document.entries("routers")
    reached = [
        (f"[{v['address']}]:{v['port']}", e) for v, e in zip(*routers, strict=True) if "address" in v and "port" in v
    ]
    yield from _seen_twice(reached, "address", "address with its port")
    ids = [(v["router_id"], e) for v, e in zip(*routers, strict=True) if v.get("router_id") is not None]
    yield from _seen_twice(ids, "router_id", "router id")
    for values, entry in zip(*routers, strict=True):
        if values.get("fallback_address") is not None and values["fallback_address"] == values.get("address"):
            wanted = "another address than `address`"
            yield entry.problem("fallback_address", "the address itself", wanted, "Leave it out where there is none.")


def _unknown_names(document: Document) -> Iterator[Problem]:
    for section, key, target in _REFERS:
        known = document.names(target)
        if not known:  # said already, once, where the section is missing or unreadable
            continue
        for entry in document.entries(section):
            name = entry.values.get(key)
            if name is not None and name not in known:
                remedy = f"{did_you_mean(name, known)}Add it to {target} or correct the name."
                yield entry.problem(key, f"{shown(name)}, which is not in {target}", f"a name in {target}", remedy)


def _links(document: Document) -> Iterator[Problem]:
    routers, externals = document.names("routers"), document.names("externals")
    for entry in document.entries("links"):
        ends = {key: entry.values[key] for key in ("a", "b") if key in entry.values}
        wrong = [p for key, end in ends.items() if (p := _wrong_end(entry, key, end, routers, externals))]
        yield from wrong
        if wrong or len(ends) < 2:
            continue
        a, b = ends["a"][0], ends["b"][0]
        if a == b:
            yield entry.problem("b", f"a link of {a} to itself", "two different devices", "Correct one of the ends.")
        elif a in externals and b in externals:
            wanted = "at least one router"
            yield entry.problem("b", f"two externals, {a} and {b}", wanted, "Leave out what Slipway does not manage.")


def _wrong_end(
    entry: Entry, key: str, end: tuple[str, str], routers: dict[str, Entry], externals: dict[str, Entry]
) -> Problem | None:
    device, interface = end
    if device in routers:
        if interface:
            return None
        wanted = f"the interface too: {device}:INTERFACE"
        return entry.problem(key, f"the router {device} alone", wanted, "Add the interface of the link.")
    if device in externals:
        if not interface:
            return None
        wanted, remedy = f"{device} alone", "An external has no interfaces here: remove the part from the colon on."
        return entry.problem(key, f"an interface of the external {device}", wanted, remedy)
    remedy = f"{did_you_mean(device, [*routers, *externals])}Add it to routers or externals, or correct the name."
    return entry.problem(key, f"a link to nowhere: {device} is not in the file", "a known device", remedy)


def _interfaces_used_twice(document: Document) -> Iterator[Problem]:
    first: dict[str, tuple[Entry, str]] = {}
    for entry in document.entries("links"):
        for key in ("a", "b"):
            device, interface = entry.values.get(key, ("", ""))
            if not interface:
                continue
            name = f"{device}:{interface}"
            other, at = first.setdefault(name, (entry, key))
            if other is not entry:
                found = f"{name}, which the link in line {other.line_of(at)} uses too"
                yield entry.problem(key, found, "each interface in one link", "Correct one of the two.")


def _promises(document: Document) -> Iterator[Problem]:
    known = {**document.names("routers"), **document.names("externals")}
    first: dict[frozenset[str], Entry] = {}
    for entry in document.entries("keep_connected"):
        between = entry.values.get("between", ())
        names = [name for name, _ in between]
        for name in dict.fromkeys(names):
            if name not in known:
                remedy = f"{did_you_mean(name, known)}Add it to routers or externals, or correct the name."
                found = f"{shown(name)}, which is not in the file"
                yield entry.problem("between", found, "known devices", remedy)
            if names.count(name) > 1:
                yield entry.problem("between", f"{name} {names.count(name)} times", "each name once", "Remove one.")
        other = first.setdefault(frozenset(names), entry)
        if other is not entry and names:
            found = f"the same set as in line {other.line}"
            yield entry.problem("between", found, "each set once", "Keep the one with the right floor.")


def _not_connected(document: Document) -> Iterator[Problem]:
    """Promises that are broken while nothing is drained; judged as the planner judges them."""
    topology = Topology(
        domain_of=dict.fromkeys(document.names("routers"), ""),
        externals=frozenset(document.names("externals")),
        links=tuple(
            Link(e.values["a"][0], e.values["b"][0], e.values["capacity"])
            for e in document.entries("links")
            if {"a", "b", "capacity"} <= e.values.keys()
        ),
    )
    network = prepare(topology)
    for entry in document.entries("keep_connected"):
        if not {"between", "floor"} <= entry.values.keys():
            continue
        promise = KeepConnected(frozenset(name for name, _ in entry.values["between"]), entry.values["floor"])
        if _plainly_joined(network, promise):
            continue
        for reason in broken_promises(dataclasses.replace(network, promises={0: (promise,)}), ()):
            found = f"{reason.found}, with nothing drained"
            remedy = "Add the missing links, lower the floor, or take out what is not connected."
            yield entry.problem("between", found, reason.wanted, remedy)


def _plainly_joined(network: Network, promise: KeepConnected) -> bool:
    """True when links that each carry the floor join the set: a short walk that spares the planner's whole question.

    2,000 promises among 4,000 routers: 4.3 s without it, 0.1 s with it. False = not known, the planner decides.
    """
    routers = sorted(promise.names - network.externals)
    left, queue, seen = set(promise.names), deque(routers[:1]), set(routers[:1])
    while queue and left:
        node = queue.popleft()
        left.discard(node)
        if node in network.externals:  # nothing passes through an upstream or a customer
            continue
        for other, mbps in network.capacity.get(node, {}).items():
            if other not in seen and mbps >= max(promise.floor_mbps, 1):
                seen.add(other)
                queue.append(other)
    return not left
