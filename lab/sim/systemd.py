"""systemctl, systemd-run, shutdown of a virtual router. Pure."""

import re
import uuid
from collections.abc import Sequence
from itertools import pairwise

from lab.sim.reply import Context, Reply, not_permitted
from lab.sim.router import Router, Timer

_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|sec|m|min|h)?")
_UNIT_S = {"ms": 0.001, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, None: 1.0}
_FRAGMENT = "/etc/systemd/system/"


def reboot(ctx: Context, argv: Sequence[str]) -> Reply:
    """`reboot`, `shutdown -r now`: the answer comes before the sessions end."""
    if not ctx.root:
        return not_permitted("Failed to set wall message, ignoring: Interactive authentication required")
    if argv[0] == "shutdown" and "-r" not in argv:
        return Reply(err="The simulation knows only shutdown -r\n", status=1)
    if any(event.what == "halt" for event in ctx.router.events):
        return Reply()
    ctx.router.plan(ctx.now + ctx.router.timing.halt_s, "halt")
    return Reply(changes=("reboot",))


def systemd_run(ctx: Context, argv: Sequence[str]) -> Reply:
    """`systemd-run --on-active=SPAN [--unit=NAME] ARGV...`: a transient timer; gone after a reboot."""
    if not ctx.root:
        return not_permitted("Failed to start transient timer unit")
    options = [w for w in argv[1:] if w.startswith("--")]
    rest = list(argv[1 + next((i for i, w in enumerate(argv[1:]) if not w.startswith("-")), len(argv)) :])
    settings = dict(o[2:].partition("=")[::2] for o in options)
    span = _SPAN.fullmatch(settings.get("on-active", ""))
    if span is None or not rest:
        return Reply(err="Timer unit requires a time span and a command\n", status=1)
    name = settings.get("unit") or f"run-r{uuid.uuid5(uuid.NAMESPACE_OID, f'{ctx.router.name}{ctx.now}').hex[:16]}"
    name = name.removesuffix(".timer").removesuffix(".service")
    if name in ctx.router.timers:
        message = (
            f"Failed to start transient timer unit: Unit {name}.timer was already loaded or has a fragment file.\n"
        )
        return Reply(err=message, status=1)
    due = ctx.now + float(span.group(1)) * _UNIT_S[span.group(2)]
    ctx.router.timers[name] = Timer(name, due, rest)
    ctx.router.plan(due, "timer", name)
    said = f"Running timer as unit: {name}.timer\nWill run service as unit: {name}.service\n"
    return Reply(err=said, changes=(f"timer {name} armed",))


def systemctl(ctx: Context, argv: Sequence[str]) -> Reply:
    words = [w for w in argv[1:] if not w.startswith("-") or w == "-p"]
    verb = words[0] if words else ""
    units = [w for w in words[1:] if w != "-p" and not _is_property(argv, w)]
    if verb == "is-system-running":
        return Reply("running\n")
    if verb in ("show", "is-active", "is-enabled", "status", "list-timers", "cat"):
        return _look(ctx, verb, argv, units)
    if not ctx.root:
        return not_permitted(f"Failed to {verb} {' '.join(units)}")
    match verb:
        case "reboot":
            return reboot(ctx, ["reboot"])
        case "poweroff":
            ctx.router.stays_off = True
            return reboot(ctx, ["reboot"])
        case "daemon-reload" | "reset-failed":
            return Reply()
        case "stop" | "start" | "restart" | "enable" | "disable":
            replies = [_act(ctx, verb, unit, argv) for unit in units]
            return Reply(
                err="".join(r.err for r in replies),
                status=max((r.status for r in replies), default=0),
                changes=tuple(c for r in replies for c in r.changes),
            )
        case _:
            return Reply(err=f"Unknown command verb {verb}.\n", status=1)


def _is_property(argv: Sequence[str], word: str) -> bool:
    return any(a == "-p" and b == word for a, b in pairwise(argv))


def _routing_unit(router: Router) -> str:
    return router.spec.suite


