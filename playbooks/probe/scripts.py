"""What is sent to vantage points. Pure. The script is a constant; addresses and counts are its arguments."""

from collections.abc import Sequence
from dataclasses import dataclass

# One that is not counted goes first: neighbour discovery delays it, and a hop that is asked once may be silent for it.
# All probes of a vantage point at once, so that they measure the same time. ping where there is one, else mtr;
# the way by mtr where there is one, else by pings whose hop limits end on the way.
SCRIPT = """\
c=$2 i=$3; shift 3
d=$(mktemp -d) || exit 3
trap 'rm -rf "$d"' EXIT
has() { command -v "$1" >/dev/null 2>&1; }
n=0
while [ $# -ge 3 ]; do
k=$1 a=$2 s=$3; shift 3; n=$((n + 1)); echo "$k $a" >"$d/$n.what"
case $k in
probe) if has ping; then { ping -n -c 1 -W 1 ${s:+-I "$s"} "$a" >/dev/null 2>&1
ping -n -c "$c" -i "$i" -W 1 ${s:+-I "$s"} "$a"; }
elif has mtr; then echo "mtr $c"; mtr -l -n -c "$c" -i "$i" -G 1 ${s:+-a "$s"} "$a"
else echo 'no ping and no mtr'; fi >"$d/$n" 2>&1 & ;;
trace) if has mtr; then mtr -j -n -c 2 -i 0.2 -G 1 -m 16 ${s:+-a "$s"} "$a" >"$d/$n" 2>&1 &
elif has ping; then
{ ping -n -c 1 -W 1 ${s:+-I "$s"} "$a" >/dev/null 2>&1
for t in 1 2 3 4 5 6 7 8; do ping -n -c 2 -i 0.3 -W 1 -t "$t" ${s:+-I "$s"} "$a" >"$d/$n.$t" 2>&1 & done; wait; } &
else echo 'no ping and no mtr' >"$d/$n"; fi ;;
esac
done
wait
m=0
while [ "$m" -lt "$n" ]; do m=$((m + 1)); echo "@ $(cat "$d/$m.what")"
for t in 1 2 3 4 5 6 7 8; do [ -e "$d/$m.$t" ] && { echo "hop $t"; cat "$d/$m.$t"; }; done
[ -e "$d/$m" ] && cat "$d/$m"; echo; done
"""


@dataclass(frozen=True)
class Ask:
    """One address to be probed (`trace`: only the way to it), and the address it is sent from ("": the kernel's)."""

    address: str
    source: str = ""
    trace: bool = False


def argv(asks: Sequence[Ask], *, count: int, interval: float) -> list[str]:
    """The command for all of them at once."""
    words = [w for a in asks for w in ("trace" if a.trace else "probe", a.address, a.source)]
    return ["/bin/sh", "-c", SCRIPT, "slipway-probe", "", str(count), f"{interval:g}", *words]


ADDRESSES = ["ip", "-j", "addr", "show"]


def heard(suite: str, prefix: str) -> dict[str, list[str]]:
    """What a router is asked about a prefix, exactly that: names begin with `rib` and `bgp`."""
    family, six = ("ipv6", True) if ":" in prefix else ("ipv4", False)
    match suite:
        case "frr":
            shown = f"show {'ipv6' if six else 'ip'} route {prefix} json"
            return {
                f"rib:{prefix}": ["vtysh", "-c", shown],
                f"bgp:{prefix}": ["vtysh", "-c", f"show bgp {family} unicast {prefix} json"],
            }
        case "bird":
            return {f"rib:{prefix}": ["birdc", "show", "route", prefix, "all"]}
        case _:
            return {}
