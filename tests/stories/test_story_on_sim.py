"""Whole changes over simulated routers, by either engine; judged by the fleet's own journal of what was done to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet import clock
from fleet.changes import lifecycle, seals
from fleet.changes.models import Run, TargetRun
from inventory.models import Observation
from lab.sim import SimFleet, oracle
from tests import needs
from tests.redis import RedisServer
from tests.stories import engines
from tests.stories.stage import Stage, judge, targets, wait_ended, wait_until

CANARY = "bly"
NAMES = (CANARY, "dekker", "wells")  # two on FRR, one on BIRD

pytestmark = pytest.mark.django_db(transaction=True)
# What a device does is the same whatever the database: once is enough.
about_devices = pytest.mark.sqlite


# Each engine over the database that it is meant for: embedded over the file, Celery over the server.
ENGINES = (
    pytest.param("inline", marks=pytest.mark.sqlite),
    pytest.param("celery", marks=pytest.mark.postgresql),
)


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, child_environment: dict[str, str], tmp_path: Path) -> Iterator[str]:
    redis: RedisServer | None = request.getfixturevalue("redis_server") if request.param == "celery" else None
    with engines.running(request.param, child_environment, redis, tmp_path):
        yield request.param


def seen_since(target: TargetRun) -> bool:
    """Whether the inventory has looked at the device again since this run left it."""
    return Observation.objects.filter(router=target.router_id, observed_at__gte=target.ended_at).exists()


def test_routers_are_restarted_one_after_the_other(engine: str, stage: Stage, fleet: SimFleet) -> None:
    change = stage.start("quick-restart", {}, NAMES)
    wait_ended(change, within_s=240)
    assert change.state == "succeeded", {t.name: t.reasons for t in targets(change).values()}
    assert {t.state for t in targets(change).values()} == {"done"}
    assert oracle.reboots(fleet.journal()) == dict.fromkeys(targets(change), 1)
    assert not oracle.forgotten_drained(fleet.journal())
    judge(fleet)
    seals.seal(change.pk)
    assert seals.verify(change).broken is None
    wait_until(lambda: all(map(seen_since, targets(change).values())), within_s=60, what="another look at each")


def test_a_canary_that_fails_verification_is_rolled_back_and_nothing_follows(
    engine: str, stage: Stage, fleet: SimFleet
) -> None:
    names = [CANARY, "dekker", "tarbell"]
    text = "router bgp 65000\n neighbor 10.255.77.3 shutdown\nexit\n"
    change = stage.start("quick-routing", {"frr": text}, names)
    wait_ended(change)
    seen = targets(change)
    assert seen[CANARY].state == "rolled_back", seen[CANARY].reasons
    assert "10.255.77.3" in " ".join(seen[CANARY].reasons)
    assert {seen[n].state for n in names[1:]} == {"pending"}
    assert change.state == "rolled_back"
    assert not oracle.forgotten_drained(fleet.journal())
    judge(fleet)


@about_devices
def test_a_router_cut_off_by_its_own_change_puts_itself_back_and_the_change_says_so(
    inline: None, stage: Stage, fleet: SimFleet
) -> None:
    fleet.inject(CANARY, "mgmt_cut", match="description cuts management")
    text = "interface eth1\n description cuts management\nexit\n"
    change = stage.start("quick-routing", {"frr": text, "confirm": "15s"}, [CANARY, "dekker"])
    wait_ended(change)
    seen = targets(change)
    assert seen[CANARY].state == "rolled_back"
    assert "put itself back" in " ".join(seen[CANARY].reasons)
    assert seen["dekker"].state == "pending"
    judge(fleet)


@about_devices
def test_a_router_that_dies_in_the_middle_stays_drained_and_is_stuck(
    inline: None, stage: Stage, fleet: SimFleet
) -> None:
    needs.need(needs.minutes())
    fleet.inject(CANARY, "reboot_never_returns")
    change = stage.start("quick-restart", {}, [CANARY, "dekker"])
    wait_ended(change)
    seen = targets(change)
    assert (seen[CANARY].state, seen[CANARY].drained, seen[CANARY].engaged) == ("stuck", True, True)
    assert seen[CANARY].reasons
    assert seen["dekker"].state == "pending"
    assert change.state == "failed"
    another = stage.start("quick-restart", {}, ["dekker"])
    wait_until(
        lambda: "budget" in " ".join(Run.objects.get(revision__change=another).holds), within_s=20,
        what="the stuck router counting against the budget of another change",
    )  # fmt: skip
    assert lifecycle.release(change, stage.approver, clock.now(), names=[CANARY], why="taken out of service") == ()
    wait_ended(another)
    assert another.state == "succeeded"


@about_devices
@pytest.mark.parametrize(
    ("behaviour", "words"),
    [("refuse_login", "login"), ("wrong_host_key", "SHA256:"), ("hang", "no end after")],
)
def test_a_router_that_cannot_be_worked_on_is_named_and_nothing_is_started(
    inline: None, stage: Stage, fleet: SimFleet, behaviour: str, words: str
) -> None:
    needs.need(needs.minutes() if behaviour == "hang" else None)
    fleet.inject(CANARY, behaviour, once=False)
    change = stage.start("quick-restart", {}, [CANARY, "dekker"])
    wait_ended(change, within_s=200)
    seen = targets(change)
    assert (seen[CANARY].state, seen[CANARY].drained, seen[CANARY].engaged) == ("stuck", False, False)
    assert words in " ".join(seen[CANARY].reasons)
    assert seen["dekker"].state == "pending"
    assert not oracle.drained(fleet.journal())


@about_devices
def test_drift_between_approval_and_start_holds_and_names_what_moved(
    inline: None, stage: Stage, fleet: SimFleet
) -> None:
    change = stage.draft("quick-routing", {"frr": "interface eth1\n description from slipway\nexit\n"}, [CANARY])
    stage.approve(change)
    fleet.console(CANARY, "vtysh -c 'configure terminal' -c 'interface eth2' -c 'description by somebody else'")
    assert lifecycle.start(change, stage.author, clock.now()) == ()

    def paused() -> bool:
        change.refresh_from_db()
        return change.state == "paused"

    wait_until(paused, within_s=30, what="the hold")
    run = Run.objects.get(revision__change=change)
    assert CANARY in run.control_reason
    assert targets(change)[CANARY].state == "pending"
    assert not oracle.drained(fleet.journal())


@about_devices
def test_a_device_that_is_as_wanted_is_left_alone(inline: None, stage: Stage, fleet: SimFleet) -> None:
    change = stage.start("quick-sysctl", {"settings": "net.core.netdev_max_backlog = 4321"}, [CANARY])
    wait_ended(change)
    first = targets(change)[CANARY]
    again = stage.start("quick-sysctl", {"settings": "net.core.netdev_max_backlog = 4321"}, [CANARY])
    wait_ended(again)
    second = targets(again)[CANARY]
    assert (first.state, second.state, second.changed) == ("done", "done", False)
    assert len(oracle.drained(fleet.journal())) <= 1


def test_a_plan_whose_wave_would_cut_the_ring_is_refused(stage: Stage) -> None:
    change = stage.draft("both-at-once", {}, ["bly", "aebi", "dekker"])
    assert change.revision is not None
    found = {f["code"]: f["reason"] for f in change.revision.plan["findings"] if f["severity"] == "fatal"}
    assert "bly" in found["wave-cuts"]["subject"]
    assert found["wave-cuts"]["remedy"]
    reasons = lifecycle.submit(change, stage.author, clock.now())
    assert [r.subject for r in reasons] == ["findings"]
