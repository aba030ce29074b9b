"""A look at the queues of a device: by scripted answers, on the simulated network, and the doctor's verdict on both."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.core import rss_reading
from fleet.core.rss_doctor import Says, diagnose
from playbooks.base import Answer
from playbooks.nic import reading
from tests.playbooks.simlab import SimLab
from tests.playbooks.simsession import SimSession, device

RECORDINGS = Path(__file__).parent / "recordings" / "nic-counters"
CPUS = 40


def interface(queues: int, packets: int, lost: int, *, driver: str = "enic") -> str:
    """The answer of slipway-queues for the VIC of story S4, or another card."""
    irqs = "".join(f"irq {50 + q} {q} eth5-rx-{q}\n" for q in range(queues))
    irqs += f"irq {50 + queues} 0-39 eth5-tx-0\nirq {51 + queues} 0-39 eth5-err\nirq {52 + queues} 0-39 eth5-notify\n"
    stats = f"NIC statistics:\n     rx_frames_ok: {packets}\n     rx_no_bufs: {lost}\n     rx_rss: 0\n"
    head = f"operstate up\ndriver {driver}\nqueues {queues}\nrx_packets {packets}\nrx_missed_errors {lost}\n"
    return f"{head}{irqs}@ stats\n{stats}\n@ = 0\n@ channels\nnetlink error: Operation not supported\n\n@ = 1\n"


def answers(*, up: float, packets: int, lost: int, soft: int, queues: int = 1) -> dict[str, Answer]:
    head = "     " + " ".join(f"CPU{n}" for n in range(CPUS))
    rows = "".join(
        f" {50 + q}:"
        + "".join(f" {packets // 16 if n == q + 3 else 0}" for n in range(CPUS))
        + f"  PCI-MSI 1-edge eth5-rx-{q}\n"
        for q in range(queues)
    )
    stat = "".join(
        f"cpu{n} 0 0 0 {int(up * 100) - (soft if n == 3 else 0)} 0 0 {soft if n == 3 else 0} 0 0 0\n"
        for n in range(CPUS)
    )
    texts = {
        "boot_id": "b1\n", "uptime": f"{up} 1\n", "kernel": "3.16.0-4-amd64\n", "interrupts": f"{head}\n{rows}",
        "stat": f"cpu 1 2 3\n{stat}", "queues:eth5": interface(queues, packets, lost), "queues:bond0.5": "",
    }  # fmt: skip
    return {**{k: Answer(0, v, "") for k, v in texts.items()}, "irqbalance": Answer(1, "", "")}


def test_story_s4_from_the_answers_of_the_device() -> None:
    """S4-12, S4-13: one queue, one interrupt, one core in softirqs, rx_no_bufs."""
    before = reading.reading(answers(up=1000.0, packets=10**9, lost=5000, soft=100))
    after = reading.reading(answers(up=1010.0, packets=10**9 + 4_000_000, lost=57_000, soft=1095))
    json.dumps([before, after])
    assert rss_reading.names(after) == ("eth5",)
    card, machine = rss_reading.card(after, "eth5"), rss_reading.machine(after)
    load = rss_reading.load(before, after, "eth5")
    assert card is not None and load is not None
    assert (card.driver, card.queues, card.settable, machine.irqbalance) == ("enic", 1, False, False)
    assert load.missed == {"rx_no_bufs": 52_000}
    assert load.softirq[3] == pytest.approx(0.995)
    found = diagnose("cache1", card, machine, load=load)
    assert [one.says for one in found.findings] == [Says.TOO_FEW_QUEUES]
    assert "comp-queue 16, interrupt 18" in found.findings[0].advice[0]


def test_another_boot_is_not_compared() -> None:
    before = reading.reading(answers(up=1000.0, packets=9, lost=0, soft=1))
    after = reading.reading({**answers(up=20.0, packets=9, lost=0, soft=1), "boot_id": Answer(0, "b2", "")})
    assert rss_reading.load(before, after, "eth5") is None


def test_the_recorded_machine() -> None:
    texts = {name: Answer(0, (RECORDINGS / f"proc-{name}.txt").read_text(), "") for name in ("interrupts", "softirqs")}
    eth0 = "operstate up\ndriver virtio_net\nqueues 1\nrx_packets 5\nirq 37 0-1 virtio2-config\n"
    eth0 += "irq 38 0-1 virtio2-input.0\n"
    eth0 += "irq 39 0-1 virtio2-output.0\n@ stats\n" + (RECORDINGS / "virtio_net-6.18.txt").read_text() + "\n@ = 0\n"
    found = reading.reading({**texts, "queues:eth0": Answer(0, eth0, "")})
    row = found["interfaces"]["eth0"]
    assert (row["told"], row["rx"], row["vectors"]) == (
        "queues without their packets",
        None,
        {"0": {"0": 0, "1": 53268}},
    )
    assert row["affinity"] == {"0": "0-1"}
    assert found["irqbalance"] is None  # nobody asked


def test_on_the_simulated_network() -> None:
    lab = SimLab()
    session = SimSession(device(lab, "bly"), lab)
    before = reading.look(session)
    lab.wait(30.0)
    after = reading.look(session)
    assert after["cores"] == 4
    names = rss_reading.names(after)
    assert names
    for name in names:
        card, load = rss_reading.card(after, name), rss_reading.load(before, after, name)
        assert card is not None and load is not None
        assert load.packets is not None and load.interrupts is not None
        assert len(load.packets) == card.queues
        found = diagnose("bly", card, rss_reading.machine(after), load=load)
        assert found.findings


@given(
    st.dictionaries(
        st.sampled_from(["interrupts", "stat", "siblings", "queues:eth0", "irqbalance"]), st.text(max_size=200)
    )
)
def test_no_answer_makes_it_raise(texts: dict[str, str]) -> None:
    found = reading.reading({k: Answer(0, v, "") for k, v in texts.items()})
    json.dumps(found)
    for name in rss_reading.names(found):
        rss_reading.card(found, name)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda x: (
        st.lists(x, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "interfaces",
                    "eth0",
                    "rx",
                    "vectors",
                    "0",
                    "stat",
                    "queues",
                    "rss",
                    "key",
                    "indirection",
                    "uptime",
                    "affinity",
                    "fields",
                ]
            ),
            x,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(_JSON, _JSON)
def test_no_stored_look_makes_it_raise(one: object, other: object) -> None:
    rss_reading.machine(one), rss_reading.card(one, "eth0"), rss_reading.names(one)
    rss_reading.load(one, other, "eth0"), rss_reading.load(one, other, "eth0", seconds=10.0)
