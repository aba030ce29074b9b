"""Collecting: what was seen is stored once per call, what failed is named, hostile facts harm nothing."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from fleet import clock
from fleet.core.model import Reason
from inventory import discovery, models, seen, tasks
from inventory.storable import storable
from playbooks.base import Device, HostKeyRefused, Unreachable

pytestmark = pytest.mark.django_db
Fleet = Callable[[int], None]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(), max_size=8), inner, max_size=3)
    ),
    max_leaves=12,
)


def facts(kernel: str = "6.1.0-13-amd64") -> dict[str, Any]:
    card = {"driver": "i40e", "version": "2.13.10", "firmware": "8.00 0x80008b84", "bus": "0000:3b:00.0"}
    return {
        "version": 1,
        "kernel": kernel,
        "routing": {"suite": "frr", "version": "8.4.4"},
        "interfaces": {
            "eth0": {
                "mac": "02:00:00:00:00:01",
                "kind": "",
                "nic": card,
                "channels": {"combined": 8},
                "rings": None,
            },
            "dummy0": {"mac": "02:00:00:00:00:02", "kind": "dummy"},
        },
    }


class Fake:
    """A reach that answers from a table."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self.answers = answers
        self.asked: list[Device] = []

    def __call__(self, devices: Sequence[Device], *, workers: int, done: Callable[[str], None]) -> Mapping[str, Any]:
        self.asked += devices
        for device in devices:
            done(device.name)
        return {d.name: self.answers[d.name] for d in devices if d.name in self.answers}


def collect(names: Sequence[str], answers: Mapping[str, Any], now: datetime) -> discovery.Collected:
    return discovery.collect(names, now=now, workers=4, reach=Fake(answers))


def test_what_was_seen_is_stored_with_its_instant(fleet: Fleet, now: datetime) -> None:
    fleet(2)
    collected = collect(["r0"], {"r0": facts()}, now)
    observation = models.Observation.objects.get()
    assert collected.observations == {"r0": observation} and collected.failures == ()
    assert (observation.observed_at, observation.kind) == (now, "facts")
    assert observation.facts == facts() and observation.digest == models.digest_of(facts())
    nic = models.Nic.objects.select_related("interface").get()
    assert (nic.interface.name, nic.driver, nic.driver_version, nic.firmware, nic.pci_address) == (
        "eth0", "i40e", "2.13.10", "8.00 0x80008b84", "0000:3b:00.0",
    )  # fmt: skip
    assert (nic.channels, nic.rings) == ({"combined": 8}, None)
    assert set(models.Interface.objects.values_list("name", "kind")) == {("eth0", ""), ("dummy0", "dummy")}


def test_the_history_is_kept_and_rows_follow_the_newest(fleet: Fleet, now: datetime) -> None:
    fleet(2)
    collect(["r0"], {"r0": facts()}, now)
    later = now + timedelta(hours=1)
    new = facts("6.1.0-15-amd64")
    del new["interfaces"]["dummy0"]
    new["interfaces"]["eth0"]["nic"]["version"] = "6.1.0-15"
    collect(["r0"], {"r0": new}, later)
    assert models.Observation.objects.count() == 2
    assert models.Nic.objects.get().driver_version == "6.1.0-15"
    assert dict(models.Interface.objects.values_list("name", "last_seen_at")) == {"eth0": later, "dummy0": now}


def test_failures_are_named_with_their_reasons_and_stop_nobody(fleet: Fleet, now: datetime) -> None:
    fleet(6)
    silent = Reason("r1", "no answer on [127.0.0.1]:20001", "an SSH server", "See whether it is up.")
    other_key = Reason("r2", "another host key", "the key on record", "Look at the device.")
    answers = {
        "r0": facts(), "r1": Unreachable(silent), "r2": HostKeyRefused(other_key), "r3": KeyError("bug"), "r4": None,
    }  # fmt: skip
    collected = collect(["r4", "r3", "r2", "r1", "r0", "r5", "rr0"], answers, now)
    assert set(collected.observations) == {"r0"}
    found = {failure.router: failure.reason for failure in collected.failures}
    assert list(found) == ["r1", "r2", "r3", "r4", "r5", "rr0"]
    assert found["r1"] == silent and found["r2"] == other_key
    assert "KeyError: 'bug'" in found["r3"].found and found["r3"].remedy
    assert "no answer" in found["r4"].found and "no answer" in found["r5"].found
    assert "Did you mean r0?" in found["rr0"].remedy
    assert models.Observation.objects.count() == 1


