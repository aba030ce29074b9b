"""The verb napalm and NAPALM's FRR driver on the simulated ring: looked at, committed, confirmed, put back."""

from dataclasses import replace
from typing import Any

import pytest
from napalm.base import get_network_driver
from napalm.base.exceptions import CommitConfirmException, CommitError

from playbooks import registry
from playbooks.base import Impossible, Refused, Seen, Step, Unreachable, Unsure
from playbooks.engine import OutcomeKind
from tests.playbooks.simlab import FRR_DRAIN, SimLab
from tests.playbooks.simsession import SimSession, Walk, device

DRIVER = registry.driver("napalm")
POLICY = "route-map TRANSIT-IN permit 10\n set local-preference 120\nexit\n"
CUT = "interface eth1\n description cuts management\nexit\n"


@pytest.fixture
def walk() -> Walk:
    lab = SimLab()
    lab.wait(120.0)
    return Walk(lab, device(lab, "bly"))


def made(walk: Walk, config: str = POLICY, **more: Any) -> Step:
    return walk.made("napalm", {"config": config, "confirm": "30s", **more}, walk.facts())


def running(walk: Walk) -> str:
    return walk.lab.ok(walk.device.name, "sudo -n vtysh -c 'show running-config'")


def opened(walk: Walk) -> Any:
    options = {"session": SimSession(walk.device, walk.lab)}
    return get_network_driver("frr")("127.0.0.1", "ops", "", optional_args=options)


# -- the verb


def test_what_is_approved_is_the_diff_and_it_is_confirmed_over_a_later_visit(walk: Walk) -> None:
    step = made(walk)
    assert "+ set local-preference 120" in step.planned.diff.splitlines()
    assert any("revert_in=30" in line for line in step.planned.commands)
    outcome, ended = walk.go(step)
    assert (outcome.kind, outcome.changed) == (OutcomeKind.DONE, True), outcome
    assert [look.data.get("applied") for look in walk.looks[:-1]] == [True], "one visit before the one that confirms"
    assert ended.artifact is not None and "before" not in ended.artifact
    assert "set local-preference 120" in walk.lab.machines["bly"].router.files["/etc/frr/frr.conf"]
    walk.lab.wait(60.0)
    assert "set local-preference 120" in running(walk), "nothing puts back what was confirmed"
    again, _ = walk.go(made(walk))
    assert (again.kind, again.changed) == (OutcomeKind.DONE, False)


def test_what_is_never_confirmed_goes_back_and_is_told_so(walk: Walk) -> None:
    before, session, step = running(walk), SimSession(walk.device, walk.lab), made(walk)
    step = replace(step, artifact=DRIVER.precheck(session, step).artifact)
    DRIVER.apply(session, step, deadline_s=60.0)
    first = DRIVER.observe(session, step)
    assert (first.seen, first.data) == (Seen.WAITING, {"applied": True})
    assert DRIVER.observe(session, step).seen is Seen.WAITING, "whoever does not know it looks again"
    walk.lab.wait(45.0)
    look = DRIVER.observe(session, replace(step, progress=first.data))
    assert look.seen is Seen.NOT_DONE and "put itself back" in look.reasons[0].found
    assert running(walk) == before and DRIVER.observe_rollback(session, step).seen is Seen.DONE


def test_a_router_that_its_change_cuts_off_puts_itself_back(walk: Walk) -> None:
    walk.lab.inject("bly", "mgmt_cut", match="description cuts management")
    before, session, step = running(walk), SimSession(walk.device, walk.lab), made(walk, CUT)
    step = replace(step, artifact=DRIVER.precheck(session, step).artifact)
    with pytest.raises((Unsure, Unreachable)):
        DRIVER.apply(session, step, deadline_s=60.0)
    with pytest.raises(Unreachable):
        DRIVER.observe(session, step)
    walk.lab.wait(45.0)
    look = DRIVER.observe(session, step)
    assert look.seen is Seen.NOT_DONE and "put itself back" in look.reasons[0].found
    assert running(walk) == before


