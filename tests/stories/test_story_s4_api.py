"""Story S4 over the REST API alone: one queue and drops, what the doctor says, its draft, approval, waves, no drops."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from fleet.people.models import Grant
from lab.sim import SimFleet
from tests import needs
from tests.changes.api_client import Program
from tests.inventory import ucs_scene
from tests.stories import blades, engines
from tests.stories.stage import Stage, wait_until

pytestmark = [pytest.mark.django_db(transaction=True)]
# 300,000 packets/s of both families: 125,000 more than one queue's CPU takes, a third of what eight take.
EACH_FAMILY_PPS = 150_000.0
BUDGET = 3
SHORT = {"settle": "0s", "gate": "0s", "soak": "5s", "shutdown": "60s", "association": "300s"}


class Engineer(Program):
    """A program of somebody who asks and waits."""

    def wait(self, path: str, true: Callable[[Any], bool], *, within_s: float) -> Any:
        found: dict[str, Any] = {}

        def there() -> bool:
            found.update(self.get(path).json())
            return true(found)

        try:
            wait_until(there, within_s=within_s, what=path, every_s=1.0)  # as often as programs ask
        except AssertionError:
            raise AssertionError(f"{path}: {found}") from None
        return found

    def doctor(self, names: list[str]) -> dict[str, list[Any]]:
        """Device > what is said of each of its cards, by new looks."""
        asked = self.post("/queue-looks", {"devices": names})
        assert asked.status_code == 202, asked.content
        said = {}
        for row in asked.json()["looks"]:
            found = self.wait(f"/queue-looks/{row['id']}", lambda look: look["state"] != "waiting", within_s=120)
            assert found["state"] == "looked", found
            said[found["device"]] = [card for card in found["cards"] if card["driver"] == "enic"]
        return said


@pytest.fixture
def scene(
    sim_fleet: Callable[..., SimFleet], author: User, approver: User, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    child_environment: dict[str, str],
) -> Iterator[Callable[[int], blades.Blades]]:  # fmt: skip
    open_now: list[Any] = []

    def made(hosts: int) -> blades.Blades:
        standing = blades.standing(sim_fleet, Stage(author, approver), tmp_path, monkeypatch, hosts=hosts, vnics=None)
        open_now.append(standing)
        found = standing.__enter__()
        environment = {**child_environment, ucs_scene.ENV: ucs_scene.PASSWORD}
        open_now.append(engines.running("inline", environment, None, tmp_path))
        open_now[-1].__enter__()
        return found

    yield made
    for one in reversed(open_now):
        one.__exit__(None, None, None)


def growing(scene: blades.Blades) -> dict[str, int]:
    """Packets that each host dropped within a second of now."""
    before = scene.dropped()
    time.sleep(1.0)
    return {name: count - before[name] for name, count in scene.dropped().items()}


def the_story(scene: blades.Blades, author: User, approver: User, *, within_s: float) -> None:
    Grant.objects.create(person=author, role="operator")
    Grant.objects.create(person=approver, role="approver")
    ann, ben = Engineer(User.objects.get(pk=author.pk)), Engineer(User.objects.get(pk=approver.pk))
    for name in scene.names:
        scene.fleet.load(name, EACH_FAMILY_PPS)
    assert set(map(tuple, scene.queues().values())) == {(1,)} and min(growing(scene).values()) > 100_000

    for cards in ann.doctor(scene.names).values():
        for card in cards:
            assert card["queues"] == 1 and card["lost"] > 1000, card
            assert card["change"] == {"recipe": "ucs-queues", "inputs": {"queues": 8}}
            said = card["findings"][0]["words"]
            assert "CPU 0 spends" in said and "of its time on softirqs" in said and "(rx_no_bufs)" in said, said
    asked = ann.post(
        "/queue-looks/drafts", {"devices": scene.names, "inputs": SHORT, "strategy": {"total": BUDGET}}
    ).json()
    (draft,) = asked["drafts"]
    assert asked["left"] == []
    draft = ann.wait(f"/drafts/{draft['id']}", lambda row: row["state"] != "waiting", within_s=60)
    assert draft["state"] == "drafted", draft
    pk = draft["change"]
    change = ann.get(f"/changes/{pk}").json()
    assert change["revision"]["recipe"] == "ucs-queues" and change["revision"]["findings"]["fatal"] == 0, change

    submitted = ann.post(f"/changes/{pk}/submit")
    assert submitted.status_code == 200, submitted.content
    digest = ann.get(f"/changes/{pk}").json()["revision"]["digest"]
    own = ann.post(f"/changes/{pk}/approve", {"digest": digest})
    assert own.status_code in {403, 409} and "author" in own.content.decode(), own.content
    assert ben.post(f"/changes/{pk}/approve", {"digest": digest}).status_code == 200
    started = ann.post(f"/changes/{pk}/start")
    assert started.status_code == 200, started.content
    ended = ann.wait(
        f"/changes/{pk}", lambda row: row["state"] not in {"approved", "scheduled", "running"}, within_s=within_s
    )
    why = ann.get(f"/changes/{pk}/why").json()
    assert ended["state"] == "succeeded", why

    assert set(map(tuple, scene.queues().values())) == {(8,)}
    assert sorted(scene.manager.history("acknowledged")) == scene.names, "each once"
    scene.judge(budget=BUDGET)
    assert set(growing(scene).values()) == {0}, "the same load, and nothing is dropped"
    for cards in ann.doctor(scene.names).values():
        assert [(card["queues"], card["lost"], card["change"]) for card in cards] == [(8, 0, None)] * len(cards)
    targets = ann.get(f"/runs/{ended['run']['id']}/targets?limit=100").json()["items"]
    waves = sorted(row["wave"] for row in targets)
    assert waves.count(0) == 1 and waves[-1] >= 2 and len(targets) == len(scene.names), waves


def test_sixteen_blades_from_drops_to_no_drops(
    scene: Callable[[int], blades.Blades], author: User, approver: User
) -> None:
    needs.need(needs.minutes())
    the_story(scene(16), author, approver, within_s=540)
