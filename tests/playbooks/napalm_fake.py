"""Network operating systems as NAPALM drivers without a network: with and without commit-confirm. Pure."""

from dataclasses import dataclass, field
from difflib import unified_diff
from typing import Any

from napalm.base import NetworkDriver
from napalm.base.exceptions import CommitError, MergeConfigException


@dataclass
class Box:
    """The device behind every driver object: it outlives their connections. `refuses`: a line that it does not take."""

    running: list[str] = field(default_factory=lambda: ["hostname r1", "bgp 65000"])
    before: list[str] | None = None
    waits: bool = False
    refuses: str = ""
    calls: list[str] = field(default_factory=list)
    opened: list[dict[str, Any]] = field(default_factory=list)

    def timer(self) -> None:
        """What the device does when nobody confirms."""
        if self.waits and self.before is not None:
            self.running, self.waits, self.before = self.before, False, None


BOX = Box()


class PlainDriver(NetworkDriver):
    """Merge, replace, compare, commit, rollback; no confirmation."""

    def __init__(
        self, hostname: str, username: str, password: str, timeout: int = 60, optional_args: Any = None
    ) -> None:
        self.hostname, self.timeout = hostname, timeout
        self._options = dict(optional_args or {})
        self._candidate: list[str] | None = None

    def open(self) -> None:
        BOX.opened.append(self._options)

    def close(self) -> None:
        BOX.calls.append("close")

    def load_merge_candidate(self, filename: str | None = None, config: str | None = None) -> None:
        lines = (config or "").splitlines()
        if BOX.refuses and BOX.refuses in lines:
            raise MergeConfigException(f"invalid input: {BOX.refuses}")
        gone = {line.removeprefix("no ") for line in lines if line.startswith("no ")}
        kept = [line for line in BOX.running if line not in gone]
        self._candidate = kept + [line for line in lines if line not in kept and not line.startswith("no ")]

    def load_replace_candidate(self, filename: str | None = None, config: str | None = None) -> None:
        self._candidate = (config or "").splitlines()

    def compare_config(self) -> str:
        if self._candidate is None:
            return ""
        return "\n".join(unified_diff(BOX.running, self._candidate, "running", "candidate", lineterm=""))

    def discard_config(self) -> None:
        self._candidate = None

    def commit_config(self, message: str = "", revert_in: int | None = None) -> None:
        if self._candidate is None:
            raise CommitError("no candidate")
        BOX.calls.append(f"commit {revert_in}")
        BOX.before, BOX.running, BOX.waits = BOX.running, self._candidate, revert_in is not None

    def rollback(self) -> None:
        if BOX.before is not None:
            BOX.running, BOX.before, BOX.waits = BOX.before, None, False

    def get_config(
        self, retrieve: str = "all", full: bool = False, sanitized: bool = False, format: str = "text"
    ) -> Any:
        return {"running": "\n".join(BOX.running), "startup": "", "candidate": ""}

    def get_facts(self) -> Any:
        return {
            "uptime": 9.0, "vendor": "V", "os_version": "7.1", "serial_number": "S1", "model": "M", "hostname": "r1",
            "fqdn": "r1", "interface_list": ["Ethernet1"],
        }  # fmt: skip

    def get_bgp_neighbors(self) -> Any:
        peer = {
            "local_as": 65000, "remote_as": 65001, "remote_id": "192.0.2.9", "is_up": "bgp 65000" in BOX.running,
            "is_enabled": True, "description": "transit", "uptime": 9,
            "address_family": {"ipv4": {"received_prefixes": 10, "accepted_prefixes": 10, "sent_prefixes": 5}},
        }  # fmt: skip
        return {"global": {"router_id": "192.0.2.1", "peers": {"192.0.2.9": peer}}}

    def get_interfaces(self) -> Any:
        one = {"is_up": True, "is_enabled": True, "description": "", "last_flapped": -1.0, "mtu": 1500, "speed": 1e4}
        return {"Ethernet1": {**one, "mac_address": "02:00:00:00:00:01"}}


class ConfirmingDriver(PlainDriver):
    """With commit-confirm, as Junos, EOS and IOS have it."""

    def confirm_commit(self) -> None:
        BOX.calls.append("confirm")
        BOX.waits = False

    def has_pending_commit(self) -> bool:
        return BOX.waits
