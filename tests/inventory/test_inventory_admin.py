"""The admin pages of the inventory: they open, search, and keep what may not be changed."""

from collections.abc import Callable
from datetime import datetime

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from inventory import models
from tests.inventory.one_of_each import one_of_each

pytestmark = pytest.mark.django_db
MODELS = [model for model in admin.site._registry if model._meta.app_label == "inventory"]


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("boss", password="correct horse battery"))
    return client


@pytest.fixture
def observed(fleet: Callable[[int], None], now: datetime) -> models.Observation:
    fleet(4)
    one_of_each(models.Router.objects.get(name="r0"), now)
    return models.Observation.objects.get()


def test_every_model_is_there() -> None:
    assert {model.__name__ for model in MODELS} == {
        "AdapterLimit", "AdapterPolicy", "Artifact", "Assignment", "Beacon", "Card", "CollectionRun", "Console", "Cpu",
        "Credential",
        "Customer", "ProviderCircuit", "ProviderMaintenance",
        "Daemon", "Drift", "External", "FailureDomain", "HostKey", "Interface", "KeepConnected", "Link", "Module",
        "NetboxImport", "NetboxSource", "Nic", "Observation",
        "Package", "Profile", "QueueLook", "RackServer", "Router", "Sample", "Sampled", "SavedFilter",
        "ServiceProfile", "Site", "Software", "UcsDomain",
    }  # fmt: skip


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_lists_search_and_rows_open(boss: Client, observed: models.Observation, model: type) -> None:
    name = model._meta.model_name
    for query in ("", "?q=r0"):
        assert boss.get(f"/admin/inventory/{name}/{query}").status_code == 200
    first = model._default_manager.first()
    assert boss.get(f"/admin/inventory/{name}/{first.pk}/change/").status_code == 200


def test_lists_cost_the_same_queries_for_more_rows(boss: Client, fleet: Callable[[int], None]) -> None:
    counts = []
    for routers in (4, 40):
        fleet(routers)
        for name in ("router", "link", "hostkey", "site"):
            with CaptureQueriesContext(connection) as queries:
                boss.get(f"/admin/inventory/{name}/")
            counts.append(len(queries))
    assert counts[:4] == counts[4:]


@pytest.mark.parametrize("model", ["observation", "interface", "nic"])
def test_what_devices_said_cannot_be_changed(boss: Client, observed: models.Observation, model: str) -> None:
    assert boss.get(f"/admin/inventory/{model}/add/").status_code == 403
    row = {"observation": observed, "interface": models.Interface.objects.get(), "nic": models.Nic.objects.get()}[model]
    assert boss.post(f"/admin/inventory/{model}/{row.pk}/change/", {"name": "forged"}).status_code == 403
    assert boss.post(f"/admin/inventory/{model}/{row.pk}/delete/", {"post": "yes"}).status_code == 403


def test_an_observed_router_is_not_deleted(boss: Client, observed: models.Observation) -> None:
    boss.post(f"/admin/inventory/router/{observed.router.pk}/delete/", {"post": "yes"})
    assert models.Router.objects.filter(name="r0").exists()


def test_a_host_key_can_be_retired_not_edited(boss: Client, observed: models.Observation) -> None:
    key = models.HostKey.objects.get(router__name="r0")
    assert boss.post(f"/admin/inventory/hostkey/{key.pk}/change/", {"key": "x"}).status_code == 403
    boss.post("/admin/inventory/hostkey/", {"action": "retire", "_selected_action": [key.pk]})
    assert models.Router.objects.get(name="r0").host_key() is None


def ends(a: dict[str, object], b: dict[str, object]) -> dict[str, object]:
    fields: dict[str, object] = {"kind": "core", "capacity_mbps": 1000, "ends-TOTAL_FORMS": 2, "ends-INITIAL_FORMS": 0}
    for number, (side, end) in enumerate((("a", a), ("b", b))):
        fields[f"ends-{number}-side"] = side
        fields |= {f"ends-{number}-{key}": value for key, value in end.items()}
    return fields


def test_a_link_follows_the_rules_of_the_file(boss: Client, observed: models.Observation) -> None:
    r0, r1 = (models.Router.objects.get(name=name) for name in ("r0", "r1"))
    other = models.External.objects.create(name="customer")
    internet = models.External.objects.get(name="internet")
    before = models.Link.objects.count()
    for a, b, said in (
        ({"router": r0.pk, "interface": "x1"}, {"router": r0.pk, "interface": "x2"}, "to itself"),
        ({"external": other.pk}, {"external": internet.pk}, "wanted at least one router"),
        ({"router": r0.pk, "interface": "x1"}, {}, "wanted a router with its interface"),
    ):
        answer = boss.post("/admin/inventory/link/add/", ends(a, b))
        assert said in answer.content.decode() and models.Link.objects.count() == before
    answer = boss.post(
        "/admin/inventory/link/add/", ends({"router": r0.pk, "interface": "x1"}, {"router": r1.pk, "interface": "x1"})
    )
    assert answer.status_code == 302 and models.Link.objects.count() == before + 1


def test_names_stay_unambiguous(boss: Client, observed: models.Observation) -> None:
    answer = boss.post("/admin/inventory/external/add/", {"name": "r0"})
    assert "the name of a router" in answer.content.decode()
    answer = boss.post("/admin/inventory/keepconnected/add/", {"names": '["r0", "nobody"]', "floor_mbps": 0})
    assert "found nobody" in answer.content.decode()
