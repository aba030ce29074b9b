"""One router at work: runs commands, fires what is due, lets behaviours act, and tells a journal all of it. Pure.

A request is a generator of effects, so that whoever drives it (the SSH server, a test) does the waiting and sending.
"""

import posixpath
import shlex
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from lab.sim import (
    birdc,
    discovery,
    ethtool,
    firmware,
    grub,
    linux,
    probing,
    queues,
    queues_set,
    script,
    sdboot,
    software,
    systemd,
    vppsystem,
    vtysh,
    vyos,
    vyos_config,
)
from lab.sim.behaviours import Behaviour, Kind, active, take
from lab.sim.network import Network
from lab.sim.reply import Context, Reply
from lab.sim.router import Event, Router
from lab.sim.script import Form, NotUnderstood, Request

Handler = Callable[[Context, Sequence[str]], Reply]
Journal = Callable[[dict[str, Any]], None]

HANDLERS: Mapping[str, Handler] = {
    "uname": linux.uname,
    "cat": lambda ctx, argv: queues.proc(ctx, argv) or grub.cat(ctx, argv) or linux.cat(ctx, argv),
    "ip": linux.ip,
    "sysctl": linux.sysctl,
    "touch": linux.touch,
    "rm": linux.remove,
    "cp": linux.copy,
    "mv": linux.copy,
    "ls": linux.ls,
    "test": grub.test,
    "[": grub.test,
    "sha256sum": grub.sha256sum,
    "grub-editenv": grub.editenv,
    "grub-probe": grub.probe,
    "update-grub": grub.update_grub,
    "apt-helper": grub.download,
    "dpkg": grub.dpkg,
    "lscpu": grub.lscpu,
    "df": grub.df,
    "slipway-trial-watch": grub.trial_watch,
    "ethtool": ethtool.ethtool,
    "vtysh": vtysh.vtysh,
    "frr-reload.py": vtysh.frr_reload,
    "birdc": birdc.birdc,
    "systemctl": systemd.systemctl,
    "systemd-run": systemd.systemd_run,
    "reboot": systemd.reboot,
    "shutdown": systemd.reboot,
    "grep": linux.grep,
    "devlink": lambda ctx, argv: Reply('{"info":{}}\n'),
    **discovery.SCRIPTS,
    **sdboot.SCRIPTS,
    **vyos.SCRIPTS,
    **vyos_config.SCRIPTS,
    "slipway-queues": queues.queues,
    "slipway-siblings": queues.siblings,
    "hostname": lambda ctx, argv: Reply(ctx.router.name + "\n"),
    "pgrep": linux.pgrep,
    "nproc": lambda ctx, argv: Reply("8\n"),
    "slipway-probe": probing.probe,
    "tail": linux.cat_tail,
    "printenv": linux.printenv,
    "date": linux.date,
    "modinfo": software.modinfo,
    "dkms": software.dkms,
    "depmod": software.depmod,
    "update-initramfs": software.update_initramfs,
    "lsinitramfs": software.lsinitramfs,
    "modprobe": software.modprobe,
    **software.PACKAGES,
    "nvmupdate64e": firmware.nvmupdate,
    "true": lambda ctx, argv: Reply(),
    "false": lambda ctx, argv: Reply(status=1),
    "sync": lambda ctx, argv: Reply(),
    "mkdir": lambda ctx, argv: Reply(),
    "chmod": lambda ctx, argv: Reply(),
    "chown": lambda ctx, argv: Reply(),
    "echo": lambda ctx, argv: Reply(" ".join(argv[1:]) + "\n"),
    "id": lambda ctx, argv: Reply("0\n" if ctx.root else "1000\n"),
    "logger": lambda ctx, argv: Reply(),
    "sleep": lambda ctx, argv: Reply(sleep_s=float(argv[1]) if len(argv) > 1 else 0.0),
}


@dataclass(frozen=True)
class Effect:
    """What the driver of a request does next. what: out | err | sleep | cut | drop | hang | exit."""

    what: str
    data: str = ""
    seconds: float = 0.0
    status: int = 0


GARBAGE = "\x00\x1b[31m\ufffd{]}\x07\r\n%%% 0x7f3a: \x1b]0;title\x07 \u202e nil\n" * 3


