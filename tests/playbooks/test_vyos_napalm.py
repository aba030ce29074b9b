"""The NAPALM driver of VyOS: found by its name; configuration on a simulated VyOS; getters over what is documented."""

import inspect
from pathlib import Path
from typing import Any

import napalm
import pytest
from hypothesis import given
from hypothesis import strategies as st
from napalm.base import models
from napalm.base.exceptions import (
    CommandErrorException,
    CommitConfirmException,
    CommitError,
    ConnectionException,
    MergeConfigException,
    ReplaceConfigException,
)
from napalm.base.test import helpers

from custom_napalm import vyos, vyos_texts
from custom_napalm.vyos import VyOSDriver
from lab.sim import vyos as sim
from lab.sim import vyos_config
from tests.playbooks.scripted import Scripted
from tests.playbooks.simlab import SimLab
from tests.playbooks.simsession import SimSession, device

SAID = Path(__file__).parent / "recordings" / "vyos-documented"


def said(name: str) -> str:
    return (SAID / name).read_text()


@pytest.fixture
def lab() -> SimLab:
    made = SimLab(boot_s=20.0)
    sim.make(made.machines["bly"].router, "1.4.0")
    return made


@pytest.fixture
def driver(lab: SimLab) -> VyOSDriver:
    return VyOSDriver.over(SimSession(device(lab, "bly"), lab))


def runs(lab: SimLab) -> str:
    return lab.ok("bly", f"{vyos.OP} show configuration")


def test_napalm_finds_it_by_its_name() -> None:
    assert napalm.get_network_driver("vyos") is VyOSDriver
    assert napalm.get_network_driver("VyOS") is VyOSDriver


def test_no_connection_without_a_known_host_key() -> None:
    made = napalm.get_network_driver("vyos")("127.0.0.1", "vyos", "vyos", 2, {"port": 1})
    with pytest.raises(ConnectionException, match="refused"):
        made.open()
    assert made.is_alive() == {"is_alive": False}
    with pytest.raises(ConnectionException, match="not open"):
        made.get_facts()


def test_a_merge_is_compared_committed_saved_and_rolled_back(lab: SimLab, driver: VyOSDriver) -> None:
    driver.load_merge_candidate(config="set system host-name 'bly; reboot'\nset service ssh port 22\n")
    assert runs(lab) == "", "nothing is sent before it is compared"
    assert driver.compare_config() == (
        "+service {\n+    ssh {\n+        port {\n+            22\n+        }\n+    }\n+}\n"
        '+system {\n+    host-name {\n+        "bly; reboot"\n+    }\n+}\n'
    )
    assert runs(lab) == "", "comparing changes nothing"
    driver.commit_config(message="it's | quoted")
    assert "bly; reboot" in runs(lab) and lab.ok("bly", f"cat {vyos.BOOT_CONFIG}") == runs(lab)
    assert driver.compare_config() == ""
    before = runs(lab)
    driver.load_merge_candidate(config="delete service ssh\n")
    assert driver.compare_config().startswith(" service {\n-    ssh {")
    driver.commit_config()
    assert "ssh" not in runs(lab)
    driver.rollback()
    assert runs(lab) == before == lab.ok("bly", f"cat {vyos.BOOT_CONFIG}")
    assert lab.state("bly")["boots"] == 1 and not [c for c in lab.journal if c.get("unknown")]


def test_a_replacement_takes_away_what_it_does_not_name(lab: SimLab, driver: VyOSDriver) -> None:
    driver.load_merge_candidate(config="set service ssh port 22\n")
    driver.commit_config()
    driver.load_replace_candidate(config="system {\n    host-name {\n        bly\n    }\n}\n")
    changed = driver.compare_config()
    assert "-service {" in changed and "+system {" in changed
    driver.discard_config()
    assert driver.compare_config() == ""
    driver.load_replace_candidate(config="system {\n    host-name {\n        bly\n    }\n}\n")
    driver.commit_config()
    assert runs(lab) == "system {\n    host-name {\n        bly\n    }\n}\n"


