"""Plans and steps that ask out-of-band consoles: who has one, who goes without, and who is told of them."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from fleet.changes import out_of_band
from fleet.core.model import PlannedStep, Reversibility, Severity
from inventory.models import Console, Router
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
