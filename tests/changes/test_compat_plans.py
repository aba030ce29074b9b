"""Compatibility over rows: the artifact a plan names, the neighbours it asks, the fleet's own evidence, overrides."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connection, transaction
from django.db.models import ProtectedError
from django.test.utils import CaptureQueriesContext

from fleet.changes import compatibility, overrides
from fleet.changes.evidence import own_evidence
from fleet.changes.models import Event, FindingOverride, Run, StepRun, TargetRun
from fleet.core import overrides as rules
from fleet.core.compat import Combination, combinations
from fleet.core.compat_components import running
from fleet.core.model import Budget, Finding, Reason, Recipe, Severity, StepSpec, Strategy, Topology
from fleet.core.states import StepState, TargetState
from inventory.models import Artifact, Observation, Router
from tests.changes import builders

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 5, 5, 0, tzinfo=UTC)
UNPLANNED = Finding("component-unplanned", Severity.FATAL, Reason("kernel on bly", "1 > 2", "1", "Name it."))
CUTS = Finding("cuts", Severity.FATAL, Reason("wave 1", "cuts MA1 from THN", "every pair connected", ""))


def facts(kernel: str = "5.4.86", driver: str = "2.13.10", nvm: str = "8.00") -> Any:
    pci = {"vendor": "8086", "device": "1583"}
    nic = {"driver": "i40e", "version": driver, "firmware": nvm, "bus": "0000:01:00.0", "pci": pci}
    return {"kernel": kernel, "interfaces": {"eth1": {"nic": nic}}, "routing": {"suite": "frr", "version": "7.5"}}


def combination(**more: str) -> Combination:
    (found,) = combinations(running("x", facts(**more)))
    return found


def seen(router: Router, at: datetime, **more: str) -> None:
    Observation.objects.create(router=router, observed_at=at, facts=facts(**more))


def soaked(author: User, approver: User, router: Router, begin: datetime, hours: float) -> TargetRun:
    """A target of a finished run that soaked so long from `begin` on."""
    run: Run = builders.running(author, approver, builders.plan([[router.name]]), begin)
    target = TargetRun.objects.get(run=run)
    TargetRun.objects.filter(pk=target.pk).update(state=TargetState.DONE, engaged=False)
    StepRun.objects.filter(target=target, verb="soak").update(
        state=StepState.DONE, first_claimed_at=begin, ended_at=begin + timedelta(hours=hours)
    )
    return target


# -- own evidence


def test_a_soak_counts_for_what_the_first_observation_after_it_shows(author: User, approver: User) -> None:
    bly, aebi = builders.fleet(["bly", "aebi"])
    seen(bly, NOW - timedelta(days=1), kernel="4.19.1", driver="4.19.1")
    soaked(author, approver, bly, NOW, 10)
    seen(bly, NOW + timedelta(hours=11))
    seen(aebi, NOW + timedelta(hours=5))
    new, old = combination(), combination(kernel="4.19.1", driver="4.19.1")
    found = own_evidence([new, old])
    assert new.key is not None and old.key is not None
    evidence = found[new.key]
    assert (evidence.devices, evidence.soaked, evidence.soaked_h) == (2, 1, 10.0)
    assert evidence.first_seen.startswith("2026-01-05T10:00") and evidence.last_seen.startswith("2026-01-05T16:00")
    assert (found[old.key].devices, found[old.key].soaked) == (1, 0), "the old kernel had gone when the soak began"


def test_there_is_no_evidence_from_another_firmware_or_of_an_unknown_part(author: User, approver: User) -> None:
    (bly,) = builders.fleet(["bly"])
    soaked(author, approver, bly, NOW, 10)
    seen(bly, NOW + timedelta(hours=11), nvm="8.30")
    assert own_evidence([combination()]) == {}
    assert own_evidence([combination(nvm="")]) == {}


def test_a_soak_that_was_not_observed_afterwards_counts_for_nothing(author: User, approver: User) -> None:
    (bly,) = builders.fleet(["bly"])
    seen(bly, NOW - timedelta(hours=1))
    soaked(author, approver, bly, NOW, 10)
    key = combination().key
    assert key is not None
    assert own_evidence([combination()])[key].soaked == 0


def test_the_number_of_queries_does_not_grow(author: User, approver: User) -> None:
    def count() -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            own_evidence([combination(), combination(nvm="8.30")])
        return len(queries)

    for router in builders.fleet(["r0", "r1"]):
        seen(router, NOW)
        soaked(author, approver, router, NOW - timedelta(hours=1), 1)
    few = count()
    for router in builders.fleet([f"s{n}" for n in range(8)]):
        seen(router, NOW)
        soaked(author, approver, router, NOW - timedelta(hours=1), 1)
    assert count() == few <= 4


# -- the artifact


def recipe(artifact: str) -> Recipe:
    return Recipe("t", "", Strategy((1,), Budget(1, 1)), (), (StepSpec("baseline"),), {"intended": ""}, artifact)


def look(artifact: str, *names: str) -> compatibility.Looked:
    planned = {name: builders.steps() for name in names}
    known = {name: facts(driver="5.4.86") for name in names}
    return compatibility.look(recipe(artifact), planned, known, Topology({}))


def artifact(name: str = "vyos", version: str = "1.3", kind: str = "image", **more: Any) -> Artifact:
    brings = more.pop("brings", [{"kind": "kernel", "name": "linux", "version": "5.10"}])
    return Artifact.objects.create(
        kind=kind, name=name, version=version, sha256="0" * 64, location="x", brings=brings, **more
    )


def test_an_artifact_is_named_by_name_version_or_kind() -> None:
    artifact()
    for text in ("vyos", "vyos 1.3", "image vyos 1.3"):
        assert look(text, "bly").artifact["name"] == "vyos"
    artifact(version="1.4")
    found = look("vyos", "bly")
    assert (found.artifact, found.findings[0].code) == ({}, "artifact-unknown")
    assert "image vyos 1.3, image vyos 1.4" in found.findings[0].reason.found


def test_an_unknown_artifact_is_fatal_and_the_near_one_is_named() -> None:
    artifact()
    finding = look("vyos 1.33", "bly").findings[0]
    assert finding.severity is Severity.FATAL and "Did you mean vyos 1.3?" in finding.reason.remedy


def test_without_an_artifact_no_component_is_looked_at() -> None:
    assert look("", "bly").findings == ()


def test_looking_costs_a_constant_number_of_queries() -> None:
    artifact()

    def count(*names: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            look("vyos", *names)
        return len(queries)

    assert count("a") == count(*(f"r{n}" for n in range(50)))


# -- overrides


def draft(author: User, *findings: Finding) -> Any:
    builders.fleet(["bly"])
    return builders.draft(author, builders.plan([["bly"]], findings=findings), NOW)


def identities(change: Any) -> list[str]:
    return [rules.identity(f) for f in change.revision.plan["findings"]]


def test_only_compatibility_can_be_overridden(author: User, approver: User) -> None:
    change = draft(author, UNPLANNED, CUTS)
    mine, cuts = identities(change)
    reasons = overrides.override(change, approver, NOW, identity=cuts, why="I know better")
    assert [r.subject for r in reasons] == ["finding"]
    assert overrides.override(change, approver, NOW, identity=mine, why="I know better") == ()
    assert change.revision.fatal == 1


def test_who_may_not_override_is_told_every_reason(author: User, approver: User, reader: User) -> None:
    change = draft(author, UNPLANNED)
    (mine,) = identities(change)
    assert [r.subject for r in overrides.override(change, reader, NOW, identity=mine, why="")] == [
        "reason", "permission",
    ]  # fmt: skip
    assert [r.subject for r in overrides.override(change, approver, NOW, identity="f" * 16, why="x")] == ["finding"]
    assert not FindingOverride.objects.exists()
    assert not Event.objects.filter(kind="finding overridden").exists()


def test_what_is_submitted_is_not_overridden_any_more(author: User, approver: User) -> None:
    builders.fleet(["bly"])
    run = builders.running(author, approver, builders.plan([["bly"]]), NOW)
    change = run.revision.change
    reasons = overrides.override(change, approver, NOW, identity="f" * 16, why="x")
    assert "change" in {r.subject for r in reasons}


def test_an_override_is_append_only(author: User, approver: User) -> None:
    change = draft(author, UNPLANNED)
    assert overrides.override(change, approver, NOW, identity=identities(change)[0], why="x") == ()
    row = FindingOverride.objects.get()
    with pytest.raises(DatabaseError), transaction.atomic():
        FindingOverride.objects.update(reason="another")
    with pytest.raises((DatabaseError, ProtectedError)), transaction.atomic():
        row.delete()
    assert (row.reason, row.finding) == ("x", str(UNPLANNED.reason))


def test_a_changed_finding_stops_the_plan_again(author: User, approver: User) -> None:
    change = draft(author, UNPLANNED)
    assert overrides.override(change, approver, NOW, identity=identities(change)[0], why="x") == ()
    change.refresh_from_db()
    assert change.revision.fatal == 0
    other = Finding(UNPLANNED.code, UNPLANNED.severity, Reason("kernel on bly", "1 > 3", "1", "Name it."))
    builders.revise(change, author, builders.plan([["bly"]], findings=[other]), NOW)
    assert change.revision.fatal == 1
