"""Secrets are planted wherever Slipway reads, a whole change is run, and nothing that is kept or shown has them."""

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from fleet.changes import evidence_bundle
from lab.sim import SimFleet
from tests import needs
from tests.browser import addresses
from tests.changes.api_client import Program
from tests.stories import engines
from tests.stories.stage import Stage, wait_ended

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]
BGP, LOGIN = "pl4nted-bgp-md5-Ue9", "pl4nted-login-Zr7"


@pytest.fixture
def planted(
    sim_fleet: Callable[..., SimFleet], child_environment: dict[str, str], tmp_path: Path
) -> Iterator[tuple[SimFleet, set[str]]]:
    """A fleet whose devices hold secrets, an engine, and everything that must be found nowhere."""
    needs.need(needs.minutes())
    fleet = sim_fleet(routers=6, timing={"boot_s": 1.0})
    for name in ("bly", "dekker"):
        lines = ("configure terminal", "router bgp 65000", f"neighbor 10.255.77.3 password {BGP}", "exit",
                 f"password {LOGIN}", f"enable password {LOGIN}")  # fmt: skip
        status, said = fleet.console(name, "vtysh " + " ".join(f"-c '{line}'" for line in lines))
        assert status == 0, said
        shown = fleet.console(name, "vtysh -c 'show running-config'")[1]
        assert BGP in shown or LOGIN in shown, "the device holds none of them"
    with engines.running("inline", child_environment, None, tmp_path):
        yield fleet, {BGP, LOGIN, fleet.password, fleet.private_key.read_text().splitlines()[2]}


def everything_kept(folder: Path, database: Path) -> Iterator[tuple[str, bytes]]:
    """The database with what is not yet in it, logs, and every other file of the run but the devices' own."""
    for path in (database, Path(f"{database}-wal")):
        if path.exists():
            yield path.name, path.read_bytes()
    for path in folder.rglob("*"):
        if path.is_file() and "sim0" not in path.parts and path.stat().st_size < 100_000_000:
            yield str(path.relative_to(folder)), path.read_bytes()


@pytest.mark.timeout(300)
def test_nothing_that_is_kept_or_shown_has_a_secret(
    planted: tuple[SimFleet, set[str]], author: Any, approver: Any, tmp_path: Path, record_property: Any
) -> None:
    fleet, secrets = planted
    stage = Stage(author, approver)
    stage.load(fleet.inventory)
    program = Program(author)
    secrets.add(program.text)
    assert program.get("/api/v1/me").status_code == 200
    text = "router bgp 65000\n neighbor 10.255.77.3 description as agreed\nexit\n"
    change = stage.start("quick-routing", {"frr": text}, ["bly", "dekker"])
    wait_ended(change, within_s=200)
    assert change.state == "succeeded"
    places = dict(everything_kept(tmp_path, Path(str(connection.settings_dict["NAME"]))))
    path = tmp_path / "evidence.zip"
    with path.open("wb") as file:
        evidence_bundle.write(change, file)
    with zipfile.ZipFile(path) as bundle:
        places |= {f"evidence {name}": bundle.read(name) for name in bundle.namelist()}
    client = Client()
    client.force_login(User.objects.create_superuser("judge"))
    for paths in addresses.paths().values():
        for address in paths:
            answer = client.get(address)
            if not answer.streaming:
                places[address] = answer.content
    found = {
        f"{place}: {secret[:6]}" for place, data in places.items() for secret in secrets if secret.encode() in data
    }
    record_property("secrets", len(secrets))
    record_property("places", len(places))
    assert not found
    assert len(places) > 100
    assert any(b"password" in data for data in places.values()), "that there is a password may be seen"
