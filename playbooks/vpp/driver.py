"""The verb `vpp`: prepared while the kernel forwards, then launched on the device by itself; and all of it back."""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fleet.core import vpp_host
from fleet.core.model import Json, PlannedStep, Reason, Reversibility, StepSpec
from fleet.core.states import TargetState
from fleet.core.vpp import Phy
from playbooks import confirm, detached
from playbooks.base import Device, Impossible, Look, Refused, Seen, Session, Step, write
from playbooks.confirm import DeadMan
from playbooks.detached import Job, Stage
from playbooks.vpp import daemon, look, render, rendering
from playbooks.vpp.holds import from_json, to_json
from playbooks.vpp.params import VppParams

_AGAIN_S = 1.0
CANDIDATE = f"{render.STATE}/vppcfg-candidate.yaml"
_LOOK: Mapping[str, list[str]] = {
    "links": ["ip", "-j", "-d", "link", "show"],
    "addresses": ["ip", "-j", "addr", "show"],
    "routes4": ["ip", "-j", "route", "show"],
    "routes6": ["ip", "-j", "-6", "route", "show"],
    "isolated": ["cat", "/sys/devices/system/cpu/isolated"],
    "meminfo": ["cat", "/proc/meminfo"],
    "vpp": ["systemctl", "is-active", "vpp.service"],
    "vrrp": ["systemctl", "is-active", "keepalived.service"],
}


@dataclass(frozen=True)
class Before:
    """What restores the router, from the artifact."""

    token: str
    links: tuple[render.Link, ...]
    routes: list[list[str]]
    vrrp: bool
    held: tuple[Any, ...]

    @property
    def go(self) -> Job:
        return Job("vpp", self.token)

    @property
    def back(self) -> Job:
        return Job("vpp-back", self.token)

    @property
    def conf(self) -> str:
        """The daemon's configuration as it was, on the device."""
        return self.go.file("daemon.conf")


