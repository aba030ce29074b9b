"""Story S2: a production router goes to VPP behind the drain; it hangs as OSPFv3 opens, and the kernel is back."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from fleet.changes.models import Change, StepRun
from inventory.models import Beacon, Console, Credential, Observation, Router
from lab.sim import SimFleet, oracle
from tests import needs
from tests.playbooks.test_oob import Controller
from tests.stories.stage import Stage, targets, wait_ended

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]
NAME = "bly"
INPUTS = {"cmdline": "isolcpus=2-3,6-7 hugepages=512", "loopback6": "eth1"}
SHOWN = ("ip -j -d link show", "ip -j addr show")


@pytest.fixture
def controller(fleet: SimFleet) -> Iterator[Controller]:
    """The management controller of bly, which the inventory names once the fleet is loaded."""
    with Controller() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


def steps(change: Change) -> dict[str, str]:
    """State of each step of the target by what it is: a verb, with its stage or group."""
    named = ((s, s.planned["params"]) for s in targets(change)[NAME].steps.all() if not s.back)
    return {f"{s.verb} {about.get('stage') or about.get('group') or ''}".strip(): s.state for s, about in named}


def lost_since(fleet: SimFleet, before: dict[str, int]) -> dict[str, int]:
    """Packets of each family that the router was sent and did not forward."""
    return {family: now - before[family] for family, now in fleet.state(NAME)["lost"].items()}


def seen_clean(fleet: SimFleet) -> None:
    journal = fleet.journal()
    assert not oracle.unknown_commands(journal) and not oracle.forgotten_drained(journal)
    assert not oracle.disrupted_undrained(journal) and oracle.max_drained_at_once(journal) == 1


def test_ipv6_on_the_loopback_in_ospf3_cannot_be_approved(stage: Stage) -> None:
    change = stage.draft("quick-vpp", {**INPUTS, "loopback6": ""}, [NAME])
    assert change.revision is not None
    fatal = [str(f["reason"]) for f in change.revision.plan["findings"] if f["severity"] == "fatal"]
    assert any("vpp-loopback-ospf3-stub" in words for words in fatal), fatal
    assert change.revision.plan["findings"] and not any("management controller" in words for words in fatal)
    asked = stage.draft("quick-vpp", {**INPUTS, "console": "required"}, [NAME])
    assert asked.revision is not None
    (reason,) = (f["reason"] for f in asked.revision.plan["findings"] if f["code"] == "no-console")
    assert "console of bly" in str(reason)


def test_the_hang_at_undrain_ends_at_the_kernel_without_a_lost_packet(
    inline: None, fleet: SimFleet, stage: Stage, controller: Controller
) -> None:
    login = Credential.objects.create(name="bmc", username="admin", reference=f"file:{fleet.folder}/key/password")
    Console.objects.create(
        router=Router.objects.get(name=NAME), kind="redfish", address="127.0.0.1", port=controller.server_port,
        credential=login,
    )  # fmt: skip
    fleet.inject(NAME, "vpp_hangs")
    before = [fleet.console(NAME, words) for words in SHOWN]
    lost = fleet.state(NAME)["lost"]
    change = stage.start("quick-vpp", {**INPUTS, "console": "required"}, [NAME])
    wait_ended(change, within_s=600)
    seen = steps(change)
    assert seen["console"] == "done" and controller.logins and not controller.posted, "asked, nothing switched"
    assert change.state == "rolled_back", (targets(change)[NAME].reasons, seen)
    assert (seen["vpp launch"], seen["vpp-sessions ospf"]) == ("done", "done"), seen
    assert seen["vpp-sessions ospf3"] == "error" and seen["vpp-sessions ibgp"] == "ready"
    said = " ".join(targets(change)[NAME].reasons)
    assert "no answer, and it forwards on" in said
    assert lost_since(fleet, lost) == {"ipv4": 0, "ipv6": 0}
    assert [fleet.console(NAME, words) for words in SHOWN] == before
    state = fleet.state(NAME)
    assert not state["vpp"]["running"] and not state["vpp"]["taken"]
    seen_clean(fleet)


def test_a_router_with_bird_goes_to_vpp_with_its_loss_measured_before_and_after(
    inline: None, fleet: SimFleet, stage: Stage
) -> None:
    needs.need(needs.minutes())
    name = "aebi"
    router = Router.objects.get(name=name)
    Beacon.objects.create(router=router, prefix=f"{router.router_id}/32")
    config = fleet.console(name, "cat /etc/bird/bird.conf")
    lost = fleet.state(name)["lost"]
    change = stage.start("quick-vpp", {**INPUTS, "dataplane": "af_packet", "from": "neighbours"}, [name])
    wait_ended(change, within_s=900)
    target = targets(change)[name]
    assert change.state == "succeeded", (target.reasons, [(s.verb, s.state) for s in target.steps.all()])
    assert fleet.state(name)["vpp"]["running"] and fleet.state(name)["lost"] == lost
    assert fleet.console(name, "cat /etc/bird/bird.conf") == config, "all open: the file is as it was"
    probed = StepRun.objects.get(target=target, verb="probe-again")
    assert probed.state == "done" and {row["verdict"] for row in probed.data["results"]} == {"pass"}
    journal = fleet.journal()
    assert not oracle.unknown_commands(journal) and not oracle.disrupted_undrained(journal)


def test_a_router_forwards_with_vpp_and_what_was_approved_is_what_ran(
    inline: None, fleet: SimFleet, stage: Stage
) -> None:
    needs.need(needs.minutes())
    lost = fleet.state(NAME)["lost"]
    change = stage.start("quick-vpp", INPUTS, [NAME])
    wait_ended(change, within_s=600)
    assert change.state == "succeeded", (targets(change)[NAME].reasons, steps(change))
    assert change.revision is not None
    (target,) = change.revision.plan["targets"]
    launch = next(s for s in target["steps"] if s["params"].get("stage") == "launch")
    assert fleet.state(NAME)["vpp"]["ran"] == launch["commands"], "command by command"
    assert lost_since(fleet, lost) == {"ipv4": 0, "ipv6": 0}
    seen_clean(fleet)

    stage.load(fleet.inventory)
    facts: Any = Observation.objects.latest_by_router([NAME])[NAME].facts
    assert facts["vpp"]["version"] == "24.06-release"
    config = "interfaces: {eth2: {sub-interfaces: {300: {lcp: eth2.300, mtu: 1500, addresses: [2001:DB8:300::1/64]}}}}"
    small = stage.start("vpp-change", {"config": config, "watch": "1s"}, [NAME])
    wait_ended(small, within_s=300)
    assert small.state == "succeeded", targets(small)[NAME].reasons
    assert fleet.state(NAME)["vpp"]["ran"][-1] == "set interface state eth2.300 up"
