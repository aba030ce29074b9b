"""Configuration of a virtual VyOS: sessions, differences, commit, commit-confirm, save, load, `show`. Pure.

A configuration is a set of paths, as `set` takes them; templates and values are not checked but for one bad word.
"""

import re
import shlex
from collections.abc import Callable, Sequence
from typing import Any

from lab.sim import systemd
from lab.sim.reply import Context, Reply, not_permitted
from lab.sim.router import Timer
from lab.sim.vyos import VyosLoader, only

BOOT = "/config/config.boot"
UNIT = "commit-confirm"
Paths = set[tuple[str, ...]]
_REFUSED = re.compile(r"nonsense")  # a word that no template has


def tree(paths: Paths) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for path in sorted(paths):
        node = made
        for word in path:
            node = node.setdefault(word, {})
    return made


def text(paths: Paths, before: Paths | None = None) -> str:
    """In braces; with `before`, marked as a session shows what it would change."""
    rows: list[str] = []
    both = paths | (before or set())

    def write(node: dict[str, Any], at: tuple[str, ...], depth: int) -> None:
        for word, below in node.items():
            path = (*at, word)
            new = before is not None and not any(p[: len(path)] == path for p in before)
            gone = before is not None and not any(p[: len(path)] == path for p in paths)
            mark = ("+" if new else "-" if gone else " ") if before is not None else ""
            quoted = word if re.fullmatch(r"[\w./:-]+", word) else f'"{word}"'
            rows.append(f"{mark}{'    ' * depth}{quoted}{' {' if below else ''}")
            if below:
                write(below, path, depth + 1)
                rows.append(f"{mark}{'    ' * depth}}}")

    write(tree(both), (), 0)
    return "".join(f"{row}\n" for row in rows)


def parsed(said: str) -> Paths | None:
    """The braces back; None where they do not close."""
    found: Paths = set()
    at: list[str] = []
    for line in said.splitlines():
        line = line.strip()
        if not line or line.startswith("//"):
            continue
        if line == "}":
            if not at:
                return None
            at.pop()
        elif line.endswith("{"):
            at.append(shlex.split(line[:-1])[0])
            found.add(tuple(at))
        else:
            found.add((*at, shlex.split(line)[0]))
    return found if not at else None


def group(ctx: Context, vyos: VyosLoader, argv: Sequence[str]) -> Reply:
    """`sg vyattacfg -c 'umask 0002; exec ...'`."""
    words = shlex.split(argv[-1].removeprefix("umask 0002; exec "))
    while words[0] == "env" or "=" in words[0]:
        words.pop(0)
    return wrapper(ctx, vyos, words)


def wrapper(ctx: Context, vyos: VyosLoader, argv: Sequence[str]) -> Reply:
    """`vyatta-cfg-cmd-wrapper VERB ...`. One session at a time is enough here: the journal shows who had which."""
    verb, words = argv[1], tuple(argv[2:])
    if not ctx.root:
        return not_permitted("vyatta-cfg-cmd-wrapper")
    match verb:
        case "begin":
            vyos.sessions["now"] = set(vyos.config)
            return Reply()
        case "end" | "discard":
            vyos.sessions.pop("now", None)
            return Reply()
        case "save":
            return _save(ctx, vyos, words[0] if words else BOOT)
    session = vyos.sessions.get("now")
    if session is None:
        return Reply(err="Not in a configuration session\n", status=1)
    return _in_session(ctx, vyos, session, verb, words)


def _in_session(ctx: Context, vyos: VyosLoader, session: Paths, verb: str, words: tuple[str, ...]) -> Reply:
    match verb:
        case "set" if any(_REFUSED.search(word) for word in words):
            return Reply(f"\n  Configuration path: [{' '.join(words)}] is not valid\n  Set failed\n\n", status=1)
        case "set":
            session |= {words[:n] for n in range(1, len(words) + 1)}
        case "delete":
            gone = {p for p in session if p[: len(words)] == words}
            if not gone:
                return Reply("  Nothing to delete (the specified node does not exist)\n", status=1)
            session -= gone
        case "load":
            found = parsed(ctx.router.files.get(words[0], "}"))
            if found is None:
                return Reply(err="Configuration load failed\n", status=1)
            vyos.sessions["now"] = found
        case "show":
            return Reply(text(session, vyos.config))
        case "commit":
            return _commit(ctx, vyos, session)
        case _:
            return Reply(err=f'Invalid command "{verb}" for vyatta-cfg-cmd-wrapper\n', status=1)
    return Reply()


def _commit(ctx: Context, vyos: VyosLoader, session: Paths) -> Reply:
    if ctx.router.breaks("commit"):
        return Reply("[[protocols bgp]] failed\nCommit failed\n", status=1)
    changed = session != vyos.config
    vyos.config = set(session)
    return Reply(changes=("configuration committed",) if changed else ())


def _save(ctx: Context, vyos: VyosLoader, path: str) -> Reply:
    said = text(vyos.config)
    changed = ctx.router.files.get(path) != said
    ctx.router.files[path] = said
    return Reply(f"Saving configuration to '{path}'...\nDone\n", changes=(f"file {path}",) if changed else ())


def config_mgmt(ctx: Context, vyos: VyosLoader, argv: Sequence[str]) -> Reply:
    """`config-mgmt commit_confirm -y -t MINUTES`, `config-mgmt confirm`."""
    router = ctx.router
    if argv[1] == "confirm":
        if UNIT not in router.timers:
            return Reply("No confirm pending\n")
        del router.timers[UNIT]
        router.events = [e for e in router.events if (e.what, e.arg) != ("timer", UNIT)]
        return Reply("Reboot timer stopped\n", changes=(f"timer {UNIT} stopped",))
    if UNIT in router.timers:
        return Reply("Another confirm is pending\n", status=1)
    due = ctx.now + 60.0 * float(argv[argv.index("-t") + 1])
    router.timers[UNIT] = Timer(UNIT, due, ["commit-confirm-revert"])
    router.plan(due, "timer", UNIT)
    return Reply("Initialized commit-confirm\n", changes=(f"timer {UNIT} armed",))


def revert(ctx: Context, vyos: VyosLoader, argv: Sequence[str]) -> Reply:
    """The end of the time of a commit-confirm: a reboot into what is saved."""
    vyos.config = parsed(ctx.router.files.get(BOOT, "")) or set()
    return systemd.reboot(ctx, ["reboot"])


def operational(ctx: Context, vyos: VyosLoader, argv: Sequence[str]) -> Reply:
    """`vyatta-op-cmd-wrapper show version|configuration`."""
    match list(argv[1:]):
        case ["show", "version"]:
            return Reply(
                f"Version:          VyOS {vyos.running}\nRelease train:    sagitta\n\nBuilt by:         somebody\n"
                "Architecture:     x86_64\nBoot via:         installed image\n"
                "System type:      KVM guest\n\nHardware vendor:  QEMU\n"
                "Hardware model:   Standard PC (i440FX + PIIX, 1996)\nHardware S/N:     SIM-1\n"
                "\nCopyright:        VyOS maintainers and contributors\n"
            )
        case ["show", "configuration"]:
            return Reply(text(vyos.config))
        case words:
            return Reply(f"\n  Invalid command: {' '.join(words[:-1])} [{words[-1]}]\n\n", status=1)


SCRIPTS: dict[str, Callable[[Context, Sequence[str]], Reply]] = {
    "sg": only(group),
    "vyatta-cfg-cmd-wrapper": only(wrapper),
    "config-mgmt": only(config_mgmt),
    "commit-confirm-revert": only(revert),
    "vyatta-op-cmd-wrapper": only(operational),
}
