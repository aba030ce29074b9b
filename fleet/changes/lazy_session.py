"""The session of a leg: it connects when the first command is sent, so that connecting counts as part of the step."""

import time
from collections.abc import Mapping
from typing import Any

from playbooks import transport
from playbooks.base import Answer, Device, Session


class LazySession:
    """A `Session` over the connection of the leg that runs on this thread (`transport.leg_session`)."""

    def __init__(self, device: Device) -> None:
        self.device, self.spoke = device, False  # spoke: it was reached
        self._held: transport.SshSession | None = None
        self._asked = 0
        self._notes: dict[str, tuple[Any, int, float]] = {}

    @property
    def address(self) -> str:
        """At which of the device's addresses the last command was carried out; "" before the first."""
        return self._held.address if self._held is not None else ""

    def renew(self) -> None:
        """The next command goes over a connection that is made for it: that proves that the device can be reached."""
        self._asked += 1
        if self._held is not None:
            self._held.close()

    def remember(self, name: str, value: Any) -> None:
        """Keep a note for as long as this leg goes on (`playbooks/drain/fresh.py`)."""
        self._notes[name] = (value, self._asked, time.monotonic())

    def recall(self, name: str, *, within_s: float | None) -> Any | None:
        """The note; None when there is none. With `within_s` also when it is older, or anything was asked since."""
        value, asked, at = self._notes.get(name, (None, 0, 0.0))
        fresh = within_s is None or (asked == self._asked and time.monotonic() - at <= within_s)
        return value if fresh else None

    def _open(self) -> Session:
        self._asked += 1
        self._held, self.spoke = transport.leg_session(self.device), True
        return self._held

    def run(self, argv: list[str], *, stdin: str = "", timeout_s: float = 30.0, root: bool = False) -> Answer:
        return self._open().run(argv, stdin=stdin, timeout_s=timeout_s, root=root)

    def batch(
        self, commands: Mapping[str, list[str]], *, timeout_s: float = 30.0, root: bool = False, **more: Any
    ) -> dict[str, Answer]:
        return self._open().batch(commands, timeout_s=timeout_s, root=root, **more)

    def put(self, path: str, text: str, *, mode: str = "0644") -> Answer:
        return self._open().put(path, text, mode=mode)
