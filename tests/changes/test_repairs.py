"""The button that drafts the repair: real plans from drift rows, nothing twice."""

from datetime import UTC, datetime
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from fleet.changes import lifecycle, repairs
from fleet.changes.models import Change
from inventory import drift, models, running
from tests.changes import builders

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 5, 5, 0, tzinfo=UTC)
NAMES = ["bly", "aebi", "dekker"]


@pytest.fixture(autouse=True)
def _drifted(db: None) -> None:
    """Two queue wishes and a kernel that no recipe changes yet; dekker is as wanted."""
    builders.fleet(NAMES)
    for name, kind, settings in (
        ("fast", "nic", {"nic.queues": 8}), ("kern", "kernel", {"kernel.version": "6.1.*"}),
    ):  # fmt: skip
        profile = models.Profile.objects.create(name=name, kind=kind, settings=settings)
        models.Assignment.objects.create(profile=profile, level="fleet")
    for router in models.Router.objects.all():
        queues = 8 if router.name == "dekker" else 4
        channels = {"combined": queues, "max": {"combined": 64}}
        card = {"nic": {"driver": "i40e", "bus": "0000:01:00.0"}, "channels": channels, "rings": None}
        facts = {
            "kernel": "6.1.9" if router.name != "bly" else "5.10.46",
            "interfaces": {"eth1": card, "eth2": card},
            "routing": {"suite": "frr", "running_config": "frr version 8.4.4\n"},
        }
        models.Observation.objects.create(router=router, observed_at=NOW, facts=facts)
    drift.refresh(list(models.Router.objects.all()), NOW)


def test_drift_becomes_a_planned_draft(author: User) -> None:
    made = repairs.draft(repairs.needed(), author=author, now=NOW)
    (change,) = made.changes
    revision = change.revision
    assert revision is not None and change.author_id == author.pk
    assert revision.recipe == "nic-queues"
    assert revision.inputs == {"queues": 8, "interface": "eth[12]"}
    assert sorted(t.name for t in revision.read_plan().targets) == ["aebi", "bly"]
    diffs = "".join(s.diff for t in revision.read_plan().targets for s in t.steps)
    assert "eth1, combined queues: 4 -> 8" in diffs
    assert "bly, nic.queues[eth1]: found 4, wanted 8." in change.description
    assert [r.subject for r in made.left] == ["bly, kernel.version"]


def test_pressed_twice_it_is_drafted_once(author: User) -> None:
    first = repairs.draft(repairs.needed(), author=author, now=NOW)
    again = repairs.draft(repairs.needed(["bly"]), author=author, now=NOW)
    assert (again.changes, again.already) == ((), first.changes)
    lifecycle.cancel(first.changes[0], author, NOW)
    assert len(repairs.draft(repairs.needed(), author=author, now=NOW).changes) == 1


def test_one_row_alone(author: User) -> None:
    row = models.Drift.objects.get(router__name="aebi", setting="nic.queues[eth2]")
    (change,) = repairs.draft(repairs.needed(rows=[row.pk]), author=author, now=NOW).changes
    revision = change.revision
    assert revision is not None
    assert revision.inputs == {"queues": 8, "interface": "eth2"}


def test_a_wish_that_the_recipe_refuses_is_named_and_the_rest_is_drafted(author: User) -> None:
    bly = models.Router.objects.get(name="bly")
    models.Drift.objects.create(
        router=bly, setting="kernel.sysctl.kernel.core_pattern", wanted="|/bin/sh", found="core", profile="x", since=NOW
    )
    made = repairs.draft(repairs.needed(), author=author, now=NOW)
    assert len(made.changes) == 1
    assert any("sysctl" in str(reason) and "|/bin/sh" in str(reason) for reason in made.left)


def test_the_engine_tells_the_inventory_what_it_has_in_its_hands() -> None:
    assert running.in_running_change(NAMES) == frozenset()


def test_the_command_lists_and_drafts(author: User, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("drift")
    assert "5 setting(s) of 2 device(s) not as wanted" in capsys.readouterr().out
    call_command("drift", "dekker", "--json")
    assert capsys.readouterr().out == "[]\n"
    call_command("drift", "--repair", "aebi", "--user", author.get_username())
    assert "drafted change" in capsys.readouterr().out
    call_command("drift", "--repair", "--all", "--refresh", "--user", author.get_username())
    shown = capsys.readouterr().out
    assert "left: bly, kernel.version" in shown and Change.objects.count() == 2
    for wrong in (("--repair",), ("--repair", "aebi", "--all"), ("--repair", "nobody")):
        with pytest.raises(CommandError):
            call_command("drift", *wrong, stdout=StringIO())
