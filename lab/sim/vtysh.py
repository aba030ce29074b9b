"""vtysh and frr-reload.py of a virtual router: show, configure, write, check, reload. Pure."""

from collections.abc import Sequence

from lab.sim import frrconfig, frrlsdb, frrneighbors, frrshow
from lab.sim.behaviours import Kind, active
from lab.sim.frrconfig import FrrConfig, UnknownCommand
from lab.sim.reply import Context, Reply, not_permitted
from lab.sim.router import FRR_CONF

_WRITE = frozenset({"write", "write memory", "write file", "copy running-config startup-config", "do write memory"})
_CONFIGURE = frozenset({"configure terminal", "configure", "conf t", "conf term"})


def vtysh(ctx: Context, argv: Sequence[str]) -> Reply:
    """`vtysh -c CMD...` and `vtysh -C -f FILE`."""
    if ctx.router.spec.suite != "frr":
        return Reply(err="sh: 1: vtysh: not found\n", status=127)
    if "-C" in argv or "--dryrun" in argv:
        return _check(ctx, argv)
    if ctx.router.daemons_at is None:
        return Reply(err="Exiting: failed to connect to any daemons.\n", status=1)
    if "-f" in argv:
        return _load(ctx, argv[argv.index("-f") + 1])
    commands = [argv[i + 1] for i, word in enumerate(argv[:-1]) if word == "-c"]
    return _run(ctx, commands)


def _run(ctx: Context, commands: Sequence[str]) -> Reply:
    """Commands in order; the first that is refused ends it, as in vtysh. What came before stays done."""
    frr = ctx.router.frr or FrrConfig()
    before, out, section, configuring = lines(frr), "", "", False
    changes: list[str] = []
    status = 0
    for raw in commands:
        command = " ".join(raw.split())
        if command in _CONFIGURE:
            configuring, section = True, ""
        elif command in _WRITE:
            saved = ctx.router.files.get(FRR_CONF)
            out += write(ctx)
            changes += [f"file {FRR_CONF}"] if ctx.router.files[FRR_CONF] != saved else []
        elif command == "end":
            configuring = False
        elif command.startswith(("show ", "do show ")):
            text, status = show(ctx, command.removeprefix("do "))
            out += text
        elif configuring:
            try:
                section = frr.type(section, command)
            except UnknownCommand:
                out, status = f"{out}% Unknown command: {command}\n", 1
        elif command.startswith(("clear ", "terminal ", "enable")):
            changes += _clear(ctx, command)
        else:
            out, status = f"{out}% Unknown command: {command}\n", 1
        if status:
            break
    changes += difference(before, lines(frr))
    return Reply(out, status=status, changes=tuple(changes))


def _clear(ctx: Context, command: str) -> tuple[str, ...]:
    """`clear bgp [...] ADDRESS`: a hard clear installs the routes anew, a soft one does not (captures, 06-rib-fib)."""
    words = command.split()
    peer = next((p.address for p in ctx.router.peers if p.address in words), None)
    if words[:2] != ["clear", "bgp"] or peer is None or "soft" in words:
        return ()
    stale = active(ctx.router.behaviours, Kind.FORWARDS_TO_DEAD_NEIGHBOUR)
    if stale is not None:
        ctx.router.behaviours.remove(stale)
    return (f"bgp session {peer} cleared",)


def show(ctx: Context, command: str) -> tuple[str, int]:
    """Output and status of a show command."""
    handler = frrshow.SHOW.get(command) or frrneighbors.SHOW.get(command)
    if handler is not None:
        return handler(ctx), 0
    words = command.split()
    match words:
        case ["show", "ip" | "ipv6", "route", prefix, "json"]:
            return frrshow.route_prefix(ctx, prefix), 0
        case ["show", "bgp", "ipv4" | "ipv6", "unicast", prefix, "json"]:
            return frrshow.bgp_prefix(ctx, prefix), 0
        case ["show", "ip", "ospf", "database", "router", *which, "json"] if text := frrlsdb.ospf(ctx, which):
            return text, 0
        case ["show", "ipv6", "ospf6", "database", "router", *which, "json"] if text := frrlsdb.ospf6(ctx, which):
            return text, 0
        case ["show", "vrrp", *_]:
            return "vrrpd is not running\n", 1
        case ["show", "startup-config"]:
            return ctx.router.files.get(FRR_CONF, ""), 0
        case _:
            return f"% Unknown command: {command}\n", 1


