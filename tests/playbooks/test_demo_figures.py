"""The demonstration's rounds and controls: what is measured how often, what the figures say of it, when it is a no."""

import argparse
import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from lab.demo import __main__ as demo
from lab.demo.figures import Count, Loss, Result, show


def loss(lost: int = 0) -> Loss:
    return {"bly": {"ipv4": Count(1000, lost), "ipv6": Count(1000)}, "aebi": {"ipv4": Count(1000), "ipv6": Count(1000)}}


class Played:
    """A fleet that loses what it is told to, with drain by round, and when idle."""

    def __init__(self, result: Result, with_drain: dict[int, int], idle: int = 0) -> None:
        self.result, self.losses, self.idles, self.calls = result, with_drain, idle, list[tuple[str, int, float]]()

    def with_drain(self, number: int) -> tuple[Loss, float]:
        self.result.states |= {"bly": "done", "aebi": "done"}
        return loss(self.losses.get(number, 0)), 340.0 + number

    def without_drain(self, number: int, length_s: float) -> Loss:
        self.calls.append(("without_drain", number, length_s))
        return loss(500)

    def idle(self, number: int, length_s: float) -> Loss:
        self.calls.append(("idle", number, length_s))
        return loss(self.idles)

    def plant_a_fault(self) -> None:
        self.result.planted_fault = {"canary_name": "bly", "canary": "rolled_back", "later_waves": "never started"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(demo, "REPOSITORY", tmp_path)
    (tmp_path / "var" / "demo").mkdir(parents=True)
    return tmp_path / "var" / "demo"


def played(with_drain: dict[int, int], *, idle: int = 0, controls: str = "once") -> tuple[bool, Result, Played]:
    result = Result("a machine", "two routers")
    fleet = Played(result, with_drain, idle)
    return demo.play(fleet, result, argparse.Namespace(rounds=3, controls=controls)), result, fleet


def test_controls_are_as_long_as_one_round_and_measured_once(folder: Path) -> None:
    good, result, fleet = played({})
    assert good
    assert fleet.calls == [("without_drain", 1, 341.0), ("idle", 1, 341.0)]
    written = json.loads((folder / "result.json").read_text())
    assert [written[s]["rounds"] for s in ("with_drain", "without_drain", "idle")] == [3, 1, 1]
    assert written["with_drain"]["ipv4"] == {"sent": 6000, "lost": 0}
    assert written["idle"]["ipv4"] == {"sent": 2000, "lost": 0}
    assert [sorted(r) for r in written["rounds"]] == [["idle", "with_drain", "without_drain"], *[["with_drain"]] * 2]
    page = io.StringIO()
    show(result, Console(file=page, width=200))
    assert "3 rounds" in page.getvalue() and "1 round " in page.getvalue()


def test_controls_of_each_round_where_asked(folder: Path) -> None:
    _, result, fleet = played({}, controls="each")
    assert [call[1] for call in fleet.calls] == [1, 1, 2, 2, 3, 3]
    assert result.covers("idle") == 3


def test_a_router_that_lost_more_than_idle_is_a_no_and_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, result, _ = played({2: 3})
    assert not good
    assert result.worse_than_idle() == ["round 2, bly: 3 of 1000 IPv4 packets lost with the drain, 0 when idle"]
    said = capsys.readouterr().out
    assert "round 2, with drain: lost 3 of 2,000 IPv4 packets and 0 of 2,000 IPv6 packets (bly 3)" in said
    assert "round 3, with drain: lost 0 of 2,000" in said


def test_the_sum_of_rounds_is_not_held_against_one_control(folder: Path) -> None:
    good, result, _ = played({1: 2, 2: 2, 3: 2}, idle=2)
    assert good and result.total("with_drain", "ipv4").lost == 6
