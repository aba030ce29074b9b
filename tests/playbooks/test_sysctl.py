"""Kernel settings: what is refused, what is sent, what is read back and put back."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.core.model import StepSpec
from playbooks.base import Answer, Seen
from playbooks.sysctl import parse
from playbooks.sysctl.driver import Sysctl
from playbooks.sysctl.render import FILE
from tests.playbooks.scripted import FRR, Scripted, reached, step

BACKLOG = "net.core.netdev_max_backlog"


class Kernel(Scripted):
    """Keys with their values; `lies` are taken and not stored."""

    def __init__(self, values: dict[str, str], lies: frozenset[str] = frozenset()) -> None:
        super().__init__()
        self.values, self.lies, self.script = values, lies, self.answer

    def answer(self, argv: tuple[str, ...]) -> Answer | str | None:
        match argv:
            case ("sysctl", "-n", key):
                absent = Answer(255, f"sysctl: cannot stat /proc/sys/{key}: No such file or directory\n", "")
                return self.values[key] + "\n" if key in self.values else absent
            case ("sysctl", "-w", setting):
                key, _, value = setting.partition("=")
                if key not in self.lies:
                    self.values[key] = value
                return f"{key} = {value}\n"
            case ("rm", "-f", path):
                self.files.pop(path, None)
                return ""
            case _:
                return None


def set_step(settings: Any, **more: Any) -> Any:
    return step("sysctl", {"set": settings}, **more)


def test_a_setting_is_in_effect_and_in_the_file_and_goes_back() -> None:
    kernel = Kernel({BACKLOG: "1000", "net.ipv4.tcp_rmem": "4096\t131072\t6291456"})
    kernel.files[FILE] = "# Written by Slipway\nnet.ipv4.ip_forward = 1\n"
    wanted = set_step({BACKLOG: 5000, "net.ipv4.tcp_rmem": "4096 131072 6291456"})
    look = Sysctl().precheck(kernel, wanted)
    assert look.seen is Seen.READY
    held = replace(wanted, artifact=look.artifact)
    Sysctl().apply(kernel, held, deadline_s=30)
    assert Sysctl().observe(kernel, reached(held)).seen is Seen.DONE
    assert parse.file_settings(kernel.files[FILE]) == {
        BACKLOG: "5000", "net.ipv4.ip_forward": "1", "net.ipv4.tcp_rmem": "4096 131072 6291456",
    }  # fmt: skip
    assert Sysctl().precheck(kernel, wanted).seen is Seen.ALREADY
    assert Sysctl().observe_rollback(kernel, held).seen is Seen.NOT_DONE
    Sysctl().rollback(kernel, held, deadline_s=30)
    assert kernel.values[BACKLOG] == "1000"
    assert kernel.files[FILE] == "# Written by Slipway\nnet.ipv4.ip_forward = 1\n"
    assert Sysctl().observe_rollback(kernel, held).seen is Seen.DONE


def test_a_file_that_was_not_there_is_removed_again() -> None:
    kernel = Kernel({BACKLOG: "1000"})
    held = set_step({BACKLOG: 5000}, artifact=Sysctl().precheck(kernel, set_step({BACKLOG: 5000})).artifact)
    Sysctl().apply(kernel, held, deadline_s=30)
    Sysctl().rollback(kernel, held, deadline_s=30)
    assert FILE not in kernel.files
    assert Sysctl().observe_rollback(kernel, held).seen is Seen.DONE


def test_a_kernel_that_says_yes_and_does_not_is_not_believed() -> None:
    kernel = Kernel({BACKLOG: "1000"}, lies=frozenset({BACKLOG}))
    held = set_step({BACKLOG: 5000})
    Sysctl().apply(kernel, held, deadline_s=30)
    look = Sysctl().observe(kernel, held)
    assert look.seen is Seen.NOT_DONE
    assert (look.reasons[0].found, look.reasons[0].wanted) == ("1000", "5000")


def test_a_key_that_does_not_exist_is_impossible() -> None:
    look = Sysctl().precheck(Kernel({}), set_step({"net.nosuch.key": 1}))
    assert look.seen is Seen.IMPOSSIBLE and "net.nosuch.key" in look.reasons[0].subject


@pytest.mark.parametrize(
    "settings",
    [{}, "", "net.ipv4.ip_forward", {"ip_forward": 1}, {"net..ipv4": 1}, {"net/../../etc": 1}, {"net.a b": 1},
     {"net.x": "$(reboot)"}, {"kernel.core_pattern": "|/bin/sh"}, {"net.x": True}, {"net.x": None}, {"net.x": "a\nb;"},
     {"net.x": "1" * 300}, 7],
)  # fmt: skip
def test_what_is_no_setting_is_refused(settings: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse.settings(settings)


def test_lines_are_settings_too() -> None:
    assert parse.settings("# a\nnet.core.x = 5\n\nnet.ipv4.conf.eth0/100.y=1 2\n") == {
        "net.core.x": "5", "net.ipv4.conf.eth0/100.y": "1 2",
    }  # fmt: skip


def test_the_plan_shows_what_changes() -> None:
    planned = Sysctl().plan(StepSpec("sysctl", {"set": {BACKLOG: 5000}}), FRR, {"sysctl": {BACKLOG: "1000"}})
    assert planned.diff == f"-{BACKLOG} = 1000\n+{BACKLOG} = 5000\n"
    assert Sysctl().plan(StepSpec("sysctl", {"set": {BACKLOG: 5000}}), FRR, {}).diff == f"+{BACKLOG} = 5000\n"


@given(st.text())
def test_no_text_makes_a_parser_raise(text: str) -> None:
    parse.file_settings(text)
    parse.current(0, text)


def test_what_moved_since_it_was_approved_holds_before_anything_is_touched() -> None:
    """The plan was made where the backlog was 1000; somebody made it 2000. What is wanted already is no drift."""
    spec, facts = StepSpec("sysctl", {"set": {BACKLOG: 5000}}), {"sysctl": {BACKLOG: "1000"}}
    planned = Sysctl().plan(spec, FRR, facts)
    path = f"sysctl.{BACKLOG}"
    assert planned.expected == {"facts": {path: "1000"}, "wanted": {path: "5000"}}
    look = Sysctl().precheck(Kernel({BACKLOG: "2000"}), replace(set_step({BACKLOG: 5000}), planned=planned))
    assert look.seen is Seen.UNKNOWN
    assert str(look.reasons[0]).startswith(f"{FRR.name}, {path}: found 2000 (on the device now), wanted 1000 as it was")
    for value in ("1000", "5000"):  # the file is not written yet
        assert Sysctl().precheck(
            Kernel({BACKLOG: value}), replace(set_step({BACKLOG: 5000}), planned=planned)
        ).seen is (Seen.READY)
    again = replace(set_step({BACKLOG: 5000}), planned=planned, artifact={"values": {BACKLOG: "1000"}, "file": None})
    assert Sysctl().precheck(Kernel({BACKLOG: "2000"}), again).seen is Seen.READY, "it was begun: it is seen through"