def test_a_router_that_restarts_unconfirmed_comes_up_as_it_was(walk: Walk) -> None:
    session, step = SimSession(walk.device, walk.lab), made(walk)
    step = replace(step, artifact=DRIVER.precheck(session, step).artifact)
    DRIVER.apply(session, step, deadline_s=60.0)
    walk.lab.ok("bly", "sudo -n systemctl reboot")
    walk.lab.wait(120.0)
    look = DRIVER.observe(session, replace(step, progress={"applied": True}))
    assert look.seen is Seen.NOT_DONE and "put itself back" in look.reasons[0].found
    assert DRIVER.observe_rollback(session, step).seen is Seen.DONE


def test_what_was_changed_since_approval_holds_and_is_named(walk: Walk) -> None:
    step, session = made(walk), SimSession(walk.device, walk.lab)
    walk.lab.ok("bly", "sudo -n vtysh -c 'conf t' -c 'route-map TRANSIT-IN permit 10' -c 'set local-preference 90'")
    look = DRIVER.precheck(session, step)
    assert look.seen is Seen.UNKNOWN and "- set local-preference 90" in look.reasons[0].found
    with pytest.raises(Refused, match="local-preference 90"):
        DRIVER.apply(session, replace(step, artifact={"token": "ab12"}), deadline_s=60.0)
    assert not [e for e in walk.lab.journal if e.get("argv", [""])[0] == "systemd-run"], "nothing was begun"


def test_a_drain_between_approval_and_act_is_no_difference_and_survives_a_replace(walk: Walk) -> None:
    facts: Any = walk.facts()
    whole = facts["routing"]["running_config"].replace("description internet v4", "description transit one")
    step = made(walk, whole, mode="replace")
    walk.lab.ok("bly", FRR_DRAIN)
    outcome, _ = walk.go(step)
    assert outcome.kind is OutcomeKind.DONE, outcome
    now = running(walk)
    assert "description transit one" in now and "description internet v4" not in now
    assert "bgp graceful-shutdown" in now and "ipv6 ospf6 cost 65535" in now


def test_compliance_decides_before_the_confirmation_and_the_rollback_does_not_wait(walk: Walk) -> None:
    report = [{"get_bgp_neighbors": {"global": {"router_id": "192.0.2.77"}}}]
    before = running(walk)
    outcome, ended = walk.go(made(walk, compliance=report))
    assert outcome.kind is OutcomeKind.ERROR and "192.0.2.77" in str(outcome.reasons[0]), outcome
    assert "set local-preference 120" in running(walk), "still there, unconfirmed"
    back, _ = walk.go(replace(ended, progress={}), rollback=True, sent=False)
    assert back.kind is OutcomeKind.DONE and running(walk) == before
    assert not walk.lab.state("bly")["timers"]


def test_a_confirmed_change_is_rolled_back_to_what_was_there(walk: Walk) -> None:
    before = running(walk)
    _, ended = walk.go(made(walk))
    back, _ = walk.go(replace(ended, progress={}), rollback=True, sent=False)
    assert back.kind is OutcomeKind.DONE and running(walk) == before


@pytest.mark.parametrize("command", ["vtysh", "systemd-run", "frr-reload.py", "cat", "sleep", "logger"])
def test_a_connection_lost_at_any_command_ends_done_or_as_it_was(walk: Walk, command: str) -> None:
    before, nth = running(walk), 1
    while True:
        fresh = SimLab()
        fresh.wait(120.0)
        other = Walk(fresh, device(fresh, "bly"))
        step = made(other)
        fresh.inject("bly", "drop_after", match=rf"(^|/){command}\b", nth=nth)
        outcome, ended = other.go(step)
        if fresh.state("bly")["behaviours"]:
            assert nth > 1, "the command is used"
            return
        now = running(other)
        if outcome.kind is OutcomeKind.DONE:
            assert "set local-preference 120" in now
        else:
            back, _ = other.go(replace(ended, progress={}), rollback=True)
            assert back.kind is OutcomeKind.DONE, (command, nth, back)
            assert running(other) == before
        assert not fresh.state("bly")["timers"]
        nth += 1


@pytest.mark.parametrize(
    ("config", "mode", "words"),
    [
        ("router bgp 65000\n bgp graceful-shutdown\nexit\n", "merge", "no statement of a drain"),
        ("frr version 8.4.4\nfrr defaults traditional\nhostname bly\n", "replace", "every process that runs"),
        ("no router bgp 65000\n", "merge", "without router bgp 65000"),
        ("no service integrated-vtysh-config\n", "merge", "service integrated-vtysh-config"),
    ],
)
def test_what_may_not_be_done_is_said_before_anybody_approves(walk: Walk, config: str, mode: str, words: str) -> None:
    with pytest.raises(Impossible, match=words):
        made(walk, config, mode=mode)


