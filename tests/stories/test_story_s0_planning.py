"""Story S0, the planning: an image for FRR 7.5 silently brings Intel's i40e 2.13.10 onto an XL710 with firmware 8.00.

On the fleet of the story it was found after the reboot, and the router died ten hours later. Here it does not leave the
draft; whoever wants it all the same says why, and that stands on the change.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from fleet import clock
from fleet.changes import drafts, lifecycle, overrides
from fleet.changes.models import Change, Event, FindingOverride
from fleet.core import overrides as rules
from fleet.core.model import Json
from inventory.models import Artifact, Observation, Router
from tests.stories.stage import RECIPES, Stage

pytestmark = pytest.mark.django_db(transaction=True)
KERNEL = "4.19.142-amd64-vyos"
BRINGS = [
    {"kind": "kernel", "name": "linux", "version": "5.4.86-amd64-vyos"},
    {"kind": "routing", "name": "frr", "version": "7.5"},
    {"kind": "driver", "name": "i40e", "version": "2.13.10", "flavour": "vendor"},
]
IMAGE = "vyos 1.3-rolling-202012291737"
PLANNED = "kernel, routing.frr=7.5"


def as_in_the_story(facts: Json, frr: str) -> Json:
    """What the simulated router said, with the versions of December 2020: XL710, firmware 8.00, in-tree driver."""
    card = {
        "driver": "i40e",
        "version": KERNEL,
        "firmware": "8.00 0x80008b82 1.2839.0",
        "nvm": "8.00",
        "flavour": "in-tree",
    }
    pci = {"vendor": "8086", "device": "1583", "subvendor": "8086", "subdevice": "0001"}
    interfaces = {
        name: {**row, "nic": {**row["nic"], **card, "pci": pci}} if (row.get("nic") or {}).get("bus") else row
        for name, row in facts["interfaces"].items()
    }
    routing = {**facts["routing"], "suite": "frr", "version": frr, "running_config": "router bgp 1\nrouter ospf6\n"}
    return {**facts, "kernel": KERNEL, "interfaces": interfaces, "routing": routing}


@pytest.fixture
def stage(author: User, approver: User, sim_fleet: Callable[..., Any], tmp_path: Path) -> Stage:
    """Six simulated routers, collected over SSH; FRR 7.2 on the first, 7.3 on the others."""
    sim_fleet(routers=6, dir=tmp_path / "sim")
    made = Stage(author, approver)
    made.load(tmp_path / "sim" / "inventory.yaml")
    for number, (name, seen) in enumerate(sorted(Observation.objects.latest_by_router().items())):
        facts = as_in_the_story(seen.facts, "7.2" if number == 0 else "7.3")
        Observation.objects.create(router=Router.objects.get(name=name), observed_at=clock.now(), facts=facts)
    name, version = IMAGE.split()
    Artifact.objects.create(
        kind="image", name=name, version=version, sha256="ab" * 32, location="https://images.example/v", brings=BRINGS
    )
    return made


def frr_routers() -> list[str]:
    return sorted(Router.objects.filter(suite="frr").values_list("name", flat=True))


def draft(stage: Stage, intended: str, *, target: str) -> Change:
    inputs = {"image": IMAGE, "intended": intended}
    return stage.draft("image-restart", inputs, [target])


def findings(change: Change) -> dict[str, Json]:
    assert change.revision is not None
    return {f["code"]: f for f in change.revision.plan["findings"]}


def test_the_image_is_stopped_at_planning_and_overriding_it_stands_on_the_change(stage: Stage, client: Client) -> None:
    target = frr_routers()[0]
    change = draft(stage, PLANNED, target=target)
    found = findings(change)

    unplanned = found["component-unplanned"]["reason"]
    assert unplanned["subject"] == f"driver.i40e on {target}", "kernel and FRR were named, the driver was not"
    assert f"in-tree {KERNEL} > vendor 2.13.10, in-tree > vendor, brought by {IMAGE}" in unplanned["found"]
    row = found["compat-withdrawn"]["reason"]
    assert "row dpdk-x710-20.11-first of DPDK guide, i40e, tested combinations (withdrawn" in row["found"]
    assert "withdrawn on 2021-03-30" in row["found"] and "XL710" in row["subject"] and "8.00" in row["subject"]
    assert change.revision is not None
    said = [(f["severity"], f["reason"]["subject"]) for f in change.revision.plan["findings"]]
    assert ("fatal", f"i40e-2.13.10-slab-leak: driver.i40e vendor 2.13.10 on {target}") in said
    assert any(s.startswith("frr-7.3-ospf6d: routing.frr 7.3 neighbour on ") for _, s in said), said
    assert change.revision.plan["artifact"]["sha256"] == "ab" * 32, "the digest holds for exactly this image"
    refused = lifecycle.submit(change, stage.author, clock.now())
    assert [r.subject for r in refused] == ["findings"]

    _override_all(change, stage, client)
    _approved_by_a_third(change, stage, client)


def _override_all(change: Change, stage: Stage, client: Client) -> None:
    """The author may not; a colleague with the right may, with a reason, on the page or in the shell."""
    assert change.revision is not None
    fatal = [f for f in change.revision.plan["findings"] if f["severity"] == "fatal"]
    assert len(fatal) == 3, [f["code"] for f in fatal]
    first, *others = [rules.identity(f) for f in fatal]
    by = stage.approver
    refused = overrides.override(change, stage.author, clock.now(), identity=first, why="it will do")
    assert [r.subject for r in refused] == ["you"], "the author has the permission, and still may not"
    assert [r.subject for r in overrides.override(change, by, clock.now(), identity=first, why=" ")] == ["reason"]
    client.force_login(by)
    assert client.post(f"/changes/{change.pk}/override", {"finding": first, "why": ""}).status_code == 409
    page = client.get(f"/changes/{change.pk}/plan/").content.decode()
    assert page.count("Override this finding") == 3
    done = client.post(f"/changes/{change.pk}/override", {"finding": first, "why": "A lab router, with a console."})
    assert done.status_code == 302
    for identity in others:
        change.refresh_from_db()
        assert overrides.override(change, by, clock.now(), identity=identity, why="We watch slab for a day.") == ()
    change.refresh_from_db()
    assert [r.subject for r in overrides.override(change, by, clock.now(), identity=first, why="again")] == ["finding"]
    assert FindingOverride.objects.filter(change=change, by=by).count() == 3
    told = Event.objects.filter(change=change, kind="finding overridden").order_by("pk")
    assert "A lab router, with a console." in told[0].text and "component-unplanned" in told[0].text


def _approved_by_a_third(change: Change, stage: Stage, client: Client) -> None:
    assert change.revision is not None
    digest = change.revision.digest
    assert lifecycle.submit(change, stage.author, clock.now()) == ()
    refused = lifecycle.decide_on(change, stage.approver, clock.now(), approve=True, digest=digest)
    assert [r.subject for r in refused] == ["approver"]
    assert "who overrode a finding" in refused[0].found
    third = User.objects.create_user("third")
    third.user_permissions.add(Permission.objects.get(codename="add_approval"))
    client.force_login(third)
    page = client.get(f"/changes/{change.pk}/").content.decode()
    decide = page.partition("Approve or reject revision")[2]
    assert "FATAL findings that were overridden" in decide
    assert "A lab router, with a console." in decide and stage.approver.username in decide
    change.refresh_from_db()
    assert lifecycle.decide_on(change, third, clock.now(), approve=True, digest=digest) == ()


@pytest.mark.sqlite
def test_an_override_does_not_hold_for_another_finding(stage: Stage) -> None:
    target, other = frr_routers()[:2]
    change = draft(stage, PLANNED, target=target)
    assert change.revision is not None
    for finding in change.revision.plan["findings"]:
        if rules.can_be(finding):
            change.refresh_from_db()
            given = overrides.override(
                change, stage.approver, clock.now(), identity=rules.identity(finding), why="We know it."
            )
            assert given == ()
    assert change.revision.fatal == 0
    request = drafts.Request(str(RECIPES / "image-restart.yaml"), {"image": IMAGE, "intended": PLANNED}, (target,))
    change.refresh_from_db()
    drafts.revise(change, request, author=stage.author, now=clock.now())
    assert change.revision.fatal == 0, "the same findings: it holds in a later revision as well"
    change.refresh_from_db()
    drafts.revise(
        change, drafts.Request(request.recipe, request.inputs, (other,)), author=stage.author, now=clock.now()
    )
    assert change.revision.fatal == 3, "another device"


@pytest.mark.sqlite
def test_an_image_as_it_was_meant_passes(stage: Stage) -> None:
    target = frr_routers()[0]
    Artifact.objects.update(brings=BRINGS[:2])
    change = draft(stage, PLANNED, target=target)
    assert change.revision is not None
    assert change.revision.fatal == 0, change.revision.plan["findings"]
    assert "compat-no-row" in findings(change) or "compat-hint" in findings(change), "in-tree with 8.00: no row says so"
