"""What the inventory's rows refuse and what they say about themselves."""

import subprocess
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError
from django.test.utils import CaptureQueriesContext

from fleet.core.model import Link, Topology
from inventory import host_key, models, topology
from inventory.querysets import AppendOnlyError
from playbooks.base import Device
from tests import needs
from tests.inventory.fleet_file import KEY_1, KEY_2

pytestmark = pytest.mark.django_db
Fleet = Callable[[int], None]


def seen(router: models.Router, at: datetime, **facts: object) -> models.Observation:
    return models.Observation.objects.create(router=router, kind="facts", observed_at=at, facts=facts)


@pytest.mark.parametrize("reference", ["hunter2", "-----BEGIN OPENSSH PRIVATE KEY-----", "env:lower", "file:key", ""])
def test_a_secret_is_refused_by_save_and_not_repeated(reference: str) -> None:
    with pytest.raises(ValidationError) as caught:
        models.Credential.objects.create(name="x", username="ops", reference=reference)
    assert "hunter2" not in str(caught.value) and "replace it" in str(caught.value)


def test_the_database_refuses_a_secret_too() -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        models.Credential.objects.bulk_create([models.Credential(name="x", username="ops", reference="hunter2")])


def test_a_router_says_how_it_is_reached(fleet: Fleet) -> None:
    fleet(2)
    with CaptureQueriesContext(connection) as queries:
        devices = models.Router.objects.devices(["r0", "nobody"])
    assert len(queries) == 2
    assert devices == {
        "r0": Device(
            name="r0",
            address="127.0.0.1",
            port=20000,
            username="ops",
            credential="file:/keys/id_ed25519",
            host_key=KEY_1,
            suite="frr",
            become="sudo",
            router_id="10.0.0.1",
        )
    }
    assert models.Router.objects.get(name="r0").device() == devices["r0"]


def test_no_host_key_means_an_empty_one(fleet: Fleet, now: datetime) -> None:
    fleet(2)
    models.HostKey.objects.update(retired_at=now)
    assert models.Router.objects.devices(["r0"])["r0"].host_key == ""
    assert models.Router.objects.get(name="r0").device().host_key == ""


def test_one_active_host_key_per_router(fleet: Fleet) -> None:
    fleet(2)
    algorithm, key = KEY_2.split()
    with pytest.raises(IntegrityError), transaction.atomic():
        models.HostKey.objects.create(router=models.Router.objects.get(name="r0"), algorithm=algorithm, key=key)


def test_fingerprints_are_those_of_ssh_keygen(tmp_path: Path) -> None:
    needs.need(needs.program("ssh-keygen", "openssh-client"))
    for kind, option in (("ed25519", []), ("ecdsa", ["-b", "521"]), ("rsa", ["-b", "2048"])):
        path = tmp_path / kind
        subprocess.run(["ssh-keygen", "-q", "-t", kind, *option, "-N", "", "-f", path], check=True)
        shown = subprocess.run(["ssh-keygen", "-l", "-f", path], check=True, capture_output=True, text=True).stdout
        public = host_key.parse(path.with_suffix(".pub").read_text())
        assert isinstance(public, host_key.PublicKey)
        assert models.HostKey(algorithm=public.algorithm, key=public.blob).fingerprint == shown.split()[1]


