"""Figures of discovery: devices per second over 1,000 sim routers; beside Ansible's `setup` on real sshd, same run.

Ansible is taken from PyPI into var/bench/ansible, which nothing else uses; where it cannot be had, the table says so.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

from tests.bench import machine

ANSIBLE = "ansible-core==2.16.14"  # the newest that runs on the controller's and the targets' Python 3.11
ROUTERS = int(os.environ.get("BENCH_ROUTERS", "1000").split(",")[-1])
SERVERS = int(os.environ.get("BENCH_SSHD", "20"))


def ansible() -> tuple[Path | None, str]:
    """Its virtual environment, made once; or None and why not."""
    venv = machine.REPOSITORY / "var" / "bench" / "ansible"
    if (venv / "bin" / "ansible").exists():
        return venv, ""
    made = subprocess.run([sys.executable, "-m", "venv", str(venv)], capture_output=True, text=True, check=False)
    if made.returncode == 0:
        pip = [str(venv / "bin" / "pip"), "install", "--quiet", ANSIBLE]
        made = subprocess.run(pip, capture_output=True, text=True, check=False)
    return (venv, "") if made.returncode == 0 else (None, f"{ANSIBLE} cannot be had: {made.stderr.strip()[-200:]}")


def measured(what: str, devices: int, folder: Path, *more: str) -> dict[str, Any]:
    argv = [sys.executable, "-m", "tests.bench.discovery_run", what, "--devices", str(devices), "--dir", str(folder)]
    done = subprocess.run(
        [*argv, *more], cwd=machine.REPOSITORY, capture_output=True, text=True, timeout=1800, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    made: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return made


def test_discovery_beside_ansible(tmp_path: Path) -> None:
    """Prints the table and writes var/bench/discovery.json. The only assertion: every device was seen."""
    if os.geteuid() != 0:
        pytest.skip("root: sshd logs root in")
    venv, why_not = ansible()
    sim = measured("sim", ROUTERS, tmp_path / "sim")
    real = measured("sshd", SERVERS, tmp_path / "sshd", *(["--ansible", str(venv)] if venv else []))
    table = Table(title=f"facts, {real['at_once']} devices at once for each; CPU of the controller's processes")
    for title in ("targets", "with", "devices", "wall", "CPU", "devices/s"):
        table.add_column(title, justify="left" if title in ("targets", "with") else "right")

    def row(targets: str, program: str, devices: int, figures: dict[str, Any]) -> None:
        seconds = (f"{figures[key]} s" for key in ("wall_s", "cpu_s"))
        table.add_row(targets, program, str(devices), *seconds, str(figures["devices_per_s"]))

    for name in ("first", "again"):
        row("sim routers", f"slipway collect, {name}", ROUTERS, sim["slipway"][name])
    for name in ("first", "again"):
        row("real sshd, this machine", f"slipway collect, {name}", SERVERS, real["slipway"][name])
    for name in ("default", "pipelining") if venv else ():
        row("real sshd, this machine", f"ansible -m setup, {name}", SERVERS, real["ansible"][name])
    console = Console(width=150)
    console.print(table)
    console.print(
        "Sim routers run no Python and cannot run Ansible's modules: both are compared on real OpenSSH servers."
    )
    console.print(real["ansible"]["version"] if venv else why_not)
    console.print(f"queries per device: {sim['slipway']['again']['queries_per_device']}")
    console.print(machine.about())
    console.print("pytest -s tests/bench/bench_discovery.py")
    console.print(f"written to {machine.keep('discovery', {'sim': sim, 'sshd': real})}")
