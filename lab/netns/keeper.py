"""The process that keeps the lab's hosts running: starts each, starts it again when it asked for a reboot.

Started by `up`, ended by `down` with SIGTERM. It is the parent of every host, and every host dies with it: the lab's
processes can neither outlive it nor be mistaken for others.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from lab.netns import wiring
from lab.netns.host_files import all_hosts
from lab.netns.paths import HOSTS, namespace
from lab.netns.topology import External, Router

ENTER = Path(__file__).with_name("enter.sh")

# reboot(2) in a PID namespace ends its first process with SIGHUP for a restart, with SIGINT for a halt.
_REBOOT = -signal.SIGHUP


class _Stopped(Exception):
    pass


def cgroup_root() -> Path | None:
    """The machine's cgroup v2 tree, alone or beside v1; None when none is mounted."""
    for line in Path("/proc/mounts").read_text().splitlines():
        _device, where, kind = line.split()[:3]
        if kind == "cgroup2":
            return Path(where)
    return None


def start_host(host: Router | External, tree: Path) -> subprocess.Popen[bytes]:
    """Starts the host's first process in its namespaces; its id is kept in the host's folder."""
    folder = HOSTS / host.name
    root = cgroup_root()
    if root is None:
        raise RuntimeError("no cgroup2 mounted")
    cgroup = root / f"slipway-lab-{host.name}"
    cgroup.mkdir(exist_ok=True)
    if isinstance(host, Router):
        init = ["/sbin/init"]
    else:
        wiring.configure_external(host)
        init = ["/bin/sh", "-c", "mkdir -p /run/bird && exec /usr/sbin/bird -f"]
    uptime = int(float(Path("/proc/uptime").read_text().split()[0]))
    command = [
        "/bin/sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(cgroup),
        "setpriv", "--pdeathsig", "KILL",
        "nsenter", f"--net=/run/netns/{namespace(host.name)}",
        "unshare", "--mount", "--uts", "--ipc", "--pid", "--cgroup", "--time", "--boottime", str(-uptime),
        "--fork", "--kill-child=SIGKILL",
        str(ENTER), host.name, str(folder), str(tree), *init,
    ]  # fmt: skip
    with (folder / "init.log").open("ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    (folder / "outer.pid").write_text(str(process.pid))
    return process


def _record(host: str, status: int) -> None:
    with (HOSTS / host / "boots.jsonl").open("a") as log:
        log.write(json.dumps({"at": time.time(), "ended": status}) + "\n")


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise _Stopped


def keep(tree: Path) -> None:
    """Runs until SIGTERM. A host that halts stays down; one that reboots comes back."""
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    running: dict[int, tuple[Router | External, subprocess.Popen[bytes]]] = {}
    try:
        for host in all_hosts():
            process = start_host(host, tree)
            running[process.pid] = (host, process)
        while True:
            if not running:
                signal.pause()
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
            if ended is None or ended.si_pid not in running:
                continue
            host, process = running.pop(ended.si_pid)
            status = process.wait()
            _record(host.name, status)
            if status == _REBOOT and isinstance(host, Router):
                wiring.power_on_state(host.name)
                process = start_host(host, tree)
                running[process.pid] = (host, process)
    except _Stopped:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    finally:
        for _host, process in running.values():
            process.kill()
        for _host, process in running.values():
            process.wait()


if __name__ == "__main__":
    keep(Path(sys.argv[1]))
