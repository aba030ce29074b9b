"""The verb `nic`: queues and rings, at once and over a reboot, read back."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from pydantic import BaseModel, ConfigDict, Field, model_validator

from fleet.core.model import Json, PlannedStep, Reason, Reversibility, StepSpec
from fleet.core.states import TargetState
from playbooks.base import Answer, Device, Impossible, Look, Seen, Session, Step
from playbooks.nic import parse, render

_LINKS = ["ip", "-j", "link", "show"]
_ENABLED = ["systemctl", "is-enabled", render.UNIT]


class NicParams(BaseModel):
    """What is wanted of which cards. `queues` is combined where the card has that, receive and transmit elsewhere."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    interface: str = Field(default="all", pattern=r"^[A-Za-z0-9_.*?\[\]-]{1,60}$", description="name, pattern or all")
    queues: int | None = Field(default=None, ge=1, le=1024, strict=True, description="combined, or rx and tx alike")
    rx: int | None = Field(default=None, ge=1, le=1024, strict=True, description="receive queues")
    tx: int | None = Field(default=None, ge=1, le=1024, strict=True, description="transmit queues")
    rings_rx: int | None = Field(default=None, ge=1, le=65536, strict=True, description="receive descriptors")
    rings_tx: int | None = Field(default=None, ge=1, le=65536, strict=True, description="transmit descriptors")

    @model_validator(mode="after")
    def _something(self) -> "NicParams":
        if not self.channels() and not self.rings() and self.queues is None:
            raise ValueError("queues, rx, tx, rings_rx or rings_tx")
        if self.queues is not None and self.channels():
            raise ValueError("either queues, or rx and tx")
        return self

    def channels(self) -> Mapping[str, int]:
        return {key: value for key, value in (("rx", self.rx), ("tx", self.tx)) if value is not None}

    def rings(self) -> Mapping[str, int]:
        return {key: value for key, value in (("rx", self.rings_rx), ("tx", self.rings_tx)) if value is not None}

    def chooses(self, interface: str) -> bool:
        return self.interface == "all" or fnmatchcase(interface, self.interface)

    @property
    def is_pattern(self) -> bool:
        return self.interface == "all" or any(mark in self.interface for mark in "*?[")


@dataclass(frozen=True)
class Card:
    """One interface: what it has and what is wanted of it, by option (-L queues, -G rings)."""

    name: str
    found: Mapping[str, parse.Amounts | None]
    wanted: Mapping[str, Mapping[str, int]]

    def different(self) -> tuple[Reason, ...]:
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


_NOUN = {"-L": "queues", "-G": "ring"}
_READ = {"-L": "-l", "-G": "-g"}


def card(name: str, channels: parse.Amounts | None, rings: parse.Amounts | None, params: NicParams) -> Card:
    """What the parameters mean for one card. Pure."""
    wanted: dict[str, Mapping[str, int]] = {}
    queues = dict(params.channels())
    if params.queues is not None:
        combined = channels is not None and "combined" in channels.most
        queues = {"combined": params.queues} if combined else {"rx": params.queues, "tx": params.queues}
    if queues:
        wanted["-L"] = queues
    if params.rings():
        wanted["-G"] = params.rings()
    return Card(name, {"-L": channels, "-G": rings}, wanted)


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
    return tuple(reasons)


