"""The pages of one device, of drift and of what goes together, and the button that drafts the repair."""

import html
import re
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from fleet import clock
from fleet.changes import repair_requests
from fleet.changes.models import Change
from fleet.changes.models.repairs import RepairRequest
from fleet.core.states import ChangeState
from inventory.models import Drift, Observation, Router, digest_of
from tests.changes import builders
from tests.inventory import scene


@pytest.fixture
def ten(db: None, now: datetime) -> list[Router]:
    return scene.fleet(10, now)


def words(response: object) -> str:
    content: bytes = response.content  # type: ignore[attr-defined]
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", content.decode())))


@pytest.fixture
def client(reader: User) -> Client:
    client = Client()
    client.force_login(reader)
    return client


@pytest.fixture
def drafter(author: User) -> Client:
    author.user_permissions.add(Permission.objects.get(codename="add_change"))
    client = Client()
    client.force_login(User.objects.get(pk=author.pk))
    return client


def test_intent_stands_beside_facts(ten: list[Router], client: Client) -> None:
    page = words(client.get("/inventory/devices/bly/"))
    assert "1 setting differs" in page
    assert "nic.queues[eth0] differs 16 8 bly-queues (one device) instead of 8 (nic-base, the whole fleet)" in page
    assert "kernel.sysctl.net.core.rmem_max unknown 1 unknown the facts do not say" in page
    assert "dmidecode : needs root" in page
    assert "XL710" in page
    assert "8086:1583" in page
    assert "aebi" in page
    assert "No change of Slipway keeps it without traffic." in page
    assert "Draft the repair" not in page


def test_unknown_devices_and_names_in_other_forms(ten: list[Router], client: Client) -> None:
    assert client.get("/inventory/devices/nobody/").status_code == 404
    assert client.get("/inventory/devices/bly/?from=x&to=1").status_code == 200
    assert client.get("/inventory/devices/bly/?from=99999999&to=1").status_code == 200


def test_a_device_that_was_never_seen_says_so(ten: list[Router], client: Client) -> None:
    blank = Router.objects.get(name="bly")
    blank.pk, blank.name, blank.address, blank.router_id = None, "unseen", "192.0.2.9", None
    blank.save()
    page = words(client.get("/inventory/devices/unseen/"))
    assert "never seen" in page
    assert "no host key: nothing connects" in page
    assert "./manage.py collect unseen" in page


def test_hostile_facts_do_no_harm(ten: list[Router], client: Client) -> None:
    router = Router.objects.get(name="bly")
    facts = {
        "kernel": "<script>alert(1)</script>",
        "interfaces": ["<img src=x>"],
        "unknown": {"<b>": "\x1b[31m" * 5000},
    }
    Observation.objects.create(router=router, observed_at=clock.now(), facts=facts, digest=digest_of(facts))
    response = client.get("/inventory/devices/bly/")
    assert response.status_code == 200
    assert b"<script>alert" not in response.content
    assert b"<img src" not in response.content
    assert len(response.content) < 100_000


def test_the_differences_of_two_observations(ten: list[Router], client: Client) -> None:
    newest, older = Observation.objects.filter(router__name="bly").order_by("-observed_at")
    page = words(client.get(f"/inventory/devices/bly/?from={older.pk}&to={newest.pk}"))
    assert "interfaces.eth0.channels.combined changed 6 8" in page
    foreign = Observation.objects.filter(router__name="aebi")[0]
    assert "What changed between" not in words(client.get(f"/inventory/devices/bly/?from={foreign.pk}&to={newest.pk}"))


def test_it_says_who_keeps_it_without_traffic(ten: list[Router], client: Client, author: User, approver: User) -> None:
    at = clock.now() - timedelta(minutes=5)
    run = builders.running(author, approver, builders.plan([["bly"], ["aebi"]]), at, title="Eight queues")
    builders.begin(run, ["bly"], at)
    builders.walk(run, "bly", at, until="nic")
    page = words(client.get("/inventory/devices/bly/"))
    assert "without traffic, for" in page
    assert f"by change {run.revision.change_id}: Eight queues" in page
    assert "Drift is not counted meanwhile." in page
    assert "No change has touched it." in words(client.get("/inventory/devices/dekker/"))


# --- drift and its repair ---------------------------------------------------------------------------------------


def test_drift_is_grouped_by_setting(ten: list[Router], client: Client) -> None:
    page = words(client.get("/inventory/drift/"))
    assert re.search(r"nic.queues 8 nic-base 2 ", page)
    assert "nic.queues 16 bly-queues 1" in page
    assert "Draft the repair" not in page