def test_a_candidate_that_is_refused_in_part_is_committed_in_no_part(lab: SimLab, driver: VyOSDriver) -> None:
    driver.load_merge_candidate(config="set service ssh port 22\nset nonsense 1\n")
    for act in (driver.compare_config, driver.commit_config):
        with pytest.raises(MergeConfigException, match="is not valid"):
            act()
    assert runs(lab) == ""
    driver.load_replace_candidate(config="system {\n")
    with pytest.raises(ReplaceConfigException, match="load failed"):
        driver.compare_config()
    lab.inject("bly", "tool_fails", match="commit")
    driver.load_merge_candidate(config="set service ssh port 22\n")
    with pytest.raises(CommitError, match="Commit failed"):
        driver.commit_config()
    assert runs(lab) == ""


@pytest.mark.parametrize("line", ["reboot", "set", "run reset", "set 'never closed"])
def test_only_configuration_commands_are_a_candidate(line: str, driver: VyOSDriver) -> None:
    with pytest.raises(MergeConfigException):
        driver.load_merge_candidate(config=line)


def test_a_commit_that_nobody_confirms_is_gone_with_a_reboot(lab: SimLab, driver: VyOSDriver) -> None:
    driver.load_merge_candidate(config="set service ssh port 22\n")
    driver.commit_config(revert_in=90)
    assert driver.has_pending_commit() and "ssh" in runs(lab)
    driver.load_merge_candidate(config="set service lldp\n")
    with pytest.raises(CommitConfirmException, match="waits"):
        driver.commit_config(revert_in=60)
    lab.wait(118)
    assert "ssh" in runs(lab), "90 s are two minutes of VyOS"
    lab.wait(60)
    assert runs(lab) == "" and lab.state("bly")["boots"] == 2
    with pytest.raises(CommitConfirmException, match="went back"):
        driver.confirm_commit()


def test_a_commit_that_is_confirmed_stays_over_a_boot(lab: SimLab, driver: VyOSDriver) -> None:
    driver.load_merge_candidate(config="set service ssh port 22\n")
    driver.commit_config(revert_in=60)
    assert "ssh" not in lab.run("bly", f"cat {vyos.BOOT_CONFIG}")[1], "not saved before it is confirmed"
    driver.confirm_commit()
    assert not driver.has_pending_commit() and "ssh" in lab.ok("bly", f"cat {vyos.BOOT_CONFIG}")
    lab.wait(300)
    assert lab.state("bly")["boots"] == 1


def test_images_and_operational_commands(lab: SimLab, driver: VyOSDriver) -> None:
    images = driver.get_images()
    assert images == vyos_texts.Images(("1.4.0",), "1.4.0", "1.4.0")
    driver.set_default_image("1.4.0")
    with pytest.raises(CommandErrorException, match="cannot be found"):
        driver.set_default_image("1.5.0")
    assert "VyOS 1.4.0" in driver.cli(["show version"])["show version"]
    with pytest.raises(CommandErrorException, match="Invalid command"):
        driver.cli(["show nothing"])


class Recorded(Scripted):
    """Also answers what is asked once for each interface."""

    def batch(self, commands: Any, *, per_interface: Any = None, timeout_s: float = 30.0, root: bool = False) -> Any:
        made = super().batch(commands)
        for name, argv in (per_interface or {}).items():
            made |= {f"{name}:{n}": self._answer([*argv, n]) for n in ("eth0", "eth1")}
        return made


def recorded(version: str) -> VyOSDriver:
    return VyOSDriver.over(
        Recorded(
            answers={
                f"{vyos.OP} show version": said(f"show_version_{version}.txt"),
                "hostname": "bly\n", "hostname -f": "bly.example.net\n", "cat /proc/uptime": "93784.12 3000.1\n",
                "ip -j link show": said("ip_link.json"), "ip -j -d link show": said("ip_link.json"),
                "ethtool eth0": said("ethtool_eth0.txt"), "ip -j address show": said("ip_address.json"),
                "vtysh -c show bgp summary json": said("bgp_summary.json"),
                f"{vyos.OP} show configuration": CONFIGURED, f"cat {vyos.BOOT_CONFIG}": CONFIGURED,
            }
        )
    )  # fmt: skip


CONFIGURED = (
    "service {\n    snmp {\n        community public1 {\n            authorization ro\n        }\n    }\n}\n"
    "system {\n    login {\n        user vyos {\n            authentication {\n"
    '                encrypted-password "$6$x$y"\n                plaintext-password ""\n'
    "            }\n        }\n    }\n}\n"
)


