"""Which cards a step is about, what is set on them, what is wanted, and why it cannot be. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fleet.core import preconditions
from fleet.core.model import Json, Reason
from playbooks.base import Step
from playbooks.nic import parse, procfs
from playbooks.nic.link_file import Governed
from playbooks.nic.params import NicParams
from playbooks.nic.settings import Setting, State, different, settings
from playbooks.nic.settings import refusals as settings_refused


@dataclass(frozen=True)
class Card:
    """One interface: what it has and what is wanted of it, by option (-L queues, -G rings)."""

    name: str
    found: Mapping[str, parse.Amounts | None]
    wanted: Mapping[str, Mapping[str, int]]
    settings: tuple[Setting, ...] = ()  # beside queues and rings
    link: Governed | None = None  # who decides over its .link settings; None: not asked

    def different(self) -> tuple[Reason, ...]:
        return self.amounts_different() + different(self.name, self.settings)

    def amounts_different(self) -> tuple[Reason, ...]:
        """Of queues and rings alone."""
        return tuple(
            Reason(f"{self.name}, {key} {_NOUN[option]}", str(self._now(option).get(key, "n/a")), str(value))
            for option, wanted in self.wanted.items()
            for key, value in wanted.items()
            if self._now(option).get(key) != value
        )

    def _now(self, option: str) -> Mapping[str, int]:
        amounts = self.found.get(option)
        return amounts.now if amounts is not None else {}

    def before(self) -> Mapping[str, Json]:
        """What is set now of what will be changed."""
        return {option: {key: self._now(option)[key] for key in wanted} for option, wanted in self.wanted.items()}

    def facts(self) -> dict[str, tuple[Json, Json]]:
        """Path of a fact (core/preconditions.py) -> what it is, what it will be."""
        paths = {"-L": "queues.{}.{}", "-G": "interfaces.{}.rings.{}"}
        return {
            paths[option].format(self.name, key): (self._now(option).get(key), value)
            for option, wanted in self.wanted.items()
            for key, value in wanted.items()
        }


def drifted(step: Step, cards: Iterable[Card]) -> tuple[Reason, ...]:
    """What is neither as it was when it was approved nor as wanted, and cards that the plan does not know."""
    expected = step.planned.expected
    if not expected:
        return ()  # planned without facts, or before they were kept
    found = {path: now for one in cards for path, (now, _) in one.facts().items()}
    new = sorted(set(found) - set(expected.get(preconditions.WANTED, {})))
    reasons = [
        Reason(f"{step.device.name}, {path}", f"{found[path]}, of a card that was not there", "what was approved",
               "Collect the facts, plan a new revision, and have it approved.")
        for path in new
    ]  # fmt: skip
    return (*preconditions.drifted(step.device.name, expected, found), *reasons)


_NOUN = {"-L": "queues", "-G": "ring"}
READ = {"-L": "-l", "-G": "-g"}


def card(
    name: str,
    channels: parse.Amounts | None,
    rings: parse.Amounts | None,
    params: NicParams,
    *,
    state: State | None = None,
    link: Governed | None = None,
) -> Card:
    """What the parameters mean for one card. Pure. `state`: what else is known of it, where more is wanted."""
    wanted: dict[str, Mapping[str, int]] = {}
    queues = dict(params.channels())
    if params.queues is not None:
        combined = channels is not None and "combined" in channels.most
        queues = {"combined": params.queues} if combined else {"rx": params.queues, "tx": params.queues}
    if queues:
        wanted["-L"] = queues
    if params.rings():
        wanted["-G"] = params.rings()
    more = settings(name, state or State(), params, queues=_queues(queues, channels)) if params.has_settings else ()
    return Card(name, {"-L": channels, "-G": rings}, wanted, more, link)


def _queues(wanted: Mapping[str, int], channels: parse.Amounts | None) -> int | None:
    """Receive queues as they will be."""
    now = channels.now if channels is not None else {}
    return wanted.get("combined") or wanted.get("rx") or now.get("combined") or now.get("rx")


def refusals(one: Card) -> tuple[Reason, ...]:
    """Why a card cannot do what is wanted of it; names its maximum. Pure."""
    reasons = []
    for option, wanted in one.wanted.items():
        amounts = one.found.get(option)
        for key, value in wanted.items():
            subject = f"{one.name}, {key} {_NOUN[option]}"
            if amounts is None or key not in amounts.most:
                reasons.append(Reason(subject, "a card that does not let them be set", f"{value}"))
            elif value > amounts.most[key]:
                remedy = f"Ask for at most {amounts.most[key]}, or leave this interface out by a pattern."
                reasons.append(Reason(subject, f"a maximum of {amounts.most[key]}", f"{value}", remedy))
    return (*reasons, *settings_refused(one.name, one.settings))


@dataclass(frozen=True)
class Choice:
    """The cards that a step is about, those that `all` or a pattern leaves alone and why, and why it cannot be."""

    cards: tuple[Card, ...]
    left_alone: Mapping[str, str]
    reasons: tuple[Reason, ...] = ()


def choice(names: Iterable[str], cards: Iterable[Card], params: NicParams, *, device: str) -> Choice:
    """Which of the cards that match are meant. Pure.

    A name means that card. A pattern means those that have what is asked for, and refuses where it is too much for
    one of them. `all` means every card that can do what is asked for: a management port with one queue stays as it is.
    """
    names, kept, left = tuple(names), [], {}
    for one in cards:
        cannot = refusals(one)
        bare = any(one.found.get(option) is None for option in one.wanted) or not one.wanted
        if cannot and (params.interface == "all" or (params.is_pattern and bare)):
            left[one.name] = f"{cannot[0].found}, {cannot[0].wanted} wanted"
        else:
            kept.append(one)
    reasons = [reason for one in kept for reason in refusals(one)]
    if not kept:
        found = "; ".join(f"{name}: {why}" for name, why in left.items()) or ", ".join(names) or "none"
        reasons = [Reason(f"interfaces of {device}", found[:400], f"{params.interface}, with what is asked for")]
    return Choice(tuple(kept), left, tuple(reasons))


def choice_of_facts(facts: Mapping[str, Json], params: NicParams, device: str) -> Choice:
    """The cards as the facts saw them; none where they say nothing. The device is asked again before it is touched.

    facts.interfaces: name -> {"channels": {"rx", "tx", "combined" now, "max": {...}} or null, "rings": the same}.
    """
    listed = facts.get("interfaces")
    if not isinstance(listed, Mapping):
        return Choice((), {})
    rows = {name: row for name, row in listed.items() if isinstance(row, Mapping) and name != "lo"}
    cards = (
        card(
            name, _of_facts(row.get("channels")), _of_facts(row.get("rings")), params,
            state=state_of_facts(row), link=_link_of_facts(name, row, params),
        )
        for name, row in rows.items()
        if params.chooses(name)
    )  # fmt: skip
    return choice(rows, cards, params, device=device)


def _link_of_facts(name: str, row: Mapping[str, Json], params: NicParams) -> Governed | None:
    """A card on a bus may have a .link file; whether it has another already, only the device says."""
    nic = row.get("nic")
    driver = nic.get("driver") if isinstance(nic, Mapping) else None
    return Governed(name, driver=str(driver)) if driver and params.until is None else None


def _of_facts(section: Json) -> parse.Amounts | None:
    most = section.get("max") if isinstance(section, Mapping) else None
    if not isinstance(section, Mapping) or not isinstance(most, Mapping):
        return None
    limits = {key: most[key] for key in ("rx", "tx", "combined") if isinstance(most.get(key), int) and most[key] > 0}
    now = {key: section[key] for key in limits if isinstance(section.get(key), int)}
    return parse.Amounts(limits, now) if limits and len(now) == len(limits) else None


def state_of_facts(row: Mapping[str, Json]) -> State:
    """How a card is set, as the facts saw it."""

    def section(name: str) -> Mapping[str, Json] | None:
        found = row.get(name)
        return found if isinstance(found, Mapping) else None

    affinity = section("affinity") or {}
    vectors = {q: str(cpus) for name, cpus in affinity.items() if (q := procfs.queue_of(name)) is not None}
    fixed = row.get("offloads_fixed")
    return State(
        driver=str((section("nic") or {}).get("driver") or ""),
        rss=section("rss"),
        fields={k: str(v) for k, v in (section("flow_hash") or {}).items() if v is not None},
        coalesce=section("coalesce"),
        offloads=section("offloads"),
        fixed=frozenset(map(str, fixed)) if isinstance(fixed, list) else frozenset(),
        flags=section("priv_flags"),
        vectors=vectors or None,
        rps=section("rps"),
        xps=section("xps"),
        of_facts=True,
    )
