"""ASGI entry point, served by uvicorn; live pages stream over it."""

import gc
import os

from django.conf import settings
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "fleet.settings")
application = get_asgi_application()
# Every request over ASGI has a thread and with it a database connection of its own, which no later one finds again:
# kept open for a minute, as workers keep theirs, it would only be one more (17 of them at one request in 8 s).
settings.DATABASES["default"]["CONN_MAX_AGE"] = 0
# What is loaded now stays: without this every full collection walks through it (some 100 ms of one request in fifty).
gc.collect()
gc.freeze()