class Nic:
    """Set queues and rings. The artifact holds what was set, the unit file, and whether it was enabled."""

    verb = "nic"
    phase = TargetState.APPLYING
    reversibility = Reversibility.IN_PLACE
    disruptive = True  # most drivers reset the card for it
    acts = True
    repeatable = True
    within_s = 60.0
    estimate_s = 5.0
    params_model = NicParams

    def plan(self, spec: StepSpec, device: Device, facts: Mapping[str, Json]) -> PlannedStep:
        params = NicParams.model_validate(spec.params)
        cards = _cards_of_facts(facts, params)
        refused = [reason for one in cards for reason in refusals(one)]
        if refused:
            raise Impossible(refused[0])
        lines = [f"{r.subject}: {r.found} -> {r.wanted}\n" for one in cards for r in one.different()]
        commands = [render.setting(option, one.name, wanted) for one in cards for option, wanted in one.wanted.items()]
        return PlannedStep(
            self.verb, spec.params, self.reversibility, self.disruptive,
            diff="".join(lines), commands=(*(" ".join(c) for c in commands), f"write and enable {render.FILE}"),
            estimate_s=self.estimate_s, within_s=self.within_s,
        )  # fmt: skip

    def _look(self, session: Session, step: Step) -> tuple[tuple[Card, ...], dict[str, Answer], Look | None]:
        """The cards that are meant, the unit file, and the look that says why they cannot be told."""
        params = NicParams.model_validate(step.params)
        names = parse.interfaces(session.run(_LINKS).out)
        if names is None:
            reason = Reason(f"interfaces of {step.device.name}", "no list that can be read", "ip -j link show")
            return (), {}, Look(Seen.UNKNOWN, (reason,))
        chosen = [name for name in names if params.chooses(name)]
        reads = {f"{option}:{n}": ["ethtool", read, n] for n in chosen for option, read in _READ.items()}
        answers = session.batch({**reads, "unit": ["cat", render.FILE], "enabled": _ENABLED}, root=True)
        cards = tuple(
            card(name, _amounts(answers.get(f"-L:{name}")), _amounts(answers.get(f"-G:{name}")), params)
            for name in chosen
        )
        if params.is_pattern:
            # A bridge or a VLAN has no queues of its own: a pattern means the cards that can do it.
            cards = tuple(one for one in cards if all(one.found.get(option) is not None for option in one.wanted))
        reasons = [reason for one in cards for reason in refusals(one)]
        if not cards:
            found = f"{', '.join(names) or 'none'}, none of them with what is wanted" if chosen else ", ".join(names)
            reasons = [Reason(f"interfaces of {step.device.name}", found, params.interface)]
        return cards, answers, Look(Seen.IMPOSSIBLE, tuple(reasons)) if reasons else None

    def precheck(self, session: Session, step: Step) -> Look:
        cards, answers, refused = self._look(session, step)
        if refused is not None:
            return refused
        if not _not_yet(cards, answers):
            return Look(Seen.ALREADY, (), _data(cards))
        artifact: dict[str, Json] = {
            "interfaces": {one.name: one.before() for one in cards},
            "unit": answers["unit"].out if answers["unit"].ok else None,
            "enabled": answers["enabled"].out.strip() == "enabled",
        }
        return Look(Seen.READY, (), _data(cards), artifact)

    def apply(self, session: Session, step: Step, *, deadline_s: float) -> None:
        cards, answers, refused = self._look(session, step)
        if refused is not None:
            raise Impossible(refused.reasons[0])
        lines = _lines({one.name: one.wanted for one in cards})
        before = answers["unit"].out if answers["unit"].ok else ""
        session.batch(_named(lines.values()), timeout_s=min(30.0, deadline_s), root=True)
        session.put(render.FILE, render.unit_text(before, lines))
        session.batch(
            {"reload": ["systemctl", "daemon-reload"], "enable": ["systemctl", "enable", render.UNIT]}, root=True
        )

    def observe(self, session: Session, step: Step) -> Look:
        """DONE when every card reads back as wanted and the unit is there and enabled."""
        cards, answers, refused = self._look(session, step)
        if refused is not None:
            return refused
        left = _not_yet(cards, answers)
        return Look(Seen.NOT_DONE if left else Seen.DONE, left, _data(cards))

    def rollback(self, session: Session, step: Step, *, deadline_s: float) -> None:
        before, unit, enabled = _artifact(step)
        commands = _named(_lines(before).values())
        session.batch(commands, timeout_s=min(30.0, deadline_s), root=True)
        if not enabled:
            session.run(["systemctl", "disable", render.UNIT], root=True)
        if unit is not None:
            session.put(render.FILE, unit)
        else:
            session.run(["rm", "-f", render.FILE], root=True)
        session.run(["systemctl", "daemon-reload"], root=True)

    def observe_rollback(self, session: Session, step: Step) -> Look:
        before, unit, _ = _artifact(step)
        cards, answers, refused = self._look(session, step)
        if refused is not None:
            return refused
        wrong = [
            reason
            for one in cards
            if one.name in before
            for reason in Card(one.name, one.found, before[one.name]).different()
        ]
        now = answers["unit"].out if answers["unit"].ok else None
        if now != unit:
            wrong.append(Reason(render.FILE, "not as before", "the content from before, or no file"))
        return Look(Seen.NOT_DONE if wrong else Seen.DONE, tuple(wrong), _data(cards))


