"""A device with two addresses: the second is tried where nothing answers at the first, and nothing is sent twice."""

import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from fleet.core.model import PlannedStep, Reason, Reversibility
from lab.sim import SimFleet
from playbooks import cli_login, confirm
from playbooks.base import Device, HostKeyRefused, LoginRefused, Seen, Step, Unreachable, Unsure
from playbooks.either_address import reached
from playbooks.transport import connect, leg_session, run_shard

NOWHERE = "127.0.0.2"  # this machine, and nobody listens there


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimFleet]:
    with SimFleet.start(tmp_path_factory.mktemp("sim")) as running:
        yield running


@pytest.fixture(scope="module")
def bly(fleet: SimFleet) -> Device:
    """A router that answers at its fallback address alone."""
    row = next(r for r in YAML(typ="safe").load(fleet.inventory)["routers"] if r["name"] == "bly")
    made = Device("bly", NOWHERE, row["port"], "ops", f"file:{fleet.private_key}", row["host_key"], "frr", "sudo")
    return replace(made, fallback_address=row["address"])


def asked(fleet: SimFleet, word: str) -> int:
    """How often a command with this word has reached a router."""
    return sum(any(word in part for part in entry.get("argv", ())) for entry in fleet.journal())


def test_one_that_refuses_is_left_at_once_and_the_second_answers(bly: Device) -> None:
    begun = time.monotonic()
    session = connect(bly, timeout_s=60)
    assert session.run(["uname", "-n"]).out == "bly\n" and session.device == bly
    assert time.monotonic() - begun < 20
    session.close()
    first = connect(replace(bly, address=bly.fallback_address, fallback_address=NOWHERE))
    assert first.alive
    first.close()


def test_one_that_is_silent_costs_half_of_the_time_and_every_leg_gets_a_session(bly: Device) -> None:
    with socket.create_server((NOWHERE, bly.port)):
        begun = time.monotonic()
        results = run_shard([bly], lambda device: leg_session(device).run(["uname", "-n"]).out, timeout_s=4)
        assert results == {"bly": "bly\n"} and time.monotonic() - begun >= 2


def test_neither_answers_and_both_are_named(bly: Device) -> None:
    nobody = replace(bly, fallback_address="127.0.0.3")
    with pytest.raises(Unreachable) as error:
        connect(nobody)
    said = str(error.value.reason)
    assert f"{NOWHERE} and 127.0.0.3" in said and said.count("connection refused") == 2
    with pytest.raises(Unreachable) as error:
        connect(replace(bly, fallback_address=""))
    assert "127.0.0.3" not in str(error.value.reason)


def test_the_second_has_to_show_the_same_host_key(fleet: SimFleet, bly: Device) -> None:
    fleet.inject("bly", "wrong_host_key")
    try:
        with pytest.raises(HostKeyRefused) as refused:
            connect(bly)
    finally:
        fleet.clear("bly")
    assert bly.fallback_address in refused.value.reason.subject


def test_what_was_sent_and_not_answered_is_not_sent_to_the_other_address(fleet: SimFleet, bly: Device) -> None:
    for behaviour, value in (("drop_before", "4711"), ("drop_after", "4712"), ("hang", "4713")):
        fleet.inject("bly", behaviour, match=value)
        session = connect(bly)
        with pytest.raises(Unsure):
            session.run(["sysctl", "-w", f"net.core.rmem_max={value}"], root=True, timeout_s=1)
        assert not session.alive and asked(fleet, value) <= 1, behaviour
        fleet.clear("bly")


def test_libraries_that_log_in_by_themselves_know_the_key_at_both_addresses(bly: Device) -> None:
    with cli_login.login(bly) as (_, options), open(options["alt_key_file"]) as known:
        lines = known.read().splitlines()
    assert lines == [f"[{a}]:{bly.port} {bly.host_key}" for a in (NOWHERE, bly.fallback_address)]


def test_a_change_that_cut_off_its_own_way_in_is_not_confirmed_by_the_other(
    fleet: SimFleet, bly: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Step("sysctl", {}, PlannedStep("sysctl", {}, Reversibility.IN_PLACE, disruptive=False), bly)
    held = replace(held, artifact={"token": "abc123"})
    session, said = connect(bly), list[bool]()
    monkeypatch.setattr(confirm, "disarm", lambda *_: said.append(True))
    before = confirm.confirmed(session, held, {"values": 1})
    assert before.seen is Seen.WAITING and before.data["way"] == bly.fallback_address == session.address
    again = confirm.confirmed(session, replace(held, progress=before.data), {"values": 1})
    assert again.seen is Seen.DONE and said == [True]
    elsewhere = replace(held, progress={**before.data, "way": NOWHERE})
    cut = confirm.confirmed(session, elsewhere, {"values": 1})
    assert cut.seen is Seen.WAITING and said == [True], "not confirmed"
    assert (cut.reasons[0].found, cut.data["way"]) == (f"reached at {bly.fallback_address} alone", NOWHERE)
    assert session.put(confirm.of(held).file("reverting"), "").ok  # type: ignore[union-attr]
    back = confirm.confirmed(session, elsewhere, {})
    assert back.seen is Seen.IMPOSSIBLE and "put itself back" in back.reasons[0].found
    session.close()


REASON = Reason("SSH", "no answer", "an SSH server")
ENDS: list[Callable[[], Exception] | None] = [
    None, lambda: Unreachable(REASON), lambda: Unsure(REASON), lambda: HostKeyRefused(REASON),
    lambda: LoginRefused(REASON), lambda: OSError("x"),
]  # fmt: skip


@given(st.sampled_from(ENDS), st.sampled_from(ENDS), st.booleans(), st.floats(0.1, 60))
def test_an_attempt_is_made_once_for_each_address_and_only_silence_leads_on(
    first: Callable[[], Exception] | None, second: Callable[[], Exception] | None, has_two: bool, timeout_s: float
) -> None:
    ends, tried = {"a": first, "b": second}, list[tuple[str, float]]()
    device = Device("bly", "a", 22, "ops", "env:X", "", "frr", fallback_address="b" if has_two else "")

    def attempt(address: str, seconds: float) -> str:
        tried.append((address, seconds))
        if (error := ends[address]) is not None:
            raise error()
        return address

    try:
        got: str | Exception = reached(device, attempt, timeout_s=timeout_s)
    except Exception as error:
        got = error
    silent = first is not None and isinstance(first(), Unreachable)
    wanted = ["a", "b"] if silent and has_two else ["a"]
    assert [address for address, _ in tried] == wanted
    assert sum(seconds for _, seconds in tried) <= timeout_s * 1.000001
    end = ends[wanted[-1]]
    assert got == wanted[-1] if end is None else type(got) is type(end())
