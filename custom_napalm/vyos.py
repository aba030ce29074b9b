"""NAPALM driver of VyOS 1.4 and later: `napalm.get_network_driver("vyos")`. Over SSH, no prompt is read.

Configuration goes through `vyatta-cfg-cmd-wrapper`, one session of its own for every question and every commit, under
the group vyattacfg as VyOS wants it. Written from the source of vyos-1x and vyatta-cfg; tested against recorded and
simulated sessions, not against a live VyOS.

optional_args: `host_key` ("ssh-ed25519 AAAA...", without it nothing connects), `port`, `key_file`, `become` ("sudo").
Errors: NAPALM's own for what a device refuses; `playbooks.base.DeviceError` for what becomes of the connection.
"""

import contextlib
import math
import re
import secrets
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from napalm.base import base as napalm_base  # not the class by its name: NAPALM takes the first driver it finds here
from napalm.base import models
from napalm.base.exceptions import (
    CommandErrorException,
    CommitConfirmException,
    CommitError,
    ConnectionException,
    MergeConfigException,
    ReplaceConfigException,
)

from custom_napalm import vyos_texts as texts
from playbooks.base import Answer, Device, DeviceError, Session
from playbooks.ssh import SshSession
from playbooks.ssh_connection import ExecConnection

OP = "/opt/vyatta/bin/vyatta-op-cmd-wrapper"
CFG = "/opt/vyatta/sbin/vyatta-cfg-cmd-wrapper"
CONFIG_MGMT = "/usr/bin/config-mgmt"
IMAGE_INFO = "/usr/libexec/vyos/op_mode/image_info.py"
IMAGE_MANAGER = "/usr/libexec/vyos/op_mode/image_manager.py"
IMAGE_INSTALLER = "/usr/libexec/vyos/op_mode/image_installer.py"
BOOT_CONFIG = "/config/config.boot"
CANDIDATE = "/config/slipway-candidate.boot"
BEFORE = "/config/slipway-before.boot"
# Nodes of VyOS whose value is a secret; what `show configuration` prints has it in clear text or as a hash.
_SECRET = re.compile(
    r"^(\s*(?:set .*\s)?(?:encrypted-password|plaintext-password|password|pre-shared-secret|secret|private-key|"
    r"passphrase|psk|key|md5-key|api-key|community)\s+)(?!\{)(\S.*?)(\s*\{?)$",
    re.MULTILINE,
)
_COMMIT_S = 300.0  # a commit renders services and waits for them; big configurations take minutes