class Vpp:
    """From the kernel to VPP. One line of a recipe is two steps: prepare, which touches no packet, and launch.

    The launch runs on the device by itself, because the way in may go with the cards; the device goes back to its
    kernel by itself unless it is reached afterwards, over a connection that was made after it. `observe` is the second
    half of the act: it judges what came up and confirms.
    """

    verb = "vpp"
    phase = TargetState.APPLYING
    reversibility = Reversibility.IN_PLACE
    disruptive = True
    acts = True
    repeatable = True  # files are files, and the job has a token
    within_s = 900.0
    estimate_s = 120.0
    params_model = VppParams

    def expand(self, spec: StepSpec) -> tuple[StepSpec, ...]:
        """Prepare and launch; a line that names its stage stays as it is."""
        if VppParams.model_validate(spec.params).stage is not None:
            return (spec,)
        return tuple(StepSpec(spec.verb, {**spec.params, "stage": stage}) for stage in ("prepare", "launch"))

    def plan(self, spec: StepSpec, device: Device, facts: Mapping[str, Json]) -> PlannedStep:
        """The whole configuration, the commands of VPP and the files, rendered from the facts. Raises Impossible."""
        params = VppParams.model_validate(spec.params)
        made = rendering.migration(params, device, facts)
        prepare = params.stage == "prepare"
        if prepare:
            texts = render.files(params, made, device.suite)
            diff = "".join(
                f"+++ {path}\n" + "".join(f"+{row}\n" for row in t.splitlines()) for path, t in texts.items()
            )
            commands: tuple[str, ...] = (f"vppcfg plan --novpp -c {render.CONFIG}: the approved commands",)
        else:
            diff = "-forwards with the kernel\n+forwards with VPP\n" + _added(made["commands"])
            commands = tuple(made["commands"])
        return PlannedStep(
            self.verb, {**spec.params, "rendered": made}, self.reversibility, self.disruptive, diff=diff,
            commands=commands, estimate_s=10.0 if prepare else self.estimate_s, within_s=params.within,
        )  # fmt: skip

    # Before and after: files.

    def precheck(self, session: Session, step: Step) -> Look:
        params, rendered = _params(step)
        answers = session.batch(dict(_LOOK), timeout_s=30.0, root=True)
        if params.stage == "prepare":
            return self._before_files(session, step, params, rendered, answers)
        kept = look.links(answers)
        if isinstance(kept, Reason):
            return Look(Seen.UNKNOWN, (kept,))
        if moved := _moved(kept, params, rendered):
            return Look(Seen.UNKNOWN, moved)
        if answers["vpp"].out.strip() == "active":
            found = Reason(f"VPP on {step.device.name}", "running before it was launched", "not running yet")
            return Look(Seen.UNKNOWN, (found,))
        write(session, CANDIDATE, str(rendered["yaml"]), mode="0600")
        found_plan = look.plan_now(session, CANDIDATE, novpp=True)
        if wrong := look.same_plan(found_plan, rendered["novpp"], step.device.name):
            return Look(Seen.UNKNOWN, wrong, {"hold": True})
        mine = daemon.of(step.device).present(session)
        if isinstance(mine, Reason):
            return Look(Seen.UNKNOWN, (mine,))
        if {(one.section, one.line) for one in mine} != {(row["section"], row["line"]) for row in rendered["held"]}:
            found_lines = f"{len(mine)} sessions and interfaces to hold back"
            planned = f"the {len(rendered['held'])} of the plan"
            reason = Reason(daemon.of(step.device).conf, found_lines, planned, "Plan it again.")
            return Look(Seen.UNKNOWN, (reason,))
        artifact = {
            "token": secrets.token_hex(4),
            "links": [{**vars(link), "addresses": list(link.addresses)} for link in kept],
            "routes": look.static_routes(answers), "vrrp": answers["vrrp"].out.strip() == "active",
            "held": to_json(mine),
        }  # fmt: skip
        return Look(Seen.READY, (), {}, artifact)

    def _before_files(
        self, session: Session, step: Step, params: VppParams, rendered: Mapping[str, Any], answers: Mapping[str, Any]
    ) -> Look:
        """Ready when the machine has what VPP takes. The files' old texts restore them.

        Before the drain everything is asked once; what the reboot brings is not there yet then.
        """
        if step.drain_artifact is not None and (wrong := _not_ready(rendered, answers)):
            return Look(Seen.IMPOSSIBLE, wrong)
        texts = render.files(params, rendered, step.device.suite)
        had = {path: session.run(["cat", path], root=True) for path in texts}
        if all(had[path].ok and had[path].out == text for path, text in texts.items()):
            return Look(Seen.ALREADY)
        return Look(Seen.READY, (), {}, {"files": {path: a.out if a.ok else None for path, a in had.items()}})

    def apply(self, session: Session, step: Step, *, deadline_s: float) -> None:
        params, rendered = _params(step)
        if params.stage == "prepare":
            for path, text in render.files(params, rendered, step.device.suite).items():
                write(session, path, text)
            return
        held = before(step)
        if detached.look(session, held.go, timeout_s=20.0).stage is not Stage.NEVER:
            return
        # The drained configuration as it is saved: what the daemon starts with when everything goes back.
        # Once: after a crash in between, the file holds sessions back already.
        speaker = daemon.of(step.device)
        if not session.run(["test", "-e", held.conf], root=True).ok:
            for words in (["cp", speaker.conf, f"{held.conf}.new"], ["mv", f"{held.conf}.new", held.conf]):
                if not (saved := session.run(words, root=True)).ok:
                    raise Refused(Reason(speaker.conf, saved.said, "a copy of it"))
        write(session, held.go.file("back"), back_script(step), mode="0600")
        speaker.configure(session, held.held, hold=True, timeout_s=min(30.0, deadline_s))
        confirm.arm(session, dead_man(held), [["/bin/sh", held.go.file("back")]], within_s=params.confirm)
        commands = render.launching(
            params, rendered, held.links, suite=step.device.suite, vrrp=held.vrrp, routes=held.routes
        )
        detached.start(session, held.go, commands, timeout_s=min(30.0, deadline_s))

    def observe(self, session: Session, step: Step) -> Look:
        params, rendered = _params(step)
        if params.stage == "prepare":
            return self._files_there(session, step, params, rendered)
        held = before(step)
        if confirm.fired(session, dead_man(held)):
            found = "the device went back to its kernel: it was not reached in time"
            return Look(Seen.IMPOSSIBLE, (Reason(f"launch of VPP on {step.device.name}", found, "reached in time"),))
        progress = detached.look(session, held.go)
        if (going := detached.going(progress, step, "launching VPP")) is not None:
            short = going.seen is Seen.WAITING
            return Look(going.seen, going.reasons, going.data, after_s=_AGAIN_S if short else 0.0)
        seen = look.look(session)
        wrong = look.failed(look.health(seen, wanted(rendered)))
        if not wrong:
            left = look.plan_now(session)
            reason = Reason("plan of VPP after the launch", str(left)[:300], "an empty one")
            wrong = () if left == () else (left if isinstance(left, Reason) else reason,)
        wrong = wrong or self._names_kept(session, params, rendered, held) or _daemon_holds(session, step, held)
        if wrong:
            return Look(
                Seen.NOT_DONE if step.waited_s > params.within else Seen.WAITING, wrong, step.progress, after_s=_AGAIN_S
            )
        if (late := confirm.disarm(session, dead_man(held))) is not None:
            return Look(Seen.WAITING, (late,), step.progress, after_s=_AGAIN_S)
        return Look(Seen.DONE, (), {"vpp": seen.kept(), "answered_s": seen.seconds})

    def _files_there(self, session: Session, step: Step, params: VppParams, rendered: Mapping[str, Any]) -> Look:
        """Every file reads back, vppcfg finds the configuration valid, and plans what was approved."""
        for path, text in render.files(params, rendered, step.device.suite).items():
            answer = session.run(["cat", path], root=True)
            if not answer.ok or answer.out != text:
                return Look(Seen.NOT_DONE, (Reason(path, "another text", "what was approved"),))
        checked = session.run(["vppcfg", "check", "-c", render.CONFIG], timeout_s=60.0, root=True)
        if not checked.ok:
            said = " ".join((checked.err or checked.out).split())[-300:]
            return Look(Seen.IMPOSSIBLE, (Reason("vppcfg check", f"status {checked.status}: {said}", "valid"),))
        found = look.plan_now(session, novpp=True)
        if wrong := look.same_plan(found, rendered["novpp"], step.device.name):
            return Look(Seen.IMPOSSIBLE, wrong)
        return Look(Seen.DONE, (), {"vppcfg": rendered["vppcfg"]})

    def _names_kept(
        self, session: Session, params: VppParams, rendered: Mapping[str, Any], held: Before
    ) -> tuple[Reason, ...]:
        """Names, MTUs and MAC addresses in the namespace, compared with those of the kernel before."""
        there = ["ip", "netns", "exec", params.netns, "ip", "-j"]
        asked = {"links": [*there, "-d", "link", "show"], "addresses": [*there, "addr", "show"]}
        found = look.links(session.batch(asked, timeout_s=30.0, root=True))
        if isinstance(found, Reason):
            return (found,)
        now, reasons = {link.name: link for link in found}, []
        for old in (link for link in held.links if link.name in rendered["pairs"].values()):
            new = now.get(old.name)
            if new is None:
                reasons.append(Reason(f"{old.name} in {params.netns}", "not there", "there, as in the kernel before"))
                continue
            if (new.mac.lower(), new.mtu) != (old.mac.lower(), old.mtu) and old.about.get("kind") != "dummy":
                shown = f"{old.mac}, MTU {old.mtu} as before"
                reasons.append(Reason(f"{old.name} in {params.netns}", f"{new.mac}, MTU {new.mtu}", shown))
            if missing := sorted(set(old.addresses) - set(new.addresses)):
                reasons.append(
                    Reason(f"{old.name} in {params.netns}", f"without {', '.join(missing)}", "its addresses")
                )
        return tuple(reasons)

    # And back.

    def rollback(self, session: Session, step: Step, *, deadline_s: float) -> None:
        params, _ = _params(step)
        if params.stage == "prepare":
            for path, text in dict((step.artifact or {}).get("files") or {}).items():
                if text is None:
                    session.run(["rm", "-f", path], root=True)
                else:
                    write(session, path, text)
            session.run(["systemctl", "daemon-reload"], root=True)
            return
        held = before(step)
        write(session, held.go.file("back"), back_script(step), mode="0600")
        detached.start(session, held.back, [["/bin/sh", held.go.file("back")]], timeout_s=min(30.0, deadline_s))

    def observe_rollback(self, session: Session, step: Step) -> Look:
        """DONE when the kernel forwards again: VPP and its units stopped, links, addresses and daemon as captured."""
        params, _ = _params(step)
        if params.stage == "prepare":
            had = dict((step.artifact or {}).get("files") or {})
            for path, text in had.items():
                answer = session.run(["cat", path], root=True)
                if (answer.out if answer.ok else None) != text:
                    return Look(Seen.NOT_DONE, (Reason(path, "another text", "as it was before"),))
            return Look(Seen.DONE)
        held = before(step)
        launched = detached.look(session, held.go)
        if launched.stage is Stage.RUNNING:
            return Look(Seen.WAITING, (), step.progress, after_s=_AGAIN_S)
        progress = detached.look(session, held.back)
        if progress.stage in {Stage.RUNNING, Stage.UNKNOWN}:
            return Look(Seen.WAITING, (), step.progress, after_s=_AGAIN_S)
        answers = session.batch(dict(_LOOK), timeout_s=30.0, root=True)
        left = self._not_back(step, answers, params)
        if not left:
            confirm.disarm(session, dead_man(held))
            return Look(Seen.DONE)
        if progress.stage is Stage.ENDED:
            late = step.waited_s > params.within
            return Look(Seen.IMPOSSIBLE if late else Seen.WAITING, left, step.progress, after_s=_AGAIN_S)
        return Look(Seen.NOT_DONE, left)

    def _not_back(self, step: Step, answers: Mapping[str, Any], params: VppParams) -> tuple[Reason, ...]:
        held = before(step)
        reasons = []
        if answers["vpp"].out.strip() in {"active", "activating", "deactivating"}:
            reasons.append(Reason(f"VPP on {step.device.name}", "running", "stopped"))
        now = look.links(answers)
        if isinstance(now, Reason):
            return (*reasons, now)
        here = {link.name: link for link in now}
        for old in (link for link in held.links if link.name not in params.keep):
            new = here.get(old.name)
            same = new is not None and (new.mac, new.mtu, new.up) == (old.mac, old.mtu, old.up)
            if not same or set(new.addresses if new else ()) != set(old.addresses):
                shown = f"{new.mac}, MTU {new.mtu}, {', '.join(new.addresses) or 'no address'}" if new else "not there"
                wanted_words = f"{old.mac}, MTU {old.mtu}, {', '.join(old.addresses) or 'no address'} as captured"
                reasons.append(Reason(f"interface {old.name}", shown, wanted_words))
        return tuple(reasons)