def _amounts(answer: Answer | None) -> parse.Amounts | None:
    return parse.amounts(answer.out) if answer is not None else None


def _lines(wanted: Mapping[str, Mapping[str, Mapping[str, int]]]) -> Mapping[tuple[str, str], list[str]]:
    """(option, interface) -> argv."""
    return {
        (option, name): render.setting(option, name, values)
        for name, options in wanted.items()
        for option, values in options.items()
    }


def _named(commands: Iterable[list[str]]) -> dict[str, list[str]]:
    return {f"set{index}": argv for index, argv in enumerate(commands)}


def _not_yet(cards: Iterable[Card], answers: Mapping[str, Answer]) -> tuple[Reason, ...]:
    """What is not as wanted: in the cards, in the unit, and whether the unit is enabled."""
    cards = tuple(cards)
    reasons = [reason for one in cards for reason in one.different()]
    before = answers["unit"].out if answers["unit"].ok else ""
    if before != render.unit_text(before, _lines({one.name: one.wanted for one in cards})):
        reasons.append(Reason(render.FILE, "not these settings", "these settings at every boot"))
    if answers["enabled"].out.strip() != "enabled":
        reasons.append(Reason(render.UNIT, answers["enabled"].out.strip()[:60] or "not enabled", "enabled"))
    return tuple(reasons)


def _data(cards: Iterable[Card]) -> Mapping[str, Json]:
    return {"interfaces": {one.name: one.before() for one in cards}}


def _artifact(step: Step) -> tuple[Mapping[str, Mapping[str, Mapping[str, int]]], str | None, bool]:
    held = step.artifact or {}
    before = held.get("interfaces")
    if not isinstance(before, Mapping):
        raise Impossible(Reason(f"rollback of {step.verb}", "no settings on record", "those from before"))
    unit = held.get("unit")
    return before, unit if isinstance(unit, str) else None, held.get("enabled") is True


def _cards_of_facts(facts: Mapping[str, Json], params: NicParams) -> tuple[Card, ...]:
    """The cards as the facts saw them; none where they say nothing. The device is asked again before it is touched.

    facts.interfaces: name -> {"channels": {"rx", "tx", "combined" now, "max": {...}} or null, "rings": the same}.
    """
    listed = facts.get("interfaces")
    if not isinstance(listed, Mapping):
        return ()
    cards = []
    for name, row in listed.items():
        if isinstance(row, Mapping) and name != "lo" and params.chooses(name):
            one = card(name, _of_facts(row.get("channels")), _of_facts(row.get("rings")), params)
            if not params.is_pattern or all(one.found.get(option) is not None for option in one.wanted):
                cards.append(one)
    if not cards:
        names = ", ".join(name for name in listed if name != "lo")
        raise Impossible(Reason("interfaces", names or "none", f"{params.interface}, with what is asked for"))
    return tuple(cards)


def _of_facts(section: Json) -> parse.Amounts | None:
    most = section.get("max") if isinstance(section, Mapping) else None
    if not isinstance(section, Mapping) or not isinstance(most, Mapping):
        return None
    limits = {key: most[key] for key in ("rx", "tx", "combined") if isinstance(most.get(key), int) and most[key] > 0}
    now = {key: section[key] for key in limits if isinstance(section.get(key), int)}
    return parse.Amounts(limits, now) if limits and len(now) == len(limits) else None
