"""What is to be done next about a service profile, told from how it stands now. Pure: nothing is remembered here, so
that nothing is done twice after a crash, a lost answer or a fail-over."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from fleet.core.model import Reason
from fleet.core.ucs import OUT_OF_QUEUES
from playbooks.ucs.seen import Profile

# `lsmaintAck.changes` of what a change of adapter policy waits with. Anything else is somebody else's.
_OURS = frozenset({"host-eth-if-profile", "implicit-host-eth-if-profile-redeploy", "implicit-reboot"})
# What stands for the host firmware pack among the names of vNICs: they have no spaces.
FIRMWARE = "host firmware"
_OF_FIRMWARE = "-fw"  # so ends what a change of pack waits with: adaptor-host-fw, bios-fw, local-disk-fw and more


class Move(StrEnum):
    """The next thing to do."""

    BIND = "bind the vNICs"
    SHUT_DOWN = "shut the host down"
    ACKNOWLEDGE = "acknowledge the pending reboot"
    POWER_ON = "power the blade on"
    WAIT = "wait"
    ASSOCIATED = "associated, nothing pending, power on"
    FAILED = "failed"  # UCS Manager says so; only other values help
    STRANGE = "strange"  # not a state in which anything of ours may be done


@dataclass(frozen=True)
class Next:
    """A move and why."""

    move: Move
    why: Reason


def next_move(now: Profile, wanted: Mapping[str, tuple[str, str]], *, back: bool = False) -> Next:
    """`wanted`: vNIC > (name of its policy as configured, dn that it resolves to; "" = whatever it resolves to);
    `FIRMWARE` > the same of the host firmware pack.

    `back`: on the way back a failed association is what is to be mended, not the end.
    """
    subject = f"service profile {now.name}"

    def say(move: Move, found: str, wants: str, remedy: str = "") -> Next:
        return Next(move, Reason(subject, found, wants, remedy))

    if now.association in {"associating", "disassociating"}:
        stage = f"{now.stage or 'no stage'} ({now.progress or '?'} %)"
        return say(Move.WAIT, f"{now.association}: {stage}", "associated", "It cannot be stopped.")
    if (wrong := _unbound(now, wanted)) is not None:
        return Next(Move.BIND, wrong)
    if now.association == "failed" and not back:
        return Next(Move.FAILED, _failed(now))
    if now.pending is not None:
        return _pending(now, firmware=FIRMWARE in wanted)
    if now.association == "failed":
        return say(Move.WAIT, f"failed: {now.fault or now.qualifier}", "another association, which other values start")
    if now.association != "associated":
        return say(Move.STRANGE, now.association or "no association that is known", "associated")
    if now.power == "off":
        return say(Move.POWER_ON, f"{now.blade.removeprefix('sys/')} is off, nothing pending", "on")
    return say(Move.ASSOCIATED, "associated", "associated")


def _unbound(now: Profile, wanted: Mapping[str, tuple[str, str]]) -> Reason | None:
    there = {vnic.name: vnic for vnic in now.vnics}
    for name, (named, policy) in wanted.items():
        if name == FIRMWARE:
            if now.pack_named != named or (policy and now.pack != policy):
                found = now.pack or now.pack_named or "the default pack"
                return Reason(f"host firmware pack of {now.name}", found, policy or named or "the default pack")
            continue
        vnic = there.get(name)
        if vnic is None:
            return Reason(f"service profile {now.name}", f"no vNIC {name}", f"{name} with policy {named or 'default'}")
        if vnic.named != named or (policy and vnic.policy != policy):
            found = f"policy {vnic.policy or vnic.named or 'of no name'}"
            return Reason(f"vNIC {name} of {now.name}", found, policy or named or "the default policy")
    return None


def _pending(now: Profile, *, firmware: bool) -> Next:
    ack = now.pending
    assert ack is not None
    subject = f"pending reboot of {now.name}"
    others = sorted(one for one in set(ack.changes) - _OURS if not (firmware and one.endswith(_OF_FIRMWARE)))
    if others:
        remedy = "Acknowledge or discard in UCS Manager what somebody else has changed; this change does not do it."
        return Next(
            Move.STRANGE, Reason(subject, f"{', '.join(others)} would be carried out too", "ours alone", remedy)
        )
    if ack.state != "waiting-for-user":
        if ack.state == "waiting-for-maint-window":
            found = "it waits for a schedule of UCS Manager"
            return Next(Move.STRANGE, Reason(subject, found, "user-ack", "Set a maintenance policy with user-ack."))
        return Next(Move.WAIT, Reason(subject, f"{ack.state}", "an association that begins"))
    if ack.admin not in {"", "untriggered"}:
        return Next(Move.WAIT, Reason(subject, f"acknowledged ({ack.admin})", "an association that begins"))
    if now.power == "off" or now.association == "failed":
        return Next(Move.ACKNOWLEDGE, Reason(subject, "waiting for its acknowledgement, host down", "acknowledged"))
    return Next(Move.SHUT_DOWN, Reason(subject, f"waiting, host {now.power or 'in a power state not known'}", "down"))


def _failed(now: Profile) -> Reason:
    said = now.fault or now.qualifier or "no reason given"
    remedy = "The blade stays before its boot; only other values and another association bring it back."
    if any(words in said for words in OUT_OF_QUEUES):
        remedy = "The adapter does not have so many queues: set fewer. " + remedy
    return Reason(
        f"association of {now.name} ({now.blade.removeprefix('sys/')})",
        f"failed in {now.stage or 'a stage not known'}: {said}",
        "associated",
        remedy,
    )
