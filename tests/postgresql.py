"""A private PostgreSQL server for tests: made in a temporary directory, gone with the process that asked for it.

    python -m tests.postgresql pytest tests/changes     # runs the command with SLIPWAY_DATABASE_URL set

Debian's pg_virtualenv uses one cluster name for the whole machine when root runs it, so that two runs at once, or
one that was killed, stop every other; here each run has its own directory, port and password-free socket, and the
kernel stops the server when its parent dies (PR_SET_PDEATHSIG).
"""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests import needs

START_S = 30.0


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def private_cluster() -> Iterator[str]:
    """A running server; yields `postgresql://postgres@127.0.0.1:PORT/postgres`. Raises RuntimeError with the log."""
    bin_dir = needs.postgresql_bin()
    if bin_dir is None:
        raise RuntimeError(str(needs.postgresql()))
    home = Path(tempfile.mkdtemp(prefix="slipway-pg-"))
    try:
        # The server refuses to run as root; Debian's package brings the user.
        account = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        if account:
            os.chown(home, account.pw_uid, account.pw_gid)
        user = account.pw_name if account else None
        _initialise(bin_dir, home, user)
        with _server(bin_dir, home, user) as url:
            yield url
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _initialise(bin_dir: Path, home: Path, user: str | None) -> None:
    options = ["-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
    argv: list[str | Path] = [bin_dir / "initdb", "-D", home / "data", *options]
    done = subprocess.run(argv, cwd=home, user=user, extra_groups=[] if user else None, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"initdb: exit {done.returncode}: {done.stderr[-2000:]}")


@contextlib.contextmanager
def _server(bin_dir: Path, home: Path, user: str | None) -> Iterator[str]:
    port, log = free_port(), home / "log"
    options = {
        "listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": home, "max_connections": 200,
        # A test database need not survive a power cut.
        "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off",
    }  # fmt: skip
    argv: list[str | Path] = [
        bin_dir / "postgres",
        "-D",
        home / "data",
        *(f"-c{name}={value}" for name, value in options.items()),
    ]
    if setpriv := needs.which("setpriv"):
        switch = [f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user else []
        argv, user = [setpriv, *switch, "--pdeathsig", "QUIT", "--", *argv], None
    with log.open("wb") as out:
        server = subprocess.Popen(argv, cwd=home, user=user, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
    try:
        _wait_until_ready(bin_dir, home, port, server, log)
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
    finally:
        server.send_signal(3)  # SIGQUIT: immediate shutdown; the data is thrown away
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait_until_ready(bin_dir: Path, home: Path, port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    probe: list[str | Path] = [bin_dir / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
    while subprocess.run(probe, cwd=home).returncode:
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"postgres does not answer after {START_S:.0f} s: {log.read_text()[-2000:]}")
        time.sleep(0.05)


def main(command: list[str]) -> int:
    """Run a command beside a server and return its exit status; without a server, say why (2 under REQUIRE_ALL)."""
    if reason := needs.postgresql():
        print(f"SKIPPED LEG PostgreSQL: {reason}", file=sys.stderr)
        return 2 if needs.REQUIRE_ALL else 0
    with private_cluster() as url:
        return subprocess.run(command, env={**os.environ, "SLIPWAY_DATABASE_URL": url}).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
