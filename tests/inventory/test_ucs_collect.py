"""A UCS domain is collected by the real client, linked to its hosts, and what speaks against a plan is said."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from fleet.changes import drafts
from fleet.core.model import Plan
from inventory import models, ucs
from lab.ucsm import Blade, UcsManager
from playbooks.ucs import client, places
from tests.inventory import ucs_scene

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
pytestmark = pytest.mark.django_db
Start = Callable[..., UcsManager]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """A lab's UCS Manager with these blades, over TLS."""
    monkeypatch.setenv(ucs_scene.ENV, ucs_scene.PASSWORD)
    running: list[UcsManager] = []

    def made(*blades: Blade, **more: Any) -> UcsManager:
        more = {"stage_s": 0.02, **more}
        running.append(UcsManager(blades, password=ucs_scene.PASSWORD, folder=tmp_path, **more).__enter__())
        return running[-1]

    yield made
    client.close_all()
    for manager in running:
        manager.__exit__()


def planned(names: list[str], queues: int = 8, **inputs: Any) -> Plan:
    request = drafts.Request("ucs-queues", {"queues": queues, **inputs}, tuple(names))
    return drafts.make_plan(request, now=NOW)[0]


def fatal(plan: Plan) -> dict[str, str]:
    return {f.code: str(f.reason) for f in plan.findings if f.severity == "fatal" and f.code.startswith(("ucs", "imp"))}


def test_a_domain_is_collected_and_linked_by_the_addresses_of_its_vnics(start: Start) -> None:
    manager = start(Blade("cache1", vnics=2), Blade("cache2"), Blade("spare"))
    row = ucs_scene.hosts(manager, ["cache1", "cache2"], NOW)
    row.refresh_from_db()
    assert (row.version, row.collected_at) == ("4.2(3d)", NOW)
    blade = models.Blade.objects.get(dn="sys/chassis-1/blade-1")
    assert (blade.model, blade.adapter, blade.threads, blade.serial) == ("UCSB-B200-M3", "VIC 1240", 40, "FCH18460000")
    profile = models.ServiceProfile.objects.get(router__name="cache1")
    assert (profile.blade, profile.maintenance_policy, profile.association) == (blade, "user-ack", "associated")
    assert [v.adapter_policy.dn for v in profile.vnics.all()] == ["org-root/eth-profile-default"] * 2  # type: ignore[union-attr]
    assert models.ServiceProfile.objects.get(name="spare").router is None
    assert {m.disruption for m in models.MaintenancePolicy.objects.all()} == {
        "immediate",
        "user-ack",
        "timer-automatic",
    }
    again = ucs.collect(row, now=NOW)
    assert (again.linked, [r.subject for r in again.unlinked]) == (2, ["host of spare (chassis-1/blade-3)"])
    assert manager.sessions.count() == 1, "one session for each domain and worker"


def test_what_is_gone_from_the_domain_is_gone(start: Start) -> None:
    manager = start(Blade("cache1"), Blade("cache2"))
    row = ucs_scene.hosts(manager, ["cache1", "cache2"], NOW)
    with manager.api.lock:
        manager.tree.remove("org-root/ls-cache2")
        manager.tree.remove("sys/chassis-1/blade-2")
    assert ucs.collect(row, now=NOW).profiles == 1
    assert list(models.ServiceProfile.objects.values_list("name", flat=True)) == ["cache1"]
    assert models.Blade.objects.count() == 1


def test_another_certificate_and_an_unknown_one_are_refused_before_the_password_is_sent(start: Start) -> None:
    manager = start(Blade("cache1"))
    row = ucs_scene.hosts(manager, ["cache1"], NOW)
    manager.requests.clear()
    for certificate in ("0" * 64, ""):
        row.certificate = certificate
        found = ucs.collect(row, now=NOW)
        assert found.failed is not None and "certificate" in str(found.failed)
    assert manager.requests == []


def test_a_domain_that_is_away_is_said_and_nothing_is_lost(start: Start) -> None:
    manager = start(Blade("cache1"))
    row = ucs_scene.hosts(manager, ["cache1"], NOW)
    manager.restart(away_s=60)
    found = ucs.collect(row, now=NOW)
    assert found.failed is not None and "503" in found.failed.found
    assert models.ServiceProfile.objects.filter(router__name="cache1", blade__isnull=False).exists()


