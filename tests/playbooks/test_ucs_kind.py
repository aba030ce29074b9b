"""The verb `ucs` against the lab's UCS Manager, by the real ucsmsdk: every stage, and what can come between."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.ucsm import Blade
from playbooks.base import Session
from playbooks.engine import Outcome, OutcomeKind
from playbooks.ucs import client, seen
from playbooks.ucs.moves import Move, next_move
from tests.playbooks.ucs_blades import DEFAULT, ENV, PASSWORD, UCS, Machine, Scene, standing


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Scene]]:
    with standing(tmp_path, monkeypatch) as made:
        yield made


def test_one_host_is_bound_shut_down_acknowledged_and_comes_back_with_eight_queues(
    scene: Callable[..., Scene],
) -> None:
    made = scene(Blade("cache1", vnics=2), Blade("cache2"))
    outcome = made.walk(made.step("cache1"))
    assert (outcome.kind, outcome.changed) == (OutcomeKind.DONE, True), outcome.reasons
    assert outcome.data["queues"] == {"eth0": 8, "eth1": 8}
    assert "irqbalance" in str(outcome.reasons[0])
    happened = [(what, who) for _, what, who in made.manager.blades.done if what != "commit"]
    assert [what for what, who in happened if who == "cache1"] == [
        "pending", "host off", "acknowledged", "begun", "off", "up",
    ]  # fmt: skip
    assert not [what for what, who in happened if who == "cache2"], "nobody else is touched"
    assert made.manager.tree[f"{DEFAULT}/eth-rcv-q"].props["count"] == "1", "what others use is as it was"
    copy = "org-root/eth-profile-default-q8"
    counts = {rn: made.manager.tree[f"{copy}/{rn}"].props["count"] for rn in ("eth-comp-q", "eth-int")}
    assert counts == {"eth-comp-q": "16", "eth-int": "18"}
    assert made.manager.tree[f"{copy}/eth-int"].props["coalescingTime"] == "125", "the rest is copied"
    assert made.manager.sessions.count() == 1
    again = made.walk(made.step("cache1"))
    assert (again.kind, again.changed) == (OutcomeKind.DONE, False)


def test_the_way_back_is_the_old_binding_with_another_acknowledged_reboot(scene: Callable[..., Scene]) -> None:
    made = scene(Blade("cache1"))
    assert made.walk(made.step("cache1")).kind is OutcomeKind.DONE
    outcome = made.walk(replace(made.last, waited_s=0.0, progress={}), back=True)
    assert outcome.kind is OutcomeKind.DONE, outcome.reasons
    assert made.manager.tree["org-root/ls-cache1/ether-eth0"].props["adaptorProfileName"] == ""
    assert made.machines.by_name["cache1"].queues == {0: 1}
    assert made.manager.history("acknowledged") == ["cache1", "cache1"]
    assert made.manager.history("host off") == ["cache1", "cache1"]


def test_what_was_only_bound_goes_back_without_a_reboot(scene: Callable[..., Scene]) -> None:
    made = scene(Blade("cache1"))
    made.machines.by_name["cache1"].hangs = True
    outcome = made.walk(made.step("cache1", shutdown="5s"))
    assert outcome.kind is OutcomeKind.IMPOSSIBLE and "still on" in str(outcome.reasons[0])
    outcome = made.walk(replace(made.last, waited_s=0.0, progress={}), back=True)
    assert outcome.kind is OutcomeKind.DONE
    assert not made.manager.history("acknowledged") and made.machines.by_name["cache1"].boots == 1


def test_an_association_that_fails_says_why_and_the_old_policy_brings_the_blade_back(
    scene: Callable[..., Scene],
) -> None:
    made = scene(Blade("cache1", vnics=2), limits=None)
    outcome = made.walk(made.step("cache1", 256))
    assert outcome.kind is OutcomeKind.IMPOSSIBLE
    assert "AssociateNicConfigHostOSLocal: Adapter configDataNicCb(): vnicEthCreate failed" in str(outcome.reasons[0])
    assert not made.machines.by_name["cache1"].alive
    outcome = made.walk(replace(made.last, waited_s=0.0, progress={}), back=True)
    assert outcome.kind is OutcomeKind.DONE, outcome.reasons
    assert made.machines.by_name["cache1"].queues == {0: 1, 1: 1}


def test_fewer_queues_on_the_host_than_wanted_is_no_success(scene: Callable[..., Scene]) -> None:
    made = scene(Blade("cache1"), limits=None)
    outcome = made.walk(made.step("cache1", 256))
    assert outcome.kind is OutcomeKind.IMPOSSIBLE
    assert "eth0 8" in outcome.reasons[0].found and "256" in outcome.reasons[0].wanted


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ({"org-root/maint-ask": {"uptimeDisr": "immediate"}}, "maintenance policy immediate"),
        ({"org-root/ls-cache1": {"pnDn": "sys/chassis-1/blade-2"}}, "sys/chassis-1/blade-2"),
        ({"org-root/ls-cache1": {"assocState": "failed"}}, "failed"),
    ],
)
def test_what_moved_since_the_plan_is_named_and_nothing_is_sent(
    scene: Callable[..., Scene], what: dict[str, dict[str, str]], words: str
) -> None:
    made = scene(Blade("cache1"), Blade("cache2"))
    step = made.step("cache1")
    for dn, props in what.items():
        made.manager.tree[dn].props |= props
    look = UCS.precheck(made.machines.by_name["cache1"], step)
    assert look.seen == "unknown" and words in " ".join(map(str, look.reasons))
    assert made.walk(step).kind is OutcomeKind.ERROR and made.sent == 0
    assert not made.manager.history("commit")


def test_a_reboot_that_is_pending_already_is_somebody_elses(scene: Callable[..., Scene]) -> None:
    made = scene(Blade("cache1"))
    step = made.step("cache1")
    with made.manager.api.lock:
        made.manager.tree[f"{DEFAULT}/eth-rcv-q"].props["count"] = "2"
        made.manager.blades.settle()
    outcome = made.walk(step)
    assert outcome.kind is OutcomeKind.ERROR and "pending already (host-eth-if-profile)" in str(outcome.reasons[0])


def trouble(made: Scene, name: str, what: str) -> None:
    match what:
        case "restart":
            made.manager.restart(away_s=0.15)
        case "session":
            made.manager.sessions.end_all()


@pytest.mark.parametrize("what", ["restart", "session"])
@pytest.mark.parametrize("stage", ["pending", "host off", "acknowledged", "off", "up"])
def test_whatever_happens_to_ucs_manager_nothing_is_acknowledged_twice(
    scene: Callable[..., Scene], what: str, stage: str
) -> None:
    made = scene(Blade("cache1"), stage_s=0.04)
    happened: list[str] = []

    def look(outcome: Outcome) -> bool:
        if not happened and made.manager.history(stage):
            happened.append(stage)
            trouble(made, "cache1", what)
        return False

    assert made.walk(made.step("cache1"), until=look).kind is OutcomeKind.DONE
    assert happened == [stage] or stage == "up"
    assert made.manager.history("acknowledged") == ["cache1"]
    assert made.manager.history("begun") == ["cache1"] and made.machines.by_name["cache1"].boots == 2


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_commit_whose_answer_is_lost_is_looked_for_and_not_sent_again(
    scene: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    from playbooks.ucs.pinned import NoAnswer, Pinned

    made, seen_commits, post = scene(Blade("cache1")), list[int](), Pinned.post

    def losing(self: Pinned, uri: str, data: Any = None, **more: Any) -> str:
        answer = post(self, uri, data, **more)
        if "configConfMos" in str(data):
            seen_commits.append(1)
            if len(seen_commits) == nth:
                raise NoAnswer("the connection was cut")
        return answer

    monkeypatch.setattr(Pinned, "post", losing)
    assert made.walk(made.step("cache1")).kind is OutcomeKind.DONE
    assert len(seen_commits) == 3, "copy, binding, acknowledgement: each once"
    assert made.manager.history("acknowledged") == ["cache1"]


def test_two_workers_at_once_acknowledge_once(scene: Callable[..., Scene]) -> None:
    made = scene(Blade("cache1"), stage_s=0.05)
    first = made.walk(made.step("cache1"), until=lambda o: bool(made.manager.history("host off")))
    assert first.kind is OutcomeKind.WAIT
    step = made.last
    for _ in range(2):
        UCS.apply(made.machines.by_name["cache1"], step, deadline_s=5.0)
    assert made.manager.history("acknowledged") == ["cache1"]


def test_two_hosts_at_once_are_not_in_each_others_way(scene: Callable[..., Scene]) -> None:
    made = scene(Blade("cache1"), Blade("cache2"), stage_s=0.3)
    made.walk(made.step("cache1"), until=lambda o: bool(made.manager.history("begun")))
    assert not made.manager.history("up")
    outcome = made.walk(made.step("cache2"))
    assert outcome.kind is OutcomeKind.DONE, outcome.reasons


@pytest.mark.parametrize(
    ("foretold", "words"),
    [
        ({"reboot_user_ack": ["org-root/ls-cache1", "org-root/ls-cache2"]}, "would disturb org-root/ls-cache2"),
        ({"reboot_immediate": ["org-root/ls-cache1"]}, "foretells reboot_immediate"),
    ],
)
def test_a_commit_that_would_reboot_at_once_or_disturb_somebody_else_is_not_sent(
    scene: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch, foretold: dict[str, list[str]], words: str
) -> None:
    made = scene(Blade("cache1"), Blade("cache2"))
    monkeypatch.setattr(client.Manager, "impact", lambda *_: foretold)
    outcome = made.walk(made.step("cache1"))
    assert outcome.kind is OutcomeKind.ERROR and words in str(outcome.reasons[0])
    assert not made.manager.history("pending")


def test_a_wrong_password_is_not_tried_again(scene: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch) -> None:
    made = scene(Blade("cache1"))
    step = made.step("cache1")
    monkeypatch.setenv(ENV, "wrong")
    outcome = made.walk(step)
    assert outcome.kind is OutcomeKind.ERROR and "551" in str(outcome.reasons[0])
    assert made.manager.requests.count("aaaLogin") == 1


def test_no_room_for_a_session_is_waited_for(scene: Callable[..., Scene]) -> None:
    made = scene(Blade("cache1"), most_sessions=1)
    made.manager.sessions.login("admin", PASSWORD)
    waiting = made.walk(made.step("cache1"), until=lambda outcome: True)
    assert waiting.kind is OutcomeKind.RETRY and "room for one session" in str(waiting.reasons[0])
    made.manager.sessions.end_all()
    assert made.walk(made.step("cache1")).kind is OutcomeKind.DONE


def test_a_session_is_renewed_before_it_expires(scene: Callable[..., Scene]) -> None:
    made, now = scene(Blade("cache1"), refresh_s=600.0), [0.0]
    asked = client.Manager(made.domain, clock=lambda: now[0])
    for _ in range(5):
        assert asked.ask(lambda handle: handle.query_dn("sys")) is not None
        now[0] += 200.0
    asked.close()
    assert made.manager.requests.count("aaaLogin") == 1 and "aaaRefresh" in made.manager.requests


PROFILE = seen.Profile(
    "org-root/ls-a", "a", "associated", "ok", "", "user-ack", "sys/chassis-1/blade-1",
    (seen.Vnic("org-root/ls-a/ether-eth0", "eth0", "00:25:b5:00:00:00", "q8", "org-root/eth-profile-q8"),), power="on",
)  # fmt: skip
WANTED = {"eth0": ("q8", "org-root/eth-profile-q8")}


@pytest.mark.parametrize(
    ("now", "move"),
    [
        (PROFILE, Move.ASSOCIATED),
        (replace(PROFILE, power="off"), Move.POWER_ON),
        (replace(PROFILE, association="associating"), Move.WAIT),
        (replace(PROFILE, association="failed"), Move.FAILED),
        (replace(PROFILE, association=""), Move.STRANGE),
        (replace(PROFILE, pending=seen.Pending("waiting-for-user", "untriggered", ())), Move.SHUT_DOWN),
        (replace(PROFILE, power="off", pending=seen.Pending("waiting-for-user", "untriggered", ())), Move.ACKNOWLEDGE),
        (replace(PROFILE, power="off", pending=seen.Pending("waiting-for-user", "triggered", ())), Move.WAIT),
        (replace(PROFILE, power="off", pending=seen.Pending("active", "triggered", ())), Move.WAIT),
        (replace(PROFILE, pending=seen.Pending("waiting-for-maint-window", "untriggered", ())), Move.STRANGE),
        (replace(PROFILE, pending=seen.Pending("waiting-for-user", "untriggered", ("bios-fw",))), Move.STRANGE),
        (replace(PROFILE, vnics=()), Move.BIND),
    ],
)
def test_what_is_next_is_told_from_how_it_stands(now: seen.Profile, move: Move) -> None:
    assert next_move(now, WANTED).move is move


def test_a_session_is_a_machine() -> None:
    made: Session = Machine("cache1", [])
    assert made.device.name == "cache1"
