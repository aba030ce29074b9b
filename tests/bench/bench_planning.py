"""Figures of planning one network: waves and risk over 1,000 and 10,000 devices, CPU seconds.

make bench PYTEST="-k planning"
"""

import itertools
import os
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from fleet.core import risk, waves
from fleet.core.model import Strategy, Topology
from tests.bench import machine
from tests.core import test_redundancy as networks

SIZES = tuple(int(n) for n in os.environ.get("BENCH_PLANNED", "1000,10000").split(","))
NETWORKS: dict[str, Callable[[int], Topology]] = {
    "rings of ten between cores, 1 Gb/s promised": networks.rings,
    "four links to cores, two of them promised": networks.fabric,
}


def test_waves_and_risk_of_one_network() -> None:
    """Prints the table and writes var/bench/planning.json. The only assertion: nothing in them is cut."""
    table = Table(title="waves and risk of one network, CPU seconds", title_justify="left")
    for head in ("network", "devices", "waves", "making them", "risk"):
        table.add_column(head, justify="left" if head == "network" else "right")
    rows = []
    for (words, network), count in itertools.product(NETWORKS.items(), SIZES):
        topology = network(count)
        began = time.process_time()
        wave_of, findings = waves.build(sorted(topology.domain_of), Strategy(waves=(1, "10%", "25%", "100%")), topology)
        built = time.process_time()
        risk.assess(networks.drained(topology, wave_of), topology)
        assessed_s, built_s = time.process_time() - built, built - began
        assert not findings, words
        rows.append({"network": words, "devices": count, "waves_s": built_s, "risk_s": assessed_s})
        table.add_row(words, f"{count}", f"{max(wave_of.values()) + 1}", f"{built_s:.2f}", f"{assessed_s:.2f}")
    console = Console(width=120)
    console.print(table)
    path = machine.keep("planning", {"planning": rows})
    console.print(f"{path.relative_to(Path(machine.REPOSITORY))}: written")
