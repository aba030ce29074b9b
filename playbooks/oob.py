"""The way to a machine that says nothing: its management controller, by IPMI (ipmitool) or Redfish (HTTPS).

Three things are asked of it: what the serial console shows, one power cycle, and, before anything that may need it,
whether it lets us in at all. A machine whose boot was tried once comes back on the old kernel by a power cycle. The
password goes by the environment or a header, never in a command line.
"""

import base64
import http.client
import json
import os
import re
import shutil
import ssl
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleet.core.model import Json, Reason
from playbooks.base import Impossible, Refused, Unreachable

_TIMEOUT_S = 20.0
_MOST = 400_000
_LOGIN = (401, 403)
_RESETS = ("PowerCycle", "ForceRestart")


@dataclass(frozen=True)
class Console:
    """A management controller. `credential`: where the password lies, as for a device ("file:/path", "env:NAME")."""

    device: str
    kind: str  # "ipmi" | "redfish" | "serial"
    address: str
    port: int
    username: str
    credential: str


# Kinds that can be asked something; of a serial line nobody knows who listens.
ASKED = ("ipmi", "redfish")


@dataclass(frozen=True)
class Proof:
    """What a controller said after it had let us in. `power`: what it said, in lower case ("on", "off"); "": nothing.

    `offered`: does it offer a console; None: it does not say.
    """

    power: str
    offered: bool | None

    @property
    def words(self) -> str:
        """For people."""
        told = {True: "offers a console", False: "offers no console", None: "does not say whether it offers a console"}
        return f"logged in; power {self.power or 'not said'}; {told[self.offered]}"

    def against(self, console: Console) -> tuple[Reason, ...]:
        """Why it is not proven; empty when it is."""
        reasons = []
        if self.power != "on":
            remedy = "The router answers: this may be the controller of another machine. Look at the inventory."
            reasons.append(
                Reason(f"power of {console.device} by {console.kind}", self.power or "not said", "on", remedy)
            )
        if self.offered is False:
            remedy = "Switch on serial over LAN, or the graphical console, in the controller."
            reasons.append(Reason(f"console of {console.device} by {console.kind}", "switched off", "offered", remedy))
        return tuple(reasons)


def prove(console: Console) -> Proof:
    """Log in, read power, and whether a console is offered; no change. Raises Unreachable, Refused, Impossible."""
    match console.kind:
        case "ipmi":
            return _ipmi_proof(console)
        case "redfish":
            return _redfish_proof(console)
        case _:
            found = f"a {console.kind} console, which cannot be asked"
            raise Impossible(Reason(f"console of {console.device}", found, "IPMI or Redfish"))


def password(console: Console) -> str:
    """The secret behind the reference. Raises Impossible, naming the reference only."""
    kind, _, where = console.credential.partition(":")
    try:
        found = Path(where).read_text().strip() if kind == "file" else os.environ.get(where, "")
    except OSError:
        found = ""
    if kind not in {"file", "env"} or not found:
        found = f"no password at {console.credential}"
        raise Impossible(Reason(f"console of {console.device}", found, "one that is there"))
    return found


def last_lines(console: Console, *, seconds: float = 8.0) -> str:
    """What the serial console shows within so long; "" where this kind cannot be listened to. Never raises."""
    if console.kind != "ipmi":
        return ""
    try:
        environment = {**os.environ, "IPMI_PASSWORD": password(console)}
        _run(_ipmi(console, "sol", "deactivate"), environment, _TIMEOUT_S)  # a session that somebody left open
        out = _run(_ipmi(console, "sol", "activate"), environment, seconds).stdout
    except subprocess.TimeoutExpired as ended:  # it never ends by itself: this is how listening is over
        out = ended.stdout or b""
    except (Impossible, OSError):
        return ""
    return out[-_MOST:].decode(errors="replace")


def power_cycle(console: Console) -> str:
    """Switch it off and on, once; what was done, in words. Raises Unreachable, Refused, Impossible."""
    match console.kind:
        case "ipmi":
            return _ipmi_cycle(console)
        case "redfish":
            return _redfish_cycle(console)
        case _:
            found = f"a {console.kind} console, which switches nothing"
            raise Impossible(Reason(f"power of {console.device}", found, "IPMI or Redfish"))


def _ipmi(console: Console, *words: str) -> list[str]:
    where = ["-H", console.address, "-p", str(console.port), "-U", console.username, "-E"]
    return ["ipmitool", "-I", "lanplus", *where, *words]


def _run(argv: list[str], environment: dict[str, str], timeout_s: float) -> "subprocess.CompletedProcess[bytes]":
    """ipmitool with an argument list; no shell sees what an inventory says."""
    return subprocess.run(  # noqa: S603
        argv, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s, check=False
    )


