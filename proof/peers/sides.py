"""The three sides: what each is given and how it is started. All take as many hosts at once and check what they can."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from proof import bytecode
from proof.peers.targets import Target
from tests.bench import machine

HERE = Path(__file__).parent
VENV = machine.REPOSITORY / "var" / "bench" / "ansible"
ANSIBLE = "ansible-core==2.16.14"
SIDES = ("slipway", "started", "ansible", "script")  # started: Slipway as the others, from nothing on


def install() -> str:
    """Ansible in an environment of its own, pinned; returns what it calls itself."""
    program = VENV / "bin" / "ansible"
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
        asked = [str(VENV / "bin" / "pip"), "install", "--quiet", ANSIBLE]
        if subprocess.run(asked).returncode:
            raise SystemExit(f"{ANSIBLE}: pip finds none (its words above), wanted one. Install it into {VENV}.")
    shown = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=True)
    return shown.stdout.splitlines()[0]


def prepare(targets: Sequence[Target], key: Path, folder: Path) -> None:
    """Inventories for all three; Slipway's database with the facts of before (theirs are asked in the run)."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "known_hosts").write_text("".join(f"{t.address} {t.host_key}\n" for t in targets))
    rows = [f"{t.name} ansible_host={t.address}" for t in targets]
    rows += ["[all:vars]", "ansible_user=root", f"ansible_ssh_private_key_file={key}"]
    rows += ["ansible_python_interpreter=/usr/bin/python3"]
    (folder / "hosts.ini").write_text("\n".join(rows) + "\n")
    (folder / "hosts.json").write_text(json.dumps({t.name: t.address for t in targets}))
    (folder / "inventory.yaml").write_text(inventory(targets, key))
    argv = [sys.executable, "-m", "proof.peers.slipway", "prepare", "--dir", str(folder / "before")]
    argv += ["--inventory", str(folder / "inventory.yaml")]
    environment = bytecode.kept(os.environ)
    subprocess.run(argv, cwd=machine.REPOSITORY, check=True, stdout=subprocess.DEVNULL, env=environment)
    for module in ("slipway", "script"):  # compiled before it is measured, as pip has done with Ansible
        argv = [sys.executable, "-m", f"proof.peers.{module}", "--help"]
        subprocess.run(argv, cwd=machine.REPOSITORY, check=True, stdout=subprocess.DEVNULL, env=environment)


def as_before(folder: Path) -> None:
    """Slipway's database as it was prepared."""
    shutil.rmtree(folder / "slipway", ignore_errors=True)
    shutil.copytree(folder / "before", folder / "slipway")


def inventory(targets: Sequence[Target], key: Path) -> str:
    """As Slipway imports it."""
    lines = ["credentials:", f'  - {{name: peers, username: root, reference: "file:{key}"}}']
    lines += ["failure_domains: [here]", "sites:", "  - {name: here, failure_domain: here, time_zone: UTC}", "routers:"]
    about = "site: here, role: edge, platform: linux, suite: bird, port: 22, credential: peers"
    for t in targets:
        router_id = f"10.214.0.{t.address.rpartition('.')[2]}"
        own = f'name: {t.name}, address: {t.address}, router_id: {router_id}, host_key: "{t.host_key}"'
        lines.append(f"  - {{{own}, {about}}}")
    return "\n".join(lines) + "\n"


def run(side: str, what: str, folder: Path, *, key: Path, hosts: int, until_s: float = 600.0) -> dict[str, Any]:
    """One change by one side, clocked; `said` is the end of what it printed."""
    out = folder / f"{side}-{what}.out"
    environment = bytecode.kept(os.environ)
    # A folder with a short name: the path of a Unix socket has at most 108 characters. A new one: connections anew.
    with tempfile.TemporaryDirectory(prefix="cp") as sockets:
        match side:
            case "slipway" | "started":
                argv = [sys.executable, "-m", "proof.peers.slipway", what, "--dir", str(folder / "slipway")]
                argv += ["--until", str(until_s), *(["--running"] if side == "slipway" else [])]
            case "ansible":
                argv = [str(VENV / "bin" / "ansible-playbook"), "-i", str(folder / "hosts.ini"), "-f", str(hosts)]
                argv += [str(HERE / f"play_{what}.yaml")]
                environment = os.environ | _ansible(folder, sockets)
            case _:
                argv = [sys.executable, "-m", "proof.peers.script", what, "--hosts", str(folder / "hosts.json")]
                argv += ["--key", str(key)]
        clocked = [sys.executable, "-m", "proof.peers.clocked", str(out), *argv]
        done = subprocess.run(
            clocked, cwd=machine.REPOSITORY, env=environment, stdout=subprocess.PIPE, text=True, check=True
        )
    said = out.read_text()[-3000:]
    return {"side": side, "what": what, **json.loads(done.stdout), **of_running(said), "said": said}


def of_running(said: str) -> dict[str, float]:
    """What a process that was there before the change says that the change took; nothing of the others."""
    at = said.rfind('{"facts_s"')
    told: dict[str, Any] = json.loads(said[at:]) if at >= 0 else {}
    return {key: told["running"][key] for key in ("wall_s", "cpu_s")} if told.get("running") else {}


def _ansible(folder: Path, sockets: str) -> dict[str, str]:
    ssh = f"-o UserKnownHostsFile={folder / 'known_hosts'} -o StrictHostKeyChecking=yes"
    ssh += " -o ControlMaster=auto -o ControlPersist=60s -o ServerAliveInterval=5 -o ServerAliveCountMax=3"
    return {
        "ANSIBLE_PIPELINING": "True", "ANSIBLE_SSH_ARGS": ssh, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_STRATEGY": "free",
        "ANSIBLE_HOME": str(folder / "ansible-home"), "ANSIBLE_SSH_CONTROL_PATH_DIR": sockets,
        "ANSIBLE_RETRY_FILES_ENABLED": "False",
    }  # fmt: skip
