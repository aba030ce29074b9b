"""The in-process engine: ticks and works until Ctrl-C. In production Celery's beat and workers do the same."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from fleet.changes import beside, loop


class Command(BaseCommand):
    """./manage.py engine."""

    help = __doc__

    def handle(self, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        with beside.running(stop.is_set):
            loop.run(stop.is_set)
