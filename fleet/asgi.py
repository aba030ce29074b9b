"""ASGI entry point, served by uvicorn; live pages stream over it."""

import gc
import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "fleet.settings")
application = get_asgi_application()
# What is loaded now stays: without this every full collection walks through it (some 100 ms of one request in fifty).
gc.collect()
gc.freeze()
