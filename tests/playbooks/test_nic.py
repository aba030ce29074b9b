"""Queues and rings: maximums, cards without them, read back, kept over a reboot, put back."""

import json
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fleet.core import preconditions
from fleet.core.model import StepSpec
from playbooks.base import Answer, Impossible, Seen
from playbooks.nic import parse
from playbooks.nic.driver import Nic, NicParams
from playbooks.nic.render import FILE
from tests.playbooks.scripted import FRR, Scripted, reached, step

RECORDINGS = Path(__file__).parent / "recordings" / "nic-ethtool-6.1"
UNSUPPORTED = Answer(1, "netlink error: Operation not supported\n", "")


def table(noun: str, name: str, most: dict[str, int], now: dict[str, int]) -> str:
    keys = {"rx": "RX", "tx": "TX", "other": "Other", "combined": "Combined"}
    lines = [f"{noun} parameters for {name}:", "Pre-set maximums:"]
    lines += [f"{word}:\t\t{most.get(key, 'n/a')}" for key, word in keys.items()]
    lines += ["Current hardware settings:", *(f"{word}:\t\t{now.get(key, 'n/a')}" for key, word in keys.items())]
    return "\n".join(lines) + "\n"


@dataclass
class Card:
    most: dict[str, int]
    now: dict[str, int]
    rings: dict[str, int] | None = None


@dataclass
class Machine:
    """Cards, files and units. `deaf` cards take a setting with exit status 0 and do not change."""

    session: Scripted
    cards: dict[str, Card]
    deaf: frozenset[str] = frozenset()
    enabled: set[str] = field(default_factory=set)

    def __call__(self, argv: tuple[str, ...]) -> Answer | str | None:
        match argv:
            case ("ip", "-j", "link", "show"):
                return json.dumps([{"ifname": name} for name in ("lo", *self.cards)])
            case ("ethtool", "-l", name):
                one = self.cards[name]
                return table("Channel", name, one.most, one.now) if one.most else UNSUPPORTED
            case ("ethtool", "-g", name):
                rings = self.cards[name].rings
                return table("Ring", name, {"rx": 4096, "tx": 4096}, rings) if rings else UNSUPPORTED
            case ("ethtool", option, name, *words):
                values = dict(zip(words[::2], map(int, words[1::2]), strict=True))
                target = self.cards[name].now if option == "-L" else self.cards[name].rings
                if name not in self.deaf and target is not None:
                    target.update(values)
                return ""
            case ("systemctl", "is-enabled", unit):
                return "enabled\n" if unit in self.enabled else Answer(1, "disabled\n", "")
            case ("systemctl", "enable", unit):
                self.enabled.add(unit)
                return ""
            case ("systemctl", "disable", unit):
                self.enabled.discard(unit)
                return ""
            case ("systemctl", "daemon-reload"):
                return ""
            case ("rm", "-f", path):
                self.session.files.pop(path, None)
                return ""
            case _:
                return None


def machine(**more: Any) -> tuple[Scripted, Machine]:
    session = Scripted()
    made = Machine(
        session,
        {
            "eth1": Card({"rx": 8, "tx": 8}, {"rx": 8, "tx": 8}),  # veth: no combined
            "eth2": Card({"combined": 16, "other": 1}, {"combined": 16, "other": 1}, {"rx": 512, "tx": 512}),
            "br0": Card({}, {}),
        },
        **more,
    )
    session.script = made
    return session, made


def nic(params: dict[str, Any], **more: Any) -> Any:
    return step("nic", params, **more)


def test_it_reads_the_recordings_of_veth_and_of_real_drivers() -> None:
    text = (RECORDINGS / "veth-set-and-errors.txt").read_text()
    first, second = [s for s in re.split(r"(?m)^\$ ", text) if s.startswith("ethtool -l vq0")]
    assert parse.amounts(first) == parse.Amounts({"rx": 8, "tx": 8}, {"rx": 8, "tx": 8})
    assert parse.amounts(second) == parse.Amounts({"rx": 8, "tx": 8}, {"rx": 4, "tx": 4})
    assert parse.amounts("netlink error: Operation not supported\nrc=1\n") is None