class VyOSDriver(napalm_base.NetworkDriver):
    """One VyOS. The candidate is kept here until it is committed; nothing of it is on the device before."""

    def __init__(
        self,
        hostname: str,
        username: str,
        password: str,
        timeout: int = 60,
        optional_args: dict[str, Any] | None = None,
    ) -> None:
        options = optional_args or {}
        key_file = options.get("key_file")
        self.hostname, self.username, self.password, self.timeout = hostname, username, password, timeout
        self._device = Device(
            name=hostname, address=hostname, port=int(options.get("port", 22)), username=username,
            credential=f"file:{key_file}" if key_file else "", host_key=str(options.get("host_key", "")), suite="frr",
            become=str(options.get("become", "sudo")), platform="vyos",
        )  # fmt: skip
        self._session: Session | None = None
        self._candidate: tuple[str, str] | None = None  # (replace | merge, text)

    @classmethod
    def over(cls, session: Session) -> Self:
        """The driver over a connection that is open already; closing is the business of whoever opened it."""
        made = cls(session.device.address, session.device.username, "")
        made._session, made._device = session, session.device
        return made

    def open(self) -> None:
        """Connect; the host key is checked. Raises ConnectionException."""
        try:
            if self._device.credential:
                connection = ExecConnection(self._device, timeout_s=self.timeout)
            else:
                connection = ExecConnection(self._device, login={"password": self.password}, timeout_s=self.timeout)
        except DeviceError as error:
            raise ConnectionException(str(error.reason)) from None
        self._session = SshSession(connection)

    def close(self) -> None:
        if isinstance(self._session, SshSession):
            self._session.close()
        self._session = None

    def is_alive(self) -> models.AliveDict:
        return {"is_alive": bool(getattr(self._session, "alive", self._session is not None))}

    @property
    def session(self) -> Session:
        if self._session is None:
            raise ConnectionException(f"{self.hostname}: not open")
        return self._session

    # Configuration.

    def load_replace_candidate(self, filename: str | None = None, config: str | None = None) -> None:
        """Take a whole configuration, as /config/config.boot has it. Nothing is sent."""
        self._candidate = ("replace", _text(filename, config, ReplaceConfigException))

    def load_merge_candidate(self, filename: str | None = None, config: str | None = None) -> None:
        """Take `set`, `delete` and `comment` commands, one a line. Nothing is sent."""
        text = _text(filename, config, MergeConfigException)
        for line in _commands(text):
            if line[0] not in {"set", "delete", "comment"} or len(line) < 2:
                raise MergeConfigException(f"found {shlex.join(line)[:100]!r}, wanted set, delete or comment PATH")
        self._candidate = ("merge", text)

    def discard_config(self) -> None:
        self._candidate = None

    def compare_config(self) -> str:
        """What the candidate would change, by the device's own account; "" for nothing."""
        if self._candidate is None:
            return ""
        answers = self._in_session({"show": _cfg("show")})
        return texts.difference(answers["show"].out)

    def commit_config(self, message: str = "", revert_in: int | None = None) -> None:
        """Commit and save; with `revert_in` (seconds, taken as whole minutes) commit only: without confirm_commit the
        device reboots into what is saved. Raises CommitError, CommitConfirmException, Replace/MergeConfigException.
        """
        if self._candidate is None:
            raise CommitError("no candidate is loaded")
        if revert_in is not None and self.has_pending_commit():
            raise CommitConfirmException("a commit waits for its confirmation already")
        told = {"COMMIT_COMMENT": message} if message else {}
        acts: dict[str, list[str]] = {"before": _cfg("save", BEFORE)}
        if revert_in is not None:
            minutes = str(max(1, math.ceil(revert_in / 60)))
            acts["arm"] = [CONFIG_MGMT, "commit_confirm", "-y", "-t", minutes]
            told["IN_COMMIT_CONFIRM"] = "t"
        answers = self._in_session({**acts, "commit": _cfg("commit", **told)})
        for name in acts:
            self._well(answers, name, CommitConfirmException if name == "arm" else CommitError)
        self._well(answers, "commit", CommitError)
        if revert_in is None:
            self._save()
        self._candidate = None

    def confirm_commit(self) -> None:
        """Keep what was committed with `revert_in`, over the boot as well. Raises CommitConfirmException."""
        if not self.has_pending_commit():
            raise CommitConfirmException(
                "no commit waits for its confirmation: it was confirmed, or the device went back"
            )
        answer = self.session.run([CONFIG_MGMT, "confirm"], root=True)
        if not answer.ok:
            raise CommitConfirmException(_said(answer))
        self._save()

    def has_pending_commit(self) -> bool:
        return self.session.run(["systemctl", "is-active", "commit-confirm.timer"]).ok

    def rollback(self) -> None:
        """Load and commit what ran before the last commit of this driver; a device that reverts is left to it."""
        self._candidate = None
        answers = self._sent({"load": _cfg("load", BEFORE), "commit": _cfg("commit")})
        self._well(answers, "load", ReplaceConfigException)
        self._well(answers, "commit", CommitError)
        self._save()

    def _save(self) -> None:
        answers = self._sent({"save": _cfg("save")})
        self._well(answers, "save", CommitError)

    def _in_session(self, last: Mapping[str, list[str]]) -> dict[str, Answer]:
        """One session: the candidate loaded, then `last`, unless the device refused something of it."""
        kind, text = self._candidate or ("merge", "")
        if kind == "replace":
            self.session.put(CANDIDATE, text, mode="0660")
            loads = {"load": _cfg("load", CANDIDATE)}
        else:
            loads = {f"line{n}": _cfg(*line) for n, line in enumerate(_commands(text))}
        # A first session only asks: a candidate that is refused in part must not be committed in the other part.
        asked = self._sent({**loads, **({"show": last["show"]} if "show" in last else {})})
        wrong = ReplaceConfigException if kind == "replace" else MergeConfigException
        for name in loads:
            self._well(asked, name, wrong)
        return asked if "show" in last else self._sent({**loads, **last})

    def _sent(self, acts: Mapping[str, list[str]]) -> dict[str, Answer]:
        """Begin, all of it, end: in one round trip and one session, which nobody else has."""
        number = {"CMD_WRAPPER_SESSION_ID": str(2_000_000_000 + secrets.randbelow(100_000_000))}
        whole = {"begin": _cfg("begin"), **acts, "end": _cfg("end")}
        commands = {name: _in_group(argv, number) if CFG in argv else argv for name, argv in whole.items()}
        answers = self.session.batch(commands, timeout_s=_COMMIT_S, root=True)
        self._well(answers, "begin", CommandErrorException)
        return answers

    def _well(self, answers: Mapping[str, Answer], name: str, error: type[Exception]) -> None:
        if not answers[name].ok:
            raise error(f"{self._device.name}: {name}: {_said(answers[name])}")

    # Getters.

    def get_facts(self) -> models.FactsDict:
        asked = {
            "version": [OP, "show", "version"],
            "host": ["hostname"],
            "fqdn": ["hostname", "-f"],
            "uptime": ["cat", "/proc/uptime"],
            "links": ["ip", "-j", "link", "show"],
        }
        answers = self.session.batch(asked, timeout_s=self.timeout)
        version = texts.version(answers["version"].out)
        seconds = answers["uptime"].out.split()[:1]
        up = float(seconds[0]) if seconds and re.fullmatch(r"\d{1,10}(\.\d+)?", seconds[0]) else -1.0
        names = [row["ifname"] for row in texts.rows(answers["links"].out) if isinstance(row.get("ifname"), str)]
        return {
            "vendor": "VyOS",
            "os_version": version.get("version", "").removeprefix("VyOS").strip(),
            "model": version.get("hardware model", ""),
            "serial_number": version.get("hardware s/n", ""),
            "hostname": answers["host"].out.strip(),
            "fqdn": answers["fqdn"].out.strip() if answers["fqdn"].ok else "",
            "uptime": up,
            "interface_list": sorted(name for name in names if name != "lo"),
        }

    def get_interfaces(self) -> dict[str, models.InterfaceDict]:
        asked = {"links": ["ip", "-j", "-d", "link", "show"]}
        answers = self.session.batch(asked, per_interface={"speed": ["ethtool"]}, timeout_s=self.timeout)
        speeds = {n.partition(":")[2]: a.out for n, a in answers.items() if n.startswith("speed:")}
        found = texts.links(answers["links"].out, speeds)
        return {name: models.InterfaceDict(**link) for name, link in found.items()}  # type: ignore[typeddict-item]  # texts.links has its keys

    def get_interfaces_ip(self) -> dict[str, Any]:
        return dict(texts.addresses(self.session.run(["ip", "-j", "address", "show"]).out))

    def get_bgp_neighbors(self) -> dict[str, Any]:
        return texts.neighbors(self.session.run(["vtysh", "-c", "show bgp summary json"], root=True).out, {})

    def get_config(
        self,
        retrieve: str = "all",
        full: bool = False,  # noqa: FBT001, FBT002 - NAPALM's signature
        sanitized: bool = False,  # noqa: FBT001, FBT002 - NAPALM's signature
        format: str = "text",
    ) -> models.ConfigDict:
        """What runs and what is saved. `sanitized`: without the values of nodes that hold secrets."""
        answers = self.session.batch(
            {"running": [OP, "show", "configuration"], "startup": ["cat", BOOT_CONFIG]}, timeout_s=120.0, root=True
        )
        made = {name: a.out if a.ok and retrieve in {"all", name} else "" for name, a in answers.items()}
        kept = {name: without_secrets(text) if sanitized else text for name, text in made.items()}
        return {"running": kept["running"], "candidate": "", "startup": kept["startup"]}

    def cli(self, commands: list[str], encoding: str = "text") -> dict[str, str | dict[str, Any]]:
        """Operational commands. Raises CommandErrorException for one that the device does not know."""
        made: dict[str, str | dict[str, Any]] = {}
        for line in commands:
            answer = self.session.run([OP, *shlex.split(line)], timeout_s=self.timeout)
            if not answer.ok:
                raise CommandErrorException(f"{line}: {_said(answer)}")
            made[line] = answer.out
        return made

    # Images. `install` is a command and not a method: it takes minutes, so it belongs into a job on the device.

    def get_images(self) -> texts.Images | None:
        """The images on the device; None where it cannot be told."""
        answer = self.session.run([IMAGE_INFO, "show_images_summary", "--raw"], root=True)
        return texts.images(answer.out) if answer.ok else None

    def set_default_image(self, name: str) -> None:
        """Which image boots by default. Already so is success. Raises CommandErrorException."""
        seen = self.get_images()
        if seen is not None and seen.default == name:
            return
        answer = self.session.run(set_default(name), root=True)
        if not answer.ok:
            raise CommandErrorException(f"{self._device.name}: default boot {name}: {_said(answer)}")


