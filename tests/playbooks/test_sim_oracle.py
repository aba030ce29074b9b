"""The oracle: what a journal proves, on journals of the model and on bad ones made by hand."""

from typing import Any

from lab.sim import oracle
from lab.sim.oracle import Kind
from tests.playbooks.simlab import FRR_DRAIN, FRR_UNDRAIN, REBOOT, SAVE, SimLab

LOOK = "vtysh -c 'show bgp summary json'"


def _round(lab: SimLab, name: str, *, look: bool = True) -> None:
    for command in (FRR_DRAIN, SAVE):
        lab.ok(name, command)
    lab.wait(2)
    lab.ok(name, REBOOT)
    lab.wait(15)
    if look:
        lab.ok(name, LOOK)
    for command in (FRR_UNDRAIN, SAVE):
        lab.ok(name, command)
    lab.wait(2)


def test_a_clean_run_proves_clean() -> None:
    lab = SimLab()
    for name in ("bly", "dekker"):
        _round(lab, name)
    assert oracle.max_drained_at_once(lab.journal) == 1
    assert oracle.reboots(lab.journal) == {"bly": 1, "dekker": 1}
    assert oracle.count(lab.journal)["bly", Kind.DRAIN] == oracle.count(lab.journal)["bly", Kind.UNDRAIN] == 1
    assert not oracle.repeated(lab.journal)
    assert not oracle.forgotten_drained(lab.journal)
    assert not oracle.disrupted_undrained(lab.journal)
    assert not oracle.undrained_unverified(lab.journal)
    assert not oracle.unknown_commands(lab.journal)


def test_a_command_sent_twice_that_changes_nothing_is_no_repetition_but_a_second_reboot_is() -> None:
    lab = SimLab()
    lab.ok("bly", FRR_DRAIN)
    lab.ok("bly", FRR_DRAIN)
    assert not oracle.repeated(lab.journal)
    assert oracle.count(lab.journal)["bly", Kind.DRAIN] == 1
    for _ in range(2):
        lab.ok("bly", REBOOT)
        lab.wait(15)
    assert oracle.repeated(lab.journal) == {("bly", "reboot"): 2}
    assert oracle.reboots(lab.journal) == {"bly": 2}


def test_there_and_back_and_there_again_is_no_repetition() -> None:
    lab = SimLab()
    for queues in (2, 4, 2):
        lab.ok("bly", f"sudo -n ethtool -L eth1 combined {queues}")
    lab.ok("bly", FRR_DRAIN)
    lab.ok("bly", FRR_UNDRAIN)
    lab.ok("bly", FRR_DRAIN)
    assert not oracle.repeated(lab.journal)


def test_two_routers_out_at_once_are_counted_also_while_one_is_only_down() -> None:
    lab = SimLab()
    lab.journal.append({"event": "start", "routers": {"bly": "manchester", "dekker": "london", "lang": "london"}})
    lab.ok("bly", FRR_DRAIN)
    lab.ok("dekker", REBOOT)
    lab.wait(1.5)
    assert oracle.max_drained_at_once(lab.journal) == 2
    assert oracle.max_drained_at_once(lab.journal, per_domain=True) == 1
    lab.ok("lang", FRR_DRAIN)
    assert oracle.max_drained_at_once(lab.journal, per_domain=True) == 2
    assert sorted(oracle.forgotten_drained(lab.journal)) == ["bly", "lang"]


def test_disruption_without_drain_and_undrain_without_a_look_are_found() -> None:
    lab = SimLab()
    lab.ok("lang", "sudo -n systemctl restart frr")
    lab.wait(20)
    assert [m.router for m in oracle.disrupted_undrained(lab.journal)] == ["lang"]
    _round(lab, "bly", look=False)
    assert {router for router, _ in oracle.undrained_unverified(lab.journal)} == {"bly"}


def test_a_look_at_a_router_that_has_not_converged_verifies_nothing() -> None:
    lab = SimLab(fib_s=60)
    lab.ok("bly", FRR_DRAIN)
    lab.ok("bly", SAVE)
    lab.ok("bly", REBOOT)
    lab.wait(15)
    lab.ok("bly", LOOK)
    lab.ok("bly", FRR_UNDRAIN)
    assert oracle.undrained_unverified(lab.journal)


def test_a_lie_changed_nothing() -> None:
    lab = SimLab()
    lab.inject("bly", "lie", match="ethtool")
    lab.ok("bly", "sudo -n ethtool -L eth1 combined 2")
    assert not oracle.mutations(lab.journal)


def test_bird_drains_are_told_from_undrains() -> None:
    assert oracle.kind_of("+ define SLIPWAY_DRAIN_BGP = true;") is Kind.DRAIN
    assert oracle.kind_of("- define SLIPWAY_DRAIN_BGP = false;") is Kind.DRAIN
    assert oracle.kind_of("+ define SLIPWAY_DRAIN_BGP = false;") is Kind.UNDRAIN
    assert oracle.kind_of("- define SLIPWAY_EXTRA_COST = 60000;") is Kind.UNDRAIN
    assert oracle.kind_of("+ define SLIPWAY_EXTRA_COST = 60000;") is Kind.DRAIN
    assert oracle.kind_of("+ router bgp 65000 / neighbor 192.0.2.1 description x") is Kind.CONFIG


def test_intervals_that_touch_do_not_overlap() -> None:
    touching = [oracle.Interval("a", 0, 5), oracle.Interval("b", 5, 9)]
    assert oracle.most_at_once(touching) == 1
    assert oracle.most_at_once([*touching, oracle.Interval("c", 4, None)]) == 2


def test_an_empty_journal_proves_nothing_wrong() -> None:
    empty: list[dict[str, Any]] = []
    assert oracle.max_drained_at_once(empty) == 0
    assert not oracle.forgotten_drained(empty)
