"""Secrets that must lie in the database (second factors) lie there encrypted; keys can be changed without losing them.

seal(text), unseal(sealed)      Fernet (AES-128-CBC, HMAC-SHA-256), the key derived from SLIPWAY_SECRET_KEY
seal_again(rows)                after a change of the key: with the newest key what older ones sealed
"""

import base64
from collections.abc import Mapping
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils.encoding import force_bytes

MARK = "sealed:"  # what bears no mark was written before second factors were sealed


class CannotUnsealError(Exception):
    """No key that is set opens this."""

    def __init__(self) -> None:
        super().__init__(
            "a sealed secret: found none of the keys that are set to fit, wanted the one that it was sealed with. "
            "Put the former key into SLIPWAY_SECRET_KEY_FALLBACKS, then run ./manage.py rotate_keys."
        )


def _keys() -> MultiFernet:
    return MultiFernet([_derived(key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


def _derived(key: str | bytes) -> Fernet:
    """A key for nothing but this (RFC 5869): who learns it can forge no session."""
    made = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"slipway second factors").derive(force_bytes(key))
    return Fernet(base64.urlsafe_b64encode(made))


def seal(text: str) -> str:
    """`text` for the database, with the newest key."""
    return MARK + _keys().encrypt(text.encode()).decode()


def unseal(sealed: str) -> str:
    """What was sealed. CannotUnsealError when no key fits."""
    if not sealed.startswith(MARK):
        return sealed
    try:
        return _keys().decrypt(sealed.removeprefix(MARK).encode()).decode()
    except InvalidToken:
        raise CannotUnsealError from None


def seal_again(data: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    """The data of a second factor with what `names` name, texts or lists of texts, sealed with the newest key."""
    return {name: _again(value) if name in names else value for name, value in data.items()}


def _again(value: Any) -> Any:
    return [_again(one) for one in value] if isinstance(value, list) else seal(unseal(value))
