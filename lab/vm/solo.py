"""A machine that stands alone: no ring, no routing, one cable to the host. And its inventory."""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path

from lab.netns.command import LabError
from lab.vm import configuration, network
from lab.vm.image import Image
from lab.vm.machine import Machine, Nic
from lab.vm.paths import STATE

NAME = "hopper"
READY_LIMIT_S = 300.0


def machine() -> Machine:
    """The machine, whether it runs or not."""
    return Machine(NAME, STATE / NAME, (Nic("t-solo", "52:54:00:77:ff:00"),))


def switched_on(image: Image, progress: Callable[[str], None]) -> Machine:
    """The machine with a fresh disk, once its SSH server answers."""
    made, began = machine(), time.monotonic()
    made.stop()
    shutil.rmtree(made.folder, ignore_errors=True)
    network.alone(made.nics[0].tap)
    made.make(image, configuration.alone(NAME))
    made.start()
    while not answers():
        if time.monotonic() - began > READY_LIMIT_S:
            raise LabError(f"machine {NAME}: no answer after {READY_LIMIT_S:.0f} s; see {made.console}")
        time.sleep(0.5)
    progress(f"{NAME} answers {time.monotonic() - began:.1f} s after it was switched on")
    return made


def answers() -> bool:
    """Does its SSH server answer?"""
    try:
        with socket.create_connection((network.MACHINE_ADDRESS, 22), timeout=20) as door:
            return door.recv(4) == b"SSH-"
    except OSError:
        return False


def inventory(folder: Path, *, console: tuple[str, int, str]) -> Path:
    """Its inventory as a file in that folder. `console`: address and port of its controller, and who logs in there;
    the password is expected in `console-password` in the folder."""
    key = configuration.login_key()
    (address, port, username), at = console, network.MACHINE_ADDRESS
    router = "site: shed, role: edge, platform: linux, suite: frr, port: 22, credential: machine"
    lines = [
        "credentials:",
        f'  - {{name: machine, username: ops, reference: "file:{key}", become: sudo}}',
        f'  - {{name: console, username: {username}, reference: "file:{folder}/console-password"}}',
        "failure_domains: [shed]",
        "sites:",
        "  - {name: shed, failure_domain: shed, time_zone: Europe/London}",
        "routers:",
        f"  - {{name: {NAME}, address: {at}, router_id: {at}, {router}, host_key: "
        f'"{configuration.public(configuration.host_key(NAME))}"}}',
        "links: []",
        f"consoles:\n  - {{router: {NAME}, kind: redfish, address: {address}, port: {port}, credential: console}}",
    ]
    path = folder / "inventory.yaml"
    path.write_text("\n".join(lines) + "\n")
    return path
