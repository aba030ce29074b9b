"""Rows of NetBox that cannot be taken: each named with NetBox's address; left out when asked, otherwise nothing."""

from collections.abc import Callable
from typing import Any

import pytest

from inventory import models
from inventory.importers import netbox
from inventory.importers.netbox import Defaults, NotApplied, parse
from lab.netbox import NetBoxServer
from lab.netbox.data import Row, termination
from tests.inventory.netbox_scene import NOW, bring_in, everything, look, names, ops, row, server

pytestmark = pytest.mark.django_db
__all__ = ["ops", "server"]


@pytest.fixture(autouse=True)
def _credential(ops: models.Credential) -> None:
    """Everything here needs it."""


Spoil = Callable[[NetBoxServer], Any]


def device(which: str, /, **values: Any) -> Spoil:
    return lambda server: row(server, "dcim/devices", which).update(values)


def site(which: str, /, **values: Any) -> Spoil:
    return lambda server: row(server, "dcim/sites", which).update(values)


def own(**values: Any) -> Row:
    return {f"slipway_{key}": value for key, value in values.items()}


def ip(address: Any) -> Row:
    return {"id": 9, "address": address}


def to_itself(server: NetBoxServer) -> None:
    tables = server.tables
    cable = tables.rows["dcim/cables"][1]
    cable["b_terminations"] = [termination(tables.interface(row(server, "dcim/devices", "bly"), "eth9"))]


def breakout(server: NetBoxServer) -> None:
    tables = server.tables
    more = termination(tables.interface(row(server, "dcim/devices", "aebi"), "eth1.1"))
    tables.rows["dcim/cables"][1]["b_terminations"].append(more)


def no_speed(server: NetBoxServer) -> None:
    for end in (
        *server.tables.rows["dcim/cables"][1]["a_terminations"],
        server.tables.rows["dcim/cables"][1]["b_terminations"][0],
    ):
        server.tables.rows["dcim/interfaces"][end["object_id"]]["type"] = {"value": "other", "label": "Other"}


def odd_interface(server: NetBoxServer) -> None:
    server.tables.rows["dcim/cables"][1]["a_terminations"][0]["object"]["name"] = "port one"


def same_interface(server: NetBoxServer) -> None:
    tables = server.tables
    tables.cable(tables.rows["dcim/interfaces"][1], tables.interface(row(server, "dcim/devices", "dekker"), "eth7"))


