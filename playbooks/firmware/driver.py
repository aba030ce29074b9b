"""The verb `firmware`: flashed once by a job that nothing of ours cuts off, started anew, read back from the card."""

import secrets
from collections.abc import Mapping

from fleet.core.model import Json, PlannedStep, Reason, Reversibility, StepSpec
from fleet.core.states import TargetState
from playbooks import boot, detached
from playbooks.base import Answer, Device, Impossible, Look, Seen, Session, Step
from playbooks.detached import Job, Progress, Stage
from playbooks.firmware import parse, tools
from playbooks.firmware.params import Activate, FirmwareParams, Tool
from playbooks.firmware.parse import Card, Flashed

_AGAIN_S, _FLASH_AGAIN_S = 2.0, 5.0
_UNCHANGED_S = 180.0  # a machine that was told to restart and still answers in its old boot
_ASK_S = 120.0  # an inventory of four cards takes nvmupdate half a minute
_POWER_CYCLE = ("ipmitool", "chassis", "power", "cycle")
_STAYS = "Nothing of it is repeated by itself. The router stays drained: look at its console and its card."


class Firmware:
    """Flash one card. Done only when the card itself says that it runs the wanted version, after its restart.

    `observe` is the second half of the act: it has the machine restarted once the flash has ended well.
    """

    verb = "firmware"
    phase = TargetState.APPLYING
    reversibility = Reversibility.BY_REFLASH
    disruptive = True  # every port of the card blinks
    acts = True
    repeatable = True  # a job that was begun is never begun again
    within_s = 3600.0
    estimate_s = 900.0
    params_model = FirmwareParams

    def plan(self, spec: StepSpec, device: Device, facts: Mapping[str, Json]) -> PlannedStep:
        params = FirmwareParams.model_validate(spec.params)
        nic, ports = _of_facts(facts, params.interface)
        _refuse_by_facts(params, device, facts, nic)
        card = Card(str(nic.get("driver") or ""), str(nic.get("bus") or "BUS"))
        job = Job(self.verb, "TOKEN")
        now = str(nic.get("nvm") or nic.get("firmware") or "unknown")
        diff = f"{params.interface} ({card.driver or 'card'}, {card.bus}): firmware {now} -> {params.version}\n"
        diff += f"flashed with it, being ports of the same card: {', '.join(ports)}\n" if ports else ""
        digests = tuple(f"sha256sum {path} = {digest}" for path, digest in params.digests().items())
        flash = " ".join(tools.flash(params, card, "MAC", job))
        after = {Activate.POWER_CYCLE: " ".join(_POWER_CYCLE), Activate.RESET: "reset of the card"}
        restart = after.get(params.activate, "systemctl reboot (a power cycle where the tool asks for one)")
        return PlannedStep(
            self.verb, spec.params, params.reversible, self.disruptive, diff=diff,
            commands=(*digests, flash, restart, f"the card says {params.version}"),
            estimate_s=self.estimate_s, within_s=params.within,
        )  # fmt: skip

    def precheck(self, session: Session, step: Step) -> Look:
        """Everything that can refuse a flash is asked here, while nothing was touched: files, card, dry run."""
        params = FirmwareParams.model_validate(step.params)
        job = Job(self.verb, _token(step) or secrets.token_hex(4))
        read = _read(session, params, job, dry=True)
        if isinstance(read, Reason):
            return Look(Seen.UNKNOWN, (read,))
        card, mac, answers = read
        found = tools.versions(params, card, answers)
        data: dict[str, Json] = {"running": found.running, "stored": found.stored, "bus": card.bus}
        if parse.same(found.running, params.version, nvm=params.tool is Tool.NVMUPDATE):
            return Look(Seen.ALREADY, (), data)
        reasons = [*_wrong_files(params, answers), *filter(None, [_wrong_tool(params, card)])]
        if not reasons and (no := tools.refusal(params, answers)) is not None:
            reasons.append(no)
        if not found.running and not reasons:
            unread = Reason(f"firmware of {params.interface}", "no version that can be read", "one to start from")
            reasons.append(unread)
        boot_id = boot.boot_id(answers["boot"].out) if "boot" in answers else None
        if boot_id is None:
            reasons.append(Reason(f"boot id of {step.device.name}", "nothing that can be read", "/proc/sys/kernel"))
        if reasons:
            return Look(Seen.IMPOSSIBLE, tuple(reasons), data)
        artifact: dict[str, Json] = {
            "token": job.token, "boot_id": boot_id, "bus": card.bus, "driver": card.driver, "mac": mac,
            "before": found.running,
        }  # fmt: skip
        return Look(Seen.READY, (), data, artifact)

    def apply(self, session: Session, step: Step, *, deadline_s: float) -> None:
        params, job = FirmwareParams.model_validate(step.params), _job(step)
        command = tools.flash(params, _card(step), str((step.artifact or {}).get("mac") or ""), job)
        detached.start(session, job, [command], timeout_s=deadline_s)

    def observe(self, session: Session, step: Step) -> Look:
        """The flash, what the tool says of it, the restart, and at last what the card says: only that is DONE."""
        params, job = FirmwareParams.model_validate(step.params), _job(step)
        seen = detached.look(session, job)
        match seen.stage:
            case Stage.RUNNING | Stage.UNKNOWN:
                return Look(Seen.WAITING, (), {**step.progress, "doing": "flashing"}, after_s=_FLASH_AGAIN_S)
            case Stage.NEVER:
                return Look(Seen.NOT_DONE, (_never(step, params),), step.progress)
            case Stage.CUT_OFF:
                return Look(Seen.IMPOSSIBLE, (_cut_off(session, step, params, seen),), step.progress)
            case Stage.ENDED:
                flashed = tools.result(session, params, seen, job)
        data: dict[str, Json] = {**step.progress, "tool": flashed.words}
        if not flashed.ok:
            return Look(Seen.IMPOSSIBLE, (_failed(step, params, flashed),), data)
        return self._started(session, step, params, flashed, data)

    def _started(
        self, session: Session, step: Step, params: FirmwareParams, flashed: Flashed, data: dict[str, Json]
    ) -> Look:
        """The tool says that it is flashed: have it started, and read it back."""
        read = _read(session, params, _job(step), dry=False)
        if isinstance(read, Reason):
            return Look(Seen.UNKNOWN, (read,), data, after_s=_AGAIN_S)
        card, _, answers = read
        before, now = str((step.artifact or {}).get("boot_id")), boot.boot_id(answers["boot"].out)
        reset = tools.reset(params, _card(step)) if params.activate is Activate.RESET else None
        if reset is not None and "reset_at_s" not in data:
            session.run(reset, timeout_s=_ASK_S, root=True)
            return Look(Seen.WAITING, (), {**data, "reset_at_s": step.waited_s}, after_s=_AGAIN_S)
        if reset is None and now == before:
            return self._restart(session, step, params, flashed, data)
        found = tools.versions(params, card, answers)
        data |= {"running": found.running, "stored": found.stored}
        if parse.same(found.running, params.version, nvm=params.tool is Tool.NVMUPDATE):
            return Look(Seen.DONE, (), {**data, "before": (step.artifact or {}).get("before")})
        return Look(Seen.IMPOSSIBLE, (_other_version(step, params, found.running, flashed),), data)

    def _restart(
        self, session: Session, step: Step, params: FirmwareParams, flashed: Flashed, data: dict[str, Json]
    ) -> Look:
        since = data.get("restart_at_s")
        since_s = float(since) if isinstance(since, int | float) else step.waited_s
        cycle = flashed.power_cycle or params.activate is Activate.POWER_CYCLE
        if cycle and params.activate is Activate.REBOOT:
            remedy = f"Power it off and on at its console; then the card should say {params.version}. {_STAYS}"
            found = "a power cycle, which the tool asks for and the change does not have"
            return Look(Seen.IMPOSSIBLE, (Reason(f"restart of {step.device.name}", found, "a reboot", remedy),), data)
        if step.waited_s - since_s > _UNCHANGED_S:
            found = f"the old boot {step.waited_s - since_s:.0f} s after the order"
            reason = Reason(f"restart of {step.device.name}", found, "a new boot", _STAYS)
            return Look(Seen.IMPOSSIBLE, (reason,), data)
        command = _POWER_CYCLE if cycle else ("systemctl", "reboot")
        boot.order(session, str((step.artifact or {}).get("boot_id")), timeout_s=20.0, command=command)
        made = {**data, "restart_at_s": since_s, "restart": "power cycle" if cycle else "reboot"}
        return Look(Seen.WAITING, (), made, after_s=_AGAIN_S)

    def rollback(self, session: Session, step: Step, *, deadline_s: float) -> None:
        """Never by itself: the only way back is another flash, which people plan and approve."""
        raise Impossible(_by_hand(step))

    def observe_rollback(self, session: Session, step: Step) -> Look:
        """DONE where no flash was ever begun; else a person decides."""
        if detached.look(session, _job(step)).stage is Stage.NEVER:
            return Look(Seen.DONE)
        return Look(Seen.IMPOSSIBLE, (_by_hand(step),), step.progress)


