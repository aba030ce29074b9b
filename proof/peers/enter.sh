#!/bin/sh
# The init of one target, in namespaces of its own (network, mounts, names, processes): a real BIRD, a real sshd.
#   enter.sh FOLDER NAME ADDRESS
set -eu
folder=$1 name=$2 address=$3
hostname "$name"
# A home of its own too: a shell over SSH reads ~/.bashrc for every command, and a developer's does much.
for dir in etc/bird run/bird etc/sysctl.d var/lib/slipway root; do
    mkdir -p "/$dir" "$folder/$dir"
    mount --bind "$folder/$dir" "/$dir"
done
mount --bind "$folder/systemctl" /usr/bin/systemctl
ip link set lo up
while ! ip link show eth0 >/dev/null 2>&1; do sleep 0.05; done
ip addr add "$address/24" dev eth0
ip link set eth0 up
ip link add stub0 type bridge
ip addr add "10.214.0.${address##*.}/32" dev stub0
ip link set stub0 up
systemctl restart bird
exec /usr/sbin/sshd -D -e -f "$folder/sshd_config"