def _daemon_holds(session: Session, step: Step, held: Before) -> tuple[Reason, ...]:
    """The daemon runs again, and holds its sessions back."""
    open_now = daemon.of(step.device).open(session, held.held)
    if isinstance(open_now, Reason):
        return (open_now,)
    return tuple(Reason(one.section, f"without {one.line}", "held back until its group's turn") for one in open_now)


def _added(rows: Iterable[str]) -> str:
    return "".join(f"+{row}\n" for row in rows)


def _params(step: Step) -> tuple[VppParams, Mapping[str, Any]]:
    params = VppParams.model_validate(step.params)
    if params.rendered is None:
        raise Impossible(Reason(f"VPP on {step.device.name}", "a step without what was approved", "a planned step"))
    return params, params.rendered


def wanted(rendered: Mapping[str, Any]) -> dict[str, Any]:
    """What the checks compare with: pairs, and members of bonds."""
    config = render.config_of(str(rendered["yaml"])) or {}
    bonds = config.get("bondethernets") or {}
    return {"pairs": rendered["pairs"], "bonds": {name: about.get("interfaces", []) for name, about in bonds.items()}}


def before(step: Step) -> Before:
    """What restores the router. Raises Impossible without an artifact."""
    held = step.artifact or {}
    token = held.get("token")
    if not isinstance(token, str) or not token.isalnum():
        raise Impossible(Reason(f"VPP on {step.device.name}", "no record of what was there", "the step's artifact"))
    links = tuple(render.Link(**{**row, "addresses": tuple(row["addresses"])}) for row in held.get("links", ()))
    return Before(token, links, list(held.get("routes", ())), bool(held.get("vrrp")), from_json(held.get("held")))


