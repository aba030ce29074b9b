"""Recipes: the shipped ones load, and a wrong one is refused with everything that is wrong at its line."""

from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.core.model import Budget, CheckSpec, OnFailure
from playbooks import recipe_yaml, registry
from playbooks.probe.params import ProbeParams
from playbooks.recipe import RecipeRefused, load_recipe, read_recipe, recipe_path, recipe_paths

SHIPPED: dict[str, dict[str, Any]] = {
    "router-restart": {},
    "router-restart-probed": {"vantage": "slipway"},
    "daemon-restart": {},
    "nic-queues": {"queues": 4},
    "vyos-image": {"image": "1.4.1", "source": "/config/vyos.iso", "sha256": "0" * 64},
    "netboot-kernel": {"target": "new", "release": "6.1.0-56-amd64"},
    "suite-upgrade": {"package": "frr", "version": "8.5.2-1"},
    "nic-firmware": {
        "tool": "devlink",
        "interface": "eth1",
        "version": "7.4.1",
        "file": "intel/x.bin",
        "sha256": "ab" * 32,
    },
    "kernel": {"release": "6.1.0-56-amd64", "version": "6.1.192-2", "source": "/srv/k.deb", "sha256": "ab" * 32},
    "kernel-cmdline": {"cmdline": "isolcpus=2-5 hugepages=64 -quiet"},
    "nic-driver": {"driver": "i40e", "flavour": "in-tree"},
    "ucs-firmware": {"bundle": "4.3(2b)B"},
    "ucs-queues": {"queues": 8},
    "ucs-rack-queues": {"queues": 8},
    "ucs-user-ack": {},
    "vpp": {"keep": "eth0", "workers": 4, "cmdline": "isolcpus=2-5 hugepages=1024"},
    "vpp-change": {"config": "interfaces: {eth1: {addresses: [192.0.2.1/24]}}"},
    "nic-rss": {"interface": "eth1", "udp": "sdfn"},
    "nic-settings": {"interface": "eth1", "rings_rx": 4096, "coalesce": "rx-usecs = 50\nadaptive-rx = off"},
    "sysctl": {"settings": "net.core.netdev_max_backlog = 5000"},
    "napalm-device": {"config": "hostname x"},
    "napalm-config": {"config": "interface eth1\n description from slipway\nexit"},
    "routing-config": {"section": "descriptions", "template": "peer-descriptions"},
}

GOOD = """\
recipe: queues
summary: queues of cards
inputs:
  queues: {type: integer, min: 1, max: 64, required: true}
  where:  {type: choice, choices: [edge, core], default: edge}
  note:   {type: string, max: 10}
targets: {where: {role: "${{ inputs.where }}"}}
strategy:
  waves: [1, 25%, [bly, aebi]]
  budget: {total: 2, per_failure_domain: 1}
  max_failures: 0
  on_failure: rollback_wave
  soak: 15m
checks:
  - bgp_sessions
  - queues: {expect: "${{ inputs.queues }}"}
  - route_counts: {tolerance: 0.95}
steps:
  - baseline
  - drain: {settle: 3s}
  - nic: {queues: "${{ inputs.queues }}", interface: "eth${{ inputs.queues }}"}
  - verify: {passes: 2, interval: 1s}
  - undrain: {order: [ospf, ospf3, ibgp, ebgp]}
  - soak
"""


def refused(text: str, inputs: dict[str, Any] | None = None) -> list[tuple[int, str, str, str]]:
    with pytest.raises(RecipeRefused) as caught:
        load_recipe(text, {"queues": 4} if inputs is None else inputs)
    return [(error.line, error.found, error.wanted, error.remedy) for error in caught.value.errors]


