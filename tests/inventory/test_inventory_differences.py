"""Two observations of one device, compared line by line."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from inventory.differences import Kind, differences

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


def lines(before: Any, after: Any) -> dict[str, tuple[Kind, Any, Any]]:
    return {line.name: (line.kind, line.before, line.after) for line in differences(before, after)}


def test_each_kind_of_difference_is_said_as_what_it_is() -> None:
    before = {
        "kernel": "6.1.0-13", "cmdline": None, "tainted": 0, "packages": {"frr": "8.4.4"}, "unknown": {},
        "interfaces": {"eth0": {"nic": {"nvm": "8.00", "serial": "x"}, "mtu": 1500}, "eth1": {"mtu": 1500}},
    }  # fmt: skip
    after = {
        "kernel": "6.1.0-28", "cmdline": "quiet", "tainted": 4096, "packages": {"vpp": "24.06"}, "version": 2,
        "interfaces": {"eth0": {"nic": {"nvm": "8.30", "serial": None}, "mtu": 1500}, "eth2": {"mtu": 9000}},
        "unknown": {"serial:eth0": "needs root"},
    }  # fmt: skip
    assert lines(before, after) == {
        "kernel": (Kind.CHANGED, "6.1.0-13", "6.1.0-28"),
        "cmdline": (Kind.KNOWN, None, "quiet"),
        "tainted": (Kind.CHANGED, 0, 4096),
        "packages.frr": (Kind.REMOVED, "8.4.4", None),
        "packages.vpp": (Kind.ADDED, None, "24.06"),
        "interfaces.eth0.nic.nvm": (Kind.CHANGED, "8.00", "8.30"),
        "interfaces.eth0.nic.serial": (Kind.UNKNOWN, "x", None),
        "interfaces.eth1": (Kind.REMOVED, {"mtu": 1500}, None),
        "interfaces.eth2": (Kind.ADDED, None, {"mtu": 9000}),
    }
    (why,) = (line.why for line in differences(before, after) if line.kind is Kind.UNKNOWN)
    assert why == "needs root"


def test_a_section_that_could_not_be_told_is_no_removal() -> None:
    packages = {"packages": {"frr": "8.4.4"}}
    assert lines(packages, {"packages": None}) == {"packages": (Kind.UNKNOWN, {"frr": "8.4.4"}, None)}
    assert lines(packages, {}) == {"packages": (Kind.UNKNOWN, {"frr": "8.4.4"}, None)}
    assert lines({"rss": None}, {}) == {}


def test_a_configuration_is_compared_by_lines() -> None:
    old = {"routing": {"running_config": "router bgp 1\n neighbor a\n"}}
    new = {"routing": {"running_config": "router bgp 1\n neighbor b\n"}}
    (line,) = differences(old, new)
    assert "- neighbor a" in line.diff and "+ neighbor b" in line.diff


@given(JSON, JSON)
def test_any_two_documents_are_compared_and_equal_ones_do_not_differ(before: Any, after: Any) -> None:
    assert differences(before, before) == ()
    there = [(line.path, line.before, line.after) for line in differences(before, after)]
    back = [(line.path, line.after, line.before) for line in differences(after, before)]
    assert there == back
