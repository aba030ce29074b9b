"""What goes together: what runs is read from facts, what comes from an artifact, and each answer names its row."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.core.compat import (
    Advisory,
    Answer,
    Combination,
    Condition,
    Confidence,
    Evidence,
    Knowledge,
    Row,
    Says,
    Side,
    Status,
    Told,
    Trigger,
    Weight,
    after,
    combinations,
    match,
)
from fleet.core.compat_components import Brought, Running, brought, intended, running
from fleet.core.compat_findings import Meant, Target, combinations_after, look_at_components
from fleet.core.compat_hardware import Hardware, flavour, hardware
from fleet.core.model import Finding, Reason, Severity
from fleet.core.versions import Range, Version

KERNEL = "4.19.142"


def span(text: str, read: Any = Version.parse) -> Range:
    found = Range.parse(text, read)
    assert isinstance(found, Range)
    return found


def told(status: Status = Status.PUBLISHED, **more: Any) -> Told:
    return Told("the list", Confidence.MEDIUM, status, **more)


def facts(device: str = "1583", *, kernel: str = KERNEL, driver: str = KERNEL, nvm: str = "8.00", **more: Any) -> Any:
    nic = {"driver": "i40e", "version": driver, "firmware": f"{nvm} 0x80008b82 1.2839.0", "bus": "0000:01:00.0"}
    nic["pci"] = {"vendor": "8086", "device": device}  # type: ignore[assignment]
    return {
        "kernel": kernel,
        "cpu": {"vendor": "GenuineIntel"},
        "interfaces": {"eth1": {"nic": nic}, "br0": {"nic": {"driver": "bridge", "version": "2.3", "bus": ""}}},
        "packages": {},
        "routing": {"suite": "frr", "version": "7.3", "running_config": "router ospf6\n", "daemons": {"ospf6d": "up"}},
        "dataplane": "kernel",
        **more,
    }


def image(*components: dict[str, str]) -> Brought:
    return brought("image", "vyos", "1.3-20201230", list(components))


VENDOR = {"kind": "driver", "name": "i40e", "version": "2.13.10", "flavour": "vendor"}
NEW_KERNEL = {"kind": "kernel", "name": "linux", "version": "5.4.86"}
FRR_75 = {"kind": "routing", "name": "frr", "version": "7.5"}

WITHDRAWN = Row(
    "dpdk-20.11",
    Condition("i40e", frozenset({"XL710", "X710"}), "vendor", span("2.13.10"), nvm=span("8.00", Version.nvm)),
    told(Status.WITHDRAWN, withdrawn="2021-03-30", because="taken back"),
    last_known_good="the in-tree driver",
)
LEAK = Advisory(
    "leak", "it leaks", "driver.i40e", span("2.13.10"), "slab grows", "use another", Weight.STOP, told(), "vendor"
)
OSPF6D = Advisory(
    "ospf6d", "ospf6d dies", "routing.frr", span("7.3.*"), "ospf6d exits", "upgrade neighbours first", Weight.WARN,
    told(), when=Condition(features=frozenset({"ospf3"})), looks_at=frozenset(Side), trigger=Trigger.TOPOLOGY,
)  # fmt: skip


def look(
    device: Any,
    meant: Meant | None,
    *,
    rows: tuple[Row, ...] = (),
    advisories: tuple[Advisory, ...] = (),
    evidence: Any = None,
    beside: Any = None,
) -> dict[str, Finding]:
    beside = beside or {}
    target = Target(running("aebi", device), tuple(beside))
    around = {name: running(name, value) for name, value in beside.items()}
    found = look_at_components([target], around, meant, Knowledge(rows, advisories), evidence or {})
    return {f.code: f for f in found}


# -- what runs


@pytest.mark.parametrize(
    ("device", "family", "model"),
    [
        ("1572", "i40e", "X710"), ("0x1583", "i40e", "XL710"), ("158B", "i40e", "XXV710"), ("37d0", "i40e", "X722"),
        ("1593", "ice", "E810"), ("10fb", "ixgbe", "82599"), ("1f41", "igb", "i354"), ("1533", "igb", "i210"),
    ],
)  # fmt: skip
def test_adapters_are_told_by_their_pci_ids(device: str, family: str, model: str) -> None:
    assert hardware("8086", device) == Hardware(family, model)


def test_unknown_ids_leave_the_driver_as_the_family() -> None:
    assert hardware("8086", "ffff", "i40e") == Hardware("i40e")
    assert hardware("", "", "mlx5_core") == Hardware("mlx5")
    assert hardware("1137", "0043") == Hardware("enic", "VIC")


def test_whose_driver_it_is() -> None:
    assert flavour("i40e", "6.17.2-1-pve", "6.17.2-1-pve") == "in-tree"
    assert flavour("i40e", "2.8.20-k", "5.4.0") == "in-tree"
    assert flavour("i40e", "2.13.10", "5.4.0") == "vendor"
    assert flavour("virtio_net", "1.0.0", "5.4.0") == "", "a number of its own proves nothing there"


def test_what_runs_is_read_from_facts() -> None:
    found = running("aebi", facts())
    assert [str(c) for c in combinations(found)] == ["i40e (XL710) in-tree 4.19.142, firmware 8.00, kernel 4.19.142"], (
        "no bridge among the adapters"
    )
    assert found.cpu_vendor == "intel"
    assert found.of("routing.frr")[0].version == "7.3"
    assert found.features["ospf3"] is True
    assert running("new", {}).unknown >= {"kernel", "driver", "routing"}


def test_what_discovery_says_wins_over_what_is_guessed() -> None:
    device = facts(driver="2.13.10")
    device["interfaces"]["eth1"]["nic"] |= {"flavour": "in-tree", "nvm": "8.30", "api": "1.12"}
    (found,) = combinations(running("aebi", device))
    assert (found.flavour, found.nvm, found.api) == ("in-tree", "8.30", "1.12")


# -- what is brought


def test_an_image_without_a_list_of_drivers_takes_the_in_tree_ones_along() -> None:
    then = after(running("aebi", facts()), image(NEW_KERNEL))
    assert str(combinations(then)[0]) == "i40e (XL710) in-tree 5.4.86, firmware 8.00, kernel 5.4.86"


def test_a_new_kernel_leaves_open_what_becomes_of_a_vendors_driver() -> None:
    found = look(facts(driver="2.12.6"), Meant(image(NEW_KERNEL), {"kernel": ""}))
    assert "does not say which driver" in found["component-unknown"].reason.found
    assert found["component-unknown"].severity is Severity.WARN


def test_an_unplanned_driver_is_fatal_and_names_component_from_to_and_flavours() -> None:
    found = look(facts(), Meant(image(NEW_KERNEL, FRR_75, VENDOR), {"kernel": "", "routing.frr": "7.5"}))
    finding = found["component-unplanned"]
    assert finding.severity is Severity.FATAL
    assert finding.reason.subject == "driver.i40e on aebi"
    assert finding.reason.found == ("in-tree 4.19.142 > vendor 2.13.10, in-tree > vendor, brought by vyos 1.3-20201230")


def test_every_unplanned_component_is_named() -> None:
    target = Target(running("aebi", facts()))
    meant = Meant(image(NEW_KERNEL, FRR_75, VENDOR))
    found = look_at_components([target], {}, meant, Knowledge(), {})
    subjects = [f.reason.subject for f in found if f.code == "component-unplanned"]
    assert subjects == ["kernel on aebi", "routing.frr on aebi", "driver.i40e on aebi"]


def test_what_stays_as_it_is_is_no_change() -> None:
    same = {"kind": "kernel", "name": "linux", "version": KERNEL}
    assert "component-unplanned" not in look(facts(), Meant(image(same)))


def test_another_version_than_the_intended_one_is_fatal() -> None:
    found = look(facts(), Meant(image(FRR_75), intended("routing.frr=7.6")))
    assert found["component-unplanned"].reason.wanted == "7.6 as intended"
    found = look(facts(), Meant(image(NEW_KERNEL, VENDOR), intended("kernel, driver.i40e=in-tree")))
    assert found["component-unplanned"].reason.subject == "driver.i40e on aebi"


def test_a_kernel_package_names_the_kernel_by_itself() -> None:
    found = look(facts(), Meant(brought("kernel", "linux-image", "5.4.86", []), {}))
    assert "component-unplanned" not in found


def test_firmware_for_another_model_is_no_change() -> None:
    what = image({"kind": "firmware", "name": "X722", "version": "5.00"})
    assert "component-unplanned" not in look(facts(), Meant(what))
    what = image({"kind": "firmware", "name": "i40e", "version": "8.30"})
    assert look(facts(), Meant(what))["component-unplanned"].reason.found.startswith("8.00 > 8.30")


def test_a_version_that_cannot_be_read_is_named() -> None:
    found = look(facts(), Meant(image({"kind": "kernel", "name": "linux", "version": "rolling"}), {"kernel": ""}))
    assert "'rolling'" in found["version-unread"].reason.found
    assert found["version-unread"].severity is Severity.WARN


@pytest.mark.parametrize(
    ("brings", "words"),
    [
        ([], "nothing in what it brings"),
        ({"kernel": "5.4"}, "a dict"),
        ([{"kind": "driver", "name": "i40e"}], "driver i40e without a version"),
        ([{"kind": "toaster", "name": "x", "version": "1"}], "kind 'toaster'"),
        ([{"kind": "driver", "name": "i40e", "version": "1", "flavour": "ours"}], "flavour 'ours'"),
        (["i40e"], "kind ''"),
    ],
)
def test_a_list_that_says_nothing_readable_stops_the_plan(brings: Any, words: str) -> None:
    finding = look(facts(), Meant(brought("image", "vyos", "1.3", brings)))["brings-unknown"]
    assert words in finding.reason.found
    assert finding.severity is Severity.FATAL


def test_an_intended_component_that_nothing_brings_is_said() -> None:
    found = look(facts(), Meant(image(FRR_75), intended("routing.frr, drivr.i40e")))
    assert "'drivr.i40e'" in found["intended-unknown"].reason.found


# -- combinations


def planned(*rows: Row, evidence: Any = None) -> dict[str, Finding]:
    return look(facts(), Meant(image(VENDOR), {"driver.i40e": ""}), rows=rows, evidence=evidence)


def test_a_withdrawn_row_is_named_with_its_source_and_its_withdrawal() -> None:
    finding = planned(WITHDRAWN)["compat-withdrawn"]
    assert finding.severity is Severity.FATAL
    assert "row dpdk-20.11 of the list (withdrawn, confidence medium), withdrawn on 2021-03-30: taken back" in str(
        finding.reason
    )
    assert "Last known good: the in-tree driver." in finding.reason.remedy
    assert "No evidence of this fleet's own" in finding.reason.remedy


def test_a_row_that_still_says_so_makes_a_withdrawn_one_a_warning() -> None:
    still = Row("later", WITHDRAWN.when, told())
    assert planned(WITHDRAWN, still)["compat-withdrawn"].severity is Severity.WARN


def test_a_published_row_is_a_hint_until_the_fleet_has_soaked_it() -> None:
    row = Row("listed", WITHDRAWN.when, told())
    assert "row listed: the list (published, confidence medium)" in planned(row)["compat-hint"].reason.found
    meant = Meant(image(VENDOR), {"driver.i40e": ""})
    (found,) = combinations_after([Target(running("aebi", facts()))], meant)
    assert found.key is not None
    own = {found.key: Evidence(3, 2, 41.0, "2026-01-02T05:00:00+00:00", "2026-01-04T05:00:00+00:00")}
    assert "compat-hint" not in planned(row, evidence=own), "a day of own soaked hours counts more"
    few = {found.key: Evidence(1, 1, 2.0, "2026-01-02T05:00:00+00:00", "")}
    assert (
        "1 soaked for 2 h, on 1 devices, first seen 2026-01-02"
        in planned(row, evidence=few)["compat-hint"].reason.remedy
    )


def test_own_rows_need_no_hint() -> None:
    assert set(planned(Row("ours", WITHDRAWN.when, told(Status.OWN)))) == set()


def test_what_is_in_no_row_is_said_and_what_cannot_be_told_too() -> None:
    assert "in no row" in planned()["compat-no-row"].reason.found
    unsure = Row("needs-api", Condition("i40e", api=span("1.12")), told())
    assert "cannot tell whether row needs-api" in planned(unsure)["compat-cannot-tell"].reason.found


def test_what_is_to_be_avoided_stops_unless_its_source_is_weak() -> None:
    bad = Row("bad", WITHDRAWN.when, told(), Says.AVOID)
    assert planned(bad)["compat-avoid"].severity is Severity.FATAL
    weak = Row("weak", WITHDRAWN.when, Told("hearsay", Confidence.LOW), Says.AVOID)
    assert planned(weak)["compat-avoid"].severity is Severity.WARN


def test_a_row_for_another_model_or_processor_does_not_speak_of_it() -> None:
    found = Combination("i40e", "X722", "vendor", "2.13.10", KERNEL, "8.00", "", "amd")
    assert match(Knowledge((WITHDRAWN,)), found) == ()
    intel = Row("intel", Condition("i40e", cpu_vendor="intel"), told())
    assert match(Knowledge((intel,)), found) == ()
    unknown = Combination("i40e", "", "vendor", "2.13.10", KERNEL, "8.00")
    assert match(Knowledge((WITHDRAWN,)), unknown)[0][1] is Answer.UNKNOWN


def test_own_rows_come_first_and_withdrawn_ones_last() -> None:
    rows = tuple(Row(s.value, WITHDRAWN.when, told(s)) for s in (Status.WITHDRAWN, Status.PUBLISHED, Status.OWN))
    found = Combination("i40e", "XL710", "vendor", "2.13.10", KERNEL, "8.00")
    assert [row.id for row, _ in match(Knowledge(rows), found)] == ["own", "published", "withdrawn"]


# -- advisories


def test_an_advisory_stops_what_would_newly_have_it() -> None:
    finding = look(facts(), Meant(image(VENDOR)), advisories=(LEAK,))["advisory"]
    assert finding.severity is Severity.FATAL
    assert finding.reason.subject == "leak: driver.i40e vendor 2.13.10 on aebi"
    assert "slab grows" in finding.reason.found


def test_an_advisory_of_what_runs_already_does_not_stop_its_repair() -> None:
    device = facts(driver="2.13.10")
    assert "advisory" not in look(device, Meant(image(FRR_75)), advisories=(LEAK,))
    inside = image({"kind": "driver", "name": "i40e", "version": "2.14.13", "flavour": "vendor"})
    assert "advisory" not in look(device, Meant(inside), advisories=(LEAK,))


def test_a_neighbour_is_asked_what_the_topology_may_do_to_it() -> None:
    fine = facts(routing={"suite": "frr", "version": "7.5", "running_config": "router ospf6\n"})
    found = look(fine, None, advisories=(OSPF6D,), beside={"bly": facts(), "dekker": fine})
    assert found["advisory-neighbour"].reason.subject == "ospf6d: routing.frr 7.3 neighbour on bly"
    assert found["advisory-neighbour"].reason.remedy == "upgrade neighbours first"
    assert "advisory" not in found
    assert look(facts(), None, advisories=(OSPF6D,))["advisory"].reason.subject == "ospf6d: routing.frr 7.3 on aebi"


def test_a_neighbour_without_the_condition_is_left_alone() -> None:
    plain = facts(routing={"suite": "frr", "version": "7.3", "running_config": "router bgp 1\n", "daemons": {}})
    bird = facts(routing={"suite": "bird", "version": "2.0.12"})
    device = facts(routing={"suite": "frr", "version": "7.5"})
    assert look(device, None, advisories=(OSPF6D,), beside={"bly": plain, "sto": bird}) == {}


def test_a_neighbour_that_was_never_observed_is_named() -> None:
    device = facts(routing={"suite": "frr", "version": "7.5"})
    finding = look(device, None, advisories=(OSPF6D,), beside={"new": {}})["neighbour-unknown"]
    assert (finding.severity, finding.reason.subject) == (Severity.WARN, "neighbours on new")


def test_a_neighbour_whose_version_cannot_be_read_is_named() -> None:
    strange = facts(routing={"suite": "frr", "version": "of our own", "running_config": "router ospf6\n"})
    device = facts(routing={"suite": "frr", "version": "7.5"})
    finding = look(device, None, advisories=(OSPF6D,), beside={"bly": strange})["advisory-neighbour"]
    assert (finding.severity, finding.reason.found[:11]) == (Severity.WARN, "cannot tell")
    assert finding.reason.subject.endswith("on bly")


def test_one_finding_names_all_devices_that_it_holds_for() -> None:
    targets = [Target(running(f"r{n:03}", facts())) for n in range(200)]
    meant = Meant(image(VENDOR))
    (finding,) = [f for f in look_at_components(targets, {}, meant, Knowledge(), {}) if f.code == "component-unplanned"]
    assert finding.reason.subject.startswith("driver.i40e on r000, r001, ")
    assert "and 170 more (names " in finding.reason.subject
    (fewer,) = [
        f for f in look_at_components(targets[:-1], {}, meant, Knowledge(), {}) if f.code == "component-unplanned"
    ]
    assert finding.reason.subject.rpartition("names")[2] != fewer.reason.subject.rpartition("names")[2]


# -- nothing raises

_JUNK: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12) | st.sampled_from(["i40e", "8.00", "8086", "frr"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["nic", "pci", "driver", "version", "vendor", "device", "suite", "kind", "name"])
                      | st.text(max_size=5), inner, max_size=5),
    max_leaves=12,
)  # fmt: skip
_SECTIONS = ("kernel", "interfaces", "routing", "packages", "cpu", "modules", "dataplane", "vpp", "unknown")
_FACTS = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(_SECTIONS, _JUNK),
)


@given(_FACTS, _FACTS, _JUNK, st.text(max_size=30))
def test_no_facts_and_no_list_make_it_raise(mine: Any, beside: Any, brings: Any, named: str) -> None:
    meant = Meant(brought("image", "x", "1", brings), intended(named))
    found = look(mine, meant, rows=(WITHDRAWN,), advisories=(LEAK, OSPF6D), beside={"b": beside})
    for finding in found.values():
        assert isinstance(finding.reason, Reason)
        assert finding.reason.found and finding.reason.wanted
    device: Running = running("x", mine)
    assert all(isinstance(c, Combination) for c in combinations(device))


def test_an_advisory_about_changing_a_component_speaks_only_when_it_is_changed() -> None:
    ptp = Advisory(
        "ptp", "t", "firmware.i40e", Range(), "PTP fails", "mind it", Weight.WARN, told(), trigger=Trigger.CHANGED
    )
    flash = image({"kind": "firmware", "name": "i40e", "version": "8.30"})
    assert (
        look(facts(), Meant(flash), advisories=(ptp,))["advisory"].reason.subject == "ptp: firmware.i40e 8.30 on aebi"
    )
    assert "advisory" not in look(facts(), Meant(image(FRR_75)), advisories=(ptp,))
