"""Has the traffic gone? The kernel's counters of what it forwards, and those of VPP where that runs.

Two samples one second apart in one round trip. Whether VPP runs is asked of the router each time, not of the facts: a
router may have gone to VPP since its change was planned, and come back drained from a soak.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fleet.core.model import Json, Reason
from playbooks import vpp_counters
from playbooks.base import Answer, Step
from playbooks.drain.parse import Forwarded, forwarded, rates

# The kernel's are timed by the device's own uptime; VPP's have their times in them.
COUNTERS: Mapping[str, list[str]] = {
    "uptime1": ["cat", "/proc/uptime"],
    "snmp1": ["cat", "/proc/net/snmp"],
    "snmp6_1": ["cat", "/proc/net/snmp6"],
    "vpp1": vpp_counters.argv(),
    "pause": ["sleep", "1"],
    "uptime2": ["cat", "/proc/uptime"],
    "snmp2": ["cat", "/proc/net/snmp"],
    "snmp6_2": ["cat", "/proc/net/snmp6"],
    "vpp2": vpp_counters.argv(),
}


@dataclass(frozen=True)
class Proof:
    """`pps`: packets/s forwarded by family, with "vpp" for all that VPP forwards; None: not known, see `doubts`."""

    pps: Mapping[str, float] | None
    doubts: tuple[Reason, ...]
    process: str  # of VPP; "" where the kernel alone forwards

    def loud(self, name: str, below: float) -> tuple[Reason, ...]:
        """What stands against calling the router quiet; empty only where everything is known and below."""
        return (*self.doubts, *_loud(name, self.pps or {}, below))

    def data(self) -> Mapping[str, Json]:
        """What a step keeps of it."""
        return {"forwarded": self.pps, **({"vpp_process": self.process} if self.process else {})}


def proof(step: Step, answers: Mapping[str, Answer]) -> Proof:
    """From the answers to COUNTERS. Where VPP ran in the baseline or at the last look, it has to be there still."""
    name, kernel = step.device.name, _kernel(answers)
    one, two = (answers[key].out if key in answers else "" for key in ("vpp1", "vpp2"))
    vpp = vpp_counters.traffic(one, two, device=name, known=_known(step))
    doubts = [Reason(f"traffic through {name}", "no usable counters", "two samples of ForwDatagrams")] * (not kernel)
    doubts += [vpp.doubt] if vpp.doubt is not None else []
    pps = None if doubts or kernel is None else {**kernel, **({"vpp": vpp.pps} if vpp.pps is not None else {})}
    return Proof(pps, tuple(doubts), vpp.process)


def _known(step: Step) -> str | None:
    kept = step.progress.get("vpp_process")
    if isinstance(kept, str):
        return kept
    before = (step.baseline or {}).get("vpp")
    return "?" if isinstance(before, Mapping) and before.get("running") is True else None


def _kernel(answers: Mapping[str, Answer]) -> Mapping[str, float] | None:
    """Forwarded packets per second by family from the two samples; None where it cannot be told."""

    def sample(number: str) -> Forwarded:
        uptime, snmp, snmp6 = (answers.get(f"{n}{number}") for n in ("uptime", "snmp", "snmp6_"))
        six = snmp6.out if snmp6 is not None else ""
        if snmp6 is not None and not snmp6.ok and "No such file" in six:
            six = "Ip6OutForwDatagrams 0"  # a kernel without IPv6 forwards none
        return forwarded(snmp.out if snmp else "", six, uptime.out if uptime else "")

    return rates(sample("1"), sample("2"))


def _loud(name: str, pps: Mapping[str, float], below: float) -> tuple[Reason, ...]:
    remedy = "See who still sends: a prefix without another way, a static route, a peer that ignores graceful shutdown."
    return tuple(
        Reason(f"{family} through {name}", f"{rate:g} packets/s forwarded", f"less than {below:g}", remedy)
        for family, rate in pps.items()
        if rate >= below
    )
