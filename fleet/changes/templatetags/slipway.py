"""Template tags: the mark of a state, a clock time, an age, a duration, a JSON value from a device."""

import json
from datetime import datetime
from functools import lru_cache
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from fleet.changes.views import marks

register = template.Library()

# A step's data may be a whole routing table; a page shows its beginning and says so.
SHOWN_CHARACTERS = 6000


@register.simple_tag
@lru_cache(maxsize=256)
def icon(name: str) -> SafeString:
    """An icon of static/icons.svg; the word beside it says what it means. Kept: a calendar has hundreds."""
    return format_html(
        '<svg class="icon" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        static("icons.svg"),
        name,
    )


@register.simple_tag
def mark(kind: str, state: str) -> SafeString:
    """A state as icon and word: {% mark "target" target.state %}."""
    shown = marks.of(kind, state)
    return format_html('<span class="state tone-{}">{}{}</span>', shown.tone.value, icon(shown.icon), shown.word)


@register.simple_tag(takes_context=True)
def at(context: template.Context, instant: datetime | None) -> SafeString | str:
    """When: "05:03:10", with the date when that is not today. UTC, as the foot of every page says."""
    if instant is None:
        return ""
    now: datetime = context["now"]
    shown = f"{instant:%H:%M:%S}" if instant.date() == now.date() else f"{instant:%Y-%m-%d %H:%M}"
    return format_html('<time datetime="{}" title="{}">{}</time>', instant.isoformat(), _full(instant), shown)


@register.simple_tag(takes_context=True)
def since(context: template.Context, instant: datetime | None) -> SafeString | str:
    """How long ago: "4 min 10 s"; the page's script keeps it going."""
    if instant is None:
        return ""
    seconds = max(0.0, (context["now"] - instant).total_seconds())
    return format_html(
        '<span class="since" data-since="{}" title="since {}">{}</span>',
        f"{instant.timestamp():.0f}",
        _full(instant),
        duration(seconds),
    )


def _full(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC"


@register.filter
def duration(seconds: float | None) -> str:
    """ "45 s", "4 min 10 s", "2 h 5 min", "3 d 4 h"."""
    if seconds is None:
        return ""
    whole = round(seconds)
    for size, name, small, small_name in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // small
            return f"{whole // size} {name}" + (f" {rest} {small_name}" if rest else "")
    return f"{whole} s"


@register.filter
def pretty(value: Any) -> str:
    """A JSON value for people, shortened where it is very long."""
    text = json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)
    if len(text) <= SHOWN_CHARACTERS:
        return text
    return f"{text[:SHOWN_CHARACTERS]}\n... shortened: {len(text)} characters in all"
