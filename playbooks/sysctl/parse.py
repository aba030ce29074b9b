"""Settings as people and `sysctl` write them. Pure; no text makes it raise but the parameters of a recipe."""

import re
from collections.abc import Mapping
from typing import Any

KEY = re.compile(r"[a-z0-9_]+(?:[./][A-Za-z0-9_@:-]+){1,12}")
VALUE = re.compile(r"[A-Za-z0-9_.,:/+-]+(?: [A-Za-z0-9_.,:/+-]+){0,15}")
_ABSENT = ("No such file or directory", "unknown key", "is an unknown key")


def normal(value: str) -> str:
    """A value with its runs of tabs and spaces as one space: `4096\\t131072\\t6291456` is what the kernel prints."""
    return " ".join(value.split())


def settings(value: Any) -> Mapping[str, str]:
    """Settings from a mapping, or from lines of `key = value`. ValueError names what does not fit.

    A key is letters, digits, `_`, `.` and, for interfaces with a dot in their name, `/`; a value has no quotes, pipes
    or other characters that a shell or the kernel (core_pattern) would execute.
    """
    if isinstance(value, str):
        lines = (line.strip() for line in value.splitlines())
        pairs = [line.partition("=") for line in lines if line and not line.startswith(("#", ";"))]
        if any(not separator for _, separator, _ in pairs):
            raise ValueError("lines of `key = value`")
        value = {key.strip(): text.strip() for key, _, text in pairs}
    if not isinstance(value, Mapping) or not value:
        raise ValueError("a mapping of key to value, or lines of `key = value`, at least one")
    made: dict[str, str] = {}
    for key, one in value.items():
        if not isinstance(key, str) or not KEY.fullmatch(key):
            raise ValueError(f'keys such as net.ipv4.ip_forward (found "{str(key)[:80]}")')
        if isinstance(one, bool) or not isinstance(one, int | str):
            raise ValueError(f"an integer or text for {key} (found {one!r})")
        text = normal(str(one))
        if len(text) > 200 or not VALUE.fullmatch(text):
            raise ValueError(f'words of letters, digits and _.,:/+- for {key} (found "{text[:80]}")')
        made[key] = text
    return made


def current(status: int, out: str) -> tuple[str | None, bool]:
    """`(value, known)` from `sysctl -n KEY`: known False where this kernel has no such key, value None where it could
    not be read."""
    if any(word in out for word in _ABSENT):
        return None, False
    return (normal(out), True) if status == 0 else (None, True)


def file_settings(text: str) -> Mapping[str, str]:
    """The settings of a file in /etc/sysctl.d; lines that are none are left out."""
    made: dict[str, str] = {}
    for line in text.splitlines():
        key, separator, value = line.strip().lstrip("-").partition("=")
        if separator and KEY.fullmatch(key.strip()):
            made[key.strip()] = normal(value)
    return made
