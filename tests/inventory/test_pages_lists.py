"""The list pages: who may look, what narrows them, order, paging, saved filters, CSV, and that queries do not grow."""

import csv
import io
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from inventory.models import Router, SavedFilter
from inventory.urls import urlpatterns
from inventory.views.cells import defused
from inventory.views.conditions import fitting
from tests.inventory import scene

LISTS = ("devices", "nics", "links", "externals", "sites", "failure-domains", "profiles", "assignments", "artifacts",
         "consoles", "credentials", "drift", "beacons", "ucs-domains", "adapter-policies",
         "service-profiles")  # fmt: skip


@pytest.fixture
def twenty(db: None, now: datetime) -> list[Router]:
    return scene.fleet(20, now)


@pytest.fixture
def see(reader: User) -> Callable[[str], str]:
    client = Client()
    client.force_login(reader)

    def get(address: str, status: int = 200) -> str:
        response = client.get(f"/inventory/{address}")
        assert response.status_code == status, response.content[:500]
        return response.content.decode()

    return get


def devices(html: str) -> list[str]:
    return re.findall(r'<td data-head="Device"><div class="cell"><a href="/inventory/devices/([^/]+)/', html)


def sheet(client: Client, address: str) -> list[dict[str, str]]:
    response = client.get(f"/inventory/{address}")
    assert response.streaming

    async def whole() -> bytes:
        return b"".join([piece async for piece in response])

    return list(csv.DictReader(io.StringIO(async_to_sync(whole)().decode())))


# --- who ----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("pattern", urlpatterns, ids=lambda p: str(p.name))
@pytest.mark.parametrize("method", ["get", "post"])
def test_nothing_without_a_login(pattern: object, method: str) -> None:
    kwargs = {"pk": 1} if "pk" in pattern.pattern.converters else {}  # type: ignore[attr-defined]
    response = getattr(Client(), method)(reverse(pattern.name, kwargs=kwargs))  # type: ignore[attr-defined]
    assert response.status_code in {302, 405}
    assert response.status_code == 405 or response["Location"].startswith("/login/?next=")


def test_a_reader_sees_every_list_and_nothing_inline(twenty: list[Router], see: Callable[..., str]) -> None:
    for name in LISTS:
        html = see(f"{name}/")
        assert "Slipway</title>" in html
        assert not re.search(r"<script(?![^>]*src=)|<style|\son[a-z]+=|style=", html), name
        assert "Add a" not in html, name


@pytest.mark.django_db
@pytest.mark.parametrize("name", LISTS)
def test_an_empty_inventory_says_so(name: str, see: Callable[..., str]) -> None:
    assert "There is nothing here yet." in see(f"{name}/")


# --- what narrows ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("site=lon1", lambda r: r.site.name == "lon1"),
        ("site=lon1&site=ams1", lambda r: r.site.name in {"lon1", "ams1"}),
        ("role=core", lambda r: r.role == "core"),
        ("kind=blade", lambda r: r.kind == "blade"),
        ("suite=frr&suite_version=%3C+8", lambda r: r.software.suite_version == "7.3.1"),
        ("kernel=6.1.*", lambda r: r.software.kernel.startswith("6.1.0")),
        ("kernel=%3E%3D+6,%3C+6.12", lambda r: r.software.kernel.startswith("6.1.0")),
        ("kernel=6.12.9", lambda r: r.software.kernel == "6.12.9"),
        ("driver=ice", lambda r: r.nics.filter(driver="ice").exists()),
        ("driver=i40e&driver_version=2.13.10", lambda r: r.nics.filter(driver_version="2.13.10").exists()),
        ("firmware=%3E+5", lambda r: r.nics.filter(nvm="8.00").exists()),
        ("tag=canary", lambda r: "canary" in r.tags),
        ("drift=yes", lambda r: r.drifts.open().exists()),
        ("drift=no", lambda r: not r.drifts.open().exists()),
        ("stale=yes", lambda r: r.stale_since is not None),
        ("never_seen=yes", lambda r: not r.observations.exists()),
        ("q=edge0000+lon", lambda r: "edge0000" in r.name and "lon" in r.site.name),
    ],
)
def test_filters_of_devices(
    twenty: list[Router], see: Callable[..., str], now: datetime, query: str, wanted: Callable[[Router], bool]
) -> None:
    Router.objects.filter(name="dekker").update(stale_since=now)
    blank = Router.objects.get(name="bly")
    blank.pk, blank.name, blank.address, blank.router_id = None, "unseen", "192.0.2.9", None
    blank.tags = ["canary-2"]  # a tag that only begins like another
    blank.save()
    fits = sorted(r.name for r in Router.objects.select_related("site", "software") if _safe(wanted, r))
    assert fits, "a case that nothing fits proves nothing"
    assert len(fits) < 21, "a case that everything fits proves nothing"
    assert devices(see(f"devices/?{query}")) == fits


