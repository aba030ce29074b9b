"""A device with nothing but a prompt, over real SSH: enough of an IOS-like command line for netmiko to work on."""

from dataclasses import dataclass, field
from typing import Any

import asyncssh

from tests.playbooks.ssh_server import SshServer

NAME = "sw1"


@dataclass
class CliDevice(SshServer):
    """`running` are its lines, `saved` those after a restart; `armed` while a reload is scheduled.

    `refuses`: a line that it answers with "% Invalid input". `dies_at`: a line at which the connection is lost.
    """

    running: list[str] = field(default_factory=list)
    saved: list[str] = field(default_factory=list)
    armed: bool = False
    refuses: str = ""
    dies_at: str = ""
    entered: list[str] = field(default_factory=list)

    async def _process(self, process: "asyncssh.SSHServerProcess[bytes]") -> None:
        mode = ""
        process.stdout.write(f"\r\n{NAME}#".encode())
        async for raw in process.stdin:
            line = raw.decode().strip()
            if self.dies_at and self.dies_at in line:
                process.channel.get_connection().abort()
                return
            mode, said = self._said(mode, line)
            body = f"{said}\r\n" if said else ""
            process.stdout.write(f"{line}\r\n{body}{NAME}{mode}#".encode())
        process.exit(0)

    def _said(self, mode: str, line: str) -> tuple[str, str]:
        if line:
            self.entered.append(line)
        if self.refuses and self.refuses in line:
            return mode, "% Invalid input detected at '^' marker."
        match line.split():
            case ["configure", "terminal"]:
                return "(config)", "Enter configuration commands, one per line.  End with CNTL/Z."
            case ["end"] | ["exit"]:
                return "", ""
            case ["show", "running-config"]:
                return mode, "\r\n".join(["Building configuration...", *self.running])
            case ["write", *_] | ["copy", *_]:
                self.saved = list(self.running)
                return mode, "Building configuration...\r\n[OK]"
            case ["reload", "in", _]:
                self.armed = True
                return mode, "Reload scheduled in 5 minutes"
            case ["reload", "cancel"]:
                self.armed = False
                return mode, "***\r\n*** --- SHUTDOWN ABORTED ---\r\n***"
            case ["terminal", *_] | []:
                return mode, ""
            case ["no", *rest] if mode:
                self.running = [held for held in self.running if held != " ".join(rest)]
                return mode, ""
            case _ if mode:
                self.running = [*(held for held in self.running if held != line), line]
                return mode, ""
            case _:
                return mode, "% Unknown command"

    def reloaded(self) -> None:
        """What the scheduled reload does when nobody cancels it."""
        self.running, self.armed = list(self.saved), False

    def netmiko_device(self, **changes: Any) -> Any:
        return self.device(name=NAME, suite="none", platform="cisco_ios", **changes)