def _read(
    session: Session, params: FirmwareParams, job: Job, *, dry: bool
) -> tuple[Card, str, Mapping[str, Answer]] | Reason:
    """The card, its address, and all answers. Two round trips: what is asked depends on where the card sits."""
    name = params.interface
    first_asked = {"driver": ["ethtool", "-i", name], "mac": ["ethtool", "-P", name], "boot": boot.BOOT_ID}
    first = session.batch(first_asked, root=True)
    card = parse.card(first["driver"].out) if "driver" in first and first["driver"].ok else Card()
    mac = parse.mac(first["mac"].out) if "mac" in first else ""
    if not card.bus:
        said = first["driver"].out if "driver" in first else ""
        found = " ".join(said.split())[:200] or "no answer"
        return Reason(f"interface {params.interface} of {session.device.name}", found, "a card on the PCI bus")
    asked = tools.questions(params, card, mac, job)
    if not dry:
        asked = {key: argv for key, argv in asked.items() if key == "info"}
    else:
        asked |= {f"sha:{n}": ["sha256sum", path] for n, path in enumerate(params.digests())}
    more = session.batch(asked, timeout_s=_ASK_S, root=True) if asked else {}
    return card, mac, {**first, **more}


def _wrong_files(params: FirmwareParams, answers: Mapping[str, Answer]) -> list[Reason]:
    reasons = []
    for number, (path, digest) in enumerate(params.digests().items()):
        answer = answers.get(f"sha:{number}")
        words = answer.out.split() if answer is not None and answer.ok else []
        found = words[0][:64] if words else "no such file"
        if found != digest:
            reasons.append(Reason(path, found, f"SHA-256 {digest}", "Bring the approved file onto the device."))
    return reasons


