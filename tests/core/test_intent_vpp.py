"""The intent "forwards with VPP": values that are taken, what differs, and the requests that come of it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.core import intent, intent_vpp
from fleet.core.intent import Level, LineState, Wanted
from fleet.core.model import Json
from fleet.core.repair import Drifted, Means, repairs

HAS: dict[str, Any] = {
    "interfaces": {
        "eth1": {"lcp": "eth1", "mtu": 1500, "addresses": ["192.0.2.1/30", "2001:db8::1/64"],
                 "sub-interfaces": {300: {"lcp": "eth1.300", "mtu": 1500}}},
        "eth2": {"lcp": "eth2", "mtu": 9000},
    },
    "loopbacks": {"loop0": {"lcp": "loop0"}},
}  # fmt: skip


def line(setting: str, wanted: Json, facts: Json) -> intent.Line:
    (found,) = intent.compare({setting: Wanted(wanted, "p", Level.FLEET)}, facts)
    return found


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("keep", "eth0 eth9,mgmt", ""), ("keep", "", "names of interfaces"), ("keep", "eth0;reboot", "names of"),
        ("keep", ["eth0"], "names of"), ("access", "af_xdp", ""), ("access", "rdma", "one of dpdk"),
        ("workers", 4, ""), ("workers", -1, "whole number"), ("loopback6", "eth1", ""), ("loopback6", "e h", "the n"),
        ("buffers", 1, "from 2048"), ("routes", 1_200_000, ""), ("members", "LINX|AMS-IX", ""), ("members", "", "text"),
        ("config", {"interfaces": {"eth1": {"mtu": 9000}}}, ""), ("config", {}, "a part of vppcfg"),
        ("config", {"interface": {}}, "a part of vppcfg"), ("config", {"interfaces": {"e": 1.5}}, "a part of vppcfg"),
        ("config", {"acls": {"a": "x" * 20_000}}, "at most 20000"), ("kernel", 1, "no such setting"),
    ],
)  # fmt: skip
def test_what_a_profile_may_hold(key: str, value: Json, said: str) -> None:
    reason = intent.refuse("dataplane", f"dataplane.{key}", value)
    assert reason is None if not said else reason is not None and said in str(reason), reason


@pytest.mark.parametrize(
    ("wanted", "same"),
    [
        ({"interfaces": {"eth1": {"mtu": 1500}}}, True),
        ({"interfaces": {"eth1": {"mtu": 9000}}}, False),
        ({"interfaces": {"eth1": {"sub-interfaces": {"300": {"lcp": "eth1.300"}}}}}, True),  # 300 and "300" are one
        ({"interfaces": {"eth1": {"addresses": ["2001:DB8:0::1/64", "192.0.2.1/30"]}}}, True),  # by value, in any order
        ({"interfaces": {"eth1": {"addresses": ["192.0.2.1/30"]}}}, False),
        ({"interfaces": {"eth2": {"sub-interfaces": {"300": None}}}}, True),  # not there, as wanted
        ({"interfaces": {"eth1": {"sub-interfaces": {"300": None}}}}, False),
        ({"interfaces": {"eth3": {"mtu": 1500}}}, False),
        ({"loopbacks": {"loop0": {}}}, True),
        ({"loopbacks": {"loop1": {}}}, False),
        ({"bondethernets": None}, True),
    ],
)
def test_a_configuration_is_as_wanted_when_laying_it_over_changes_nothing(wanted: Json, *, same: bool) -> None:
    found = line("dataplane.config", wanted, {"dataplane": "vpp", "vpp": {"applied": HAS}})
    assert found.state is (LineState.SAME if same else LineState.DIFFERENT)
    assert len(str(found.found)) < 200, "what differs, not the whole configuration"


def test_where_it_cannot_be_told_or_does_not_apply() -> None:
    wanted: Json = {"interfaces": {"eth1": {"mtu": 1500}}}
    for facts, state in (
        ({"dataplane": "kernel"}, LineState.NOT_APPLICABLE),
        ({"dataplane": "vpp", "vpp": {"config": None}}, LineState.UNKNOWN),
        ({"unknown": {"dataplane": "needs root"}}, LineState.UNKNOWN),
        (None, LineState.UNKNOWN),
    ):
        assert line("dataplane.config", wanted, facts).state is state, facts
    for facts, state in (({"dataplane": "vpp"}, LineState.NOT_APPLICABLE), ({"x": 1}, LineState.UNKNOWN)):
        assert line("dataplane.workers", 4, facts).state is state
    (kind,) = intent.compare({"dataplane.kind": Wanted("vpp", "p", Level.FLEET)}, {"dataplane": "kernel"})
    assert (kind.state, kind.wanted, kind.found) == (LineState.DIFFERENT, "vpp", "kernel")


values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["a", "::1/64"]),
    lambda inner: st.dictionaries(st.sampled_from(["addresses", "eth1", "300"]), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["interfaces", "loopbacks"]), values))
def test_a_configuration_without_nulls_holds_itself(config: dict[str, Json]) -> None:
    assert intent_vpp.holds(config, config) is True
    assert json.loads(intent_vpp.text_of(config)) == config


# --- repairs

WANTED: dict[str, Json] = {
    "dataplane.kind": "vpp", "dataplane.keep": "eth0", "dataplane.workers": 4, "dataplane.access": "af_packet",
    "dataplane.loopback6": "eth1", "dataplane.members": "LINX", "dataplane.routes": 1_000_000,
    "dataplane.buffers": 4096, "kernel.cmdline.isolcpus": "2-5", "kernel.cmdline.hugepages": "1024",
    "kernel.cmdline.quiet": True,
}  # fmt: skip
TO_VPP = Drifted("bly", "dataplane.kind", "vpp", "kernel")


def test_the_recipe_vpp_gets_its_inputs_out_of_the_intent() -> None:
    also = Drifted("bly", "kernel.cmdline.isolcpus", "2-5", False)
    other = Drifted("aebi", "dataplane.kind", "vpp", "kernel")
    made = repairs([TO_VPP, also, other], Means(wanted={"bly": WANTED, "aebi": WANTED}))
    (one,) = made.requests
    assert (one.recipe, one.targets, made.left) == ("vpp", ("aebi", "bly"), ())
    assert one.inputs == {
        "dataplane": "af_packet", "keep": "eth0", "workers": 4, "routes": 1_000_000, "buffers": 4096,
        "loopback6": "eth1", "members": "LINX", "cmdline": "hugepages=1024 isolcpus=2-5 quiet",
    }  # fmt: skip
    assert set(one.repairs) == {TO_VPP, also, other}, "one boot for the command line and VPP"
    least: dict[str, Json] = {"dataplane.keep": "eth0", "kernel.cmdline.hugepages": "64", "dataplane.workers": None}
    (one,) = repairs([TO_VPP], Means(wanted={"bly": least})).requests
    assert one.inputs == {"keep": "eth0", "cmdline": "hugepages=64"}, "the rest is the recipe's default"


def test_what_is_missing_or_has_no_recipe_is_named() -> None:
    for wanted, said in (
        ({}, "dataplane.keep"),
        ({"dataplane.keep": "eth0"}, "kernel.cmdline.isolcpus and kernel.cmdline.hugepages"),
    ):
        made = repairs([TO_VPP], Means(wanted={"bly": wanted}))
        assert made.requests == () and said in str(made.left[0])
    made = repairs([Drifted("bly", "dataplane.kind", "kernel", "vpp")], Means(wanted={"bly": WANTED}))
    assert made.requests == () and "No recipe goes from VPP back" in str(made.left[0])
    line_alone = Drifted("bly", "kernel.cmdline.isolcpus", "2-5", False)
    made = repairs([TO_VPP, line_alone])
    assert [one.recipe for one in made.requests] == ["kernel-cmdline"] and len(made.left) == 1


def test_a_configuration_that_differs_is_a_small_change() -> None:
    wanted: Json = {"interfaces": {"eth2": {"sub-interfaces": {"300": None}, "mtu": 9000}}}
    rows = [Drifted(name, "dataplane.config", wanted, {}) for name in ("bly", "aebi")]
    (one,) = repairs(rows).requests
    assert (one.recipe, one.targets) == ("vpp-change", ("aebi", "bly"))
    assert json.loads(str(one.inputs["config"])) == wanted
