"""Brings the lab up and down, and runs commands on its hosts."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.netns import host_files, ownership, wiring
from lab.netns.command import LabError, run
from lab.netns.inventory import write_inventory
from lab.netns.keeper import cgroup_root
from lab.netns.paths import HOSTS, INVENTORY, LOGIN_KEY, REPOSITORY, SETTINGS, STATE, namespace
from lab.netns.probe_sockets import unreachable_flows
from lab.netns.requirements import reasons_unavailable
from lab.netns.topology import EXTERNALS, FLOWS, ROUTERS, Router
from lab.netns.tree import ready_tree

# Measured: 16 to 19 s to full tables on 2 cores with other work beside it.
CONVERGENCE_LIMIT_S = 180.0
STOP_LIMIT_S = 30.0


@dataclass(frozen=True)
class Lab:
    """A running lab."""

    inventory_path: Path
    login_key: Path
    routers: tuple[Router, ...]
    prefixes4: int
    prefixes6: int


def running_lab() -> Lab | None:
    """The lab that this clone is running, else None."""
    found = ownership.holder()
    if found is None or not found.is_this_clone or not SETTINGS.exists():
        return None
    settings = json.loads(SETTINGS.read_text())
    return Lab(INVENTORY, LOGIN_KEY, ROUTERS, settings["prefixes4"], settings["prefixes6"])


def up(
    progress: Callable[[str], None],
    *,
    prefixes4: int = 2000,
    prefixes6: int = 1000,
    recorded: bool = False,
    disk_mb: int = 0,
) -> Lab:
    """Starts the lab and returns when every router has full tables and every probe flow passes.

    Returns the running lab as it is when this clone already runs one with the same number of prefixes. LabError when
    another clone holds it, when the machine cannot run it, or when it does not converge; a lab that did not converge
    is left running to be looked at. `recorded`, `disk_mb`: see host_files.write_host; they are for a lab started here.
    """
    reasons = reasons_unavailable()
    if reasons:
        raise LabError("this machine cannot run the lab: " + " ".join(reasons))
    already = running_lab()
    if already is not None and (already.prefixes4, already.prefixes6) == (prefixes4, prefixes6):
        return already
    tree = ready_tree(progress)
    started = time.monotonic()
    with ownership.take() as lock:
        _clean()
        STATE.mkdir(parents=True, exist_ok=True)
        host_files.make_keys()
        for host in host_files.all_hosts():
            host_files.write_host(
                host, tree, prefixes4=prefixes4, prefixes6=prefixes6, recorded=recorded, disk_mb=disk_mb
            )
        wiring.build()
        SETTINGS.write_text(json.dumps({"prefixes4": prefixes4, "prefixes6": prefixes6}))
        with (STATE / "keeper.log").open("ab") as log:
            keeper = subprocess.Popen(
                [sys.executable, "-m", "lab.netns.keeper", str(tree)],
                cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, pass_fds=[lock.fileno()],
            )  # fmt: skip
        ownership.write(lock, pid=keeper.pid)
    write_inventory()
    lab = Lab(INVENTORY, LOGIN_KEY, ROUTERS, prefixes4, prefixes6)
    progress(f"wired {time.monotonic() - started:.1f} s")
    wait_converged(lab, progress)
    return lab


def down() -> None:
    """Stops the lab of this clone and removes what it or a crashed one left; fine when there is none.

    Ends only the keeper and, through it, the processes in the lab's own namespaces.
    """
    found = ownership.holder()
    if found is not None:
        if not found.is_this_clone:
            ownership.take()  # refuses, saying who holds it
        os.kill(found.pid, signal.SIGTERM)
        _wait_until(lambda: ownership.holder() is None, STOP_LIMIT_S, f"keeper (pid {found.pid}) still runs")
    with ownership.take():
        _clean()


def init_pid(host: str) -> int:
    """The first process of a running host, as the machine numbers it; LabError when it is not running."""
    try:
        outer = (HOSTS / host / "outer.pid").read_text()
        return int(Path(f"/proc/{outer}/task/{outer}/children").read_text().split()[0])
    except (FileNotFoundError, ProcessLookupError, IndexError) as missing:
        names = ", ".join(h.name for h in host_files.all_hosts())
        raise LabError(f"host {host!r}: not running; hosts are {names}: see `python -m lab.netns status`") from missing


def exec_on(
    host: str, command: Sequence[str], *, timeout: float = 60.0, text: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a command as root inside a host, `text` on its standard input; nothing is raised on its exit status."""
    environment = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "TERM=dumb", "LC_ALL=C.UTF-8"]
    return subprocess.run(
        ["nsenter", "-t", str(init_pid(host)), "-a", "--wd=/", *environment, *command],
        input=text, capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip


def routes_in_kernel(router: str) -> tuple[int, int]:
    """Routes that the routing daemons put into the router's kernel, (IPv4, IPv6), BGP and OSPF together."""
    counts = []
    for family in ("-4", "-6"):
        listing = run(["ip", "-n", namespace(router), family, "route", "show", "table", "main"])
        counts.append(sum(1 for line in listing.splitlines() if " proto bgp" in line or " proto bird" in line))
    return counts[0], counts[1]


def wait_converged(lab: Lab, progress: Callable[[str], None]) -> None:
    """Returns when every router has full tables and every probe flow passes; LabError when that does not happen."""
    started = time.monotonic()
    waiting = [router.name for router in ROUTERS]
    silent: list[str] = []
    while time.monotonic() - started < CONVERGENCE_LIMIT_S:
        waiting = [name for name in waiting if not _tables_full(name, lab)]
        if not waiting:
            silent = unreachable_flows(FLOWS)
            if not silent:
                progress(f"converged {time.monotonic() - started:.1f} s")
                return
        time.sleep(0.5)
    raise LabError(
        f"lab: not converged after {CONVERGENCE_LIMIT_S:.0f} s; wanted full tables everywhere, missing on"
        f" {', '.join(waiting) or 'no router'}; flows without an answer: {', '.join(silent) or 'not tried'}:"
        " look with `python -m lab.netns exec NAME -- vtysh -c 'show bgp summary'`"
    )


def _tables_full(router: str, lab: Lab) -> bool:
    v4, v6 = routes_in_kernel(router)
    return v4 >= lab.prefixes4 and v6 >= lab.prefixes6


def _wait_until(true: Callable[[], bool], limit: float, otherwise: str) -> None:
    deadline = time.monotonic() + limit
    while not true():
        if time.monotonic() > deadline:
            raise LabError(f"{otherwise} after {limit:.0f} s")
        time.sleep(0.1)


def _clean() -> None:
    """Removes what is left of a lab that nobody runs any more; the caller holds the lock."""
    wiring.remove()
    root = cgroup_root()
    for host in (*ROUTERS, *EXTERNALS):
        top = root / f"slipway-lab-{host.name}" if root else None
        if top is not None and top.is_dir():
            for folder in sorted(top.rglob("*/"), reverse=True):
                folder.rmdir()
            top.rmdir()
    for disk in HOSTS.glob("*/disk"):
        if disk.is_mount():
            run(["umount", "-l", str(disk)])
    shutil.rmtree(HOSTS, ignore_errors=True)
    SETTINGS.unlink(missing_ok=True)