def _wrong_tool(params: FirmwareParams, card: Card) -> Reason | None:
    if card.driver in tools.FAMILIES[params.tool]:
        return None
    wanted = ", ".join(sorted(tools.FAMILIES[params.tool]))
    return Reason(f"{params.tool} on {params.interface}", f"a card of {card.driver or 'an unknown driver'}", wanted)


def _refuse_by_facts(
    params: FirmwareParams, device: Device, facts: Mapping[str, Json], nic: Mapping[str, Json]
) -> None:
    """Raise Impossible for what the facts already show: no such card, another family, an OEM's card."""
    subject = f"{params.interface} of {device.name}"
    if isinstance(facts.get("interfaces"), Mapping) and not nic:
        raise Impossible(Reason(subject, "no card", "an interface with a card"))
    if nic and (wrong := _wrong_tool(params, Card(str(nic.get("driver") or "")))) is not None:
        raise Impossible(wrong)
    pci = nic.get("pci")
    vendor = str(pci.get("subvendor") or "").removeprefix("0x") if isinstance(pci, Mapping) else ""
    if params.tool is Tool.NVMUPDATE and vendor not in {"", "8086"}:
        found = f"a card of another maker (subsystem vendor {vendor})"
        raise Impossible(Reason(subject, found, "Intel's own", "Use the firmware of the maker of the card or server."))


