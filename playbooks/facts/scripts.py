"""The small POSIX sh scripts of discovery: what one command alone cannot tell. Constants; nothing is put into them.

Each is run as `/bin/sh -c SCRIPT slipway-NAME ROOT [INTERFACE]`; ROOT is empty on devices (tests point it at a tree of
files). They only read, and run in dash and in busybox ash alike: files of one line are read by the shell itself, so
that a machine with 128 CPUs and a thousand processes costs no thousand forks. Every answer is lines of `WORD VALUE`.
"""

# v = first line of a file, empty where there is none or it cannot be read (some sysfs files answer EINVAL).
_READ = 'g() { v=; [ -r "$1" ] && IFS= read -r v <"$1"; } 2>/dev/null\n'

# The lists of CPUs are read by grep, all at once: the kernel (6.18 here) answers nothing to `read` in a shell, which
# asks for one byte at a time.
CPU = """\
grep -m 2 -E '^(vendor_id|model name|CPU implementer|CPU part)' "$1/proc/cpuinfo"
c=$1/sys/devices/system
grep -Hs '' "$c"/cpu/cpu[0-9]*/topology/physical_package_id "$c"/cpu/cpu[0-9]*/topology/thread_siblings_list \
"$c"/node/node[0-9]*/cpulist "$c/cpu/isolated"
"""

# What the firmware says that the machine is. UUID and serial number are root's to read.
IDENTITY = (
    _READ
    + """\
for f in product_uuid product_serial product_name; do
p=$1/sys/class/dmi/id/$f; [ -e "$p" ] || continue; g "$p"; echo "$f $v"; done
"""
)

# A line that begins with "=" is a version; the others are /proc/modules as it is.
MODULES = (
    _READ
    + """\
for f in "$1"/sys/module/*/version; do
[ -r "$f" ] || continue; g "$f"; m=${f%/version}; echo "= ${m##*/} $v"; done
cat "$1/proc/modules"
"""
)

# All packages are listed on the device (20 ms for 500 of them) and only those that matter are sent.
PACKAGES = """\
if command -v dpkg-query >/dev/null 2>&1; then
echo '= dpkg'; dpkg-query -W -f '${Package} ${Version} ${db:Status-Abbrev}\\n'
elif command -v rpm >/dev/null 2>&1; then echo '= rpm'; rpm -qa --qf '%{NAME} %{VERSION}-%{RELEASE}\\n'
elif command -v apk >/dev/null 2>&1; then echo '= apk'; apk info -v 2>/dev/null
else echo '= none'; fi |
grep -E '^(=|linux-(image|lts|virt|firmware)|kernel|frr|bird|vpp|firmware|intel-|vyos-|[a-z0-9+.-]*dkms)'
"""

DAEMONS = (
    *("zebra", "bgpd", "ospfd", "ospf6d", "isisd", "ripd", "ripngd", "bfdd", "staticd", "pimd", "pim6d", "ldpd"),
    *("vrrpd", "pathd", "pbrd", "nhrpd", "eigrpd", "babeld", "fabricd", "sharpd", "mgmtd", "watchfrr"),
    *("bird", "bird6", "vpp", "vpp_main", "keepalived"),
)
# Ends with the number of processes that it may look at: none of ours among 300 is another answer than none at all.
PROCESSES = (
    'n=0\nfor d in "$1"/proc/[0-9]*; do v=; IFS= read -r v <"$d/comm" || continue\nn=$((n + 1)); case $v in '
    + "|".join(DAEMONS)
    + ') IFS= read -r v <"$d/stat" && echo "$v";; esac; done 2>/dev/null\necho "= $n"\n'
)

# For a shell whose `ip` has no JSON (busybox): one line per address.
ADDRESSES = "ip -j addr show >/dev/null 2>&1 || ip -o addr show\n"

# AdminQ API of i40e and ice before their `devlink dev info` knew it: said once, when the driver starts.
DRIVER_LOG = "dmesg | grep -E 'fw [0-9.]+ api [0-9.]+ nvm ' || true\n"

