"""Sockets of the probes: one process holds sockets in several network namespaces, and so has one clock for all."""

from __future__ import annotations

import ctypes
import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal

from lab.netns.paths import namespace
from lab.netns.topology import Flow

Family = Literal["ipv4", "ipv6"]
Direction = Literal["out", "back"]  # customer to internet, internet to customer

PORT = 7777

# Numbers of <sched.h>, <asm-generic/socket.h>, <linux/in.h> and <linux/in6.h> that Python does not name.
_CLONE_NEWNET = 0x40000000
_SO_RCVBUFFORCE, _IP_RECVERR, _IPV6_RECVERR = 33, 11, 25

# A burst of the whole lab's probes is 24 datagrams per 5 ms; this holds several seconds of them.
_RECEIVE_BUFFER = 4 * 1024 * 1024


@dataclass(frozen=True)
class Path:
    """One flow in one family and direction."""

    router: str
    family: Family
    direction: Direction


@dataclass(frozen=True)
class Channel:
    """The two connected sockets of a flow in one family: the customer's end and the internet's end."""

    flow: Flow
    family: Family
    customer: socket.socket
    internet: socket.socket

    def close(self) -> None:
        self.customer.close()
        self.internet.close()


@contextmanager
def inside(host: str) -> Iterator[None]:
    """The calling thread is in the host's network namespace; sockets made there stay there."""
    libc = ctypes.CDLL(None, use_errno=True)
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        target = os.open(f"/run/netns/{namespace(host)}", os.O_RDONLY)
        try:
            if libc.setns(target, _CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), f"cannot enter the network namespace of {host}")
        finally:
            os.close(target)
        try:
            yield
        finally:
            if libc.setns(own, _CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "cannot return to the machine's network namespace")
    finally:
        os.close(own)


def open_channels(flows: Sequence[Flow], *, port: int = PORT) -> list[Channel]:
    """Bound and connected, non-blocking sockets of all flows, both families."""
    channels = []
    for flow in flows:
        for family in ("ipv4", "ipv6"):
            here = flow.customer4 if family == "ipv4" else flow.customer6
            there = flow.internet4 if family == "ipv4" else flow.internet6
            customer = _socket(flow.customer, family, here, there, port)
            internet = _socket("internet", family, there, here, port)
            channels.append(Channel(flow, "ipv4" if family == "ipv4" else "ipv6", customer, internet))
    return channels


def _socket(host: str, family: str, own: str, peer: str, port: int) -> socket.socket:
    with inside(host):
        opened = socket.socket(socket.AF_INET if family == "ipv4" else socket.AF_INET6, socket.SOCK_DGRAM)
        opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
        if family == "ipv4":  # have ICMP errors queued, with the address of the router that sent them
            opened.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        else:
            opened.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
        opened.settimeout(0)
        opened.bind((own, port))
        with suppress(OSError):  # no route yet: a later send says so again
            opened.connect((peer, port))
    return opened


def unreachable_flows(flows: Sequence[Flow], *, wait: float = 0.3) -> list[str]:
    """The paths of which one packet did not arrive within `wait` seconds, as text; empty when all is well."""
    channels = open_channels(flows, port=PORT + 1)
    try:
        pairs = [(c, d) for c in channels for d in (("out", c.customer), ("back", c.internet))]
        for _channel, (_direction, sender) in pairs:
            with suppress(OSError):
                sender.send(b"?")
        time.sleep(wait)
        missing = []
        for channel, (direction, _sender) in pairs:
            receiver = channel.internet if direction == "out" else channel.customer
            try:
                receiver.recv(16)
            except OSError:
                missing.append(f"{channel.flow.router} {channel.family} {direction}")
        return missing
    finally:
        for channel in channels:
            channel.close()