def test_all_that_come_with_slipway_are_covered_here() -> None:
    assert set(recipe_paths()) == set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_recipe_loads_and_verifies_before_it_undrains(name: str) -> None:
    recipe = load_recipe(recipe_path(name), SHIPPED[name])
    assert recipe.name == name and recipe.summary
    verbs = [step.verb for step in recipe.steps if not step.verb.startswith("probe")]
    if name == "ucs-user-ack":  # the one that disturbs nothing: nobody is drained for it
        assert verbs == ["baseline", "ucs-user-ack", "verify"] and not registry.driver("ucs-user-ack").disruptive
        return
    if name == "napalm-device":  # nobody can drain it: what it does in service is said, and undone when sessions fall
        assert verbs == ["baseline", "napalm", "verify"] and recipe.steps[1].params["in_service"] is True
        return
    if name == "vpp-change":  # a sub-interface or an address: nothing that is there is touched
        assert verbs == ["baseline", "vpp-change", "verify", "soak"] and not registry.driver("vpp-change").disruptive
        return
    assert verbs[:2] == ["baseline", "drain"]
    assert verbs.index("verify") < verbs.index("undrain") and "soak" in verbs
    # A kernel that soaked becomes the default; nothing else comes after the soak.
    kept = [f"{verb}-default" for verb in ("kernel", "netboot", "vpp") if verb in verbs]
    kept += ["vyos-default"] if "vyos-image" in verbs else []
    assert verbs[verbs.index("soak") + 1 :] == kept
    assert [step.params["group"] for step in recipe.steps if step.verb == "undrain"] == ["igp", "bgp"]
    assert read_recipe(recipe_path(name)).name == name


@pytest.mark.parametrize(("vantage", "wanted"), [("", None), ("neighbours, wells", ["neighbours", "wells"])])
def test_vpp_measures_loss_before_and_after_where_an_input_names_vantage_points(
    vantage: str, wanted: list[str] | None
) -> None:
    steps = load_recipe(recipe_path("vpp"), {**SHIPPED["vpp"], "from": vantage}).steps
    verbs = [step.verb for step in steps]
    if wanted is None:
        assert not [verb for verb in verbs if verb.startswith("probe")]
        return
    assert verbs.index("probe") < verbs.index("drain")
    assert verbs.index("undrain") < verbs.index("probe-again") < verbs.index("soak")
    params = ProbeParams.model_validate(steps[verbs.index("probe")].params)
    assert (list(params.from_), params.to) == (wanted, ("beacon",))


def test_a_recipe_is_read_whole() -> None:
    recipe = load_recipe(GOOD, {"queues": 4})
    assert recipe.strategy.waves == (1, "25%", ("bly", "aebi"))
    assert recipe.strategy.budget == Budget(total=2, per_failure_domain=1)
    assert recipe.strategy.on_failure is OnFailure.ROLLBACK_WAVE
    assert recipe.checks == (
        CheckSpec("bgp_sessions"), CheckSpec("queues", 4), CheckSpec("route_counts", {"tolerance": 0.95}),
    )  # fmt: skip
    by_verb = {step.verb: step.params for step in recipe.steps}
    assert by_verb["nic"] == {"queues": 4, "interface": "eth4"}, "one lookup keeps its type, inside text it is written"
    assert by_verb["soak"] == {"for": "15m"}
    assert recipe.inputs == {"queues": 4, "where": "edge", "note": None}
    described = read_recipe(GOOD)
    assert described.targets == {"role": "edge"}
    assert [(spec.name, spec.required) for spec in described.inputs] == [
        ("queues", True), ("where", False), ("note", False),
    ]  # fmt: skip


def test_an_unknown_step_names_its_line_and_the_nearest() -> None:
    ((line, found, wanted, remedy),) = refused(GOOD.replace("- drain:", "- drian:"))
    assert (line, found, remedy) == (20, 'step "drian"', "Did you mean drain?")
    assert "undrain" in wanted and "verify" in wanted


