"""What an answer means, and when to try again: over days for a message, up to an hour for an endpoint. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum

# As the Standard Webhooks specification proposes; the last comes 76 hours after the first.
MESSAGE_WAITS = (
    timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2), timedelta(hours=5),
    timedelta(hours=10), timedelta(hours=14), timedelta(hours=20), timedelta(hours=24),
)  # fmt: skip
# After this nobody tries any more, also when an endpoint was down so long that this message had no turn.
GIVE_UP = timedelta(hours=80)
# The breaker: how long an endpoint that does not answer is left alone. One message tries it then.
BREAKER_WAITS = (
    timedelta(seconds=5), timedelta(seconds=15), timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15),
    timedelta(hours=1),
)  # fmt: skip
# A receiver that asks to be left alone for longer is asked once a day all the same.
MOST_RETRY_AFTER = timedelta(hours=24)


class Meaning(StrEnum):
    """DELIVERED; REFUSED: this message, another may be taken; DOWN: whoever is there takes none; GONE: for good."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    DOWN = "down"
    GONE = "gone"


# Wrong secret, wrong path, too many, not there: no other message would fare better.
_ABOUT_THE_ENDPOINT = frozenset({401, 403, 404, 405, 407, 408, 421, 423, 425, 429})


def meaning(status: int) -> Meaning:
    """What a status says. A redirect is a refusal: it is not followed."""
    if 200 <= status < 300:
        return Meaning.DELIVERED
    if status == 410:
        return Meaning.GONE
    if 400 <= status < 500 and status not in _ABOUT_THE_ENDPOINT:
        return Meaning.REFUSED
    return Meaning.DOWN


def message_next(attempts: int, now: datetime, *, spread: float, wait: timedelta | None = None) -> datetime | None:
    """When a message that failed `attempts` times is tried again. `spread`: 0 to 1, so that not all come at once."""
    if attempts > len(MESSAGE_WAITS):
        return None
    own = MESSAGE_WAITS[attempts - 1] * (0.9 + 0.2 * spread)
    return now + max(own, wait or timedelta())


def breaker_next(failures: int, now: datetime, *, spread: float, wait: timedelta | None = None) -> datetime:
    """Until when an endpoint that failed `failures` times in a row is left alone."""
    own = BREAKER_WAITS[min(failures, len(BREAKER_WAITS)) - 1] * (0.9 + 0.2 * spread)
    return now + max(own, wait or timedelta())


def retry_after(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """What Retry-After asks for: seconds or a date (RFC 9110, 10.2.3); None when it says nothing that can be read."""
    said = headers.get("retry-after", "").strip()
    if said.isascii() and said.isdigit() and len(said) <= 9:
        return min(timedelta(seconds=int(said)), MOST_RETRY_AFTER)
    try:
        at = parsedate_to_datetime(said)
        return min(max(at - now, timedelta()), MOST_RETRY_AFTER)
    except (TypeError, ValueError, OverflowError):
        return None