def test_the_command_records_a_certificate_when_it_is_told_to(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    manager = start(Blade("cache1"))
    row = ucs_scene.hosts(manager, ["cache1"], NOW)
    models.UcsDomain.objects.filter(pk=row.pk).update(certificate="")
    call_command("collect_ucs", "--accept-new-certificates")
    row.refresh_from_db()
    assert manager.certificate is not None and row.certificate == manager.certificate.fingerprint


def test_a_plan_binds_a_copy_and_says_what_the_host_will_show_and_the_way_back(start: Start) -> None:
    manager = start(Blade("cache1", vnics=2))
    ucs_scene.hosts(manager, ["cache1"], NOW, cpu={"threads": 40})
    plan = planned(["cache1"])
    assert fatal(plan) == {}
    step = next(s for s in plan.targets[0].steps if s.verb == "ucs")
    assert step.reversibility == "by reboot"
    assert "+eth1: org-root/eth-profile-default-q8: 8 + 8 queues, 16 completion, 18 interrupts" in step.diff
    assert "receive queues on the host: 8" in step.diff
    assert "set comp-queue count 16" in step.commands and "another acknowledged reboot" in step.commands[-1]
    assert step.within_s == 3600.0


def test_256_queues_are_stopped_at_planning_with_the_words_of_the_story(start: Start) -> None:
    manager = start(Blade("cache1", vnics=2), Blade("cache2", vnics=2, adapter="M81KR"))
    ucs_scene.hosts(manager, ["cache1", "cache2"], NOW)
    said = fatal(planned(["cache1", "cache2"], 256))["ucs-above-limit"]
    for words in ("Out of CQ resources", "vnicEthCreate failed", "at most 8 + 8", "only the old policy"):
        assert words in said


def test_an_adapter_that_nobody_knows_is_a_warning_also_after_the_limits_were_taken_back(start: Start) -> None:
    manager = start(Blade("cache1", vnics=2))
    ucs_scene.hosts(manager, ["cache1"], NOW)
    models.AdapterLimit.objects.create(model="VIC 1240", source="taken back: not measured here")
    plan = planned(["cache1"], 256)
    assert fatal(plan) == {}
    assert "ucs-limit-unknown" in {f.code for f in plan.findings}
    models.AdapterLimit.objects.update(receive=64, transmit=64)
    assert "64 + 64" in fatal(planned(["cache1"], 256))["ucs-above-limit"]


def test_immediate_is_refused_and_every_blade_is_named(start: Start) -> None:
    manager = start(Blade("cache1"), Blade("cache2", maintenance="default"), Blade("cache3", maintenance="at-night"))
    ucs_scene.hosts(manager, ["cache1", "cache2", "cache3"], NOW)
    said = fatal(planned(["cache1", "cache2", "cache3"]))
    assert "cache2 (chassis-1/blade-2)" in said["ucs-immediate"] and "cache1" not in said["ucs-immediate"]
    assert "cache3 (chassis-1/blade-3)" in said["ucs-timer"]
    assert "user-ack" in said["ucs-immediate"]


def test_a_host_without_a_blade_and_a_name_that_is_taken_are_refused(start: Start) -> None:
    manager = start(Blade("cache1"))
    ucs_scene.hosts(manager, ["cache1"], NOW)
    models.AdapterPolicy.objects.create(
        domain=models.UcsDomain.objects.get(), dn="org-root/eth-profile-default-q8", name="default-q8", rx_queues=4
    )
    assert "name for the copy that is free" in fatal(planned(["cache1"]))["impossible"]
    assert fatal(planned(["cache1"], policy="linux-8")) == {}
    models.ServiceProfile.objects.update(router=None)
    assert "no service profile on record" in fatal(planned(["cache1"]))["impossible"]


def test_a_profile_that_is_bound_to_a_template_is_left_to_a_person(start: Start) -> None:
    made = [Blade("cache1", template="caches"), Blade("cache2", template="caches", maintenance="default")]
    manager = start(
        *made, Blade("cache3", template="once"), templates={"caches": "updating-template", "once": "initial-template"}
    )
    ucs_scene.hosts(manager, ["cache1", "cache2", "cache3"], NOW)
    said = fatal(planned(["cache1"]))["impossible"]
    assert "bound to updating template org-root/ls-caches, as are cache2 (immediate)" in said
    assert "with immediate all reboot with it. Unbind this profile" in said
    assert fatal(planned(["cache3"])) == {}, "an initial template is only where it came from"


def test_places_are_of_the_last_collection(start: Start) -> None:
    manager = start(Blade("cache1", vnics=2))
    ucs_scene.hosts(manager, ["cache1"], NOW)
    place = places.place("cache1")
    assert place.limits is not None and place.limits.receive == 8
    assert set(place.vnics) == {"eth0", "eth1"} and ucs_scene.PASSWORD not in repr(place)
