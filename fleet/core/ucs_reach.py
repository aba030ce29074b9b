"""What changing an adapter policy reaches: vNICs, service profiles, blades, and who of them would reboot at once."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from fleet.core.model import Finding, Reason, Severity
from fleet.core.ucs import KNOWN_LIMITS, OUT_OF_QUEUES, Limits, Policy, limits_of

_NAMES_SHOWN = 40


class Maintenance(StrEnum):
    """When UCS Manager carries out a change that needs a reboot (`lsmaintMaintPolicy.uptimeDisr`)."""

    IMMEDIATE = "immediate"
    USER_ACK = "user-ack"
    TIMER = "timer-automatic"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Profile:
    """A service profile that is associated with a blade. `policies`: dn of each vNIC's resolved adapter policy.

    `blade`: dn of the blade ("sys/chassis-1/blade-3"); "" when it is not associated. `host`: name in the inventory.
    """

    dn: str
    name: str
    blade: str
    adapter: str
    policies: tuple[str, ...]
    maintenance: Maintenance
    host: str = ""

    @property
    def shown(self) -> str:
        place = self.blade.removeprefix("sys/") or "no blade"
        return f"{self.host or self.name} ({place})"


def users(policy_dn: str, profiles: Collection[Profile]) -> tuple[Profile, ...]:
    """The profiles with a blade of which any vNIC resolves to the policy, by name."""
    using = (p for p in profiles if p.blade and policy_dn in p.policies)
    return tuple(sorted(using, key=lambda p: (p.name, p.dn)))


def findings(
    policy_dn: str,
    wanted: Policy,
    profiles: Collection[Profile],
    *,
    meant: Collection[str] = (),
    table: Mapping[str, Limits] = KNOWN_LIMITS,
) -> tuple[Finding, ...]:
    """What speaks against giving the policy these counts while these profiles use it.

    FATAL: more than an adapter gives; a maintenance policy that reboots at once or is not known; a profile that is not
    `meant` (dn) and uses the policy too. WARN: an adapter whose limits nobody knows.
    """
    using = users(policy_dn, profiles)
    return (
        *reboots(f"adapter policy {wanted.name}", using),
        *_beyond(policy_dn, wanted, using, table),
        *_unmeant(wanted, [p for p in using if meant and p.dn not in meant]),
    )


def reboots(subject: str, using: Collection[Profile]) -> tuple[Finding, ...]:
    """Profiles that would reboot by themselves, or of which nobody knows, when `subject` is committed for them."""
    found = []
    at_once = [p for p in using if p.maintenance is Maintenance.IMMEDIATE]
    if at_once:
        remedy = (
            "Set user-ack on them first: recipe ucs-user-ack drafts it as a change of its own, which reboots nothing. "
            "Then one host after the other is acknowledged, after it was drained."
        )
        said = f"{len(at_once)} service profiles with maintenance policy immediate: {_names(at_once)}"
        found.append(_about("ucs-immediate", subject, f"{said} would reboot at the commit", "user-ack on each", remedy))
    scheduled = [p for p in using if p.maintenance is Maintenance.TIMER]
    if scheduled:
        said = f"{len(scheduled)} service profiles that reboot by a schedule of UCS Manager: {_names(scheduled)}"
        remedy = "Set user-ack (recipe ucs-user-ack): a reboot that nobody here starts cannot wait for a drain."
        found.append(_about("ucs-timer", subject, said, "user-ack on each", remedy))
    unknown = [p for p in using if p.maintenance is Maintenance.UNKNOWN]
    if unknown:
        said = f"{len(unknown)} service profiles whose maintenance policy is not known: {_names(unknown)}"
        remedy = "Collect the domain again. Where a profile names none, UCS Manager's default policy holds for it."
        found.append(_about("ucs-maintenance-unknown", subject, said, "user-ack on each", remedy))
    return tuple(found)


def _beyond(policy_dn: str, wanted: Policy, using: Collection[Profile], table: Mapping[str, Limits]) -> list[Finding]:
    found = []
    for model in sorted({p.adapter for p in using}):
        here = [p for p in using if p.adapter == model]
        limits = limits_of(model, table)
        several = [p for p in here if p.policies.count(policy_dn) > 1]
        if limits is None:
            said = f"adapter {model or 'of unknown model'} in {_names(here)}"
            remedy = "Its limits are not in the table: approve it by name, and look at the canary's queues before more."
            reason = Reason(f"adapter policy {wanted.name}", said, "an adapter whose limits are known", remedy)
            found.append(Finding("ucs-limit-unknown", Severity.WARN, reason))
        elif wanted.receive > limits.receive or wanted.transmit > limits.transmit:
            said = f"{wanted.receive} receive and {wanted.transmit} transmit queues on {model}: {_names(here)}"
            most = f"at most {limits.receive} + {limits.transmit} ({limits.source})"
            remedy = f"Set {limits.receive} + {limits.transmit}."
            if several:
                texts = " or ".join(f'"{text}"' for text in OUT_OF_QUEUES)
                remedy += (
                    f" With more than one vNIC of this policy the association fails with {texts}; the blade then "
                    "stays before its boot, and only the old policy and another association bring it back: "
                    f"{_names(several)}."
                )
            found.append(_fatal("ucs-above-limit", wanted, said, most, remedy))
        elif limits.completions is not None:
            found += _exhausted(policy_dn, wanted, here, limits)
    return found


def _exhausted(policy_dn: str, wanted: Policy, here: Collection[Profile], limits: Limits) -> list[Finding]:
    most = limits.completions or 0
    over = [p for p in here if p.policies.count(policy_dn) * (wanted.receive + wanted.transmit) > most]
    if not over:
        return []
    said = f"more completion queues than the adapter has, over all vNICs of: {_names(over)}"
    return [_fatal("ucs-above-limit", wanted, said, f"at most {most} on an adapter ({limits.source})", "Set fewer.")]


def _unmeant(wanted: Policy, others: Collection[Profile]) -> list[Finding]:
    if not others:
        return []
    said = f"{len(others)} service profiles that this change does not name use the policy too: {_names(others)}"
    remedy = "Change a copy of the policy and bind the vNICs of this change to it, one copy per wave."
    return [_fatal("ucs-shared", wanted, said, "only profiles of this change", remedy)]


def _names(profiles: Collection[Profile]) -> str:
    shown = [p.shown for p in list(profiles)[:_NAMES_SHOWN]]
    more = len(profiles) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _fatal(code: str, policy: Policy, found: str, wanted: str, remedy: str) -> Finding:
    return _about(code, f"adapter policy {policy.name}", found, wanted, remedy)


def _about(code: str, subject: str, found: str, wanted: str, remedy: str) -> Finding:
    return Finding(code, Severity.FATAL, Reason(subject, found, wanted, remedy))