def _said_by_ipmi(console: Console, *asked: str, wanted: str) -> str:
    """What ipmitool says, in one line. Raises Unreachable, Refused, Impossible."""
    if shutil.which("ipmitool") is None:
        raise Impossible(Reason("ipmitool", "found none", "the program", "apt-get install ipmitool"))
    environment = {**os.environ, "IPMI_PASSWORD": password(console)}
    try:
        said = _run(_ipmi(console, *asked), environment, _TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise Unreachable(Reason(f"console of {console.device}", "no answer", "an answer by IPMI")) from None
    words = " ".join((said.stdout + said.stderr).decode(errors="replace").split())[:200]
    if said.returncode:
        unreachable = re.search(r"Unable to establish|timeout", words, re.IGNORECASE)
        error = Unreachable if unreachable else Refused
        found = words or f"status {said.returncode}"
        # ipmitool says the same of a wrong password and of nobody there.
        remedy = "Look at its address, and at the user and password of its credential." if unreachable else ""
        raise error(Reason(f"console of {console.device}", found, wanted, remedy))
    return words


def _ipmi_cycle(console: Console) -> str:
    return f"power cycle by IPMI: {_said_by_ipmi(console, 'chassis', 'power', 'cycle', wanted='a power cycle by IPMI')}"


def _ipmi_proof(console: Console) -> Proof:
    power = re.search(r"Power is (\w+)", _said_by_ipmi(console, "chassis", "power", "status", wanted="a login by IPMI"))
    try:
        lan = _said_by_ipmi(console, "sol", "info", wanted="whether serial over LAN is on")
    except (Refused, Unreachable):
        lan = ""  # not every user may read it
    enabled = re.search(r"\bEnabled\s*: (true|false)\b", lan)
    return Proof(power[1].lower() if power else "", None if enabled is None else enabled[1] == "true")


def _redfish_proof(console: Console) -> Proof:
    """Power and console of the system, or (before schema ComputerSystem 1.13) the console of its manager."""
    system = _system(console)
    offered = _offered(system)
    if offered is None:
        listed = _inside(system, "Links").get("ManagedBy")
        first = listed[0] if isinstance(listed, list) and listed else None
        path = first.get("@odata.id") if isinstance(first, dict) else None
        offered = _offered(_redfish(console, path)) if isinstance(path, str) else None
    power = system.get("PowerState")
    return Proof(power.lower()[:40] if isinstance(power, str) else "", offered)


def _offered(resource: dict[str, Any]) -> bool | None:
    """Is a console of a system or manager switched on? Serial ones say it for each protocol. None: it does not say."""
    said: list[bool] = []
    for name in ("SerialConsole", "GraphicalConsole"):
        about = resource.get(name)
        parts = [about, *about.values()] if isinstance(about, dict) else []
        enabled = (part.get("ServiceEnabled") for part in parts if isinstance(part, dict))
        said += [value for value in enabled if isinstance(value, bool)]
    return any(said) if said else None


class _Stays(urllib.request.HTTPRedirectHandler):
    """No redirect is followed: the password would go along."""

    def redirect_request(self, *args: Any, **more: Any) -> None:
        return None


def _redfish_cycle(console: Console) -> str:
    system = _system(console)
    action = _inside(_inside(system, "Actions"), "#ComputerSystem.Reset")
    allowed = action.get("ResetType@Redfish.AllowableValues") or list(_RESETS)
    kind = next((reset for reset in _RESETS if isinstance(allowed, list) and reset in allowed), None)
    target = action.get("target")
    if kind is None or not isinstance(target, str):
        raise Impossible(Reason(f"power of {console.device}", f"resets {allowed}"[:200], " or ".join(_RESETS)))
    _redfish(console, target, {"ResetType": kind})
    return f"{kind} by Redfish"


def _system(console: Console) -> dict[str, Any]:
    """The one system behind this service; a chassis of several is refused: the wrong one could be switched off."""
    members = _redfish(console, "/redfish/v1/Systems").get("Members", [])
    if not isinstance(members, list) or len(members) != 1:
        found = f"{len(members)} systems" if isinstance(members, list) else "systems that are no list"
        remedy = "Name the address of its own controller."
        raise Impossible(Reason(f"Redfish of {console.device}", found, "one", remedy))
    path = members[0].get("@odata.id") if isinstance(members[0], dict) else None
    return _redfish(console, path if isinstance(path, str) else "")


def _inside(resource: dict[str, Any], name: str) -> dict[str, Any]:
    """A part of a resource; empty where it is none."""
    part = resource.get(name)
    return part if isinstance(part, dict) else {}


def _redfish(console: Console, path: str, body: Json = None) -> dict[str, Any]:
    """One request; TLS is verified, unless the address is loopback (tests). Raises Unreachable, Refused."""
    if not re.fullmatch(r"/redfish/[A-Za-z0-9._/#@%-]{1,300}", path):
        raise Refused(Reason(f"Redfish of {console.device}", f"a path {path[:60]!r}", "one below /redfish/"))
    host = f"[{console.address}]" if ":" in console.address else console.address
    scheme = "http" if console.address in {"127.0.0.1", "::1"} else "https"
    basic = base64.b64encode(f"{console.username}:{password(console)}".encode()).decode()
    headers = {"Authorization": f"Basic {basic}", "Content-Type": "application/json", "Accept": "application/json"}
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(f"{scheme}://{host}:{console.port}{path}", data, headers)  # noqa: S310
    opener = urllib.request.build_opener(_Stays, urllib.request.HTTPSHandler(context=ssl.create_default_context()))
    try:
        with opener.open(request, timeout=_TIMEOUT_S) as answer:
            text = answer.read(_MOST)
    except urllib.error.HTTPError as error:
        login = "The login is refused: look at the user and password of its credential." if error.code in _LOGIN else ""
        found = f"HTTP {error.code} to {path}"
        raise Refused(Reason(f"Redfish of {console.device}", found, "an answer", login)) from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        found = f"{type(error).__name__}: {error}"[:200]
        raise Unreachable(Reason(f"console of {console.device}", found, "an answer by Redfish")) from None
    try:
        found_json = json.loads(text or b"{}")
    except (ValueError, RecursionError):
        found_json = {}
    return found_json if isinstance(found_json, dict) else {}
