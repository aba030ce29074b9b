"""Slipway itself as a vantage point, for real: ping through three routers in namespaces, there and back, both families.

here --- gateway (nobody knows it) --- core --- edge        other: a second way between gateway and edge
                \\------------------- other ---/
"""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from fleet.core import probes
from fleet.core.model import StepSpec
from playbooks import registry
from playbooks.base import Answer, Device, Look, Seen, Step
from playbooks.probe.measure import Task, measure
from tests import needs
from tests.playbooks.scripted import FRR, Scripted

MARK = f"slwp{os.getpid() % 100_000}"
FOUR, SIX = "198.18", "fd5a:18"
# A link's number and its ends; every end has .END of it in both families.
LINKS = (
    (1, "here", "gateway"),
    (2, "gateway", "core"),
    (3, "core", "edge"),
    (4, "gateway", "other"),
    (5, "other", "edge"),
)
LOOPBACK = {"core": 11, "edge": 12, "other": 13}
HERE = "here"


def addresses(link: int, end: int) -> tuple[str, str]:
    return f"{FOUR}.{link}.{end}", f"{SIX}:{link}::{end}"


def card(link: int, end: int) -> str:
    return f"{MARK[-6:]}-{link}{'ab'[end - 1]}"


def inside(name: str, *argv: str) -> subprocess.CompletedProcess[str]:
    within = [] if name == HERE else ["ip", "netns", "exec", f"{MARK}{name}"]
    return subprocess.run([*within, *argv], capture_output=True, text=True, check=False)


def must(name: str, *argv: str) -> None:
    done = inside(name, *argv)
    assert done.returncode == 0, (name, argv, done.stderr)


def route(name: str, number: int, link: int, end: int) -> None:
    """To the addresses .1 of a link or of a loopback (both families), by the END of LINK."""
    for to, via in zip((f"{FOUR}.{number}.0/24", f"{SIX}:{number}::/64"), addresses(link, end), strict=True):
        must(name, "ip", "route", "replace", to, "via", via)


class Inside(Scripted):
    """Commands in a namespace, as over SSH from here."""

    def _answer(self, argv: list[str]) -> Answer:
        if argv == ["printenv", "SSH_CONNECTION"]:
            return Answer(0, f"{addresses(1, 1)[0]} 40000 {self.device.address} 22\n", "")
        done = inside(self.device.name, *argv)
        return Answer(done.returncode, done.stdout + done.stderr, "")

    def put(self, path: str, text: str, *, mode: str = "0644") -> Answer:
        raise AssertionError("nothing is written by a probe")


@pytest.fixture
def network() -> Iterator[dict[str, Device]]:
    needs.need(needs.root())
    needs.need(needs.program("ping", "iputils-ping"))
    try:
        built()
        yield {
            name: replace(FRR, name=name, address=addresses(number, 1)[0], router_id="", suite="none")
            for name, number in LOOPBACK.items()
        }
    finally:
        for name in ("gateway", *LOOPBACK):
            with suppress(subprocess.CalledProcessError):
                subprocess.run(["ip", "netns", "del", f"{MARK}{name}"], check=True, capture_output=True)


def built() -> None:
    for name in ("gateway", *LOOPBACK):
        must(HERE, "ip", "netns", "add", f"{MARK}{name}")
        for key in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
            must(name, "sysctl", "-qw", f"{key}=1")
        must(name, "sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0")
        # A link that is a second old answers nobody while it looks for duplicates.
        must(name, "sysctl", "-qw", "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0")
        must(name, "ip", "link", "set", "lo", "up")
    for number, *ends in LINKS:
        must(HERE, "ip", "link", "add", card(number, 1), "type", "veth", "peer", "name", card(number, 2))
        for end, name in enumerate(ends, 1):
            wire = card(number, end)
            if name != HERE:
                must(HERE, "ip", "link", "set", wire, "netns", f"{MARK}{name}")
            four, six = addresses(number, end)
            must(name, "ip", "addr", "add", f"{four}/24", "dev", wire)
            must(name, "ip", "-6", "addr", "add", f"{six}/64", "dev", wire, "nodad")
            must(name, "ip", "link", "set", wire, "up")
    for name, number in LOOPBACK.items():
        four, six = addresses(number, 1)
        must(name, "ip", "addr", "add", f"{four}/32", "dev", "lo")
        must(name, "ip", "-6", "addr", "add", f"{six}/128", "dev", "lo")
    for number in (11, 12, 13):
        route(HERE, number, 1, 2)
    for name, number, link, end in (
        ("gateway", 11, 2, 2), ("gateway", 12, 2, 2), ("gateway", 13, 4, 2), ("core", 12, 3, 2), ("core", 1, 2, 1),
        ("edge", 1, 3, 1), ("other", 1, 4, 1), ("other", 12, 5, 2),
    ):  # fmt: skip
        route(name, number, link, end)


def probed(devices: Mapping[str, Device], **more: Any) -> tuple[list[probes.Probed], Mapping[str, Any]]:
    given = {"sources": ["slipway"], "targets": ["edge"], "beacons": (), "count": 20, "interval": 0.01} | more
    pairs, left_out = measure(Task(device=devices["edge"], devices=devices, **given), Inside)
    return pairs, {"pairs": [probes.to_row(one) for one in pairs], "left_out": [str(r) for r in left_out]}


def looked(verb: str, devices: Mapping[str, Device], progress: Mapping[str, Any]) -> Look:
    planned = registry.driver(verb).plan(StepSpec(verb, {}), devices["edge"], {})
    step = Step(verb, {}, planned, devices["edge"], progress=progress)
    return registry.driver(verb).observe(Inside(devices["edge"]), step)


def test_slipway_probes_through_a_gateway_that_nobody_knows(network: dict[str, Device]) -> None:
    pairs, kept = probed(network)
    assert [one.pair.family for one in pairs] == ["ipv4", "ipv6"]
    for one in pairs:
        print(f"{one.pair}: {one.times}; there {one.there}, back {one.back}")
        assert one.doubts == () and one.times is not None and (one.times.sent, one.times.lost) == (20, 0)
        assert (one.there[0], *one.there[2:]) == ("slipway", "core", "edge") and one.back[:2] == ("edge", "core")
    before = looked("probe", network, {"probed": kept})
    assert before.seen is Seen.DONE
    assert looked("probe-again", network, {"probed": probed(network)[1], "before": before.data}).seen is Seen.DONE

    must("core", "ip", "link", "set", card(3, 1), "down")
    lost = looked("probe-again", network, {"probed": probed(network)[1], "before": before.data})
    assert lost.seen is Seen.NOT_DONE and {row["verdict"] for row in lost.data["results"]} == {"fail"}
    assert "20 of 20 lost" in str(lost.reasons[0]), lost.reasons


def test_answers_that_take_another_way_decide_nothing(network: dict[str, Device]) -> None:
    route("edge", 1, 5, 1)  # what leaves the edge for here goes by `other`
    pairs, kept = probed(network)
    for one in pairs:
        assert one.times is not None and one.times.lost == 0
        assert "other" in one.back and "the same way as there" in str(one.doubts[0]), one
    assert looked("probe", network, {"probed": kept}).seen is Seen.UNKNOWN
