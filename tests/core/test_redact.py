"""Secrets are taken out by how they stand in a text and by the name they have; everything else stays."""

import pytest

from fleet.core import redact

SECRET = "s3cr3t-Value_42"


@pytest.mark.parametrize(
    "said",
    [
        f" neighbor 192.0.2.1 password {SECRET}\n neighbor 192.0.2.1 remote-as 1",
        f'  password "{SECRET}";',
        f"ip ospf message-digest-key 1 md5 {SECRET}",
        f"username bob secret 5 {SECRET}",
        f"snmp-server community {SECRET} ro",
        f"password={SECRET}",
        f'{{"api_key": "{SECRET}"}}',
        f"https://bob:{SECRET}@example.net/path",
        f"Authorization: Bearer {SECRET}",
        f"https://hooks.slack.com/services/{SECRET}",
        f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}\n-----END OPENSSH PRIVATE KEY-----",
        f"-----BEGIN PRIVATE KEY-----\n{SECRET}",
    ],
)
def test_secrets_in_texts(said: str) -> None:
    out = redact.text(said)
    assert SECRET not in out
    assert redact.LEFT_OUT in out
    assert redact.text(out) == out


@pytest.mark.parametrize(
    "said",
    [
        "neighbor 192.0.2.1 remote-as 64500",
        "bgp community 64500:65535 added",
        "password login is refused by the device",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHk slipway",
        "found 3 of 5 sessions Established, wanted 5 (baseline). Look at the two peers.",
        "https://example.net:8443/a@b",
    ],
)
def test_other_texts_stay(said: str) -> None:
    assert redact.text(said) == said


def test_values_are_looked_through() -> None:
    said = {"user": "bob", "password": SECRET, "deep": [{"auth.token": SECRET}, f"x secret={SECRET}"], "tokens": 3}
    out = redact.value(said)
    assert SECRET not in str(out)
    assert out["user"] == "bob"
    assert out["tokens"] == 3
    assert redact.value({"secret": None, "n": 1.5, "ok": True}) == {"secret": None, "n": 1.5, "ok": True}
