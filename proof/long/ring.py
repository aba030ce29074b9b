"""The ring of real routers (lab/netns) as the long run wants a fleet: journal, console, faults of devices.

Each router is an init of its own with FRR or BIRD, an sshd, a disk of its own and a recorder of what reaches it over
SSH. `journal.jsonl` is what the recorders, the reboots and the accidents came to, as lab.sim.oracle reads it.
"""

import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lab import netns
from lab.netns import host_files, keeper, ownership
from lab.netns.journal import Reader, drained
from lab.netns.journal import configured as lines_of
from lab.netns.paths import HOSTS
from lab.netns.topology import SITES, ends_of

DISK_MB = 64
EVERY_S = 0.5
# A router of the ring is complete 13 to 24 s after a restart (lab/netns/README.md).
BACK_S = 150.0
_AT_SSH = {"drop_before", "drop_amid", "drop_after", "hang", "slow", "garbage_output"}
# The recorder looks at a fault until it is cleared; this is for one that nobody cleared.
_AT_MOST_S = 120.0


class Ring:
    """What SimFleet is to the long run, on real routers."""

    setting = "net.core.somaxconn"  # of a network namespace; net.core.netdev_max_backlog is the machine's

    def __init__(self, lab: netns.Lab, folder: Path) -> None:
        self.lab, self.folder, self.names = lab, folder, [router.name for router in lab.routers]
        self.inventory = lab.inventory_path
        self._reader, self._offsets = Reader(), dict[Path, int]()
        self._lock, self._over = threading.Lock(), threading.Event()
        self._accidents: list[dict[str, Any]] = []
        self._mends: dict[tuple[str, str], Callable[[], object]] = {}
        domain = {site.name: site.failure_domain for site in SITES}
        start = {"event": "start", "routers": {r.name: domain[r.site] for r in lab.routers}, "t": 0.0}
        self._write([start])
        self._scribe = threading.Thread(target=self._write_on, name="scribe", daemon=True)
        self._scribe.start()

    @property
    def pid(self) -> int:
        """Of the process that all routers are below."""
        held = ownership.holder()
        return held.pid if held is not None else 0

    # What happened.

    def _write(self, entries: list[dict[str, Any]]) -> None:
        with (self.folder / "journal.jsonl").open("a") as file:
            file.writelines(json.dumps(entry) + "\n" for entry in entries)

    def _write_on(self) -> None:
        while not self._over.wait(EVERY_S):
            self.settle()

    def settle(self) -> None:
        """Write down what is known by now."""
        with self._lock:
            raw, self._accidents = self._accidents, []
            for name in self.names:
                raw += [{**line, "router": name} for line in self._read(HOSTS / name / "journal" / "journal.jsonl")]
                raw += [self._halt(name, line) for line in self._read(HOSTS / name / "boots.jsonl")]
            self._write(self._reader.entries(raw))

    def _read(self, path: Path) -> list[dict[str, Any]]:
        """The whole lines since it was read before."""
        if not path.exists():
            return []
        with path.open("rb") as file:
            file.seek(self._offsets.get(path, 0))
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._offsets[path] = self._offsets.get(path, 0) + len(whole)
        return [json.loads(line) for line in whole.splitlines()]

    def _halt(self, name: str, line: dict[str, Any]) -> dict[str, Any]:
        at = line["at"] - time.time() + time.monotonic()
        accident = self._mends.pop((name, "panic"), None) is not None
        return {"event": "halt", "router": name, "mono": at, "wall": line["at"], "accident": accident}

    def _accident(self, name: str) -> None:
        with self._lock:
            self._accidents.append({"event": "accident", "router": name, "mono": time.monotonic(), "wall": time.time()})

    # What is so.

    def states(self) -> dict[str, dict[str, Any]]:
        return {name: self.state(name) for name in self.names}

    def state(self, name: str) -> dict[str, Any]:
        """As SimFleet tells it, as far as the long run asks."""
        said: dict[str, Any] = {}

        def told() -> bool:
            done = netns.exec_on(name, ["/usr/bin/python3", "-I", "-S", "-B", host_files.RECORDER, "--state"])
            said.update(json.loads(done.stdout))
            return bool(said["config"])

        _until(told, f"{name} does not say how it is")
        flags = drained(lines_of(said["config"]))
        return {
            "suite": said["suite"], "drained": {flag: flag in flags for flag in ("bgp", "igp4", "igp6")},
            "sysctls": {self.setting: said["setting"]},
            "nics": {nic: {"channels": count} for nic, count in said["channels"].items()},
        }  # fmt: skip

    def console(self, name: str, command: str, *, stdin: str = "") -> tuple[int, str]:
        done = netns.exec_on(name, ["/bin/sh", "-c", f"cd /; {command}"], text=stdin)
        return done.returncode, done.stdout

    # What goes wrong.

    def inject(self, name: str, behaviour: str, **_: Any) -> None:
        """One fault; `clear` ends it."""
        if behaviour in _AT_SSH:
            path = HOSTS / name / "journal" / "fault.json"
            path.write_text(json.dumps({"kind": behaviour, "until": time.monotonic() + _AT_MOST_S}))
            self._mends[name, behaviour] = lambda: path.unlink(missing_ok=True)
            return
        do, undo = self._others(name)[behaviour]
        self._mends[name, behaviour] = undo
        do()

    def _others(self, name: str) -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
        ballast = HOSTS / name / "disk" / "ballast"
        return {
            "refuse_login": (
                lambda: self.console(name, "systemctl stop ssh; pkill -KILL -u ops"),
                lambda: self.console(name, "systemctl start ssh"),
            ),
            "wrong_host_key": (lambda: self._other_key(name), lambda: self._own_key(name)),
            "daemon_dies": (lambda: self._kill_daemon(name), lambda: None),
            "link_down": (lambda: self.console(name, "ip link set eth1 down"), lambda: self._link_up(name)),
            "stands_still": (lambda: _freeze(name, "1"), lambda: _freeze(name, "0")),
            "router_disk_full": (lambda: _fill(ballast), lambda: ballast.unlink(missing_ok=True)),
        }

    def _other_key(self, name: str) -> None:
        key = "/etc/ssh/ssh_host_ed25519_key"
        made = (
            f"cp -p {key} /root/key; cp -p {key}.pub /root/key.pub; rm {key}; ssh-keygen -q -t ed25519 -N '' -f {key}"
        )
        self.console(name, f"{made}; systemctl restart ssh")

    def _own_key(self, name: str) -> None:
        key = "/etc/ssh/ssh_host_ed25519_key"
        self.console(name, f"mv /root/key {key}; mv /root/key.pub {key}.pub; systemctl restart ssh")

    def _kill_daemon(self, name: str) -> None:
        """The one of BGP, whatever was drained by it in the running configuration alone."""
        self._accident(name)
        self.console(name, "pkill -KILL -x bgpd || pkill -KILL -x bird")

    def _link_up(self, name: str) -> None:
        [mine] = [end for end, _, _ in ends_of(name) if end.interface == "eth1"]
        self.console(name, f"ip link set eth1 up; ip -6 addr replace {mine.address6}/64 dev eth1 nodad")

    def clear(self, name: str, behaviour: str = "") -> None:
        """End one fault or all of a router."""
        for key in [k for k in self._mends if k[0] == name and k[1] != "panic" and behaviour in ("", k[1])]:
            self._mends.pop(key)()

    def panic(self, name: str, _: str) -> None:
        """Down at once, and up again: no daemon is stopped, nothing is written out."""
        self._mends[name, "panic"] = lambda: None
        try:
            netns.exec_on(name, ["systemctl", "reboot", "-ff"])
        except Exception:  # it did not come about: the next restart is none of ours
            self._mends.pop((name, "panic"), None)
            raise

    def cycle(self, name: str) -> None:
        """Off and on, and wait until the ring is as it was."""
        self.panic(name, "")
        time.sleep(2.0)
        until = time.monotonic() + BACK_S
        while True:
            with contextlib.suppress(netns.LabError):
                return netns.wait_converged(self.lab, lambda _: None)
            if time.monotonic() > until:
                return None

    def stop(self) -> None:
        self._over.set()
        self._scribe.join(30)
        for name in self.names:
            with contextlib.suppress(Exception):
                self.clear(name)
        self.settle()