def install(path: str) -> list[str]:
    """`add system image PATH`, asking nothing: configuration and host keys are copied, and the image is the default."""
    return [IMAGE_INSTALLER, "--action", "add", "--image-path", path, "--no-prompt"]


def set_default(name: str) -> list[str]:
    """`set system image default-boot NAME`."""
    return [IMAGE_MANAGER, "--action", "set", "--image-name", name]


def delete(name: str) -> list[str]:
    """`delete system image NAME`; refused by the device for the one that runs and for the default."""
    return [IMAGE_MANAGER, "--action", "delete", "--image-name", name, "--no-prompt"]


def without_secrets(text: str) -> str:
    """A configuration without the values of nodes that hold secrets. Pure."""
    return _SECRET.sub(lambda found: f"{found[1]}[left-out]{found[3]}", text)


def _cfg(*words: str, **told: str) -> list[str]:
    return [*(["env", *(f"{name}={value}" for name, value in told.items())] if told else []), CFG, *words]


def _in_group(argv: Sequence[str], told: Mapping[str, str]) -> list[str]:
    """As the group vyattacfg, whose files the configuration is, with what it writes writable for the group."""
    line = f"umask 0002; exec {shlex.join(argv)}"
    return ["env", *(f"{name}={value}" for name, value in told.items()), "sg", "vyattacfg", "-c", line]


def _text(filename: str | None, config: str | None, error: type[Exception]) -> str:
    if config is None and filename:
        with contextlib.suppress(OSError, UnicodeDecodeError):
            config = Path(filename).read_text()
    if not config:
        raise error("no configuration: wanted `config`, or a `filename` that can be read")
    return config if config.endswith("\n") else config + "\n"


def _commands(text: str) -> list[list[str]]:
    """Commands, one a line; what is quoted stays one word. Raises MergeConfigException."""
    try:
        made = [shlex.split(line) for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    except ValueError as error:
        raise MergeConfigException(str(error)) from None
    return made


def _said(answer: Answer) -> str:
    return " ".join((answer.err + answer.out).split())[:300] or f"exit status {answer.status}"
