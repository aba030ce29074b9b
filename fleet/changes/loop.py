"""The in-process engine: ticks until it is told to stop; the same tick that Celery's beat calls."""

import logging
import time
from collections.abc import Callable

from django.conf import settings
from django.db import OperationalError, close_old_connections
from django.db.models import Min

from fleet import clock
from fleet.changes import (
    dispatch,
    draft_requests,
    facts_again,
    mitigations,
    orchestrate,
    remedies,
    repair_requests,
    soaking,
)
from fleet.changes.models import StepRun, TargetRun
from fleet.core.states import CHANGE_LIVE, STEP_OPEN
from inventory import queue_looks

log = logging.getLogger(__name__)

# However many legs end, a tick comes at most this often and takes at most this share of the time, up to the usual
# pause: it costs 26 ms over 300 targets, which the legs beside it do without. Its own CPU counts, not how long it took:
# beside 20 legs 28 ms took 0.9 s, and what the budget let go on waited for the longest pause.
SHORTEST_PAUSE_S = 0.2
TICKS_SHARE = 0.05
# A process that finds work when it begins does that first: reading all recipes takes a second of CPU.
FORMS_WAIT_S = 60.0
# Devices that their legs have left are asked together, and beside other legs at most so often: 14 looks one by one
# were 0.5 s of CPU and a second of every device's, while 20 were restarted five at a time.
FACTS_WAIT_S = 10.0


def run(until: Callable[[], bool]) -> None:
    """Tick at due times, whenever a leg has ended, and at least every SLIPWAY_TICK_SECONDS; never in a busy loop."""
    started = looked_at = time.monotonic()
    while not until():
        dispatch.doorbell.clear()
        began, cpu_before = time.monotonic(), time.thread_time()
        try:
            orchestrate.tick(clock.now())
            draft_requests.take_up(clock.now(), tell_forms=began - started > FORMS_WAIT_S or not _busy())
            repair_requests.take_up(clock.now())
            queue_looks.take_up(clock.now())
            soaking.take_up(clock.now())
            mitigations.take_up(clock.now())
            remedies.take_up(clock.now())
            if began - looked_at > FACTS_WAIT_S or dispatch.quiet():
                facts_again.take_up(clock.now())
                looked_at = began
            pause_s = _until_next_due()
        except OperationalError:
            # The database is away: nothing is lost, everything is found again in the rows.
            log.exception("tick")
            close_old_connections()
            pause_s = settings.SLIPWAY_TICK_SECONDS
        took_s = time.thread_time() - cpu_before
        least_s = min(max(SHORTEST_PAUSE_S, took_s / TICKS_SHARE), settings.SLIPWAY_TICK_SECONDS)
        if dispatch.doorbell.wait(max(pause_s, least_s)) and not until():
            time.sleep(max(0.0, began + SHORTEST_PAUSE_S - time.monotonic()))
            _spare_legs(began + least_s)
    dispatch.wait_idle()


def _spare_legs(ends_at: float) -> None:
    """Leave the time until then to the legs; with none left there is nobody to spare."""
    while (left_s := ends_at - time.monotonic()) > 0 and not dispatch.quiet():
        dispatch.doorbell.clear()
        dispatch.doorbell.wait(left_s)


def _busy() -> bool:
    return not dispatch.quiet() or TargetRun.objects.in_flight().exists()


def _until_next_due() -> float:
    live = StepRun.objects.filter(state__in=STEP_OPEN, target__run__revision__change__state__in=CHANGE_LIVE)
    first = live.filter(target__run__ended_at__isnull=True).aggregate(at=Min("due_at"))["at"]
    longest: float = settings.SLIPWAY_TICK_SECONDS
    if first is None:
        return longest
    # A little later than due, so that the row is due when it is looked at; never a busy loop over an overdue row
    # whose worker is still on its way to it.
    left_s: float = (first - clock.now()).total_seconds()
    return min(longest, max(SHORTEST_PAUSE_S, left_s + 0.01))
