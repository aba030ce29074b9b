"""`ethtool -L` for real on a card with several queues, under traffic, through the kind `nic`: two namespaces."""

import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest

from playbooks.base import Answer, Seen
from playbooks.nic.driver import Nic
from playbooks.nic.render import FILE
from tests import needs
from tests.playbooks.scripted import Scripted, reached, step

NEAR, FAR = f"slipway-q{os.getpid()}a", f"slipway-q{os.getpid()}b"
QUEUES, FLOWS, PORT = 8, 64, 9999
# Nothing was lost in 22,000; a stall of a busy machine fills the receiver's buffer.
LOST_AT_MOST = 50


class Inside(Scripted):
    """Commands in a namespace; files and units are kept beside, a namespace has none of its own."""

    def _answer(self, argv: list[str]) -> Answer:
        match argv[0]:
            case "cat" | "rm" | "test" | "systemd-run":
                return super()._answer(argv)
            case "systemctl":
                return Answer(0, "enabled\n" if FILE in self.files else "disabled\n", "")
            case _:
                done = subprocess.run(["ip", "netns", "exec", NEAR, *argv], capture_output=True, text=True, check=False)
                return Answer(done.returncode, done.stdout + done.stderr, "")


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


@pytest.fixture
def wire() -> Iterator[None]:
    needs.need(needs.root())
    needs.need(needs.program("ethtool", "ethtool"))
    several = ("numtxqueues", str(QUEUES), "numrxqueues", str(QUEUES))
    try:
        for name in (NEAR, FAR):
            ip("netns", "add", name)
        ip("link", "add", "va", "netns", NEAR, *several, "type", "veth", "peer", "name", "vb", "netns", FAR, *several)
        for name, card, address in ((NEAR, "va", "192.0.2.1/24"), (FAR, "vb", "192.0.2.2/24")):
            ip("-n", name, "addr", "add", address, "dev", card)
            ip("-n", name, "link", "set", card, "up")
        yield
    finally:
        for name in (NEAR, FAR):
            with suppress(subprocess.CalledProcessError):
                ip("netns", "del", name)


class Traffic:
    """Datagrams of many flows, counted where they leave and where they arrive."""

    def __init__(self) -> None:
        self.sent = self.received = 0
        self._over = False
        self._senders = [opened(NEAR) for _ in range(FLOWS)]
        self._receiver = opened(FAR)
        self._receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self._receiver.bind(("192.0.2.2", PORT))
        self._receiver.settimeout(0.5)
        self._threads = [threading.Thread(target=work) for work in (self._receive, self._send)]
        for thread in self._threads:
            thread.start()

    def _send(self) -> None:
        while not self._over:
            for one in self._senders:
                one.sendto(b"x" * 32, ("192.0.2.2", PORT))
                self.sent += 1
            time.sleep(0.01)

    def _receive(self) -> None:
        while True:
            try:
                self._receiver.recv(64)
                self.received += 1
            except TimeoutError:
                if self._over:
                    return

    def end(self) -> int:
        """Stop; how many were lost."""
        self._over = True
        for thread in self._threads:
            thread.join()
        for one in (*self._senders, self._receiver):
            one.close()
        return self.sent - self.received


def opened(namespace: str) -> socket.socket:
    """A datagram socket in a namespace: a thread goes there, opens it, and ends."""
    made: list[socket.socket] = []

    def there() -> None:
        descriptor = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
        try:
            enter(descriptor)
            made.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        finally:
            os.close(descriptor)

    thread = threading.Thread(target=there)
    thread.start()
    thread.join()
    return made[0]


def enter(descriptor: int) -> None:
    import ctypes

    if ctypes.CDLL(None, use_errno=True).setns(descriptor, 0x40000000) != 0:  # CLONE_NEWNET
        raise OSError(ctypes.get_errno(), "setns")


def channels(at: Inside) -> list[str]:
    now = at.run(["ethtool", "-l", "va"]).out.split("Current hardware settings:")[1]
    return [line.split()[-1] for line in now.splitlines() if line.startswith(("RX:", "TX:"))]


def test_queues_of_a_real_card_are_changed_under_traffic(wire: None) -> None:
    at, kind = Inside(), Nic()
    traffic = Traffic()
    try:
        time.sleep(0.5)
        wanted = replace(step("nic", {"interface": "va", "rx": 3, "tx": 3}), device=at.device)
        held = replace(wanted, artifact=kind.precheck(at, wanted).artifact)
        assert channels(at) == ["8", "8"]
        kind.apply(at, held, deadline_s=30)
        assert kind.observe(at, reached(held)).seen is Seen.DONE
        assert channels(at) == ["3", "3"] and "-L va rx 3 tx 3" in at.files[FILE]
        time.sleep(1.0)
        kind.rollback(at, held, deadline_s=30)
        assert kind.observe_rollback(at, held).seen is Seen.DONE
        assert channels(at) == ["8", "8"] and not at.files
        time.sleep(0.5)
    finally:
        lost = traffic.end()
    print(f"{traffic.sent} sent, {lost} lost")
    assert traffic.sent > 5000 and lost <= LOST_AT_MOST
