"""What the approver reads of a step: what changes on the blade, what is sent, and the way back. Pure."""

from fleet.core import ucs
from fleet.core.model import Reversibility
from playbooks.ucs.places import Place
from playbooks.ucs.wanted import Wanted


def diff(aim: Wanted, place: Place) -> str:
    """Policy of each vNIC and firmware, before and after; what the host will show."""
    lines = []
    if aim.policy is not None and aim.now is not None:
        for name in aim.vnics:
            lines += [
                f"-{name}: {place.vnics[name]}: {counts_in_words(aim.now)}",
                f"+{name}: {aim.copy}: {counts_in_words(aim.policy)}",
            ]
    if aim.pack is not None:
        lines += [f"-host firmware: {aim.pack.origin}: {aim.pack.now or 'images named one by one'}"]
        lines += [f"+host firmware: {aim.pack.dn}: {aim.pack.bundle}"]
    where = f" {aim.profile} on {aim.blade.removeprefix('sys/') or 'no blade'}, {place.adapter or 'adapter unknown'}"
    if aim.policy is not None:
        shown = aim.shows if aim.shows is not None else "not known before"
        where += f": receive queues on the host: {shown} ({aim.why})"
    return "\n".join([*lines, where]) + "\n"


def reversibility(aim: Wanted) -> Reversibility:
    """Firmware is flashed again on the way back."""
    return Reversibility.BY_REFLASH if aim.pack is not None else Reversibility.BY_REBOOT


def commands(aim: Wanted) -> tuple[str, ...]:
    """What is sent, in order, and what the way back takes."""
    lines: list[str] = []
    if aim.policy is not None:
        lines += ucs.commands(ucs.Policy(aim.policy.name), aim.policy)
        lines += [f"bind {aim.profile}/ether-{name} to {aim.policy.name}" for name in aim.vnics]
    if aim.pack is not None:
        lines.append(f"copy {aim.pack.origin} to {aim.pack.dn} with bundle {aim.pack.bundle}")
        lines.append(f"bind {aim.profile} to host firmware pack {aim.pack.name}")
    back = "another acknowledged reboot" + (", which flashes the old firmware again" if aim.pack is not None else "")
    return (
        *lines,
        "systemctl poweroff",
        f"acknowledge {aim.profile}/ack (an association that has begun cannot be stopped)",
        f"way back: bind what was bound before, {back}",
    )


def counts_in_words(policy: ucs.Policy) -> str:
    """All counts of a policy, in a line."""
    rss = "on" if policy.rss else "off"
    return (
        f"{policy.receive} + {policy.transmit} queues, {policy.completion} completion, {policy.interrupts} interrupts, "
        f"rings {policy.receive_ring}/{policy.transmit_ring}, RSS {rss}"
    )
