"""What the launch does to the kernel's interfaces, and the way back: in which order."""

import os
import subprocess
from pathlib import Path

import pytest

from playbooks.device_templates import render as rendered
from playbooks.vpp import render
from playbooks.vpp.params import VppParams
from playbooks.vpp.render import Link
from tests.playbooks import boot_order

MAC = "02:00:00:00:00:01"
LINKS = [
    Link("inner", MAC, 1500, True, ("192.0.2.1/24",), {"kind": "vlan", "parent": "bond0.9", "id": 7, "protocol": ""}),
    Link("bond0.9", MAC, 1500, True, (), {"kind": "vlan", "parent": "bond0", "id": 9, "protocol": "802.1Q"}),
    Link("bond0", MAC, 9000, True, (), {"kind": "bond", "mode": "802.3ad", "policy": "layer3+4"}),
    Link("xe0", MAC, 9000, True, (), {"master": "bond0"}),
    Link("xe1", MAC, 9000, True, (), {"master": "bond0"}),
    Link("eth0", MAC, 1500, True, ("10.0.0.1/24",), {}),
]  # fmt: skip
PARAMS = VppParams(keep="eth0")  # type: ignore[arg-type]


def test_what_lies_on_something_goes_first_and_comes_last() -> None:
    made = render.launching(PARAMS, {"commands": []}, LINKS, suite="frr", vrrp=True)
    assert [c[-1] for c in made if c[:3] == ["ip", "link", "delete"]] == ["inner", "bond0.9", "bond0"]
    assert made.index(["systemctl", "stop", "frr"]) < made.index(["systemctl", "start", "vpp"]) < len(made) - 1
    assert not [c for c in made if "eth0" in c], "management is left alone"
    keeps = {"vrrp": True, "routes": [["-4", "route", "replace", "192.0.2.0/24"]], "file": "/a", "conf": "/b"}
    back = render.way_back(PARAMS, [], LINKS, suite="frr", keeps=keeps)
    added = [c for c in back if c[:3] == ["ip", "link", "add"]]
    assert [c[4] if c[3] == "name" else c[6] for c in added] == ["bond0", "bond0.9", "inner"]
    assert added[0][-4:] == ["mode", "802.3ad", "xmit_hash_policy", "layer3+4"]
    assert ["ip", "link", "set", "dev", "xe0", "master", "bond0"] in back
    assert back[-2:] == [["systemctl", "start", "frr"], ["systemctl", "start", "keepalived"]]
    assert back.index(["ip", "-4", "route", "replace", "192.0.2.0/24"]) > back.index(added[-1])


def test_static_routes_go_along_with_what_they_leave_by() -> None:
    routes = [["-4", "route", "replace", "default", "via", "192.0.2.9", "dev", "inner"],
              ["-4", "route", "replace", "10.0.0.0/8", "dev", "eth0"]]  # fmt: skip
    made = render.launching(PARAMS, {"commands": []}, LINKS, suite="frr", vrrp=False, routes=routes)
    assert [c for c in made if "route" in c] == [["ip", "netns", "exec", "dataplane", "ip", *routes[0]]]


def test_a_loop_of_parents_ends() -> None:
    odd = [Link(a, MAC, 1500, True, (), {"kind": "vlan", "parent": b, "id": 1}) for a, b in (("a", "b"), ("b", "a"))]
    assert render.launching(PARAMS, {"commands": []}, odd, suite="frr", vrrp=False)


@pytest.mark.parametrize("suite", ["frr", "bird"])
def test_at_a_boot_no_circle_leaves_vpp_or_the_daemon_out(suite: str) -> None:
    rendered = {"yaml": "", "startup": "", "creating": (), "pages": 0}
    made = {Path(path): text for path, text in render.files(PARAMS, rendered, suite).items()}
    units = {path.name: text for path, text in made.items() if path.suffix == ".service"}
    dropins = {path.parent.name.removesuffix(".d"): t for path, t in made.items() if path.suffix == ".conf"}
    turn = boot_order.turn(boot_order.DEBIAN, boot_order.VPP, units, dropins)  # raises CycleError
    for name in ("vpp.service", f"{suite}.service", "keepalived.service", "slipway-ssh.service"):
        assert turn.index(render.NETNS_UNIT) < turn.index(name)


VPPCTL = """\
#!/bin/sh
case "$*" in *nope*) echo "set interface state: unknown interface \\`nope up'";; *loopback*) printf 'loop0\\r\\n';; esac
exit 0
"""


@pytest.mark.parametrize(
    ("wanted", "command", "status"),
    [
        ("-", "set interface state eth1 up", 0),
        ("loop0", "create loopback interface instance 0", 0),
        ("-", "set interface state nope up", 1),
        ("loop0", "set interface state eth1 up", 1),
    ],
)
def test_on_the_device_a_commands_success_is_what_vpp_says(
    tmp_path: Path, wanted: str, command: str, status: int
) -> None:
    (tmp_path / "vppctl").write_text(VPPCTL)
    (tmp_path / "vppctl").chmod(0o755)
    (tmp_path / "vpp-run").write_text(rendered("vpp/run.sh.j2", {}))
    done = subprocess.run(
        ["/bin/sh", str(tmp_path / "vpp-run"), wanted, *command.split()], capture_output=True, text=True, check=False,
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )  # fmt: skip
    assert done.returncode == status, done.stdout
    assert ("wanted" in done.stdout) == bool(status)


def test_one_value_goes_into_one_file_of_sysfs(tmp_path: Path) -> None:
    (tmp_path / "write").write_text(render.WRITE)
    for value, text in (("0000:01:00.0", "0000:01:00.0\n"), ("-", "\n")):
        subprocess.run(["/bin/sh", str(tmp_path / "write"), value, str(tmp_path / "file")], check=True)
        assert (tmp_path / "file").read_text() == text
