"""Verdicts: a measurement of a device judged against its baseline, and when a verification has passed or failed. Pure.

A measurement is JSON made by `playbooks/facts`; a section that is missing or null is one that could not be told, and
what cannot be told is INCONCLUSIVE, never PASS. Peers and neighbours that were down in the baseline are not required.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from fleet.core import check_machine, check_routing, check_vpp
from fleet.core.check_reading import Check, Judged, Measurement, as_map, at, number, untold_reason, verdict_of
from fleet.core.model import CheckSpec, Reason, Verdict

_ORDER = (Verdict.ERROR, Verdict.FAIL, Verdict.INCONCLUSIVE)

CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "bfd": check_routing.bfd,
        "bgp_sessions": check_routing.bgp_sessions,
        "boot_id": check_machine.boot_id,
        "daemons": check_machine.daemons,
        "drops": check_machine.grown(
            "dropped", "dropped packets", (check_machine.DROPS_COUNT, check_machine.DROPS_SHARE)
        ),
        "interface_errors": check_machine.grown("errors", "errors", (0, 0.0)),
        "ospf": check_routing.neighbours("ospf", "OSPF"),
        "ospf3": check_routing.neighbours("ospf3", "OSPFv3"),
        "queues": check_machine.queues,
        "rib_fib": check_routing.rib_fib,
        "rib_fib_neighbours": check_routing.rib_fib_neighbours,
        "route_counts": check_routing.route_counts,
        "slab": check_machine.slab,
        "sysctl": check_machine.sysctl,
        "version": check_machine.version,
        "vpp": check_vpp.vpp,
    }
)
"""Checks that a recipe may name."""


@dataclass(frozen=True)
class CheckResult:
    """What one check says; reasons for everything but PASS."""

    name: str
    verdict: Verdict
    reasons: tuple[Reason, ...] = ()


def judge(check: CheckSpec, baseline: Measurement | None, measurement: Measurement | None) -> CheckResult:
    """Judge one measurement. Never raises: an unknown check or an unreadable expectation is ERROR."""
    known = CHECKS.get(check.name)
    if known is None:
        why = Reason(f"check {check.name}", "a check of unknown name", f"one of {', '.join(sorted(CHECKS))}")
        return CheckResult(check.name, Verdict.ERROR, (why,))
    try:
        verdict, reasons = known(as_map(baseline), as_map(measurement), check.expect)
    except Exception as error:
        # A measurement of a form that nobody thought of: an error of ours or a lie of the device, never a pass.
        why = Reason(
            f"check {check.name}", f"{type(error).__name__}: {error}"[:200], "a measurement that can be judged"
        )
        verdict, reasons = Verdict.ERROR, (why,)
    return CheckResult(check.name, verdict, reasons)


def judge_all(
    checks: Sequence[CheckSpec], baseline: Measurement | None, measurement: Measurement | None
) -> tuple[CheckResult, ...]:
    """Judge every check, also after one has failed: all reasons at once."""
    return tuple(judge(check, baseline, measurement) for check in checks)


def overall(results: Sequence[CheckResult]) -> Verdict:
    """The worst verdict: ERROR, FAIL, INCONCLUSIVE, PASS. Nothing judged is INCONCLUSIVE."""
    verdicts = {result.verdict for result in results}
    return next((v for v in _ORDER if v in verdicts), Verdict.PASS if verdicts else Verdict.INCONCLUSIVE)


# -- when is it enough?


@dataclass(frozen=True)
class Policy:
    """How a verification goes: `passes` good rounds in a row, `interval_s` apart, within `within_s`.

    `failure_limit`: more failed rounds than this and it has failed at once; None: only the time decides (a router that
    comes back from a reboot fails its first rounds).
    """

    interval_s: float
    passes: int
    within_s: float
    initial_delay_s: float = 0.0
    failure_limit: int | None = None


@dataclass(frozen=True)
class Rounds:
    """The rounds so far: good ones in a row at the end, failed ones, all; and what the last one said."""

    in_a_row: int = 0
    failed: int = 0
    total: int = 0
    last: Verdict | None = None

    def plus(self, verdict: Verdict) -> "Rounds":
        """After one more round."""
        in_a_row = self.in_a_row + 1 if verdict is Verdict.PASS else 0
        return Rounds(in_a_row, self.failed + (verdict is Verdict.FAIL), self.total + 1, verdict)


class Decision(StrEnum):
    """What comes of a verification."""

    PASS = "pass"
    FAIL = "fail"
    CONTINUE = "continue"


@dataclass(frozen=True)
class Decided:
    """The decision; `after_s` until the next round when it goes on, reasons when it has failed."""

    decision: Decision
    after_s: float = 0.0
    reasons: tuple[Reason, ...] = ()


def decide_verification(rounds: Rounds, policy: Policy, elapsed_s: float) -> Decided:
    """What comes of a verification after these rounds, `elapsed_s` after it began: errors, failures, then success."""
    if rounds.last is Verdict.ERROR:
        return Decided(
            Decision.FAIL, reasons=(Reason("verification", "a check that cannot be judged", "checks that can"),)
        )
    if policy.failure_limit is not None and rounds.failed > policy.failure_limit:
        why = Reason("verification", f"{rounds.failed} failed rounds", f"at most {policy.failure_limit}")
        return Decided(Decision.FAIL, reasons=(why,))
    if rounds.in_a_row >= max(1, policy.passes):
        return Decided(Decision.PASS)
    if elapsed_s < policy.initial_delay_s:
        return Decided(Decision.CONTINUE, policy.initial_delay_s - elapsed_s)
    if elapsed_s >= policy.initial_delay_s + policy.within_s:
        found = f"{rounds.in_a_row} good rounds in a row after {elapsed_s:.0f} s ({rounds.total} in all)"
        return Decided(Decision.FAIL, reasons=(Reason("verification", found, f"{policy.passes} in a row"),))
    return Decided(Decision.CONTINUE, policy.interval_s)


# -- traffic


def traffic(before: Measurement, after: Measurement, seconds: float) -> dict[str, float | None]:
    """Packets forwarded for others per second, by family, from two measurements `seconds` apart.

    None where it cannot be told: a counter is missing or went backwards (reset), the boot is another, no time passed.
    """
    rates: dict[str, float | None] = {}
    same_boot = before.get("boot_id") == after.get("boot_id")
    for family in ("ipv4", "ipv6"):
        first, last = (number(at(m, "forwarded", family)) for m in (before, after))
        told = first is not None and last is not None and last >= first and seconds > 0 and same_boot
        rates[family] = (last - first) / seconds if told and first is not None and last is not None else None
    return rates


def is_quiet(rates: Mapping[str, float | None], below_pps: float) -> Judged:
    """Has the traffic gone? PASS when both families forward less than `below_pps`; what cannot be told is no proof."""
    untold = [untold_reason(f"forwarded packets, {family}") for family in ("ipv4", "ipv6") if rates.get(family) is None]
    failed = [
        Reason(f"{family} traffic", f"{rate:.0f} packets/s forwarded", f"less than {below_pps:.0f}")
        for family, rate in rates.items()
        if rate is not None and rate >= below_pps
    ]
    return verdict_of(failed, untold)
