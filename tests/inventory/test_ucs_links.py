"""Profiles linked by MAC, UUID and serial; firmware and user-ack in plans; standalone servers; collections."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from fleet.celery import app
from fleet.changes import drafts
from fleet.core.model import Plan
from inventory import models, recording, tasks, ucs
from lab.cimc import Cimc
from lab.ucsm import Blade, UcsManager
from playbooks.ucs import client
from tests.changes import builders
from tests.inventory import ucs_scene

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[2]
Start = Callable[..., UcsManager]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    monkeypatch.setenv(ucs_scene.ENV, ucs_scene.PASSWORD)
    running: list[UcsManager] = []

    def made(*blades: Blade, **more: Any) -> UcsManager:
        running.append(UcsManager(blades, password=ucs_scene.PASSWORD, folder=tmp_path, **more).__enter__())
        return running[-1]

    yield made
    client.close_all()
    for manager in running:
        manager.__exit__()


def shows(name: str, manager: UcsManager, *, like: str = "", **said: str) -> models.Router:
    """A device whose facts have the identity of the blade of `like` (itself), or what is said."""
    row = models.Router.objects.filter(name=name).first() or builders.fleet([name])[0]
    blade = manager.tree[manager.tree[f"org-root/ls-{like or name}"].props["pnDn"]]
    identity = {"uuid": blade.props["uuid"], "serial": blade.props["serial"], "product": "UCSB-B200-M3", **said}
    recording.record({row: {"kernel": "6.1.0", "identity": identity}}, now=NOW)
    return row


def collected(manager: UcsManager) -> ucs.Collected:
    found = ucs.collect(ucs_scene.domain_row(manager, models.Site.objects.all()[0]), now=NOW)
    assert found.failed is None
    return found


def linked(name: str) -> tuple[str, str]:
    row = models.ServiceProfile.objects.select_related("router").get(name=name)
    return (row.router.name if row.router else "", row.linked_by)


# --- links


def test_uuid_and_serial_link_where_no_address_does(start: Start) -> None:
    manager = start(Blade("cache1"), Blade("cache2"), Blade("cache3"))
    shows("cache1", manager)
    shows("cache2", manager, uuid="", serial=" fch18460001 ")
    turned = "00b52500-0000-0000-0000-000000000002"  # as Linux shows the UUID of a board with an older SMBIOS
    shows("cache3", manager, uuid=turned, serial="Not Specified")
    assert collected(manager).linked == 3
    assert [linked(f"cache{n}") for n in (1, 2, 3)] == [
        ("cache1", "UUID, serial"), ("cache2", "serial"), ("cache3", "UUID"),
    ]  # fmt: skip


def test_what_differs_links_nothing_and_is_said(start: Start) -> None:
    """The addresses of one machine and the UUID of another: a clone, or a moved blade."""
    manager = start(Blade("cache1"))
    row = ucs_scene.hosts(manager, ["cache1"], NOW)
    assert linked("cache1") == ("cache1", "MAC")
    other = builders.fleet(["cache9"])[0]
    shows("cache9", manager, like="cache1")
    found = collected(manager)
    assert linked("cache1") == ("", "") and found.linked == 0
    (said,) = map(str, found.unlinked)
    assert "MAC: cache1; UUID: cache9; serial: cache9" in said and "wanted one device by all of them" in said
    row.refresh_from_db()
    assert row.said == [said]
    models.Identity.objects.filter(router=other).delete()
    assert collected(manager).linked == 1
    row.refresh_from_db()
    assert row.said == []


def test_one_uuid_of_two_devices_tells_nothing(start: Start) -> None:
    manager = start(Blade("cache1"))
    shows("cache1", manager, serial="")
    shows("clone", manager, like="cache1", serial="")
    (said,) = map(str, collected(manager).unlinked)
    assert "UUID: cache1, clone" in said and linked("cache1") == ("", "")


def test_a_device_is_of_one_profile_only(start: Start) -> None:
    manager = start(Blade("cache1"), Blade("cache2"))
    shows("cache1", manager)
    manager.tree["org-root/ls-cache2"].props["uuid"] = manager.tree["org-root/ls-cache1"].props["uuid"]
    found = collected(manager)
    assert linked("cache1")[0] == "cache1" and linked("cache2") == ("", "")
    assert "cache1, which another profile has" in str(found.unlinked[0])


# --- firmware and user-ack in plans


def plan_of(recipe: str, inputs: dict[str, Any], *names: str) -> Plan:
    return drafts.make_plan(drafts.Request(recipe, inputs, names), now=NOW)[0]


def fatal(plan: Plan) -> dict[str, str]:
    return {f.code: str(f.reason) for f in plan.findings if f.severity == "fatal" and f.code.startswith(("ucs", "imp"))}


def test_firmware_of_an_immediate_profile_is_refused_until_user_ack_is_set(start: Start) -> None:
    manager = start(Blade("cache1"), Blade("cache2", maintenance="default"))
    row = ucs_scene.hosts(manager, ["cache1", "cache2"], NOW)
    asked = {"bundle": "4.3(2b)B"}
    plan = plan_of("ucs-firmware", asked, "cache1", "cache2")
    assert "cache2 (chassis-1/blade-2)" in fatal(plan)["ucs-immediate"]
    assert "recipe ucs-user-ack drafts it" in fatal(plan)["ucs-immediate"]
    first = plan_of("ucs-user-ack", {}, "cache2")
    assert fatal(first) == {}
    (step,) = [s for s in first.targets[0].steps if s.verb == "ucs-user-ack"]
    assert "-org-root/ls-cache2: immediate" in step.diff and not step.disruptive
    assert not any(s.verb == "drain" for s in first.targets[0].steps)
    manager.tree["org-root/ls-cache2"].props |= {"maintPolicyName": "ask", "operMaintPolicyName": "org-root/maint-ask"}
    ucs.collect(row, now=NOW)
    plan = plan_of("ucs-firmware", asked, "cache1", "cache2")
    assert fatal(plan) == {}
    (step,) = [s for s in plan.targets[0].steps if s.verb == "ucs"]
    assert step.reversibility == "by reflash" and "4.2(3d)B" in step.diff and "4.3(2b)B" in step.diff


def test_a_bundle_that_is_not_on_the_fabric_interconnects_is_impossible(start: Start) -> None:
    manager = start(Blade("cache1"))
    ucs_scene.hosts(manager, ["cache1"], NOW)
    said = fatal(plan_of("ucs-firmware", {"bundle": "4.4(1a)B"}, "cache1"))["impossible"]
    assert "4.2(3d)B, 4.3(2b)B" in said and "Download it" in said


# --- standalone servers


@pytest.fixture
def rack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, db: None) -> Iterator[Cimc]:
    monkeypatch.setenv(ucs_scene.ENV, ucs_scene.PASSWORD)
    router = builders.fleet(["c220"])[0]
    who = models.Credential.objects.create(name="imc", username="admin", reference=f"env:{ucs_scene.ENV}")
    with Cimc(["00:25:B5:00:00:01"], password=ucs_scene.PASSWORD, folder=tmp_path) as cimc:
        models.RackServer.objects.create(router=router, address="127.0.0.1", port=cimc.port, credential=who)
        yield cimc


def test_a_standalone_server_is_collected_and_its_queues_planned(
    rack: Cimc, capsys: pytest.CaptureFixture[str]
) -> None:
    models.Observation.objects.create(
        router=models.Router.objects.get(), observed_at=NOW, facts={"kernel": "6.1.0-18-amd64"}
    )
    assert "C-series server c220" in fatal(plan_of("ucs-rack-queues", {"queues": 8}, "c220"))["impossible"]
    with pytest.raises(CommandError, match="nobody recorded"):
        call_command("collect_ucs")
    call_command("collect_ucs", "c220", "--accept-new-certificates")
    assert rack.certificate.fingerprint in capsys.readouterr().out
    row = models.RackServer.objects.get()
    assert (row.model, row.serial, row.vnics[0]["counts"]["receive"]) == ("UCSC-C220-M3S", "FCH1847V0AB", 1)
    plan = plan_of("ucs-rack-queues", {"queues": 8}, "c220")
    assert fatal(plan) == {}
    (step,) = [s for s in plan.targets[0].steps if s.verb == "ucs-rack"]
    assert "+eth0: 8 + 8 queues, 16 completion, 18 interrupts" in step.diff
    assert "ucs-rack-queues" in fatal(plan_of("ucs-queues", {"queues": 8}, "c220"))["impossible"]


# --- collected by themselves


def test_every_domain_and_server_is_rung_for_by_itself(
    rack: Cimc, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = start(Blade("cache1"))
    row = ucs_scene.domain_row(manager, models.Site.objects.all()[0])
    rung: list[dict[str, int]] = []
    monkeypatch.setattr(tasks.collect_ucs, "delay", lambda **ids: rung.append(ids))
    tasks.collect_ucs_all()
    assert rung == [{"domain_id": row.pk}, {"rack_id": models.RackServer.objects.get().pk}]
    for ids in rung:
        tasks.collect_ucs(**ids)
    row.refresh_from_db()
    assert row.collected_at is not None and row.said == [
        str(reason) for reason in ucs.collect(row, now=NOW).unlinked
    ]  # the blade's host is not in the inventory
    server = models.RackServer.objects.get()
    assert server.collected_at is None and "nobody recorded" in server.said[0] and server.tried_at is not None
    tasks.collect_ucs(domain_id=row.pk + 1, rack_id=server.pk + 1)  # gone by now
    assert app.conf.task_routes[tasks.collect_ucs.name] == {"queue": "collect"}


def test_beat_rings_as_often_as_for_the_devices() -> None:
    """Tests run without collections: another process says what beat has when they are on."""
    script = "from fleet.celery import app; [print(e['task'], e['schedule']) for e in app.conf.beat_schedule.values()]"
    environment = {**os.environ, "SLIPWAY_COLLECT_SECONDS": "60"}
    said = subprocess.run([sys.executable, "-c", script], env=environment, cwd=ROOT, capture_output=True, text=True)
    for task in (tasks.collect_ucs_all, tasks.collect_all):
        assert f"{task.name} 60.0\n" in said.stdout, said.stderr


def test_a_domain_that_is_away_keeps_what_was_known_and_says_why(start: Start) -> None:
    manager = start(Blade("cache1"))
    row = ucs_scene.hosts(manager, ["cache1"], NOW)
    manager.restart(away_s=30)
    later = NOW.replace(hour=13)
    assert ucs.collect(row, now=later).failed is not None
    row.refresh_from_db()
    assert (row.collected_at, row.tried_at) == (NOW, later) and "HTTP 503" in row.said[0]
    assert linked("cache1") == ("cache1", "MAC")


def test_the_lists_say_by_what_a_host_was_told_and_what_could_not_be_linked(start: Start, author: User) -> None:
    manager = start(Blade("cache1"), Blade("spare"))
    ucs_scene.hosts(manager, ["cache1"], NOW)
    browser = Client()
    browser.force_login(author)
    profiles = browser.get(reverse("inventory-service-profiles")).content.decode()
    assert "by MAC" in profiles and "chassis-1/blade-1" in profiles and "4.2(3d)B" in profiles
    domains = browser.get(reverse("inventory-ucs-domains")).content.decode()
    assert "host of spare (chassis-1/blade-2): found no device with the MAC addresses" in domains
