"""Versions as devices write them: one total order, and ranges that agree with it."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.core.model import Reason
from fleet.core.versions import Range, Relation, Version


def version(text: str, read: Callable[[str], Version | Reason] = Version.parse) -> Version:
    found = read(text)
    assert isinstance(found, Version), found
    return found


def span(text: str, read: Callable[[str], Version | Reason] = Version.parse) -> Range:
    found = Range.parse(text, read)
    assert isinstance(found, Range), found
    return found


ASCENDING = [
    ["6.12-rc3", "6.12", "6.12.0-amd64", "6.12.1-rc1", "6.12.1"],
    ["5.10.46", "5.10.46-trunk", "5.10.47"],
    ["6.1.0-amd64", "6.1.0-9-amd64", "6.1.0-28-amd64", "6.1.1", "6.18"],
    ["FRR 7.2", "FRR 7.3", "7.5-dev", "7.5", "FRR 8.4.4", "10.0"],
    ["2.8.20-k", "2.8.43", "2.13.10", "2.14.13", "2.30.18"],
    ["23.06~rc1", "23.06-rc0~71-g182d2b466", "23.06", "23.06.1"],
    ["7.3.1", "7.3.1-2~deb10u1", "7.3.1-2", "1:2.0", "0x1", "0x80008b82", "0x80009e5b"],
]


@pytest.mark.parametrize("texts", ASCENDING, ids=lambda t: t[-1])
def test_versions_as_devices_write_them_are_in_order(texts: list[str]) -> None:
    assert [v.text for v in sorted(map(version, reversed(texts)))] == texts


def test_one_version_in_two_spellings() -> None:
    assert version("7.5") == version("FRR 7.5") == version("v7.5.0") == version("FRRouting 7.5 (bly)")
    assert len({version("7.5"), version("7.5.0")}) == 1
    assert version("8.00 0x80008b82 1.2839.0").release == (8,), "the NVM version leads the line of ethtool -i"


def test_an_nvm_version_has_two_digits_after_the_point() -> None:
    nvm = Version.nvm
    assert version("9.5", nvm) == version("9.50", nvm) > version("9.05", nvm)
    assert version("6.01", nvm) < version("6.80", nvm) < version("8.00", nvm) < version("10.00", nvm)
    assert version("4.90", nvm) < version("a.10", nvm), "nibbles are printed as hexadecimal"
    assert version("14.32.1010", nvm).release == (14, 32, 1010), "other vendors' firmware is read as any version"


@pytest.mark.parametrize(
    "text", ["", "  ", "unknown", "(none)", "v", "latest", "7.5;x", "x" * 500, "7\u0663", "\0", "7..5"]
)
def test_what_is_no_version_is_a_reason(text: str) -> None:
    found = Version.parse(text)
    assert isinstance(found, Reason)
    assert found.found
    assert len(found.found) < 80


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("< 7.5", ["7.4.9", "7.5-rc1", "FRR 7.3"], ["7.5", "7.5.1", "10"]),
        ("7.3.*", ["7.3", "7.3.1", "7.3-dev", "7.3.1-2~deb10u1"], ["7.2.9", "7.30", "7.4"]),
        (">=2.13.10,<2.14", ["2.13.10", "2.13.99"], ["2.13.9", "2.14", "2.14.13"]),
        ("2.13.10", ["2.13.10", "2.13.10-1"], ["2.13.1", "2.13.100", "2.13.10-rc1"]),
        ("<= 7.3.1", ["7.3.1-2~deb10u1", "7.3"], ["7.3.2"]),
        ("> 7.3.1", ["7.3.2"], ["7.3.1-2", "7.3.1"]),
        ("7.3.1-2", ["7.3.1-2"], ["7.3.1", "7.3.1-3"]),
        ("0x80008b82", ["0x80008B82"], ["8.00"]),
        ("*", ["1", "0x1"], []),
    ],
)
def test_ranges(text: str, inside: list[str], outside: list[str]) -> None:
    found = span(text)
    assert [v for v in inside if not found.holds(version(v))] == []
    assert [v for v in outside if found.holds(version(v))] == []


@pytest.mark.parametrize("text", ["", "<", "7.3.*.1", "< x", "7.5,", ">=1 <2", "~7", "< 7.3.*", ",", "x" * 900])
def test_what_is_no_range_is_a_reason(text: str) -> None:
    assert isinstance(Range.parse(text), Reason)


_PARTS = st.sampled_from(["0", "1", "7", "13", "10", "rc1", "dev", "k", "amd64", "trunk", "deb12u1", "g1a"])
_VERSIONS = st.builds(
    lambda word, epoch, release, rest: word + epoch + ".".join(map(str, release)) + "".join(rest),
    st.sampled_from(["", "", "FRR ", "v"]),
    st.sampled_from(["", "", "1:"]),
    st.lists(st.integers(0, 14), min_size=1, max_size=4),
    st.lists(st.builds(str.__add__, st.sampled_from("-~+._"), _PARTS), max_size=3),
).map(version)
_BOUNDS = st.builds(
    lambda sign, v: f"{sign}{v.text}",
    st.sampled_from([r.value for r in Relation if r is not Relation.WITHIN]),
    _VERSIONS,
) | st.lists(st.integers(0, 14), min_size=1, max_size=3).map(lambda n: ".".join(map(str, n)) + ".*")


@given(_VERSIONS, _VERSIONS, _VERSIONS)
def test_the_order_is_total(a: Version, b: Version, c: Version) -> None:
    assert (a < b) + (a == b) + (b < a) == 1
    assert a == version(a.text)
    if a <= b <= c:
        assert a <= c
    if a == b:
        assert hash(a) == hash(b)
        assert (a < c) == (b < c)


@given(_BOUNDS, _VERSIONS, _VERSIONS, _VERSIONS)
def test_a_range_has_no_holes_in_the_order(text: str, a: Version, b: Version, c: Version) -> None:
    low, middle, high = sorted((a, b, c))
    found = span(text)
    if found.holds(low) and found.holds(high):
        assert found.holds(middle)


@given(_VERSIONS, _VERSIONS)
def test_bounds_are_each_others_opposites(bound: Version, v: Version) -> None:
    holds = {sign: span(f"{sign} {bound.text}").holds(v) for sign in ("<", "<=", ">", ">=", "=")}
    assert holds["<"] is not holds[">="]
    assert holds["<="] is not holds[">"]
    assert holds["="] is (holds["<="] and holds[">="])
    assert holds["<"] is (v < bound), "a range agrees with the order"
    assert span(bound.text).holds(bound)


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_text_makes_it_raise(text: str, other: str) -> None:
    for read in (Version.parse, Version.nvm):
        found = read(text)
        assert isinstance(found, Version | Reason)
        asked = Range.parse(other, read)
        if isinstance(found, Version) and isinstance(asked, Range):
            assert asked.holds(found) in (True, False)
