"""Real OpenSSH servers of this machine on loopback ports, each with a host key of its own, for root by key alone."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host-{n}
PidFile none
AuthorizedKeysFile {folder}/authorized_keys
PasswordAuthentication no
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
MaxStartups 200
LogLevel ERROR
"""


@dataclass(frozen=True)
class Target:
    """One server. `host_key`: algorithm and key."""

    name: str
    port: int
    host_key: str


def _key(path: Path) -> str:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return " ".join(path.with_suffix(".pub").read_text().split()[:2])


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def servers(count: int, folder: Path) -> Iterator[tuple[list[Target], Path]]:
    """`count` servers until the block ends, and the private key that opens them. Needs root (they log root in)."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "authorized_keys").write_text(_key(folder / "login") + "\n")
    program = shutil.which("sshd") or "/usr/sbin/sshd"
    Path("/run/sshd").mkdir(exist_ok=True)  # its privilege separation directory; Debian's service makes it at start
    targets, processes = [], []
    try:
        for n in range(count):
            target = Target(f"host-{n}", _free_port(), _key(folder / f"host-{n}"))
            (folder / f"config-{n}").write_text(_CONFIG.format(port=target.port, folder=folder, n=n))
            processes.append(subprocess.Popen([program, "-D", "-e", "-f", str(folder / f"config-{n}")]))
            targets.append(target)
        for target in targets:
            _wait(target.port)
        yield targets, folder / "login"
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(10)


def _wait(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"sshd on port {port}: does not listen after 10 s")


def inventory(targets: list[Target], key: Path) -> str:
    """As Slipway imports it."""
    lines = ["credentials:", f'  - {{name: bench, username: root, reference: "file:{key}"}}']
    lines += ["failure_domains: [here]", "sites:", "  - {name: here, failure_domain: here, time_zone: UTC}", "routers:"]
    lines += [
        f"  - {{name: {t.name}, site: here, role: edge, platform: linux, suite: none, address: 127.0.0.1, "
        f'port: {t.port}, credential: bench, host_key: "{t.host_key}"}}'
        for t in targets
    ]
    return "\n".join(lines) + "\n"
