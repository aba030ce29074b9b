"""Checks of the machine: interfaces, boot, versions, queues, kernel settings, daemons, kernel memory. Pure."""

from collections.abc import Mapping

from fleet.core.check_reading import (
    Check,
    Judged,
    as_map,
    at,
    bad_expect,
    number,
    share,
    untold_reason,
    verdict_of,
)
from fleet.core.model import Json, Reason, Verdict

# Linux counts every LLDP or unknown-protocol frame as dropped on receive (one per second and port), so some grow on a
# healthy port; 0.1 % of what was received is far above that and far below any real loss.
DROPS_COUNT, DROPS_SHARE = 100, 0.001
# S0-12 lost 9 % of its memory an hour; route tables that fill after a restart take a few per cent (kernel.md 7).
SLAB_SHARE = 0.10


def _counter(measurement: Mapping[str, Json], interface: str, which: str) -> float | None:
    sides = [number(at(measurement, "interfaces", interface, way, which)) for way in ("rx", "tx")]
    return sum(n for n in sides if n is not None) if None not in sides else None


def _growth(baseline: Mapping[str, Json], now: Mapping[str, Json], interface: str, which: str) -> float | None:
    """How much a counter has grown; from zero where it was reset (a reboot, a driver loaded again)."""
    before, after = _counter(baseline, interface, which), _counter(now, interface, which)
    if before is None or after is None:
        return None
    reset = after < before or baseline.get("boot_id") != now.get("boot_id")
    return after if reset else after - before


def grown(which: str, label: str, default: tuple[float, float]) -> "Check":
    def check(baseline: Mapping[str, Json], now: Mapping[str, Json], expect: Json) -> Judged:
        count, share = (default[0], default[1]) if expect is None else (number(expect), 0.0)
        if count is None:
            return bad_expect(label, expect, "how many more there may be, as a number")
        before = at(baseline, "interfaces")
        if not isinstance(before, Mapping) or not isinstance(at(now, "interfaces"), Mapping):
            which_one = baseline if not isinstance(before, Mapping) else now
            return verdict_of((), (untold_reason(label, "interfaces", which_one),))
        failed, untold = [], []
        for name, row in before.items():
            if as_map(row).get("state") != "UP":
                continue
            if (gone := _down(now, name)) is not None:
                failed.append(gone)
                continue
            grown, packets = _growth(baseline, now, name, which), _growth(baseline, now, name, "packets")
            if grown is None:
                untold.append(untold_reason(f"{label} of {name}"))
            elif grown > count + share * (packets or 0):
                wanted = f"at most {count + share * (packets or 0):.0f} more"
                failed.append(Reason(f"{label} of {name}", f"{grown:.0f} more than in the baseline", wanted))
        return verdict_of(failed, untold)

    check.__doc__ = f"Interfaces that were up are up, and their {label} have not grown beyond tolerance."
    return check


def _down(now: Mapping[str, Json], name: str) -> Reason | None:
    row = at(now, "interfaces", name)
    state = as_map(row).get("state")
    if isinstance(row, Mapping) and state in ("UP", "UNKNOWN"):
        return None
    found = str(state)[:40] if isinstance(row, Mapping) else "no such interface"
    return Reason(f"interface {name}", found, "UP, as in the baseline")


# -- the machine


def boot_id(baseline: Mapping[str, Json], now: Mapping[str, Json], expect: Json) -> Judged:
    """The machine was rebooted (`expect: changed`) or was not (`unchanged`); without `expect` either is fine."""
    if expect not in (None, "changed", "unchanged"):
        return bad_expect("boot_id", expect, '"changed" or "unchanged"')
    before, after = baseline.get("boot_id"), now.get("boot_id")
    if not isinstance(after, str) or (expect is not None and not isinstance(before, str)):
        return verdict_of((), (untold_reason("boot id", "boot_id", now),))
    if expect is None or (before != after) == (expect == "changed"):
        return Verdict.PASS, ()
    found = "the boot of the baseline" if before == after else "another boot than in the baseline"
    wanted = "a new boot" if expect == "changed" else "the boot of the baseline: nobody was to reboot it"
    return verdict_of((Reason("boot id", found, wanted),), ())


