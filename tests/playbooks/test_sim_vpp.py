"""VPP on a simulated router, typed on its console: its own words, and the hang that forwards on."""

import json
import re
import shlex
from collections.abc import Callable

from lab.sim import SimFleet
from playbooks import wire

STARTUP = "unix { exec /etc/vpp/boot }\ndpdk { dev 0000:3b:00.0 { name eth1 } }\nlinux-cp { default netns dataplane }\n"


def test_it_refuses_in_its_own_words_with_status_0_and_hangs_when_told_to(sim_fleet: Callable[..., SimFleet]) -> None:
    fleet = sim_fleet(routers=6)

    def vppctl(words: str) -> tuple[int, str]:
        return fleet.console("bly", f"sudo -n timeout 1 vppctl -s /run/vpp/cli.sock {words}")

    assert vppctl("show version")[0] == 1, "not running"
    fleet.console("bly", "sudo -n ip link set dev eth1 down")
    wire_form = ["sudo", "-n", *wire.put_argv("/etc/vpp/startup.conf", "0644")]
    fleet.console("bly", shlex.join(wire_form), stdin=STARTUP)
    fleet.console("bly", "sudo -n systemctl start vpp")
    assert fleet.state("bly")["vpp"]["taken"] == ["eth1"] and "24.06" in vppctl("show version")[1]
    assert vppctl("set interface state nope up") == (0, "set interface state: unknown interface `nope up'\n")
    assert vppctl("lcp create eth1 host-if eth1") == (0, "")
    bfd_of_one_peer_stays_down_while_vpp_forwards(fleet)
    fleet.inject("bly", "vpp_hangs")
    fleet.console("bly", "sudo -n vtysh -c 'configure terminal' -c 'interface eth2' -c 'description x' -c end")
    assert vppctl("show version")[0] == 124 and fleet.state("bly")["vpp"]["running"]


def bfd_of_one_peer_stays_down_while_vpp_forwards(fleet: SimFleet) -> None:
    def bfd() -> dict[str, str]:
        peers = json.loads(fleet.console("bly", "sudo -n vtysh -c 'show bfd peers json'")[1])
        return {row["peer"]: row["status"] for row in peers}

    before = bfd()
    peer = next(name for name, status in before.items() if status == "up")
    fleet.inject("bly", "bfd_stays_down", match=f"^{re.escape(peer)}$")
    assert bfd() == {**before, peer: "down"}
    fleet.clear("bly", "bfd_stays_down")
    assert bfd() == before
