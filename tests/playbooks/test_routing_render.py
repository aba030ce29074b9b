"""Candidates, diffs and digests of configurations, from a recording of FRR 8.4.4."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fleet.core.model import StepSpec
from playbooks import frr_tree
from playbooks.base import Impossible
from playbooks.routing import render
from playbooks.routing.driver import Routing
from playbooks.routing.params import RoutingParams
from playbooks.routing.render import Section
from tests.playbooks.scripted import BIRD, FRR

RUNNING = (Path(__file__).parent / "recordings" / "drain-frr-01-baseline" / "running_config.txt").read_text()
ADD = """\
router bgp 65000
 neighbor 192.0.2.2 description new words
 neighbor 192.0.2.9 remote-as 65009
 address-family ipv6 unicast
  neighbor 192.0.2.9 activate
 exit-address-family
exit
ip prefix-list TEST seq 5 permit 10.0.0.0/8
"""


def statements(text: str) -> set[frr_tree.Path]:
    return set(frr_tree.paths(frr_tree.parse(text)))


def test_a_configuration_written_out_again_has_the_same_statements() -> None:
    assert statements(frr_tree.text(frr_tree.parse(RUNNING))) == statements(RUNNING)
    assert ("router bgp 65000", "address-family ipv6 unicast", "neighbor 2001:db8:1::2 activate") in statements(RUNNING)


def test_a_candidate_has_the_section_in_its_blocks_and_one_of_a_kind_once() -> None:
    candidate = render.frr_candidate(RUNNING, Section("s", ADD, " \nrouter ospf6\n ospf6 router-id 10.255.0.1\nexit\n"))
    gone = statements(RUNNING) - statements(candidate)
    new = statements(candidate) - statements(RUNNING)
    assert gone == {
        ("router bgp 65000", "neighbor 192.0.2.2 description transit x1"),
        ("router ospf6", "ospf6 router-id 10.255.0.1"),
    }
    assert new == {
        ("router bgp 65000", "neighbor 192.0.2.2 description new words"),
        ("router bgp 65000", "neighbor 192.0.2.9 remote-as 65009"),
        ("router bgp 65000", "address-family ipv6 unicast", "neighbor 192.0.2.9 activate"),
        ("ip prefix-list TEST seq 5 permit 10.0.0.0/8",),
    }
    lines = candidate.splitlines()
    inner = lines.index(" address-family ipv4 unicast")
    assert lines.index(" neighbor 192.0.2.9 remote-as 65009") < inner, "a neighbour exists before a family activates it"


def test_what_is_missing_is_named_and_nothing_is_after_the_candidate() -> None:
    section = Section("s", ADD, "router ospf\n ospf router-id 10.255.0.1\n")
    missing = {reason.subject for reason in render.frr_missing(RUNNING, section)}
    assert "router bgp 65000 / neighbor 192.0.2.9 remote-as 65009" in missing
    assert "router ospf / ospf router-id 10.255.0.1" in missing
    assert render.frr_missing(render.frr_candidate(RUNNING, section), section) == ()


def test_the_diff_shows_statements_and_no_secret() -> None:
    secret = RUNNING.replace(
        " bgp router-id 10.255.0.1\n", " bgp router-id 10.255.0.1\n neighbor 1.1.1.1 password hush\n"
    )
    shown = render.diff(secret, render.frr_candidate(secret, Section("s", ADD)), suite="frr")
    added = [line for line in shown.splitlines() if line.startswith("+") and not line.startswith("+++")]
    assert added == [
        "+ neighbor 192.0.2.2 description new words", "+ neighbor 192.0.2.9 remote-as 65009",
        "+  neighbor 192.0.2.9 activate", "+ip prefix-list TEST seq 5 permit 10.0.0.0/8",
    ]  # fmt: skip
    assert "hush" not in shown


def test_a_drain_does_not_move_the_digest_and_anything_else_does() -> None:
    digest = render.configuration_digest(RUNNING, suite="frr")
    drained = (
        "interface eth-b1\n ip ospf cost 29\n ipv6 ospf6 cost 65535\nexit\n"
        "router bgp 65000\n bgp graceful-shutdown\n address-family ipv4 unicast\n  neighbor 192.0.2.2 weight 60000\n"
        " exit-address-family\nexit\nrouter ospf\n max-metric router-lsa administrative\nexit\n"
        "router isis CORE\n set-overload-bit\nexit\n"
    )
    candidate = render.frr_candidate(RUNNING, Section("drain", drained))
    assert candidate != RUNNING and render.configuration_digest(candidate, suite="frr") == digest
    moved = RUNNING.replace("remote-as 65010", "remote-as 65011", 1)
    assert render.configuration_digest(moved, suite="frr") != digest


def test_a_section_of_bird_is_added_once_and_replaced_where_it_stands() -> None:
    first = render.bird_candidate("router id 1.1.1.1;\n# end\n", Section("limits", "define A = 1;"))
    assert first.startswith(
        "router id 1.1.1.1;\n# end\n# slipway begin limits\ndefine A = 1;\ndefine SLIPWAY_SECTION_LIMITS = "
    )
    second = render.bird_candidate(first + "protocol device {}\n", Section("limits", "define A = 2;\n"))
    assert second.count("# slipway begin limits") == 1 and "define A = 1;" not in second
    assert second.endswith("# slipway end limits\nprotocol device {}\n")
    assert render.constant(Section("limits", "define A = 1;")) != render.constant(Section("limits", "define A = 2;"))


def test_templates_render_for_both_suites_and_miss_nothing_silently() -> None:
    variables: dict[str, Any] = {"name": "bogons", "prefixes": "10.0.0.0/8, 2001:db8::/32,192.168.0.0/16"}
    assert render.section_text("prefix-list", "frr", variables) == (
        "ip prefix-list bogons seq 5 permit 10.0.0.0/8\nip prefix-list bogons seq 10 permit 192.168.0.0/16\n"
        "ipv6 prefix-list bogons seq 5 permit 2001:db8::/32\n"
    )
    assert render.section_text("prefix-list", "bird", variables).split("\n") == [
        "define BOGONS_4 = [ 10.0.0.0/8, 192.168.0.0/16 ];", "define BOGONS_6 = [ 2001:db8::/32 ];", "",
    ]  # fmt: skip
    values = {"asn": "65000", "192.0.2.2": "transit x1"}
    assert render.section_text("peer-descriptions", "frr", {**values, "values": values}) == (
        "router bgp 65000\n neighbor 192.0.2.2 description transit x1\n"
    )
    with pytest.raises(Impossible, match="'prefixes' is undefined"):
        render.section_text("prefix-list", "frr", {"name": "x"})
    with pytest.raises(Impossible, match="no such file"):
        render.section_text("nosuch", "frr", {})
    with pytest.raises(Impossible):
        render.section_text("../slipway-apply.sh", "frr", {})


def test_scripts_on_the_device_are_simple_and_complete() -> None:
    names = render.Names("cafe")
    revert = render.script("revert", names).splitlines()
    assert revert[1] == "echo started > /var/lib/slipway/routing-cafe.reverting"
    assert revert[-1] == "echo reverted > /var/lib/slipway/routing-cafe.reverted"
    assert "cp /var/lib/slipway/routing-cafe.before /etc/frr/frr.conf" in render.script("apply", names)


@pytest.mark.parametrize(
    "params",
    [
        {"section": "x"},
        {"section": "x", "template": "a", "fragment": "b"},
        {"section": "X y", "fragment": "a"},
        {"section": "x", "fragment": {"junos": "a"}},
        {"section": "x", "fragment": "a\x00b"},
        {"section": "x", "fragment": "router bgp 1\n neighbor 1.1.1.1 password hush\n"},
        {"section": "x", "fragment": "a", "confirm": "5s"},
        {"section": "x", "template": "../etc"},
        {"section": "x", "template": "a", "variables": "no equals sign"},
    ],
)
def test_parameters_that_make_no_sense_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RoutingParams.model_validate(params)


def test_the_plan_carries_what_was_rendered_and_what_it_was_computed_from() -> None:
    spec = StepSpec("routing", {"section": "s", "fragment": {"frr": ADD}, "confirm": "30s"})
    planned = Routing().plan(spec, FRR, {"routing": {"running_config": RUNNING}})
    assert planned.params["rendered"] == ADD
    assert planned.expected["configuration"] == render.configuration_digest(RUNNING, suite="frr")
    assert "+ neighbor 192.0.2.9 remote-as 65009" in planned.diff and planned.within_s == 120.0
    with pytest.raises(Impossible, match="no text for bird"):
        Routing().plan(spec, BIRD, {})
    with pytest.raises(Impossible, match="routing suite none"):
        Routing().plan(spec, replace(FRR, suite="none"), {})


@given(st.text() | st.from_regex(r"(router bgp 1\n| neighbor x|  deep\n|!\n|exit\n|# slipway begin s\n){1,9}"))
def test_no_configuration_makes_it_raise(text: str) -> None:
    section = Section("s", text, text)
    render.frr_candidate(text, section)
    render.frr_missing(text, section)
    render.bird_candidate(text, Section("s", "x;"))
    for suite in ("frr", "bird"):
        render.diff(text, text, suite=suite)
        render.configuration_digest(text, suite=suite)