def dead_man(held: Before) -> DeadMan:
    return DeadMan(f"vpp-{held.token}")


def back_script(step: Step) -> str:
    """What brings the kernel back: on the device before anything else, for us and for the device alone."""
    params, rendered = _params(step)
    held = before(step)
    phys = [Phy(**row) for row in rendered["phys"]]
    keeps = {"vrrp": held.vrrp, "routes": held.routes, "file": held.conf, "conf": daemon.of(step.device).conf}
    commands = render.way_back(params, phys, held.links, suite=step.device.suite, keeps=keeps)
    return confirm.script(DeadMan(f"vpp-back-{held.token}"), commands)


def _not_ready(rendered: Mapping[str, Any], answers: Mapping[str, Any]) -> tuple[Reason, ...]:
    isolated = vpp_host.parse_cpu_list(str(rendered["isolated"])) or frozenset()
    free = next(
        (int(line.split()[1]) for line in answers["meminfo"].out.splitlines() if line.startswith("HugePages_Free:")),
        None,
    )
    found = {"isolated": answers["isolated"].out if answers["isolated"].ok else None, "hugepages_free": free}
    cpus = vpp_host.Cores(0, (), tuple(sorted(isolated)))
    pages = int(rendered["pages"])
    return vpp_host.ready(cpus, pages, found) if pages or isolated else ()


def _moved(kept: tuple[render.Link, ...], params: VppParams, rendered: Mapping[str, Any]) -> tuple[Reason, ...]:
    """Interfaces that are not what the plan was made from."""
    now = {link.name for link in kept} - set(params.keep)
    known = {row["linux"] for row in rendered["phys"]} | set(rendered["pairs"].values())
    gone = sorted({row["linux"] for row in rendered["phys"]} - now)
    new = sorted(link.name for link in kept if link.name in now - known and link.addresses)
    reasons = [Reason(f"interface {name}", "not there", "there, as it was approved", "Plan it again.") for name in gone]
    reasons += [Reason(f"interface {name}", "new since the plan", "known to it", "Plan it again.") for name in new]
    return tuple(reasons)
