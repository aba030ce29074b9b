"""A real VPP in a network namespace: what Slipway plans is applied, read back, planned empty, and rolled back.

Runs with `make test-vpp SLIPWAY_VPP=/path/of/vpp` (vppctl beside it or on PATH), as root, without huge pages and DPDK:
cards are veth pairs behind af_packet. Seen until now: no VPP could be had where this was written, see docs/vpp.md.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from fleet.core.vpp import Dataplane, Wish, from_kernel
from playbooks.base import Answer, Device, Session
from playbooks.vpp import change, look, parse, present, render, vppcfg_tool
from tests import needs

BINARY = os.environ.get("SLIPWAY_VPP", "")
NETNS = "slipway-vpp-test"
STARTUP = """\
unix {{ nodaemon cli-listen /run/vpp/cli.sock runtime-dir {folder} log {folder}/vpp.log }}
socksvr {{ socket-name {folder}/api.sock }}
cpu {{ main-core 0 }}
buffers {{ buffers-per-numa 4096 page-size 4K }}
memory {{ main-heap-size 256M main-heap-page-size 4k }}
plugins {{ plugin dpdk_plugin.so {{ disable }} plugin linux_cp_plugin.so {{ enable }} }}
"""


def missing() -> str | None:
    if not BINARY or not Path(BINARY).is_file():
        return f"SLIPWAY_VPP: found {BINARY or 'nothing'}, wanted the path of a vpp binary (fd.io's packages have one)"
    if shutil.which("vppctl") is None and not (Path(BINARY).parent / "vppctl").is_file():
        return f"vppctl: found none beside {BINARY}, wanted the program"
    return "/run/vpp/cli.sock: found another VPP, wanted none" if Path(render.SOCKET).exists() else None


class Local(Session):
    """This machine as a device: commands run as they are."""

    device = Device("here", "", 0, "root", "", "", "none")

    def run(self, argv: list[str], *, stdin: str = "", timeout_s: float = 30.0, root: bool = False) -> Answer:
        path = f"{Path(BINARY).parent}:{os.environ['PATH']}"
        done = subprocess.run(
            argv, input=stdin, capture_output=True, text=True, timeout=timeout_s, env={**os.environ, "PATH": path},
            check=False,
        )  # fmt: skip
        return Answer(done.returncode, done.stdout, done.stderr)

    def batch(
        self, commands: Mapping[str, list[str]], *, per_interface: Mapping[str, list[str]] | None = None,
        timeout_s: float = 30.0, root: bool = False,
    ) -> dict[str, Answer]:  # fmt: skip
        return {name: self.run(argv) for name, argv in commands.items()}


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


@pytest.fixture
def vpp(tmp_path: Path) -> Iterator[Session]:
    needs.need(needs.root())
    needs.need(missing())
    Path("/run/vpp").mkdir(exist_ok=True)
    (tmp_path / "startup.conf").write_text(STARTUP.format(folder=tmp_path))
    subprocess.run(["ip", "netns", "delete", NETNS], check=False, capture_output=True)
    ip("netns", "add", NETNS)
    for n in (1, 2):
        ip("-n", NETNS, "link", "add", f"sw{n}", "type", "veth", "peer", "name", f"far{n}")
        for name in (f"sw{n}", f"far{n}"):
            ip("-n", NETNS, "link", "set", name, "up")
    command = ["ip", "netns", "exec", NETNS, BINARY, "-c", str(tmp_path / "startup.conf")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    session = Local()
    try:
        until = time.monotonic() + 30
        while time.monotonic() < until and parse.version(session.run(look.ctl("show version")).out) is None:
            time.sleep(0.5)
        print("VPP", parse.version(session.run(look.ctl("show version")).out))
        yield session
    finally:
        process.terminate()
        process.wait(20)
        subprocess.run(["ip", "netns", "delete", NETNS], check=False)
        Path(render.SOCKET).unlink(missing_ok=True)


def config() -> tuple[Any, Any]:
    """What the kernel would have: one card with a VLAN, one plain; without names in Linux, which need vhost_net."""
    card = {"kind": "", "nic": {"bus": "", "driver": "veth"}, "mtu": 1500}
    facts = {
        "interfaces": {
            "sw1": {**card, "mac": "02:00:00:00:00:11", "addresses": ["192.0.2.1/24", "2001:DB8:C::1/64"]},
            "sw2": {**card, "mac": "02:00:00:00:00:12", "addresses": []},
            "sw2.5": {
                "kind": "vlan",
                "mtu": 1500,
                "addresses": ["2001:DB8:5::1/64"],
                "vlan": {"parent": "sw2", "id": 5},
            },
        },
        "loopback": ["203.0.113.1/32"],
    }
    intent = from_kernel(facts, Wish(Dataplane.AF_PACKET))
    assert intent.wrong == ()
    return _without_lcp(intent.config), intent


def _without_lcp(value: Any) -> Any:
    return {k: _without_lcp(v) for k, v in value.items() if k != "lcp"} if isinstance(value, dict) else value


def test_applied_verified_and_rolled_back(vpp: Session) -> None:
    wanted, intent = config()
    for phy in intent.phys:
        change.send(vpp, [f"create host-interface name {phy.linux}"], approved=None, device="here")
    commands = [str(line) for line in vppcfg_tool.commands(wanted, present.fresh(intent.phys))]
    change.send(vpp, commands, approved=commands, device="here")
    held = parse.addresses(vpp.run(look.ctl("show interface address")).out)
    assert held is not None and held["host-sw1"] == ["192.0.2.1/24", "2001:db8:c::1/64"]
    assert held["host-sw2.5"] == ["2001:db8:5::1/64"] and held["loop0"] == ["203.0.113.1/32"]
    seen = look.look(vpp)
    assert seen.seconds is not None and parse.errors(seen.answers["errors"]) is not None
    assert parse.fib_total(seen.answers["fib4"]), "a table that can be counted"
    for wrong in ("set interface state nope up", "set interface ip address host-sw1 300.1.1.1/24"):
        answer = vpp.run(look.ctl(wrong))
        assert answer.ok and parse.complaint(answer.out), "vppctl exits 0, and says what is wrong"
    bare = {"interfaces": {phy.vpp: {"device-type": "af-packet", "mtu": 1500} for phy in intent.phys}}
    back = [str(line) for line in vppcfg_tool.commands(bare, present.in_force(wanted))]
    change.send(vpp, back, approved=None, device="here")
    left = parse.addresses(vpp.run(look.ctl("show interface address")).out)
    assert left is not None and not any(left.values()) and "loop0" not in left and "host-sw2.5" not in left
