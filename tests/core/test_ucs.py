"""Adapter policies: derived counts are legal or refused, limits are known or said to be unknown, reboots are named."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.core import ucs_links
from fleet.core.model import Finding, Severity
from fleet.core.ucs import (
    KNOWN_LIMITS,
    NAME_LENGTH,
    OUT_OF_QUEUES,
    Limits,
    Policy,
    commands,
    copies,
    derived,
    explained,
    illegal,
    limits_of,
    on_host,
    ranges,
)
from fleet.core.ucs_links import Telling
from fleet.core.ucs_reach import Maintenance, Profile, findings, users

NEW, OLD = "4.2(2a)", "2.2(8g)"
DEFAULT = Policy("default")
DN = "org-root/eth-profile-default"


def codes(found: tuple[Finding, ...]) -> list[str]:
    return [f.code for f in found]


@given(st.integers(-3, 1300), st.integers(-3, 1300), st.sampled_from((NEW, "3.2(1d)", OLD, "6.0(2d)", "no version")))
def test_what_is_derived_is_legal_or_refused_by_the_range_alone(receive: int, transmit: int, version: str) -> None:
    """UCS Manager checks nothing but the ranges: what they allow must fit by itself, and nothing else may be passed."""
    policy = derived("p", receive=receive, transmit=transmit)
    found = illegal(policy, version)
    within = all(getattr(policy, r.field) in r for r in ranges(version))
    assert bool(found) != within
    assert set(codes(found)) <= {"ucs-range"}
    if within:
        assert policy.completion == receive + transmit and policy.interrupts == receive + transmit + 2
        assert policy.rss == (receive > 1)


@given(st.builds(Policy, st.just("p"), *[st.integers(1, 600)] * 4, rss=st.booleans()))
def test_counts_that_do_not_fit_are_each_named(policy: Policy) -> None:
    found = codes(illegal(policy, NEW))
    assert ("ucs-completion" in found) == (policy.completion != policy.receive + policy.transmit)
    assert ("ucs-interrupts" in found) == (policy.interrupts < policy.completion + 2)
    assert ("ucs-rss-off" in found) == (policy.receive > 1 and not policy.rss)


def test_the_story_s_eight_queues() -> None:
    wanted = replace(derived("default", receive=8, transmit=8, like=DEFAULT), arfs=True)
    assert (wanted.completion, wanted.interrupts, wanted.receive_ring) == (16, 18, 512)
    assert not illegal(wanted, OLD)
    assert commands(DEFAULT, wanted) == (
        "enter eth-policy default", "set recv-queue count 8", "set trans-queue count 8", "set comp-queue count 16",
        "set interrupt count 18", "set rss receivesidescaling enabled", "set arfs accelaratedrfs enabled",
        "commit-buffer",
    )  # fmt: skip
    assert commands(wanted, wanted) == ()


@pytest.mark.parametrize(
    ("version", "field", "most"),
    [
        (OLD, "receive", 256), (OLD, "interrupts", 514), (OLD, "receive_ring", 4096), ("3.1(1a)", "receive", 1000),
        ("3.1(1a)", "receive_ring", 4096), (NEW, "receive_ring", 16384), (NEW, "completion", 2000),
        ("", "completion", 512),
    ],
)  # fmt: skip
def test_ranges_by_version(version: str, field: str, most: int) -> None:
    assert next(r.most for r in ranges(version) if r.field == field) == most


@pytest.mark.parametrize(
    ("model", "known"),
    [
        ("Cisco UCS VIC 1240", True), ("M81KR", True), ("UCS-M81KR", True), ("VIC 12400", False),
        ("VIC 15231", False), ("", False),
    ],
)  # fmt: skip
def test_an_adapter_is_known_by_its_model_and_never_guessed(model: str, known: bool) -> None:
    assert (limits_of(model) is not None) is known


@pytest.mark.parametrize(
    ("receive", "limits", "kernel", "cpus", "value", "why"),
    [
        (8, KNOWN_LIMITS["VIC 1240"], (5, 10), 40, 8, "policy"),
        (256, KNOWN_LIMITS["VIC 1240"], (6, 13), 40, 8, "story S4"),
        (16, Limits(64, 64, "lab"), (6, 1), 40, 8, "enic before Linux 6.13"),
        (16, Limits(64, 64, "lab"), (6, 13), 4, 4, "4 CPUs"),
        (16, None, (6, 13), 40, None, "at most 16: the limit of the adapter is not known"),
        (1, None, None, None, 1, "policy"),
    ],
)
def test_what_the_host_will_show(
    receive: int, limits: Limits | None, kernel: tuple[int, int] | None, cpus: int | None, value: int | None, why: str
) -> None:
    figure = on_host(derived("p", receive=receive, transmit=receive), limits, kernel=kernel, cpus=cpus)
    assert figure.value == value
    assert why in figure.why


def test_the_calculator_explains_each_figure() -> None:
    figures = {f.name: f for f in explained(derived("p", receive=8, transmit=8), 2, None)}
    assert figures["interrupts"].value == 18 and "16 completion queues + 2" in figures["interrupts"].why
    assert figures["completion queues on the adapter"].value == 32
    assert figures["completion queues that the adapter has"].value is None
    assert all(f.why for f in figures.values())


def blade(number: int, maintenance: Maintenance = Maintenance.USER_ACK, *, vnics: int = 1) -> Profile:
    name = f"cache{number}"
    place = f"sys/chassis-1/blade-{number}"
    return Profile(f"org-root/ls-{name}", name, place, "VIC 1240", (DN,) * vnics, maintenance, host=name)


WANTED = derived("default", receive=8, transmit=8)


def test_every_blade_that_would_reboot_at_once_is_named() -> None:
    fleet = [blade(1, Maintenance.IMMEDIATE), blade(2), blade(3, Maintenance.IMMEDIATE)]
    (finding,) = findings(DN, WANTED, fleet)
    assert finding.code == "ucs-immediate" and finding.severity is Severity.FATAL
    assert "cache1 (chassis-1/blade-1), cache3 (chassis-1/blade-3)" in finding.reason.found
    assert "cache2" not in finding.reason.found
    assert "user-ack" in finding.reason.remedy
    assert not findings(DN, WANTED, [blade(1), blade(2)])


@pytest.mark.parametrize(
    ("maintenance", "code"), [(Maintenance.UNKNOWN, "ucs-maintenance-unknown"), (Maintenance.TIMER, "ucs-timer")]
)
def test_a_reboot_that_nobody_here_starts_is_refused(maintenance: Maintenance, code: str) -> None:
    assert codes(findings(DN, WANTED, [blade(1, maintenance)])) == [code]


def test_256_queues_are_refused_with_the_words_of_the_story() -> None:
    wide = derived("default", receive=256, transmit=256)
    (finding,) = findings(DN, wide, [blade(1, vnics=2), blade(2)])
    assert finding.code == "ucs-above-limit" and finding.severity is Severity.FATAL
    assert all(text in finding.reason.remedy for text in OUT_OF_QUEUES)
    assert finding.reason.remedy.endswith("cache1 (chassis-1/blade-1).")
    assert codes(findings(DN, wide, [blade(1, vnics=2)], table={})) == ["ucs-limit-unknown"]


def test_all_vnics_of_an_adapter_count_together() -> None:
    table = {"VIC 1240": Limits(256, 256, "lab", completions=40)}
    assert codes(findings(DN, WANTED, [blade(1, vnics=2)], table=table)) == []
    assert codes(findings(DN, WANTED, [blade(1, vnics=3)], table=table)) == ["ucs-above-limit"]


def test_profiles_that_the_change_does_not_name_are_protected() -> None:
    fleet = [blade(1), blade(2)]
    (finding,) = findings(DN, WANTED, fleet, meant=[fleet[0].dn])
    assert finding.code == "ucs-shared" and "cache2" in finding.reason.found
    assert not findings(DN, WANTED, fleet, meant=[p.dn for p in fleet])


def test_only_profiles_with_a_blade_use_a_policy() -> None:
    idle = replace(blade(4), blade="")
    other = replace(blade(5), policies=("org-root/org-a/eth-profile-default",))  # the same name in another organisation
    assert users(DN, [blade(2), idle, other, blade(1)]) == (blade(1), blade(2))


@given(st.text("ab-", min_size=1, max_size=20), st.integers(0, 30), st.frozensets(st.text("ab-w1", max_size=16)))
def test_copies_have_names_that_ucs_manager_takes(name: str, waves: int, taken: frozenset[str]) -> None:
    made = copies(name, range(waves), taken)
    assert len(set(made)) == waves == len(made)
    assert not taken & set(made)
    assert all(0 < len(n) <= NAME_LENGTH for n in made)


# --- which device runs on a blade

_UUID = "00112233-4455-6677-8899-aabbccddeeff"


def test_a_uuid_may_be_shown_in_either_byte_order_and_placeholders_are_none() -> None:
    assert ucs_links.uuids(f" {_UUID.upper()} ") == (_UUID, "33221100-5544-7766-8899-aabbccddeeff")
    for nothing in ("", "Not Settable", "0" * 32, "ffffffff-ffff-ffff-ffff-ffffffffffff", _UUID[:-1]):
        assert ucs_links.uuids(nothing) == ()
    assert ucs_links.serial(" fch1846v0ab ") == "FCH1846V0AB"
    for nothing in ("", "Not Specified", "To Be Filled By O.E.M.", "0000000", "N/A"):
        assert ucs_links.serial(nothing) == ""


_DEVICES = st.frozensets(st.integers(1, 4), max_size=3)


@given(st.lists(_DEVICES, min_size=1, max_size=3))
def test_a_link_is_the_one_device_that_everything_points_to(told: list[frozenset[int]]) -> None:
    """Never a guess: where anything shows another device, or two, there is none and it is said."""
    names = {n: f"d{n}" for n in range(1, 5)}
    made = ucs_links.link("p", [Telling(f"by{n}", devices) for n, devices in enumerate(told)], names)
    heard = [devices for devices in told if devices]
    if made.device is not None:
        assert all(devices == {made.device} for devices in heard) and made.conflict is None
    elif heard:
        assert made.conflict is not None and len(frozenset.union(*heard)) > 1
    else:
        assert made.conflict is None and made.by == ""
