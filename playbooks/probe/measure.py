"""Probes of all pairs at once: who is asked, what is sent from where, and what it adds up to."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from ipaddress import ip_address, ip_network

from fleet.core.model import Reason
from fleet.core.probe_paths import Heard, announced_alone, asymmetric, named
from fleet.core.probes import Pair, Probed
from playbooks import transport
from playbooks.base import Answer, Device, DeviceError, Session
from playbooks.probe import here, parse, scripts
from playbooks.probe.params import BEACON, HERE
from playbooks.probe.scripts import Ask

FAMILIES = ("ipv4", "ipv6")
# The script ends some seconds after its last probe: mtr waits for silent hops.
_MARGIN_S = 25.0
_WORKERS = 16


@dataclass(frozen=True)
class Task:
    """What is to be probed for one device. Names of `sources` and `targets` are those of `devices`, or `slipway`.

    `targets` may also be addresses, or `beacon`; `beacons`: (prefix, address in it) of the device.
    """

    device: Device
    devices: Mapping[str, Device]  # all that are asked, the device itself included
    sources: Sequence[str]
    targets: Sequence[str]
    beacons: Sequence[tuple[str, str]]
    count: int
    interval: float
    strict: bool = True


@dataclass
class _Round:
    """What has been learned so far. Names > what they answered."""

    task: Task
    sessions: dict[str, Session] = field(default_factory=dict)
    addresses: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    here: dict[str, str] = field(default_factory=dict)  # device > the address of Slipway as it sees it
    sent_from: dict[str, str] = field(default_factory=dict)  # address that is probed > Slipway's own on the way there
    heard: dict[str, list[Heard]] = field(default_factory=dict)  # prefix > routers
    translated: set[str] = field(default_factory=set)  # devices that see Slipway by another address than its own
    out: list[Reason] = field(default_factory=list)

    def owners(self) -> dict[str, str]:
        """Address > whose it is."""
        made = dict.fromkeys((*self.here.values(), *self.sent_from.values()), HERE)
        made |= {address: name for name, listed in self.addresses.items() for _, address in listed}
        return made | {address: self.task.device.name for _, address in self.task.beacons}


Connect = Callable[[Device], Session]


def measure(task: Task, connect: Connect = transport.connect) -> tuple[list[Probed], list[Reason]]:
    """Probe every pair; those that cannot be measured have their doubts. And why what was asked for is left out.

    Never raises for what a device does. Takes two connections' round trips and the probes themselves.
    """
    done = _Round(task)
    try:
        with ThreadPoolExecutor(min(_WORKERS, max(1, len(task.devices)))) as pool:
            list(pool.map(partial(_survey, done, connect), task.devices.values()))
            pairs, answers = _probe(done, pool)
    finally:
        for session in done.sessions.values():
            getattr(session, "close", lambda: None)()
    return [_probed(done, pair, answers) for pair in pairs], done.out


def _survey(done: _Round, connect: Connect, device: Device) -> None:
    """Its addresses, what it hears of the beacons, and from where Slipway reaches it."""
    asked: dict[str, list[str]] = {"addr": scripts.ADDRESSES}
    prefixes = [prefix for prefix, _ in done.task.beacons] if BEACON in done.task.targets else []
    for prefix in prefixes:
        asked |= scripts.heard(device.suite, prefix)
    try:
        session = done.sessions[device.name] = connect(device)
        answers = {name: a.out for name, a in session.batch(asked, timeout_s=30.0, root=True).items()}
        if HERE in done.task.sources:
            done.here[device.name] = session.run(["printenv", "SSH_CONNECTION"]).out.partition(" ")[0].strip()
            done.translated |= {device.name} if done.here[device.name] != here.source(device.address) else set()
    except DeviceError as error:
        done.sessions.pop(device.name, None)
        done.out.append(error.reason)
        answers = {}
    done.addresses[device.name] = parse.addresses(answers.get("addr", "")) or []
    for prefix in prefixes:
        if device.suite in ("frr", "bird"):
            heard = parse.heard(device.name, device.suite, answers, prefix)
            # BIRD does not list what it announces of its own interfaces: an address of the prefix on it says the same.
            if any(ip_address(address) in ip_network(prefix) for _, address in done.addresses[device.name]):
                heard = replace(heard, own=True)
            done.heard.setdefault(prefix, []).append(heard)


def _probe(done: _Round, pool: ThreadPoolExecutor) -> tuple[list[Pair], dict[str, dict[tuple[str, str], str]]]:
    """All probes at once, with the ways there and back."""
    pairs = _pairs(done)
    done.sent_from |= {pair.address: here.source(pair.address) for pair in pairs if pair.source == HERE}
    asks: dict[str, list[Ask]] = {}
    for pair in pairs:
        source = _address(done, pair.source, pair.family) or ""
        asks.setdefault(pair.source, []).append(Ask(pair.address, source))
        asks[pair.source].append(Ask(pair.address, source, trace=True))
        if (back := _way_back(done, pair)) is not None:
            asks.setdefault(pair.target, []).append(back)
    unique = {name: list(dict.fromkeys(listed)) for name, listed in asks.items()}
    found = pool.map(partial(_send, done), unique.items())
    return pairs, dict(zip(unique, found, strict=True))


def _send(done: _Round, about: tuple[str, list[Ask]]) -> dict[tuple[str, str], str]:
    name, asks = about
    task = done.task
    argv = scripts.argv(asks, count=task.count, interval=task.interval)
    timeout_s = task.count * task.interval + _MARGIN_S
    try:
        if name == HERE:
            answer = here.run(argv, timeout_s=timeout_s)
        elif (session := done.sessions.get(name)) is None:
            answer = Answer(255, "", "")
        else:
            answer = session.batch({"probe": argv}, timeout_s=timeout_s, root=True)["probe"]
    except DeviceError as error:
        done.out.append(error.reason)
        return {}
    if not answer.ok and answer.err:
        done.out.append(Reason(f"probes from {name}", answer.err[:160], "probes"))
    return parse.sections(answer.out)


def _pairs(done: _Round) -> list[Pair]:
    """Each vantage point with each other end, in the families that both have; what is no place is said."""
    task, made = done.task, list[Pair]()
    for source in task.sources:
        if source != HERE and source not in task.devices:
            done.out.append(Reason(f"vantage point {source}", "no such device", "a device of the inventory"))
    for target in task.targets:
        ends = list(_ends(done, target))
        if not ends:
            found = "no beacon on record" if target == BEACON else "no address that is known"
            done.out.append(Reason(f"probes to {target} for {task.device.name}", found, "somewhere to probe to"))
        for source in task.sources:
            for name, address in ends:
                family = "ipv6" if ":" in address else "ipv4"
                if source != name and (source == HERE or _address(done, source, family)):
                    made.append(Pair(source, name, family, address))
    return sorted(set(made))


def _ends(done: _Round, target: str) -> Iterable[tuple[str, str]]:
    """(name, address) of what a word of `to` means."""
    if target == BEACON:
        return [(done.task.device.name, address) for _, address in done.task.beacons]
    if target in done.task.devices:
        found = ((family, _address(done, target, family)) for family in FAMILIES)
        return [(target, address) for _, address in found if address]
    try:
        return [(target, str(ip_address(target)))]
    except ValueError:
        return []


def _address(done: _Round, name: str, family: str) -> str | None:
    """Where a device is reached and what it sends from: an address of lo, else what it was called by its protocols."""
    listed = done.addresses.get(name, [])
    of_lo = parse.of_family([pair for pair in listed if pair[0] == "lo"], family)
    router_id = done.task.devices[name].router_id if name in done.task.devices else ""
    has_id = family == "ipv4" and any(address == router_id for _, address in listed)
    return of_lo or (router_id if has_id else None) or parse.of_family(listed, family)


def _way_back(done: _Round, pair: Pair) -> Ask | None:
    """What the other end sends to have the way back told; None where it is no device of ours."""
    if pair.target not in done.sessions:
        return None
    to = _of_slipway(done, pair) if pair.source == HERE else _address(done, pair.source, pair.family)
    if not to or (":" in to) != (pair.family == "ipv6"):
        return None
    own = any(pair.address == address for _, address in done.addresses.get(pair.target, []))
    return Ask(to, pair.address if own else "", trace=True)


def _of_slipway(done: _Round, pair: Pair) -> str:
    """Where answers to Slipway go: the address that it sends from, in the family of the pair and on the way of the
    probes, which need not be that of the management; behind a translation of addresses what the device sees."""
    return done.here.get(pair.target, "") if pair.target in done.translated else done.sent_from.get(pair.address, "")


def _probed(done: _Round, pair: Pair, answers: Mapping[str, Mapping[tuple[str, str], str]]) -> Probed:
    said = answers.get(pair.source, {})
    text = said.get(("probe", pair.address), "")
    times = parse.times(text, pair.address)
    owners = done.owners() | ({pair.address: pair.target} if pair.target not in done.task.devices else {})
    there = parse.hops(said.get(("trace", pair.address), ""), pair.address)
    way_there = named(pair.source, there, owners) if there else ()
    way_back: tuple[str, ...] = ()
    if (ask := _way_back(done, pair)) is not None:
        back = parse.hops(answers.get(pair.target, {}).get(("trace", ask.address), ""), ask.address)
        way_back = named(pair.target, back, owners) if back else ()
    doubts: list[Reason] = []
    if times is None:
        shown = " ".join(text.split())[:120] or "no answer"
        doubts.append(Reason(str(pair), shown, "probes that came to an end", "Is ping or mtr there?"))
    doubts += _of_beacon(done, pair)
    if done.task.strict and times is not None and times.lost < times.sent:
        doubts += _of_way(done.task.device.name, pair, way_there, way_back)
    return Probed(pair, times, way_there, way_back, tuple(doubts))


def _of_beacon(done: _Round, pair: Pair) -> tuple[Reason, ...]:
    device = done.task.device
    prefix = next((p for p, address in done.task.beacons if address == pair.address), None)
    if prefix is None or BEACON not in done.task.targets:
        return ()
    return announced_alone(device.name, device.router_id, prefix, done.heard.get(prefix, []))


def _of_way(device: str, pair: Pair, there: Sequence[str], back: Sequence[str]) -> list[Reason]:
    made = []
    if there and device not in there:
        found = " > ".join(there)
        made.append(Reason(f"{pair}, the way", found, f"a way through {device}", "It says nothing of this device."))
    if (why := asymmetric(pair, there, back, gateway=pair.source == HERE)) is not None:
        made.append(why)
    return made
