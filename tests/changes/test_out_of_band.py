"""Plans and steps that ask out-of-band consoles: who has one, who goes without, and who is told of them."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import User

from fleet import clock
from fleet.changes import legs, out_of_band
from fleet.core.model import PlannedStep, Reason, Reversibility, Severity, StepSpec, to_json
from inventory.models import Console, Router
from playbooks import oob, registry
from playbooks.base import Unreachable
from tests.changes import builders

pytestmark = pytest.mark.django_db


def steps(**needs: str) -> dict[str, list[PlannedStep]]:
    made = {}
    for name, what in needs.items():
        params = {"needs": what} if what else {}
        made[name] = [
            PlannedStep("baseline", {}, Reversibility.NOTHING_TO_UNDO, False),
            PlannedStep("console", params, Reversibility.NOTHING_TO_UNDO, False),
        ]
    return made


def give(name: str, kind: str) -> None:
    router = Router.objects.get(name=name)
    port = 2000 + router.pk if kind == "serial" else 443
    Console.objects.create(router=router, kind=kind, address="192.0.2.9", port=port, credential=router.credential)


def test_who_has_none_to_ask_is_refused_and_who_goes_without_is_shown(
    django_assert_num_queries: Callable[..., Any],
) -> None:
    builders.fleet(["bly", "lang", "aebi", "dekker"])
    give("bly", "redfish")
    give("lang", "serial")
    with django_assert_num_queries(1):
        none, without = out_of_band.findings(steps(bly="", lang="required", aebi="required", dekker="none"))
    assert (none.severity, none.code) == (Severity.FATAL, "no-console")
    assert none.reason.subject == "console of aebi, lang", "a serial line cannot be asked"
    assert (without.severity, without.code) == (Severity.WARN, "console-not-asked")
    assert without.reason.subject == "console of dekker"
    with django_assert_num_queries(0):
        assert out_of_band.findings({"bly": steps(bly="")["bly"][:1]}) == []


def test_it_is_asked_before_the_drain_with_everything_else(
    author: User, approver: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    builders.fleet(["bly"])
    give("bly", "redfish")
    now = clock.now()
    run = builders.running(author, approver, builders.plan([["bly"]]), now)
    builders.begin(run, ["bly"], now)
    (job,) = legs.load_jobs([builders.target(run, "bly").pk])
    planned = registry.driver("console").plan(StepSpec("console", {}), job.device, {})
    step = next(s for s in job.steps if s.verb == "nic")
    step.verb, step.planned, job.steps = "console", to_json(planned), [step]
    session: Any = None
    monkeypatch.setattr(oob, "prove", lambda console: oob.Proof("on", None))
    assert legs.look_ahead(job, session, now).moved == ()

    def deaf(console: oob.Console) -> oob.Proof:
        raise Unreachable(Reason(f"console of {console.device}", "no answer", "an answer by Redfish"))

    monkeypatch.setattr(oob, "prove", deaf)
    (why,) = legs.look_ahead(job, session, now).moved
    assert why.startswith("console of bly: found no answer"), "held before anything is touched"


def test_only_a_step_that_asks_is_told_of_them(django_assert_num_queries: Callable[..., Any]) -> None:
    (router,) = builders.fleet(["bly"])
    give("bly", "redfish")
    target = SimpleNamespace(router_id=router.pk)
    row: Any = SimpleNamespace(verb="console", data={"console": "not proven"}, target=target)
    told: Any = out_of_band.attend(row)
    assert [one["kind"] for one in told["consoles"]] == ["redfish"] and told["console"] == "not proven"
    other: Any = SimpleNamespace(verb="reboot", data={"a": 1}, target=target)
    with django_assert_num_queries(0):
        assert out_of_band.attend(other) == {"a": 1}