REST = "aebi dekker"
ONE, TWO = "/dcim/devices/1/", "/dcim/devices/2/"
CASES: list[tuple[str, Spoil, str, str, str]] = [
    # what, how, NetBox's address and field, found, what of the rest is still imported (names of devices)
    ("no address", device("bly", primary_ip=None), f"{ONE} primary_ip", "nothing", REST),
    ("odd address", device("bly", primary_ip=ip("ten")), f"{ONE} primary_ip", "'ten'", REST),
    ("unknown platform", device("bly", platform={"id": 3, "slug": "ios-xr"}), f"{ONE} platform", "'ios-xr'", REST),
    ("no platform", device("bly", platform=None), f"{ONE} platform", "nothing", REST),
    ("no name", device("bly", name=None), f"{ONE} name", "nothing", REST),
    ("odd name", device("bly", name="rack 7 / bly"), f"{ONE} name", "'rack 7 / bly'", REST),
    ("same names", device("dekker", name="bly"), "/dcim/devices/3/ name", "bly, as ", "aebi"),
    ("same address", device("aebi", primary_ip=ip("192.0.2.1/8")), f"{TWO} primary_ip", "[192.0.2.1]:22, as", "dekker"),
    ("unknown zone", site("ma1", time_zone="Mars/Base"), "/dcim/sites/1/ time_zone", "'Mars/Base'", REST),
    ("its devices", site("ma1", time_zone="Mars/Base"), f"{ONE} site", "a site that is left out", REST),
    ("own suite", device("bly", custom_fields=own(suite="quagga")), f"{ONE} slipway_suite", "'quagga'", REST),
    ("own credential", device("bly", custom_fields=own(credential="root")), f"{ONE} slipway_credential", "root", REST),
    ("own port", device("bly", custom_fields=own(port="22")), f"{ONE} slipway_port", "\"'22'\"", REST),
    ("own router id", device("bly", custom_fields=own(router_id="::1")), f"{ONE} slipway_router_id", "'::1'", REST),
    ("a tag", device("bly", tags=[{"slug": "größe"}]), f"{ONE} tags", "'größe'", REST),
    ("to itself", to_itself, "/dcim/cables/1/ ends", "a link to itself (bly:eth1 and bly:eth9)", "aebi bly dekker"),
    ("breakout", breakout, "/dcim/cables/1/ ends", "1 and 2 interfaces (a breakout)", "aebi bly dekker"),
    ("no speed", no_speed, "/dcim/cables/1/ ends", "two interfaces without speed", "aebi bly dekker"),
    ("interface", odd_interface, "/dcim/cables/1/ ends", "interface 'port one'", "aebi bly dekker"),
    ("interface twice", same_interface, "/dcim/cables/5/ ends", "interface eth1, as ", "aebi bly dekker"),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "where", "found", "rest"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_a_wrong_row_is_named_and_the_rest_is_imported_when_asked(
    server: NetBoxServer, spoil: Spoil, where: str, found: str, rest: str
) -> None:
    spoil(server)
    preview = look(server)
    reasons = [reason for reason in preview.wrong if reason.subject == f"{server.url}{where}"]
    assert [reason.found[: len(found)] for reason in reasons] == [found], preview.wrong
    assert reasons[0].wanted and reasons[0].remedy
    empty = everything()
    with pytest.raises(NotApplied, match=r"wrong row\(s\), wanted none"):
        netbox.apply(preview, now=NOW)
    assert everything() == empty
    netbox.apply(preview, now=NOW, skip_wrong_rows=True)
    assert " ".join(sorted(models.Router.objects.values_list("name", flat=True))) == rest
    again = look(server)
    assert (again.changes, again.wrong) == (0, preview.wrong)


def test_a_row_that_turns_wrong_stays_as_it_is_and_is_not_stale(server: NetBoxServer) -> None:
    bring_in(server)
    before = everything()
    row(server, "dcim/devices", "bly").update(primary_ip=None, name="new-name")
    row(server, "dcim/sites", "zh4")["time_zone"] = "Mars/Base"
    preview = bring_in(server, skip_wrong_rows=True)
    assert preview.changes == 0 and len(preview.wrong) == 4  # bly, zh4, and its two devices
    assert everything() == before


def test_who_is_left_out_keeps_its_name_and_that_is_told_on(server: NetBoxServer) -> None:
    """aebi wants the name of bly, which wants that of dekker, which is wrong: all three stay."""
    bring_in(server)
    row(server, "dcim/devices", "aebi")["name"] = "bly"
    server.tables.rows["dcim/devices"][1]["name"] = "dekker"
    server.tables.rows["dcim/devices"][3].update(name="free", primary_ip=None)
    preview = bring_in(server, skip_wrong_rows=True)
    assert [reason.subject.removeprefix(server.url) for reason in preview.wrong] == [
        "/dcim/devices/3/ primary_ip",
        f"{ONE} name",
        "/dcim/devices/2/ name",
    ]
    assert preview.changes == 0


def test_names_and_interfaces_that_slipway_has_otherwise(server: NetBoxServer) -> None:
    models.External.objects.create(name="dekker")
    domain = models.FailureDomain.objects.create(name="x")
    credential = models.Credential.objects.get()
    place = models.Site.objects.create(name="x", failure_domain=domain)
    models.Router.objects.create(
        name="mine", site=place, role="edge", suite="frr", address="192.0.2.1", credential=credential
    )
    preview = bring_in(server, skip_wrong_rows=True)
    assert [str(reason).removeprefix(server.url) for reason in preview.wrong] == [
        "/dcim/devices/1/ primary_ip: found [192.0.2.1]:22, as the device mine of Slipway, wanted each address with "
        "its port once. Correct one of the two, or leave the row out with --skip-wrong-rows.",
        "/dcim/devices/3/ name: found dekker, as the external dekker of Slipway, wanted each name once. "
        "Correct one of the two, or leave the row out with --skip-wrong-rows.",
    ]
    assert names(preview.creates)[-1] == "router aebi"


def test_an_interface_of_a_link_by_hand(server: NetBoxServer) -> None:
    bring_in(server)
    models.NetboxObject.objects.filter(link__isnull=False).delete()
    end = models.LinkEnd.objects.get(router__name="bly", interface="eth1")
    models.LinkEnd.objects.filter(link=end.link).exclude(pk=end.pk).update(
        router=None, interface="", external=models.External.objects.create(name="transit")
    )
    preview = look(server)
    assert [reason.found for reason in preview.wrong] == ["interface eth1, as the link bly:eth1 -- transit of Slipway"]


def test_a_platform_can_be_told(server: NetBoxServer) -> None:
    row(server, "dcim/devices", "bly")["platform"] = {"id": 3, "slug": "ios-xr"}
    bring_in(server, defaults=Defaults("ops", "frr", platforms={"ios-xr": "iosxr"}))
    assert models.Router.objects.get(name="bly").platform == "iosxr"


@pytest.mark.parametrize(
    ("kind", "speed", "mbps"),
    [
        ("100base-tx", None, 100), ("1000base-x-sfp", None, 1_000), ("2.5gbase-t", None, 2_500),
        ("10gbase-x-sfpp", None, 10_000), ("100gbase-x-qsfp28", None, 100_000), ("1.6tbase-cr8", None, 1_600_000),
        ("10gbase-t", 1_000_000, 1_000), ("other", 25_000_000, 25_000), ("other", None, None), ("virtual", None, None),
        ("lag", None, None), ("10gbase-t", 0, 10_000), ("10gbase-t", -5, 10_000), ("10gbase-t", True, 10_000),
        ("", None, None), (None, "1000", None), ("99999gbase-t", None, None), ("other", 10**15, None),
    ],
)  # fmt: skip
def test_what_an_interface_carries(kind: str | None, speed: Any, mbps: int | None) -> None:
    assert parse.mbps({"type": {"value": kind, "label": "x"}, "speed": speed}) == mbps