def test_an_interface_is_in_one_link_and_an_end_is_one_thing(fleet: Fleet) -> None:
    fleet(2)
    link = models.Link.objects.create(kind="core", capacity_mbps=1)
    router, external = models.Router.objects.get(name="r0"), models.External.objects.get()
    for wrong in (
        {"router": router, "interface": "eth0"},  # taken
        {"router": router, "interface": ""},
        {"router": router, "interface": "eth7", "external": external},
        {"external": external, "interface": "eth7"},
        {},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            models.LinkEnd.objects.create(link=link, side="a", **wrong)
    models.LinkEnd.objects.create(link=link, side="a", router=router, interface="eth7")
    with pytest.raises(IntegrityError), transaction.atomic():
        models.LinkEnd.objects.create(link=link, side="a", external=external)


def test_two_routers_cannot_be_one_device(fleet: Fleet) -> None:
    fleet(2)
    with pytest.raises(IntegrityError), transaction.atomic():
        models.Router.objects.filter(name="r1").update(port=20000)
    with pytest.raises(IntegrityError), transaction.atomic():
        models.Router.objects.filter(name="r1").update(router_id="10.0.0.1")


def test_the_newest_observation_of_each_router(fleet: Fleet, now: datetime) -> None:
    fleet(4)
    r0, r1, r2, _ = models.Router.objects.order_by("name")
    seen(r0, now, kernel="6.1.0")
    newest = seen(r0, now + timedelta(hours=1), kernel="6.1.1")
    seen(r0, now - timedelta(hours=1), kernel="6.0.0")  # arrived late: not the newest
    other = seen(r1, now, kernel="6.1.0")
    models.Observation.objects.create(router=r2, kind="other", observed_at=now, facts={})
    assert models.Observation.objects.latest_by_router() == {"r0": newest, "r1": other}
    assert models.Observation.objects.latest_by_router(["r1", "r2", "r3"]) == {"r1": other}
    assert models.Observation.objects.latest_by_router([]) == {}


def test_equal_facts_have_equal_digests_whatever_their_order(fleet: Fleet, now: datetime) -> None:
    fleet(2)
    router = models.Router.objects.get(name="r0")
    one = models.Observation.objects.create(router=router, observed_at=now, facts={"a": 1, "b": ["ü", None]})
    two = models.Observation.objects.create(router=router, observed_at=now, facts={"b": ["ü", None], "a": 1})
    three = models.Observation.objects.create(router=router, observed_at=now, facts={"a": 1, "b": ["u", None]})
    assert one.digest == two.digest != three.digest and len(one.digest) == 64


def test_history_is_only_added_to(fleet: Fleet, now: datetime) -> None:
    fleet(2)
    observation = seen(models.Router.objects.get(name="r0"), now)
    observation.facts = {"forged": True}
    mine = models.Observation.objects.filter(pk=observation.pk)
    for attempt in (
        observation.save,
        observation.delete,
        mine.delete,
        lambda: mine.update(facts={}),
        lambda: models.Observation.objects.bulk_update([observation], ["facts"]),
    ):
        with pytest.raises(AppendOnlyError, match="history"):
            attempt()
    with pytest.raises(ProtectedError):
        models.Router.objects.get(name="r0").delete()
    assert models.Observation.objects.get().facts == {}


def test_the_topology_is_what_the_file_said(fleet: Fleet) -> None:
    fleet(2)
    found = topology.load()
    assert isinstance(found, Topology)
    assert found.domain_of == {"r0": "north", "r1": "south"}
    assert found.externals == frozenset({"internet"})
    assert set(found.links) == {Link("r0", "r1", 10_000), Link("internet", "r0", 1_000)}
    (promise,) = found.keep_connected
    assert (promise.names, promise.floor_mbps) == (frozenset({"r0", "r1"}), 1_000)


def test_a_half_entered_link_carries_nothing(fleet: Fleet) -> None:
    fleet(2)
    models.LinkEnd.objects.filter(external__isnull=False).delete()
    assert [link.capacity_mbps for link in topology.load().links] == [10_000]


@pytest.mark.parametrize("routers", [10, 300])
def test_queries_do_not_grow_with_the_fleet(fleet: Fleet, now: datetime, routers: int) -> None:
    fleet(routers)
    for router in models.Router.objects.all():
        seen(router, now)
    with CaptureQueriesContext(connection) as queries:
        assert len(topology.load().domain_of) == routers
    assert len(queries) == 4
    with CaptureQueriesContext(connection) as queries:
        assert len(models.Observation.objects.latest_by_router(kind="facts")) == routers
    assert len(queries) == 1
    with CaptureQueriesContext(connection) as queries:
        assert len(models.Router.objects.devices()) == routers
    assert len(queries) == 2
    with CaptureQueriesContext(connection) as queries:
        assert all(" -- " in str(link) for link in models.Link.objects.with_ends())
    assert len(queries) == 2
