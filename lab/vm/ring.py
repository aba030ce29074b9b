"""A machine in the place of one router of the ring in namespaces: the same address, keys, links and configuration."""

from __future__ import annotations

import json
import shutil
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from lab import netns
from lab.netns import lifecycle, wiring
from lab.netns.command import LabError
from lab.netns.paths import namespace
from lab.netns.probe_sockets import unreachable_flows
from lab.netns.topology import FLOWS, ROUTERS, Router, ends_of, router
from lab.vm import configuration, network
from lab.vm.image import Image
from lab.vm.machine import Machine, Nic
from lab.vm.paths import STATE

# An emulated processor needs one to five minutes to its login prompt, as much as the machine has to give.
READY_LIMIT_S = 900.0


@dataclass(frozen=True)
class Seat:
    """A machine that sits in the ring."""

    router: Router
    machine: Machine


def seat_of(name: str) -> Seat:
    """The machine that takes, or may take, a router's place. Nothing is changed."""
    who = router(name)
    # In the order in which the machine numbers its cards.
    interfaces = sorted({"eth0", *(mine.interface for mine, _far, _link in ends_of(name))})
    addresses = network.hardware(namespace(name))
    nics = tuple(
        Nic(f"t-{port}", addresses.get(port, f"52:54:00:77:{who.number:02x}:{number:02x}"))
        for number, port in enumerate(interfaces)
    )
    return Seat(who, Machine(name, STATE / name, nics, namespace(name)))


def take_over(name: str, image: Image, progress: Callable[[str], None]) -> Seat:
    """Halt a router of the running ring and put a fresh machine in its place; returns when all of it has converged."""
    lab = netns.running_lab()
    if lab is None:
        raise LabError("ring: it does not run in this clone; wanted it up: python -m lab.netns up")
    seat = seat_of(name)
    seat.machine.stop()
    shutil.rmtree(seat.machine.folder, ignore_errors=True)
    _halt(name)
    archive = configuration.of_router(seat.router)
    _wire(seat)
    seat.machine.make(image, archive)
    seat.machine.start()
    wait_converged(lab, name, progress)
    return seat


def _halt(name: str) -> None:
    """The router's own init ends and is not started again: the keeper leaves a host down that halted."""
    try:
        lifecycle.init_pid(name)
    except LabError:
        return
    netns.exec_on(name, ["systemctl", "--no-block", "halt", "--force"])
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            lifecycle.init_pid(name)
        except LabError:
            return
        time.sleep(0.2)
    raise LabError(f"router {name}: still runs 30 s after its halt; wanted it down: python -m lab.netns status")


def _wire(seat: Seat) -> None:
    """Its interfaces become cables: without addresses, each bridged to a card of the machine."""
    space = namespace(seat.router.name)
    wiring.power_on_state(seat.router.name)
    for nic in seat.machine.nics:
        network.into_router(space, nic.tap.removeprefix("t-"), nic.tap)


def leave(name: str) -> None:
    """Switch the machine off. The ring goes on without this router until it is brought up anew."""
    seat_of(name).machine.stop()


def wait_converged(lab: netns.Lab, name: str, progress: Callable[[str], None], limit_s: float = READY_LIMIT_S) -> None:
    """Until every other router has full tables, the machine's neighbours see it, and every probe flow passes."""
    started = time.monotonic()
    waiting, silent = [r.name for r in ROUTERS if r.name != name], ["not tried"]
    while time.monotonic() - started < limit_s:
        waiting = [n for n in waiting if any(have < want for have, want in zip(
            lifecycle.routes_in_kernel(n), (lab.prefixes4, lab.prefixes6), strict=True))]  # fmt: skip
        if not waiting and neighbours_see(name) and lets_in(router(name)):
            silent = unreachable_flows(FLOWS)
            if not silent:
                progress(f"{name} is a machine, the ring converged after {time.monotonic() - started:.1f} s")
                return
        time.sleep(2.0)
    raise LabError(
        f"ring with the machine {name}: not converged after {limit_s:.0f} s; without full tables:"
        f" {', '.join(waiting) or 'none'}; flows without an answer: {', '.join(silent)}; see {STATE / name}/console.log"
    )


def lets_in(who: Router) -> bool:
    """Does its SSH server answer? It comes after the routing."""
    try:
        with socket.create_connection((who.management_address, 22), timeout=20) as door:
            return door.recv(4) == b"SSH-"
    except OSError:
        return False


def neighbours_see(name: str) -> bool:
    """Has the reflector that is not it a BGP session with it, in both families?"""
    who = router(name)
    reflector = next(r for r in ROUTERS if r.reflector and r.name != name)
    said = netns.exec_on(reflector.name, ["vtysh", "-c", "show bgp summary json"]).stdout
    try:
        summary = json.loads(said)
    except ValueError:
        return False
    wanted = (("ipv4Unicast", who.loopback4), ("ipv6Unicast", who.loopback6))
    peers = (summary.get(family, {}).get("peers", {}).get(peer, {}) for family, peer in wanted)
    return all(peer.get("state") == "Established" for peer in peers)
