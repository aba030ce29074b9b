"""The scripts that keep package files on a device and put them back: run by a shell, with tools that note the calls."""

import os
import subprocess
from pathlib import Path

import pytest

from playbooks.packages import kept

BEFORE = {"frr": "1:8.4", "libnew": ""}
TOOLS = {
    "dpkg": '[ "$1" = --print-architecture ] && echo amd64 && exit; echo "dpkg $*" >> "$LOG"',
    "apt-get": 'echo "apt-get $*" >> "$LOG"; [ -z "$BROKEN" ] || exit 100; '
    'if [ "$1" != download ]; then exit 0; fi; [ -n "$ARCHIVE" ] && echo 1:8.4 > frr_1%3a8.4_amd64.deb',
    "dpkg-deb": '[ "$1" = -f ] && cat "$2" || true',
    "dpkg-repack": "exit 1",
    "systemctl": 'echo "systemctl $*" >> "$LOG"',
    "sync": ":",
}


class Shell:
    """A folder of tools that stand in front of the real ones, and what they were called with."""

    def __init__(self, tmp_path: Path) -> None:
        self.tools, self.log, self.state = tmp_path / "tools", tmp_path / "log", tmp_path / "state"
        self.tools.mkdir()
        self.state.mkdir()
        self.log.touch()
        for name, text in TOOLS.items():
            (self.tools / name).write_text(f"#!/bin/sh\n{text}\n")
            (self.tools / name).chmod(0o755)

    def run(self, argv: list[str], **more: str) -> tuple[int, str]:
        argv = [
            argv[0],
            argv[1],
            argv[2].replace(kept.STATE, str(self.state)),
            argv[3],
            str(self.state / "k"),
            *argv[5:],
        ]
        path = f"{self.tools}:{os.environ['PATH']}"
        given = {"PATH": path, "LOG": str(self.log), "ARCHIVE": "", "BROKEN": "", **more}
        done = subprocess.run(argv, env=given, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout + done.stderr

    @property
    def said(self) -> list[str]:
        return self.log.read_text().splitlines()


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_what_is_installed_is_brought_once(shell: Shell) -> None:
    status, out = shell.run(kept.keep("ab", BEFORE), ARCHIVE="1")
    assert status == 0, out
    assert (shell.state / "k" / "frr.deb").read_text() == "1:8.4\n"
    assert shell.run(kept.keep("ab", BEFORE))[0] == 0, "it lies there already"
    assert shell.said == ["apt-get download frr=1:8.4"]


def test_a_version_that_is_nowhere_is_told(shell: Shell) -> None:
    status, out = shell.run(kept.keep("ab", BEFORE))
    assert status == 3 and "frr 1:8.4: neither in the cache of apt nor in its archives" in out
    assert not list((shell.state / "k").glob("*.deb"))


def test_all_goes_back_in_one_transaction(shell: Shell) -> None:
    shell.run(kept.keep("ab", BEFORE), ARCHIVE="1")
    assert shell.run(kept.back("ab", BEFORE, "frr"))[0] == 0
    install, *rest = shell.said[1:]
    assert install.endswith(f"install {shell.state}/k/frr.deb libnew-") and "--allow-downgrades" in install
    assert rest == ["systemctl reset-failed frr", "systemctl start frr"]


def test_where_apt_refuses_dpkg_does_it(shell: Shell) -> None:
    shell.run(kept.keep("ab", BEFORE), ARCHIVE="1")
    assert shell.run(kept.back("ab", BEFORE, ""), BROKEN="1")[0] == 0
    assert shell.said[2:] == [f"dpkg --force-confold --force-downgrade -i {shell.state}/k/frr.deb", "dpkg -r libnew"]
