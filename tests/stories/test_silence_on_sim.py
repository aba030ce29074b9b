"""A kernel that stands still (no SSH, no panic, no watch) on simulated routers: its controller cycles its power, and so
ends the boot that happens once; where none is on record the router stays drained, with words that say what to do."""

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from fleet.changes.models import Event, StepRun
from fleet.changes.silent import EVENT
from inventory.models import Console, Credential, Router
from lab.sim import SimFleet, oracle
from lab.sim.grub import package_text
from tests import needs
from tests.stories.stage import Stage, judge, targets, wait_ended

OLD, NEW, VERSION = "6.1.0-55-amd64", "6.1.0-56-amd64", "6.1.192-2"
SOURCE = f"https://packages.example.net/linux-image-{NEW}_{VERSION}_amd64.deb"
INPUTS: dict[str, Any] = {
    "release": NEW, "version": VERSION, "source": SOURCE, "confirm": "60s", "within": "12s",
    "sha256": hashlib.sha256(package_text(SOURCE).encode()).hexdigest(), "settle": "0s", "gate": "0s", "soak": "1s",
    "every": "500ms",
}  # fmt: skip

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]


class Controller(ThreadingHTTPServer):
    """The Redfish service of one router."""

    def __init__(self, fleet: SimFleet, router: str) -> None:
        super().__init__(("127.0.0.1", 0), Service)
        self.fleet, self.router = fleet, router


class Service(BaseHTTPRequestHandler):
    server: Controller

    def _answer(self, body: Any) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def do_GET(self) -> None:
        if self.path == "/redfish/v1/Systems":
            return self._answer({"Members": [{"@odata.id": "/redfish/v1/Systems/1"}]})
        reset = {"target": "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset"}
        return self._answer({"Actions": {"#ComputerSystem.Reset": reset}})

    def do_POST(self) -> None:
        assert json.loads(self.rfile.read(int(self.headers["Content-Length"]))) == {"ResetType": "PowerCycle"}
        self.server.fleet.cycle(self.server.router)
        self._answer({})

    def log_message(self, *args: Any) -> None:
        """Nothing on the terminal."""


@pytest.fixture
def controller(fleet: SimFleet) -> Iterator[Controller]:
    with Controller(fleet, "bly") as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


def test_its_controller_ends_it_and_without_one_it_is_stuck(
    inline: None, stage: Stage, fleet: SimFleet, controller: Controller
) -> None:
    needs.need(needs.minutes())
    login = Credential.objects.create(name="bmc", username="admin", reference=f"file:{fleet.folder}/key/password")
    Console.objects.create(
        router=Router.objects.get(name="bly"), kind="redfish", address="127.0.0.1", port=controller.server_port,
        credential=login,
    )  # fmt: skip
    for name in ("bly", "lang"):
        fleet.inject(name, "new_kernel_stands_still")
    first = stage.start("kernel", INPUTS, ["bly"])
    wait_ended(first, within_s=300)
    found = targets(first)["bly"]
    assert (found.state, first.state) == ("rolled_back", "rolled_back"), found.reasons
    step = StepRun.objects.get(target=found, verb="kernel", back=False)
    assert "did not come up" in str(step.reasons) and step.data["power"] == "PowerCycle by Redfish"
    assert Event.objects.filter(step=step, kind=EVENT).count() == 1, "once, and written down before"
    assert fleet.state("bly")["kernel"] == OLD and not any(fleet.state("bly")["drained"].values())

    second = stage.start("kernel", INPUTS, ["lang"])
    wait_ended(second, within_s=300)
    left = targets(second)["lang"]
    assert left.state == "stuck", left.reasons
    said = str(StepRun.objects.get(target=left, verb="kernel", back=False).reasons)
    assert "none on record" in said and "Enter its management controller in the inventory, or go there" in said
    assert all(fleet.state("lang")["drained"].values()) or not fleet.state("lang")["reachable"]
    judge(fleet)
    assert oracle.reboots(fleet.journal())["bly"] == 1