def write(ctx: Context) -> str:
    """Comments of the file are lost, as in life: what is written is the running configuration."""
    ctx.router.files[FRR_CONF] = (ctx.router.frr or FrrConfig()).text()
    return (
        "Note: this version of vtysh never writes vtysh.conf\nBuilding Configuration...\n"
        f"Integrated configuration saved to {FRR_CONF}\n[OK]\n"
    )


def _check(ctx: Context, argv: Sequence[str]) -> Reply:
    """`vtysh -C -f FILE`: complaints on stderr and status 2, as 8.4.4 does it."""
    path = argv[argv.index("-f") + 1] if "-f" in argv else FRR_CONF
    if path not in ctx.router.files:
        return Reply(err=f"% Can't open configuration file {path} due to 'No such file or directory'.\n", status=1)
    _, unknown = frrconfig.parse(ctx.router.files[path])
    complaints = "".join(f"line {number}: % Unknown command[4]: {text}\n" for number, text in unknown)
    return Reply(err=complaints, status=2 if unknown else 0)


def _load(ctx: Context, path: str) -> Reply:
    """`vtysh -f FILE`: adds the file to the running configuration."""
    if path not in ctx.router.files:
        return Reply(err=f"% Can't open configuration file {path} due to 'No such file or directory'.\n", status=1)
    frr = ctx.router.frr or FrrConfig()
    before, section, err = lines(frr), "", ""
    for number, line in enumerate(ctx.router.files[path].splitlines(), 1):
        if line.startswith(("frr version", "frr defaults")):
            continue
        try:
            section = frr.type(section, line.strip())
        except UnknownCommand:
            err += f"line {number}: % Unknown command[4]: {line}\n"
    return Reply(err=err, status=2 if err else 0, changes=difference(before, lines(frr)))


def frr_reload(ctx: Context, argv: Sequence[str]) -> Reply:
    """`frr-reload.py --test|--reload ... FILE`: the running configuration becomes the file's."""
    if ctx.router.spec.suite != "frr":
        return Reply(err=f"sh: 1: {argv[0]}: not found\n", status=127)
    if not ctx.root:
        return not_permitted("frr-reload.py")
    path = argv[-1]
    if path not in ctx.router.files:
        return Reply(err=f"Filename {path} does not exist\n", status=1)
    wanted, unknown = frrconfig.parse(ctx.router.files[path])
    if unknown:
        bad = "".join(f"line {n}: % Unknown command[4]: {text}\n" for n, text in unknown)
        return Reply(err=f"vtysh failed to process new configuration: {bad}", status=1)
    if ctx.router.daemons_at is None:
        return Reply(err="Exiting: failed to connect to any daemons.\n", status=1)
    before, after = lines(ctx.router.frr or FrrConfig()), lines(wanted)
    gone, new = sorted(set(before) - set(after)), sorted(set(after) - set(before))
    if "--test" in argv:
        out = "\nLines To Delete\n===============\n" + "".join(f"{line}\n" for line in gone)
        return Reply(out + "\nLines To Add\n============\n" + "".join(f"{line}\n" for line in new))
    saved = ctx.router.files.get(FRR_CONF)
    ctx.router.frr = wanted
    # As the real one: unless the file is the startup configuration itself, what runs now is written there.
    if path != FRR_CONF or "--overwrite" in argv:
        write(ctx)
    written = (f"file {FRR_CONF}",) if ctx.router.files.get(FRR_CONF) != saved else ()
    return Reply(changes=(*difference(before, after), *written))


def lines(config: FrrConfig) -> list[str]:
    """Every line with its section, in order."""
    return [f"{name} / {line}" if name else line for name, found in config.sections.items() for line in found]


def difference(before: list[str], after: list[str]) -> tuple[str, ...]:
    """What changed, as "+ line" and "- line"."""
    gone, new = set(before) - set(after), set(after) - set(before)
    return (*(f"- {line}" for line in before if line in gone), *(f"+ {line}" for line in after if line in new))
