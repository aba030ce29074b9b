"""What VPP forwards: its counters sampled by a script on the router, and packets per second out of two samples. Pure.

The kernel's own counters do not see what VPP forwards (captures/vpp-24.06; vpp.md 3: Linux sees what is punted to it).
What VPP sent on its wires, less what Linux gave it to send, is what it forwarded or made itself: packets to the router
and from it (BGP, OSPF, BFD of the daemon) do not count; what VPP itself sends (LACP, ARP, errors) does, and so does
what it bridges. Both families together: VPP counts families where packets arrive, not where they leave.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fleet.core.model import Reason

NAME = "slipway-vpp-counters"
# Whether VPP runs is read from the processes: a socket outlives one that crashed. A main thread that hangs is asked
# with a limit; it may forward on (story S2-17). The uptime on both sides of the question bounds when it was answered.
_SCRIPT = """\
r=$1 n=
for d in "$r"/proc/[0-9]*; do v=; IFS= read -r v <"$d/comm" || continue
case $v in vpp|vpp_main) n="$n ${d##*/}";; esac; done 2>/dev/null
[ -n "$n" ] || { echo '@ none'; exit 0; }
t() { v=; IFS=' ' read -r v _ <"$r/proc/uptime"; echo "@ uptime $v"; }
c() { timeout 5 vppctl -s "$r/run/vpp/cli.sock" "$@"; }
echo "@ process$n"; t; echo '@ interface'
c show interface || { echo; echo '@ silent'; exit 0; }
echo; t; echo '@ lcp'
c show lcp || { echo; echo '@ silent'; }
"""

_IF_ROW = re.compile(r"^(\S+)\s+(\d+)\s+(up|down)\s+(\d+)/(\d+)/(\d+)/(\d+)(?:\s+(\D+?)\s+(\d+))?\s*$")
_COUNTER = re.compile(r"^\s{20,}(\S.*?)\s+(\d+)\s*$")
_TAP = re.compile(r"^itf-pair: \[\d+\] \S+ (\S+) \S+ ", re.MULTILINE)
_PROCESS = re.compile(r"^@ process((?: \d{1,9})+)$", re.MULTILINE)
_UPTIME = re.compile(r"^@ uptime (\d{1,12}(?:\.\d{1,6})?)$", re.MULTILINE)
# No wire: local0, loopbacks and BVIs; of a bond its members are counted.
_NO_WIRE = re.compile(r"local0|(?:BondEthernet|loop|bvi)\d+")
_LEAST_S = 0.2


def argv(*, root: str = "") -> list[str]:
    """The command of one sample. `root`: of the tree that it reads; empty on a device."""
    return ["/bin/sh", "-c", _SCRIPT, NAME, root]


def interfaces(text: str) -> dict[str, dict[str, Any]] | None:
    """`show interface`: name > up, mtu, and its counters by name; counters of 0 are not printed."""
    made: dict[str, dict[str, Any]] = {}
    name = ""
    for line in text.splitlines():
        if (row := _IF_ROW.match(line)) is not None:
            name = row[1]
            made[name] = {"up": row[3] == "up", "mtu": int(row[4]), "counters": {}}
            if row[8]:
                made[name]["counters"][row[8].strip()] = int(row[9])
        elif name and (counter := _COUNTER.match(line)) is not None:
            made[name]["counters"][counter[1]] = int(counter[2])
    return made or None


@dataclass(frozen=True)
class Sample:
    """One answer of the script. `process`: "" where no VPP runs. `ports` None: its control plane did not answer."""

    process: str
    ports: Mapping[str, Mapping[str, int]] | None = None
    taps: frozenset[str] = frozenset()
    begun_s: float | None = None
    ended_s: float | None = None


def sample(text: str) -> Sample | None:
    """None where the answer cannot be read: whether VPP runs is not known then."""
    if text.strip() == "@ none":
        return Sample("")
    found = _PROCESS.search(text)
    if found is None:
        return None
    times = [float(seconds) for seconds in _UPTIME.findall(text)]
    listed = interfaces(text)
    if listed is None or len(times) != 2 or "\n@ silent" in text:
        return Sample(found[1].strip())
    ports = {name: about["counters"] for name, about in listed.items()}
    return Sample(found[1].strip(), ports, frozenset(_TAP.findall(text)), times[0], times[1])


@dataclass(frozen=True)
class Traffic:
    """What two samples say. `process`: of VPP, "" where none runs; `pps`: forwarded; `doubt`: why that is not known."""

    process: str = ""
    pps: float | None = None
    doubt: Reason | None = None


def traffic(first: str, second: str, *, device: str, known: str | None = None) -> Traffic:
    """From two answers of the script. `known`: the process of an earlier look; "?" for one of which the number is lost.

    No VPP, now and before: nothing to prove (no pps, no doubt). VPP that hangs, restarted or went away: a doubt, never
    a number, since what its counters say is then not what it forwards.
    """
    one, two = sample(first), sample(second)
    subject = f"VPP on {device}"
    if one is None or two is None:
        return Traffic(known or "", None, Reason(subject, "no readable answer", "whether VPP runs, and its counters"))
    if not one.process and not two.process:
        if known:
            remedy = "See its log: while it is away nothing is forwarded, and when systemd starts it again all may be."
            return Traffic(known, None, Reason(subject, "its process is gone", "VPP as before", remedy))
        return Traffic()
    numbers = {one.process, two.process} | ({known} if known and known != "?" else set())
    if len(numbers) > 1:
        found = f"restarted (process {two.process or 'none'}): its counters began anew"
        remedy = "It is watched anew; see its log for why it crashed."
        return Traffic(two.process or "?", None, Reason(subject, found, "counters of one process", remedy))
    return _between(one, two, subject)


def _between(one: Sample, two: Sample, subject: str) -> Traffic:
    if one.ports is None or two.ports is None or one.ended_s is None or two.begun_s is None:
        remedy = "Its main thread may hang, and forwards on then: nothing says that it is quiet."
        return Traffic(two.process, None, Reason(subject, "no answer within 5 s", "its counters", remedy))
    seconds = two.begun_s - one.ended_s
    moved = forwarded(one, two) if seconds >= _LEAST_S else None
    if moved is None:
        found = "counters that went backwards, or other interfaces than a second before"
        return Traffic(two.process, None, Reason(subject, found, "two samples of the same counters"))
    return Traffic(two.process, round(moved / seconds, 1))


def forwarded(one: Sample, two: Sample) -> int | None:
    """Packets sent on wires, less those that Linux gave; None where interfaces or counters are not comparable.

    What Linux gave and VPP dropped was not sent: without that it would hide as many packets that were forwarded.
    """
    before, after = one.ports or {}, two.ports or {}
    if set(before) != set(after) or one.taps != two.taps:
        return None
    grown: dict[str, dict[str, int]] = {}
    for name, counters in after.items():
        had = before[name]
        grown[name] = {key: counters.get(key, 0) - had.get(key, 0) for key in {*counters, *had}}
    if any(change < 0 for changes in grown.values() for change in changes.values()):
        return None
    own = {name for name in after if name.rpartition(".")[0] not in after}  # of a sub-interface its card is counted
    sent = sum(grown[n].get("tx packets", 0) for n in own - two.taps if not _NO_WIRE.fullmatch(n))
    given = (grown[n].get("rx packets", 0) - grown[n].get("drops", 0) for n in own & two.taps)
    return max(0, sent - sum(max(0, packets) for packets in given))
