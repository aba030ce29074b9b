"""The process that sends and counts the probes; started and ended by probes.py (SIGTERM), result in one JSON file.

Every 5 ms one numbered datagram per flow, family and direction. One process and one clock hold both ends, so a loss
is known by its number, with the wall time at which that number was sent.
"""

from __future__ import annotations

import array
import gc
import json
import os
import signal
import socket
import struct
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from lab.netns.probe_sockets import open_channels
from lab.netns.topology import FLOWS

INTERVAL_S = 0.005

# Losses closer together than this are one run: ten packets.
RUN_GAP = 10

# After the last packet was sent: what has not come by then is lost. Worst delay seen on a busy machine: 8 ms.
LAST_WAIT_S = 0.5

_NUMBER = struct.Struct("!Id")  # number, time of sending
_ERROR = struct.Struct("=IBBBBII")  # struct sock_extended_err
_ERROR_QUEUE = 0x2000  # MSG_ERRQUEUE


@dataclass
class _Lane:
    """One flow in one family and direction."""

    router: str
    family: str
    direction: str
    sender: socket.socket
    receiver: socket.socket
    received: bytearray = field(default_factory=bytearray)
    refused: int = 0
    worst_delay: float = 0.0


class _Prober:
    def __init__(self) -> None:
        self.lanes: list[_Lane] = []
        for channel in open_channels(FLOWS):
            for direction, sender, receiver in (
                ("out", channel.customer, channel.internet),
                ("back", channel.internet, channel.customer),
            ):
                self.lanes.append(_Lane(channel.flow.router, channel.family, direction, sender, receiver))
        self.sent_at = array.array("d")
        self.icmp: list[dict[str, Any]] = []
        self.worst_tick = 0.0
        self.stopping = False

    def run(self) -> None:
        """Sends until `stopping` is set."""
        begun = time.monotonic()
        number = 0
        while not self.stopping:
            due = begun + number * INTERVAL_S
            now = time.monotonic()
            if due > now:
                time.sleep(due - now)
            else:
                self.worst_tick = max(self.worst_tick, now - due)
            self._tick(number)
            number += 1
        deadline = time.monotonic() + LAST_WAIT_S
        while time.monotonic() < deadline:
            for lane in self.lanes:
                self._receive(lane)
            time.sleep(INTERVAL_S)

    def _tick(self, number: int) -> None:
        payload = _NUMBER.pack(number, time.monotonic())
        self.sent_at.append(time.time())
        for lane in self.lanes:
            lane.received.append(0)
            try:
                lane.sender.send(payload)
            except OSError:  # an ICMP error of an earlier packet is reported here, instead of sending: read, send again
                self._errors(lane)
                try:
                    lane.sender.send(payload)
                except OSError:
                    lane.refused += 1
        for lane in self.lanes:
            self._receive(lane)

    def _receive(self, lane: _Lane) -> None:
        while True:
            try:
                number, sent = _NUMBER.unpack(lane.receiver.recv(64))
            except BlockingIOError:
                return
            except OSError:  # an ICMP error for what this end has sent; the opposite lane reads it
                continue
            if number < len(lane.received):
                lane.received[number] = 1
                lane.worst_delay = max(lane.worst_delay, time.monotonic() - sent)

    def _errors(self, lane: _Lane) -> None:
        """Empties the error queue of a sender into `icmp`: which router refused, and why."""
        with suppress(BlockingIOError):
            while True:
                _data, ancillary, _flags, _address = lane.sender.recvmsg(64, 512, _ERROR_QUEUE)
                for _level, _kind, value in ancillary:
                    if len(value) < _ERROR.size + 8:
                        continue
                    _errno, _origin, kind, code, _pad, _info, _more = _ERROR.unpack_from(value)
                    offender = value[_ERROR.size :]
                    source = (
                        socket.inet_ntop(socket.AF_INET, offender[4:8])
                        if lane.family == "ipv4"
                        else socket.inet_ntop(socket.AF_INET6, offender[8:24])
                    )
                    self.icmp.append(
                        {"at": time.time(), "router": lane.router, "family": lane.family,
                         "direction": lane.direction, "from": source, "type": kind, "code": code}
                    )  # fmt: skip

    def result(self) -> dict[str, Any]:
        for lane in self.lanes:
            self._errors(lane)
        lanes = [
            {
                "router": lane.router, "family": lane.family, "direction": lane.direction,
                "sent": len(lane.received), "lost": lane.received.count(0), "refused": lane.refused,
                "worst_delay_ms": round(lane.worst_delay * 1000, 2), "runs": self._runs(lane),
            }
            for lane in self.lanes
        ]  # fmt: skip
        begun, ended = (self.sent_at[0], self.sent_at[-1]) if self.sent_at else (0.0, 0.0)
        return {
            "begun": begun, "ended": ended, "interval_ms": INTERVAL_S * 1000,
            "worst_tick_ms": round(self.worst_tick * 1000, 2), "lanes": lanes, "icmp": self.icmp,
        }  # fmt: skip

    def _runs(self, lane: _Lane) -> list[dict[str, float]]:
        runs: list[list[int]] = []
        place = lane.received.find(0)
        while place != -1:
            if runs and place - runs[-1][1] <= RUN_GAP:
                runs[-1][1] = place
                runs[-1][2] += 1
            else:
                runs.append([place, place, 1])
            place = lane.received.find(0, place + 1)
        return [{"start": self.sent_at[a], "end": self.sent_at[b], "lost": count} for a, b, count in runs]


def _raise_priority() -> None:
    """Real-time if the machine allows it, else as nice as possible: a probe that waits for the CPU measures that."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))
    except OSError:
        with suppress(OSError):
            os.nice(-20)


def main(output: Path) -> None:
    prober = _Prober()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        prober.stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()
    _raise_priority()
    print("ready", flush=True)
    prober.run()
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    unfinished = output.with_suffix(".new")
    unfinished.write_text(json.dumps(prober.result()))
    unfinished.replace(output)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
