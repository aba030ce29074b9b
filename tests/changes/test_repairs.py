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
    """Two queue wishes and a kernel that the inventory does not have yet; dekker is as wanted."""
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


def test_what_the_inventory_has_is_drafted_with_its_digest(author: User) -> None:
    """A kernel by its artifact, rings beside the queues of the same cards: two changes, nothing left."""
    release = "6.1.0-56-amd64"
    models.Artifact.objects.create(
        kind="kernel", name=f"linux-image-{release}", version="6.1.192-2", sha256="ab" * 32, location="/srv/kernel.deb",
        brings=[{"kind": "kernel", "name": "linux", "version": release}],
    )  # fmt: skip
    bly = models.Router.objects.get(name="bly")
    models.Drift.objects.create(
        router=bly, setting="nic.offload.gro[eth1]", wanted=True, found=False, profile="fast", since=NOW
    )
    made = repairs.draft(repairs.needed(["bly"]), author=author, now=NOW)
    assert [str(r) for r in made.left] == []
    by_recipe = {c.revision.recipe: c.revision for c in made.changes if c.revision is not None}
    assert set(by_recipe) == {"kernel", "nic-settings", "nic-queues"}
    assert by_recipe["kernel"].inputs["sha256"] == "ab" * 32
    assert by_recipe["nic-settings"].inputs == {"interface": "eth1", "queues": 8, "offloads": "gro = on"}
    assert by_recipe["nic-queues"].inputs == {"interface": "eth2", "queues": 8}


def test_cards_are_told_apart_by_serial_or_by_their_place(author: User) -> None:
    from fleet.changes import repair_means
    from fleet.core.repair import Drifted

    bly = models.Router.objects.get(name="bly")
    serials = {"e1": ("A", "01:00.0"), "e2": ("A", "01:00.1"), "e3": ("", "02:00.0"), "e4": ("", "02:00.1")}
    for interface, (serial, address) in serials.items():
        seen = models.Interface.objects.create(router=bly, name=interface, last_seen_at=NOW)
        models.Nic.objects.create(
            router=bly, interface=seen, driver="ice", nvm="4.20", serial=serial, pci_address=address, last_seen_at=NOW
        )
    cards = repair_means.means([Drifted("bly", "firmware.ice.nvm", "4.40", "4.20")]).cards
    assert [(c.interface, c.family, c.nvm) for c in cards] == [("e1", "ice", "4.20"), ("e3", "ice", "4.20")]
    assert repair_means.means([Drifted("bly", "nic.queues[eth1]", 8, 4)]) == repair_means.Means()
