"""The verb `nic`: queues, rings and all else that a card lets be set, at once and over a reboot, read back."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fleet.core import preconditions
from fleet.core.model import Json, PlannedStep, Reason, Reversibility, StepSpec
from fleet.core.states import TargetState
from playbooks import confirm, ethtool_texts
from playbooks.base import Answer, Device, Impossible, Look, Seen, Session, Step
from playbooks.nic import link_file, parse, procfs, render, scripts
from playbooks.nic.cards import READ, Card, Choice, card, choice, choice_of_facts, drifted
from playbooks.nic.params import NicParams
from playbooks.nic.settings import CPUS_FILE, CPUS_SCRIPT, State, state

__all__ = ["Nic", "NicParams"]

_LINKS = ["ip", "-j", "link", "show"]
_ENABLED = ["systemctl", "is-enabled", render.UNIT]
_BALANCER = "irqbalance"
_BALANCING = ["systemctl", "is-active", _BALANCER]


class Nic:
    """Set cards. The artifact holds what was set, the unit file, whether it was enabled, whether irqbalance ran."""

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
        chosen = choice_of_facts(facts, params, device.name)
        if chosen.reasons:
            raise Impossible(chosen.reasons[0])
        cards = chosen.cards
        lines = [f"{r.subject}: {r.found} -> {r.wanted}\n" for one in cards for r in one.different()]
        lines += [f"{name} left alone: {why}\n" for name, why in chosen.left_alone.items()]
        lines += ["irqbalance: stopped and disabled\n"] if not params.irqbalance else []
        lines += [f"a mitigation, until {params.until}: {params.because}\n"] if params.until else []
        commands = [" ".join(argv) for one in cards for argv in render.commands(one)]
        return PlannedStep(
            self.verb, spec.params, self.reversibility, self.disruptive,
            diff="".join(lines), commands=(_armed(params), *commands, *_kept_by(cards)),
            expected=preconditions.of_step({path: pair for one in cards for path, pair in one.facts().items()}),
            estimate_s=self.estimate_s, within_s=max(self.within_s, 2 * params.confirm),
        )  # fmt: skip

    def _look(self, session: Session, step: Step) -> tuple[Choice, dict[str, Answer], Look | None]:
        """The cards that are meant, the unit file, and the look that says why they cannot be told."""
        params = NicParams.model_validate(step.params)
        names = parse.interfaces(session.run(_LINKS).out)
        if names is None:
            reason = Reason(f"interfaces of {step.device.name}", "no list that can be read", "ip -j link show")
            return Choice((), {}), {}, Look(Seen.UNKNOWN, (reason,))
        matching = [name for name in names if params.chooses(name)]
        reads = {f"{option}:{n}": ["ethtool", read, n] for n in matching for option, read in READ.items()}
        if params.until is None:  # a mitigation stands in the unit, with its reason
            reads |= {f"link:{n}": [*scripts.link(), n] for n in matching}
        if params.has_settings:
            reads |= {f"state:{n}": [*scripts.state(), n] for n in matching} | {"balancing": _BALANCING}
        answers = session.batch({**reads, "unit": ["cat", render.FILE], "enabled": _ENABLED}, root=True)
        cards = (
            card(
                name, _amounts(answers.get(f"-L:{name}")), _amounts(answers.get(f"-G:{name}")), params,
                state=_state(answers.get(f"state:{name}")), link=_governed(name, answers.get(f"link:{name}")),
            )
            for name in matching
        )  # fmt: skip
        chosen = choice(names, cards, params, device=step.device.name)
        reasons = (*chosen.reasons, *_balanced(params, answers, step.device.name))
        return chosen, answers, Look(Seen.IMPOSSIBLE, reasons) if reasons else None

    def precheck(self, session: Session, step: Step) -> Look:
        chosen, answers, refused = self._look(session, step)
        if refused is not None:
            return refused
        if not _not_yet(chosen.cards, answers, step):
            return Look(Seen.ALREADY, (), _data(chosen))
        if step.artifact is None and (moved := drifted(step, chosen.cards)):
            return Look(Seen.UNKNOWN, moved, _data(chosen))
        artifact: dict[str, Json] = {
            "interfaces": {one.name: one.before() for one in chosen.cards},
            "unit": answers["unit"].out if answers["unit"].ok else None,
            "enabled": answers["enabled"].out.strip() == "enabled",
            "links": {one.name: one.link.text for one in chosen.cards if one.link and render.link_text(one)},
            "token": secrets.token_hex(4),
        }
        if any(one.settings for one in chosen.cards):
            artifact["settings"] = {one.name: [_kept(s) for s in one.settings] for one in chosen.cards}
            artifact["irqbalance"] = _is_balancing(answers)
        return Look(Seen.READY, (), _data(chosen), artifact)

    def apply(self, session: Session, step: Step, *, deadline_s: float) -> None:
        chosen, answers, refused = self._look(session, step)
        if refused is not None:
            raise Impossible(refused.reasons[0])
        params = NicParams.model_validate(step.params)
        self._arm(session, step, params)
        if any(CPUS_FILE in s.argv for one in chosen.cards for s in one.settings):
            session.put(CPUS_FILE, CPUS_SCRIPT, mode="0755")
        if not params.irqbalance and _is_balancing(answers):
            session.run(["systemctl", "disable", "--now", _BALANCER], root=True)
        before = answers["unit"].out if answers["unit"].ok else ""
        commands = [argv for one in chosen.cards for argv in render.commands(one)]
        session.batch(_named(commands), timeout_s=min(30.0, deadline_s), root=True)
        for one in chosen.cards:
            if one.link is not None and (text := render.link_text(one)) is not None:
                session.put(one.link.path, text)
        unit = render.unit_text(before, render.lines(chosen.cards), note=_note(params))
        _keep_unit(session, unit, enabled=unit is not None)

    def observe(self, session: Session, step: Step) -> Look:
        """DONE when every card reads back as wanted and the unit is there and enabled."""
        chosen, answers, refused = self._look(session, step)
        if refused is not None:
            return refused
        left = (*_lost(chosen, step.artifact), *_not_yet(chosen.cards, answers, step))
        if left:
            return confirm.put_back(session, step) or Look(Seen.NOT_DONE, left, _data(chosen))
        return confirm.confirmed(session, step, _data(chosen))

    def _arm(self, session: Session, step: Step, params: NicParams) -> None:
        """What rollback does, as a script on the device: a card can be the way in."""
        man = confirm.of(step)
        if man is None:
            return
        before, unit, enabled = _artifact(step)
        held = _held(step)
        back = [argv for name, options in before.items() for argv in render.back(name, options, held.get(name, ()))]
        balancing = (step.artifact or {}).get("irqbalance") is True
        back += [["systemctl", "enable", "--now", _BALANCER]] if balancing else []
        back += [["systemctl", "disable", render.UNIT]] if not enabled else []
        links = {link_file.Governed(name).path: text for name, text in _links(step).items()}
        back += [*confirm.files_back(session, man, {render.FILE: unit, **links}), ["systemctl", "daemon-reload"]]
        confirm.arm(session, man, back, within_s=params.confirm, lasting=True)

    def rollback(self, session: Session, step: Step, *, deadline_s: float) -> None:
        before, unit, enabled = _artifact(step)
        held = _held(step)
        if (man := confirm.of(step)) is not None:
            confirm.disarm(session, man)
        commands = [argv for name, options in before.items() for argv in render.back(name, options, held.get(name, ()))]
        session.batch(_named(commands), timeout_s=min(30.0, deadline_s), root=True)
        if (step.artifact or {}).get("irqbalance") is True:
            session.run(["systemctl", "enable", "--now", _BALANCER], root=True)
        for name, text in _links(step).items():
            _put_back(session, link_file.Governed(name).path, text)
        _keep_unit(session, unit, enabled=enabled)

    def observe_rollback(self, session: Session, step: Step) -> Look:
        before, unit, _ = _artifact(step)
        chosen, answers, refused = self._look(session, step)
        if refused is not None and not chosen.cards:
            return refused
        wrong = [
            reason
            for one in chosen.cards
            if one.name in before
            for reason in Card(one.name, one.found, before[one.name]).different()
        ]
        wrong += [reason for one in chosen.cards for reason in _not_back(one, _held(step).get(one.name, ()))]
        now = answers["unit"].out if answers["unit"].ok else None
        if now != unit:
            wrong.append(Reason(render.FILE, "not as before", "the content from before, or no file"))
        links = _links(step)
        changed = [
            one.link.path for one in chosen.cards if one.link and one.link.text != links.get(one.name, one.link.text)
        ]
        wrong += [Reason(path, "not as before", "the content from before, or no file") for path in changed]
        wrong += confirm.still_armed(session, step)
        return Look(Seen.NOT_DONE if wrong else Seen.DONE, tuple(wrong), _data(chosen))


def _armed(params: NicParams) -> str:
    return f"the device puts all of it back by itself unless it is reached within {params.confirm:.0f} s"


def _keep_unit(session: Session, text: str | None, *, enabled: bool) -> None:
    """The unit as it is to be, or none: a unit that starts nothing is refused by systemd."""
    if not enabled:
        session.run(["systemctl", "disable", render.UNIT], root=True)
    _put_back(session, render.FILE, text)
    after = {"enable": ["systemctl", "enable", render.UNIT]} if enabled else {}
    session.batch({"reload": ["systemctl", "daemon-reload"], **after}, root=True)


def _put_back(session: Session, path: str, text: str | None) -> None:
    if text is not None:
        session.put(path, text)
    else:
        session.run(["rm", "-f", path], root=True)


def _links(step: Step) -> Mapping[str, str | None]:
    """Interface > its .link file of ours from before; None: there was none."""
    held = (step.artifact or {}).get("links")
    return {str(k): v if isinstance(v, str) else None for k, v in held.items()} if isinstance(held, Mapping) else {}


def _governed(name: str, answer: Answer | None) -> link_file.Governed | None:
    said = answer.out if answer is not None and answer.ok else ""
    return link_file.governed(name, said) if said.strip() else None


def _amounts(answer: Answer | None) -> parse.Amounts | None:
    return parse.amounts(answer.out) if answer is not None else None


def _state(answer: Answer | None) -> State | None:
    if answer is None or not answer.out.strip():
        return None
    part = ethtool_texts.section(answer.out)
    rows = [row for row in part.lists.get("irq", []) if len(row) > 2 and row[0].isdecimal() and len(row[0]) < 8]
    queues = procfs.receive_queues({int(row[0]): row[2].strip() for row in rows}, queues=None)
    cpus = {int(row[0]): row[1] for row in rows}
    vectors = {queue: cpus[irq] for irq, queue in queues.items()}
    return state(part, part.fields.get("driver", ""), vectors or None)


def _is_balancing(answers: Mapping[str, Answer]) -> bool:
    answer = answers.get("balancing")
    return answer is not None and answer.ok and answer.out.strip() == "active"


def _balanced(params: NicParams, answers: Mapping[str, Answer], device: str) -> tuple[Reason, ...]:
    """irqbalance moves within 10 s what is pinned by hand: who pins says what becomes of it."""
    if params.interrupts is None or not params.irqbalance or not _is_balancing(answers):
        return ()
    remedy = "Say irqbalance: false to have it stopped, or leave the interrupts to it."
    return (Reason(f"interrupts of {device}", "irqbalance runs and would move them", "one who decides", remedy),)


def _note(params: NicParams) -> str:
    return f"until {params.until}: {params.because}" if params.until else ""


def _kept_by(cards: Iterable[Card]) -> tuple[str, ...]:
    """What keeps it over a boot, as far as it is known before the device is asked."""
    argvs = [(one.link, argv) for one in cards for argv in render.persistent(one)]
    named = sorted({key for link, argv in argvs if link for key in link_file.lines_of(argv) or ()})
    every = all(link and link_file.lines_of(argv) for link, argv in argvs)
    link = (
        f"write {link_file.FOLDER}/10-slipway-INTERFACE.link: {', '.join(named)}, where systemd-udevd governs the card"
    )
    unit = f"write and enable {render.FILE}{', where it does not' if every and named else ''}"
    return (link, unit) if named else (unit,)


def _kept(setting: Any) -> Json:
    return {"name": setting.name, "found": setting.found, "back": list(setting.back)}


def _held(step: Step) -> Mapping[str, Sequence[Mapping[str, Json]]]:
    """Interface > what its settings were: name, found, and the command that puts them back."""
    found = (step.artifact or {}).get("settings")
    return found if isinstance(found, Mapping) else {}


def _not_back(one: Card, held: Sequence[Mapping[str, Json]]) -> list[Reason]:
    now = {s.name: s.found for s in one.settings}
    return [
        Reason(f"{one.name}, {row['name']}", str(now.get(str(row["name"]))), str(row["found"]))
        for row in held
        if row["found"] is not None and now.get(str(row["name"])) != row["found"]
    ]


def _named(commands: Iterable[Sequence[str]]) -> dict[str, list[str]]:
    return {f"set{index}": list(argv) for index, argv in enumerate(commands)}


def _not_yet(cards: Iterable[Card], answers: Mapping[str, Answer], step: Step) -> tuple[Reason, ...]:
    """What is not as wanted: in the cards, in the unit, whether the unit is enabled, whether irqbalance runs."""
    cards, params = tuple(cards), NicParams.model_validate(step.params)
    reasons = [reason for one in cards for reason in one.different()]
    before = answers["unit"].out if answers["unit"].ok else ""
    unit = render.unit_text(before, render.lines(cards), note=_note(params))
    if (before or None) != unit:
        reasons.append(Reason(render.FILE, "not these settings", "these settings at every boot"))
    for one in cards:
        if one.link is not None and (text := render.link_text(one)) is not None and text != one.link.text:
            reasons.append(Reason(one.link.path, "not these settings", "these settings at every boot"))
    if unit is not None and answers["enabled"].out.strip() != "enabled":
        reasons.append(Reason(render.UNIT, answers["enabled"].out.strip()[:60] or "not enabled", "enabled"))
    if not params.irqbalance and _is_balancing(answers):
        reasons.append(Reason(_BALANCER, "active", "stopped and disabled"))
    return tuple(reasons)


def _lost(chosen: Choice, artifact: Mapping[str, Json] | None) -> tuple[Reason, ...]:
    """Cards that were meant before the first touch and cannot be read as such any more: not a success."""
    before = (artifact or {}).get("interfaces")
    gone = sorted(set(before) - {one.name for one in chosen.cards}) if isinstance(before, Mapping) else []
    return tuple(Reason(name, chosen.left_alone.get(name, "no such interface"), "as wanted") for name in gone)


def _data(chosen: Choice) -> Mapping[str, Json]:
    before = {one.name: one.before() for one in chosen.cards}
    settings = {one.name: {s.name: s.found for s in one.settings} for one in chosen.cards if one.settings}
    return {
        "interfaces": before,
        **({"settings": settings} if settings else {}),
        **({"left_alone": dict(chosen.left_alone)} if chosen.left_alone else {}),
    }


def _artifact(step: Step) -> tuple[Mapping[str, Mapping[str, Mapping[str, int]]], str | None, bool]:
    held = step.artifact or {}
    before = held.get("interfaces")
    if not isinstance(before, Mapping):
        raise Impossible(Reason(f"rollback of {step.verb}", "no settings on record", "those from before"))
    unit = held.get("unit")
    return before, unit if isinstance(unit, str) else None, held.get("enabled") is True
