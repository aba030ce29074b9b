"""The verb `packages`: exact versions and nothing else, by a job that no lost connection cuts off; restarts counted.

The versions from before lie on the device before the new ones are installed, and the device puts them back by itself
unless it is reached over a new connection in time: a routing suite can be the way in.
"""

import secrets
from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from fleet.core.model import Json, PlannedStep, Reason, Reversibility, StepSpec
from fleet.core.states import TargetState
from playbooks import confirm, detached
from playbooks.base import Answer, Device, Impossible, Look, Seen, Session, Step
from playbooks.confirm import DeadMan
from playbooks.detached import Job, Stage
from playbooks.packages import kept, parse
from playbooks.params import Duration

_AGAIN_S = 2.0
_CACHE = "/var/cache/apt/archives"
_UNIT_OF = {"frr": "frr", "bird": "bird"}
_FORMAT = "-f=${Package} ${Version} ${db:Status-Abbrev}\\n"
_INSTALL = ["apt-get", *kept.APT]
Version = Annotated[str, Field(pattern=r"^[0-9A-Za-z][A-Za-z0-9.+:~-]{0,60}$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9+.-]{1,60}$")]


class PackagesParams(BaseModel):
    """Exact versions, what else may change with them, and how often the daemons may be restarted by it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    package: Name = Field(default="", validate_default=False, description="one package")
    version: Version = Field(default="", validate_default=False, description="its exact version")
    versions: dict[Name, Version] = Field(default_factory=dict, max_length=20, description="package > exact version")
    along: tuple[Name, ...] = Field(default=(), max_length=40, description="packages that may change with them")
    hold: bool = Field(default=True, description="apt-mark hold: nothing else upgrades them")
    restarts: int = Field(default=1, ge=0, le=5, strict=True, description="starts of the routing daemons that are fine")
    confirm: Duration = Field(
        default=600.0, ge=10.0, le=3600.0,
        description="the device puts the old versions back by itself unless it is reached so soon over a new "
        "connection; unpacking and start of the daemons are in it, the download is not",
    )  # fmt: skip
    within: Duration = Field(default=900.0, description="download, installation and start of the daemons together")

    @model_validator(mode="after")
    def _something(self) -> "PackagesParams":
        if bool(self.package) != bool(self.version) or not self.wanted():
            raise ValueError("package and version, or versions")
        return self

    def wanted(self) -> dict[str, str]:
        """Package > exact version."""
        return {**self.versions, **({self.package: self.version} if self.package else {})}


class Packages:
    """Install exact versions. The artifact holds what was there of everything that apt said it would change."""

    verb = "packages"
    phase = TargetState.APPLYING
    reversibility = Reversibility.IN_PLACE
    disruptive = True  # the package of a routing suite restarts its daemons
    acts = True
    repeatable = True  # the job has a token
    within_s = 900.0
    estimate_s = 60.0
    params_model = PackagesParams

    def plan(self, spec: StepSpec, device: Device, facts: Mapping[str, Json]) -> PlannedStep:
        params = PackagesParams.model_validate(spec.params)
        known = facts.get("packages")
        have = known if isinstance(known, Mapping) else {}
        diff = "".join(
            (f"-{name} {have[name]}\n" if have.get(name) else "") + f"+{name} {version}\n"
            for name, version in sorted(params.wanted().items())
            if have.get(name) != version
        )
        return PlannedStep(
            self.verb, spec.params, self.reversibility, self.disruptive, diff=diff,
            commands=(
                f"the versions from before are kept on the device; it puts them back by itself unless it is reached "
                f"within {params.confirm:.0f} s",
                *(" ".join(argv) for argv in _commands(params.wanted(), params.hold)),
            ),
            estimate_s=self.estimate_s, within_s=max(params.within, 2 * params.confirm),
        )  # fmt: skip

    def precheck(self, session: Session, step: Step) -> Look:
        params = PackagesParams.model_validate(step.params)
        wanted = [f"{name}={version}" for name, version in sorted(params.wanted().items())]
        answers = session.batch(
            {
                "installed": ["dpkg-query", "-W", _FORMAT, *sorted(params.wanted())],
                "held": ["apt-mark", "showhold"],
                "dry": [*_INSTALL, "-s", "install", *wanted],
                "unit": _show(step.device),
            },
            timeout_s=60.0,
            root=True,
        )
        have, held = parse.installed(_out(answers, "installed")), parse.held(_out(answers, "held"))
        dry, unit = answers.get("dry"), parse.unit(_out(answers, "unit"))
        if dry is None or not dry.ok:
            said = " ".join(dry.out.split())[-200:] if dry is not None else "no answer"
            reason = Reason(f"apt on {step.device.name}", said, "versions that it can install", "See apt-cache policy.")
            return Look(Seen.IMPOSSIBLE, (reason,))
        there = all(have.get(name) == version for name, version in params.wanted().items())
        if there and (not params.hold or set(params.wanted()) <= held):
            return Look(Seen.ALREADY, (), {"installed": dict(have)})
        changes = parse.simulated(dry.out).changes
        more = sorted(set(changes) - set(params.wanted()) - set(params.along))
        if more:
            found = ", ".join(f"{n} {changes[n][0] or 'none'} > {changes[n][1] or 'removed'}" for n in more[:10])
            remedy = "Name them in `along` if they are meant, and plan it again."
            reason = Reason(f"apt on {step.device.name}", f"would change {found}", "only these", remedy)
            return Look(Seen.IMPOSSIBLE, (reason,))
        artifact: dict[str, Json] = {
            "token": secrets.token_hex(4), "before": {n: pair[0] for n, pair in changes.items()},
            "held": sorted(held & set(params.wanted())), "invocation": unit.invocation if unit else "",
            "restarts": unit.restarts if unit else 0,
        }  # fmt: skip
        return Look(Seen.READY, (), {"installed": dict(have)}, artifact)

    def apply(self, session: Session, step: Step, *, deadline_s: float) -> None:
        """Begin with what makes a way back: `observe` arms the device and installs once it lies there."""
        params, before = PackagesParams.model_validate(step.params), _before(step)
        wanted = [f"{name}={version}" for name, version in sorted(params.wanted().items())]
        commands = [kept.keep(_token(step), before), kept.fetch(wanted)]
        detached.start(session, _job(step, "packages-keep"), commands, timeout_s=deadline_s)

    def observe(self, session: Session, step: Step) -> Look:
        """Kept, armed, installed; then the versions, the daemons, and a connection that was made after it."""
        look = self._installed(session, step)
        if look.seen in {Seen.IMPOSSIBLE, Seen.NOT_DONE}:
            return confirm.put_back(session, step) or look
        return confirm.confirmed(session, step, look.data) if look.seen is Seen.DONE else look

    def _install(self, session: Session, step: Step) -> Look:
        """Arm the device and have it begin; both again are harmless."""
        params, job, man = PackagesParams.model_validate(step.params), _job(step, "packages"), _man(step)
        stop = ["systemctl", "stop", f"{job.unit}.timer", f"{job.unit}.service"]
        confirm.arm(session, man, [stop, *_back(step)], within_s=params.confirm, lasting=True)
        detached.start(session, job, _commands(params.wanted(), params.hold), timeout_s=20.0)
        return Look(Seen.WAITING, (), {**step.progress, "doing": "installing"}, after_s=_AGAIN_S)

    def _installed(self, session: Session, step: Step) -> Look:
        """The jobs, the versions, then the daemons: active, and not restarted more often than is fine."""
        params = PackagesParams.model_validate(step.params)
        keeping = _of_job(session, step, "packages-keep")
        if keeping is not None:
            return keeping
        if detached.look(session, _job(step, "packages")).stage is Stage.NEVER:
            return self._install(session, step)
        waiting = _of_job(session, step, "packages")
        if waiting is not None:
            return waiting
        listing = ["dpkg-query", "-W", _FORMAT, *sorted(params.wanted())]
        answers = session.batch({"installed": listing, "unit": _show(step.device)}, root=True)
        have, unit = parse.installed(_out(answers, "installed")), parse.unit(_out(answers, "unit"))
        data: dict[str, Json] = {"installed": dict(have)}
        wrong = [
            Reason(f"package {name}", have.get(name, "not installed"), version)
            for name, version in sorted(params.wanted().items())
            if have.get(name) != version
        ]
        if wrong:
            return Look(Seen.IMPOSSIBLE, tuple(wrong), data)
        held = step.artifact or {}
        if unit is None or not held.get("invocation"):
            return Look(Seen.DONE, (), data)
        restarts = unit.since(str(held["invocation"]), int(held.get("restarts") or 0))
        data["restarts"] = restarts
        if unit.active != "active":
            reason = Reason(f"routing daemons of {step.device.name}", unit.active or "no state", "active")
            seen = Seen.IMPOSSIBLE if unit.active == "failed" else Seen.WAITING
            return Look(seen, (reason,), data, after_s=_AGAIN_S)
        if restarts > params.restarts:
            subject, most = f"routing daemons of {step.device.name}", f"at most {params.restarts}"
            reason = Reason(
                subject, f"{restarts} starts", most, "See journalctl of the service: it starts again and again."
            )
            return Look(Seen.IMPOSSIBLE, (reason,), data)
        return Look(Seen.DONE, (), data)

    def rollback(self, session: Session, step: Step, *, deadline_s: float) -> None:
        confirm.disarm(session, _man(step))
        detached.start(session, _job(step, "packages-back"), _back(step), timeout_s=deadline_s)

    def observe_rollback(self, session: Session, step: Step) -> Look:
        for kind in ("packages-keep", "packages", "packages-back"):
            seen = detached.look(session, _job(step, kind))
            if seen.stage in {Stage.RUNNING, Stage.UNKNOWN}:
                return Look(Seen.WAITING, (), step.progress, after_s=_AGAIN_S)
            if kind == "packages-back" and seen.stage is not Stage.NEVER and not seen.ok:
                why = Reason(f"packages of {step.device.name}", f"{seen.stage}, {seen.words}", "as before")
                return Look(Seen.IMPOSSIBLE, (why,), step.progress)
        if confirm.reverting(session, _man(step)):
            return Look(Seen.WAITING, (), {**step.progress, "doing": "putting itself back"}, after_s=_AGAIN_S)
        before, held = _before(step), _held(step)
        asked = {"installed": ["dpkg-query", "-W", _FORMAT, *sorted(before)], "held": ["apt-mark", "showhold"]}
        answers = session.batch(asked, root=True)
        have = parse.installed(_out(answers, "installed"))
        wrong = [Reason(f"package {n}", have.get(n, ""), v) for n, v in before.items() if have.get(n, "") != v]
        now = parse.held(_out(answers, "held"))
        wrong += [
            Reason(f"package {n}", "held" if n in now else "not held", "as before")
            for n in sorted(PackagesParams.model_validate(step.params).wanted())
            if (n in now) != (n in held)
        ]
        wrong += confirm.still_armed(session, step)
        return Look(Seen.NOT_DONE if wrong else Seen.DONE, tuple(wrong), {"installed": dict(have)})


def _token(step: Step) -> str:
    return _job(step, "packages").token


def _man(step: Step) -> DeadMan:
    return DeadMan(_token(step))


def _before(step: Step) -> dict[str, str]:
    """Package > version from before of everything that apt said it would change; "": it was not there."""
    found = (step.artifact or {}).get("before")
    return {str(n): str(v) for n, v in found.items()} if isinstance(found, Mapping) else {}


def _held(step: Step) -> frozenset[str]:
    found = (step.artifact or {}).get("held")
    return frozenset(str(name) for name in found) if isinstance(found, list) else frozenset()


def _back(step: Step) -> list[list[str]]:
    """What puts the versions, the daemons and the holds back; the device runs it, asked or by itself."""
    wanted, held = sorted(PackagesParams.model_validate(step.params).wanted()), _held(step)
    unit = _UNIT_OF.get(step.device.suite, "frr") if (step.artifact or {}).get("invocation") else ""
    hold = [["apt-mark", "hold", *sorted(held)]] if held else []
    return [["apt-mark", "unhold", *wanted], kept.back(_token(step), _before(step), unit), *hold, ["sync"]]


def _commands(versions: Mapping[str, str], hold: bool) -> list[Sequence[str]]:  # noqa: FBT001
    names = sorted(versions)
    install = [*_INSTALL, "install", *(f"{name}={versions[name]}" for name in names)]
    made: list[Sequence[str]] = [["apt-mark", "unhold", *names], install] if names else []
    return [*made, ["apt-mark", "hold", *names]] if hold and names else made


def _show(device: Device) -> list[str]:
    unit = _UNIT_OF.get(device.suite, "frr")
    return ["systemctl", "show", "-p", "ActiveState,InvocationID,NRestarts", unit]


def _job(step: Step, kind: str) -> Job:
    token = (step.artifact or {}).get("token")
    if not isinstance(token, str) or not token.isalnum():
        subject = f"packages of {step.device.name}"
        raise Impossible(Reason(subject, "no record of what was there", "the step's artifact"))
    return Job(kind, token)


def _of_job(session: Session, step: Step, kind: str) -> Look | None:
    """What a job's standing means while it is not well over; None when it is."""
    seen = detached.look(session, _job(step, kind))
    subject = f"packages of {step.device.name}"
    doing = "keeping the versions from before" if kind == "packages-keep" else "installing"
    match seen.stage:
        case Stage.ENDED if seen.status == 0:
            return None
        case Stage.RUNNING | Stage.UNKNOWN:
            return Look(Seen.WAITING, (), {**step.progress, "doing": doing}, after_s=_AGAIN_S)
        case Stage.NEVER:
            return Look(Seen.NOT_DONE, (Reason(subject, "not begun", "installed"),), step.progress)
        case _:
            found = f"exit status {seen.status}: {seen.words}" if seen.stage is Stage.ENDED else "begun and cut off"
            remedy = "See dpkg --audit and apt-get -f install; the router stays drained."
            if kind == "packages-keep":
                remedy = (
                    f"Nothing was installed. Bring them into {_CACHE}, or install dpkg-repack: no way back without."
                )
            return Look(Seen.IMPOSSIBLE, (Reason(subject, found, "exit status 0", remedy),), step.progress)


def _out(answers: Mapping[str, Answer], name: str) -> str:
    answer = answers.get(name)
    return answer.out if answer is not None else ""