# -- the driver as NAPALM's users call it


def test_a_commit_without_revert_is_saved_and_rolled_back_by_another_connection(walk: Walk) -> None:
    before = running(walk)
    first = opened(walk)
    first.load_merge_candidate(config=POLICY)
    assert "+ set local-preference 120" in first.compare_config()
    first.commit_config(message="a test")
    assert first.compare_config() == "" and not first.has_pending_commit()
    assert "set local-preference 120" in first.get_config()["startup"]
    opened(walk).rollback()
    assert running(walk) == before
    opened(walk).rollback()
    assert running(walk) == before, "twice is as once"


def test_a_commit_waits_for_its_confirmation_and_refuses_another(walk: Walk) -> None:
    first, second = opened(walk), opened(walk)
    first.load_merge_candidate(config=POLICY)
    first.commit_config(revert_in=60)
    assert "set local-preference 120" not in first.get_config()["startup"]
    assert second.has_pending_commit()
    second.load_merge_candidate(config="route-map TRANSIT-IN permit 10\n set metric 5\n")
    with pytest.raises(CommitError, match="waits for its confirmation"):
        second.commit_config()
    second.confirm_commit()
    assert not second.has_pending_commit() and "set local-preference 120" in second.get_config()["startup"]
    with pytest.raises(CommitConfirmException):
        second.confirm_commit()


def test_what_came_after_a_commit_that_put_itself_back_is_not_taken_back(walk: Walk) -> None:
    driver = opened(walk)
    driver.load_merge_candidate(config=POLICY)
    driver.commit_config(revert_in=30)
    walk.lab.wait(45.0)
    assert not driver.has_pending_commit() and driver.put_back
    opened(walk).rollback()
    assert not driver.has_pending_commit() and not driver.put_back, "looked at, and done with"
    driver.load_merge_candidate(config=POLICY)
    driver.commit_config(revert_in=30)
    walk.lab.wait(45.0)
    walk.lab.ok("bly", "sudo -n vtysh -c 'conf t' -c 'interface eth1' -c 'description by hand'")
    with pytest.raises(CommitError, match="another one"):
        opened(walk).rollback()
    assert "description by hand" in running(walk)
    before = running(walk)
    driver.load_merge_candidate(config=POLICY)
    driver.commit_config()
    opened(walk).rollback()
    assert running(walk) == before, "the next commit is the last one, whatever became of those before"
    left = [path for path in walk.lab.state("bly")["files"] if path.endswith(".candidate")]
    assert left == [], "what holds the router's secrets does not pile up"


def test_what_frr_refuses_changes_nothing_and_leaves_no_candidate_behind(walk: Walk) -> None:
    before, driver = running(walk), opened(walk)
    driver.load_merge_candidate(config="router bgp 65000\n nonsense here\nexit\n")
    with pytest.raises(CommitError, match="Unknown command"):
        driver.commit_config(revert_in=30)
    driver.discard_config()
    assert running(walk) == before and not driver.has_pending_commit() and driver.compare_config() == ""


def test_a_configuration_that_moved_after_it_was_compared_is_not_committed(walk: Walk) -> None:
    driver = opened(walk)
    driver.load_merge_candidate(config=POLICY)
    walk.lab.ok("bly", "sudo -n vtysh -c 'conf t' -c 'interface eth1' -c 'description by hand'")
    with pytest.raises(CommitError, match="description by hand"):
        driver.commit_config()


def test_a_reload_that_takes_away_more_than_it_should_is_put_back(walk: Walk) -> None:
    driver, before = opened(walk), running(walk)
    driver.load_merge_candidate(config=POLICY)
    session = driver._shared  # what is told after the reload is doctored: a line is gone that nobody asked to go
    run = session.run

    def doctored(argv: list[str], **more: Any) -> Any:
        answer = run(argv, **more)
        if argv[-1] == "show running-config" and "set local-preference 120" in answer.out:
            return replace(answer, out=answer.out.replace(" neighbor 10.255.77.3 update-source lo\n", ""))
        return answer

    session.run = doctored
    with pytest.raises(CommitError, match="took it away too"):
        driver.commit_config()
    session.run = run
    assert running(walk) == before
