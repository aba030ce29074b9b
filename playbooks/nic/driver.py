"""The verb `nic`: queues and rings, at once and over a reboot, read back."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from pydantic import BaseModel, ConfigDict, Field, model_validator

from fleet.core import preconditions
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


    def facts(self) -> dict[str, tuple[Json, Json]]:
        """Path of a fact (core/preconditions.py) -> what it is, what it will be."""
        paths = {"-L": "queues.{}.{}", "-G": "interfaces.{}.rings.{}"}
        return {
            paths[option].format(self.name, key): (self._now(option).get(key), value)
            for option, wanted in self.wanted.items()
            for key, value in wanted.items()
        }


def _drifted(step: Step, cards: Iterable[Card]) -> tuple[Reason, ...]:
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
        bare = any(one.found.get(option) is None for option in one.wanted)
        if cannot and (params.interface == "all" or (params.is_pattern and bare)):
            left[one.name] = f"{cannot[0].found}, {cannot[0].wanted} wanted"
        else:
            kept.append(one)
    reasons = [reason for one in kept for reason in refusals(one)]
    if not kept:
        found = "; ".join(f"{name}: {why}" for name, why in left.items()) or ", ".join(names) or "none"
        reasons = [Reason(f"interfaces of {device}", found[:400], f"{params.interface}, with what is asked for")]
    return Choice(tuple(kept), left, tuple(reasons))


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
        chosen = _choice_of_facts(facts, params, device.name)
        if chosen.reasons:
            raise Impossible(chosen.reasons[0])
        cards = chosen.cards
        lines = [f"{r.subject}: {r.found} -> {r.wanted}\n" for one in cards for r in one.different()]
        lines += [f"{name} left alone: {why}\n" for name, why in chosen.left_alone.items()]
        commands = [render.setting(option, one.name, wanted) for one in cards for option, wanted in one.wanted.items()]
        return PlannedStep(
            self.verb, spec.params, self.reversibility, self.disruptive,
            diff="".join(lines), commands=(*(" ".join(c) for c in commands), f"write and enable {render.FILE}"),
            expected=preconditions.of_step({path: pair for one in cards for path, pair in one.facts().items()}),
            estimate_s=self.estimate_s, within_s=self.within_s,
        )  # fmt: skip

    def _look(self, session: Session, step: Step) -> tuple[Choice, dict[str, Answer], Look | None]:
        """The cards that are meant, the unit file, and the look that says why they cannot be told."""
        params = NicParams.model_validate(step.params)
        names = parse.interfaces(session.run(_LINKS).out)
        if names is None:
            reason = Reason(f"interfaces of {step.device.name}", "no list that can be read", "ip -j link show")
            return Choice((), {}), {}, Look(Seen.UNKNOWN, (reason,))
        matching = [name for name in names if params.chooses(name)]
        reads = {f"{option}:{n}": ["ethtool", read, n] for n in matching for option, read in _READ.items()}
        answers = session.batch({**reads, "unit": ["cat", render.FILE], "enabled": _ENABLED}, root=True)
        cards = (
            card(name, _amounts(answers.get(f"-L:{name}")), _amounts(answers.get(f"-G:{name}")), params)
            for name in matching
        )
        chosen = choice(names, cards, params, device=step.device.name)
        return chosen, answers, Look(Seen.IMPOSSIBLE, chosen.reasons) if chosen.reasons else None

    def precheck(self, session: Session, step: Step) -> Look:
        chosen, answers, refused = self._look(session, step)
        if refused is not None:
            return refused
        if not _not_yet(chosen.cards, answers):
            return Look(Seen.ALREADY, (), _data(chosen))
        if step.artifact is None and (moved := _drifted(step, chosen.cards)):
            return Look(Seen.UNKNOWN, moved, _data(chosen))
        artifact: dict[str, Json] = {
            "interfaces": {one.name: one.before() for one in chosen.cards},
            "unit": answers["unit"].out if answers["unit"].ok else None,
            "enabled": answers["enabled"].out.strip() == "enabled",
        }
        return Look(Seen.READY, (), _data(chosen), artifact)

    def apply(self, session: Session, step: Step, *, deadline_s: float) -> None:
        chosen, answers, refused = self._look(session, step)
        if refused is not None:
            raise Impossible(refused.reasons[0])
        lines = _lines({one.name: one.wanted for one in chosen.cards})
        before = answers["unit"].out if answers["unit"].ok else ""
        session.batch(_named(lines.values()), timeout_s=min(30.0, deadline_s), root=True)
        session.put(render.FILE, render.unit_text(before, lines))
        session.batch(
            {"reload": ["systemctl", "daemon-reload"], "enable": ["systemctl", "enable", render.UNIT]}, root=True
        )

    def observe(self, session: Session, step: Step) -> Look:
        """DONE when every card reads back as wanted and the unit is there and enabled."""
        chosen, answers, refused = self._look(session, step)
        if refused is not None:
            return refused
        left = (*_lost(chosen, step.artifact), *_not_yet(chosen.cards, answers))
        return Look(Seen.NOT_DONE if left else Seen.DONE, left, _data(chosen))

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
        chosen, answers, refused = self._look(session, step)
        if refused is not None:
            return refused
        wrong = [
            reason
            for one in chosen.cards
            if one.name in before
            for reason in Card(one.name, one.found, before[one.name]).different()
        ]
        now = answers["unit"].out if answers["unit"].ok else None
        if now != unit:
            wrong.append(Reason(render.FILE, "not as before", "the content from before, or no file"))
        return Look(Seen.NOT_DONE if wrong else Seen.DONE, tuple(wrong), _data(chosen))


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


def _lost(chosen: Choice, artifact: Mapping[str, Json] | None) -> tuple[Reason, ...]:
    """Cards that were meant before the first touch and cannot be read as such any more: not a success."""
    before = (artifact or {}).get("interfaces")
    gone = sorted(set(before) - {one.name for one in chosen.cards}) if isinstance(before, Mapping) else []
    return tuple(Reason(name, chosen.left_alone.get(name, "no such interface"), "as wanted") for name in gone)


def _data(chosen: Choice) -> Mapping[str, Json]:
    before = {one.name: one.before() for one in chosen.cards}
    return {"interfaces": before, **({"left_alone": dict(chosen.left_alone)} if chosen.left_alone else {})}


def _artifact(step: Step) -> tuple[Mapping[str, Mapping[str, Mapping[str, int]]], str | None, bool]:
    held = step.artifact or {}
    before = held.get("interfaces")
    if not isinstance(before, Mapping):
        raise Impossible(Reason(f"rollback of {step.verb}", "no settings on record", "those from before"))
    unit = held.get("unit")
    return before, unit if isinstance(unit, str) else None, held.get("enabled") is True


def _choice_of_facts(facts: Mapping[str, Json], params: NicParams, device: str) -> Choice:
    """The cards as the facts saw them; none where they say nothing. The device is asked again before it is touched.

    facts.interfaces: name -> {"channels": {"rx", "tx", "combined" now, "max": {...}} or null, "rings": the same}.
    """
    listed = facts.get("interfaces")
    if not isinstance(listed, Mapping):
        return Choice((), {})
    rows = {name: row for name, row in listed.items() if isinstance(row, Mapping) and name != "lo"}
    cards = (
        card(name, _of_facts(row.get("channels")), _of_facts(row.get("rings")), params)
        for name, row in rows.items()
        if params.chooses(name)
    )
    return choice(rows, cards, params, device=device)


def _of_facts(section: Json) -> parse.Amounts | None:
    most = section.get("max") if isinstance(section, Mapping) else None
    if not isinstance(section, Mapping) or not isinstance(most, Mapping):
        return None
    limits = {key: most[key] for key in ("rx", "tx", "combined") if isinstance(most.get(key), int) and most[key] > 0}
    now = {key: section[key] for key in limits if isinstance(section.get(key), int)}
    return parse.Amounts(limits, now) if limits and len(now) == len(limits) else None
