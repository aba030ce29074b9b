"""What the launch does to the kernel's interfaces, and the way back: in which order."""

from playbooks.vpp import render
from playbooks.vpp.params import VppParams
from playbooks.vpp.render import Link

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
