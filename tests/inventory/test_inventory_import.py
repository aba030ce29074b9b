"""Preview and apply: what is created, updated, left alone, refused; a second import changes nothing."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from inventory import models, topology
from inventory.importers import yaml_file
from inventory.importers.apply import NotApplied
from inventory.importers.rows import RowKind
from tests.inventory.fleet_file import KEY_1, KEY_2, pods

pytestmark = pytest.mark.django_db
Fleet = Callable[[int], None]


def change(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, f"{old} is {text.count(old)} times in the file"
    return text.replace(old, new)


def test_the_first_import_creates_everything_and_the_second_nothing(now: datetime) -> None:
    preview = yaml_file.preview(pods(4))
    assert (len(preview.creates), preview.updates, preview.unchanged, preview.missing) == (20, (), 0, ())
    yaml_file.apply(preview, now=now)
    router = models.Router.objects.get(name="r1")
    assert (router.site.name, router.suite, router.port, router.created_at) == ("S", "bird", 20001, now)
    again = yaml_file.preview(pods(4))
    assert (again.changes, again.unchanged, again.missing) == (0, 20, ())
    yaml_file.apply(again, now=now + timedelta(days=1))
    assert models.Router.objects.get(name="r1").created_at == now
    assert yaml_file.preview(pods(4)).changes == 0


def test_a_second_address_reaches_the_transport_and_goes_with_the_file_again(now: datetime) -> None:
    text = change(pods(2), "port: 20000", 'port: 20000, fallback_address: "2001:DB8::9"')
    yaml_file.apply(yaml_file.preview(text), now=now)
    devices = {row.name: row.device() for row in models.Router.objects.all()}
    assert (devices["r0"].fallback_address, devices["r1"].fallback_address) == ("2001:db8::9", "")
    assert yaml_file.preview(text).changes == 0
    (update,) = yaml_file.preview(pods(2)).updates
    assert [(f.field, f.before, f.after) for f in update.fields] == [("fallback_address", "2001:db8::9", None)]


def test_preview_writes_nothing() -> None:
    yaml_file.preview(pods(4))
    assert not models.Router.objects.exists() and not models.FailureDomain.objects.exists()


def test_an_update_names_field_before_and_after(fleet: Fleet, now: datetime) -> None:
    fleet(2)
    text = change(pods(2), "become: sudo", "become: sudo").replace("file:/keys/id_ed25519", "env:OPS")
    text = change(text, "name: S, failure_domain: south", "name: S, failure_domain: north, time_zone: Asia/Tokyo")
    text = change(text, "r0, site: N, role: edge", "r0, site: S, role: core")
    text = change(text, "kind: core, capacity: 10G", "kind: metro, capacity: 40G")
    text = change(text, "floor: 1G", "floor: 2G").replace("capacity: 1G", "capacity: 3G")
    preview = yaml_file.preview(text)
    seen = {(c.kind, c.name, f.field): (f.before, f.after) for c in preview.updates for f in c.fields}
    assert seen == {
        (RowKind.SITE, "S", "failure_domain"): ("south", "north"),
        (RowKind.SITE, "S", "time_zone"): ("UTC", "Asia/Tokyo"),
        (RowKind.CREDENTIAL, "lab", "reference"): ("file:/keys/id_ed25519", "env:OPS"),
        (RowKind.ROUTER, "r0", "site"): ("N", "S"),
        (RowKind.ROUTER, "r0", "role"): ("edge", "core"),
        (RowKind.LINK, "r0:eth0 -- r1:eth0", "kind"): ("core", "metro"),
        (RowKind.LINK, "r0:eth0 -- r1:eth0", "capacity_mbps"): (10_000, 40_000),
        (RowKind.LINK, "internet -- r0:eth1", "capacity_mbps"): (1_000, 3_000),
        (RowKind.KEEP_CONNECTED, "r0, r1", "floor_mbps"): (1_000, 2_000),
    }
    yaml_file.apply(preview, now=now)
    assert yaml_file.preview(text).changes == 0
    assert models.Router.objects.get(name="r0").site.failure_domain.name == "north"


def test_what_the_file_does_not_have_is_named_and_kept(fleet: Fleet, now: datetime) -> None:
    fleet(4)
    preview = yaml_file.preview(pods(2))
    assert {(row.kind, row.name) for row in preview.missing} == {
        (RowKind.ROUTER, "r2"),
        (RowKind.ROUTER, "r3"),
        (RowKind.LINK, "r2:eth0 -- r3:eth0"),
        (RowKind.LINK, "internet -- r2:eth1"),
        (RowKind.KEEP_CONNECTED, "r2, r3"),
    }
    yaml_file.apply(preview, now=now)
    assert models.Router.objects.count() == 4


def test_errors_cannot_be_applied(now: datetime) -> None:
    preview = yaml_file.preview(pods(2).replace("10G", "ten"))
    assert preview.errors and preview.changes == 0
    with pytest.raises(NotApplied, match=r"found 1 error\(s\)"):
        yaml_file.apply(preview, now=now)


def test_a_preview_is_void_when_the_database_moved_on(fleet: Fleet, now: datetime) -> None:
    fleet(2)
    preview = yaml_file.preview(pods(2).replace("role: edge", "role: core"))
    models.Router.objects.filter(name="r0").update(role="access")
    with pytest.raises(NotApplied, match="changed after the preview"):
        yaml_file.apply(preview, now=now)
    assert models.Router.objects.get(name="r1").role == "edge"


def test_all_or_nothing(monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the database went away")

    monkeypatch.setattr(models.KeepConnected.objects, "bulk_create", broken)
    with pytest.raises(RuntimeError):
        yaml_file.apply(yaml_file.preview(pods(2)), now=now)
    assert not models.FailureDomain.objects.exists() and not models.Router.objects.exists()


def test_another_host_key_is_refused_until_it_is_accepted(fleet: Fleet, now: datetime) -> None:
    fleet(2)
    refused = yaml_file.preview(pods(2, KEY_2))
    assert [error.field for error in refused.errors] == ["routers.r0.host_key", "routers.r1.host_key"]
    old = models.HostKey.objects.first()
    assert old is not None and old.fingerprint in refused.errors[0].wanted and "SHA256:" in refused.errors[0].found
    later = now + timedelta(days=1)
    yaml_file.apply(yaml_file.preview(pods(2, KEY_2), accept_new_host_keys=True), now=later)
    router = models.Router.objects.get(name="r0")
    assert router.device().host_key == KEY_2
    assert router.host_keys.get(retired_at=later).added_at == now
    assert yaml_file.preview(pods(2, KEY_2)).changes == 0


def test_a_file_without_host_keys_keeps_those_on_record(fleet: Fleet) -> None:
    fleet(2)
    preview = yaml_file.preview(pods(2).replace(f', host_key: "{KEY_1}"', ""))
    assert (preview.changes, preview.missing, preview.errors) == (0, (), ())


def test_two_routers_trade_addresses_and_router_ids(fleet: Fleet, now: datetime) -> None:
    fleet(2)
    text = (
        change(pods(2), "port: 20000", "port: X")
        .replace("port: 20001", "port: 20000")
        .replace("port: X", "port: 20001")
    )
    text = change(text, "10.0.0.1,", "10.9.9.9,").replace("10.0.0.2,", "10.0.0.1,").replace("10.9.9.9,", "10.0.0.2,")
    yaml_file.apply(yaml_file.preview(text), now=now)
    found = dict(models.Router.objects.values_list("name", "port"))
    assert found == {"r0": 20001, "r1": 20000}
    assert models.Router.objects.get(name="r0").router_id == "10.0.0.2"


def test_a_recabled_link_is_an_update_and_two_may_trade_interfaces(fleet: Fleet, now: datetime) -> None:
    fleet(4)
    before = set(models.Link.objects.values_list("pk", flat=True))
    text = change(pods(4), 'b: "r1:eth0"', 'b: "r1:X"').replace('b: "r3:eth0"', 'b: "r1:eth0"')
    text = change(text, 'b: "r1:X"', 'b: "r3:eth0"').replace("between: [r0, r1]", "between: [r0, r3]")
    text = change(text, "between: [r2, r3]", "between: [r2, r1]")
    preview = yaml_file.preview(text)
    assert not preview.errors
    assert {c.name for c in preview.updates if c.kind is RowKind.LINK} == {"r0:eth0 -- r3:eth0", "r1:eth0 -- r2:eth0"}
    yaml_file.apply(preview, now=now)
    assert set(models.Link.objects.values_list("pk", flat=True)) == before
    assert {frozenset((link.a, link.b)) for link in topology.load().links} >= {frozenset(("r0", "r3"))}
    assert yaml_file.preview(text).changes == 0


def test_an_interface_that_a_link_outside_the_file_holds_is_an_error(fleet: Fleet) -> None:
    fleet(2)
    text = change(pods(2), 'b: "r1:eth0"', 'b: "r1:eth9"')  # shares r0:eth0 with the old link: re-cabled
    assert not yaml_file.preview(text).errors
    text = pods(2).replace('{a: "r0:eth0", b: "r1:eth0"', '{a: "r0:eth1", b: "r1:eth0"')
    text = text.replace('{a: "r0:eth1", b: internet', '{a: "r0:eth7", b: internet')
    (error,) = yaml_file.preview(text).errors
    assert error.field == "links.1.b"
    assert "r1:eth0, which the link r0:eth0 -- r1:eth0 of the database uses" in error.found
    assert "removes nothing" in error.remedy


def test_one_device_under_a_second_name_is_an_error(fleet: Fleet) -> None:
    fleet(2)
    text = pods(2).replace("name: r0,", "name: bly,").replace('"r0:', '"bly:').replace("[r0,", "[bly,")
    errors = yaml_file.preview(text).errors
    assert {error.field for error in errors} == {"routers.bly.address", "routers.bly.router_id"}
    assert "call it r0" in errors[0].remedy


def test_a_name_does_not_change_between_router_and_external(fleet: Fleet) -> None:
    fleet(2)
    text = pods(2).replace("name: r0,", "name: internet,").replace('"r0:', '"internet:').replace("[r0,", "[internet,")
    text = text.replace("b: internet", "b: r0").replace("externals: [internet]", "externals: [r0]")
    found = {(error.field, error.found) for error in yaml_file.preview(text).errors}
    assert ("routers.internet.name", "internet, an external of the database") in found
    assert ("externals.r0.name", "r0, a router of the database") in found


@pytest.mark.parametrize("routers", [10, 300])
def test_an_import_costs_the_same_queries_at_any_size(routers: int, now: datetime) -> None:
    with CaptureQueriesContext(
        connection,
    ) as previewed:
        preview = yaml_file.preview(pods(routers))
    with CaptureQueriesContext(connection) as applied:
        yaml_file.apply(preview, now=now)
    assert len(previewed) == 8  # the sections that the file does not have are not asked for
    assert len(applied) <= 40  # SQLite takes 999 values a statement: the rows of routers come in several
