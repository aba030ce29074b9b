"""Probes over SSH into the simulated fleet: what loses packets and what delays them is measured."""

from collections.abc import Callable

from ruamel.yaml import YAML

from lab.sim import SimFleet
from playbooks.base import Device
from playbooks.probe import parse, scripts
from playbooks.probe.scripts import Ask
from playbooks.transport import connect


def test_losses_and_delays_are_measured(sim_fleet: Callable[..., SimFleet]) -> None:
    fleet = sim_fleet(routers=6)
    row = next(r for r in YAML(typ="safe").load(fleet.inventory)["routers"] if r["name"] == "lang")
    credential = f"file:{fleet.private_key}"
    device = Device("lang", row["address"], row["port"], "ops", credential, row["host_key"], row["suite"], "sudo")
    lang = connect(device, 5)
    ask = scripts.argv([Ask("10.255.77.1"), Ask("10.255.77.1", trace=True)], count=100, interval=0.001)

    def times() -> tuple[int, float]:
        text = lang.batch({"probe": ask}, root=True)["probe"].out
        found = parse.times(parse.sections(text)["probe", "10.255.77.1"], "10.255.77.1")
        assert found is not None and found.best is not None
        return found.lost, found.best

    lost, best = times()
    assert lost == 0 and best < 1.0
    fleet.inject("bly", "loses_packets", share=0.5)
    assert 20 < times()[0] < 80
    fleet.clear("bly", "loses_packets")
    fleet.inject("bly", "delays_packets", seconds=0.05)
    lost, best = times()
    assert lost == 0 and best >= 50.0
    lang.close()
