"""What devices printed, read: one folder of recordings per case, and any text at all."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.core.checks import CHECKS, judge
from fleet.core.model import CheckSpec, Verdict
from playbooks.base import Answer
from playbooks.facts import (
    commands,
    parse,
    parse_bird,
    parse_frr,
    parse_linux,
    parse_machine,
    parse_nic,
    samples,
    text,
)
from playbooks.facts.redact import redacted

CASES = sorted((Path(__file__).parent / "recordings").glob("facts-*"))


def load(case: Path) -> tuple[dict[str, Any], dict[str, Answer]]:
    """about.json, and the answers: NAME.txt, with @ for the colon of NAME:INTERFACE."""
    about = json.loads((case / "about.json").read_text())
    status = about.get("status", {})
    names = {path.stem.replace("@", ":"): path for path in case.glob("*.txt")}
    return about, {name: Answer(status.get(name, 0), path.read_text(), "") for name, path in names.items()}


def read(about: dict[str, Any], answers: dict[str, Answer]) -> dict[str, Any]:
    if about["kind"] == "facts":
        return parse.facts(answers, about["suite"])
    return parse.measurement(
        answers, about["suite"], samples=about.get("samples", ()), sysctls=about.get("sysctls", ())
    )


def test_there_are_recordings() -> None:
    assert len(CASES) >= 14


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_was_printed_is_read_as_expected(case: Path) -> None:
    made = read(*load(case))
    assert made == json.loads((case / "expected.json").read_text())
    assert json.loads(json.dumps(made)) == made


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_no_cut_or_missing_answer_makes_a_parser_raise_or_a_check_pass_that_failed(case: Path) -> None:
    about, answers = load(case)
    whole = read(about, answers)
    for name, answer in answers.items():
        for cut in (0, len(answer.out) // 3, len(answer.out) - 2):
            part = {**answers, name: Answer(0, answer.out[: max(cut, 0)], "")}
            made = read(about, part)
            if about["kind"] == "measurement":
                for check in CHECKS:
                    before = judge(CheckSpec(check), whole, whole).verdict
                    after = judge(CheckSpec(check), whole, made).verdict
                    assert before is Verdict.PASS or after is not Verdict.PASS, (name, cut, check)
        read(about, {n: a for n, a in answers.items() if n != name})


PARSERS = [
    *(parse_frr.version, parse_frr.bgp, parse_frr.ospf, parse_frr.ospf6, parse_frr.bfd, parse_frr.routes),
    *(parse_frr.daemons, parse_bird.status, parse_bird.bgp, parse_bird.bfd, parse_bird.rib_hops),
    *(parse_bird.ospf_families, parse_linux.first_line, parse_linux.boot_id, parse_linux.uptime_s),
    *(parse_linux.os_release, parse_linux.meminfo, parse_linux.sysctls, parse_linux.links, parse_linux.addresses),
    *(parse_linux.counters, parse_linux.driver, parse_linux.permanent_mac, parse_linux.channels, parse_linux.rings),
    *(parse_linux.kernel_hop, parse_linux.kernel_routes, parse_linux.addresses_text),
    *(parse_machine.cpu, parse_machine.modules, parse_machine.packages, parse_machine.processes, parse_machine.devlink),
    *(parse_machine.cmdline, parse_machine.booted_at, parse_machine.driver_log, parse_machine.cpu_list),
    *(parse_nic.rss, parse_nic.flow_hash, parse_nic.coalesce, parse_nic.offloads, parse_nic.priv_flags),
]
SEEDS = [path.read_text() for case in CASES for path in sorted(case.glob("*.txt"))]
KEYS = re.findall(r'"(\w+)":', "".join(SEEDS))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(sorted(set(KEYS))) | st.text(max_size=4), inner, max_size=5)
    ),
    max_leaves=25,
)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A recorded answer with a piece cut out, repeated or replaced."""
    seed = draw(st.sampled_from(SEEDS))[:4000]
    start = draw(st.integers(0, len(seed)))
    end = draw(st.integers(start, min(len(seed), start + 400)))
    return seed[:start] + draw(st.text(max_size=12) | st.just(seed[start:end] * 2) | st.just("")) + seed[end:]


