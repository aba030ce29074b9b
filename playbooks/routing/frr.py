"""Read, apply and confirm a section on FRR: frr-reload.py, and a timer of systemd that puts it back."""

from fleet.core.model import Reason
from playbooks import frr_tree
from playbooks.base import Answer, Impossible, Look, Refused, Seen, Session, Step, write
from playbooks.routing.render import (
    RELOAD,
    RELOAD_OPTIONS,
    STATE,
    Names,
    Section,
    frr_candidate,
    frr_missing,
    script,
    timer,
)
from playbooks.vtysh import argv, refusal

_RUNNING = argv("show running-config")
_WRITE_MEMORY = argv("write memory")
_AGAIN_S = 1.0


class Frr:
    """FRR. What counts is the running configuration; the startup file follows when the change is confirmed."""

    name = "frr"

    def read(self, session: Session) -> str | Reason:
        return _config(session.run(_RUNNING, root=True))

    def candidate(self, config: str, section: Section) -> str:
        return frr_candidate(config, section)

    def missing(self, session: Session, config: str, section: Section) -> tuple[Reason, ...]:
        return frr_missing(config, section)

    def in_effect(self, session: Session, section: Section) -> bool:
        """What is read is what runs: nothing can be in effect beside it."""
        return False

    def planned(self, section: Section, confirm_s: float) -> tuple[str, ...]:
        return (
            "vtysh -C -f CANDIDATE", "frr-reload.py --test CANDIDATE", f"timer: put back after {confirm_s:g} s",
            "frr-reload.py --reload CANDIDATE", "on a new connection: stop the timer, write memory",
        )  # fmt: skip

    def apply(self, session: Session, section: Section, names: Names, *, confirm_s: float) -> None:
        """Put the files, let FRR check the candidate, arm the timer, and start the script that applies it.

        The script runs by itself: when the change cuts this session, what belongs to it still happens.
        """
        config = self.read(session)
        if isinstance(config, Reason):
            raise Refused(config)
        files = {
            "before": frr_tree.text(frr_tree.parse(config)),
            "candidate": frr_candidate(config, section),
            "revert": script("revert", names),
            "apply": script("apply", names),
        }
        for what, text in files.items():
            write(session, names.file(what), text, mode="0600")
        candidate = names.file("candidate")
        self._checked(session, ["vtysh", "-C", "-f", candidate])
        self._checked(session, [*RELOAD, "--test", *RELOAD_OPTIONS, candidate])
        armed = session.run(timer(names.revert_unit, confirm_s, names.file("revert")), root=True)
        if not armed.ok:
            raise Refused(_said("timer that puts the configuration back", armed, "a timer of systemd"))
        started = session.run(timer(names.apply_unit, 1, names.file("apply")), root=True)
        if not started.ok:
            session.run(["systemctl", "stop", f"{names.revert_unit}.timer"], root=True)
            raise Refused(_said("start of frr-reload.py", started, "a timer of systemd"))

    def _checked(self, session: Session, command: list[str]) -> None:
        answer = session.run(command, timeout_s=60.0, root=True)
        if answer.status == 127 or (not answer.ok and "not found" in answer.out + answer.err):
            remedy = "Install the package frr-pythontools."
            raise Impossible(Reason(command[0], "no such program", "frr-reload.py", remedy))
        if not answer.ok or refusal(answer.out) or refusal(answer.err):
            raise Refused(_said(" ".join(command[:2]), answer, "a candidate that FRR accepts"))

    def observe(self, session: Session, step: Step, section: Section, names: Names) -> Look:
        answers = session.batch(
            {
                "result": ["cat", names.file("result")], "apply": ["cat", names.file("apply")],
                "reverting": ["cat", names.file("reverting")], "reverted": ["cat", names.file("reverted")],
                "timer": ["systemctl", "is-active", f"{names.revert_unit}.timer"], "running": _RUNNING,
            },
            root=True,
        )  # fmt: skip
        if _there(answers, "reverted"):
            return Look(Seen.NOT_DONE, (_put_back(step),), {"reverted": True})
        if _there(answers, "reverting"):
            return Look(Seen.WAITING, (_put_back(step),), {"reverting": True}, after_s=_AGAIN_S)
        if not _there(answers, "result"):
            if not _there(answers, "apply"):
                reason = Reason(f"section {section.name}", "never sent", "sent", "Nothing was touched: plan it again.")
                return Look(Seen.NOT_DONE, (reason,))
            return Look(Seen.WAITING, (), {"applied": False}, after_s=_AGAIN_S)
        config = (
            _config(answers["running"]) if "running" in answers else Reason("FRR", "no answer", "its configuration")
        )
        wrong = (config,) if isinstance(config, Reason) else frr_missing(config, section)
        if "failed" in answers["result"].out:
            wrong = (
                Reason(
                    "frr-reload.py", "an end with an error", "exit status 0", "See /var/log/frr/frr-reload.log on it."
                ),
                *wrong,
            )
        armed = answers["timer"].out.strip() == "active" if "timer" in answers else False
        if wrong:
            # Not confirmed: the router puts itself back. Where its timer is gone it has restarted with the old file.
            seen = Seen.WAITING if armed else Seen.NOT_DONE
            return Look(seen, wrong, {"applied": False}, after_s=2.0 if armed else 0.0)
        if step.progress.get("applied") is not True:
            # Seen over a connection that may be older than the change: only the next one proves that it is reachable.
            return Look(Seen.WAITING, (), {"applied": True}, after_s=_AGAIN_S)
        return self._confirm(session, step, section, names)

    def _confirm(self, session: Session, step: Step, section: Section, names: Names) -> Look:
        """Stop the timer, be sure that it did not run at that very moment, and make the change permanent."""
        session.run(["systemctl", "stop", f"{names.revert_unit}.timer"], root=True)
        answers = session.batch(
            {
                "reverting": ["cat", names.file("reverting")],
                "timer": ["systemctl", "is-active", f"{names.revert_unit}.timer"],
                "service": ["systemctl", "is-active", f"{names.revert_unit}.service"],
            },
            root=True,
        )
        started = "service" in answers and answers["service"].out.strip() in {"active", "activating"}
        if _there(answers, "reverting") or started:
            return Look(Seen.WAITING, (_put_back(step),), {"reverting": True}, after_s=_AGAIN_S)
        if "timer" not in answers or answers["timer"].out.strip() == "active":
            reason = Reason(f"timer {names.revert_unit}", "still running", "stopped")
            return Look(Seen.WAITING, (reason,), {"applied": True}, after_s=_AGAIN_S)
        written = session.run(_WRITE_MEMORY, root=True)
        if not written.ok or refusal(written.out):
            reason = _said("write memory", written, "the configuration saved")
            return Look(Seen.WAITING, (reason,), {"applied": True}, after_s=_AGAIN_S)
        return Look(Seen.DONE, (), {"section": section.digest(), "confirmed": True})

    def rollback(self, session: Session, names: Names, *, timeout_s: float) -> None:
        """Run the same script that the timer would have run."""
        session.run(["systemctl", "stop", f"{names.revert_unit}.timer"], root=True)
        answer = session.run(["/bin/sh", names.file("revert")], timeout_s=timeout_s, root=True)
        if not answer.ok:
            raise Refused(_said(f"{STATE}: revert script", answer, "the configuration from before"))


def _config(answer: Answer) -> str | Reason:
    """The running configuration from its first statement on; a reason for what is none."""
    _, found, body = answer.out.partition("Current configuration:\n")
    text = body if found else answer.out
    if "frr version" not in text and "frr defaults" not in text:
        said = refusal(answer.out) or "no configuration"
        return Reason("running configuration of FRR", said, "the configuration of a running FRR")
    return text


def _there(answers: dict[str, Answer], name: str) -> bool:
    return name in answers and answers[name].ok


def _put_back(step: Step) -> Reason:
    confirm = step.params.get("confirm", "60s")
    return Reason(
        f"configuration of {step.device.name}",
        f"the device put itself back: it was not confirmed over a new connection within {confirm} of the change",
        "a device that is reachable with the new configuration",
        "See what in the section cuts the management connection, or give more time with `confirm`.",
    )


def _said(subject: str, answer: Answer, wanted: str) -> Reason:
    text = refusal(answer.out) or refusal(answer.err) or " ".join((answer.err or answer.out).split())[:200]
    return Reason(subject, f"refused: {text or 'no text'}", wanted)
