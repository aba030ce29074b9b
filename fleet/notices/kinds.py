"""What people can be told of: kinds of messages, each from kinds of events."""

from collections.abc import Mapping

STUCK, BREAK_GLASS = "stuck", "break-glass"
# Kind of message -> kinds of events that make one. A person subscribes to these words.
KINDS: Mapping[str, tuple[str, ...]] = {
    "submitted": ("change submitted",),
    "decided": ("change approved", "change rejected"),
    "scheduled": ("change scheduled", "change rescheduled"),
    "started": ("change running",),
    "paused": ("change paused", "run pause"),
    "aborted": ("run abort", "run rollback"),
    "ended": ("change succeeded", "change rolled_back", "change failed", "change cancelled", "change expired"),
    STUCK: ("target stuck",),
    BREAK_GLASS: ("change approved", "change override"),  # those that say so in their data
}
# Told at once and again: somebody is to get up.
PAGES = frozenset({STUCK, BREAK_GLASS})
EVENTS = frozenset(event for events in KINDS.values() for event in events)


def kinds_of(event: str, data: object) -> tuple[str, ...]:
    """The kinds of message that an event makes."""
    glass = isinstance(data, Mapping) and bool(data.get("break_glass") or data.get("override"))
    found = [kind for kind, events in KINDS.items() if event in events]
    if event in KINDS[BREAK_GLASS]:  # what went round an approval is never told as one
        found = [k for k in found if (k == BREAK_GLASS) is glass]
    return tuple(found)