@given(st.text() | mutated() | json_values.map(json.dumps))
def test_no_parser_ever_raises(answer: str) -> None:
    for parser in PARSERS:
        json.dumps(parser(answer))
    parse_bird.ospf(answer, answer, "ipv4")
    parse_bird.routes(answer, "ipv6")
    parse_frr.rib_hops(answer, ["192.0.2.1", "192.0.2.2"])
    parse_linux.forwarded(answer, answer)
    redacted(answer)
    part = parse_nic.section(answer)
    for reader in (parse_nic.pci, parse_nic.numa_node, parse_nic.serial, parse_nic.affinity):
        json.dumps(reader(part))
    json.dumps([parse_nic.steering(part, "rps"), parse_nic.steering(part, "xps")])
    for driver in ("i40e", "igb", "mlx5_core", "bnxt_en", "enic", "nobody"):
        parse_nic.firmware(driver, answer)


NAMES = [
    *commands.measurement("frr", samples=["192.0.2.1"], sysctls=["a"], checks=None)[0],
    *commands.measurement("bird", samples=["192.0.2.1"], sysctls=["a"], checks=None)[0],
    *commands.facts("frr"),
    *("channels:eth0", "driver:eth0", "nic:eth0", "nic:eth1"),
]


@given(
    st.dictionaries(st.sampled_from(NAMES), st.text(max_size=60) | mutated() | json_values.map(json.dumps), max_size=6)
)
def test_no_measurement_ever_raises_and_all_of_it_is_json(outs: dict[str, str]) -> None:
    answers = {name: Answer(len(out) % 2, out, "") for name, out in outs.items()}
    for suite in ("frr", "bird", "none"):
        made = parse.measurement(answers, suite, samples=["192.0.2.1"], sysctls=["a"])
        json.dumps(made)
        json.dumps(parse.facts(answers, suite))
        for check in CHECKS:
            assert judge(CheckSpec(check), made, made).verdict is not Verdict.ERROR


def test_a_daemon_that_is_not_there_is_an_answer_and_silence_is_none() -> None:
    assert parse_frr.ospf("ospfd is not running\n") == {"running": False, "neighbours": {}}
    failed = parse.measurement({"ospf3": Answer(137, "", "")}, "frr")
    assert failed["ospf3"] is None and failed["unknown"]["ospf3"] == "(nothing)"
    empty = parse.measurement({"ospf3": Answer(0, "", "")}, "frr")
    assert empty["ospf3"] == {"running": True, "neighbours": {}}


def test_the_summary_of_one_family_is_not_taken_for_that_of_all() -> None:
    assert parse_frr.bgp('{"peers":{"192.0.2.1":{"state":"Established"}}}') is None
    assert parse_frr.bgp('{"bgpNoSuchNeighbor":true}') is None
    assert parse_frr.bgp("{}") == {"running": True, "peers": {}}
    assert parse_frr.bgp('{"l2VpnEvpn":{"peers":{}}}') == {"running": True, "peers": {}}


def test_later_frr_without_the_old_keys_is_read_too() -> None:
    row = {"nbrState": "Full/DR", "ifaceAddress": "192.0.2.2", "ifaceName": "bond0.100:192.0.2.1"}
    made = parse_frr.ospf(json.dumps({"neighbors": {"10.0.0.2": [row]}}))
    assert made is not None
    assert made["neighbours"]["10.0.0.2"] == {"state": "Full/DR", "full": 1, "interfaces": ["bond0.100"]}


def test_parallel_links_to_one_neighbour_are_counted() -> None:
    made = parse_frr.merged([("r2", "Full/-", "eth1"), ("r2", "ExStart/-", "eth2"), ("r3", "2-Way/DROther", "eth3")])
    assert made["r2"] == {"state": "ExStart/-", "full": 1, "interfaces": ["eth1", "eth2"]}
    assert made["r3"]["full"] == 0


