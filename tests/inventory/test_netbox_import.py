"""Import from NetBox: what a preview says, what is written, and that the second time nothing is left to do."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from inventory import models
from inventory.importers import netbox
from inventory.importers.netbox import Defaults, Filters, NotApplied, NotRead, Preview
from lab.netbox import NetBoxServer, fleet
from tests.inventory.netbox_scene import (
    DEFAULTS,
    NOW,
    bring_in,
    everything,
    look,
    names,
    ops,
    row,
    server,
)

pytestmark = pytest.mark.django_db
__all__ = ["ops", "server"]


@pytest.fixture(autouse=True)
def _credential(ops: models.Credential) -> None:
    """Everything here needs it."""


def router(name: str) -> models.Router:
    return models.Router.objects.select_related("site__failure_domain", "credential").get(name=name)


def links() -> dict[str, int]:
    return {str(link): link.capacity_mbps for link in models.Link.objects.with_ends()}


def test_a_preview_names_everything_and_writes_nothing(server: NetBoxServer) -> None:
    before = everything()
    preview = look(server)
    assert names(preview.creates) == [
        "failure domain ma1", "site ma1", "failure domain zurich", "site zh4", "router bly", "router aebi",
        "router dekker", "link aebi:eth1 -- bly:eth1", "link aebi:eth2 -- dekker:eth1", "link bly:eth2 -- dekker:eth2",
    ]  # fmt: skip
    assert (preview.updates, preview.stale, preview.wrong, preview.kept) == ((), (), (), ())
    assert preview.cables_elsewhere == 1  # the cable to the switch, which is planned
    assert everything() == before
    assert {seen.method for seen in server.seen} == {"GET"}


def test_what_is_written(server: NetBoxServer) -> None:
    bring_in(server)
    bly, aebi, dekker = router("bly"), router("aebi"), router("dekker")
    assert (bly.source, bly.source_id, bly.site.name, bly.role, bly.platform) == ("netbox", "1", "ma1", "edge", "linux")
    assert (bly.address, bly.port, bly.suite, bly.credential.name) == ("192.0.2.1", 22, "frr", "ops")
    assert bly.tags == ["canary", "ipv6"]
    assert (aebi.address, aebi.role, aebi.platform) == ("2001:db8::2", "core", "vyos")
    assert (dekker.suite, dekker.port, dekker.kind) == ("bird", 2222, "router")
    assert (bly.site.failure_domain.name, aebi.site.failure_domain.name) == ("ma1", "zurich")
    assert aebi.site.time_zone == "Europe/Zurich"
    # By type 10 G and 1 G; a speed goes before the type; an end of unknown speed is as fast as the other.
    assert links() == {
        "aebi:eth1 -- bly:eth1": 10_000,
        "aebi:eth2 -- dekker:eth1": 1_000,
        "bly:eth2 -- dekker:eth2": 2_500,
    }


def test_the_second_time_nothing_changes(server: NetBoxServer) -> None:
    bring_in(server)
    before = everything()
    again = bring_in(server)
    assert (again.changes, again.unchanged, again.wrong) == (0, 8, ())
    assert everything() == before


def test_a_renamed_device_is_an_update_and_its_links_are_not(server: NetBoxServer) -> None:
    bring_in(server)
    pk = router("bly").pk
    device = row(server, "dcim/devices", "bly")
    device["name"] = "bly2"
    for cable in server.tables.rows["dcim/cables"].values():
        for end in (*cable["a_terminations"], *cable["b_terminations"]):
            if end["object"]["device"]["id"] == device["id"]:
                end["object"]["device"]["name"] = "bly2"
    preview = bring_in(server)
    assert [(c.name, [(f.field, f.before, f.after) for f in c.fields]) for c in preview.updates] == [
        ("bly2", [("name", "bly", "bly2")])
    ]
    assert router("bly2").pk == pk
    assert "aebi:eth1 -- bly2:eth1" in links()


def test_names_and_addresses_may_be_traded(server: NetBoxServer) -> None:
    bring_in(server)
    pks = {name: router(name).pk for name in ("bly", "dekker")}
    bly, dekker = row(server, "dcim/devices", "bly"), row(server, "dcim/devices", "dekker")
    bly["name"], dekker["name"] = "dekker", "bly"
    bly["primary_ip"], dekker["primary_ip"] = dekker["primary_ip"], bly["primary_ip"]
    server.tables.rows["dcim/devices"][2]["primary_ip"] = bly["primary_ip"] | {"address": "192.0.2.99/32"}
    bring_in(server)
    assert router("dekker").pk == pks["bly"]
    assert (router("dekker").address, router("dekker").port) == ("192.0.2.3", 22)
    assert (router("bly").address, router("bly").port) == ("192.0.2.1", 2222)
    assert look(server).changes == 0


def test_addresses_of_one_port_may_be_traded(server: NetBoxServer) -> None:
    bring_in(server)
    bly, aebi = row(server, "dcim/devices", "bly"), row(server, "dcim/devices", "aebi")
    bly["primary_ip"], aebi["primary_ip"] = aebi["primary_ip"], bly["primary_ip"]
    bring_in(server)
    assert [(router(n).address, router(n).port) for n in ("bly", "aebi")] == [("2001:db8::2", 22), ("192.0.2.1", 22)]


def test_a_renamed_site_is_one_update(server: NetBoxServer) -> None:
    bring_in(server)
    pk = models.Site.objects.get(name="zh4").pk
    site = row(server, "dcim/sites", "zh4")
    site |= {"slug": "zh5", "time_zone": "Europe/Vaduz"}
    for device in server.tables.rows["dcim/devices"].values():
        if device["site"]["id"] == site["id"]:
            device["site"]["slug"] = "zh5"
    preview = bring_in(server)
    assert names(preview.updates) == ["site zh5"]
    assert models.Site.objects.get(name="zh5", time_zone="Europe/Vaduz").pk == pk


def test_what_is_missing_is_marked_and_comes_back(server: NetBoxServer) -> None:
    bring_in(server)
    device = row(server, "dcim/devices", "dekker")
    cables = {pk: c for pk, c in server.tables.rows["dcim/cables"].items() if pk in {2, 3}}
    server.tables.remove("dcim/devices", device)
    for cable in cables.values():
        server.tables.remove("dcim/cables", cable)
    preview = bring_in(server)
    assert names(preview.stale) == ["router dekker", "link aebi:eth2 -- dekker:eth1", "link bly:eth2 -- dekker:eth2"]
    assert {f.after for c in preview.stale for f in c.fields} == {"no longer in NetBox"}
    assert router("dekker").stale_since == NOW and models.Link.objects.count() == 3
    assert models.NetboxObject.objects.filter(stale_since=NOW).count() == 2
    assert bring_in(server).changes == 0  # said once
    server.tables.rows["dcim/devices"][device["id"]] = device
    server.tables.rows["dcim/cables"].update(cables)
    back = bring_in(server)
    assert [(c.name, c.fields[0].field, c.fields[0].after) for c in back.updates] == [
        ("dekker", "stale_since", None),
        ("aebi:eth2 -- dekker:eth1", "stale_since", None),
        ("bly:eth2 -- dekker:eth2", "stale_since", None),
    ]
    assert router("dekker").stale_since is None
    assert not models.NetboxObject.objects.filter(stale_since__isnull=False).exists()
    assert look(server).changes == 0


def test_what_a_filter_leaves_out_is_not_missing(server: NetBoxServer) -> None:
    bring_in(server)
    for filters in (Filters(sites=("ma1",)), Filters(roles=("core",)), Filters(tags=("canary", "ipv6"))):
        preview = look(server, filters)
        assert (preview.changes, preview.wrong) == (0, ()), filters
    assert look(server, Filters(sites=("ma1",))).unchanged >= 2


@pytest.mark.parametrize(
    ("filters", "there"),
    [
        (Filters(sites=("zh4",)), {"aebi", "dekker"}),
        (Filters(roles=("edge",)), {"bly", "dekker"}),
        (Filters(sites=("zh4", "ma1"), roles=("edge",), tags=("canary",)), {"bly"}),
        (Filters(statuses=("planned",)), set()),
    ],
)
def test_filters(server: NetBoxServer, filters: Filters, there: set[str]) -> None:
    preview = bring_in(server, filters, skip_wrong_rows=True)
    assert set(models.Router.objects.values_list("name", flat=True)) == there
    assert len(preview.wrong) == (2 if not there else 0)  # the planned switch has neither platform nor address


def test_a_device_that_left_the_selection_is_told_from_one_that_is_gone(server: NetBoxServer) -> None:
    bring_in(server, Filters(tags=("canary",)))
    row(server, "dcim/devices", "bly")["tags"] = []
    preview = look(server, Filters(tags=("canary",)))
    assert [c.fields[0].after for c in preview.stale] == ["in NetBox, no longer in this selection"]


def test_slipways_own_values_are_never_overwritten(server: NetBoxServer) -> None:
    bring_in(server)
    models.Credential.objects.create(name="other", username="o", reference="env:O")
    models.Router.objects.filter(name="dekker").update(
        suite="none", port=22, router_id="10.0.0.9", kind="host", credential=models.Credential.objects.get(name="other")
    )
    row(server, "dcim/devices", "dekker")["custom_fields"]["slipway_router_id"] = "10.0.0.1"
    preview = bring_in(server)
    assert preview.changes == 0
    assert [str(reason).split(": ", 1)[1] for reason in preview.kept] == [
        f"found {found}, wanted {have}, as Slipway has it. Slipway's value stays; change it there if NetBox is right."
        for found, have in (("bird", "none"), ("2222", "22"), ("10.0.0.1", "10.0.0.9"))
    ]
    after = router("dekker")
    assert (after.suite, after.router_id, after.kind, after.credential.name) == ("none", "10.0.0.9", "host", "other")


def test_a_blade_is_told_by_its_chassis(server: NetBoxServer) -> None:
    row(server, "dcim/devices", "dekker")["parent_device"] = {"id": 1, "name": "bly"}
    bring_in(server)
    assert router("dekker").kind == "blade"


def test_what_was_entered_by_hand_is_taken_over_by_name(server: NetBoxServer) -> None:
    domain = models.FailureDomain.objects.create(name="north")
    site = models.Site.objects.create(name="ma1", failure_domain=domain)
    mine = models.Router.objects.create(
        name="bly", site=site, role="old", suite="bird", address="192.0.2.1", port=2022,
        credential=models.Credential.objects.get(name="ops"),
    )  # fmt: skip
    preview = bring_in(server)
    assert names(preview.updates) == ["site ma1", "router bly"]
    after = router("bly")
    assert after.pk == mine.pk and (after.source_id, after.role) == ("1", "edge")
    assert (after.suite, after.port, after.site.failure_domain.name) == ("bird", 2022, "north")


def test_a_replaced_device_keeps_its_row_when_the_old_id_is_gone(server: NetBoxServer) -> None:
    bring_in(server)
    pk = router("bly").pk
    old = row(server, "dcim/devices", "bly")
    server.tables.remove("dcim/devices", old)
    server.tables.rows["dcim/devices"][77] = {**old, "id": 77}
    for cable in server.tables.rows["dcim/cables"].values():
        for end in (*cable["a_terminations"], *cable["b_terminations"]):
            if end["object"]["device"]["id"] == old["id"]:
                end["object"]["device"] = {"id": 77, "name": "bly"}
    preview = bring_in(server)
    assert [(f.field, f.before, f.after) for c in preview.updates for f in c.fields] == [("source_id", "1", "77")]
    assert preview.stale == () and router("bly").pk == pk


def test_a_namesake_is_no_replacement_while_the_old_one_lives(server: NetBoxServer) -> None:
    bring_in(server, Filters(sites=("ma1",)))
    old = row(server, "dcim/devices", "bly")
    other = {**old, "id": 77}
    old["site"] = row(server, "dcim/devices", "aebi")["site"]  # moved to zh4, which is not asked for
    server.tables.rows["dcim/devices"][77] = other
    preview = look(server, Filters(sites=("ma1",)))
    assert names(preview.stale) == ["router bly"] and preview.creates == ()
    assert any("bly, as the device bly of Slipway (NetBox id 1," in str(reason) for reason in preview.wrong)


def test_a_link_that_was_plugged_over_stays_one_link(server: NetBoxServer) -> None:
    bring_in(server)
    pk = models.LinkEnd.objects.get(router__name="bly", interface="eth1").link_id
    tables = server.tables
    tables.remove("dcim/cables", tables.rows["dcim/cables"][1])
    eth9 = tables.interface(row(server, "dcim/devices", "dekker"), "eth9", type="25gbase-x-sfp28")
    tables.cable(tables.rows["dcim/interfaces"][1], eth9)  # bly:eth1 leads to dekker now
    preview = bring_in(server)
    assert names(preview.updates) == ["link bly:eth1 -- dekker:eth9"] and not preview.stale and not preview.creates
    assert models.LinkEnd.objects.get(router__name="bly", interface="eth1").link_id == pk
    assert models.Link.objects.count() == 3 and look(server).changes == 0


def test_a_link_by_hand_between_the_same_interfaces_is_taken_over(server: NetBoxServer) -> None:
    bring_in(server)
    models.NetboxObject.objects.filter(link__isnull=False).delete()
    models.Link.objects.update(kind="transit")
    preview = bring_in(server)
    assert len(preview.updates) == 3 and not preview.creates
    assert set(models.Link.objects.values_list("kind", flat=True)) == {"transit"}


def test_a_preview_does_not_outlive_what_it_was_compared_with(server: NetBoxServer) -> None:
    preview = look(server)
    models.External.objects.create(name="dekker")
    before = everything()
    with pytest.raises(NotApplied, match="a database that changed after the preview"):
        netbox.apply(preview, now=NOW)
    assert everything() == before


def test_a_preview_survives_json_and_its_digest_is_its_content(server: NetBoxServer) -> None:
    preview = look(server)
    copy = Preview.from_json(json.loads(json.dumps(preview.as_json())))
    assert copy == preview and copy.digest == preview.digest
    row(server, "dcim/devices", "bly")["tags"] = []
    assert look(server).digest != preview.digest


def test_another_netbox_is_not_taken_for_the_same(server: NetBoxServer) -> None:
    bring_in(server)
    models.NetboxImport.objects.create(url="https://netbox.example.net", asked_by="x", asked_at=NOW, applied_at=NOW)
    with pytest.raises(NotRead, match=r"https://netbox\.example\.net, which the inventory came from"):
        look(server)
    assert look(server, another_netbox=True).changes == 0


def test_v2_tokens_and_small_pages(server: NetBoxServer, monkeypatch: pytest.MonkeyPatch) -> None:
    from lab.netbox.server import V2_TOKEN
    from tests.inventory.netbox_scene import TOKEN_ENV

    monkeypatch.setenv(TOKEN_ENV, V2_TOKEN)
    monkeypatch.setattr("lab.netbox.answers.MAX_PAGE", 1)  # a server that gives less than was asked for
    assert bring_in(server).changes == 10 and look(server).changes == 0


@pytest.fixture
def pods(server: NetBoxServer) -> NetBoxServer:
    server.tables = fleet(150)
    return server


def test_a_fleet_and_again_no_changes_with_few_queries_and_requests(pods: NetBoxServer) -> None:
    """Must show 4, small; 5,000 in tests/bench/bench_netbox.py."""
    told: list[tuple[str, int, int]] = []
    preview = bring_in(pods, progress=lambda *said: told.append(said))
    assert len(preview.creates) == 3 + 3 + 150 + 150 and preview.wrong == ()
    assert ("devices", 150, 150) in told and ("interfaces", 300, 300) in told
    with CaptureQueriesContext(
        connection,
    ) as queries:
        again = bring_in(pods)
    assert (again.changes, again.unchanged) == (0, 3 + 150 + 150)
    assert len(queries) <= 40
    assert models.Router.objects.get(name="r7").router_id == "10.255.0.8"


def test_the_queries_of_a_preview_do_not_grow(server: NetBoxServer, pods: NetBoxServer) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            look(pods)
        return len(queries)

    few = count()
    bring_in(pods)
    assert count() == few


def test_defaults_without_which_nothing_new_comes_in(server: NetBoxServer) -> None:
    preview = look(server, defaults=Defaults())
    assert preview.creates == ()
    wrong: list[Any] = [str(reason) for reason in preview.wrong]
    assert sum("slipway_credential: found nothing, wanted a credential of Slipway: ops" in text for text in wrong) == 3
    assert sum("slipway_suite: found nothing" in text for text in wrong) == 2  # dekker has its own
    assert DEFAULTS.suite == "frr"
