"""The inventory over the API: lists by pages, single fields, ETags, and what is entered, by the forms of the pages."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from fleet import clock
from inventory.models import Assignment, Drift, FailureDomain, Link, Observation, Profile, Router, Site
from inventory.views.edit import THINGS
from tests.changes import builders
from tests.changes.api_client import Program

pytestmark = pytest.mark.django_db
NAMES = [f"edge-{n}" for n in range(1, 8)]


@pytest.fixture
def program(admin: User) -> Program:
    builders.fleet(NAMES)
    return Program(admin)


def test_pages_have_each_row_once_also_when_rows_are_added_meanwhile(program: Program) -> None:
    found: list[str] = []
    page = program.get("/inventory/devices?limit=3").json()
    while True:
        found += [row["name"] for row in page["items"]]
        if page["next"] is None:
            break
        if len(found) == 3:
            builders.fleet(["later"])
        page = program.get(page["next"].removeprefix("http://testserver")).json()
    assert found == [*NAMES, "later"]


def test_filters_and_fields(program: Program) -> None:
    items = program.get("/inventory/devices?site=site1&fields=name,site").json()["items"]
    assert items == [{"name": n, "site": "site1"} for n in ("edge-2", "edge-5")]
    assert program.get("/inventory/devices?name=edge-3&fields=id").json()["items"] == [
        {"id": Router.objects.get(name="edge-3").pk}
    ]
    assert program.get("/inventory/devices?stale=true").json()["items"] == []
    assert len(program.get("/inventory/devices?stale=false").json()["items"]) == 7


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=501", "limit=x", "cursor=-1", "cursor=x", "fields=", "fields=nmae", "nmae=x", "name=",
     "name=a&name=b", "stale=perhaps", "cursor=99999999999999999999"],
)  # fmt: skip
def test_what_is_not_understood_is_refused_and_not_ignored(program: Program, query: str) -> None:
    answer = program.get(f"/inventory/devices?{query}")
    assert answer.status_code == 400
    assert answer.json()["reasons"][0]["text"]


def test_lists_take_as_many_queries_for_many_rows_as_for_few(program: Program) -> None:
    counts = {}
    program.get("/me")  # the token is marked as used once a minute
    for path in ("/inventory/devices", "/inventory/sites", "/inventory/links", "/drift", "/observations"):
        for limit in (1, 7):
            with CaptureQueriesContext(
                connection,
            ) as seen:
                assert program.get(f"{path}?limit={limit}").status_code == 200
            counts[path, limit] = len(seen)
        assert counts[path, 1] == counts[path, 7], path


def test_an_etag_answers_304_and_guards_a_write(program: Program) -> None:
    pk = Site.objects.get(name="site0").pk
    path = f"/inventory/sites/{pk}"
    first = program.get(path)
    assert program.get(path, **{"If-None-Match": first["ETag"]}).status_code == 304
    narrow = program.get(f"{path}?fields=name")
    assert narrow["ETag"] == first["ETag"], "of the whole, whatever is shown"
    wanted = {"name": "harbour", "failure_domain": "fd1", "time_zone": "Europe/London"}
    assert program.send("PUT", path, wanted).status_code == 428
    assert program.send("PUT", path, wanted, headers={"If-Match": '"0"'}).status_code == 412
    done = program.send("PUT", path, wanted, headers={"If-Match": first["ETag"]})
    assert done.status_code == 200
    assert done.json() == {"id": pk, **wanted}
    assert program.send("PUT", path, wanted, headers={"If-Match": first["ETag"]}).status_code == 412
    assert program.send("PUT", path, wanted, headers={"If-Match": done["ETag"]}).status_code == 200
    assert Site.objects.get(pk=pk).time_zone == "Europe/London"


def test_what_is_needed_is_not_removed(program: Program) -> None:
    answer = program.send("DELETE", f"/inventory/sites/{Site.objects.get(name='site0').pk}", headers={"If-Match": "*"})
    assert answer.status_code == 409
    assert "device edge-1" in answer.json()["detail"]
    made = program.post("/inventory/failure-domains", {"name": "fd9"})
    assert made.status_code == 201
    where = made["Location"].removeprefix("http://testserver")
    assert program.get(where).json()["name"] == "fd9"
    assert program.send("DELETE", where, headers={"If-Match": made["ETag"]}).status_code == 204
    assert not FailureDomain.objects.filter(name="fd9").exists()


def test_a_device_with_its_host_key(program: Program) -> None:
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
    wanted = {
        "name": "newcomer", "kind": "router", "site": "site0", "role": "edge", "platform": "linux", "suite": "frr",
        "address": "192.0.2.7", "port": 22, "credential": "lab", "tags": ["canary", "rack-7"], "host_key": key,
    }  # fmt: skip
    answer = program.post("/inventory/devices", wanted)
    assert answer.status_code == 201, answer.content
    row = Router.objects.get(name="newcomer")
    assert (row.tags, row.site.name, row.host_keys.count()) == (["canary", "rack-7"], "site0", 1)
    again = program.post("/inventory/devices", wanted)
    assert again.status_code == 409
    assert {r["subject"] for r in again.json()["reasons"]} >= {"name"}
    wrong = program.post("/inventory/devices", {**wanted, "name": "other", "site": "nowhere", "tags": ["a b"]})
    assert {r["subject"] for r in wrong.json()["reasons"]} >= {"site"}


def test_links_profiles_and_assignments(program: Program) -> None:
    link = {"kind": "ethernet", "capacity_mbps": 10_000, "a_device": "edge-1", "a_interface": "eth0"}
    made = program.post("/inventory/links", {**link, "b_device": "edge-2", "b_interface": "eth0"})
    assert made.status_code == 201, made.content
    assert made.json()["a_device"] == "edge-1"
    assert Link.objects.count() == 1
    wrong = program.post("/inventory/links", {**link, "b_device": "edge-1", "b_interface": "eth1"})
    assert "to itself" in wrong.json()["detail"]
    profile = {"name": "queues", "kind": "nic", "settings": {"nic.queues": 8, "nic.rings.rx": None}}
    assert program.post("/inventory/profiles", profile).status_code == 201
    assert Profile.objects.get().settings == {"nic.queues": 8, "nic.rings.rx": None}
    mistyped = program.post("/inventory/profiles", {**profile, "name": "x", "settings": {"nic.quees": 8}})
    assert "nic.quees" in mistyped.json()["detail"]
    to_one = {"profile": "queues", "level": "device", "router": "edge-1"}
    assert program.post("/inventory/assignments", to_one).status_code == 201
    assert Assignment.objects.get().router == Router.objects.get(name="edge-1")


def test_intent_facts_observations_and_drift(program: Program) -> None:
    router = Router.objects.get(name="edge-1")
    assert program.get(f"/inventory/devices/{router.pk}/facts").status_code == 404
    facts = {"kernel": "6.1.9", "interfaces": {"eth0": {"channels": {"combined": {"now": 4, "max": 8}}}}}
    Observation.objects.create(router=router, observed_at=clock.now(), facts=facts)
    profile = Profile.objects.create(name="kernel", kind="kernel", settings={"kernel.version": "6.1.10"})
    Assignment.objects.create(profile=profile, level="fleet")
    Drift.objects.create(
        router=router, setting="kernel.version", wanted="6.1.10", found="6.1.9", profile="kernel", since=clock.now()
    )
    assert program.get(f"/inventory/devices/{router.pk}/facts").json()["facts"] == facts
    assert "facts" not in program.get("/observations?device=edge-1").json()["items"][0]
    lines = program.get(f"/inventory/devices/{router.pk}/intent").json()["lines"]
    assert [(x["setting"], x["wanted"], x["found"], x["state"]) for x in lines] == [
        ("kernel.version", "6.1.10", "6.1.9", "different")
    ]
    (item,) = program.get("/drift?setting=kernel.version").json()["items"]
    assert (item["device"], item["wanted"], item["ended_at"]) == ("edge-1", "6.1.10", None)
    assert program.get("/drift?ended=true").json()["items"] == []
    repair = program.post("/drift/repairs", {"device": "edge-1"})
    assert repair.status_code == 202
    assert program.get(repair["Location"].removeprefix("http://testserver")).json()["state"] == "waiting"
    assert program.post("/drift/repairs", {"device": "edge-2"}).status_code == 409


def test_every_thing_of_the_pages_is_here_with_its_right(program: Program, reader: User) -> None:
    for thing in THINGS:
        assert program.get(f"/inventory/{thing.folder}").status_code == 200, thing.slug
        assert Program(reader).get(f"/inventory/{thing.folder}").status_code == 200
        refused = Program(reader).post(f"/inventory/{thing.folder}", {})
        assert refused.json()["reasons"][0]["wanted"] == thing.right("add")


def test_a_right_of_one_table_is_not_that_of_another(program: Program, reader: User) -> None:
    reader.user_permissions.add(Permission.objects.get(codename="add_site"))
    theirs = Program(User.objects.get(pk=reader.pk))
    assert (
        theirs.post("/inventory/sites", {"name": "x", "failure_domain": "fd0", "time_zone": "UTC"}).status_code == 201
    )
    assert theirs.post("/inventory/externals", {"name": "x"}).status_code == 403
    assert theirs.send("DELETE", "/inventory/sites/1", headers={"If-Match": "*"}).status_code == 403


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400), (b"[]", 400), (b'{"name": NaN}', 400), (b'{"name": "\\u0000"}', 400),
        (b'{"name": "\\ud800"}', 400),
        (b"[" * 100_000, 400), (b'{"name": ' + b"9" * 5000 + b"}", 400), (b"\xff", 400), (b'{"name": 7}', 400),
        (b'{"name": "x", "extra": 1}', 400), (b'{"name": "' + b"x" * 2_600_000 + b'"}', 413), (b'{"name": "a b"}', 409),
    ],
)  # fmt: skip
def test_hostile_content_is_refused_in_words(program: Program, body: bytes, status: int) -> None:
    headers = {"Authorization": f"Bearer {program.text}", "Idempotency-Key": "k"}
    address = "/api/v1/inventory/externals"
    answer: Any = program.client.post(address, body, content_type="application/json", headers=headers)
    assert answer.status_code == status, answer.content[:300]
    assert answer["Content-Type"] == "application/problem+json"
    answer = program.client.post(address, body, content_type="text/plain", headers=headers)
    assert answer.status_code == 415
