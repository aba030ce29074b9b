"""RSS of a real kernel: the table of a virtio card changed for real, its spread measured against the prediction.

A machine that stands alone, with a cable of its own; packets are written onto it as they are. Run by `make test-vm`.
"""

import random
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from fleet.core.model import Json
from fleet.core.rss import UDP, Flow
from fleet.core.rss_doctor import Diagnosis, Says
from fleet.core.rss_report import report
from lab.netns.command import run
from lab.vm import configuration, image, kernels, network
from lab.vm.machine import Machine, Nic
from lab.vm.paths import STATE
from lab.vm.requirements import reasons_unavailable
from playbooks.base import Device, DeviceError, Seen, Session, Step
from playbooks.nic import link_file, reading, render
from playbooks.nic.driver import Nic as Kind
from playbooks.transport import connect
from tests import needs
from tests.playbooks.scripted import reached, step

NAME, TAP, MAC = "rosing", "t-rss", "52:54:00:77:fe:00"
HOST, ADDRESS = "198.18.79.1", "198.18.79.2"
DEVICE = "eth0"
QUEUES, FLOWS, EACH = 2, 240, 50
# Packets that are not ours (SSH, ARP, neighbour discovery) between two looks: some hundred of 12,000.
OTHERS = 0.03

pytestmark = [pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    needs.need(" ".join(reasons_unavailable()) or None)
    made = Machine(NAME, STATE / NAME, (Nic(TAP, MAC),))
    made.stop()
    network.tap(TAP)
    run(["ip", "addr", "replace", f"{HOST}/24", "dev", TAP])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(configuration, "MACHINE_ADDRESS", ADDRESS)
        made.make(image.ready_image(kernels.newest(1)[0], print), configuration.alone(NAME))
    made.start()
    try:
        wait_for_login()
        yield made
    finally:
        made.stop()
        run(["ip", "link", "del", TAP])


def wait_for_login(within_s: float = 600.0) -> None:
    began = time.monotonic()
    while True:
        try:
            with socket.create_connection((ADDRESS, 22), timeout=20) as door:
                if door.recv(4) == b"SSH-":
                    print(f"{NAME} answers after {time.monotonic() - began:.0f} s")
                    return
        except OSError:
            pass
        assert time.monotonic() - began < within_s, "the machine does not come up"
        time.sleep(1)


def device() -> Device:
    key = configuration.public(configuration.host_key(NAME))
    return Device(NAME, ADDRESS, 22, "ops", f"file:{configuration.login_key()}", key, "none", "sudo")


def session(*, not_boot: str = "", within_s: float = 600.0) -> Session:
    """A login, of another boot than the one given; a machine that boots lets nobody in for a while."""
    deadline, said = time.monotonic() + within_s, "nothing"
    while time.monotonic() < deadline:
        try:
            at = connect(device(), 30)
            if (found := boot(at)) and found != not_boot:
                return at
        except DeviceError as error:
            said = str(error)
        time.sleep(2)
    raise AssertionError(said)


def boot(at: Session) -> str:
    return at.run(["cat", "/proc/sys/kernel/random/boot_id"]).out


def flows(seed: int) -> dict[Flow, int]:
    """UDP flows from as many hosts to the machine; the same seed gives the same flows."""
    rng = random.Random(seed)
    return {
        Flow(
            bytes((10, 9, rng.randrange(256), 1 + n % 250)), socket.inet_aton(ADDRESS), UDP,
            1024 + rng.randrange(60000), 9,
        ): EACH
        for n in range(FLOWS)
    }  # fmt: skip


def sent(traffic: dict[Flow, int], *, over_s: float) -> None:
    """Write each packet onto the cable, all flows in turn, spread over a time."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as cable:
        cable.bind((TAP, 0))
        frames = [frame(flow) for flow in traffic]
        began = time.monotonic()
        for turn in range(EACH):
            for one in frames:
                cable.send(one)
                time.sleep(0.0002)  # 4 queues of 256 descriptors, and an emulated processor that empties them
            time.sleep(max(0.0, began + over_s * (turn + 1) / EACH - time.monotonic()))


def frame(flow: Flow) -> bytes:
    ethernet = bytes.fromhex(MAC.replace(":", "")) + b"\x02\x00\x00\x00\x00\x01" + b"\x08\x00"
    length = 20 + 8 + 18
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, length, 0, 0, 64, UDP, 0, flow.source, flow.destination)
    total = sum(struct.unpack("!10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    head = head[:10] + struct.pack("!H", 0xFFFF - total) + head[12:]
    return ethernet + head + struct.pack("!HHHH", flow.source_port, flow.destination_port, 26, 0) + bytes(18)


def examined(at: Session, seed: int) -> Diagnosis:
    """What the doctor says of these flows: predicted by key and table, and as the card has counted them."""
    traffic = flows(seed)
    before: dict[str, Json] = reading.look(at)
    sent(traffic, over_s=12.0)
    time.sleep(2.0)
    after = reading.look(at)
    (found,) = (d for d in report(NAME, before, after, flows=traffic, interface=DEVICE) if d.card.name == DEVICE)
    return found


def shown(found: Diagnosis) -> str:
    """Both spreads and how far apart they are."""
    assert found.seen is not None and found.predicted is not None
    queues = sorted({*found.seen.packets, *found.predicted.packets})
    parts = [f"{q}: {found.predicted.share(q):.1%} predicted, {found.seen.share(q):.1%} seen" for q in queues]
    words = "; ".join(f.words for f in found.findings)
    return f"{'; '.join(parts)} | effective queues {found.seen.effective:.2f} | {words}"


def as_predicted(found: Diagnosis) -> None:
    assert found.seen is not None and found.predicted is not None and found.seen_by == "packets", found
    for q in {*found.seen.packets, *found.predicted.packets}:
        assert abs(found.seen.share(q) - found.predicted.share(q)) < OTHERS, shown(found)


def carried_out(at: Session, params: dict[str, Any]) -> tuple[Kind, Step]:
    """The kind `nic` as the engine does it: look, act, look."""
    kind = Kind()
    wanted = replace(step("nic", params), device=device())
    look = kind.precheck(at, wanted)
    assert look.seen is Seen.READY, look.reasons
    held = replace(wanted, artifact=look.artifact)
    kind.apply(at, held, deadline_s=60)
    seen = kind.observe(session(), reached(held))
    assert seen.seen is Seen.DONE, seen.reasons
    return kind, held


def test_a_table_of_a_real_card_is_set_right_and_its_spread_is_what_was_predicted(machine: Machine) -> None:
    at = session()
    # As many as processors. More, by ethtool -L, and virtio_net of 6.1 tells the host of them but not its RSS: what the
    # table gives to the third ends on the first (measured: 1,400 of 1,400 packets).
    assert reading.look(at)["interfaces"][DEVICE]["queues"] == QUEUES
    skewed = at.run(["ethtool", "-X", DEVICE, "weight", "7", "1"], root=True)
    assert skewed.ok, skewed.err
    bad = examined(at, 1)
    print("skewed by hand:", shown(bad))
    as_predicted(bad)
    assert Says.TABLE_SKEWED in {f.says for f in bad.findings}, [f.words for f in bad.findings]
    (repair,) = bad.repairs
    assert repair.inputs["spread"] is True

    kind, held = carried_out(at, {"interface": DEVICE, "queues": QUEUES, "spread": True})
    good = examined(at, 2)
    print("even, by nic:", shown(good))
    as_predicted(good)
    assert good.seen is not None and good.seen.effective > 1.9

    kept(kind, held)


def kept(kind: Kind, held: Step) -> None:
    """A boot keeps it: queues by the .link file or the unit, the table by the unit."""
    at = session()
    for path in (link_file.Governed(DEVICE).path, render.FILE):
        print(path, at.run(["cat", path]).out or "none", sep="\n")
    before = boot(at)
    at.run(["systemctl", "reboot"], root=True)
    at = session(not_boot=before)
    routed = at.run(["systemctl", "is-active", "frr.service"])
    assert routed.out.strip() in {"active", "activating"}, "a unit of ours kept the routing daemon from its start"
    seen = kind.observe(at, reached(held))
    assert seen.seen is Seen.DONE, seen.reasons
    again = examined(at, 3)
    print("after a boot:", shown(again))
    as_predicted(again)
    assert render.UNIT in at.run(["systemctl", "list-unit-files", render.UNIT]).out
    kind.rollback(at, held, deadline_s=60)
    back = kind.observe_rollback(at, held)
    print("put back:", back.seen, *back.reasons)
