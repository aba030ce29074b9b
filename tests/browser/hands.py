"""Runs Python on the database of a site for tests/browser/site.py: one line of JSON in, one line of JSON out.

A process that stays: to load Django for each question took longer than most tests do.
"""

import contextlib
import io
import json
import os
import sys
import traceback
from typing import Any

_BEGIN = """
from fleet import clock
from fleet.changes.models import Change, Run, TargetRun
from tests.changes import builders
now = clock.now()
run = Run.objects.select_related("revision__change").order_by("-id").first()
"""


def session_of(name: str) -> dict[str, Any]:
    """The session cookie of somebody who has signed in."""
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.auth.models import User
    from django.contrib.sessions.backends.db import SessionStore

    person = User.objects.get(username=name)
    session = SessionStore()
    session[SESSION_KEY] = str(person.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = person.get_session_auth_hash()
    session.create()
    return {"name": settings.SESSION_COOKIE_NAME, "value": session.session_key}


def answer(line: str) -> dict[str, str]:
    """What one line asks for: its output, or the error."""
    asked = json.loads(line)
    out = io.StringIO()
    names: dict[str, Any] = {"json": json, "session_of": session_of}
    try:
        with contextlib.redirect_stdout(out):
            exec((_BEGIN if asked["scene"] else "") + asked["code"], names)
    except Exception:
        return {"error": traceback.format_exc()[-3000:]}
    return {"out": out.getvalue()}


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "fleet.settings")
    import django

    django.setup()
    for line in sys.stdin:
        print(json.dumps(answer(line)), flush=True)