def test_nothing_is_asked_for_nobody(db: None, now: datetime) -> None:
    fake = Fake({})
    assert discovery.collect([], now=now, workers=4, reach=fake) == discovery.Collected({}, ())
    assert fake.asked == []


@pytest.mark.parametrize(
    "hostile",
    [
        {},
        {"interfaces": "none", "routing": ["?"], "kernel": 7},
        {"interfaces": {"eth0": "?", "": {}, "x" * 65: {}, "eth1": {"mac": 5, "nic": {"driver": "d" * 500}}}},
        {"interfaces": {"eth\x000": {"mac": "\x00" * 99, "nic": {"driver": "a\ud800b"}}}, "log": "\x00\udfff"},
        {"load": float("nan"), "big": float("-inf"), "huge": 10**40, "bytes": b"\xff"},
    ],
)
def test_hostile_facts_are_stored_and_break_nobody(fleet: Fleet, now: datetime, hostile: dict[str, Any]) -> None:
    fleet(2)
    collected = collect(["r0", "r1"], {"r0": hostile, "r1": facts()}, now)
    assert set(collected.observations) == {"r0", "r1"}
    stored = models.Observation.objects.get(router__name="r0")
    assert stored.digest == models.digest_of(stored.facts)
    assert all(len(nic.driver) <= 63 for nic in models.Nic.objects.all())
    assert all(0 < len(interface.name) <= 64 for interface in models.Interface.objects.all())


def texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)


@given(JSON)
def test_whatever_the_facts_hold_reading_them_never_raises(value: Any) -> None:
    clean = storable(value)
    for where in (clean, {"interfaces": clean}, {"interfaces": {"eth0": clean}}, {"routing": clean, "kernel": clean}):
        seen.interfaces(where)
        seen.versions(where)
    json.dumps(clean, allow_nan=False)
    for text in texts(clean):
        assert "\x00" not in text
        text.encode("utf-8")  # raises for a lone surrogate
    assert storable(clean) == clean


def test_a_shard_costs_the_same_queries_whatever_its_size(fleet: Fleet, now: datetime) -> None:
    fleet(22)
    counts = []
    for first, last in ((0, 2), (2, 22)):
        answers = {f"r{n}": facts() for n in range(first, last)}
        for _ in range(2):  # the first creates interfaces and NICs, the second updates them
            with CaptureQueriesContext(connection) as queries:
                collect(list(answers), answers, now)
            counts.append(len(queries))
    assert counts[0] == counts[2] <= 30 and counts[1] == counts[3] <= 30


def test_progress_is_told_for_every_device(fleet: Fleet, now: datetime) -> None:
    fleet(4)
    done: list[str] = []
    discovery.collect(["r0", "r3"], now=now, workers=4, reach=Fake({"r0": facts()}), done=done.append)
    assert done == ["r0", "r3"]


def test_the_task_collects_its_shard_and_names_what_failed(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fleet(2)
    fake = Fake({"r0": facts(), "r1": Unreachable(Reason("r1", "no answer", "an SSH server"))})
    monkeypatch.setattr(discovery.collect, "__kwdefaults__", {**discovery.collect.__kwdefaults__, "reach": fake})
    tasks.collect([*models.Router.objects.values_list("pk", flat=True), 10**9])
    assert models.Observation.objects.get().router.name == "r0"
    assert "r1: found no answer" in caplog.text


def test_all_routers_are_rung_for_in_shards(fleet: Fleet, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    fleet(10)
    settings.SLIPWAY_SHARD_SIZE = 4
    rung: list[list[int]] = []
    monkeypatch.setattr(tasks.collect, "delay", lambda ids, run: rung.append(ids))
    tasks.collect_all()
    assert [len(shard) for shard in rung] == [4, 4, 2]
    run = models.CollectionRun.objects.get()
    assert (run.asked, run.waiting, run.ended_at) == (10, 10, None)
    tasks.collect_all()
    assert len(rung) == 3 and models.CollectionRun.objects.count() == 1  # one at a time
    models.CollectionRun.objects.update(started_at=clock.now() - timedelta(days=1))
    tasks.collect_all()  # whose messages were lost
    run.refresh_from_db()
    assert len(rung) == 6 and run.ended_at is not None and run.waiting == 10
    assert sorted(pk for shard in rung[:3] for pk in shard) == sorted(
        models.Router.objects.values_list("pk", flat=True)
    )
