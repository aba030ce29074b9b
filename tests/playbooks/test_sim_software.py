"""Drivers, packages and firmware of simulated routers, and what goes wrong with their tools, in a fleet of its own."""

import shlex
from collections.abc import Iterator

import pytest

from lab.sim import SimFleet

QUICK = {"boot_s": 0.6, "halt_s": 0.1, "restart_s": 0.1}
CFG = "BEGIN DEVICE\nDEVICENAME: XL710\nNVM IMAGE: x.bin\nEEPID: 8000B6B9\nEND DEVICE\n"
FLASH = "nvmupdate64e -u -l /tmp/l -o /tmp/x -b -c /tmp/c -m {mac}"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimFleet]:
    with SimFleet.start(tmp_path_factory.mktemp("sim"), timing=QUICK) as fleet:
        yield fleet


@pytest.fixture
def fleet(running: SimFleet) -> Iterator[SimFleet]:
    yield running
    running.clear("bly")
    running.wait_reachable("bly")
    running.set_firmware("bly", "8.00")


def root(fleet: SimFleet, command: str) -> tuple[int, str]:
    return fleet.console("bly", f"sudo -n {command}")


def flash(fleet: SimFleet) -> tuple[int, str]:
    put = shlex.join(["/bin/sh", "-c", _put(), "slipway-put", "/tmp/c", "0644"])
    assert fleet.console("bly", put, stdin=CFG)[0] == 0
    mac = fleet.console("bly", "ethtool -P eth1")[1].split()[-1].replace(":", "")
    return root(fleet, FLASH.format(mac=mac))


def _put() -> str:
    from playbooks.wire import PUT_SCRIPT

    return PUT_SCRIPT


def version(fleet: SimFleet) -> str:
    return fleet.console("bly", "ethtool -i eth1")[1].splitlines()[2].split()[1]


def test_a_flash_takes_effect_with_the_next_boot(fleet: SimFleet) -> None:
    assert flash(fleet)[0] == 0 and version(fleet) == "8.00"
    assert root(fleet, "systemctl reboot")[0] == 0
    fleet.advance(5)
    assert version(fleet) == "8.30"
    assert flash(fleet)[0] == 0 and "Update not available" in fleet.console("bly", "cat /tmp/x")[1]


def test_a_flash_that_fails_writes_nothing(fleet: SimFleet) -> None:
    fleet.inject("bly", "flash_fails")
    assert flash(fleet)[0] == 2
    assert 'result="Fail"' in fleet.console("bly", "cat /tmp/x")[1]


def test_a_flash_that_lies_says_success_and_the_old_version_runs(fleet: SimFleet) -> None:
    fleet.inject("bly", "flash_lies")
    assert flash(fleet)[0] == 0 and "Update successful" in fleet.console("bly", "cat /tmp/x")[1]
    root(fleet, "systemctl reboot")
    fleet.advance(5)
    assert version(fleet) == "8.00"


def test_power_lost_in_a_flash_leaves_the_card_in_recovery_mode(fleet: SimFleet) -> None:
    boots = fleet.state("bly")["boots"]
    fleet.inject("bly", "flash_power_lost")
    flash(fleet)
    fleet.advance(5)
    assert fleet.state("bly")["boots"] == boots + 1 and version(fleet) == "0.00"


def test_tools_fail_where_they_are_told_to(fleet: SimFleet) -> None:
    fleet.inject("bly", "tool_fails", match="apt")
    install = "apt-get -y install intel-i40e-dkms=2.13.10-1"
    assert root(fleet, install)[0] == 100
    assert root(fleet, install)[0] == 0
    assert "i40e/2.13.10, 6.1.0-55-amd64, x86_64: installed" in fleet.console("bly", "dkms status")[1]
    assert root(fleet, "dkms uninstall i40e/2.13.10 -k 6.1.0-55-amd64")[0] == 0


def test_a_panic_boots_again_and_leaves_its_words(fleet: SimFleet) -> None:
    boots = fleet.state("bly")["boots"]
    fleet.panic("bly", "Kernel panic - not syncing: Out of memory\n")
    fleet.advance(5)
    assert fleet.state("bly")["boots"] == boots + 1
    name = fleet.console("bly", "ls /sys/fs/pstore")[1].strip()
    assert "Out of memory" in fleet.console("bly", f"cat /sys/fs/pstore/{name}")[1]
