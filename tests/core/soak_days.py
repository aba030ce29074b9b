"""A day of a router, made up: load with a daily swing and bursts, slab that follows it late, noise, perhaps a leak."""

import math
import random

from fleet.core.soak import HOUR, Sample

EVERY_S = 300.0
# Standard deviation of one sample around what the load explains, and how much of it is in the next sample.
NOISE, LEFT_OVER = 0.01, 0.8


def day(
    rng: random.Random, *, leak: float, hours: float = 24.0, start: float | None = None
) -> tuple[list[Sample], list[Sample]]:
    """Slab (kB, 1 GB in the middle) and load. `leak`: share per hour. `start`: hour of the day at which it begins.

    15 % of the slab follows the load, ten minutes late; a fiftieth of the samples begins a burst that fades.
    """
    begin = rng.uniform(0, 24) if start is None else start
    noise = burst = 0.0
    slab, load, late = [], [], []
    for n in range(int(hours * HOUR / EVERY_S)):
        at = n * EVERY_S
        turn = 2 * math.pi * (begin + at / HOUR) / 24
        burst = burst * 0.8 + (rng.expovariate(1) * 0.3 if rng.random() < 0.02 else 0.0)
        now = (1 + 0.5 * math.sin(turn) + 0.15 * math.sin(2 * turn + 1) + burst) * math.exp(rng.gauss(0, 0.05))
        late = [*late[-2:], now]
        noise = LEFT_OVER * noise + rng.gauss(0, NOISE * math.sqrt(1 - LEFT_OVER**2))
        level = 1e6 * (0.85 + 0.15 * sum(late) / len(late)) * (1 + noise) + 1e6 * leak * at / HOUR
        slab.append(Sample(at, level, "boot"))
        load.append(Sample(at, now, "boot"))
    return slab, load