# The control plane of VPP is asked with a limit: it may hang while it forwards on (story S2-17).
VPP = """\
[ -S "$1/run/vpp/cli.sock" ] || { echo '@ none'; exit 0; }
echo '@ version'; timeout 5 vppctl -s "$1/run/vpp/cli.sock" show version
echo '@ config'; cat "$1/etc/vpp/vppcfg.yaml" 2>/dev/null || true
"""

# A command in the network namespace of the routing daemon: where VPP forwards it is not that of every session.
THERE = """\
r=$1 p=; shift
for d in "$r"/proc/[0-9]*; do v=; IFS= read -r v <"$d/comm" || continue
case $v in zebra|bird) p=${d##*/}; break;; esac; done 2>/dev/null
[ -n "$p" ] || { echo 'neither zebra nor bird runs'; exit 3; }
exec nsenter --net="$r/proc/$p/ns/net" -- "$@"
"""

# One interface: sysfs, then ethtool. Interfaces on top of others (VLANs, bonds) have no card of their own: a router
# with 4,000 of them would spend half a minute on ethtool. The extended configuration space, where the serial number of
# a card lies (PCI capability 3), is root's; lspci is not needed for it.
NIC = (
    _READ
    + """\
d=$1/sys/class/net/$2; p=$d/device
[ -e "$d/address" ] || exit 0
for f in address mtu operstate; do g "$d/$f"; echo "$f $v"; done
while IFS= read -r v; do case $v in DEVTYPE=*) echo "kind ${v#DEVTYPE=}";; esac; done <"$d/uevent"
if [ -e "$p" ]; then
l=$(readlink "$p/driver"); echo "driver ${l##*/}"
l=$(readlink "$p/driver/module"); l=${l##*/}; echo "module $l"
if [ -n "$l" ]; then g "$1/sys/module/$l/version"; echo "version $v"; fi
[ -e "$p/subsystem_vendor" ] || { [ -e "$p/../subsystem_vendor" ] && p=$p/..; }
for f in vendor device subsystem_vendor subsystem_device numa_node; do
if [ -r "$p/$f" ]; then g "$p/$f"; echo "$f $v"; fi; done
if s=$(od -An -v -tu4 -j256 -N3840 "$p/config" 2>/dev/null); then
set -- "$1" "$2" $s; o=256 n=0
while [ "$o" -ge 256 ] && [ "$n" -lt 48 ]; do
k=$((o / 4 - 61)); [ "$(($# - k))" -ge 2 ] || break
eval "a=\\${$k} b=\\${$((k + 1))} c=\\${$((k + 2))}"
if [ "$((a & 65535))" = 3 ]; then printf 'serial %08x%08x\\n' "$c" "$b"; break; fi
o=$((a >> 20 & 4095)); n=$((n + 1)); done
else echo 'config unreadable'; fi
for n in "$p"/msi_irqs/*; do
[ -e "$n" ] || continue; n=${n##*/}; g "$1/proc/irq/$n/smp_affinity_list"; a=$v; x=
for f in "$1/proc/irq/$n"/*/; do [ -d "$f" ] && f=${f%/} x=${f##*/}; done; echo "irq $n $a $x"; done
else for f in "$d"/lower_*; do [ -e "$f" ] && exit 0; done; fi
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
)

BY_NAME = {
    "cpu": CPU,
    "identity": IDENTITY,
    "modules": MODULES,
    "packages": PACKAGES,
    "processes": PROCESSES,
    "addresses": ADDRESSES,
    "driver-log": DRIVER_LOG,
    "nic": NIC,
    "vpp": VPP,
    "there": THERE,
}


def argv(name: str, *, root: str = "") -> list[str]:
    """The command that runs a script of this module. `root`: of the tree that it reads; empty on a device."""
    return ["/bin/sh", "-c", BY_NAME[name], f"slipway-{name}", root]
