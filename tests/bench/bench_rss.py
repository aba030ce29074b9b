"""Flows per second of the predictor: a million flows, with and without ports, IPv4 and IPv6."""

import time

import numpy as np

from fleet.core.rss import MICROSOFT_KEY, equal_table
from playbooks.nic import predict
from tests.bench.machine import keep

FLOWS = 1_000_000


def test_a_million_flows() -> None:
    numbers = np.random.default_rng(7)
    figures: dict[str, float] = {}
    for name, length in {"IPv4": 8, "IPv4 and ports": 12, "IPv6": 32, "IPv6 and ports": 36}.items():
        rows = numbers.integers(0, 256, (FLOWS, length), dtype=np.uint8)
        began = time.perf_counter()
        queues = predict.queues(MICROSOFT_KEY, equal_table(8, 512), rows)
        took = time.perf_counter() - began
        counts = np.bincount(queues, minlength=8)
        figures[name] = round(FLOWS / took)
        print(f"{name:>15}: {FLOWS / took / 1e6:6.1f} million flows/s; busiest of 8 queues {counts.max() / FLOWS:.2%}")
    keep("rss", {"flows_per_second": figures})
