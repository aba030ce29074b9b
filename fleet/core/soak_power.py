"""What a soak can find: hours until a leak of some rate is found, before anybody waits for it. Pure."""

from dataclasses import dataclass
from functools import lru_cache
from math import pi, sin, sqrt

from fleet.core.soak import BINS, CONFIDENCE_Z, HIDDEN, HOUR, LEAST_SAMPLES, LEAST_SECONDS, MOST_LEFT

# One-sided 90 %: nine of ten such leaks are found by then.
POWER_Z = 1.282
# Theil and Sen's slope has 95 % of the efficiency of least squares where noise is normal.
_EFFICIENCY = 0.95
_POINTS, _PHASES = 48, 12
SHORTEST_H, LONGEST_H = 0.5, 24 * 14


@dataclass(frozen=True)
class Noise:
    """How a metric moves by itself. `share`: standard deviation of samples, as a share of the middle, after the load.

    `left_over`: of one sample in the next. `every_s`: from sample to sample. `swing`: half of the load's daily range,
    as a share of its middle; what the load explains takes a part of every trend with it.
    """

    share: float
    left_over: float
    every_s: float
    swing: float = 0.5


def half_width(noise: Noise, hours: float, *, phase: float | None = None, z: float = CONFIDENCE_Z) -> float:
    """Half of the interval of a slope, in shares per hour, after so many hours.

    `phase`: hour of the day at which it began; None: the worst of the day, when load and time go together longest.
    """
    if phase is None:
        return max(half_width(noise, hours, phase=24 * n / _PHASES, z=z) for n in range(_PHASES))
    spread = _time_beside_load(hours, phase) if noise.swing > 0 else hours / sqrt(12)
    return z * sqrt(_of_level(noise, hours) / _EFFICIENCY) / max(spread, 1e-9)


def _of_level(noise: Noise, hours: float) -> float:
    """Variance with which a level is known after so many hours, as `soak.trend` reckons it: bins of samples, of which
    each has something of the last (first order), and its allowance for what few bins hide of that."""
    samples = hours * HOUR / noise.every_s
    bins = max(2.0, min(float(BINS), samples))
    each, phi = samples / bins, noise.left_over
    faded = (1 - phi**each) / (1 - phi)
    of_bin = noise.share**2 / each * ((1 + phi) / (1 - phi) - 2 * phi * faded / (each * (1 - phi)))
    of_next = noise.share**2 * phi * faded**2 / each**2
    left = min(MOST_LEFT, max(0.0, of_next / of_bin if of_bin > 0 else 0.0) + HIDDEN / bins)
    return float(of_bin * (1 + left) / (1 - left) / bins)


@lru_cache(maxsize=4096)  # the same few hours are asked for at every look
def _time_beside_load(hours: float, phase: float) -> float:
    """Standard deviation of the time, in hours, without what the daily swing explains of it."""
    times = [hours * (n + 0.5) / _POINTS - hours / 2 for n in range(_POINTS)]
    load = [sin(2 * pi * (phase + t + hours / 2) / 24) for t in times]
    middle = sum(load) / _POINTS
    load = [one - middle for one in load]
    square = sum(one * one for one in load)
    of_time = sum(t * one for t, one in zip(times, load, strict=True)) / square if square > 0 else 0.0
    return sqrt(sum((t - of_time * one) ** 2 for t, one in zip(times, load, strict=True)) / _POINTS)


def hours_to_find(leak: float, noise: Noise, *, tolerated: float, phase: float | None = None) -> float | None:
    """Hours after which nine of ten leaks of this rate (share per hour) are found; None: not within two weeks.

    Found means: the whole interval lies above `tolerated`.
    """
    least = max(LEAST_SECONDS / HOUR, LEAST_SAMPLES * noise.every_s / HOUR)
    hours = SHORTEST_H
    while hours <= LONGEST_H:
        if hours >= least and half_width(noise, hours, phase=phase) * (1 + POWER_Z / CONFIDENCE_Z) <= leak - tolerated:
            return hours
        hours *= 1.05
    return None
