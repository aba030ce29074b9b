"""Looks at queues over the API: asked for, read, drafted; vNICs of many blades become one change of their policy."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from fleet import clock
from fleet.changes import draft_requests
from fleet.changes.models import Change, DraftRequest
from fleet.people.models import Grant
from inventory import models
from inventory.models import QueueLook, Router
from lab.ucsm import Blade, UcsManager
from playbooks.ucs import client as ucs_client
from tests.changes import builders
from tests.changes.api_client import Program
from tests.inventory import ucs_scene

pytestmark = pytest.mark.django_db
HOSTS = [f"cache{n}" for n in range(1, 5)]


@pytest.fixture
def program(author: User) -> Program:
    Grant.objects.create(person=author, role="operator")
    draft_requests.publish()
    return Program(User.objects.get(pk=author.pk))


def starved(name: str, *, seconds: float = 11.0, lost: int = 52_000, queues: int = 1) -> QueueLook:
    """A look at a blade as story S4-12 saw it: one queue, its CPU all softirq, packets without a buffer."""

    def look(up: float, share: float, missed: int, count: int) -> dict[str, Any]:
        vectors = {str(q): {str(q): count // queues} for q in range(queues)}
        return {
            "boot_id": "b", "kernel": "6.1.0", "uptime": up, "cpus": list(range(40)), "cores": 20, "irqbalance": True,
            "stat": {str(c): [int(up * 100 * share) if c == 0 else 5, int(up * 100)] for c in range(40)},
            "interfaces": {"eth0": {
                "driver": "enic", "up": True, "queues": queues, "most": None, "settable": False, "fields": {},
                "rss": None, "rx": None, "no_buffer": {"rx_no_bufs": missed}, "received": count * 16,
                "vectors": vectors, "affinity": None,
            }},
        }  # fmt: skip

    now = clock.now()
    return QueueLook.objects.create(
        router=Router.objects.get(name=name), asked_by="author", asked_at=now, ended_at=now,
        before=look(1000.0, 0.0, 0, 0), after=look(1000.0 + seconds, 0.98, lost, 90_000),
    )  # fmt: skip


@pytest.fixture
def blades(db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[UcsManager]:
    monkeypatch.setenv(ucs_scene.ENV, ucs_scene.PASSWORD)
    made = [Blade(name, maintenance="ask") for name in HOSTS]
    with UcsManager(made, password=ucs_scene.PASSWORD, folder=tmp_path) as manager:
        ucs_scene.hosts(manager, HOSTS, clock.now(), cpu={"threads": 40})
        yield manager
    ucs_client.close_all()


def test_four_starved_blades_are_one_change_of_their_policy(program: Program, blades: UcsManager) -> None:
    for name in HOSTS[:3]:
        starved(name)
    look = starved(HOSTS[3])
    said = program.get(f"/queue-looks/{look.pk}").json()
    (card,) = said["cards"]
    assert (card["lost"], card["fine"]) == (52_000, False)
    assert card["change"] == {"recipe": "ucs-queues", "inputs": {"queues": 8}}
    answer = program.post("/queue-looks/drafts", {"devices": HOSTS, "inputs": {"soak": "1m"}, "ticket": "NET-4"})
    assert answer.status_code == 202, answer.content
    (draft,) = answer.json()["drafts"]
    assert answer["Location"].endswith(f"/drafts/{draft['id']}") and draft["title"].startswith("8 queues by adapter")
    draft_requests.take_up(clock.now())
    change = Change.objects.get()
    assert change.revision is not None and "rx_no_bufs" in change.description and change.ticket == "NET-4"
    plan = change.revision.read_plan()
    assert sorted(t.name for t in plan.targets) == HOSTS
    diff = "".join(step.diff for step in plan.targets[0].steps)
    assert "org-root/eth-profile-default-q8: 8 + 8 queues, 16 completion, 18 interrupts" in diff
    assert "receive queues on the host: 8" in diff


def test_what_is_fine_or_was_not_looked_at_is_left_with_its_reason(program: Program, blades: UcsManager) -> None:
    starved(HOSTS[0])
    starved(HOSTS[1], lost=0, queues=8)
    answer = program.post("/queue-looks/drafts", {"devices": HOSTS[:3]}).json()
    assert len(answer["drafts"]) == 1 and DraftRequest.objects.get().names == [HOSTS[0]]
    assert [line.partition(":")[0] for line in answer["left"]] == ["queues of cache2", "queues of cache3"]
    nothing = program.post("/queue-looks/drafts", {"devices": HOSTS[1:3]})
    assert nothing.status_code == 409 and len(nothing.json()["reasons"]) == 2


def test_what_is_said_to_the_draft_is_checked_as_in_a_form(program: Program, blades: UcsManager) -> None:
    starved(HOSTS[0])
    for more, subject in (({"inputs": {"cores": 1}}, "input cores"), ({"strategy": {"waves": "all"}}, "waves")):
        answer = program.post("/queue-looks/drafts", {"devices": HOSTS[:1], **more})
        assert (answer.status_code, [r["subject"] for r in answer.json()["reasons"]]) == (409, [subject])
    assert not DraftRequest.objects.exists()


def test_looks_are_asked_for_once_and_listed(program: Program) -> None:
    builders.fleet(["bly", "aebi"])
    first = program.post("/queue-looks", {"devices": ["bly", "aebi"]}).json()["looks"]
    assert [(row["device"], row["state"]) for row in first] == [("bly", "waiting"), ("aebi", "waiting")]
    again = program.post("/queue-looks", {"devices": ["bly"]}).json()["looks"]
    assert [row["id"] for row in again] == [first[0]["id"]], "one that waits is not asked for twice"
    assert [r["id"] for r in program.get("/queue-looks?device=bly").json()["items"]] == [first[0]["id"]]
    assert program.get(f"/queue-looks/{first[0]['id']}").json()["cards"] == []
    unknown = program.post("/queue-looks", {"devices": ["bly", "nobody"]})
    assert unknown.status_code == 409 and unknown.json()["reasons"][0]["subject"] == "device nobody"


def test_a_standalone_server_has_a_recipe_of_its_own(program: Program) -> None:
    """No policies there: its controller is written to. The page's button and the command ask the same way."""
    builders.fleet(["c220", "r1"])
    who = models.Credential.objects.create(name="imc", username="admin", reference="env:NONE")
    row = Router.objects.get(name="c220")
    models.RackServer.objects.create(router=row, address="192.0.2.7", credential=who)
    starved("c220")
    starved("r1")
    drafts = program.post("/queue-looks/drafts", {"devices": ["c220", "r1"]}).json()["drafts"]
    assert sorted((one["recipe"], one["title"]) for one in drafts) == [
        ("ucs-queues", "8 queues by adapter policy for the vNICs of r1"),
        ("ucs-rack-queues", "8 queues by management controller for the vNICs of c220"),
    ]
    author = User.objects.get(username="author")
    author.user_permissions.add(Permission.objects.get(codename="add_change"))
    client = Client()
    client.force_login(author)
    assert client.post(reverse("queues-draft", args=["c220"]), {"interface": "eth0"}).status_code == 302
    newest = DraftRequest.objects.order_by("-pk")[0]
    assert (newest.recipe, newest.inputs, newest.names) == ("ucs-rack-queues", {"queues": 8}, ["c220"])