def version(baseline: Mapping[str, Json], now: Mapping[str, Json], expect: Json) -> Judged:
    """Kernel and routing daemon are of the versions of the baseline; `expect`: {kernel: ..., routing: ...}."""
    if expect is not None and (not isinstance(expect, Mapping) or set(expect) - {"kernel", "routing"}):
        return bad_expect("version", expect, "{kernel: ..., routing: ...}")
    failed, untold = [], []
    for key, path in (("kernel", ("kernel",)), ("routing", ("routing", "version"))):
        had = as_map(expect).get(key, at(baseline, *path))
        has = at(now, *path)
        if expect is not None and key not in as_map(expect):
            continue
        if not isinstance(has, str) or not isinstance(had, str):
            untold.append(untold_reason(f"version of the {key}", key, now))
        elif has != had:
            failed.append(Reason(f"version of the {key}", has, had))
    return verdict_of(failed, untold)


def queues(baseline: Mapping[str, Json], now: Mapping[str, Json], expect: Json) -> Judged:
    """Interfaces have the queues of the baseline, or `expect`: a number for all that can have so many, or by name."""
    measured = now.get("queues")
    if not isinstance(measured, Mapping):
        return verdict_of((), (untold_reason("queues of the interfaces", "queues", now),))
    wanted: dict[str, Json]
    if isinstance(expect, int) and not isinstance(expect, bool):
        wanted = {name: expect for name, row in measured.items() if _most(row) >= expect}
    elif isinstance(expect, Mapping):
        wanted = dict(expect)
    elif expect is None and not isinstance(baseline.get("queues"), Mapping):
        return verdict_of((), (untold_reason("queues in the baseline", "queues", baseline),))
    elif expect is None:
        wanted = {name: _current(row) for name, row in as_map(baseline.get("queues")).items()}
    else:
        return bad_expect("queues", expect, "a number, or {interface: number}")
    failed, untold = [], []
    for name, count in wanted.items():
        has = _current(measured.get(name))
        if has is None or count is None:
            untold.append(untold_reason(f"queues of {name}"))
        elif has != count:
            failed.append(Reason(f"queues of {name}", f"{has:g}", f"{count}"))
    if not wanted and expect is not None:
        untold.append(untold_reason("queues of the interfaces"))
    return verdict_of(failed, untold)


def _current(row: Json) -> float | None:
    """Queues of a direction: combined ones count for both; rx and tx that differ are told by rx."""
    found = as_map(row)
    combined = number(found.get("combined"))
    return combined if combined else number(found.get("rx"))


def _most(row: Json) -> float:
    return _current(at(row, "max")) or 0


def sysctl(baseline: Mapping[str, Json], now: Mapping[str, Json], expect: Json) -> Judged:
    """Kernel settings are as in the baseline, or as `expect` says: {key: value}."""
    if expect is not None and not isinstance(expect, Mapping):
        return bad_expect("sysctl", expect, "{key: value}")
    wanted = as_map(baseline.get("sysctl")) if expect is None else expect
    measured = as_map(now.get("sysctl"))
    failed, untold = [], []
    for key, value in wanted.items():
        want = " ".join(str(value).split())
        if key not in measured:
            untold.append(untold_reason(f"sysctl {key}", "sysctl", now))
        elif measured[key] != want:
            failed.append(Reason(f"sysctl {key}", str(measured[key])[:100], want))
    if not wanted:
        untold.append(untold_reason("kernel settings", "sysctl", now))
    return verdict_of(failed, untold)


def daemons(baseline: Mapping[str, Json], now: Mapping[str, Json], expect: Json) -> Judged:
    """Every routing daemon of the baseline is there and up."""
    before, after = baseline.get("daemons"), now.get("daemons")
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        which = baseline if not isinstance(before, Mapping) else now
        return verdict_of((), (untold_reason("routing daemons", "daemons", which),))
    failed = [
        Reason(f"daemon {name}", str(after.get(name) or "not there")[:60], "up")
        for name in sorted({*(n for n, state in before.items() if state == "up"), *after})
        if after.get(name) != "up" and before.get(name, "up") == "up"
    ]
    return verdict_of(failed, ())


def slab(baseline: Mapping[str, Json], now: Mapping[str, Json], expect: Json) -> Judged:
    """Kernel memory that cannot be reclaimed has not grown by more than 10 % of all memory; `expect`: a percentage."""
    most = SLAB_SHARE if expect is None else share(expect)
    if most is None:
        return bad_expect("slab", expect, 'a percentage of all memory such as "10%"')
    had, has = (number(at(m, "memory", "SUnreclaim")) for m in (baseline, now))
    total = number(at(now, "memory", "MemTotal"))
    if had is None or has is None or not total:
        return verdict_of((), (untold_reason("kernel memory", "memory", now),))
    if has - had <= most * total:
        return Verdict.PASS, ()
    found = f"{(has - had) / 1024:.0f} MiB more than in the baseline"
    return verdict_of((Reason("kernel memory (SUnreclaim)", found, f"at most {most * total / 1024:.0f} MiB more"),), ())