def _safe(wanted: Callable[[Router], bool], router: Router) -> bool:
    try:
        return wanted(router)
    except Router.software.RelatedObjectDoesNotExist:
        return False


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("sites=lon1", "filter &#x27;sites&#x27;: found no filter of this page"),
        ("site=lon9", "filter Site: found &#x27;lon9&#x27;"),
        ("kernel=newest", "version &#x27;newest&#x27;"),
        ("sort=colour", "sort: found &#x27;colour&#x27;"),
        ("format=xls", "format: found &#x27;xls&#x27;, wanted csv"),
    ],
)
def test_what_is_not_understood_lists_nothing_and_is_named(
    twenty: list[Router], see: Callable[..., str], query: str, said: str
) -> None:
    html = see(f"devices/?{query}", 400)
    assert said in html
    assert devices(html) == []


def test_order_and_pages(db: None, now: datetime, see: Callable[..., str]) -> None:
    scene.fleet(130, now)
    names = sorted(scene.names(130))
    first, second = devices(see("devices/")), devices(see("devices/?page=2"))
    assert first + second == names
    assert devices(see("devices/?sort=-name"))[:2] == names[:-3:-1]
    assert devices(see("devices/?page=999999")) == second
    assert "sort=-name" in see("devices/?sort=name")
    assert 'aria-sort="descending"' in see("devices/?sort=-kernel")
    drifting = devices(see("devices/?sort=drift"))
    assert Router.objects.get(name=drifting[0]).drifts.open().count() == 5


def test_a_range_of_versions() -> None:
    known = ["5.10.46-trunk", "6.1.0-28-amd64", "6.12.9", "not a version"]
    assert fitting(["< 6"], known) == ["5.10.46-trunk"]
    assert fitting(["6.1.0-28-amd64", "6.12.*"], known) == ["6.1.0-28-amd64", "6.12.9"]
    assert fitting(["*amd64"], known) == ["6.1.0-28-amd64"]
    assert fitting(["not a version"], known) == ["not a version"]
    assert "wanted bounds such as" in str(fitting(["~~"], known))


# --- saved filters --------------------------------------------------------------------------------------------------


def test_saved_filters_are_ones_own_or_shared(twenty: list[Router], reader: User, author: User) -> None:
    mine, other = Client(), Client()
    mine.force_login(reader)
    other.force_login(author)
    form = {"page": "devices", "query": "role=core&site=lon2", "name": "Core of lon2"}
    assert mine.post("/inventory/filters/save", form)["Location"] == "/inventory/devices/?role=core&site=lon2"
    assert "Core of lon2" in mine.get("/inventory/devices/").content.decode()
    assert "Core of lon2" not in other.get("/inventory/devices/").content.decode()
    mine.post("/inventory/filters/save", {**form, "shared": "1"})
    assert SavedFilter.objects.count() == 1
    assert "Core of lon2" in other.get("/inventory/devices/").content.decode()
    row = SavedFilter.objects.get()
    refused = other.post(f"/inventory/filters/{row.pk}/forget")
    assert refused.status_code == 403
    assert b"it belongs to reader" in refused.content
    assert mine.post(f"/inventory/filters/{row.pk}/forget").status_code == 302
    assert not SavedFilter.objects.exists()


