"""What an approver is told of routers that delete an IPv6 route before they add the next one."""

from pathlib import Path

import pytest

from fleet.core.model import Json
from playbooks.base import Answer, Device
from playbooks.drain.cautions import cautions
from playbooks.facts import commands, parse, parse_frr
from tests.playbooks.simlab import SimLab
from tests.playbooks.simsession import Walk, device

RECORDINGS = Path(__file__).parent / "recordings"
ZEBRA = "/usr/lib/frr/zebra -d -F traditional -A 127.0.0.1 -s 90000000"
CONFIG = "frr version 8.4.4\nrouter ospf6\nexit\n"
RING_BIRD = (RECORDINGS / "facts-bird-ring-facts" / "saved_config.txt").read_text()


def of(suite: str, routing: dict[str, Json]) -> list[str]:
    made = Device("bly", "192.0.2.1", 22, "ops", "file:/key", "", suite)
    return [str(reason) for reason in cautions(made, {"routing": routing})]


def frr(options: Json, config: str = CONFIG) -> list[str]:
    return of("frr", {"running_config": config, "zebra_options": options})


def bird(config: str) -> list[str]:
    return of("bird", {"running_config": config})


def test_zebra_without_the_option_is_named_with_what_to_do() -> None:
    (said,) = frr("-d -F traditional -A 127.0.0.1")
    assert "zebra on bly" in said and "/etc/frr/daemons" in said and "-A 127.0.0.1" in said


def test_zebra_with_it_without_ipv6_or_unknown_is_not() -> None:
    assert not frr("-d -A 127.0.0.1 --v6-rr-semantics")
    assert not frr("-d", "frr version 8.4.4\nrouter ospf\nexit\n")
    assert not frr(None)
    assert not of("frr", {}) and not of("none", {}) and not of("bird", {})


def test_zebra_that_keeps_nexthop_groups_in_the_kernel_is_named_with_what_to_do() -> None:
    config = "frr version 8.4.4\nrouter ospf\nexit\n"
    (said,) = of("frr", {"running_config": config, "version": "8.4.4"})
    assert "nexthop groups in the kernel (FRR 8.4.4)" in said and 'Configure "no zebra nexthop kernel enable"' in said
    assert not of("frr", {"running_config": "no zebra nexthop kernel enable\n" + config, "version": "8.4.4"})
    assert not of("frr", {"running_config": config, "version": "10.1"}), "not seen there: nothing is said"
    assert not of("frr", {"running_config": config}) and not of("frr", {"version": "8.4.4"})


def test_the_options_come_from_the_process_itself() -> None:
    assert parse_frr.zebra_options(f"412 {ZEBRA}\n") == "-d -F traditional -A 127.0.0.1 -s 90000000"
    assert parse_frr.zebra_options("412 /usr/lib/frr/zebra\n") == ""
    assert parse_frr.zebra_options("") is None
    assert parse_frr.zebra_options("sh: 1: pgrep: not found\n") is None
    assert commands.facts("frr")["zebra"] == ["pgrep", "-a", "-x", "zebra"]
    seen = parse.facts({"zebra": Answer(0, f"412 {ZEBRA}\n", "")}, "frr")
    assert seen["routing"]["zebra_options"].endswith("90000000")  # type: ignore[index, union-attr, call-overload]
    assert "zebra_options" not in parse.facts({"zebra": Answer(1, "", "")}, "frr")["routing"]  # type: ignore[operator]


def test_bird_with_a_second_table_behind_the_first_is_not_warned_of() -> None:
    assert not bird(RING_BIRD)


def test_bird_with_one_table_is_warned_of() -> None:
    (said,) = bird("\n".join(line for line in RING_BIRD.splitlines() if "kernel table" not in line))
    assert "BIRD on bly" in said and "one kernel table only (main)" in said and "ip -6 rule" in said


@pytest.mark.parametrize(
    "config",
    [
        "protocol kernel { ipv4 { export all; }; }",
        "protocol kernel { ipv6 { export none; }; }",
        "protocol kernel { ipv6 { import all; }; }",
        "# protocol kernel { ipv6 { export all; }; }",
        "protocol kernel {",
        "",
    ],
)
def test_bird_that_writes_no_ipv6_routes_or_cannot_be_read_is_not(config: str) -> None:
    assert not bird(config)


def test_a_configuration_that_ends_in_the_middle_is_read_to_its_end() -> None:
    assert bird("protocol kernel { ipv6 { export all; ")


def test_both_suites_of_the_simulation_are_looked_at_with_the_real_facts() -> None:
    lab = SimLab()
    for name, router in lab.net.routers.items():
        facts = Walk(lab, device(lab, name)).facts()
        if router.spec.suite == "frr":
            assert facts["routing"]["zebra_options"].endswith("--v6-rr-semantics")  # type: ignore[index, union-attr, call-overload]
        assert not cautions(device(lab, name), facts) or router.spec.suite == "bird"
        assert not any("pgrep" in command for command in router.unknown)
