"""Standard Webhooks: our signatures against the published library, forged and replayed ones refused."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from fleet.core.model import Reason
from fleet.outward import signing

SECRET = signing.new_secret(bytes(range(32)))
OTHER = signing.new_secret(bytes(range(1, 33)))
KEY, OTHER_KEY = signing.key_of(SECRET), signing.key_of(OTHER)
assert isinstance(KEY, bytes)
assert isinstance(OTHER_KEY, bytes)
BODY = json.dumps({"type": "change.approved", "text": "größer"}).encode()


@pytest.fixture
def now() -> datetime:
    """The library compares with the real clock."""
    return datetime.now(UTC).replace(microsecond=0)


def test_the_published_library_believes_what_we_sign(now: datetime) -> None:
    headers = signing.headers([KEY], message_id="msg_1", at=now, body=BODY)
    assert Webhook(SECRET).verify(BODY, headers) == json.loads(BODY)


def test_while_a_secret_is_replaced_both_sides_of_it_believe_us(now: datetime) -> None:
    headers = signing.headers([KEY, OTHER_KEY], message_id="msg_1", at=now, body=BODY)
    for secret in (SECRET, OTHER):
        Webhook(secret).verify(BODY, headers)
    assert len(headers[signing.SIGNATURE].split()) == 2


def test_we_believe_what_the_published_library_signs(now: datetime) -> None:
    signed = Webhook(SECRET).sign(msg_id="msg_1", timestamp=now, data=BODY.decode())
    given_headers = {signing.ID: "msg_1", signing.TIMESTAMP: str(int(now.timestamp())), signing.SIGNATURE: signed}
    assert signing.verify([OTHER_KEY, KEY], given_headers, BODY, now) == "msg_1"


@pytest.mark.parametrize("what", ["body", "id", "timestamp", "signature", "secret", "version"])
def test_a_forged_one_is_refused_by_us_and_by_the_library(what: str, now: datetime) -> None:
    headers = signing.headers([KEY], message_id="msg_1", at=now, body=BODY)
    body, secret, key = BODY, SECRET, KEY
    match what:
        case "body":
            body = BODY.replace(b"approved", b"rejected")
        case "id":
            headers[signing.ID] = "msg_2"
        case "timestamp":
            headers[signing.TIMESTAMP] = str(int(now.timestamp()) + 1)
        case "signature":
            headers[signing.SIGNATURE] = "v1," + base64.b64encode(bytes(32)).decode()
        case "secret":
            secret, key = OTHER, OTHER_KEY
        case "version":
            headers[signing.SIGNATURE] = headers[signing.SIGNATURE].replace("v1,", "v2,")
    found = signing.verify([key], headers, body, now)
    assert isinstance(found, Reason)
    assert found.subject == signing.SIGNATURE
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body, headers)


@pytest.mark.parametrize("off", [timedelta(seconds=301), timedelta(seconds=-390), timedelta(days=300)])
def test_an_old_one_and_one_of_the_future_are_refused(off: timedelta, now: datetime) -> None:
    headers = signing.headers([KEY], message_id="msg_1", at=now - off, body=BODY)
    found = signing.verify([KEY], headers, BODY, now)
    assert isinstance(found, Reason)
    assert found.subject == signing.TIMESTAMP
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(BODY, headers)


def test_what_is_no_secret_is_refused_without_repeating_it() -> None:
    for text in ("hunter2", "whsec_***", "whsec_" + base64.b64encode(b"short").decode(), ""):
        found = signing.key_of(text)
        assert isinstance(found, Reason)
        assert not text or text not in str(found)


@given(st.dictionaries(st.sampled_from([signing.ID, signing.TIMESTAMP, signing.SIGNATURE]), st.text()), st.binary())
def test_no_header_whatever_gets_through_or_breaks_it(headers: dict[str, str], body: bytes) -> None:
    assert isinstance(signing.verify([KEY], headers, body, datetime(2026, 1, 1, tzinfo=UTC)), Reason)
