"""NAPALM's own getter suite (napalm.base.test) over our recordings of FRR 8.4.4; on a live router where one is given.

    NAPALM_TEST_MOCK=0 NAPALM_HOSTNAME=... NAPALM_USERNAME=ops NAPALM_PASSWORD= NAPALM_OPTIONAL_ARGS='{...}' pytest ...

Expected results were read against the recordings by a person before they were kept.
"""

from pathlib import Path
from typing import Any

import pytest
from napalm.base import get_network_driver
from napalm.base.test import conftest
from napalm.base.test.double import BaseTestDouble
from napalm.base.test.getters import BaseTestGetters

from playbooks.base import Device
from tests.playbooks.napalm_recorded import FOLDER, RecordedSession

FrrDriver = get_network_driver("frr")
# What FRR on Linux has no notion of; each raises NotImplementedError (tested below).
NOT_THERE = {
    "test_get_lldp_neighbors": ("get_lldp_neighbors", ()),
    "test_get_lldp_neighbors_detail": ("get_lldp_neighbors_detail", ()),
    "test_get_ntp_peers": ("get_ntp_peers", ()),
    "test_get_ntp_servers": ("get_ntp_servers", ()),
    "test_get_ntp_stats": ("get_ntp_stats", ()),
    "test_get_mac_address_table": ("get_mac_address_table", ()),
    "test_get_snmp_information": ("get_snmp_information", ()),
    "test_get_probes_config": ("get_probes_config", ()),
    "test_get_probes_results": ("get_probes_results", ()),
    "test_traceroute": ("traceroute", ("8.8.8.8",)),
    "test_get_users": ("get_users", ()),
    "test_get_optics": ("get_optics", ()),
    "test_get_firewall_policies": ("get_firewall_policies", ()),
    "test_get_vlans": ("get_vlans", ()),
}


class Double(BaseTestDouble):
    """Finds the recordings of the case that the suite is at."""

    def find_file(self, filename: str) -> str:
        path = self.folder() / filename
        if not path.exists():
            raise OSError(f"no recording: {path}")
        return str(path)

    def folder(self) -> Path:
        return FOLDER / "mocked_data" / self.current_test / self.current_test_case


class RecordedFrrDriver(FrrDriver):  # type: ignore[misc, valid-type]
    """The driver over recordings."""

    def __init__(self, hostname: str, username: str, password: str, timeout: int = 60, optional_args: Any = None):
        super().__init__(hostname, username, password, timeout, optional_args)
        self.patched_attrs = ["double"]
        self.double = Double()

    def open(self) -> None:
        self._session = RecordedSession(Device("d", "", 22, "", "", "", "frr"), self.double.folder)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    conftest.pytest_generate_tests(metafunc, str(FOLDER / "x"))


@pytest.fixture(scope="class")
def set_device(request: pytest.FixtureRequest) -> Any:
    request.cls.driver, request.cls.patched_driver = FrrDriver, RecordedFrrDriver
    conftest.set_device_parameters(request)
    yield
    request.cls.device.close()


Suite = type("Suite", (BaseTestGetters,), dict.fromkeys(NOT_THERE))


@pytest.mark.usefixtures("set_device")
class TestGetters(Suite):  # type: ignore[misc, valid-type]
    """The suite as NAPALM ships it, without what is not there."""


@pytest.mark.parametrize("test", NOT_THERE)
def test_what_is_not_there_says_so_as_napalm_does(test: str) -> None:
    name, arguments = NOT_THERE[test]
    with pytest.raises(NotImplementedError):
        getattr(FrrDriver("h", "u", "p"), name)(*arguments)