class Machine:
    """A router with its surroundings. `clock`: the fleet's time now."""

    def __init__(self, router: Router, net: Network, *, clock: Callable[[], float], wall: float, journal: Journal):
        self.router, self.net, self.clock, self.wall = router, net, clock, wall
        self._journal = journal

    def note(self, event: str, **more: Any) -> None:
        """A line of the journal."""
        flags = self.router.flags
        drained = [n for n, on in (("bgp", flags.bgp), ("igp4", flags.igp4), ("igp6", flags.igp6)) if on]
        self._journal(
            {"t": round(self.clock(), 4), "router": self.router.name, "event": event, "drained": drained, **more}
        )

    # Things that happen by themselves.

    def advance(self) -> None:
        """Let everything happen that is due by now."""
        now = self.clock()
        while (event := self.router.due(now)) is not None:
            self._happen(event)
        self.router.flow.settle(now)

    def _happen(self, event: Event) -> None:
        router, due = self.router, event.due
        match event.what:
            case "halt":
                router.halt(due)
                self.note("halt", at=round(due, 4), boot=router.boots)
            case "boot":
                before = router.flags
                for argv in router.boot(due):
                    self._run(argv, root=True, now=due)
                router.refresh(due)
                self.note(
                    "boot", at=round(due, 4), boot=router.boots, kernel=router.kernel, flags=router.flags != before
                )
            case "daemons":
                router.start_daemons(due)
                self.note("daemons", at=round(due, 4), starts=router.daemon_starts)
            case "timer":
                timer = router.timers.pop(event.arg, None)
                if timer is not None:
                    reply = self._run(timer.argv, root=True, now=due)
                    self._changed(due)
                    self.note(
                        "timer", unit=event.arg, argv=timer.argv, status=reply.status, changes=list(reply.changes)
                    )
            case "bird_undo" if router.bird is not None and router.bird.undo_due == due:
                changes = birdc.undo(router)
                self._changed(due)
                self.note("bird_undo", changes=list(changes))
            case _:
                pass

    def _changed(self, now: float) -> None:
        cut = self.router.cut
        if self.router.refresh(now):
            self.note("flags")
        if self.router.cut != cut:
            self.note("management", cut=self.router.cut)

    # Commands.

    def console(self, command: str, stdin: str = "") -> Reply:
        """One command typed on the console: no network, no behaviours, journaled like the others."""
        self.advance()
        request = script.request(command)
        argv = ("put", *request.argv) if request.form is Form.PUT else request.argv
        reply = self._execute(argv, root=request.root, stdin=stdin, lie=False, canonical=request.canonical)
        self.advance()
        return reply

    def request(self, command: str, stdin: Callable[[], str]) -> Iterator[Effect]:
        """Everything that an exec request causes. `stdin` is asked for only by the forms that read it.

        Effect `cut`: management is cut; ask on when it is back, as TCP does.
        """
        self.advance()
        try:
            request = script.request(command)
            if request.form is Form.BATCH:
                yield from self._batch(stdin(), root=request.root)
            elif request.form is Form.PUT:
                yield from self._single(request, ("put", *request.argv), stdin())
            else:
                yield from self._single(request, request.argv, "")
        except NotUnderstood as error:
            self.router.unknown.append(command[:500])
            self.note("command", argv=[command[:500]], status=127, unknown=True)
            yield Effect("err", f"sh: 1: {command.split(' ')[0][:80]}: not found ({error})\n")
            yield Effect("exit", status=127)

    def _single(self, request: Request, argv: Sequence[str], stdin: str) -> Iterator[Effect]:
        reply = yield from self._perform(argv, root=request.root, stdin=stdin, canonical=request.canonical)
        if reply is None:
            return
        if reply.out:
            yield Effect("out", reply.out)
        if reply.err:
            yield Effect("err", reply.err)
        yield Effect("exit", status=reply.status)

    def _batch(self, text: str, *, root: bool) -> Iterator[Effect]:
        token, sections = script.batch(text)
        for section in sections:
            names = [("", ())] if not section.each else [(f":{n}", (n,)) for n in sorted(self.router.nics)]
            for suffix, extra in names:
                name = section.name + suffix
                yield Effect("out", f"{token} {name} begin\n")
                reply = yield from self._perform((*section.argv, *extra), root=root)
                if reply is None:
                    return
                yield Effect("out", f"{reply.out}{reply.err}\n{token} {name} end {reply.status}\n")
        yield Effect("exit")

    def _perform(
        self, argv: Sequence[str], *, root: bool, stdin: str = "", canonical: bool = True
    ) -> Generator[Effect, None, Reply | None]:
        """One command with the behaviours around it. None: there will be no answer."""
        command = shlex.join(argv)
        self.advance()
        while self.router.cut and self.router.powered:
            yield Effect("cut")  # the request is on its way and arrives when it can
        if not self.router.powered:
            yield Effect("drop")
            return None
        odd = self._behaving(command)
        if odd[Kind.DROP_BEFORE] is not None:
            self.note("drop_before", argv=list(argv))
            yield Effect("drop")
            return None
        hang, slow = odd[Kind.HANG], odd[Kind.SLOW]
        if hang is not None and not hang.executed:
            self.note("hang", argv=list(argv))
            yield Effect("hang")
            return None
        if slow is not None:
            yield Effect("sleep", seconds=slow.seconds)
            self.advance()
        reply = self._execute(argv, root=root, stdin=stdin, lie=odd[Kind.LIE] is not None, canonical=canonical)
        if reply.sleep_s:
            yield Effect("sleep", seconds=reply.sleep_s)
            self.advance()
        if odd[Kind.DROP_AFTER] is not None:
            yield Effect("drop")
            return None
        if hang is not None:
            yield Effect("hang")
            return None
        while self.router.cut and self.router.powered:
            yield Effect("cut")  # so is the answer
        if odd[Kind.GARBAGE_OUTPUT] is not None:
            return Reply(GARBAGE)
        return reply

    def _behaving(self, command: str) -> dict[Kind, Behaviour | None]:
        kinds = (Kind.DROP_BEFORE, Kind.DROP_AFTER, Kind.HANG, Kind.SLOW, Kind.LIE, Kind.GARBAGE_OUTPUT)
        if not self.router.behaviours:
            return dict.fromkeys(kinds)
        return {kind: take(self.router.behaviours, kind, command) for kind in kinds}

    def _execute(self, argv: Sequence[str], *, root: bool, stdin: str, lie: bool, canonical: bool) -> Reply:
        """Run it, journal it, and let the change take effect. A lie runs on a copy that is thrown away."""
        now = self.clock()
        if lie:
            reply = self._run(argv, root=root, now=now, stdin=stdin, router=deepcopy(self.router))
            reply = Reply(reply.out, reply.err, 0)
        else:
            reply = self._run(argv, root=root, now=now, stdin=stdin)
        entry: dict[str, Any] = {"argv": list(argv), "status": reply.status, "mutated": bool(reply.changes)}
        entry |= {"changes": list(reply.changes)} if reply.changes else {}
        entry |= {"root": True} if root else {}
        entry |= {"lie": True} if lie else {}
        entry |= {"canonical": False} if not canonical else {}
        entry |= {"unknown": True} if reply.status == 127 else {}
        flags, cut = self.router.flags, self.router.cut
        if reply.changes:
            self.router.refresh(now)
        self.note("command", converged=self.router.converged(now), **entry)
        if self.router.flags != flags:
            self.note("flags")
        if self.router.cut != cut:
            self.note("management", cut=self.router.cut)
        return reply

    def _run(
        self, argv: Sequence[str], *, root: bool, now: float, stdin: str = "", router: Router | None = None
    ) -> Reply:
        """The bare command, without behaviours and journal."""
        ctx = Context(router or self.router, self.net, now, self.wall, root=root, stdin=stdin)
        name = posixpath.basename(argv[0])
        if argv[0] == "put":
            return linux.put(ctx, argv[1], stdin, mode=argv[2])
        if name == "sh" and list(argv[1:2]) == ["/var/lib/slipway/nic-cpus"]:
            return queues_set.pin(ctx, list(argv))
        around = vppsystem.around(ctx, [name, *argv[1:]])
        if around is not None:
            return around if isinstance(around, Reply) else self._run(around, root=root, now=now, router=router)
        if name in ("sh", "dash", "bash") and len(argv) > 1 and not argv[1].startswith("-"):
            return self._script(ctx, argv[1])
        if name == "bird" and "-p" in argv:
            return birdc.birdc(ctx, ["birdc", "configure", "check", *(f'"{a}"' for a in argv[1:] if a.startswith("/"))])
        if name == "env" and (rest := [i for i, word in enumerate(argv) if i and "=" not in word]):
            return self._run(argv[rest[0] :], root=root, now=now, stdin=stdin, router=router)
        handler = HANDLERS.get(name)
        if handler is None:
            ctx.router.unknown.append(shlex.join(argv)[:500])
            return Reply(err=f"sh: 1: {argv[0]}: not found\n", status=127)
        return handler(ctx, [name, *argv[1:]])

    def _script(self, ctx: Context, path: str) -> Reply:
        """`/bin/sh FILE`: a script that Slipway left there, line by line; stops at an error only under `set -e`."""
        if path not in ctx.router.files:
            return Reply(err=f"/bin/sh: 0: cannot open {path}: No such file\n", status=2)
        out, err, status = "", "", 0
        changes: list[str] = []
        stops = script.stops_at_error(ctx.router.files[path])
        try:
            simples = script.simple_commands(ctx.router.files[path])
        except NotUnderstood as error:
            ctx.router.unknown.append(f"{path}: {error}")
            return Reply(err=f"{path}: {error}\n", status=127)
        for i, simple in enumerate(simples):
            if (simple.joined == "&&" and status) or (simple.joined == "||" and not status):
                continue
            if simple.argv[0] == "exit":
                status = int(simple.argv[1]) if len(simple.argv) > 1 else status
                break
            words = [str(status) if word == "$?" else word for word in simple.argv]
            reply = self._run(words, root=ctx.root, now=ctx.now, router=ctx.router)
            status, err = reply.status, err + reply.err
            changes += reply.changes
            if status < 0:
                break  # power was lost under it: nothing of the script follows
            if simple.to and simple.to != "/dev/null":
                before = ctx.router.files.get(simple.to, "") if simple.append else ""
                both = reply.out + (reply.err if simple.append else "")
                changes += linux.put(ctx, simple.to, before + both, mode="0644").changes
            elif not simple.to:
                out += reply.out
            guarded = i + 1 < len(simples) and simples[i + 1].joined
            if status and stops and not guarded:
                break
        return Reply(out, err, status=status, changes=tuple(changes))

    def state(self) -> dict[str, Any]:
        """Everything worth knowing, JSON-able, for tests and demonstrations."""
        self.advance()
        router, now = self.router, self.clock()
        lost, pps = router.lost(), router.flow.pps()
        return {
            "name": router.name,
            "suite": router.spec.suite,
            "reachable": router.reachable,
            "powered": router.powered,
            "cut": router.cut,
            "boots": router.boots,
            "boot_id": router.boot_id,
            "kernel": router.kernel,
            "uptime_s": round(now - router.booted_at, 3),
            "daemon_starts": router.daemon_starts,
            "converged": router.converged(now),
            "drained": {"bgp": router.flags.bgp, "igp4": router.flags.igp4, "igp6": router.flags.igp6},
            "pps": {"ipv4": pps[0], "ipv6": pps[1]},
            "forwarded": {"ipv4": int(router.flow.forwarded[0]), "ipv6": int(router.flow.forwarded[1])},
            "lost": {"ipv4": round(lost[0]), "ipv6": round(lost[1])},
            "no_bufs": int(router.flow.no_bufs),
            "slab_kb": router.slab_kb(now),
            "nics": {n.ifname: {"channels": dict(n.channels), "rings": dict(n.rings)} for n in router.nics.values()},
            "sysctls": dict(router.sysctls),
            "files": sorted(router.files),
            "timers": {t.unit: round(t.due - now, 3) for t in router.timers.values()},
            "enabled": sorted(router.enabled),
            "behaviours": [str(b.kind) for b in router.behaviours],
            "unknown": list(router.unknown),
            "vpp": router.vpp.state(),
            "leaking": active(router.behaviours, Kind.SLAB_LEAK) is not None,
        }