@pytest.mark.parametrize("wrong", [{"page": "elsewhere"}, {"name": ""}, {"query": "x" * 2000}, {"name": "n" * 64}])
def test_a_wrong_saved_filter_is_refused(db: None, reader: User, wrong: dict[str, str]) -> None:
    client = Client()
    client.force_login(reader)
    form = {"page": "devices", "query": "role=core", "name": "x", **wrong}
    assert client.post("/inventory/filters/save", form).status_code == 400
    assert not SavedFilter.objects.exists()


# --- CSV ------------------------------------------------------------------------------------------------------------


def test_csv_has_every_row_of_what_was_asked_and_runs_no_formula(twenty: list[Router], reader: User) -> None:
    client = Client()
    client.force_login(reader)
    Router.objects.filter(name="bly").update(role='=HYPERLINK("http://evil")')
    rows = sheet(client, "devices/?format=csv")
    assert [r["name"] for r in rows] == sorted(scene.names(20))
    bly = next(r for r in rows if r["name"] == "bly")
    assert bly["role"] == '\'=HYPERLINK("http://evil")'
    assert bly["drift"] == "1"
    assert datetime.fromisoformat(bly["seen"]).tzinfo is not None
    assert [r["name"] for r in sheet(client, "devices/?format=csv&site=lon2&sort=-name")] == sorted(
        Router.objects.filter(site__name="lon2").values_list("name", flat=True), reverse=True
    )
    for name in LISTS:
        assert sheet(client, f"{name}/?format=csv"), name


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "＝1"])
def test_cells_that_begin_a_formula_are_defused(text: str) -> None:
    assert defused(text) == f"'{text}"


def test_plain_cells_stay_as_they_are() -> None:
    now = datetime(2026, 11, 21, 5, 0, tzinfo=UTC)
    assert [defused(v) for v in ("lon1", 8, -8, None, now)] == ["lon1", "8", "-8", "", "2026-11-21T05:00:00+00:00"]


# --- JSON of drift, queries -------------------------------------------------------------------------------------------


def test_drift_as_json(twenty: list[Router], reader: User) -> None:
    client = Client()
    client.force_login(reader)
    found = client.get("/inventory/drift.json?device=bly").json()
    assert found["count"] == 1
    row = found["results"][0]
    assert (row["device"], row["setting"], row["wanted"], row["found"], row["profile"]) == (
        "bly", "nic.queues[eth0]", 16, 8, "bly-queues",
    )  # fmt: skip
    refused = client.get("/inventory/drift.json?colour=red")
    assert refused.status_code == 400
    assert "colour" in refused.json()["refusals"][0]


def queries(client: Client, address: str) -> int:
    client.get(address)  # what is read once a process is read now
    with CaptureQueriesContext(connection) as counted:
        response: HttpResponse = client.get(address)  # type: ignore[assignment]
    assert response.status_code == 200, address
    return len(counted)


# How many queries a page takes is the same on either database.
@pytest.mark.sqlite
def test_queries_do_not_grow_with_the_fleet(db: None, reader: User, now: datetime) -> None:
    client = Client()
    client.force_login(reader)
    narrowed = "/inventory/devices/?kernel=%3C+7&drift=yes&driver=i40e&sort=-seen"
    addresses = [*(f"/inventory/{name}/" for name in LISTS), narrowed, "/inventory/compat/", "/inventory/devices/bly/"]
    scene.fleet(20, now - timedelta(days=1))
    few = {address: queries(client, address) for address in addresses}
    scene.more(200, now)
    many = {address: queries(client, address) for address in addresses}
    assert many == few
    assert max(many.values()) <= 40
