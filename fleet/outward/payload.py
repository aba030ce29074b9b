"""An event as others get to read it: JSON of a fixed shape with a version, always the same bytes. Pure but for rows."""

import json
from typing import Any

from fleet.changes.models import Event
from fleet.outward import patterns

# Goes up when a field changes its meaning or goes away; a new field is no new version.
VERSION = 1
# Receivers refuse larger ones (many at 256 kB), and nobody reads them: what is measured stands on the page.
MOST_DATA = 32_000


def message_id(event_id: int) -> str:
    """The webhook-id of an event: the same for everybody and at every attempt."""
    return f"msg_slipway_{event_id}"


def of_event(event: Event, *, origin: str = "") -> tuple[str, str]:
    """Type and body. `origin`: https://HOST of the pages, for links; empty: paths only."""
    about = patterns.type_of(event.kind)
    change = event.change
    data: dict[str, Any] = {
        "event": event.pk,
        "kind": event.kind,
        "actor": event.actor,
        "text": event.text,
        "change": {
            "id": change.pk,
            "title": change.title,
            "ticket": change.ticket,
            "url": origin + change.get_absolute_url(),
        },
        "target": event.target.name if event.target is not None else None,
        "step": event.step_id,
        "details": event.data,
    }
    if len(json.dumps(event.data)) > MOST_DATA:
        data |= {"details": {}, "details_left_out": True}
    return about, body(about, event.at.isoformat().replace("+00:00", "Z"), data)


def body(event_type: str, timestamp: str, data: dict[str, Any]) -> str:
    """The whole of a message, as the Standard Webhooks specification lays it out, with our version."""
    said = {"type": event_type, "timestamp": timestamp, "version": VERSION, "data": data}
    return json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
