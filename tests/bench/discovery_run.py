"""One measured collection of facts: of N sim routers, or of N real sshd beside Ansible's `setup` on the same ones.

    python -m tests.bench.discovery_run sim --devices 1000 --dir DIR          prints one JSON document
    python -m tests.bench.discovery_run sshd --devices 20 --dir DIR --ansible VENV

Simulated routers know a fixed vocabulary and cannot run Ansible's Python modules; so the comparison is on what both
can do: real OpenSSH servers of this machine, root, one key, as many at once for either.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from io import StringIO
from pathlib import Path
from typing import Any

from lab.demo.stage import Stage, open_stage
from lab.sim.fleet import SimFleet
from tests.bench import sshd


def cpu_s(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def collect(stage: Stage, inventory: Path, devices: int) -> dict[str, Any]:
    """Load, then `collect --all` as people call it, twice: the first makes the rows, the second finds them."""
    from django.core.management import call_command
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from inventory.models import CollectionRun

    call_command("load_inventory", str(inventory), "--accept-new-host-keys", stdout=StringIO())
    figures: dict[str, Any] = {}
    for name in ("first", "again"):
        began, cpu = time.monotonic(), cpu_s(resource.RUSAGE_SELF)
        with CaptureQueriesContext(connection) as queries:
            call_command("collect", "--all", "--json", stdout=StringIO())
        wall = time.monotonic() - began
        run = CollectionRun.objects.newest()
        assert run is not None and (run.done, run.failed, run.waiting) == (devices, 0, 0), str(run)
        figures[name] = {
            "wall_s": round(wall, 2),
            "cpu_s": round(cpu_s(resource.RUSAGE_SELF) - cpu, 2),
            "devices_per_s": round(devices / wall, 1),
            "queries_per_device": round(len(queries) / devices, 2),
        }
    return figures


def ansible(venv: Path, targets: list[sshd.Target], key: Path, folder: Path, *, at_once: int) -> dict[str, Any]:
    """`ansible all -m setup`, with and without pipelining; host keys are checked by both."""
    known = "".join(f"[127.0.0.1]:{t.port} {t.host_key}\n" for t in targets)
    (folder / "known_hosts").write_text(known)
    ssh = f"-o UserKnownHostsFile={folder / 'known_hosts'} -o StrictHostKeyChecking=yes"
    ssh += " -o ControlMaster=auto -o ControlPersist=60s"
    rows = [f"{t.name} ansible_host=127.0.0.1 ansible_port={t.port}" for t in targets]
    rows += ["[all:vars]", "ansible_user=root", f"ansible_ssh_private_key_file={key}"]
    rows += ["ansible_python_interpreter=/usr/bin/python3"]
    (folder / "hosts.ini").write_text("\n".join(rows) + "\n")
    figures: dict[str, Any] = {}
    argv = [str(venv / "bin" / "ansible"), "all", "-i", str(folder / "hosts.ini"), "-m", "setup", "-f", str(at_once)]
    for name, pipelining in (("default", "False"), ("pipelining", "True")):
        # A folder with a short name: the path of a Unix socket has at most 108 characters. A new one: connections anew.
        with tempfile.TemporaryDirectory(prefix="cp") as sockets:
            environment = {
                **os.environ,
                "ANSIBLE_PIPELINING": pipelining,
                "ANSIBLE_SSH_ARGS": ssh,
                "ANSIBLE_NOCOLOR": "1",
            }
            environment |= {"ANSIBLE_HOME": str(folder / "ansible-home"), "ANSIBLE_SSH_CONTROL_PATH_DIR": sockets}
            began, cpu = time.monotonic(), cpu_s(resource.RUSAGE_CHILDREN)
            done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=900, check=False)
            wall = time.monotonic() - began
        good = done.stdout.count("| SUCCESS =>")
        assert good == len(targets), f"{good} of {len(targets)}: {done.stdout[-500:]} {done.stderr[-1500:]}"
        used = cpu_s(resource.RUSAGE_CHILDREN) - cpu
        figures[name] = {"wall_s": round(wall, 2), "cpu_s": round(used, 2), "devices_per_s": round(good / wall, 1)}
    shown = subprocess.run([str(venv / "bin" / "ansible"), "--version"], capture_output=True, text=True, check=True)
    return {"version": shown.stdout.splitlines()[0], **figures}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("sim", "sshd"))
    parser.add_argument("--devices", type=int, required=True)
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--ansible", type=Path)
    options = parser.parse_args()
    stage = open_stage(options.dir)
    from django.conf import settings

    figures: dict[str, Any] = {"devices": options.devices, "at_once": settings.SLIPWAY_SHARD_SIZE}
    if options.what == "sim":
        with SimFleet.start(options.dir / "fleet", routers=options.devices, topology="pods", timeout_s=180) as fleet:
            figures["slipway"] = collect(stage, fleet.inventory, options.devices)
    else:
        with sshd.servers(options.devices, options.dir / "sshd") as (targets, key):
            file = options.dir / "inventory.yaml"
            file.write_text(sshd.inventory(targets, key))
            figures["slipway"] = collect(stage, file, options.devices)
            if options.ansible:
                at_once = settings.SLIPWAY_SHARD_SIZE
                figures["ansible"] = ansible(options.ansible, targets, key, options.dir, at_once=at_once)
    json.dump(figures, sys.stdout)


if __name__ == "__main__":
    main()