def test_getters_have_napalms_shape() -> None:
    made = recorded("1.5")
    facts = made.get_facts()
    assert helpers.test_model(models.FactsDict, facts)
    assert (facts["os_version"], facts["serial_number"], facts["uptime"]) == ("1.5-rolling-202405060019", "", 93784.12)
    assert facts["interface_list"] == ["eth0", "eth1"]
    assert recorded("1.3").get_facts()["model"] == "VMware Virtual Platform"
    links = made.get_interfaces()
    assert all(helpers.test_model(models.InterfaceDict, link) for link in links.values())
    assert (links["eth0"]["speed"], links["eth0"]["description"], links["eth1"]["is_enabled"]) == (
        10000,
        "to bly",
        False,
    )
    assert made.get_interfaces_ip()["eth0"] == {
        "ipv4": {"192.0.2.1": {"prefix_length": 24}}, "ipv6": {"2001:db8::1": {"prefix_length": 64}},
    }  # fmt: skip
    peers = made.get_bgp_neighbors()["global"]
    assert set(peers["peers"]["198.51.100.2"]) == set(models.BGPStateNeighborDict.__annotations__)
    assert peers["router_id"] == "10.255.0.1" and peers["peers"]["198.51.100.2"]["uptime"] == 93784
    assert peers["peers"]["198.51.100.6"]["is_enabled"] is False and not peers["peers"]["198.51.100.6"]["is_up"]
    assert peers["peers"]["2001:db8:1::2"]["address_family"]["ipv6"]["received_prefixes"] == 201000


def test_signatures_are_napalms() -> None:
    base = napalm.base.base.NetworkDriver
    for name in ("load_merge_candidate", "commit_config", "get_config", "cli", "__init__"):
        ours, theirs = (inspect.signature(getattr(c, name)).parameters for c in (VyOSDriver, base))
        assert list(ours) == list(theirs) or name.startswith("load"), name


def test_a_configuration_can_be_had_without_its_secrets() -> None:
    made = recorded("1.5")
    assert made.get_config()["running"] == CONFIGURED
    kept = made.get_config(retrieve="startup", sanitized=True)
    assert kept["running"] == "" and "$6$" not in kept["startup"] and "public1" not in kept["startup"]
    assert "community [left-out] {" in kept["startup"] and "authorization ro" in kept["startup"]


def test_images_are_read_in_both_forms() -> None:
    new = vyos_texts.images(said("image_info_1.5.json"))
    assert new is not None and (new.running, new.available[1]) == ("1.5-rolling-202405060019", "1.4.0")
    old = vyos_texts.images(said("show_system_image_1.3.txt"))
    assert old is not None and old.default == old.running == "1.3-rolling-201912181733" and len(old.available) == 4
    assert vyos_texts.images("Invalid command: show [system]") is None


def test_a_difference_is_the_marked_lines_below_their_parents() -> None:
    assert vyos_texts.difference(said("show_in_session.txt")).splitlines() == [
        " interfaces {", "     ethernet eth0 {", '+        description "to bly"', ">        mtu 9000",
        " protocols {", "     bgp {", "         neighbor 198.51.100.2 {", "+            shutdown",
        "-        parameters {", "-            graceful-shutdown", "-        }",
    ]  # fmt: skip


@given(st.text(max_size=400))
def test_no_text_of_a_device_makes_it_raise(text: str) -> None:
    for parse in (vyos_texts.images, vyos_texts.version, vyos_texts.difference, vyos_texts.addresses):
        parse(text)
    vyos_texts.links(text, {})
    vyos_texts.neighbors(text, {})
    vyos.without_secrets(text)


@given(st.sets(st.lists(st.sampled_from(["a", "b c", "d", "e'f"]), min_size=1, max_size=4).map(tuple), max_size=6))
def test_what_the_simulated_vyos_writes_it_reads(leaves: set[tuple[str, ...]]) -> None:
    paths = {path[:n] for path in leaves for n in range(1, len(path) + 1)}
    assert vyos_config.parsed(vyos_config.text(paths)) == paths
