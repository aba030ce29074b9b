"""Baseline, verify and soak against recorded routers whose answers are changed between the looks."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from fleet.core.model import CheckSpec, PlannedStep, Reason, Reversibility, StepSpec
from playbooks.base import Answer, Device, Look, Refused, Seen, Session, Step, Unreachable
from playbooks.engine import OutcomeKind, perform
from playbooks.facts.driver import Baseline, Soak, Verify, collect, measure
from playbooks.facts.params import BaselineParams, SoakParams, VerifyParams

RECORDINGS = Path(__file__).parent / "recordings"
DEVICE = Device("bly", "192.0.2.1", 22, "slipway", "file:/k", "ssh-ed25519 A", "frr")
CHECKS = tuple(CheckSpec(n) for n in ("bgp_sessions", "route_counts", "ospf", "ospf3", "bfd", "daemons", "rib_fib"))


@dataclass
class Recorded(Session):
    """Answers a batch from a recording; `changes` replace answers by name. Keeps what was asked for."""

    device: Device = DEVICE
    case: str = "facts-frr-ring-measurement"
    changes: dict[str, Answer] = field(default_factory=dict)
    batches: list[dict[str, list[str]]] = field(default_factory=list)
    broken: Exception | None = None

    def batch(
        self,
        commands: Mapping[str, list[str]],
        *,
        per_interface: Mapping[str, list[str]] | None = None,
        timeout_s: float = 30.0,
        root: bool = False,
    ) -> dict[str, Answer]:
        assert root
        if self.broken is not None:
            raise self.broken
        self.batches.append({**commands, **(per_interface or {})})
        about = json.loads((RECORDINGS / self.case / "about.json").read_text())
        made: dict[str, Answer] = {}
        for path in (RECORDINGS / self.case).glob("*.txt"):
            name = path.stem.replace("@", ":")
            if name in commands or name.partition(":")[0] in (per_interface or {}):
                made[name] = Answer(about.get("status", {}).get(name, 0), path.read_text(), "")
        silent = {name: Answer(1, "", "") for name in commands if name not in made}
        return made | silent | {n: a for n, a in self.changes.items() if n in commands}


def step(verb: str, params: Mapping[str, Any] | None = None, **more: Any) -> Step:
    driver = {"baseline": Baseline, "verify": Verify, "soak": Soak}[verb]()
    planned = driver.plan(StepSpec(verb, params or {}), DEVICE, {})
    return replace(Step(verb, params or {}, planned, DEVICE, checks=CHECKS), **more)


SAMPLES = json.loads((RECORDINGS / "facts-frr-ring-measurement" / "about.json").read_text())["samples"]


@pytest.fixture
def session() -> Recorded:
    return Recorded()


@pytest.fixture
def baseline(session: Recorded) -> Mapping[str, Any]:
    return measure(session, SAMPLES)


def without_peers(session: Recorded) -> Answer:
    text = (RECORDINGS / session.case / "bgp.txt").read_text()
    return Answer(0, text.replace('"Established"', '"Active"'), "")


def test_facts_are_one_round_trip() -> None:
    session = Recorded(case="facts-frr-ring-facts")
    facts = collect(session)
    assert len(session.batches) == 1
    expected = json.loads((RECORDINGS / session.case / "expected.json").read_text())
    unrecorded = {"root", "processes", "booted_at", "cmdline", "tainted", "cpu", "modules", "packages", "devlink"}
    assert set(facts["unknown"]) <= unrecorded | {"driver_log", "zebra_options"}
    assert facts == {"identity": None, **expected, "unknown": facts["unknown"]}


class Unprivileged(Recorded):
    """The login may not become root: sudo refuses, and nothing of the script runs."""

    def batch(self, commands: Mapping[str, list[str]], *, root: bool = False, **more: Any) -> dict[str, Answer]:
        if root:
            raise Refused(Reason("commands on bly", "sudo: a password is required", "a shell that runs them"))
        answers = super().batch(commands, root=True, **more)
        denied = Answer(1, "Exiting: failed to connect to any daemons.\n", "")
        return {
            **answers,
            "root": Answer(0, "1000\n", ""),
            "running_config": denied,
            "processes": Answer(0, "= 3\n", ""),
        }


def test_without_root_facts_say_what_only_root_can_tell() -> None:
    session = Unprivileged(case="facts-frr-ring-facts", device=replace(DEVICE, become="sudo"))
    facts = collect(session)
    assert facts["root"] is False and facts["kernel"]
    assert facts["routing"]["running_config"] is None and facts["routing"]["daemon_list"] is None
    assert facts["unknown"]["running_config"] == facts["unknown"]["processes"] == "needs root"
    with pytest.raises(Refused):
        collect(replace(session, device=replace(DEVICE, become="")))


def test_a_measurement_is_one_round_trip(session: Recorded) -> None:
    measure(session, SAMPLES, sysctls=["net.ipv4.ip_forward"])
    assert len(session.batches) == 1
    assert session.batches[0]["sysctl"] == ["sysctl", "-e", "net.ipv4.ip_forward"]


def test_the_baseline_is_the_measurement_with_samples_of_its_own(session: Recorded) -> None:
    look = Baseline().observe(session, step("baseline", {"samples": SAMPLES[:2]}))
    assert look.seen is Seen.DONE
    assert set(look.data["samples"]) <= set(SAMPLES) and SAMPLES[0] in look.data["samples"]
    assert set(look.data["paths"]) == set(look.data["samples"])
    assert look.data["bgp"]["peers"]["ipv4"] and len(session.batches) == 3
    assert json.loads(json.dumps(look.data)) == look.data


def test_the_settings_that_checks_speak_of_are_measured(session: Recorded, baseline: Mapping[str, Any]) -> None:
    wanted = (CheckSpec("sysctl", {"net.core.rmem_max": 1}),)
    Baseline().observe(session, step("baseline", checks=wanted))
    assert session.batches[1]["sysctl"] == ["sysctl", "-e", "net.core.rmem_max"]
    # On the way back a check has no expectation of its own: what the baseline knew is compared.
    before = {**baseline, "sysctl": {"net.core.rmem_max": "1"}}
    Verify().observe(session, step("verify", checks=(CheckSpec("sysctl"),), baseline=before))
    assert session.batches[-1]["sysctl"] == ["sysctl", "-e", "net.core.rmem_max"]


def verify(session: Recorded, at: Step, *waits: float) -> list[Look]:
    """Look after look, each with the data of the one before."""
    looks = []
    for waited in waits:
        looks.append(Verify().observe(session, replace(at, waited_s=waited)))
        at = replace(at, progress=looks[-1].data)
    return looks


def test_verify_wants_good_rounds_in_a_row(session: Recorded, baseline: Mapping[str, Any]) -> None:
    at = step("verify", {"interval": "2s", "passes": 2, "within": "1m"}, baseline=baseline)
    session.changes["bgp"] = without_peers(session)
    (bad,) = verify(session, at, 0.0)
    assert bad.seen is Seen.WAITING and bad.after_s == 2.0 and "BGP ipv4 session" in str(bad.reasons[0])
    session.changes.clear()
    one, two = verify(session, replace(at, progress=bad.data), 2.0, 4.0)
    assert (one.seen, two.seen) == (Seen.WAITING, Seen.DONE)
    assert two.data["rounds"] == {"in_a_row": 2, "failed": 1, "total": 3, "last": "pass"}
    assert {r["name"]: r["verdict"] for r in two.data["results"]} == {c.name: "pass" for c in CHECKS}


def test_verify_fails_with_all_reasons_when_time_is_over(session: Recorded, baseline: Mapping[str, Any]) -> None:
    session.changes["bgp"] = without_peers(session)
    session.changes["ospf"] = Answer(1, "ospfd is not running\n", "")
    at = step("verify", {"within": "30s"}, baseline=baseline)
    (look,) = verify(session, at, 30.0)
    texts = [str(reason) for reason in look.reasons]
    assert look.seen is Seen.NOT_DONE and look.after_s == 0
    assert any("BGP ipv4 session" in t for t in texts) and any("OSPF neighbour" in t for t in texts)
    assert "good rounds in a row" in texts[-1]


def test_verify_may_fail_at_once(session: Recorded, baseline: Mapping[str, Any]) -> None:
    session.changes["bgp"] = without_peers(session)
    (look,) = verify(session, step("verify", {"failure_limit": 0}, baseline=baseline), 0.0)
    assert look.seen is Seen.NOT_DONE


def test_what_cannot_be_told_never_verifies(session: Recorded, baseline: Mapping[str, Any]) -> None:
    session.changes["ospf"] = Answer(0, "Segmentation fault", "")
    at = step("verify", {"passes": 1, "within": "30s", "failure_limit": 0}, baseline=baseline)
    one, two = verify(session, at, 0.0, 31.0)
    assert (one.seen, two.seen) == (Seen.WAITING, Seen.NOT_DONE)
    assert "Segmentation fault" in str(two.reasons[0])


@pytest.mark.parametrize("lacks", [{"baseline": None}, {"checks": ()}])
def test_without_baseline_or_checks_nothing_is_verified(
    session: Recorded, baseline: Mapping[str, Any], lacks: dict[str, Any]
) -> None:
    at = step("verify", {"passes": 1}, **{"baseline": baseline, **lacks})
    assert verify(session, at, 0.0)[0].seen is Seen.NOT_DONE
    assert session.batches[1:] == []


def test_verify_waits_before_its_first_round(session: Recorded, baseline: Mapping[str, Any]) -> None:
    at = step("verify", {"initial_delay": "10s"}, baseline=baseline)
    (look,) = verify(session, at, 4.0)
    assert (look.seen, look.after_s) == (Seen.WAITING, 6.0) and len(session.batches) == 1


def test_neighbours_that_the_caller_measured_are_judged(session: Recorded, baseline: Mapping[str, Any]) -> None:
    wrong = {
        "paths": {"203.0.113.7": {"rib": [["10.0.0.1", "eth1"]], "kernel": {"gateway": "10.0.0.9", "dev": "eth1"}}}
    }
    right = {
        "paths": {"203.0.113.7": {"rib": [["10.0.0.9", "eth1"]], "kernel": {"gateway": "10.0.0.9", "dev": "eth1"}}}
    }
    at = step("verify", {"passes": 1}, baseline=baseline, checks=(CheckSpec("rib_fib_neighbours"),))
    assert verify(session, at, 0.0)[0].seen is Seen.WAITING
    bad = verify(session, replace(at, progress={"neighbours": {"aebi": wrong}}), 0.0)[0]
    assert bad.seen is Seen.WAITING and "on aebi" in str(bad.reasons[0]) and "neighbours" not in bad.data
    assert verify(session, replace(at, progress={"neighbours": {"aebi": right}}), 0.0)[0].seen is Seen.DONE


def soak(session: Recorded, at: Step, *waits: float) -> list[Look]:
    looks = []
    for waited in waits:
        looks.append(Soak().observe(session, replace(at, waited_s=waited)))
        at = replace(at, progress=looks[-1].data)
    return looks


def test_a_soak_lasts_as_long_as_it_should(session: Recorded, baseline: Mapping[str, Any]) -> None:
    at = step("soak", {"for": "10s", "every": "4s"}, baseline=baseline)
    looks = soak(session, at, 0.0, 4.0, 8.0, 10.0)
    assert [look.seen for look in looks] == [Seen.WAITING] * 3 + [Seen.DONE]
    assert [look.after_s for look in looks[:3]] == [4.0, 4.0, 2.0]
    assert "start" not in looks[-1].data and {r["name"] for r in looks[-1].data["results"]} >= {"slab", "drops", "ospf"}


def test_a_soak_looks_at_least_twice(session: Recorded, baseline: Mapping[str, Any]) -> None:
    at = step("soak", {"for": "1s", "every": "1s"}, baseline=baseline)
    assert [look.seen for look in soak(session, at, 5.0, 6.0)] == [Seen.WAITING, Seen.DONE]


@pytest.mark.parametrize(
    ("name", "answer", "said"),
    [
        ("bgp", None, "BGP ipv4 session"),
        ("boot_id", Answer(0, "00000000-0000-4000-8000-000000000000\n", ""), "boot id"),
        ("meminfo", Answer(0, "MemTotal: 24684096 kB\nSUnreclaim: 9000000 kB\n", ""), "kernel memory"),
    ],
)
def test_a_failed_check_ends_a_soak(
    session: Recorded, baseline: Mapping[str, Any], name: str, answer: Answer | None, said: str
) -> None:
    at = step("soak", {"for": "10s", "every": "4s"}, baseline=baseline)
    (first,) = soak(session, at, 0.0)
    session.changes[name] = answer or without_peers(session)
    (look,) = soak(session, replace(at, progress=first.data), 4.0)
    assert look.seen is Seen.NOT_DONE and look.after_s == 0 and any(said in str(r) for r in look.reasons)


def test_a_route_that_moves_while_a_soak_looks_is_looked_at_again(
    session: Recorded, baseline: Mapping[str, Any]
) -> None:
    """Daemon and kernel are asked one after the other; only a disagreement that lasts ends a soak."""
    stuck = {
        "paths": {"203.0.113.7": {"rib": [["10.0.0.1", "eth1"]], "kernel": {"gateway": "10.0.0.9", "dev": "eth1"}}}
    }
    moved = {
        "paths": {"203.0.113.7": {"rib": [["10.0.0.9", "eth1"]], "kernel": {"gateway": "10.0.0.9", "dev": "eth1"}}}
    }
    at = step("soak", {"for": "10s", "every": "4s"}, baseline=baseline, checks=(CheckSpec("rib_fib_neighbours"),))

    def look(before: Mapping[str, Any], seen: Mapping[str, Any], waited_s: float) -> Look:
        progress = {**before, "neighbours": {"aebi": seen}}
        return Soak().observe(session, replace(at, progress=progress, waited_s=waited_s))

    first = look({}, moved, 0.0)
    doubted = look(first.data, stuck, 4.0)
    assert (doubted.seen, doubted.after_s) == (Seen.WAITING, 3.0) and "on aebi" in str(doubted.reasons[0])
    assert look(doubted.data, stuck, 7.0).seen is Seen.NOT_DONE
    good = look(doubted.data, moved, 7.0)
    assert good.seen is Seen.WAITING and not good.reasons
    assert look(good.data, stuck, 9.0).seen is Seen.WAITING  # each disagreement has its second look


def test_a_soak_does_not_end_on_a_measurement_that_cannot_be_told(
    session: Recorded, baseline: Mapping[str, Any]
) -> None:
    at = step("soak", {"for": "10s", "every": "4s"}, baseline=baseline)
    (first,) = soak(session, at, 0.0)
    session.changes["meminfo"] = Answer(1, "", "")
    (look,) = soak(session, replace(at, progress=first.data), 12.0)
    assert look.seen is Seen.WAITING and look.reasons


@pytest.mark.parametrize("driver", [Baseline(), Verify(), Soak()])
def test_through_the_engine_an_unreachable_device_is_tried_again_and_then_an_error(driver: Any) -> None:
    session = Recorded(broken=Unreachable(Reason("SSH of bly", "no answer", "an SSH server")))
    at = step(driver.verb, baseline={})
    early = perform(driver, session, at, sent=False, deadline_s=30, write_ahead=_no)
    late = replace(at, waited_s=at.planned.within_s)
    assert early.kind is OutcomeKind.RETRY
    assert perform(driver, session, late, sent=False, deadline_s=30, write_ahead=_no).kind is OutcomeKind.ERROR


def _no(artifact: object) -> bool:
    raise AssertionError("a step that only looks writes nothing ahead")


def test_the_engine_records_the_baseline_as_the_step_s_data(session: Recorded) -> None:
    outcome = perform(Baseline(), session, step("baseline"), sent=False, deadline_s=30, write_ahead=_no)
    assert outcome.kind is OutcomeKind.DONE and not outcome.changed and outcome.data["version"] == 1


def test_the_engine_lets_the_driver_have_the_last_word(session: Recorded, baseline: Mapping[str, Any]) -> None:
    session.changes["bgp"] = without_peers(session)
    at = step("verify", {"within": "30s"}, baseline=baseline, waited_s=31.0)
    outcome = perform(Verify(), session, at, sent=False, deadline_s=30, write_ahead=_no)
    assert outcome.kind is OutcomeKind.ERROR and "good rounds in a row" in str(outcome.reasons[-1])


def test_plans_say_how_long_it_takes() -> None:
    planned = step("verify", {"interval": "2s", "passes": 3, "within": "1m", "initial_delay": "10s"}).planned
    assert planned == PlannedStep(
        "verify", {"interval": "2s", "passes": 3, "within": "1m", "initial_delay": "10s"},
        Reversibility.NOTHING_TO_UNDO, disruptive=False, estimate_s=15.0, within_s=85.0,
    )  # fmt: skip
    assert step("soak", {"for": "15m", "every": "30s"}).planned.estimate_s == 900.0


@pytest.mark.parametrize(
    ("model", "params", "said"),
    [
        (VerifyParams, {"passes": 0}, "greater than or equal to 1"),
        (VerifyParams, {"count": 3}, "Extra inputs"),
        (VerifyParams, {"within": "5 minutes"}, "duration"),
        (SoakParams, {"watch": ["slap"]}, "slab"),
        (SoakParams, {"for": "soon"}, "duration"),
        (BaselineParams, {"samples": ["10.0.0.0/8"]}, "address"),
        (BaselineParams, {"samples": ["$(reboot)"]}, "address"),
    ],
)
def test_wrong_parameters_are_refused(model: Any, params: Mapping[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        model.model_validate(params)
