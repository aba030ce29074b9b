"""The way to a machine that says nothing: a Redfish service and an ipmitool of our own, well and badly behaved."""

import base64
import json
import os
import stat
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from playbooks import oob
from playbooks.base import DeviceError, Impossible, Refused, Unreachable
from playbooks.oob import Console, Proof

SYSTEM = {
    "PowerState": "On",
    "Links": {"ManagedBy": [{"@odata.id": "/redfish/v1/Managers/1"}]},
    "Actions": {
        "#ComputerSystem.Reset": {
            "target": "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset",
            "ResetType@Redfish.AllowableValues": ["On", "ForceOff", "ForceRestart"],
        }
    },
}


class Controller(ThreadingHTTPServer):
    """`answers`: path > (status, body); what was posted is kept."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, tuple[int, Any]] = {
            "/redfish/v1/Systems": (200, {"Members": [{"@odata.id": "/redfish/v1/Systems/1"}]}),
            "/redfish/v1/Systems/1": (200, SYSTEM),
            "/redfish/v1/Managers/1": (200, {"GraphicalConsole": {"ServiceEnabled": True, "MaxConcurrentSessions": 6}}),
            "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset": (204, None),
        }
        self.posted: list[tuple[str, Any]] = []
        self.logins: set[str] = set()


class Handler(BaseHTTPRequestHandler):
    server: Controller

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted.append((self.path, json.loads(body)))
        self._answer()

    def _answer(self) -> None:
        self.server.logins.add(base64.b64decode(self.headers["Authorization"].split()[1]).decode())
        status, body = self.server.answers.get(self.path, (404, None))
        if status == 0:
            self.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")
            return
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "http://127.0.0.1:1/redfish/v1/elsewhere")
        self.end_headers()
        if body is not None:
            self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

    def log_message(self, *args: Any) -> None:
        """Nothing on the test's output."""


@pytest.fixture
def controller() -> Iterator[Controller]:
    server = Controller()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def secret(tmp_path: Path) -> str:
    (tmp_path / "password").write_text("hunter2\n")
    return f"file:{tmp_path}/password"


def redfish(controller: Controller, secret: str) -> Console:
    return Console("bly", "redfish", "127.0.0.1", controller.server_address[1], "ops", secret)


def test_redfish_resets_the_one_system_by_what_it_allows(controller: Controller, secret: str) -> None:
    assert oob.power_cycle(redfish(controller, secret)) == "ForceRestart by Redfish"
    path = "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset"
    assert controller.posted == [(path, {"ResetType": "ForceRestart"})]
    assert controller.logins == {"ops:hunter2"}


def reset(action: Any) -> dict[str, Any]:
    return {"Actions": {"#ComputerSystem.Reset": action}}


def allowing(values: Any) -> dict[str, Any]:
    return reset({"target": "/redfish/v1/Systems/1/Actions/x", "ResetType@Redfish.AllowableValues": values})


@pytest.mark.parametrize(
    ("path", "answer", "error", "words"),
    [
        (
            "/redfish/v1/Systems",
            (200, {"Members": [{"@odata.id": "/a"}, {"@odata.id": "/b"}]}),
            Impossible,
            "2 systems",
        ),
        ("/redfish/v1/Systems", (401, None), Refused, "HTTP 401"),
        ("/redfish/v1/Systems", (0, None), Unreachable, "BadStatusLine: SSH"),
        ("/redfish/v1/Systems", (302, None), Refused, "HTTP 302"),
        ("/redfish/v1/Systems", (200, b"<html>"), Impossible, "0 systems"),
        ("/redfish/v1/Systems/1", (200, {}), Impossible, "resets"),
        ("/redfish/v1/Systems", (200, {"Members": [{"@odata.id": "http://x/"}]}), Refused, "a path"),
        ("/redfish/v1/Systems", (200, {"Members": None}), Impossible, "no list"),
        ("/redfish/v1/Systems", (200, {"Members": 1}), Impossible, "no list"),
        ("/redfish/v1/Systems", (200, {"Members": {"@odata.id": "/a"}}), Impossible, "no list"),
        ("/redfish/v1/Systems", (200, {"Members": ["/redfish/v1/Systems/1"]}), Refused, "a path ''"),
        ("/redfish/v1/Systems", (200, {"Members": [{"@odata.id": ["/redfish/v1/Systems/1"]}]}), Refused, "a path ''"),
        ("/redfish/v1/Systems/1", (200, ["PowerCycle"]), Impossible, "resets"),
        ("/redfish/v1/Systems/1", (200, b"[" * 100_000), Impossible, "resets"),
        ("/redfish/v1/Systems/1", (200, b"9" * 10_000), Impossible, "resets"),
        ("/redfish/v1/Systems/1", (200, {"Actions": ["#ComputerSystem.Reset"]}), Impossible, "resets"),
        ("/redfish/v1/Systems/1", (200, reset("PowerCycle")), Impossible, "resets"),
        ("/redfish/v1/Systems/1", (200, reset({"target": ["/redfish/v1/x"]})), Impossible, "resets"),
        ("/redfish/v1/Systems/1", (200, allowing(7)), Impossible, "resets 7"),
        ("/redfish/v1/Systems/1", (200, allowing("PowerCycle")), Impossible, "resets PowerCycle"),
        ("/redfish/v1/Systems/1", (200, allowing([{}, None, "On"])), Impossible, "resets"),
    ],
)
def test_a_controller_that_misbehaves_switches_nothing(
    controller: Controller, secret: str, path: str, answer: Any, error: type[DeviceError], words: str
) -> None:
    controller.answers[path] = answer
    with pytest.raises(error, match=words):
        oob.power_cycle(redfish(controller, secret))
    assert not controller.posted


