"""Samples out of a Prometheus that is there already: one range query, read with suspicion."""

import json
import os
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from datetime import datetime

from fleet.core.model import Json, Reason
from fleet.core.soak import Sample

URL = os.environ.get("SLIPWAY_PROMETHEUS_URL", "")
LARGEST, TIMEOUT_S, MOST_POINTS = 8 * 2**20, 5.0, 2000
_PLAIN = re.compile(r"[A-Za-z0-9._:-]{1,255}")
_REMEDY = "Look at the query in Prometheus itself."


def samples(query: str, device: str, *, since: datetime, until: datetime, url: str = "") -> tuple[Sample, ...] | Reason:
    """The values of a query that yields one series, from `since` to `until`; `$device` in it is the device's name.

    A Reason where it cannot be told: not configured, no answer, several series, no numbers.
    """
    base, subject = (url or URL).rstrip("/"), "Prometheus"
    if not base:
        return Reason(subject, "SLIPWAY_PROMETHEUS_URL is not set", "its address", "Set it, or leave the query out.")
    if not base.startswith(("http://", "https://")):
        return Reason(subject, base[:60], "an address that begins with http:// or https://")
    if not _PLAIN.fullmatch(device):
        return Reason(subject, f"a device called {device[:60]!r}", "a name that may stand in a query")
    step = max(15.0, (until - since).total_seconds() / MOST_POINTS)
    asked = {
        "query": query.replace("$device", device),
        "start": since.timestamp(),
        "end": until.timestamp(),
        "step": step,
    }
    address = f"{base}/api/v1/query_range?{urllib.parse.urlencode(asked)}"
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT_S) as answer:  # noqa: S310 - http and https alone, above
            found = json.loads(answer.read(LARGEST))
    except (OSError, ValueError, RecursionError) as error:
        return Reason(subject, f"{type(error).__name__}: {error}"[:200], "an answer", _REMEDY)
    return read(found)


def read(answer: Json) -> tuple[Sample, ...] | Reason:
    """The one series of an answer of /api/v1/query_range. Pure."""
    data = answer.get("data") if isinstance(answer, Mapping) else None
    result = data.get("result") if isinstance(data, Mapping) else None
    if not isinstance(result, list) or not isinstance(data, Mapping) or data.get("resultType") != "matrix":
        said = answer.get("error") if isinstance(answer, Mapping) else None
        return Reason("Prometheus", str(said or "no ranges of values")[:200], "a matrix", _REMEDY)
    if len(result) != 1 or not isinstance(result[0], Mapping):
        return Reason("Prometheus", f"{len(result)} series", "exactly one", "Narrow the query by $device, or sum it.")
    made = []
    for pair in result[0].get("values") or ():
        try:
            made.append(Sample(float(pair[0]), float(pair[1])))
        except (TypeError, ValueError, IndexError, KeyError):
            continue
    return tuple(made)
