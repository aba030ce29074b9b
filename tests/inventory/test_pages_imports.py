"""The page of imports: asking writes a row, agreeing needs the digest, and nobody without the right does either."""

import html
import re
from datetime import datetime

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from inventory.importers.netbox import asks
from inventory.importers.netbox.preview import Preview
from inventory.importers.netbox.values import Defaults, Filters, Snapshot
from inventory.importers.preview import Change, FieldChange
from inventory.importers.rows import RowKind
from inventory.models import NetboxImport, NetboxSource


def words(response: object) -> str:
    content: bytes = response.content  # type: ignore[attr-defined]
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", content.decode())))


@pytest.fixture
def source(db: None) -> NetboxSource:
    return NetboxSource.objects.create(name="main", url="https://netbox.example.net")


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    found: list[int] = []
    monkeypatch.setattr(asks, "ring", found.append)
    return found


@pytest.fixture
def importer(author: User) -> Client:
    author.user_permissions.add(*Permission.objects.filter(codename__in=["add_netboximport", "change_netboximport"]))
    client = Client()
    client.force_login(User.objects.get(pk=author.pk))
    return client


def form(netbox: NetboxSource, **more: str) -> dict[str, str]:
    fields = {
        "source": str(netbox.pk),
        "sites": "lon1, ams1",
        "roles": "",
        "tags": "",
        "credential": "",
        "suite": "frr",
    }
    return {**fields, "kind": "router", **more}


def test_asking_writes_a_row_and_rings(source: NetboxSource, importer: Client, rung: list[int]) -> None:
    response = importer.post("/inventory/imports/ask", form(source))
    row = NetboxImport.objects.get()
    assert response["Location"] == f"/inventory/imports/{row.pk}/"
    assert rung == [row.pk]
    assert row.filters["sites"] == ["lon1", "ams1"]
    page = importer.get(response["Location"])
    assert "being read" in words(page)
    assert b'hx-trigger="every 2s"' in page.content


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"source": "77"}, "NetBox: found '77', wanted one of the list"),
        ({"sites": "lon1;drop"}, "sites: found 'lon1;drop'"),
        ({"credential": "nobody"}, "credential: found 'nobody'"),
        ({"suite": "quagga"}, "suite and kind: found 'quagga router'"),
    ],
)
def test_a_wrong_question_is_refused(
    source: NetboxSource, importer: Client, rung: list[int], wrong: dict[str, str], said: str
) -> None:
    response = importer.post("/inventory/imports/ask", form(source, **wrong))
    assert response.status_code == 400
    assert said in words(response)
    assert not NetboxImport.objects.exists()
    assert rung == []


@pytest.fixture
def previewed(source: NetboxSource, now: datetime) -> NetboxImport:
    change = Change(RowKind.ROUTER, "bly", (FieldChange("role", "edge", "core"),))
    preview = Preview(
        Snapshot(url="https://netbox.example.net", version="4.2"), Filters(), Defaults(), updates=(change,), unchanged=5
    )
    return NetboxImport.objects.create(
        source=source, url=source.url, filters={}, asked_by="author", asked_at=now, preview=preview.as_json(),
        digest=preview.digest, changes=preview.changes, previewed_at=now,
    )  # fmt: skip


def test_agreeing_is_to_the_digest_that_was_shown(previewed: NetboxImport, importer: Client, rung: list[int]) -> None:
    address = f"/inventory/imports/{previewed.pk}/"
    page = words(importer.get(address))
    assert "Update: 1 bly router role edge core" in page
    stale = importer.post(f"{address}apply", {"digest": "0" * 64})
    assert stale.status_code == 409
    assert "found another digest" in words(stale)
    assert importer.post(f"{address}apply", {"digest": previewed.digest}).status_code == 302
    assert rung == [previewed.pk]
    again = importer.post(f"{address}apply", {"digest": previewed.digest})
    assert again.status_code == 409
    assert "found applying, wanted a preview that nobody has applied" in words(again)


def test_readers_look_and_do_nothing(previewed: NetboxImport, reader: User, rung: list[int]) -> None:
    client = Client()
    client.force_login(reader)
    assert "Ask for a preview" not in words(client.get("/inventory/imports/"))
    assert "Applying it needs a permission" in words(client.get(f"/inventory/imports/{previewed.pk}/"))
    assert client.post("/inventory/imports/ask", {}).status_code == 403
    assert client.post(f"/inventory/imports/{previewed.pk}/apply", {"digest": previewed.digest}).status_code == 403
    assert client.get("/inventory/imports/999/").status_code == 404
    assert rung == []


def test_a_refused_import_says_why(previewed: NetboxImport, importer: Client) -> None:
    reason = {"subject": "https://netbox.example.net", "found": "status 500", "wanted": "200", "remedy": "Try again."}
    NetboxImport.objects.update(refused=reason)
    page = words(importer.get(f"/inventory/imports/{previewed.pk}/"))
    assert "Refused; nothing was written" in page
    assert "found status 500, wanted 200" in page