def test_what_bird_says_of_a_session_whose_channel_is_down() -> None:
    made = parse_bird.bgp(
        "BIRD 2.0.12 ready.\nName       Proto      Table      State  Since         Info\n"
        "x          BGP        ---        up     2023-02-24 15:56:29  Established   \n"
        "  BGP state:          Established\n    Neighbor address: fe80::1%eth0\n"
        "  Channel ipv4\n    State:          DOWN\n  Channel ipv6\n    State:          UP\n"
        "    Routes:         7 imported, 2 filtered, 3 exported, 6 preferred\n"
    )
    assert made is not None
    assert made["peers"]["ipv4"]["fe80::1"]["state"] == "channel DOWN"
    assert made["peers"]["ipv6"]["fe80::1"] | {} == {
        "state": "Established", "received": 7, "sent": 3, "dropped": None, "name": "x",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("shown", "hops"),
    [
        ("203.0.114.0/24       unicast [s4 09:33:27.660] * (200)\n\tvia 10.9.9.2 on d0 weight 1\n"
         "\tvia 10.9.9.3 on d0 weight 1\n", [["10.9.9.2", "d0"], ["10.9.9.3", "d0"]]),
        ("203.0.115.0/24       blackhole [s4 09:33:27.660] * (200)\n", [["", "blackhole"]]),
        ("10.0.0.0/24          unicast [direct1 09:33:27.660] * (240)\n\tdev d0\n", [["", "d0"]]),
        ("10.0.0.0/24          unicast [a 09:33:27.660] (100)\n\tvia 192.0.2.1 on d0\n"
         "                     unicast [b 09:33:27.660] * (100)\n\tvia 192.0.2.2 on d1\n", [["192.0.2.2", "d1"]]),
        ("Network not found\n", None),
        ("syntax error, unexpected TEXT\n", None),
    ],
)  # fmt: skip
def test_the_best_route_of_bird(shown: str, hops: list[list[str]] | None) -> None:
    assert parse_bird.rib_hops("BIRD 2.0.12 ready.\nTable master4:\n" + shown) == hops


@pytest.mark.parametrize(
    ("shown", "hop"),
    [
        ("RTNETLINK answers: Network is unreachable\n", {"none": "Network is unreachable"}),
        ('[{"type":"local","dst":"10.9.9.1","dev":"lo"}]', {"local": True}),
        ('[{"type":"blackhole","dst":"10.9.9.1"}]', {"none": "blackhole"}),
        ('[{"dst":"192.0.2.9","dev":"d0"}]', {"gateway": "", "dev": "d0"}),
        ('[{"via":{"family":"inet6","host":"fe80::1"},"dev":"d"}]', {"gateway": "fe80::1", "dev": "d"}),
        ("Command line is not complete. Try option help\n", None),
        ("", None),
    ],
)  # fmt: skip
def test_what_the_kernel_does_with_a_destination(shown: str, hop: Any) -> None:
    assert parse_linux.kernel_hop(shown) == hop


def test_lookups_of_several_addresses_are_told_apart_by_their_order() -> None:
    def route(gateway: str) -> str:
        hop = {"fib": True, "ip": gateway, "interfaceName": "eth1"}
        parent = {"ip": "10.255.0.9", "recursive": True, "active": True}
        return json.dumps({"p": [{"selected": True, "nexthops": [parent, hop]}]}, indent=1)

    shown = route("192.0.2.1") + "\n{}\n" + '{\n  "0.0.0.0/0":[\n  ]\n}\n' + route("192.0.2.4") + "% Unknown command\n"
    assert parse_frr.rib_hops(shown, ["a", "b", "c", "d", "e"]) == {
        "a": [["192.0.2.1", "eth1"]], "b": [], "c": [], "d": [["192.0.2.4", "eth1"]], "e": None,
    }  # fmt: skip


SECRETS = """\
router bgp 65000
 neighbor 192.0.2.2 password S3cret
 neighbor 192.0.2.2 description key customer
 neighbor 192.0.2.2 send-community
interface eth1
 ip ospf message-digest-key 1 md5 S3cret two
 ip ospf authentication message-digest
key chain K
 key 1
  key-string S3cret
snmp-server community S3cret ro
enable secret S3cret
password "S3cret"; # BIRD
    authentication cryptographic; password "S3cret" { id 1; };
 route-map community permit 10
"""


def test_no_secret_of_a_configuration_is_kept_and_its_structure_is() -> None:
    made = redacted(SECRETS)
    assert "S3cret" not in made
    assert made.count("\n") == SECRETS.count("\n")
    for kept in (
        "router bgp 65000\n",
        " neighbor 192.0.2.2 password (redacted)\n",
        " neighbor 192.0.2.2 send-community\n",
        "interface eth1\n",
        " key 1\n",
        " route-map community permit 10\n",
    ):
        assert kept in made