def test_queues_mean_combined_where_there_is_that_and_both_directions_elsewhere() -> None:
    session, cards = machine()
    look = Nic().precheck(session, nic({"queues": 4}))
    assert look.seen is Seen.READY, look.reasons
    held = nic({"queues": 4}, artifact=look.artifact)
    Nic().apply(session, held, deadline_s=30)
    assert cards.cards["eth1"].now == {"rx": 4, "tx": 4}
    assert cards.cards["eth2"].now["combined"] == 4
    assert Nic().observe(session, reached(held)).seen is Seen.DONE
    assert "ExecStart=-/usr/sbin/ethtool -L eth1 rx 4 tx 4\n" in session.files[FILE]
    assert "ExecStart=-/usr/sbin/ethtool -L eth2 combined 4\n" in session.files[FILE]
    assert cards.enabled == {"slipway-nic.service"}
    assert Nic().precheck(session, nic({"queues": 4})).seen is Seen.ALREADY
    assert Nic().observe_rollback(session, held).seen is Seen.NOT_DONE
    Nic().rollback(session, held, deadline_s=30)
    assert cards.cards["eth1"].now == {"rx": 8, "tx": 8} and FILE not in session.files and not cards.enabled
    assert Nic().observe_rollback(session, held).seen is Seen.DONE


def test_a_second_change_keeps_what_the_first_made_persistent() -> None:
    session, cards = machine()
    Nic().apply(session, nic({"interface": "eth1", "queues": 4}), deadline_s=30)
    first = session.files[FILE]
    second = nic({"interface": "eth2", "rings_rx": 1024})
    held = replace(second, artifact=Nic().precheck(session, second).artifact)
    Nic().apply(session, held, deadline_s=30)
    assert cards.cards["eth2"].rings == {"rx": 1024, "tx": 512}
    assert re.findall(r"-[LG] eth.*", session.files[FILE]) == ["-L eth1 rx 4 tx 4", "-G eth2 rx 1024"]
    Nic().rollback(session, held, deadline_s=30)
    assert session.files[FILE] == first and cards.enabled


def test_a_maximum_is_named() -> None:
    session, _ = machine()
    look = Nic().precheck(session, nic({"interface": "*", "queues": 12}))
    assert look.seen is Seen.IMPOSSIBLE
    assert [(r.subject, r.found) for r in look.reasons] == [
        ("eth1, rx queues", "a maximum of 8"),
        ("eth1, tx queues", "a maximum of 8"),
    ]


def test_all_means_the_cards_that_can_and_names_those_that_are_left_alone() -> None:
    session, cards = machine()
    cards.cards["eth0"] = Card({"combined": 1}, {"combined": 1})  # management: one queue
    wanted = nic({"interface": "all", "queues": 12})
    look = Nic().precheck(session, wanted)
    assert look.seen is Seen.READY and look.artifact is not None, look.reasons
    assert set(look.artifact["interfaces"]) == {"eth2"}
    left = {
        "eth0": "a maximum of 1, 12 wanted",
        "eth1": "a maximum of 8, 12 wanted",
        "br0": "a card that does not let them be set, 12 wanted",
    }
    assert look.data["left_alone"] == left
    held = replace(wanted, artifact=look.artifact)
    Nic().apply(session, held, deadline_s=30)
    assert cards.cards["eth2"].now["combined"] == 12
    assert cards.cards["eth0"].now == {"combined": 1} and cards.cards["eth1"].now == {"rx": 8, "tx": 8}
    assert {argv[2] for argv in session.said("-L")} == {"eth2"} and "eth0" not in session.files[FILE]
    done = Nic().observe(session, reached(held))
    assert done.seen is Seen.DONE and done.data["left_alone"] == left
    Nic().rollback(session, held, deadline_s=30)
    assert Nic().observe_rollback(session, held).seen is Seen.DONE


def test_all_is_impossible_only_where_no_card_can() -> None:
    session, _ = machine()
    look = Nic().precheck(session, nic({"interface": "all", "queues": 64}))
    assert look.seen is Seen.IMPOSSIBLE
    (reason,) = look.reasons
    assert "eth1: a maximum of 8, 64 wanted; eth2: a maximum of 16, 64 wanted; br0: " in reason.found


def test_a_card_that_was_meant_and_cannot_be_read_any_more_is_not_done() -> None:
    session, cards = machine()
    wanted = nic({"queues": 4})
    held = replace(wanted, artifact=Nic().precheck(session, wanted).artifact)
    Nic().apply(session, held, deadline_s=30)
    cards.cards["eth2"] = Card({}, {})
    look = Nic().observe(session, held)
    assert look.seen is Seen.NOT_DONE
    assert [(r.subject, r.found) for r in look.reasons] == [("eth2", "a card that does not let them be set, 4 wanted")]


def test_a_card_that_cannot_and_one_that_is_not_there_are_impossible() -> None:
    session, _ = machine()
    look = Nic().precheck(session, nic({"interface": "eth1", "rings_rx": 512}))
    assert look.seen is Seen.IMPOSSIBLE and "does not let them be set" in look.reasons[0].found
    look = Nic().precheck(session, nic({"interface": "eth9", "queues": 2}))
    assert look.seen is Seen.IMPOSSIBLE and look.reasons[0].wanted.startswith("eth9")


