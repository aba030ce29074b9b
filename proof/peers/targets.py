"""Real SSH targets of one machine: each a network, mounts and processes of its own, with a real sshd, a real BIRD."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
KEY = "net.ipv4.tcp_fin_timeout"  # of those that each network namespace has for itself
BEFORE, AFTER = "60", "45"
SWITCHES = "define SLIPWAY_DRAIN_BGP = {bgp};\ndefine SLIPWAY_EXTRA_COST = {cost};\n"
UNDRAINED = SWITCHES.format(bgp="false", cost=0)
DRAINED = SWITCHES.format(bgp="true", cost=60000)
_BIRD = """\
log "/run/bird/log" all;
router id 10.214.0.{n};
include "/etc/bird/slipway-drain.conf";
protocol device {{ scan time 60; }}
protocol ospf v2 ospf4 {{ ipv4 {{ import all; export none; }};
  area 0 {{ interface "stub0" {{ stub; cost (10 + SLIPWAY_EXTRA_COST); }}; }}; }}
protocol ospf v3 ospf6 {{ ipv6 {{ import all; export none; }};
  area 0 {{ interface "stub0" {{ stub; cost (10 + SLIPWAY_EXTRA_COST); }}; }}; }}
"""
_SSHD = """\
Port 22
ListenAddress {address}
HostKey {folder}/host_key
PidFile none
AuthorizedKeysFile {keys}
PasswordAuthentication no
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
Subsystem sftp internal-sftp
MaxStartups 200
LogLevel ERROR
"""


@dataclass
class Target:
    """One host. `folder` is what it has of its own: configuration, switches, settings, what its daemon writes."""

    name: str
    address: str
    folder: Path
    host_key: str
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    pid: int = 0  # of its init, as seen from outside

    @property
    def settings(self) -> dict[str, str]:
        """Contents of /etc/sysctl.d by file name."""
        return {p.name: p.read_text() for p in (self.folder / "etc/sysctl.d").glob("*.conf")}

    @property
    def written(self) -> bool:
        return any(f"{KEY} = {AFTER}" in text for text in self.settings.values())

    @property
    def drained(self) -> bool:
        return "60000" in (self.folder / "etc/bird/slipway-drain.conf").read_text()

    @property
    def invocation(self) -> str:
        """Another with every start of its daemon."""
        return (self.folder / "run/bird/invocation").read_text().strip()

    def value(self) -> str:
        """The setting in effect; "" of a host that is gone."""
        done = subprocess.run(
            ["nsenter", "-t", str(self.pid), "-n", "sysctl", "-n", KEY], capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    def start(self) -> None:
        # Whatever becomes of this process, its hosts go with it.
        argv = ["setpriv", "--pdeathsig", "KILL", "--", "unshare", "--net", "--mount", "--uts", "--pid", "--fork"]
        argv += ["--kill-child", "--mount-proc"]
        argv += [str(HERE / "enter.sh"), str(self.folder), self.name, self.address]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.pid = _child(self.process.pid)
        _ip("link", "add", self._cable, "type", "veth", "peer", "name", "eth0", "netns", str(self.pid))
        _ip("link", "set", self._cable, "master", "br0", "up")

    @property
    def _cable(self) -> str:
        return f"t{self.address.rpartition('.')[2]}"

    def die(self) -> None:
        """Power off: every process is gone, and nothing answers on its address any more, not even with a refusal."""
        if self.pid:  # 0: it never came up, and would be this program's own group
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        # The kernel takes a dead network apart in its own time, and the next host wants the same cable.
        subprocess.run(["ip", "link", "delete", self._cable], capture_output=True, check=False)

    def wait(self) -> None:
        until = time.monotonic() + 30
        while time.monotonic() < until and self.process is not None and self.process.poll() is None:
            with contextlib.suppress(OSError):
                socket.create_connection((self.address, 22), 1).close()
                return
            time.sleep(0.05)
        raise RuntimeError(f"{self.name}: no sshd: {(self.folder / 'log').read_text()[-500:]}")


def alone() -> None:
    """Run this program again in a network of its own, once: what it wires is seen by nobody else and goes with it."""
    if os.environ.get("PROOF_PEERS_ALONE") != "1":
        os.environ["PROOF_PEERS_ALONE"] = "1"
        import sys

        argv = ["unshare", "--net", "--mount", "--propagation", "private", sys.executable, "-m", "proof.peers"]
        os.execvp("unshare", [*argv, *sys.argv[1:]])
    if subprocess.run(["ip", "link", "show", "br0"], capture_output=True).returncode:
        _ip("link", "set", "lo", "up")
        _ip("link", "add", "br0", "type", "bridge")
        _ip("addr", "add", "10.213.0.1/24", "dev", "br0")
        _ip("link", "set", "br0", "up")


@contextlib.contextmanager
def running(count: int, folder: Path, key: Path) -> Iterator[list[Target]]:
    """Fresh targets until the block ends; `key` is the private key that opens them."""
    targets = [_made(n, folder, key) for n in range(count)]
    try:
        for target in targets:
            target.start()
        for target in targets:
            target.wait()
        yield targets
    finally:
        for target in targets:
            target.die()


def _made(n: int, folder: Path, key: Path) -> Target:
    own = folder / f"host-{n:02d}"
    if own.exists():
        shutil.rmtree(own)
    (own / "etc/bird").mkdir(parents=True)
    address = f"10.213.0.{n + 10}"
    # One key for each host over all rounds: who checks host keys is to know them.
    kept = folder / f"key-{n:02d}"
    if not kept.exists():
        new_key(kept)
    shutil.copy(kept, own / "host_key")
    os.chmod(own / "host_key", 0o600)
    shutil.copy(HERE / "systemctl.sh", own / "systemctl")
    (own / "etc/bird/bird.conf").write_text(_BIRD.format(n=n + 10))
    (own / "etc/bird/slipway-drain.conf").write_text(UNDRAINED)
    (own / "sshd_config").write_text(_SSHD.format(address=address, folder=own, keys=f"{key}.pub"))
    return Target(f"host-{n:02d}", address, own, " ".join(kept.with_suffix(".pub").read_text().split()[:2]))


def new_key(path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)


def _child(pid: int) -> int:
    for _ in range(400):
        if found := Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            return int(found[0])
        time.sleep(0.02)
    raise RuntimeError("unshare started nothing within 8 s")


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)
