"""A NetBox with a few devices, and an inventory that can take them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from inventory import models
from inventory.importers import netbox
from inventory.importers.netbox import Defaults, Filters, Preview, Source
from lab.netbox import NetBoxServer, Tables

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
TOKEN_ENV = "NETBOX_TEST_TOKEN"
DEFAULTS = Defaults(credential="ops", suite="frr")


def small() -> Tables:
    """Two sites, three routers in a triangle, one of them a BIRD; and a cable to a switch that is not asked for."""
    tables = Tables()
    manchester = tables.site("ma1", time_zone="Europe/London")
    zurich = tables.site("zh4", time_zone="Europe/Zurich", custom_fields={"slipway_failure_domain": "zurich"})
    bly = tables.device("bly", manchester, address="192.0.2.1/32", tags=("canary", "ipv6"))
    aebi = tables.device("aebi", zurich, address="2001:db8::2/128", role="core", platform="vyos-1-4")
    dekker = tables.device(
        "dekker", zurich, address="192.0.2.3/24", custom_fields={"slipway_suite": "bird", "slipway_port": 2222}
    )
    tables.cable(tables.interface(bly, "eth1"), tables.interface(aebi, "eth1"))
    tables.cable(tables.interface(aebi, "eth2"), tables.interface(dekker, "eth1", type="1000base-t"))
    tables.cable(tables.interface(dekker, "eth2", speed=2_500_000), tables.interface(bly, "eth2", type="other"))
    switch = tables.device("switch", zurich, role="switch", platform=None, status="planned")
    tables.cable(tables.interface(switch, "1"), tables.interface(bly, "eth3"))
    return tables


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[NetBoxServer]:
    with NetBoxServer(small()) as running:
        monkeypatch.setenv(TOKEN_ENV, running.token)
        yield running


@pytest.fixture
def ops(db: None) -> models.Credential:
    return models.Credential.objects.create(name="ops", username="ops", reference="env:OPS")


def look(server: NetBoxServer, filters: Filters | None = None, **options: Any) -> Preview:
    """A preview of this server."""
    defaults = options.pop("defaults", DEFAULTS)
    source = Source(server.url, TOKEN_ENV, str(server.certificate or ""))
    return netbox.preview_of(source, filters or Filters(), defaults, **options)


def bring_in(server: NetBoxServer, filters: Filters | None = None, **options: Any) -> Preview:
    """A preview, applied."""
    skip = options.pop("skip_wrong_rows", False)
    preview = look(server, filters, **options)
    netbox.apply(preview, now=NOW, skip_wrong_rows=skip)
    return preview


def row(server: NetBoxServer, endpoint: str, name: str) -> dict[str, Any]:
    """The row of that name; change it in place."""
    return next(r for r in server.tables.rows[endpoint].values() if name in (r.get("name"), r.get("slug")))


def names(changes: Any) -> list[str]:
    return [f"{change.kind} {change.name}" for change in changes]


def everything() -> dict[str, list[dict[str, Any]]]:
    """All rows that an import can touch."""
    kinds = (models.Site, models.FailureDomain, models.Router, models.Link, models.LinkEnd, models.NetboxObject)
    return {kind.__name__: list(kind.objects.order_by("pk").values()) for kind in kinds}  # type: ignore[attr-defined]