def test_nobody_there_is_unreachable_and_no_password_is_said_without_it(secret: str) -> None:
    with pytest.raises(Unreachable):
        oob.power_cycle(Console("bly", "redfish", "127.0.0.1", 1, "ops", secret))
    with pytest.raises(Impossible, match="no password at file:/nowhere"):
        oob.power_cycle(Console("bly", "redfish", "127.0.0.1", 1, "ops", "file:/nowhere"))
    with pytest.raises(Impossible, match="switches nothing"):
        oob.power_cycle(Console("bly", "serial", "127.0.0.1", 1, "ops", secret))


def serial(*, ssh: bool, ipmi: bool) -> dict[str, Any]:
    """The console of a system as ComputerSystem has it from 1.13 on."""
    return {"SerialConsole": {"SSH": {"ServiceEnabled": ssh}, "IPMI": {"ServiceEnabled": ipmi}}}


@pytest.mark.parametrize(
    ("system", "manager", "wanted"),
    [
        ({}, None, Proof("on", True)),
        (serial(ssh=False, ipmi=True), None, Proof("on", True)),
        (serial(ssh=False, ipmi=False), None, Proof("on", False)),
        ({}, {"GraphicalConsole": {"ServiceEnabled": False}}, Proof("on", False)),
        ({}, {"SerialConsole": {"ConnectTypesSupported": ["SSH"]}}, Proof("on", None)),
        ({"Links": {"ManagedBy": "?"}}, None, Proof("on", None)),
        ({"PowerState": "Off"}, None, Proof("off", True)),
        ({"PowerState": None}, None, Proof("", True)),
    ],
)
def test_redfish_tells_power_and_whether_a_console_is_offered(
    controller: Controller, secret: str, system: dict[str, Any], manager: Any, wanted: Proof
) -> None:
    controller.answers["/redfish/v1/Systems/1"] = (200, {**SYSTEM, **system})
    if manager is not None:
        controller.answers["/redfish/v1/Managers/1"] = (200, manager)
    console = redfish(controller, secret)
    proof = oob.prove(console)
    assert proof == wanted and not controller.posted, "it only looks"
    assert bool(proof.against(console)) is (wanted.power != "on" or wanted.offered is False)
    if wanted.power == "off":
        assert "another machine" in str(proof.against(console)[0])


@pytest.mark.parametrize("status", [401, 403, 503])
def test_a_login_that_is_refused_is_said(controller: Controller, secret: str, status: int) -> None:
    controller.answers["/redfish/v1/Systems"] = (status, None)
    with pytest.raises(Refused, match=f"HTTP {status}") as refused:
        oob.prove(redfish(controller, secret))
    assert ("login is refused" in str(refused.value)) is (status != 503)


IPMITOOL = """\
#!/bin/sh
echo "$@" >> {log}
[ "$IPMI_PASSWORD" = hunter2 ] || {{ echo "Error: Unable to establish IPMI v2 / RMCP+ session"; exit 1; }}
case "$*" in
*"sol activate"*) echo "[SOL Session operational.]"; echo "Kernel panic - not syncing: Fatal exception"; sleep 30;;
*"power status"*) echo "Chassis Power is $(cat {log}.power)";;
*"sol info"*) cat {log}.sol;;
*"power cycle"*) echo "Chassis Power Control: Cycle";;
esac
"""


@pytest.fixture
def ipmitool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ipmitool of our own; what it was called with is in the file that is returned."""
    log, program = tmp_path / "called", tmp_path / "bin" / "ipmitool"
    program.parent.mkdir()
    program.write_text(IPMITOOL.format(log=log))
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return log


def test_ipmi_reads_the_console_and_switches_the_power_and_tells_no_password(ipmitool: Path, secret: str) -> None:
    console = Console("bly", "ipmi", "192.0.2.9", 623, "ops", secret)
    assert "Kernel panic" in oob.last_lines(console, seconds=1.0)
    assert oob.power_cycle(console) == "power cycle by IPMI: Chassis Power Control: Cycle"
    called = ipmitool.read_text()
    assert "-H 192.0.2.9 -p 623 -U ops -E chassis power cycle" in called and "hunter2" not in called
    with pytest.raises(Unreachable):
        (Path(secret.removeprefix("file:"))).write_text("wrong")
        oob.power_cycle(console)


SOL = """\
Set in progress                 : set-complete
Enabled                         : {}
Force Encryption                : true
Privilege Level                 : ADMINISTRATOR
"""


@pytest.mark.parametrize(
    ("power", "sol", "wanted"),
    [
        ("on", SOL.format("true"), Proof("on", True)),
        ("on", SOL.format("false"), Proof("on", False)),
        ("off", "Error requesting SOL parameter 'Set In Progress (0)'", Proof("off", None)),
    ],
)
def test_ipmi_tells_power_and_whether_serial_over_lan_is_on(
    ipmitool: Path, secret: str, power: str, sol: str, wanted: Proof
) -> None:
    Path(f"{ipmitool}.power").write_text(power)
    Path(f"{ipmitool}.sol").write_text(sol)
    assert oob.prove(Console("bly", "ipmi", "192.0.2.9", 623, "ops", secret)) == wanted
    assert "cycle" not in ipmitool.read_text() and "hunter2" not in ipmitool.read_text()
    Path(secret.removeprefix("file:")).write_text("wrong")
    with pytest.raises(Unreachable, match="user and password of its credential"):
        oob.prove(Console("bly", "ipmi", "192.0.2.9", 623, "ops", secret))
