"""The FRR driver's own way in: a real SSH server, the login that NAPALM's user gives, the recorded host key."""

from dataclasses import replace
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from custom_napalm import frr_session
from lab.sim import SimFleet
from playbooks.base import Device, HostKeyRefused, LoginRefused


def test_the_key_that_is_given_logs_in_and_the_host_key_is_checked(tmp_path: Path) -> None:
    with SimFleet.start(tmp_path) as fleet:
        row = next(r for r in YAML(typ="safe").load(fleet.inventory)["routers"] if r["name"] == "bly")
        # No credential reference: what NAPALM's user gives is all there is.
        bly = Device("bly", row["address"], row["port"], "ops", "", row["host_key"], "frr", "sudo")
        key = str(fleet.private_key)
        session = frr_session.opened(bly, password="", key_file=key)
        assert session.run(["uname", "-n"]).out == "bly\n"
        session.close()
        with pytest.raises(HostKeyRefused):
            frr_session.opened(replace(bly, host_key=row["host_key"][:-8] + "AAAAAAA="), password="", key_file=key)
        with pytest.raises(LoginRefused):
            frr_session.opened(bly, password="wrong", key_file="")
