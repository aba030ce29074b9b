"""The NAPALM driver of FRR on Linux: candidate, diff, commit, commit-confirm, rollback, getters. Over SSH.

    from napalm import get_network_driver
    options = {"key_file": "~/.ssh/id_ed25519", "become": "sudo"}
    with get_network_driver("frr")("192.0.2.1", "ops", "", optional_args=options) as d:
        d.load_merge_candidate(config="router bgp 65000\\n neighbor 192.0.2.9 description transit\\n")
        print(d.compare_config()); d.commit_config(revert_in=120)
    # over a new connection: d.confirm_commit()

See docs/napalm.md for the optional arguments and for what is not left to frr-reload.py.
"""
# ruff: noqa: FBT001, FBT002 - the signatures are NAPALM's; what getters return is checked by its own test suite

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from napalm.base.base import NetworkDriver
from napalm.base.exceptions import (
    CommitConfirmException,
    CommitError,
    ConnectionException,
    MergeConfigException,
    ReplaceConfigException,
)

from custom_napalm import frr_bgp, frr_commit, frr_reading, frr_session
from playbooks import frr_change
from playbooks.base import Answer, Device, Session
from playbooks.facts.text import document, mapping
from playbooks.vtysh import argv

OPTIONAL_ARGS = ("port", "key_file", "host_key", "known_hosts", "become", "allow_removal", "session")