@pytest.mark.parametrize(
    ("old", "new", "line", "found"),
    [
        ("- bgp_sessions", "- bgp_session", 15, 'check "bgp_session"'),
        ("{settle: 3s}", "{setle: 3s}", 20, 'parameter "setle"'),
        ("{settle: 3s}", "{settle: 3}", 20, "settle: 3"),
        ("{settle: 3s}", "[3s]", 20, "a list"),
        ("{passes: 2,", "{passes: two,", 22, 'passes: "two"'),
        ("order: [ospf, ospf3, ibgp, ebgp]", "order: [ibgp, ospf, ebgp]", 23, ""),
        ("on_failure: rollback_wave", "on_failure: rollback", 12, '"rollback"'),
        ("waves: [1, 25%,", "waves: [0, 125%,", 9, "0"),
        ("total: 2", "total: 0", 10, "0"),
        ("max_failures: 0", "max_failurs: 0", 11, 'key "max_failurs"'),
        ("inputs.where }}", "inputs.were }}", 7, "inputs.were"),
        ("inputs.where }}", "env.HOME }}", 7, "${{ env.HOME }}"),
        ("type: integer", "type: int", 4, '"int"'),
        ("default: edge", "default: transit", 5, '"transit"'),
        ("steps:\n", "stepz:\n", 18, 'key "stepz"'),
        ("recipe: queues", "recipe: Queues", 1, '"Queues"'),
        ("  - soak\n", "  - soak: {for: 5m}\n    verify: {}\n", 24, "a mapping"),
    ],
)
def test_a_wrong_recipe_is_refused_at_its_line(old: str, new: str, line: int, found: str) -> None:
    assert old in GOOD
    errors = refused(GOOD.replace(old, new, 1))
    assert any(at == line and found in said for at, said, _, _ in errors), errors


def test_everything_that_is_wrong_is_said_at_once() -> None:
    text = GOOD.replace("- drain:", "- drian:").replace("passes: 2", "passes: 0").replace("total: 2", "total: no")
    errors = refused(text, {"queues": 100, "extra": 1})
    assert [line for line, *_ in errors] == sorted(line for line, *_ in errors)
    assert {found for _, found, _, _ in errors} >= {
        'step "drian"', "passes: 0", 'input "extra"', "input queues: 100", '"no"',
    }  # fmt: skip


@pytest.mark.parametrize(
    ("inputs", "found", "wanted"),
    [
        ({}, "no value for input queues", "a value of type integer"),
        ({"queues": "4"}, 'input queues: "4"', "an integer"),
        ({"queues": True}, "input queues: true", "an integer"),
        ({"queues": 0}, "input queues: 0", "at least 1"),
        ({"queues": 4, "where": "transit"}, 'input where: "transit"', 'one of "edge", "core"'),
        ({"queues": 4, "note": "x" * 11}, "input note: 11 characters", "at most 10 characters"),
        ({"queues": 4, "note": "a\nb"}, "input note: several lines", "a string of one line (type text takes several)"),
    ],
)
def test_inputs_are_typed_and_bounded(inputs: dict[str, Any], found: str, wanted: str) -> None:
    assert (found, wanted) in [(said, want) for _, said, want, _ in refused(GOOD, inputs)]


def test_an_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(RecipeRefused, match=r"Did you mean router-restart\?"):
        recipe_path("router-restrat")


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeRefused, match="No such file"):
        read_recipe(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"recipe: \xff")
    with pytest.raises(RecipeRefused, match="UTF-8"):
        read_recipe(tmp_path / "latin.yaml")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("recipe: [", 1),
        ("a: 1\na: 2\n", 2),
        ("recipe: x\n\tsteps: []\n", 2),
        ("- a\n- b\n", 1),
        ("", 1),
        ("x: !!python/object:os.system 1", 1),
    ],
)
def test_what_is_no_recipe_is_refused_at_its_line(text: str, line: int) -> None:
    errors = refused(text)
    assert errors[0][0] == line


def test_aliases_that_multiply_are_refused() -> None:
    text, names = "a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n", [f"a{index}" for index in range(9)]
    for before, name in pairwise(names):
        text += f"{name}: &{name} [{', '.join(['*' + before] * 10)}]\n"
    assert "aliases" in refused(text)[0][1]


@given(st.text(max_size=300) | st.from_regex(r"(recipe|inputs|steps|checks|strategy): ?[ -~\n]{0,120}"))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(RecipeRefused):
        load_recipe(text, {})


def test_what_was_read_before_is_read_quickly_and_stays_clean() -> None:
    """A document collects what is wrong with it, and its values are handed on: neither is the next reader's."""
    first = recipe_yaml.read(GOOD, file="good.yaml")
    first.refuse((), found="x", wanted="y")
    assert isinstance(first.value, dict)
    first.value["recipe"] = "spoilt"
    first.lines.clear()
    second = recipe_yaml.read(GOOD, file="good.yaml")
    assert second.errors == []
    assert second.lines
    assert isinstance(second.value, dict) and second.value["recipe"] != "spoilt"
    assert recipe_yaml.read(GOOD, file="other.yaml").file == "other.yaml"