def test_the_button_writes_a_request_and_the_engine_drafts(ten: list[Router], drafter: Client, author: User) -> None:
    assert "Draft the repair" in words(drafter.get("/inventory/drift/"))
    response = drafter.post("/inventory/drift/repair", {"setting": "nic.queues", "profile": "nic-base"})
    row = RepairRequest.objects.get()
    assert response["Location"] == f"/inventory/repairs/{row.pk}/"
    assert len(row.drifts) == 2
    waiting = words(drafter.get(response["Location"]))
    assert "The change is being drafted." in waiting
    assert "The engine is not running" in waiting
    assert not Change.objects.exists()

    assert repair_requests.take_up(clock.now()) == 1
    assert repair_requests.take_up(clock.now()) == 0
    change = Change.objects.get()
    assert change.author == author
    assert change.state == ChangeState.DRAFT
    assert f"Drafted: {change.pk} Repair drift: nic-queues on" in words(drafter.get(response["Location"]))

    drafter.post("/inventory/drift/repair", {"setting": "nic.queues", "profile": "nic-base"})
    repair_requests.take_up(clock.now())
    assert Change.objects.count() == 1
    again = RepairRequest.objects.order_by("-pk")[0]
    assert "Already under way, so not drafted again" in words(drafter.get(f"/inventory/repairs/{again.pk}/"))


def test_what_no_recipe_repairs_is_left_with_its_reason(ten: list[Router], drafter: Client) -> None:
    dekker = Router.objects.get(name="dekker")
    Drift.objects.create(
        router=dekker, setting="routing.suite", wanted="bird", found="frr", profile="x", since=clock.now()
    )
    response = drafter.post("/inventory/drift/repair", {"device": "dekker"})
    repair_requests.take_up(clock.now())
    page = words(drafter.get(response["Location"]))
    assert "No recipe repairs routing.suite as it is wanted here" in page
    revision = Change.objects.get().revision
    assert revision is not None and revision.recipe == "nic-settings", "rings are repaired"


def test_a_worker_that_died_in_it_is_followed_by_another(ten: list[Router], drafter: Client) -> None:
    drafter.post("/inventory/drift/repair", {"device": "bly"})
    now = clock.now()
    RepairRequest.objects.update(taken_at=now)
    assert repair_requests.take_up(now + timedelta(minutes=1)) == 0
    assert repair_requests.take_up(now + repair_requests.TAKEN_FOR + timedelta(seconds=1)) == 1


def test_a_fault_in_drafting_is_told_and_ends_the_request(
    ten: list[Router], drafter: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **kwargs: object) -> object:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr(repair_requests.repairs, "draft", broken)
    response = drafter.post("/inventory/drift/repair", {"device": "bly"})
    assert repair_requests.take_up(clock.now()) == 1
    assert repair_requests.take_up(clock.now()) == 0
    assert "RuntimeError: broken on purpose" in words(drafter.get(response["Location"]))


@pytest.mark.parametrize(
    ("form", "status", "said"),
    [
        ({}, 400, "neither a setting nor a device"),
        ({"device": "nobody"}, 409, "none any more"),
        ({"setting": "nic.queue", "profile": "nic-base"}, 409, "none any more"),
    ],
)
def test_the_button_refuses(ten: list[Router], drafter: Client, form: dict[str, str], status: int, said: str) -> None:
    response = drafter.post("/inventory/drift/repair", form)
    assert response.status_code == status
    assert said in words(response)
    assert not RepairRequest.objects.exists()


def test_the_button_needs_the_right(ten: list[Router], client: Client) -> None:
    assert client.post("/inventory/drift/repair", {"device": "bly"}).status_code == 403
    assert not RepairRequest.objects.exists()


# --- what goes together -----------------------------------------------------------------------------------------


def test_the_matrix_names_devices_sources_and_what_was_withdrawn(ten: list[Router], client: Client) -> None:
    response = client.get("/inventory/compat/")
    page = words(response)
    assert re.search(r"Intel's i40e 2\.13\.10 leaks slab memory .*?stops a plan", page)
    assert re.search(
        r'<a href="/inventory/nics/\?[^"]*driver_version=2\.13\.10[^"]*">3 devices', response.content.decode()
    )
    withdrawn = client.get("/inventory/compat/?status=withdrawn")
    assert b'<tr class="withdrawn">' in withdrawn.content
    assert "withdrawn on 2021-03-30" in words(withdrawn)
    assert "confidence" in page
    assert "0 rows" in words(client.get("/inventory/compat/?q=nosuchrow"))


def test_a_device_shows_advisories_of_its_own_and_of_neighbours(ten: list[Router], client: Client) -> None:
    page = words(client.get("/inventory/devices/aebi/"))
    assert "Intel's i40e 2.13.10 leaks slab memory" in page
    assert re.search(r"FRR 7\.3.*? on its neighbour bly|FRR 7\.3.*? \(neighbour bly\)", page)


def test_own_evidence_is_asked_for_by_itself(ten: list[Router], client: Client) -> None:
    combination = "family=i40e&model=XL710&flavour=vendor&driver=2.13.10&kernel=6.1.0-28-amd64&nvm=8.00"
    page = words(client.get(f"/inventory/compat/evidence?{combination}"))
    assert "0.0 h soaked in 0 soaks, seen on 3 devices" in page
    unknown = client.get("/inventory/compat/evidence?family=i40e", headers={"HX-Request": "true"})
    assert "a part of it is unknown" in words(unknown)
    assert b"<html" not in unknown.content
