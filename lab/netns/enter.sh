#!/bin/bash
# Becomes the first process of a lab host: mounts its root and execs its init.
# Usage: enter.sh NAME HOST_FOLDER TREE INIT... ; runs as root in fresh mount, uts, ipc, pid, cgroup namespaces,
# in the host's network namespace. Exits only when a mount fails.
set -eu
name=$1 folder=$2 tree=$3
shift 3
root=$folder/root

mount --make-rprivate /
hostname "$name"
mount -t overlay overlay -o "lowerdir=$tree,upperdir=$folder/upper,workdir=$folder/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for node in null zero full random urandom tty; do
    touch "$root/dev/$node"
    mount --bind "/dev/$node" "$root/dev/$node"
done
mkdir -p "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ln -s fd/0 "$root/dev/stdin"
ln -s fd/1 "$root/dev/stdout"
ln -s fd/2 "$root/dev/stderr"
touch "$root/dev/console"
mount --bind "$folder/console" "$root/dev/console"
mount -t tmpfs tmpfs "$root/dev/shm"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
if [ -d "$folder/journal" ]; then
    mkdir "$root/run/recorder"
    mount --bind "$folder/journal" "$root/run/recorder"
fi
mount -t tmpfs tmpfs "$root/tmp"
chmod 1777 "$root/tmp" "$root/dev/shm"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"

# Guard rails: of the kernel's settings only net.* (which belongs to this namespace) can be written; no sysrq.
mkdir -p "$root/run/.net"
mount --bind "$root/proc/sys/net" "$root/run/.net"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount --move "$root/run/.net" "$root/proc/sys/net"
rmdir "$root/run/.net"
if [ -e "$root/proc/sysrq-trigger" ]; then
    mount --bind /dev/null "$root/proc/sysrq-trigger"
fi

# A boot has its own boot_id, as on a machine of its own.
cat /proc/sys/kernel/random/uuid > "$root/run/boot_id"
chmod 444 "$root/run/boot_id"
mount --bind "$root/run/boot_id" "$root/proc/sys/kernel/random/boot_id"

cd "$root"
mkdir -p .old
pivot_root . .old
umount -l /.old
rmdir /.old || true
# "container=" keeps systemd from reaching for devices.
exec env -i container=slipway-lab PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=linux "$@"
