"""Types that the parameters of steps share: durations and shares as people write them."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def duration_s(value: Any) -> float:
    """Seconds of "500ms", "30s", "5m", "2h" or "1d". ValueError for anything else."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f'found {value!r}, wanted a duration such as "30s", "5m" or "2h"')
    return float(match[1]) * _UNIT_S[match[2]]


Duration = Annotated[
    float,
    BeforeValidator(duration_s),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?(ms|s|m|h|d)$", "examples": ["30s", "5m"]}),
]
"""Seconds, written as "30s"; validated by `duration_s`."""


_SHARE = re.compile(r"(\d{1,3}(?:\.\d{1,6})?) ?%")


def share_of(value: Any) -> float:
    """0.003 of "0.3%", or a number as it is. ValueError for anything else."""
    if isinstance(value, str) and (match := _SHARE.fullmatch(value.strip())):
        return float(match[1]) / 100
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise ValueError(f'found {value!r}, wanted a share such as "0.3%" or 0.003')


Share = Annotated[
    float,
    BeforeValidator(share_of),
    WithJsonSchema(
        {"anyOf": [{"type": "number"}, {"type": "string", "pattern": "^[0-9]+(\\.[0-9]+)? ?%$"}], "examples": ["0.3%"]}
    ),
]
"""A share, written as "0.3%" or 0.003; validated by `share_of`."""
