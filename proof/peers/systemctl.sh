#!/bin/sh
# In the place of systemd's own in a target: starts, stops and shows one unit, the real BIRD. Everything else is refused
# with the words of a machine that was not booted with systemd.
start() {
    # It takes its pid file away before it lets go of its socket: the process is what is waited for.
    old=$(cat /run/bird/pid 2>/dev/null) || old=
    [ -z "$old" ] || kill "$old" 2>/dev/null || :
    left=100
    while [ -n "$old" ] && [ $left -gt 0 ] && kill -0 "$old" 2>/dev/null; do
        sleep 0.1
        left=$((left - 1))
    done
    tr -d - < /proc/sys/kernel/random/uuid > /run/bird/invocation
    /usr/sbin/bird -P /run/bird/pid -s /run/bird/bird.ctl -c /etc/bird/bird.conf </dev/null >/dev/null 2>&1
}
active() { [ -e /run/bird/pid ] && kill -0 "$(cat /run/bird/pid)" 2>/dev/null; }
case "$*" in
    "restart bird") start ;;
    "restart --no-block bird") start & ;;
    "reset-failed bird") ;;
    "is-active bird") if active; then echo active; else echo inactive; exit 3; fi ;;
    show*bird)
        if active; then state=active; else state=inactive; fi
        printf 'LoadState=loaded\nActiveState=%s\nInvocationID=%s\n' "$state" "$(cat /run/bird/invocation)"
        printf 'ActiveEnterTimestampMonotonic=%s\n' "$(cut -d. -f1 /proc/uptime)000000" ;;
    *) echo "System has not been booted with systemd as init system (PID 1). Can't operate." >&2; exit 1 ;;
esac