def test_facts_keep_the_digest_of_the_configuration_as_it_was() -> None:
    def facts(password: str) -> dict[str, Any]:
        config = f"Current configuration:\n!\nfrr version 8.4.4\n neighbor x password {password}\nend\n"
        return parse.facts({"running_config": Answer(0, config, "")}, "frr")["routing"]  # type: ignore[no-any-return]

    one, two = facts("one"), facts("two")
    assert one["running_config"] == two["running_config"] and "(redacted)" in one["running_config"]
    assert one["running_sha256"] != two["running_sha256"]
    refused = parse.facts({"running_config": Answer(1, "Exiting: failed to connect to any daemons.\n", "")}, "frr")
    assert refused["routing"]["running_config"] is None and "failed to connect" in refused["unknown"]["running_config"]


def test_samples_are_routes_of_every_next_hop_in_turn_and_only_what_goes_to_a_router() -> None:
    listed = [("10.0.0.0/24", "A"), ("10.0.1.0/24", "B"), ("10.0.2.0/24", "A"), ("10.255.0.1", "C"), ("default", "A")]
    found = samples.candidates(["192.0.2.1", "nonsense"], ["10.255.0.9", "fe80::1"], listed, full_table=False)
    assert found[:5] == ["192.0.2.1", "10.255.0.9", "10.0.0.1", "10.0.1.1", "10.255.0.1"]
    assert "fe80::1" not in found and "10.0.2.1" in found
    behind = samples.candidates([], [f"10.255.0.{n}" for n in range(1, 9)], listed, full_table=False)
    assert behind[:5] == ["10.255.0.1", "10.255.0.2", "10.255.0.3", "10.255.0.4", "10.0.0.1"], "next hops come first"
    many = samples.candidates([], [], [(f"10.{n}.0.0/16", str(n)) for n in range(60)], full_table=False)
    assert len(many) == 16
    assert set(samples.candidates([], [], listed, full_table=True)) == set(samples.FAR)
    paths = {"a": {"kernel": {"gateway": "192.0.2.1", "dev": "eth1"}}, "b": {"kernel": {"gateway": "", "dev": "eth1"}},
             "c": {"kernel": {"local": True}}, "d": {"kernel": None}, "e": {"kernel": {"none": "x"}}}  # fmt: skip
    assert samples.choose(paths) == ["a"]
    assert not samples.few_routes({"ipv4": {"rib": 900_000}, "ipv6": {"rib": 5}})
    assert not samples.few_routes(None)
    assert samples.few_routes({"ipv4": {"rib": 20_000}, "ipv6": {"rib": 5}})


def test_a_round_asks_only_for_what_its_checks_look_at() -> None:
    def asked(suite: str, *checks: str) -> set[str]:
        made, each = commands.measurement(suite, samples=["192.0.2.1"], sysctls=[], checks=checks)
        return set(made) | set(each)

    assert asked("frr", "boot_id") == {"boot_id", "uptime"}
    assert asked("frr", "ospf3") == {"boot_id", "uptime", "ospf3"}
    assert asked("bird", "ospf3") == {"boot_id", "uptime", "ospf", "protocols"}
    assert asked("frr", "rib_fib") == {"boot_id", "uptime", "get:192.0.2.1", "rib:ipv4", "vpp"}
    assert asked("frr", "queues", "slab") == {"boot_id", "uptime", "channels", "meminfo"}


@pytest.mark.parametrize("suite", ["frr", "bird"])
@pytest.mark.parametrize("check", sorted(set(CHECKS) - {"rib_fib_neighbours", "sysctl"}))
def test_what_a_check_looks_at_is_asked_for(check: str, suite: str) -> None:
    """Judging by what is asked for one check says the same as judging by everything."""
    about, answers = load(next(case for case in CASES if case.name == f"facts-{suite}-ring-measurement"))
    whole = read(about, answers)
    asked, each = commands.measurement(suite, samples=about["samples"], sysctls=[], checks=[check])
    part = {n: a for n, a in answers.items() if n in asked or n.partition(":")[0] in each}
    made = parse.measurement(part, suite, samples=about["samples"])
    assert judge(CheckSpec(check), whole, made) == judge(CheckSpec(check), whole, whole)
    assert judge(CheckSpec(check), whole, made).verdict is Verdict.PASS


def test_numbers_and_words_of_hostile_json() -> None:
    assert [text.whole(v) for v in (5, "5", " 5 ", "-3", True, 5.0, "5x", 10**30, None, "٣")] == [
        5, 5, 5, -3, None, None, None, None, None, None,
    ]  # fmt: skip
    assert text.document("warning: x\n[1]\n") == [1]
    assert text.document('{"a": NaN}') == {"a": None}
    assert text.document("[" * 100_000) is None
