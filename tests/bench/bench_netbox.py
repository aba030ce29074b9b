"""Figures of the NetBox import: preview, import, and again; seconds, requests, queries; 5,000 devices."""

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pynetbox
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rich.console import Console
from rich.table import Table

from inventory import models
from inventory.importers import netbox
from inventory.importers.netbox import Defaults, Filters, Source
from lab.netbox import NetBoxServer, fleet
from tests.bench import machine

DEVICES = int(os.environ.get("BENCH_NETBOX_DEVICES", "5000"))
NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


class Measured:
    """Runs one phase after the other and keeps seconds, requests and queries of each."""

    def __init__(self, server: NetBoxServer) -> None:
        self.server, self.rows = server, []  # type: ignore[var-annotated]

    def __call__(self, what: str, work: Callable[[], Any]) -> Any:
        asked, begin = len(self.server.seen), time.monotonic()
        with CaptureQueriesContext(connection) as queries:
            result = work()
        seconds = round(time.monotonic() - begin, 2)
        requests = len(self.server.seen) - asked
        self.rows.append({"phase": what, "seconds": seconds, "requests": requests, "queries": len(queries)})
        return result


@pytest.mark.django_db
def test_netbox_import(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prints the table and writes var/bench/netbox.json. Asserted: all came in, and the second time nothing is left."""
    models.Credential.objects.create(name="ops", username="ops", reference="env:OPS")
    with NetBoxServer(fleet(DEVICES)) as server:
        monkeypatch.setenv("NETBOX_TEST_TOKEN", server.token)
        source, defaults = Source(server.url, "NETBOX_TEST_TOKEN"), Defaults("ops", "frr")
        measured = Measured(server)

        def look() -> netbox.Preview:
            return netbox.preview_of(source, Filters(), defaults)

        first = measured("preview of an empty inventory", look)
        assert not first.wrong
        measured("import", lambda: netbox.apply(first, now=NOW))
        assert models.Router.objects.count() == DEVICES
        second = measured("second preview", look)
        assert second.changes == 0
        measured("second import: 0 changes", lambda: netbox.apply(second, now=NOW))
        for device in server.tables.rows["dcim/devices"].values():
            device["name"] += "x"
        for cable in server.tables.rows["dcim/cables"].values():
            for end in (*cable["a_terminations"], *cable["b_terminations"]):
                end["object"]["device"] = {**end["object"]["device"]}
        renamed = measured("preview: every device renamed", look)
        assert len(renamed.updates) == DEVICES and renamed.changes == DEVICES
        measured("import of that", lambda: netbox.apply(renamed, now=NOW))
        assert look().changes == 0
    table = Table(title=f"NetBox (our own server), {DEVICES} devices, {connection.vendor}")
    for title in ("phase", "seconds", "requests", "queries"):
        table.add_column(title, justify="left" if title == "phase" else "right")
    for row in measured.rows:
        table.add_row(*(str(value) for value in row.values()))
    console = Console(width=150)
    console.print(table)
    console.print(machine.about(), f"pynetbox {pynetbox.__version__}")
    kept = {"devices": DEVICES, "changes": first.changes, "phases": measured.rows, "pynetbox": pynetbox.__version__}
    console.print(f"written to {machine.keep('netbox', kept)}")
