"""Read, apply and confirm a section on BIRD, whose own `configure ... timeout` puts the old configuration back."""

from fleet.core.model import Reason
from playbooks import birdc
from playbooks.base import Look, Refused, Seen, Session, Step, write
from playbooks.birdc import Configured
from playbooks.routing.render import BIRD_CANDIDATE, BIRD_CONF, Names, Section, bird_candidate, constant

_QUOTED = f'"{BIRD_CANDIDATE}"'
_AGAIN_S = 1.0
_IN_PROGRESS_S = 10  # protocols of the old configuration that are still going down


class Bird:
    """BIRD 2. What runs is told by the section's constant; bird.conf is written when the change is confirmed.

    A new successful `configure` while BIRD's timer runs would cancel it (drain.md 3.1): nothing else configures here.
    """

    name = "bird"

    def read(self, session: Session) -> str | Reason:
        answer = session.run(["cat", BIRD_CONF], root=True)
        if answer.ok and answer.out.strip():
            return answer.out
        return Reason(BIRD_CONF, "no configuration that can be read", "the configuration of BIRD")

    def candidate(self, config: str, section: Section) -> str:
        return bird_candidate(config, section)

    def missing(self, session: Session, config: str, section: Section) -> tuple[Reason, ...]:
        """The file must hold the section, and the BIRD that runs its constant."""
        reasons = []
        if bird_candidate(config, section) != config:
            reasons.append(Reason(BIRD_CONF, f"not this section {section.name}", "this section"))
        if not self.in_effect(session, section):
            reasons.append(Reason(f"section {section.name} in BIRD", "not in effect", "in effect"))
        return tuple(reasons)

    def in_effect(self, session: Session, section: Section) -> bool:
        """Does the BIRD that runs hold this section, whatever the file says?"""
        name, value = constant(section)
        return birdc.value(session.run(["birdc", "eval", name], root=True).out) == value

    def planned(self, section: Section, confirm_s: float) -> tuple[str, ...]:
        return (
            f"birdc configure check {_QUOTED}", f"birdc configure {_QUOTED} timeout {confirm_s:.0f}",
            "on a new connection: birdc configure confirm", f"cp {BIRD_CANDIDATE} {BIRD_CONF}",
        )  # fmt: skip

    def apply(self, session: Session, section: Section, names: Names, *, confirm_s: float) -> None:
        config = self.read(session)
        if isinstance(config, Reason):
            raise Refused(config)
        write(session, names.file("before"), config, mode="0600")
        write(session, names.file("candidate"), bird_candidate(config, section), mode="0600")
        # Copied over a copy of bird.conf: BIRD reads it as its own user, so owner and mode have to be the same.
        self._copied(session, ["cp", "-p", BIRD_CONF, BIRD_CANDIDATE])
        self._copied(session, ["cp", names.file("candidate"), BIRD_CANDIDATE])
        meaning, said = birdc.configured(session.run(["birdc", "configure", "check", _QUOTED], root=True).out)
        if meaning is not Configured.CHECKED:
            raise Refused(Reason("birdc configure check", f"refused: {said}", "a candidate that BIRD accepts"))
        timeout = ["birdc", "configure", _QUOTED, "timeout", f"{confirm_s:.0f}"]
        answer = session.run(timeout, root=True)
        meaning, said = birdc.configured(answer.out)
        if meaning not in (Configured.DONE, Configured.IN_PROGRESS):
            raise Refused(Reason("birdc configure", f"refused: {said}", "reconfigured"))
        if not birdc.undo_scheduled(answer.out):
            session.run(["birdc", "configure", "undo"], root=True)
            raise Refused(Reason("birdc configure timeout", "no undo scheduled", "a timer that puts it back"))
        for _ in range(_IN_PROGRESS_S if meaning is Configured.IN_PROGRESS else 0):
            if self.in_effect(session, section):
                break
            session.run(["sleep", "1"])

    def _copied(self, session: Session, command: list[str]) -> None:
        answer = session.run(command, root=True)
        if not answer.ok:
            text = " ".join((answer.err or answer.out).split())[:200]
            raise Refused(Reason(" ".join(command[-2:]), f"refused: {text}", "a copy"))

    def observe(self, session: Session, step: Step, section: Section, names: Names) -> Look:
        config = self.read(session)
        if isinstance(config, Reason):
            return Look(Seen.UNKNOWN, (config,), step.progress, after_s=_AGAIN_S)
        running = self.in_effect(session, section)
        installed = bird_candidate(config, section) == config
        if running and installed:
            return Look(Seen.DONE, (), {"section": section.digest(), "confirmed": True})
        if not running:
            if not session.run(["cat", names.file("candidate")], root=True).ok:
                reason = Reason(f"section {section.name}", "never sent", "sent", "Nothing was touched: plan it again.")
                return Look(Seen.NOT_DONE, (reason,))
            return Look(Seen.NOT_DONE, (self._put_back(step),), {"reverted": True})
        if step.progress.get("applied") is not True:
            return Look(Seen.WAITING, (), {"applied": True}, after_s=_AGAIN_S)
        # Confirmed or, after a crash in between, nothing left to confirm: what runs is ours either way. Looked at once
        # more before it is written, because the timer may have run between the two.
        session.run(["birdc", "configure", "confirm"], root=True)
        if not self.in_effect(session, section):
            return Look(Seen.NOT_DONE, (self._put_back(step),), {"reverted": True})
        copied = session.run(["cp", BIRD_CANDIDATE, BIRD_CONF], root=True)
        if not copied.ok:
            reason = Reason(BIRD_CONF, " ".join((copied.err or copied.out).split())[:200], "the new configuration")
            return Look(Seen.WAITING, (reason,), {"applied": True}, after_s=_AGAIN_S)
        return Look(Seen.DONE, (), {"section": section.digest(), "confirmed": True})

    def rollback(self, session: Session, names: Names, *, timeout_s: float) -> None:
        """Write the old file and load it; that also ends a timer that is still running."""
        self._copied(session, ["cp", names.file("before"), BIRD_CONF])
        meaning, said = birdc.configured(session.run(["birdc", "configure"], timeout_s=timeout_s, root=True).out)
        if meaning not in (Configured.DONE, Configured.IN_PROGRESS, Configured.NOTHING):
            raise Refused(Reason("birdc configure", f"refused: {said}", "the configuration from before"))

    def _put_back(self, step: Step) -> Reason:
        return Reason(
            f"configuration of {step.device.name}",
            "the device put itself back: BIRD was not confirmed over a new connection in time, or restarted",
            "a device that is reachable with the new configuration",
            "See what in the section cuts the management connection, or give more time with `confirm`.",
        )
