"""Packages: exact versions and nothing else on simulated routers; restarts counted; what apt and dpkg say."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from playbooks.base import Seen
from playbooks.engine import OutcomeKind
from playbooks.packages import parse
from playbooks.packages.driver import Packages, PackagesParams
from tests.playbooks.simlab import SimLab
from tests.playbooks.simsession import SimSession, Walk

NEW, OLD = "8.5.2-1~deb12u1", "8.4.4-1.1~deb12u1"
BOTH = {"versions": {"frr": NEW, "frr-pythontools": NEW}}


def test_they_are_installed_held_counted_and_put_back(lab: SimLab, legs: Walk) -> None:
    outcome, held = legs.go(legs.made("packages", BOTH))
    assert outcome.kind is OutcomeKind.DONE, outcome.reasons
    assert outcome.data["installed"] == BOTH["versions"] and outcome.data["restarts"] == 1
    assert lab.ok("bly", "apt-mark showhold").split() == ["frr", "frr-pythontools"]
    again, _ = legs.go(legs.made("packages", BOTH))
    assert again.kind is OutcomeKind.DONE and not again.changed
    back, _ = legs.go(replace(held, progress={}), rollback=True)
    assert back.kind is OutcomeKind.DONE, back.reasons
    assert back.data["installed"] == {"frr": OLD, "frr-pythontools": OLD}
    assert lab.ok("bly", "apt-mark showhold") == ""
    assert not [c for c in lab.journal if c.get("unknown")]


def test_what_would_change_beside_it_stops_it_unless_it_is_named(lab: SimLab, legs: Walk) -> None:
    alone = {"package": "frr", "version": NEW}
    session = SimSession(legs.device, lab)
    look = Packages().precheck(session, legs.made("packages", alone))
    assert look.seen is Seen.IMPOSSIBLE and f"frr-pythontools {OLD} > {NEW}" in str(look.reasons[0])
    assert (
        Packages().precheck(session, legs.made("packages", {**alone, "along": ["frr-pythontools"]})).seen is Seen.READY
    )
    none = Packages().precheck(session, legs.made("packages", {"package": "frr", "version": "9.9"}))
    assert none.seen is Seen.IMPOSSIBLE and "was not found" in str(none.reasons[0])
    assert not [c for c in lab.journal if c.get("mutated")]


def test_a_dpkg_that_fails_is_told_and_put_back(lab: SimLab, legs: Walk) -> None:
    lab.inject("bly", "tool_fails", match="apt")
    outcome, held = legs.go(legs.made("packages", BOTH))
    assert outcome.kind is OutcomeKind.IMPOSSIBLE and "dpkg returned an error code" in str(outcome.reasons[0])
    back, _ = legs.go(replace(held, progress={}), rollback=True)
    assert back.kind is OutcomeKind.DONE


def test_what_cannot_be_kept_is_not_replaced(lab: SimLab, legs: Walk) -> None:
    """A version that is nowhere any more has no way back: nothing is installed, and what would help is said."""
    lab.inject("bly", "tool_fails", match="archive")
    outcome, held = legs.go(legs.made("packages", BOTH))
    assert outcome.kind is OutcomeKind.IMPOSSIBLE
    assert f"frr {OLD}: neither in the cache of apt" in str(outcome.reasons[0])
    assert "Nothing was installed" in str(outcome.reasons[0])
    assert lab.ok("bly", "dpkg-query -W -f=${Package} frr").split()[1] == OLD and not lab.state("bly")["timers"]
    back, _ = legs.go(replace(held, progress={}), rollback=True)
    assert back.kind is OutcomeKind.DONE and lab.state("bly")["daemon_starts"] == 1


def test_restarts_are_counted_by_invocation_and_by_systemd() -> None:
    before = ("a" * 32, 2)
    assert parse.Unit("active", "a" * 32, 2).since(*before) == 0
    assert parse.Unit("active", "a" * 32, 4).since(*before) == 2
    assert parse.Unit("active", "b" * 32, 0).since(*before) == 1
    assert parse.Unit("active", "b" * 32, 3).since(*before) == 4, "started by dpkg, and three times by itself"


def test_what_apt_would_do_is_read() -> None:
    text = (
        "Inst frr [8.4] (8.5 Debian:12 [amd64])\nInst libyang3 (3.1 Debian:12)\nRemv old-frr [7.5]\nConf frr (8.5 x)\n"
    )
    changes = {"frr": ("8.4", "8.5"), "libyang3": ("", "3.1"), "old-frr": ("7.5", "")}
    assert parse.simulated(text).changes == changes


@pytest.mark.parametrize("wrong", [{}, {"package": "frr"}, {"versions": {"frr": "1 2"}}, {"versions": {"-o": "1"}}])
def test_wrong_parameters_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PackagesParams.model_validate(wrong)


@given(st.text(max_size=300))
def test_no_answer_makes_the_parsers_raise(text: str) -> None:
    parse.installed(text), parse.simulated(text), parse.held(text), parse.unit(text)
