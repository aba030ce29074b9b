"""The verb `packages`: exact versions and nothing else, by a job that no lost connection cuts off; restarts counted."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from fleet.core.model import Json, PlannedStep, Reason, Reversibility, StepSpec
from fleet.core.states import TargetState
from playbooks import detached
from playbooks.base import Answer, Device, Impossible, Look, Seen, Session, Step
from playbooks.detached import Job, Stage
from playbooks.packages import parse
from playbooks.params import Duration

_AGAIN_S = 2.0
_UNIT_OF = {"frr": "frr", "bird": "bird"}
_FORMAT = "-f=${Package} ${Version} ${db:Status-Abbrev}\\n"
_INSTALL = [
    "apt-get", "-y", "-o", "Dpkg::Options::=--force-confold", "--no-install-recommends", "--allow-downgrades",
    "--allow-change-held-packages",
]  # fmt: skip
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
            commands=tuple(" ".join(argv) for argv in _commands(params.wanted(), params.hold)),
            estimate_s=self.estimate_s, within_s=params.within,
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
        params = PackagesParams.model_validate(step.params)
        commands = _commands(params.wanted(), params.hold)
        detached.start(session, _job(step, "packages"), commands, timeout_s=deadline_s)

    def observe(self, session: Session, step: Step) -> Look:
        """The job, the versions, then the daemons: active, and not restarted more often than is fine."""
        params = PackagesParams.model_validate(step.params)
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
        held = step.artifact or {}
        before = {str(n): str(v) for n, v in dict(held.get("before") or {}).items()}
        gone = sorted(name for name, version in before.items() if not version)
        commands = _commands({n: v for n, v in before.items() if v}, hold=False)
        commands += [["apt-get", "-y", "remove", *gone]] if gone else []
        commands += [["apt-mark", "hold", *held["held"]]] if held.get("held") else []
        detached.start(session, _job(step, "packages-back"), commands, timeout_s=deadline_s)

    def observe_rollback(self, session: Session, step: Step) -> Look:
        for kind in ("packages", "packages-back"):
            seen = detached.look(session, _job(step, kind))
            if seen.stage in {Stage.RUNNING, Stage.UNKNOWN}:
                return Look(Seen.WAITING, (), step.progress, after_s=_AGAIN_S)
            if kind == "packages-back" and seen.stage is not Stage.NEVER and not seen.ok:
                why = Reason(f"packages of {step.device.name}", f"{seen.stage}, {seen.words}", "as before")
                return Look(Seen.IMPOSSIBLE, (why,), step.progress)
        before = dict((step.artifact or {}).get("before") or {})
        have = parse.installed(session.run(["dpkg-query", "-W", _FORMAT, *sorted(before)]).out)
        wrong = tuple(Reason(f"package {n}", have.get(n, ""), v) for n, v in before.items() if have.get(n, "") != v)
        return Look(Seen.NOT_DONE if wrong else Seen.DONE, wrong, {"installed": dict(have)})


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
    match seen.stage:
        case Stage.ENDED if seen.status == 0:
            return None
        case Stage.RUNNING | Stage.UNKNOWN:
            return Look(Seen.WAITING, (), {**step.progress, "doing": "installing"}, after_s=_AGAIN_S)
        case Stage.NEVER:
            return Look(Seen.NOT_DONE, (Reason(subject, "not begun", "installed"),), step.progress)
        case _:
            found = f"exit status {seen.status}: {seen.words}" if seen.stage is Stage.ENDED else "begun and cut off"
            remedy = "See dpkg --audit and apt-get -f install; the router stays drained."
            return Look(Seen.IMPOSSIBLE, (Reason(subject, found, "exit status 0", remedy),), step.progress)


def _out(answers: Mapping[str, Answer], name: str) -> str:
    answer = answers.get(name)
    return answer.out if answer is not None else ""