def _act(ctx: Context, verb: str, unit: str, argv: Sequence[str]) -> Reply:
    router, name = ctx.router, unit.removesuffix(".service").removesuffix(".timer")
    if name in router.timers and verb == "stop":
        del router.timers[name]
        router.events = [e for e in router.events if (e.what, e.arg) != ("timer", name)]
        return Reply(changes=(f"timer {name} stopped",))
    if name == _routing_unit(router) and verb in ("stop", "start", "restart"):
        return _daemons(ctx, verb, argv)
    path = _FRAGMENT + (unit if "." in unit else unit + ".service")
    if path not in router.files:
        return Reply(err=f"Failed to {verb} {unit}: Unit {unit} not loaded.\n", status=5)
    if verb == "enable" and path not in router.enabled:
        router.enabled.add(path)
        return Reply(changes=(f"enabled {unit}",))
    if verb == "disable" and path in router.enabled:
        router.enabled.discard(path)
        return Reply(changes=(f"disabled {unit}",))
    return Reply()


def _daemons(ctx: Context, verb: str, argv: Sequence[str]) -> Reply:
    router, unit = ctx.router, _routing_unit(ctx.router)
    if verb != "start":
        router.stop_daemons(ctx.now)
        router.events = [e for e in router.events if e.what != "daemons"]
    if verb == "stop":
        return Reply(changes=(f"{unit} stopped",))
    if router.daemons_at is not None:
        return Reply()
    router.plan(ctx.now + router.timing.restart_s, "daemons")
    waits = 0.0 if "--no-block" in argv else router.timing.restart_s
    return Reply(changes=(f"{unit} {verb}ed",), sleep_s=waits)


def _look(ctx: Context, verb: str, argv: Sequence[str], units: Sequence[str]) -> Reply:
    router = ctx.router
    unit = (units[0] if units else "").removesuffix(".service")
    if unit.removesuffix(".timer") in router.timers:
        active, known, started = True, True, ctx.now
    elif unit in (_routing_unit(router), "ssh", "systemd-networkd"):
        active, known = unit != _routing_unit(router) or router.daemons_at is not None, True
        started = router.daemons_at if router.daemons_at is not None else router.booted_at
    else:
        path = _FRAGMENT + (unit if "." in unit else unit + ".service")
        active, known, started = path in router.enabled, path in router.files, router.booted_at
    if verb == "is-active":
        return Reply("active\n" if active else "inactive\n", status=0 if active else 3)
    if verb == "is-enabled" and not known:
        message = f"Failed to get unit file state for {units[0] if units else ''}: No such file or directory\n"
        return Reply(err=message, status=1)
    if verb == "is-enabled":
        enabled = active or unit == _routing_unit(router)
        return Reply("enabled\n" if enabled else "disabled\n", status=0 if enabled else 1)
    if verb == "list-timers":
        rows = "".join(f"{name}.timer {name}.service\n" for name in sorted(router.timers))
        return Reply(f"{rows}\n{len(router.timers)} timers listed.\n")
    values = _properties(router, unit, active=active, known=known, started=started)
    return Reply("".join(f"{key}={values[key]}\n" for key in _wanted(argv, values)))


def _wanted(argv: Sequence[str], values: dict[str, str]) -> list[str]:
    asked: list[str] = []
    for i, word in enumerate(argv):
        if word in ("-p", "--property") and i + 1 < len(argv):
            asked += argv[i + 1].split(",")
        elif word.startswith("--property="):
            asked += word.partition("=")[2].split(",")
        elif word.startswith("-p") and len(word) > 2:
            asked += word[2:].split(",")
    return [key for key in asked or values if key in values]


def _properties(router: Router, unit: str, *, active: bool, known: bool, started: float) -> dict[str, str]:
    """`ActiveEnterTimestampMonotonic` counts from boot, in microseconds."""
    coming = any(e.what == "daemons" for e in router.events) and unit == _routing_unit(router)
    starts = router.daemon_starts + coming
    monotonic = int((started - router.booted_at) * 1e6) + 9_000_000 if active else 0
    invocation = uuid.uuid5(uuid.NAMESPACE_OID, f"{router.name}/{unit}/{router.boots}/{starts}").hex
    return {
        "Id": unit if "." in unit else unit + ".service",
        "LoadState": "loaded" if known else "not-found",
        "ActiveState": "active" if active else "activating" if coming else "inactive",
        "SubState": "running" if active else "start" if coming else "dead",
        "Result": "success",
        "NRestarts": "0",
        "MainPID": str(700 + router.daemon_starts) if active else "0",
        "ExecMainPID": str(700 + router.daemon_starts) if active else "0",
        "ActiveEnterTimestampMonotonic": str(monotonic),
        "ExecMainStartTimestampMonotonic": str(monotonic),
        "InvocationID": invocation if active or coming else "",
    }