def test_an_exit_status_of_0_is_not_believed() -> None:
    session, _ = machine(deaf=frozenset({"eth1"}))
    held = nic({"interface": "eth[12]", "queues": 4})
    Nic().apply(session, held, deadline_s=30)
    look = Nic().observe(session, held)
    assert look.seen is Seen.NOT_DONE
    assert {(r.subject, r.found, r.wanted) for r in look.reasons} == {
        ("eth1, rx queues", "8", "4"), ("eth1, tx queues", "8", "4"),
    }  # fmt: skip


def test_interfaces_that_cannot_be_listed_hold() -> None:
    assert Nic().precheck(Scripted(answers={"ip -j link show": "nonsense"}), nic({"queues": 4})).seen is Seen.UNKNOWN


@pytest.mark.parametrize(
    "params",
    [{}, {"interface": "eth1"}, {"queues": 0}, {"queues": "4"}, {"queues": 4, "rx": 2}, {"queue": 4},
     {"queues": 4, "interface": "a;b"}],
)  # fmt: skip
def test_parameters_that_make_no_sense_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        NicParams.model_validate(params)


def test_without_facts_the_plan_says_what_will_be_written() -> None:
    assert Nic().plan(StepSpec("nic", {"queues": 4}), FRR, {}).commands == (ARMED, f"write and enable {FILE}")


ARMED = "the device puts all of it back by itself unless it is reached within 60 s"
FACTS = {
    "interfaces": {
        "lo": {"channels": None},
        "eth1": {"channels": {"rx": 8, "tx": 8, "max": {"rx": 8, "tx": 8}}, "rings": None},
        "br0": {"channels": None, "rings": None},
    }
}


def test_the_plan_shows_what_changes_from_the_facts_and_refuses_what_a_card_cannot() -> None:
    planned = Nic().plan(StepSpec("nic", {"queues": 4}), FRR, FACTS)
    left = "br0 left alone: a card that does not let them be set, 4 wanted\n"
    assert planned.diff == f"eth1, rx queues: 8 -> 4\neth1, tx queues: 8 -> 4\n{left}"
    assert planned.commands == (ARMED, "ethtool -L eth1 rx 4 tx 4", f"write and enable {FILE}")
    with pytest.raises(Impossible, match="a maximum of 8"):
        Nic().plan(StepSpec("nic", {"queues": 9}), FRR, FACTS)
    with pytest.raises(Impossible, match="eth7"):
        Nic().plan(StepSpec("nic", {"queues": 4, "interface": "eth7"}), FRR, FACTS)


@given(
    st.text() | st.from_regex(r"(Pre-set maximums:\n)?(RX|TX|Combined):[ -~\t]{0,20}\n(Current hardware settings:)?")
)
def test_no_text_makes_a_parser_raise(text: str) -> None:
    parse.amounts(text)
    parse.interfaces(text)


def test_what_moved_since_it_was_approved_holds_before_anything_is_touched() -> None:
    """Planned where eth1 had 8 queues; by now it has 2, and eth2 is a card that nobody planned for."""
    session, cards = machine()
    planned = Nic().plan(StepSpec("nic", {"queues": 4}), FRR, FACTS)
    assert planned.expected == {
        "facts": {"queues.eth1.rx": 8, "queues.eth1.tx": 8}, "wanted": {"queues.eth1.rx": 4, "queues.eth1.tx": 4},
    }  # fmt: skip
    cards.cards["eth1"].now.update({"rx": 2})
    look = Nic().precheck(session, replace(nic({"queues": 4}), planned=planned))
    assert look.seen is Seen.UNKNOWN
    assert [r.subject for r in look.reasons] == [f"{FRR.name}, queues.eth1.rx", f"{FRR.name}, queues.eth2.combined"]
    del cards.cards["eth2"]
    cards.cards["eth1"].now.update({"rx": 4})  # as wanted already: no drift
    assert Nic().precheck(session, replace(nic({"queues": 4}), planned=planned)).seen is Seen.READY
    cards.cards["eth1"].now.update({"rx": 2})
    assert Nic().precheck(session, nic({"queues": 4})).seen is Seen.READY, "planned without facts"


def test_rings_are_expected_where_the_facts_have_them() -> None:
    row = {"channels": None, "rings": {"rx": 512, "tx": 512, "max": {"rx": 4096, "tx": 4096}}}
    planned = Nic().plan(StepSpec("nic", {"rings_rx": 4096}), FRR, {"interfaces": {"eth2": row}})
    path = "interfaces.eth2.rings.rx"
    assert planned.expected == {"facts": {path: 512}, "wanted": {path: 4096}}
    assert preconditions.at({"interfaces": {"eth2": row}}, path) == 512, "the start looks it up in an observation"
