"""A small SSH server that runs what it is asked with a shell, or misbehaves as told; for the tests of the transport."""

import asyncio
import socket
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh

from playbooks.base import Device


@dataclass
class SshServer:
    """Runs in a thread of its own; `seen` are the exec requests it got. `tricks`: exec request -> how to misbehave."""

    folder: Path
    options: dict[str, Any] = field(default_factory=dict)
    password: str = ""
    seen: list[str] = field(default_factory=list)
    connections: int = 0
    tricks: dict[str, str] = field(default_factory=dict)

    def __enter__(self) -> "SshServer":
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.user_key = asyncssh.generate_private_key("ssh-ed25519")
        self.key_file = self.folder / "id_ed25519"
        self.user_key.write_private_key(str(self.key_file))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        async def stop() -> None:
            self._listener.close()
            mine = asyncio.current_task()
            left = [task for task in asyncio.all_tasks() if task is not mine]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    async def _start(self) -> None:
        keys = self.options.pop("server_host_keys", [self.host_key])
        authorized = asyncssh.import_authorized_keys(self.user_key.export_public_key().decode())
        outer = self

        class Server(asyncssh.SSHServer):
            def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
                outer.connections += 1

            def begin_auth(self, username: str) -> bool:
                return True

            def password_auth_supported(self) -> bool:
                return bool(outer.password)

            def validate_password(self, username: str, password: str) -> bool:
                return password == outer.password

        self._listener = await asyncssh.create_server(
            Server,
            "127.0.0.1",
            0,
            server_host_keys=keys,
            authorized_client_keys=None if self.password else authorized,
            process_factory=self._process,
            encoding=None,
            line_editor=False,
            **self.options,
        )
        self.port = self._listener.sockets[0].getsockname()[1]

    async def _process(self, process: "asyncssh.SSHServerProcess[bytes]") -> None:
        request = process.command or ""
        self.seen.append(request)
        trick = next((how for what, how in self.tricks.items() if what in request), "")
        match trick:
            case "hang":
                await asyncio.sleep(60)
            case "drop before":
                process.channel.get_connection().abort()
                return
            case "no status":
                process.channel.close()
                return
        stdin = await process.stdin.read()
        if trick == "half of stdin":
            stdin = stdin[: len(stdin) // 2]
        child = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", request, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        out, err = await child.communicate(stdin)
        if trick == "drop after":
            process.channel.get_connection().abort()
            return
        if trick == "half":
            out = out[: len(out) // 2]
        process.stdout.write(out)
        process.stderr.write(err)
        process.exit(child.returncode if child.returncode is not None and child.returncode >= 0 else 255)

    def device(self, **changes: Any) -> Device:
        """This server as a device; `changes` are fields of Device."""
        words = {
            "name": "bly",
            "address": "127.0.0.1",
            "port": self.port,
            "username": "slipway",
            "credential": f"file:{self.key_file}",
            "host_key": self.host_key.export_public_key().decode().strip(),
            "suite": "frr",
        }
        return Device(**{**words, **changes})


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