def _until(told: Callable[[], bool], otherwise: str) -> None:
    """A router that boots or starts its daemons is asked again."""
    until = time.monotonic() + BACK_S
    while True:
        with contextlib.suppress(netns.LabError, ValueError, KeyError, OSError, subprocess.SubprocessError):
            if told():
                return
        if time.monotonic() > until:
            raise RuntimeError(f"{otherwise} within {BACK_S:.0f} s")
        time.sleep(1.0)


def _freeze(name: str, value: str) -> None:
    root = keeper.cgroup_root()
    assert root is not None
    (root / f"slipway-lab-{name}" / "cgroup.freeze").write_text(value)


def _fill(path: Path) -> None:
    with path.open("wb") as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(2**16))


# After a router, a daemon or a link came back, until the ring is whole again: hold timers of 9 s, tables, 13 to 24 s.
HEALED_S = 45.0


def apart(lost: Mapping[str, Any], hurt: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """The same figures, and by family in `apart` what was lost outside of these spans (from, to; wall clock)."""
    outside = [run for run in lost["runs"] if not any(a <= run["start"] <= b + HEALED_S for a, b in hurt)]
    sums = {f: sum(run["lost"] for run in outside if run["family"] == f) for f in ("ipv4", "ipv6")}
    return {**lost, "runs": (outside or lost["runs"])[:30], "apart": sums}


@contextlib.contextmanager
def probed() -> Iterator[dict[str, Any]]:
    """What is lost of the lab's probes while the block runs, by family; filled in at its end."""
    found: dict[str, Any] = {}
    if (left_over := netns.Probes.running()) is not None:
        with contextlib.suppress(netns.LabError):
            left_over.stop()
    probes = netns.Probes.start()
    try:
        yield found
    finally:
        result = probes.stop()
        for family in ("ipv4", "ipv6"):
            count = result.count(family=family)
            found[family] = {"sent": count.sent, "lost": count.lost}
        found["runs"] = [vars(run) for run in result.runs]


@contextlib.contextmanager
def up(folder: Path) -> Iterator[Ring]:
    """A ring of its own until the block ends. Raises SystemExit with the reasons where there can be none."""
    if reasons := netns.reasons_unavailable():
        raise SystemExit("\n".join(reasons))
    folder.mkdir(parents=True)
    try:
        if netns.running_lab() is not None:  # one that was left over records nothing
            netns.down()
        lab = netns.up(lambda _: None, recorded=True, disk_mb=DISK_MB)
    except BaseException as error:  # stopped in the middle; or another clone holds it, and then it is not ours to end
        with contextlib.suppress(netns.LabError):
            netns.down()
        if isinstance(error, netns.LabError):
            raise SystemExit(str(error)) from None
        raise
    try:
        ring = Ring(lab, folder)
        try:
            yield ring
        finally:
            ring.stop()
    finally:
        netns.down()
