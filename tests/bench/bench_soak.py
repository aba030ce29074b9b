"""Leaks under a daily swing: how soon they are found, how soon the test's power says, and false alarms without any.

The days are made up (tests/core/soak_days.py says how); each is looked at twelve times, as a soak of a day is.
"""

import os
import random

from fleet.core.model import Verdict
from fleet.core.soak_judge import LEAK_TOLERATED, growth
from fleet.core.soak_power import Noise, hours_to_find
from tests.bench.machine import keep
from tests.core.soak_days import EVERY_S, LEFT_OVER, NOISE, day

DAYS = int(os.environ.get("BENCH_SOAK_DAYS", "1000"))
LEAKING_DAYS = max(20, DAYS // 10)
LOOKS_H = tuple(range(2, 49, 2))
LEAKS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.09)


def found_after(leak: float, seed: int, hours: int) -> int | None:
    """Hours until the first alarm; None: none in these hours."""
    slab, load = day(random.Random(seed), leak=leak, hours=hours)
    each = int(3600 / EVERY_S)
    for look in LOOKS_H:
        if look <= hours and growth("slab", slab[: look * each], load[: look * each]).verdict is Verdict.FAIL:
            return look
    return None


def test_leaks_and_false_alarms() -> None:
    noise = Noise(NOISE, LEFT_OVER, EVERY_S)
    figures: dict[str, dict[str, float | None]] = {}
    print(f"\nLeak an hour   power: 90 % within   found: half of {LEAKING_DAYS} days   90 %    all")
    for leak in LEAKS:
        power = hours_to_find(leak, noise, tolerated=LEAK_TOLERATED)
        hours = [found_after(leak, 10_000 + n, 48) for n in range(LEAKING_DAYS)]
        sure = sorted(h if h is not None else 999 for h in hours)
        half, most, all_of_them = sure[len(sure) // 2], sure[int(len(sure) * 0.9)], sure[-1]
        shown = f"{power:5.1f} h" if power is not None else "  never"
        print(f"  {leak:6.1%}          {shown}              {half:3} h                  {most:3} h   {all_of_them:3} h")
        figures[f"{leak:.3f}"] = {"power_h": power, "half_h": half, "90_h": most, "all_h": all_of_them}
        if leak == 0.01:
            assert power is not None and most <= power + 2  # looked at every two hours
    alarms = [n for n in range(DAYS) if found_after(0.0, n, 24) is not None]
    print(f"False alarms in {DAYS} leak-free days, each looked at 12 times: {len(alarms)}")
    keep("soak", {"detection": figures, "leak_free_days": DAYS, "false_alarms": len(alarms)})
    assert alarms == []
