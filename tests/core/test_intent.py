"""What is wanted of a device: which profile wins, and that what is unknown is never called the same."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.core import intent
from fleet.core.intent import Assigned, Level, LineState, ProfileValue, Subject, Wanted
from fleet.core.intent_settings import SETTINGS
from fleet.core.model import Json

FEW = settings(max_examples=40, deadline=None)
XL710, VIC = frozenset({"8086:1583", "i40e", "xl710"}), frozenset({"1137:0043", "enic"})
BLY = Subject("bly", "edge", "MA1", {"eth1": XL710, "eth2": XL710, "mgmt": VIC})


def profile(name: str, settings: dict[str, Json], parent: str | None = None, weight: int = 0) -> ProfileValue:
    return ProfileValue(name, "nic", settings, parent, weight)


def resolved(*rows: tuple[ProfileValue, Level, str], subject: Subject = BLY) -> Any:
    known = {row[0].profile: row[0] for row in rows}
    return intent.resolve([Assigned(p.profile, level, target) for p, level, target in rows], known, subject)


LADDER = [
    (Level.FLEET, ""), (Level.ROLE, "edge"), (Level.SITE, "MA1"), (Level.NIC_MODEL, "i40e"), (Level.DEVICE, "bly"),
]  # fmt: skip


@FEW
@given(st.permutations(range(5)), st.sets(st.integers(0, 4), min_size=1), st.lists(st.integers(-9, 9), min_size=5))
def test_the_highest_level_wins_whatever_the_order_and_the_weights(
    order: list[int], used: set[int], weights: list[int]
) -> None:
    rows = [(profile(f"p{n}", {"nic.queues": n + 1}, weight=weights[n]), *LADDER[n]) for n in order if n in used]
    found = resolved(*rows)["nic.queues[eth1]"]
    ranked = sorted(used, reverse=True)
    assert (found.value, found.profile, found.level) == (ranked[0] + 1, f"p{ranked[0]}", LADDER[ranked[0]][0])
    assert [o.value for o in found.overridden] == [n + 1 for n in ranked[1:]]


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Assigned], dict[str, ProfileValue]]:
    names = ["a", "b", "c", "d"]
    keys = st.sampled_from(["nic.queues", "nic.queues[eth1]", "kernel.version", "nic.rings.rx[gone]"])
    known = {
        name: ProfileValue(
            name,
            "nic",
            draw(st.dictionaries(keys, st.one_of(st.none(), st.integers(1, 9)), max_size=3)),
            draw(st.sampled_from([None, *names])),  # cycles and itself among them
            draw(st.integers(0, 2)),
        )
        for name in names
    }
    where = st.sampled_from([*LADDER, (Level.ROLE, "core"), (Level.NIC_MODEL, "enic"), (Level.DEVICE, "aebi")])
    rows = draw(st.lists(st.tuples(st.sampled_from([*names, "gone"]), where), max_size=8))
    return [Assigned(name, level, target) for name, (level, target) in rows if name in known], known


@settings(max_examples=25, deadline=None)
@given(worlds(), st.randoms())
def test_the_order_of_rows_does_not_matter(world: tuple[list[Assigned], dict[str, ProfileValue]], random: Any) -> None:
    rows, known = world
    shuffled = list(rows)
    random.shuffle(shuffled)
    first = intent.resolve(rows, known, BLY)
    assert first == intent.resolve(shuffled, known, BLY) == intent.resolve([*rows, *rows], known, BLY)


@settings(max_examples=25, deadline=None)
@given(worlds())
def test_every_value_that_lost_is_listed_once(world: tuple[list[Assigned], dict[str, ProfileValue]]) -> None:
    rows, known = world
    mine = [r for r in rows if r.target in ("", "edge", "MA1", "i40e", "enic", "bly")]
    said = {
        (one.profile, level_of(row), row.profile)
        for row in mine
        for one in intent.chain(row.profile, known)
        if "kernel.version" in one.settings
    }
    wanted = intent.resolve(rows, known, BLY).get("kernel.version")
    listed = (
        [] if wanted is None else [(wanted.profile, wanted.level), *((o.profile, o.level) for o in wanted.overridden)]
    )
    assert sorted(listed) == sorted((name, level) for name, level, _ in said)


def level_of(row: Assigned) -> Level:
    return row.level


def test_within_a_level_the_weight_decides_then_the_name() -> None:
    a, z, heavy = (
        profile("a", {"nic.queues": 1}),
        profile("z", {"nic.queues": 2}),
        profile("h", {"nic.queues": 3}, weight=1),
    )
    one = (Level.ROLE, "edge")
    assert resolved((a, *one), (z, *one))["nic.queues[eth1]"].value == 2
    assert resolved((heavy, *one), (z, *one), (a, *one))["nic.queues[eth1]"].value == 3


def test_a_child_wins_over_its_parent_and_an_interface_over_all_of_them() -> None:
    known = {
        "base": profile("base", {"nic.queues": 4, "nic.rings.rx": 512}),
        "fast": profile("fast", {"nic.queues": 8, "nic.queues[eth2]": 6}, parent="base"),
    }
    found = intent.resolve([Assigned("fast", Level.FLEET)], known, BLY)
    assert {key: one.value for key, one in found.items()} == {
        "nic.queues[eth1]": 8, "nic.queues[eth2]": 6, "nic.queues[mgmt]": 8,
        "nic.rings.rx[eth1]": 512, "nic.rings.rx[eth2]": 512, "nic.rings.rx[mgmt]": 512,
    }  # fmt: skip
    assert (found["nic.rings.rx[eth1]"].profile, found["nic.rings.rx[eth1]"].via) == ("base", "fast")
    assert [(o.value, o.profile) for o in found["nic.queues[eth2]"].overridden] == [(8, "fast"), (4, "base")]


def test_a_nic_model_reaches_its_own_interfaces_and_devices_that_have_it() -> None:
    p = ProfileValue("x", "nic", {"nic.queues": 8, "firmware.i40e.nvm": "8.30"})
    assert set(resolved((p, Level.NIC_MODEL, "8086:1583"))) == {
        "nic.queues[eth1]", "nic.queues[eth2]", "firmware.i40e.nvm",
    }  # fmt: skip
    assert set(resolved((p, Level.NIC_MODEL, "XL710"))) == set(resolved((p, Level.NIC_MODEL, "i40e")))
    assert resolved((p, Level.NIC_MODEL, "ice")) == {}
    assert set(resolved((p, Level.FLEET, ""), subject=Subject("new"))) == {"nic.queues", "firmware.i40e.nvm"}


def test_a_cycle_is_named_once_and_does_not_hang() -> None:
    known = {n: profile(n, {}, parent=p) for n, p in (("a", "b"), ("b", "c"), ("c", "a"), ("d", "a"), ("self", "self"))}
    first, second = intent.cycles(known)
    assert str(first).startswith("profile a: found a cycle of parents: a > b > c > a")
    assert "self > self" in str(second)
    assert [p.profile for p in intent.chain("d", known)] == ["d", "a", "b", "c"]


@pytest.mark.parametrize(
    ("kind", "key", "value", "said"),
    [
        ("nic", "nic.queues", 0, "found 0, wanted a whole number from 1 to 1024"),
        ("nic", "nic.queues", True, "found true"),
        ("nic", "nic.quues", 8, "Did you mean nic.queues?"),
        ("nic", "kernel.version", "6.1", "a kernel setting in a nic profile"),
        ("kernel", "kernel.version", "latest", "a version or a range of versions"),
        ("kernel", "kernel.version[eth1]", "6.1", "no interface"),
        ("kernel", "kernel.sysctl.a", "1\n2", "a text on one line"),
        ("firmware", "firmware.i40e.nvm", "new", "an NVM version"),
        ("driver", "driver.i40e.flavour", "oot", "one of in-tree, vendor"),
        ("nic", "nic.rss.indir", {"equal": 0}, "a list of queues"),
        ("nic", "nic.affinity", "5-2", "CPUs such as"),
        ("nic", "nic.affinity", "0-1000000000", "CPUs such as"),
        ("nic", "nic.flow_hash.udp4", "sdxx", "letters"),
        ("nic", "nic.offload.gro", "on", "true or false"),
        ("nic", "", 1, "no such setting"),
        ("nic", "nic.flow_hash.", "sd", "no such setting"),
    ],
)
def test_a_wrong_setting_is_named(kind: str, key: str, value: Json, said: str) -> None:
    assert said in str(intent.refuse(kind, key, value))


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        ("nic", "nic.queues[eth1]", 8), ("nic", "nic.rss.indir", {"equal": 8}), ("nic", "nic.affinity", {"rx-0": "2"}),
        ("nic", "nic.rps", []), ("nic", "nic.flow_hash.udp4", "sdfn"), ("nic", "nic.queues", None),
        ("kernel", "kernel.cmdline.isolcpus", "2-5"), ("kernel", "kernel.sysctl.net.ipv4.ip_forward", 1),
        ("kernel", "kernel.version", ">= 6.1, < 6.2"), ("driver", "driver.i40e.version", "2.14.*"),
        ("firmware", "firmware.i40e.nvm", ">= 8.30"), ("kernel", "kernel.modules.i40e", "2.14.13"),
    ],
)  # fmt: skip
def test_a_right_setting_is_taken(kind: str, key: str, value: Json) -> None:
    assert intent.refuse(kind, key, value) is None


def test_every_setting_is_found_by_its_own_name_and_no_two_patterns_overlap() -> None:
    for setting in SETTINGS:
        path = setting.pattern.replace("<", "").replace(">", "")
        assert intent.setting_of(path) is not None
        assert len([s for s in SETTINGS if s.name_in(path)]) <= 1


FACTS: dict[str, Json] = {
    "kernel": "6.1.0-28-amd64",
    "cmdline": 'BOOT_IMAGE=/vmlinuz ro isolcpus=2-3 isolcpus=2-5 nosmt net.ifnames="0"',
    "modules": {"i40e": {"version": "2.13.10", "flavour": "vendor"}, "nf_conntrack": {"version": None}},
    "sysctl": {"net.ipv4.ip_forward": "1", "net.ipv4.tcp_rmem": "4096\t131072\t6291456"},
    "routing": {"suite": "frr", "version": "8.4.4"},
    "dataplane": "kernel",
    "interfaces": {
        "eth1": {
            "nic": {
                "driver": "i40e", "version": "2.13.10", "flavour": "vendor", "nvm": "8.00", "bus": "0000:01:00.0",
                "pci": {"vendor": "8086", "device": "1583"},
            },
            "channels": {"combined": 8, "max": {"combined": 64}},
            "rings": {"rx": 512, "tx": 512},
            "rss": {"key": "6D:5A:56:DA", "indirection": [0, 1, 2, 0, 1, 2]},
            "flow_hash": {"udp4": "fsdn"},
            "coalesce": {"rx-usecs": 50, "adaptive-rx": "on"},
            "offloads": {"generic-receive-offload": True},
            "affinity": {"i40e-eth1-TxRx-0": "2", "i40e-eth1-TxRx-1": "3", "i40e-0000:01:00.0:misc": "0"},
            "rps": {"rx-0": [2, 3], "rx-1": "2-3"},
        },
        "eth2": {"nic": {"driver": "i40e", "nvm": "8.30", "bus": "0000:01:00.1"}, "channels": {"rx": 4, "tx": 2}},
        "bond0": {"nic": {"driver": "bonding", "bus": ""}},
    },
    "unknown": {"xps:eth1": "needs root"},
}  # fmt: skip
SAME, DIFFERENT, UNKNOWN, NOT = LineState.SAME, LineState.DIFFERENT, LineState.UNKNOWN, LineState.NOT_APPLICABLE


@pytest.mark.parametrize(
    ("key", "wanted", "state"),
    [
        ("nic.queues[eth1]", 8, SAME), ("nic.queues[eth1]", 4, DIFFERENT), ("nic.queues[eth2]", 4, DIFFERENT),
        ("nic.queues[eth9]", 4, UNKNOWN), ("nic.queues", 4, UNKNOWN), ("nic.rings.rx[eth2]", 512, UNKNOWN),
        ("nic.rss.key[eth1]", "6d:5a:56:da", SAME), ("nic.rss.indir[eth1]", {"equal": 3}, SAME),
        ("nic.rss.indir[eth1]", {"equal": 2}, DIFFERENT), ("nic.rss.indir[eth1]", [0, 1, 2, 0, 1, 2], SAME),
        ("nic.flow_hash.udp4[eth1]", "sdfn", SAME), ("nic.flow_hash.udp4[eth1]", "sd", DIFFERENT),
        ("nic.flow_hash.udp6[eth1]", "sd", UNKNOWN), ("nic.coalesce.rx-usecs[eth1]", 50, SAME),
        ("nic.coalesce.adaptive-rx[eth1]", False, DIFFERENT), ("nic.offload.gro[eth1]", True, SAME),
        ("nic.offload.lro[eth1]", True, UNKNOWN),
        ("nic.affinity[eth1]", "2-5", SAME), ("nic.affinity[eth1]", "3-5", DIFFERENT),
        ("nic.affinity[eth1]", {"i40e-eth1-TxRx-0": 2}, SAME), ("nic.affinity[eth1]", {"other": 2}, UNKNOWN),
        ("nic.rps[eth1]", "2-3", SAME), ("nic.rps[eth1]", "2-5", DIFFERENT), ("nic.xps[eth1]", "2", UNKNOWN),
        ("kernel.version", "6.1.*", SAME), ("kernel.version", "6.1.0-28-amd64", SAME),
        ("kernel.version", "6.1.0-30-amd64", DIFFERENT), ("kernel.cmdline.isolcpus", "2-5", SAME),
        ("kernel.cmdline.isolcpus", "2-3", DIFFERENT), ("kernel.cmdline.nosmt", True, SAME),
        ("kernel.cmdline.mitigations", False, SAME), ("kernel.cmdline.mitigations", "off", DIFFERENT),
        ("kernel.sysctl.net.ipv4.ip_forward", 1, SAME),
        ("kernel.sysctl.net.ipv4.tcp_rmem", "4096 131072 6291456", SAME),
        ("kernel.sysctl.vm.swappiness", 1, UNKNOWN), ("kernel.modules.i40e", "2.13.10", SAME),
        ("kernel.modules.i40e", "2.14.*", DIFFERENT), ("kernel.modules.nf-conntrack", False, DIFFERENT),
        ("kernel.modules.nf_conntrack", "1.0", UNKNOWN), ("kernel.modules.ice", True, DIFFERENT),
        ("kernel.modules.ice", "1.0", DIFFERENT), ("driver.i40e.flavour", "in-tree", DIFFERENT),
        ("driver.i40e.flavour", "vendor", UNKNOWN),
        ("driver.enic.version", "1.0", NOT), ("firmware.i40e.nvm", "8.30", DIFFERENT),
        ("firmware.i40e.nvm", ">= 8.00", SAME), ("firmware.enic.nvm", "8.30", NOT),
        ("routing.suite_version", "8.4.*", SAME), ("routing.suite", "bird", DIFFERENT),
        ("dataplane.kind", "vpp", DIFFERENT), ("adapter.policy", "fast", UNKNOWN), ("no.such", 1, UNKNOWN),
        ("nic.queues[eth1]", None, NOT),
    ],
)  # fmt: skip
def test_wanted_beside_found(key: str, wanted: Json, state: LineState) -> None:
    (line,) = intent.compare({key: Wanted(wanted, "p", Level.FLEET)}, FACTS)
    assert line.state is state, line
    assert (line.why != "") == (state in {UNKNOWN, NOT})


def test_what_only_root_may_read_says_so() -> None:
    (line,) = intent.compare({"nic.xps[eth1]": Wanted("2", "p", Level.FLEET)}, FACTS)
    assert "needs root" in line.why


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
SECTIONS = [
    "kernel", "cmdline", "modules", "sysctl", "routing", "dataplane", "interfaces", "unknown", "adapter",
]  # fmt: skip
ON_CARD = [
    "nic", "channels", "rings", "rss", "flow_hash", "coalesce", "offloads", "priv_flags", "affinity", "rps", "xps",
]  # fmt: skip
paths = st.sampled_from(
    [
        s.pattern.replace("<protocol>", "udp4").replace("<family>", "i40e").replace("<", "").replace(">", "")
        + ("[eth1]" if s.per_interface else "")
        for s in SETTINGS
    ]
)


@FEW
@given(
    paths, anything, st.dictionaries(st.sampled_from(SECTIONS), anything),
    st.one_of(anything, st.dictionaries(st.sampled_from(ON_CARD), anything)),
)  # fmt: skip
def test_whatever_the_facts_hold_nothing_raises(key: str, wanted: Json, facts: dict[str, Json], card: Json) -> None:
    for seen in (facts, {**facts, "interfaces": {"eth1": card}}, None):
        (line,) = intent.compare({key: Wanted(wanted, "p", Level.FLEET)}, seen)
        if line.found is None and wanted is not None:
            assert line.state in {UNKNOWN, NOT}


@FEW
@given(paths, anything, st.sets(st.sampled_from(SECTIONS)), st.sets(st.sampled_from(ON_CARD)))
def test_unknown_is_never_the_same_and_never_drift(key: str, wanted: Json, gone: set[str], silent: set[str]) -> None:
    """Take sections away from complete facts: a line either says what it said before, or that it cannot be told."""
    before = intent.compare({key: Wanted(wanted, "p", Level.FLEET)}, FACTS)[0].state
    less: dict[str, Json] = {k: None if k in gone else v for k, v in FACTS.items()}
    if less["interfaces"] is not None:
        card = {k: None if k in silent else v for k, v in FACTS["interfaces"]["eth1"].items()}
        less["interfaces"] = {"eth1": card}
    after = intent.compare({key: Wanted(wanted, "p", Level.FLEET)}, less)[0].state
    if silent or gone:
        path = key.split("[")[0]
        mine = {"nic.queues": "channels", "nic.rings.rx": "rings", "kernel.version": "kernel"}.get(path)
        if mine in silent | gone and wanted is not None:
            assert after is UNKNOWN
    assert after in {before, UNKNOWN, NOT, *([SAME, DIFFERENT] if key.startswith(("firmware", "driver")) else [])}
