"""A virtual router on a blade: what its queues cannot take is dropped, and what its firmware says that it is."""

from fleet.core.model import Json
from playbooks.facts import parse_machine, scripts
from playbooks.nic.procfs import cpu_times, softirq_share
from tests.playbooks.simlab import SimLab
from tests.playbooks.simsession import SimSession, device


def test_a_blade_drops_what_the_cpus_of_its_queues_cannot_take() -> None:
    """Story S4: one queue is one core, all softirq; with eight it is a third of each, and nothing is lost."""
    lab, look = SimLab(), "cat /proc/stat"
    router = lab.net.routers["bly"]

    def on_blade(queues: int) -> tuple[int, float]:
        """Packets without a buffer in ten seconds, and the share of CPU 0 in softirqs."""
        router.adapter = dict.fromkeys((port.ifname for port in router.ports), queues)
        router.take_adapter()
        router.flow.offered_pps = 150_000.0
        before, counted = cpu_times(lab.ok("bly", look)), lab.state("bly")["no_bufs"]
        lab.wait(10)
        share = softirq_share(before, cpu_times(lab.ok("bly", look)))
        assert len(share) == 40 and sum(one > 0.01 for one in share.values()) == queues
        return lab.state("bly")["no_bufs"] - counted, share[0]

    dropped, share = on_blade(1)
    assert 1_700_000 < dropped < 1_800_000 and share > 0.97, "300,000 a second, of which a core takes 125,000"
    stats = lab.ok("bly", "ethtool -S eth1")
    assert "rx_no_bufs: " in stats and "rx_no_bufs: 0" not in stats and "rx_queue_" not in stats
    assert lab.run("bly", "ethtool -l eth1")[0] == 1, "enic before Linux 6.13 shows no channels"
    dropped, share = on_blade(8)
    assert dropped == 0 and 0.25 < share < 0.35
    rows = lab.ok("bly", "cat /proc/interrupts")
    assert [name for name in rows.split() if name.startswith("eth1-")] == [
        *(f"eth1-rx-{n}" for n in range(8)), *(f"eth1-tx-{n}" for n in range(8)), "eth1-err", "eth1-notify",
    ]  # fmt: skip


def test_its_firmware_says_what_it_is_to_root() -> None:
    lab = SimLab()
    here = device(lab, "bly")

    def says(*, root: bool) -> Json:
        session = SimSession(here, lab)
        answer = session.batch({"identity": scripts.argv("identity")}, root=root)["identity"]
        return parse_machine.identity(answer.out)

    own = says(root=True)
    assert own["serial"] == f"SIM{lab.net.routers['bly'].spec.number:06}" and own["product"] == "Simulated"
    lab.net.routers["bly"].files["/sys/class/dmi/id/product_serial"] = "FCH18460003"
    assert says(root=True) == {**own, "serial": "FCH18460003"}
    assert says(root=False) == {"uuid": None, "serial": None, "product": "Simulated"}