class FrrDriver(NetworkDriver):
    """FRR 8.4 and later with the package frr-pythontools, on a Linux with /bin/sh; systemd where there is one."""

    platform = "frr"

    def __init__(
        self,
        hostname: str,
        username: str,
        password: str,
        timeout: int = 60,
        optional_args: dict[str, Any] | None = None,
    ) -> None:
        options = optional_args or {}
        self.hostname, self.username, self.password, self.timeout = hostname, username, password, timeout
        self._options = options
        self._shared: Session | None = options.get("session")
        self._session: Session | None = self._shared
        self._candidate: str | None = None
        self._base: str | None = None  # the running configuration that the candidate was made from
        # What `has_pending_commit` found: a commit that was not confirmed in time, so that the router put itself back.
        self.put_back = False

    # -- connection

    def open(self) -> None:
        """Connect. Raises ConnectAuthError, ConnectionException: an unknown or another host key is one."""
        if self._session is not None:
            return
        options, port = self._options, int(self._options.get("port") or 22)
        key = options.get("host_key") or frr_session.known_host_key(
            self.hostname, port, options.get("known_hosts") or "~/.ssh/known_hosts"
        )
        device = Device(
            name=self.hostname, address=self.hostname, port=port, username=self.username, credential="",
            host_key=key, suite="frr", become=str(options.get("become") or ""),
        )  # fmt: skip
        with frr_session.napalm_errors():
            self._session = frr_session.opened(
                device, password=self.password, key_file=str(options.get("key_file") or ""),
                timeout_s=min(float(self.timeout), frr_session.CONNECT_S),
            )  # fmt: skip

    def close(self) -> None:
        if self._session is not None and self._shared is None:
            close = getattr(self._session, "close", None)
            if close is not None:
                close()
            self._session = None

    def is_alive(self) -> Any:
        return {"is_alive": self._session is not None and getattr(self._session, "alive", True) is not False}

    @contextmanager
    def _device(self) -> Iterator[Session]:
        """The session. Whoever gave one gets its own errors; others those of NAPALM."""
        if self._session is None:
            raise ConnectionException(f"{self.hostname}: not open")
        with nullcontext() if self._shared is not None else frr_session.napalm_errors():
            yield self._session

    def _ask(self, commands: Mapping[str, list[str]]) -> dict[str, Answer]:
        with self._device() as session:
            return session.batch(commands, timeout_s=float(self.timeout), root=True)

    # -- configuration

    def load_replace_candidate(self, filename: str | None = None, config: str | None = None) -> None:
        """The whole configuration as it shall be; whatever is not in it goes."""
        text = _given(filename, config)
        if not frr_change.statements(text):
            raise ReplaceConfigException("candidate: found no statement, wanted a whole configuration")
        with self._device() as session:
            self._base = frr_commit.running(session)
        self._candidate = frr_change.normal(text)

    def load_merge_candidate(self, filename: str | None = None, config: str | None = None) -> None:
        """Statements to be there in their blocks, `no X` to be gone; may be called again before the commit."""
        text = _given(filename, config)
        if not frr_change.statements(text):
            raise MergeConfigException("candidate: found no statement, wanted some")
        if self._candidate is None:
            with self._device() as session:
                self._base = frr_commit.running(session)
        self._candidate = frr_change.merged(self._candidate or self._base or "", text)

    def compare_config(self) -> str:
        """A unified diff between what runs now and the candidate; "" without a candidate or a difference."""
        if self._candidate is None:
            return ""
        with self._device() as session:
            return frr_change.diff(frr_commit.running(session), self._candidate)

    def commit_config(self, message: str = "", revert_in: int | None = None) -> None:
        """Apply the candidate; with `revert_in` the router puts itself back after so many seconds.

        Raises CommitError: nothing was changed, or it was put back, or the text says what is otherwise.
        """
        if self._candidate is None or self._base is None:
            raise CommitError("commit: found no candidate, wanted one; load it first")
        if revert_in is not None and revert_in < 1:
            raise CommitError(f"revert_in: found {revert_in}, wanted at least 1 s")
        with self._device() as session:
            found = frr_commit.state(session)
            if found.pending is not None:
                raise CommitError("commit: found another one that waits for its confirmation, wanted none")
            before = frr_commit.running(session)
            moved = frr_change.change(self._base, before)
            if moved.gone or moved.new:
                raise CommitError(
                    f"running configuration: changed since it was compared: {'; '.join(moved.lines)[:500]}"
                )
            refused = frr_change.refusals(
                before, self._candidate, allow_removal=self._options.get("allow_removal") is True
            )
            if refused:
                raise CommitError("; ".join(map(str, refused)))
            if frr_change.diff(before, self._candidate):
                frr_commit.commit(
                    session,
                    before=before,
                    candidate=self._candidate,
                    revert_in=revert_in,
                    message=message,
                    over=found.over,
                )
        self.discard_config()

    def confirm_commit(self) -> None:
        """Keep what the last commit did, whichever connection made it. Raises CommitConfirmException when too late."""
        with self._device() as session:
            pending = frr_commit.state(session).pending
            if pending is None:
                raise CommitConfirmException("confirmation: found no commit that waits for one, wanted one")
            frr_commit.confirmed(session, pending)

    def has_pending_commit(self) -> bool:
        with self._device() as session:
            found = frr_commit.state(session)
        self.put_back = found.put_back is not None
        return found.pending is not None

    def discard_config(self) -> None:
        self._candidate = self._base = None

    def rollback(self) -> None:
        """The configuration from before the last commit, also when another connection made it. Raises CommitError."""
        with self._device() as session:
            found = frr_commit.state(session)
            last = found.pending
            if found.put_back is not None:  # it did that by itself; whatever came since is not ours to take back
                if (reason := frr_commit.is_back(session, found.put_back)) is not None:
                    raise CommitError(str(reason))
            elif last is None and found.last is not None:
                last = found.last
                if (reason := frr_commit.in_force(session, last)) is not None:
                    raise CommitError(str(reason))
            if last is not None and (wrong := frr_commit.put_back(session, last)) is not None:
                raise CommitError(str(wrong))

    # -- getters

    def get_config(
        self,
        retrieve: str = "all",
        full: bool = False,
        sanitized: bool = False,
        format: str = "text",
    ) -> Any:
        asked = {"running": frr_commit.RUNNING, "startup": ["cat", frr_change.FRR_CONF]}
        wanted = {name: command for name, command in asked.items() if retrieve.lower() in (name, "all")}
        answers = self._ask(wanted) if wanted else {}
        made = dict.fromkeys(("running", "candidate", "startup"), "")
        for name in wanted:
            made[name] = frr_reading.out(answers, name)
        made["running"] = frr_change.running(made["running"]) or ""
        if retrieve.lower() in ("candidate", "all"):
            made["candidate"] = self._candidate or ""
        return {name: frr_change.redacted(text) if sanitized else text for name, text in made.items()}

    def get_facts(self) -> Any:
        return frr_reading.facts(self._ask(frr_reading.MACHINE))

    def get_interfaces(self) -> Any:
        return frr_reading.interfaces(self._ask(frr_reading.INTERFACES))

    def get_interfaces_counters(self) -> Any:
        return frr_reading.counters(self._ask(frr_reading.COUNTERS))

    def get_interfaces_ip(self) -> Any:
        return frr_reading.addresses(self._ask(frr_reading.ADDRESSES))

    def get_arp_table(self, vrf: str = "") -> Any:
        command = [*frr_reading.NEIGHBOURS4["neighbours"], *(["vrf", vrf] if vrf else [])]
        return frr_reading.neighbours(self._ask({"neighbours": command}), state=False)

    def get_ipv6_neighbors_table(self) -> Any:
        return frr_reading.neighbours(self._ask(frr_reading.NEIGHBOURS6), state=True)

    def get_environment(self) -> Any:
        return frr_reading.environment(self._ask(frr_reading.ENVIRONMENT))

    def get_network_instances(self, name: str = "") -> Any:
        found = frr_reading.instances(self._ask(frr_reading.INSTANCES))
        return {key: value for key, value in found.items() if name in ("", key)}

    def _bgp(self) -> dict[str, Answer]:
        answers = self._ask(frr_bgp.NEIGHBORS)
        others = {f"neighbors.{vrf}": frr_bgp.vrf_neighbors(vrf) for vrf in frr_bgp.vrfs(answers)}
        return answers | (self._ask(others) if others else {})

    def get_bgp_neighbors(self) -> Any:
        return frr_bgp.neighbors(self._bgp())

    def get_bgp_neighbors_detail(self, neighbor_address: str = "") -> Any:
        return frr_bgp.neighbors_detail(self._bgp(), neighbor_address)

    def get_bgp_config(self, group: str = "", neighbor: str = "") -> Any:
        return frr_bgp.config(self._ask(frr_bgp.CONFIG), group, neighbor)

    def get_route_to(
        self,
        destination: str = "",
        protocol: str = "",
        longer: bool = False,
    ) -> Any:
        """Routes to a prefix; where it is in no table, the route that covers it. `longer`: all inside it too."""
        try:
            ip_network(destination, strict=False)
        except ValueError:
            raise ValueError(f"destination: found {destination[:60]!r}, wanted an address or a prefix") from None
        family = "ipv6" if ":" in destination else "ip"
        exact = {"routes": argv(f"show {family} route {destination}{' longer-prefixes' if longer else ''} json")}
        text = frr_reading.out(self._ask(exact), "routes")
        if not longer and not mapping(document(text)):
            address = destination.partition("/")[0]
            text = frr_reading.out(self._ask({"routes": argv(f"show {family} route {address} json")}), "routes")
        found = [str(prefix) for prefix in mapping(document(text))]
        bgp: Mapping[str, Any] = {}
        if len(found) == 1:  # one question more; for hundreds of prefixes it would be hundreds
            which = "ipv6" if family == "ipv6" else "ipv4"
            paths = self._ask({"bgp": argv(f"show bgp {which} unicast {found[0]} json")})
            bgp = mapping(document(frr_reading.out(paths, "bgp")))
        return frr_bgp.routes(text, protocol, bgp=bgp)

    def ping(
        self, destination: str, source: str = "", ttl: int = 255, timeout: int = 2, size: int = 100, count: int = 5,
        vrf: str = "", source_interface: str = "",
    ) -> Any:  # fmt: skip
        command = ["ping", "-n", "-c", str(count), "-t", str(ttl), "-W", str(timeout), "-s", str(size), "-i", "0.2"]
        command += ["-I", source or source_interface or vrf] if source or source_interface or vrf else []
        with self._device() as session:
            answer = session.run([*command, "--", destination], timeout_s=count * (timeout + 1.0) + 10.0, root=True)
        return frr_reading.ping(answer)

    def cli(self, commands: list[str], encoding: str = "text") -> dict[str, Any]:
        """What vtysh prints; with the encoding `json` the value of commands that end in "json"."""
        answers = self._ask({f"c{i}": argv(command) for i, command in enumerate(commands)})
        texts = {command: answers[f"c{i}"].out for i, command in enumerate(commands)}
        if encoding == "json":
            return {command: document(text) for command, text in texts.items()}
        return dict(texts)


def _given(filename: str | None, config: str | None) -> str:
    """The text of a candidate. By NAPALM's contract a file takes precedence."""
    return Path(filename).read_text(encoding="utf-8") if filename else config or ""
