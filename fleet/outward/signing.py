"""Standard Webhooks: how a message is signed and how a signature is checked. Pure.

The signed text is `ID.TIMESTAMP.BODY`; the header carries "v1," and base64 of HMAC-SHA256, several separated by blanks
while a secret is being replaced. Source: the Standard Webhooks specification, sections "Signature scheme" and
"Verifying signatures".
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime

from fleet.core.model import Reason

PREFIX = "whsec_"
ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
# What the specification advises; a clock that is off by more is a fault of its own.
TOLERANCE_S = 300
# The specification asks for 24 to 64 bytes.
LEAST_BYTES, MOST_BYTES = 24, 64
# A header with more signatures than this is no rotation, it is an attempt to make us count.
MOST_SIGNATURES = 10


def key_of(secret: str) -> bytes | Reason:
    """The key in `whsec_BASE64`, or why it is none. The secret is never repeated in the reason."""
    remedy = "Make one with ./manage.py webhooks secret, or take the one that the other side shows."
    text = secret.strip()
    if not text.startswith(PREFIX):
        return Reason("secret", f"{len(text)} characters without {PREFIX} in front", f"{PREFIX}BASE64", remedy)
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return Reason("secret", f"{PREFIX} and what is no base64", f"{PREFIX}BASE64", remedy)
    if not LEAST_BYTES <= len(key) <= MOST_BYTES:
        return Reason("secret", f"{len(key)} bytes", f"{LEAST_BYTES} to {MOST_BYTES} bytes", remedy)
    return key


def new_secret(random: bytes) -> str:
    """A secret of these random bytes, as it is given to the other side."""
    return PREFIX + base64.b64encode(random).decode()


def signature(key: bytes, *, message_id: str, timestamp: int, body: bytes) -> str:
    """One signature, `v1,BASE64`. `timestamp`: seconds since 1970."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def headers(keys: Sequence[bytes], *, message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers of a message that leaves at this instant, signed with every key."""
    timestamp = int(at.timestamp())
    signatures = [signature(key, message_id=message_id, timestamp=timestamp, body=body) for key in keys]
    return {ID: message_id, TIMESTAMP: str(timestamp), SIGNATURE: " ".join(signatures)}


def verify(keys: Sequence[bytes], given: Mapping[str, str], body: bytes, now: datetime) -> str | Reason:
    """The id of a message that is what it says it is and is fresh, or why it is refused.

    `given`: headers with lower-case names. Nothing of the content is in the reason: it may be anybody's.
    """
    message_id, stamp, said = given.get(ID, ""), given.get(TIMESTAMP, ""), given.get(SIGNATURE, "")
    if not (message_id and stamp and said) or len(message_id) > 200:
        return Reason("headers", "not all of them", f"{ID}, {TIMESTAMP} and {SIGNATURE}", "Sign it (docs/webhooks.md).")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        return Reason(TIMESTAMP, "no number", "seconds since 1970", "Sign it (docs/webhooks.md).")
    off = int(now.timestamp()) - int(stamp)
    if abs(off) > TOLERANCE_S:
        found = f"{abs(off)} s in the {'past' if off > 0 else 'future'}"
        return Reason(TIMESTAMP, found, f"within {TOLERANCE_S} s of now", "Set the clock; never send an old one again.")
    offered = [s for s in said.split(" ")[:MOST_SIGNATURES] if s.startswith("v1,")]
    wanted = [signature(key, message_id=message_id, timestamp=int(stamp), body=body) for key in keys]
    # Every pair is compared, so that the time tells nothing about which one fits.
    fits = [hmac.compare_digest(w.encode(), o.encode("utf-8", "replace")) for w in wanted for o in offered]
    if not any(fits):
        return Reason(
            SIGNATURE, f"{len(offered)}, none of which fits", "one made with the shared secret", "Compare it."
        )
    return message_id
