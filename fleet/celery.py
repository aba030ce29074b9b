"""The Celery application. The broker is a doorbell: losing every message loses nothing (decision 002)."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "fleet.settings")

from django.conf import settings

_COLLECT = (
    {
        "collect": {
            "task": "slipway.collect_all",
            "schedule": settings.SLIPWAY_COLLECT_SECONDS,
            "options": {"expires": settings.SLIPWAY_COLLECT_SECONDS},
        },
        # UCS Managers and Cisco IMCs as often: their rows are linked by what the devices showed.
        "collect_ucs": {
            "task": "slipway.collect_ucs_all",
            "schedule": settings.SLIPWAY_COLLECT_SECONDS,
            "options": {"expires": settings.SLIPWAY_COLLECT_SECONDS},
        },
    }
    if settings.SLIPWAY_COLLECT_SECONDS > 0
    else {}
)
app = Celery("slipway", broker=settings.SLIPWAY_REDIS_URL)
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    # 300 > 2 x the hard limit of 120: a prefetched message ages while it waits. The two restore settings brought a
    # killed worker's messages back after 12 s in the kill test, 107 s without them.
    broker_transport_options={
        "visibility_timeout": 300,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "global_keyprefix": "slipway:",
    },
    visibility_timeout=300,
    broker_connection_retry_on_startup=True,
    worker_soft_shutdown_timeout=25,
    # A leg is worth more than its message: it goes on without a broker, and a message that comes twice does no harm.
    # Cancelled in the middle, its step would be nobody's until the lease ends (90 s; seen after Redis was killed).
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_hijack_root_logger=False,
    task_soft_time_limit=90,
    task_time_limit=120,
    task_default_queue="legs",
    # Collecting facts has a line of its own: workers take from both in turn, so that the legs of a change do not stand
    # behind the shards of ten thousand devices.
    task_routes={
        "slipway.tick": {"queue": "tick"},
        "slipway.collect": {"queue": "collect"},
        "slipway.collect_all": {"queue": "collect"},
        "slipway.collect_ucs": {"queue": "collect"},
        "slipway.collect_ucs_all": {"queue": "collect"},
        "slipway.sample": {"queue": "collect"},
        "slipway.look_at_queues": {"queue": "collect"},
        # Others answer when they like: nothing of ours stands behind them, nor who answers behind who does not.
        "slipway.outward": {"queue": "outward"},
        "slipway.outward_well": {"queue": "outward"},
        "slipway.outward_tidy": {"queue": "outward"},
        "slipway.outward_doubtful": {"queue": "doubtful"},
        # A mail server may take its time: not in the way of legs.
        "slipway.notices": {"queue": "collect"},
    },
    beat_schedule={
        **_COLLECT,
        # A tick that waited longer than the next one is due is not worth running: the next does its work.
        "tick": {
            "task": "slipway.tick",
            "schedule": settings.SLIPWAY_TICK_SECONDS,
            "options": {"expires": settings.SLIPWAY_TICK_SECONDS * 2},
        },
        # Not in the tick: planning may take long, and what runs does not wait for it.
        "draft_repairs": {
            "task": "slipway.draft_repairs",
            "schedule": settings.SLIPWAY_TICK_SECONDS,
            "options": {"expires": settings.SLIPWAY_TICK_SECONDS * 2},
        },
        "notices": {"task": "slipway.notices", "schedule": 5.0, "options": {"expires": 10}},
        "outward": {
            "task": "slipway.outward",
            "schedule": settings.SLIPWAY_TICK_SECONDS,
            "options": {"expires": settings.SLIPWAY_TICK_SECONDS * 2},
        },
        "outward_tidy": {"task": "slipway.outward_tidy", "schedule": 3600, "options": {"expires": 3600}},
    },
    beat_schedule_filename=str(settings.VAR_DIR / "celerybeat-schedule"),
)
app.autodiscover_tasks(["fleet.changes", "fleet.outward", "fleet.notices", "inventory"])
