"""Whose CPU it is: own time of functions by the package that they belong to, or that called them.

python -m proof.scale.grouped FOLDER [--top 40] [--process PID]
"""

import argparse
import json
import pstats
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

Function = tuple[str, int, str]
# The first that fits a file's path. Whatever fits none (Python's library, what is built in) counts for its callers.
GROUPS = (
    ("SSH: paramiko, cryptography", ("/paramiko/", "/cryptography/", "/nacl/", "/bcrypt/", "/invoke/")),
    ("SSH: netmiko, nornir", ("/netmiko/", "/nornir/", "/nornir_utils/")),
    ("PostgreSQL: psycopg", ("/psycopg/", "/psycopg_binary/", "/psycopg_pool/", "psycopg_binary.")),
    ("ORM: Django", ("/django/",)),
    ("Celery, kombu, redis", ("/celery/", "/kombu/", "/billiard/", "/redis/", "/vine/", "/amqp/", "/proof/scale/")),
    ("recipes: YAML", ("/ruamel/",)),
    ("JSON", ("/json/",)),
    ("logging, structlog", ("/logging/", "/structlog/", "/fleet/logs.py", "/fleet/core/redact.py")),
    ("pydantic", ("/pydantic/", "/pydantic_core/")),
    ("Slipway: playbooks/ (commands, outputs, verdicts)", ("/playbooks/",)),
    ("Slipway: fleet/core", ("/fleet/core/",)),
    ("Slipway: fleet/changes", ("/fleet/",)),
    ("Slipway: inventory", ("/inventory/",)),
)
OTHER = "the rest"
_DEEPEST = 8
_LISTS = re.compile(r"%s(?:, %s)+")


def group(function: Function) -> str | None:
    """What a function belongs to by its file; None where its callers tell."""
    path, _, name = function
    where = name if path == "~" else path
    return next((said for said, parts in GROUPS if any(part in where for part in parts)), None)


def shares(stats: Mapping[Function, Any]) -> dict[str, float]:
    """Seconds of own time by group, most first. `stats`: as of `pstats.Stats`. Pure."""
    known: dict[Function, dict[str, float]] = {}
    seconds: dict[str, float] = defaultdict(float)
    for function, (_, _, own, _, _) in stats.items():
        if "_lsprof" in function[2] or function[0].endswith("/pstats.py"):
            continue  # the profile's own
        for said, share in _of(function, stats, known, _DEEPEST).items():
            seconds[said] += own * share
    return dict(sorted(seconds.items(), key=lambda item: -item[1]))


def _of(
    function: Function, stats: Mapping[Function, Any], known: dict[Function, dict[str, float]], deep: int
) -> dict[str, float]:
    """Shares of a function's time by group: its own, or those of its callers by the time that it took for them."""
    if function in known:
        return known[function]
    if (own := group(function)) is not None:
        made = {own: 1.0}
    else:
        callers = stats[function][4] if function in stats else {}
        total = sum(took[3] for took in callers.values())
        if not callers or deep == 0 or total <= 0:
            return {OTHER: 1.0}
        known[function] = {OTHER: 1.0}  # whoever comes back here on the way calls itself
        mixed: dict[str, float] = defaultdict(float)
        for caller, took in callers.items():
            for said, share in _of(caller, stats, known, deep - 1).items():
                mixed[said] += share * took[3] / total
        made = dict(mixed)
    known[function] = made
    return made


def read(paths: Iterable[Path]) -> pstats.Stats | None:
    """The profiles of processes as one; None where there are none."""
    found = [str(path) for path in sorted(paths)]
    return pstats.Stats(*found) if found else None


def statements(paths: Iterable[Path]) -> Counter[str]:
    """How often each statement was sent; lists of any length are one text."""
    counted: Counter[str] = Counter()
    for path in paths:
        for sql, times in json.loads(path.read_text()).items():
            counted[" ".join(_LISTS.sub("%s, ..", sql).split())] += times
    return counted


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--top", type=int, default=40)
    parser.add_argument("--process", default="*")
    options = parser.parse_args()
    if (stats := read(options.folder.glob(f"{options.process}.stats"))) is None:
        raise SystemExit(f"{options.folder}: no profile")
    found = shares(stats.stats)  # type: ignore[attr-defined]  # pstats' own word for it
    whole = sum(found.values())
    lines = [f"{seconds:8.1f} s {seconds / whole:6.1%}  {said}" for said, seconds in found.items()]
    sys.stdout.write("\n".join(lines) + "\n")
    stats.sort_stats("tottime").print_stats(options.top)
    stats.sort_stats("cumtime").print_stats(options.top)
    for sql, times in statements(options.folder.glob(f"{options.process}.sql.json")).most_common(options.top):
        sys.stdout.write(f"{times:7} {sql[:300]}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
