"""The small POSIX sh script that looks at the queues of one interface. A constant; nothing is put into it.

Run as `/bin/sh -c QUEUES slipway-queues ROOT INTERFACE`; ROOT is empty on devices (tests point it at a tree of files).
It only reads. Interfaces on top of others (VLANs, bonds) have no queues of their own.
"""

QUEUES = """\
g() { v=; [ -r "$1" ] && IFS= read -r v <"$1"; } 2>/dev/null
d=$1/sys/class/net/$2; p=$d/device
[ -e "$d/address" ] || exit 0
for f in "$d"/lower_*; do [ -e "$f" ] && exit 0; done
g "$d/operstate"; echo "operstate $v"
if [ -e "$p" ]; then l=$(readlink "$p/driver"); echo "driver ${l##*/}"; fi
n=0; for q in "$d"/queues/rx-*; do [ -e "$q" ] && n=$((n + 1)); done; echo "queues $n"
for f in rx_packets rx_missed_errors rx_fifo_errors rx_dropped; do g "$d/statistics/$f"; echo "$f $v"; done
for n in "$p"/msi_irqs/* "$p"/../msi_irqs/*; do
[ -e "$n" ] || continue; n=${n##*/}; g "$1/proc/irq/$n/smp_affinity_list"; a=$v; x=
for f in "$1/proc/irq/$n"/*/; do [ -d "$f" ] && f=${f%/} x=${f##*/}; done; echo "irq $n $a $x"; done
t() { echo "@ $1"; shift; "$@"; echo "
@ = $?"; }
t stats ethtool -S "$2"
t channels ethtool -l "$2"
t rss ethtool -x "$2"
for f in tcp4 udp4 esp4 tcp6 udp6 esp6; do t "flow $f" ethtool -n "$2" rx-flow-hash $f; done
"""


def queues(*, root: str = "") -> list[str]:
    """The command of QUEUES without its interface."""
    return ["/bin/sh", "-c", QUEUES, "slipway-queues", root]


# What else a card lets be set. Interfaces without a card answer what their driver has (veth: nothing).
STATE = """\
g() { v=; [ -r "$1" ] && IFS= read -r v <"$1"; } 2>/dev/null
d=$1/sys/class/net/$2; p=$d/device
[ -e "$d/address" ] || exit 0
if [ -e "$p" ]; then l=$(readlink "$p/driver"); echo "driver ${l##*/}"
g "$p/local_cpulist"; [ -n "$v" ] || g "$p/../local_cpulist"; echo "local $v"
c=$1/sys/devices/system/cpu; g "$c/online"; echo "online $v"; g "$c/isolated"; echo "isolated $v"
for f in "$c"/cpu[0-9]*/topology/thread_siblings_list; do g "$f"; echo "siblings $v"; done; fi
for n in $(ls "$p/msi_irqs" "$p/../msi_irqs" 2>/dev/null | grep -E '^[0-9]+$' | sort -nu); do
g "$1/proc/irq/$n/smp_affinity_list"; a=$v; x=
for f in "$1/proc/irq/$n"/*/; do [ -d "$f" ] && f=${f%/} x=${f##*/}; done; echo "irq $n $a $x"; done
for q in "$d"/queues/rx-*; do g "$q/rps_cpus"; [ -n "$v" ] && echo "rps ${q##*/rx-} $v"; done
for q in "$d"/queues/tx-*; do g "$q/xps_cpus"; [ -n "$v" ] && echo "xps ${q##*/tx-} $v"; done
t() { echo "@ $1"; shift; "$@"; echo "
@ = $?"; }
t rss ethtool -x "$2"
t coalesce ethtool -c "$2"
t offloads ethtool -k "$2"
t priv_flags ethtool --show-priv-flags "$2"
for f in tcp4 udp4 esp4 tcp6 udp6 esp6; do t "flow $f" ethtool -n "$2" rx-flow-hash $f; done
"""


def state(*, root: str = "") -> list[str]:
    """The command of STATE without its interface."""
    return ["/bin/sh", "-c", STATE, "slipway-nic-state", root]


# Who decides over the .link settings of a card, and what they say. Interfaces without a card answer nothing.
LINK = """\
d=$1/sys/class/net/$2
[ -e "$d/device" ] || exit 0
l=$(readlink "$d/device/driver"); echo "driver ${l##*/}"
m=$(ethtool -P "$2" 2>/dev/null); echo "mac ${m##* }"
systemctl --version 2>/dev/null | grep '^systemd '
u=$(systemctl is-active systemd-udevd 2>/dev/null); echo "udevd $u"
b=
for w in $(udevadm info -q property -p "$d" 2>/dev/null | grep '^ID_NET_LINK_FILE'); do
case $w in ID_NET_LINK_FILE=*) b=${w#*=}; echo "file $b";; *DROPINS=?*) echo "dropins ${w#*=}";; esac; done
o=$1/etc/systemd/network/10-slipway-$2.link
[ -d "$b.d" ] || [ -d "$1/etc/systemd/network/${b##*/}.d" ] && [ -n "$b" ] && echo "dropins $b.d"
echo '@ base'; [ -r "$1$b" ] && [ -n "$b" ] && cat "$1$b"
echo '@ own'; [ -r "$o" ] && cat "$o"
exit 0
"""


def link(*, root: str = "") -> list[str]:
    """The command of LINK without its interface."""
    return ["/bin/sh", "-c", LINK, "slipway-nic-link", root]