def _of_facts(facts: Mapping[str, Json], interface: str) -> tuple[Mapping[str, Json], list[str]]:
    """The card of an interface by the facts, and the other ports of it."""
    listed = facts.get("interfaces")
    rows = {n: r.get("nic") for n, r in listed.items() if isinstance(r, Mapping)} if isinstance(listed, Mapping) else {}
    nic = rows.get(interface)
    if not isinstance(nic, Mapping):
        return {}, []
    slot = str(nic.get("bus") or "").rpartition(".")[0]
    beside = [
        n for n, r in rows.items() if isinstance(r, Mapping) and slot and str(r.get("bus")).startswith(f"{slot}.")
    ]
    return nic, sorted(n for n in beside if n != interface)


def _token(step: Step) -> str:
    token = (step.artifact or {}).get("token")
    return token if isinstance(token, str) and token.isalnum() else ""


def _job(step: Step) -> Job:
    if not _token(step):
        raise Impossible(Reason(f"firmware of {step.device.name}", "no record of the flash", "the step's artifact"))
    return Job("firmware", _token(step))


def _card(step: Step) -> Card:
    held = step.artifact or {}
    return Card(str(held.get("driver") or ""), str(held.get("bus") or ""))


def _subject(step: Step, params: FirmwareParams) -> str:
    return f"flash of {params.interface} on {step.device.name}"


def _never(step: Step, params: FirmwareParams) -> Reason:
    return Reason(_subject(step, params), "not begun", "a flash that ends", "Nothing was touched.")


def _cut_off(session: Session, step: Step, params: FirmwareParams, seen: Progress) -> Reason:
    read = _read(session, params, _job(step), dry=False)
    says = "a version that cannot be read"
    if not isinstance(read, Reason):
        card, _, answers = read
        says = tools.versions(params, card, answers).running or card.firmware or says
    how = "the machine restarted in the middle of it" if seen.other_boot else "nothing is at work on it"
    return Reason(
        _subject(step, params), f"begun and never ended: {how}; the card says {says}", "a flash that ends",
        f"The card may be in recovery mode: flash it again before any restart. {_STAYS}",
    )  # fmt: skip


def _failed(step: Step, params: FirmwareParams, flashed: Flashed) -> Reason:
    if flashed.nothing:
        return Reason(_subject(step, params), f"nothing was flashed: {flashed.words}", "a flash", _STAYS)
    return Reason(_subject(step, params), f"{params.tool} failed with {flashed.words}", "a flash that succeeds", _STAYS)


def _other_version(step: Step, params: FirmwareParams, running: str, flashed: Flashed) -> Reason:
    more = " The tool says that a second run is needed." if flashed.again else ""
    return Reason(
        _subject(step, params),
        f'the tool said "{flashed.words[:120]}", and after the restart the card runs {running or "an unknown version"}',
        f"{params.version}, read back from the card", _STAYS + more,
    )  # fmt: skip


def _by_hand(step: Step) -> Reason:
    before = (step.artifact or {}).get("before") or "the one before"
    return Reason(
        f"firmware of {step.device.name}", "a flash, which is not undone by itself", "a way back",
        f"Plan a change that flashes {before}, or keep what is there and release the device.",
    )  # fmt: skip
