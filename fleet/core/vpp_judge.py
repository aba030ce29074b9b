"""Is VPP well? Pairs with Linux, bonds, LACP, routes, errors, load and its control plane, from values. Pure.

Every answer is a `CheckResult`: what could not be read is INCONCLUSIVE, never a pass.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from fleet.core.checks import CheckResult
from fleet.core.model import Reason, Verdict

# Of 256 packets a vector; above this, sustained, a worker takes what it can and the card drops the rest (vpp.md 4).
SATURATED = 200.0
# FIB entries beyond the daemon's networks: connected, local, host and special ones. Story S2: 725 and 828.
MOST_SPECIAL = 2_000
# Reasons of `show errors` that say something; others count what every router sees.
_WORRIES = ("no buffer", "overflow", "unresolved", "blackhole", "no free", "tx full", "no member")


def _result(name: str, wrong: Iterable[Reason], *, unknown: Iterable[Reason] = ()) -> CheckResult:
    bad, dark = tuple(wrong), tuple(unknown)
    verdict = Verdict.FAIL if bad else Verdict.INCONCLUSIVE if dark else Verdict.PASS
    return CheckResult(name, verdict, (*bad, *dark))


def _dark(subject: str, wanted: str = "an answer of VPP") -> Reason:
    return Reason(subject, "no readable answer", wanted)


def control_plane(seconds: float | None, *, forwarding: bool | None) -> CheckResult:
    """Does the main thread answer? `seconds`: of `show version`; None: none within the limit (the hang of S2-17)."""
    if seconds is not None:
        return _result("vpp_control_plane", ())
    found = {True: "no answer, and it forwards on", False: "no answer, and nothing is forwarded"}
    remedy = "Its main thread hangs: routes of the daemon reach it no more. Go back to the kernel."
    reason = Reason("control plane of VPP", found.get(bool(forwarding), "no answer"), "an answer within 5 s", remedy)
    return _result("vpp_control_plane", (reason,))


def lcp_pairs(wanted: Mapping[str, str], found: Mapping[str, str] | None) -> CheckResult:
    """Every interface of VPP with its name in Linux, and no broken pair. By name in VPP."""
    if found is None:
        return _result("vpp_pairs", (), unknown=(_dark("show lcp"),))
    wrong = [
        Reason(f"pair of {name}", found.get(name, "none"), host, "See `vppctl show lcp` and its log.")
        for name, host in sorted(wanted.items())
        if found.get(name) != host
    ]
    wrong += [Reason(f"pair of {name}", host, "none") for name, host in sorted(found.items()) if name not in wanted]
    return _result("vpp_pairs", wrong)


def bonds(wanted: Mapping[str, int], found: Mapping[str, tuple[int, int]] | None) -> CheckResult:
    """Bonds with all their members active. `wanted`: members by name; `found`: (active, members)."""
    if found is None:
        return _result("vpp_bonds", (), unknown=(_dark("show bond details"),) if wanted else ())
    wrong = []
    for name, count in sorted(wanted.items()):
        active, members = found.get(name, (0, 0))
        if (active, members) != (count, count):
            remedy = "See `vppctl show lacp`: partner, and cabling."
            wrong.append(Reason(f"bond {name}", f"{active} active of {members}", f"{count} of {count}", remedy))
    return _result("vpp_bonds", wrong)


def lacp(found: Mapping[str, Mapping[str, Any]] | None, wanted: Iterable[str]) -> CheckResult:
    """Members that collect and distribute, all with one partner. `wanted`: the members."""
    names = sorted(wanted)
    if found is None:
        return _result("vpp_lacp", (), unknown=(_dark("show lacp"),) if names else ())
    wrong = [
        Reason(f"LACP of {name}", str(found.get(name, {}).get("mux", "not there")), "COLLECTING_DISTRIBUTING")
        for name in names
        if found.get(name, {}).get("mux") != "COLLECTING_DISTRIBUTING"
    ]
    return _result("vpp_lacp", wrong)


def bfd(wanted: Iterable[str], found: Mapping[str, Any] | None) -> CheckResult:
    """BFD sessions (PEER%INTERFACE) that are up. `found`: status by session, as the daemon says it."""
    names = sorted(wanted)
    if found is None:
        return _result("vpp_bfd", (), unknown=(_dark("BFD sessions", "an answer of the daemon"),) if names else ())
    remedy = "Its packets come every few 100 ms: see what VPP punts and drops, and BFD at the other end."
    wrong = [
        Reason(f"BFD session {name}", str(found.get(name) or "no such session")[:60], "up as in the baseline", remedy)
        for name in names
        if found.get(name) != "up"
    ]
    return _result("vpp_bfd", wrong)


def fib(
    family: str, *, daemon: int | None, kernel: int | None, found: int | None, special: int = MOST_SPECIAL
) -> CheckResult:
    """The FIB against what the daemon has and what the kernel was given. Counts of routes.

    Fewer than the daemon's are missing in the data plane; many more are left over.
    """
    name = f"vpp_fib_{family}"
    wanted = daemon if daemon is not None else kernel
    if found is None or wanted is None:
        return _result(name, (), unknown=(_dark(f"{family} routes of VPP and of the daemon"),))
    wrong = []
    if found < wanted:
        remedy = "Routes are missing in VPP: see `show log` (linux-nl), and its netlink buffer."
        wrong.append(Reason(f"{family} routes in VPP", str(found), f"at least {wanted}, as the daemon", remedy))
    if found > wanted + special:
        wrong.append(Reason(f"{family} routes in VPP", str(found), f"at most {wanted + special}"))
    if kernel is not None and daemon is not None and kernel < daemon:
        wrong.append(Reason(f"{family} routes in the kernel's namespace", str(kernel), f"at least {daemon}"))
    return _result(name, wrong)


def errors(before: Mapping[str, int] | None, after: Mapping[str, int] | None, *, most: int = 100) -> CheckResult:
    """What `show errors` has counted meanwhile. Counters only grow; smaller ones mean that VPP was restarted."""
    if before is None or after is None:
        return _result("vpp_errors", (), unknown=(_dark("show errors"),))
    wrong = []
    for key, count in sorted(after.items()):
        grown = count - before.get(key, 0)
        if grown < 0:
            wrong.append(Reason(f"counter {key}", f"{count} after {before[key]}", "one that grows", "VPP restarted."))
        elif grown > most and any(word in key.lower() for word in _WORRIES):
            wrong.append(Reason(f"errors of VPP, {key}", f"{grown} more", f"at most {most} more"))
    return _result("vpp_errors", wrong)


def load(workers: Mapping[str, float] | None) -> CheckResult:
    """Vectors per call of each thread; polling threads always take all of their CPU (vpp.md 4)."""
    if workers is None:
        return _result("vpp_load", (), unknown=(_dark("show runtime"),))
    remedy = "More workers and queues, or less traffic: the card drops what they do not take."
    wrong = [
        Reason(f"thread {name}", f"{rate:g} packets a vector", f"below {SATURATED:g} of 256", remedy)
        for name, rate in sorted(workers.items())
        if rate >= SATURATED
    ]
    return _result("vpp_load", wrong)


def same_process(before: Mapping[str, str] | None, after: Mapping[str, str] | None) -> CheckResult:
    """systemd restarts a VPP that crashes, with only what its start file says: restarts and process compared."""
    if before is None or after is None:
        return _result("vpp_process", (), unknown=(_dark("systemd's view of VPP"),))
    wrong = [
        Reason(f"{key} of vpp.service", after.get(key, "none"), f"{value} as before", "It crashed: see its log.")
        for key, value in sorted(before.items())
        if after.get(key) != value
    ]
    return _result("vpp_process", wrong)
