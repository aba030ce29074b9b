"""What was seen becomes rows: processors, software, packages, modules, daemons, cards; and how far a collection is."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given

from fleet.core.model import Reason
from inventory import discovery, models, pci_ids, running, seen_machine, tasks
from playbooks.base import Device, Unreachable
from tests.inventory.test_inventory_discovery import JSON, Fake

pytestmark = pytest.mark.django_db
Fleet = Callable[[int], None]
FACTS: dict[str, Any] = {
    "version": 1,
    "root": True,
    "kernel": "6.1.0-28-amd64",
    "boot_id": "87734e14-2f4c-485b-a95e-c6fef4a75b8d",
    "booted_at": 1_795_218_926,
    "cmdline": "root=/dev/sda1 isolcpus=2-5",
    "os": {"id": "debian", "pretty_name": "Debian GNU/Linux 12 (bookworm)"},
    "cpu": {
        "vendor": "GenuineIntel", "model": "Xeon", "sockets": 1, "cores": 2, "threads": 4, "numa_nodes": 1,
        "siblings": [[0, 2], [1, 3]], "isolated": "2-5",
    },
    "modules": {
        "i40e": {"version": "2.13.10", "flavour": "vendor"},
        "ext4": {"version": None, "flavour": "in-tree"},
        "igb": {"version": None, "flavour": "in-tree"},
    },
    "packages": {"frr": "8.4.4-1.1~deb12u1"},
    "routing": {"suite": "frr", "version": "8.4.4", "daemon_list": {"bgpd": {"pid": 721, "started_s": 9.5}}},
    "interfaces": {
        "eth1": {
            "mac": "02:00:00:00:00:01", "kind": "",
            "nic": {
                "driver": "i40e", "version": "2.13.10", "firmware": "8.00 0x80008b82 1.3353.0", "bus": "0000:3b:00.0",
                "pci": {"vendor": "8086", "device": "1583", "subvendor": "8086", "subdevice": "0001"}, "nvm": "8.00",
                "serial": "06-51-00-ff-ff-01-00-00", "api": "1.12", "option_rom": "1.3353.0", "numa_node": 1,
                "flavour": "vendor",
            },
        },
        "eth0": {"mac": "02:00:00:00:00:02", "nic": {"driver": "igb", "pci": None, "numa_node": None}},
    },
}  # fmt: skip
IDS = "# comment\n8086  Intel Corporation\n\t1583  Ethernet Controller XL710 for 40GbE QSFP+\n" + (
    "\t\t8086 0001  Ethernet Converged Network Adapter XL710-Q1\n1af4  Red Hat, Inc.\nC 02  Network\n\t00  x\n"
)


def collect(answers: Mapping[str, Any], now: datetime, run: models.CollectionRun | None = None) -> discovery.Collected:
    return discovery.collect(list(answers), now=now, workers=4, reach=Fake(answers), run=run)


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pci_ids, "names", lambda: pci_ids.parse(IDS.splitlines(keepends=True)))


def test_rows_say_what_the_facts_say(fleet: Fleet, now: datetime) -> None:
    fleet(2)
    collect({"r0": FACTS}, now)
    cpu, software = models.Cpu.objects.get(), models.Software.objects.get()
    assert (cpu.vendor, cpu.sockets, cpu.cores, cpu.threads, cpu.isolated) == ("GenuineIntel", 1, 2, 4, "2-5")
    assert cpu.siblings == [[0, 2], [1, 3]]
    assert (software.kernel, software.suite, software.suite_version) == ("6.1.0-28-amd64", "frr", "8.4.4")
    assert software.booted_at == datetime.fromtimestamp(1_795_218_926, UTC)
    daemon = models.Daemon.objects.get()
    assert (daemon.name, daemon.version, daemon.pid) == ("bgpd", "8.4.4", 721)
    assert daemon.started_at == software.booted_at + timedelta(seconds=9)
    assert models.Package.objects.get().version == "8.4.4-1.1~deb12u1"
    # ext4 is neither of a card, nor from elsewhere, nor has it a version of its own.
    assert dict(models.Module.objects.values_list("name", "flavour")) == {"i40e": "vendor", "igb": "in-tree"}
    nic = models.Nic.objects.get(interface__name="eth1")
    assert nic.model == "Intel Corporation Ethernet Controller XL710 for 40GbE QSFP+"
    assert (nic.nvm, nic.api, nic.option_rom, nic.numa_node, nic.driver_flavour) == (
        "8.00",
        "1.12",
        "1.3353.0",
        1,
        "vendor",
    )
    assert models.Card.objects.get().serial == nic.serial == "06-51-00-ff-ff-01-00-00"


def test_what_is_gone_loses_its_row_and_what_is_not_told_keeps_it(fleet: Fleet, now: datetime) -> None:
    fleet(2)
    collect({"r0": FACTS}, now)
    silent = deepcopy(FACTS) | {"packages": None, "modules": None, "cpu": None}
    silent["routing"]["daemon_list"] = None
    collect({"r0": silent}, now + timedelta(hours=1))
    assert models.Package.objects.count() == models.Cpu.objects.count() == models.Daemon.objects.count() == 1
    later = deepcopy(FACTS) | {"packages": {"frr": "10.1", "bird2": "2.0.12-7"}, "modules": {}}
    later["routing"]["daemon_list"] = {"zebra": {"pid": 5, "started_s": 1}}
    collect({"r0": later}, now + timedelta(hours=2))
    assert dict(models.Package.objects.values_list("name", "version")) == {"frr": "10.1", "bird2": "2.0.12-7"}
    assert not models.Module.objects.exists()
    assert models.Daemon.objects.get().name == "zebra"


def test_two_devices_with_one_card_are_named(fleet: Fleet, now: datetime) -> None:
    fleet(2)
    collected = collect({"r0": FACTS, "r1": FACTS}, now)
    (reason,) = collected.claimed
    assert "06-51-00-ff-ff-01-00-00" in str(reason) and "r0" in str(reason) and "r1" in str(reason)
    assert set(collected.observations) == {"r0", "r1"}


def test_a_device_in_a_running_change_is_collected_and_marked(
    fleet: Fleet, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet(2)
    monkeypatch.setattr(running, "_ask", lambda names: frozenset({"r1"}) & frozenset(names))
    seen = collect({"r0": FACTS, "r1": FACTS}, now).observations
    assert (seen["r0"].during_change, seen["r1"].during_change) == (False, True)


def test_a_collection_counts_devices_not_messages(
    fleet: Fleet, now: datetime, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    fleet(4)
    answers: dict[str, Any] = {"r0": FACTS, "r1": Unreachable(Reason("r1", "no answer", "an SSH server", "Look."))}
    fake = Fake(answers)
    monkeypatch.setattr(discovery.collect, "__kwdefaults__", {**discovery.collect.__kwdefaults__, "reach": fake})
    monkeypatch.setattr(tasks.collect, "delay", tasks.collect)
    settings.SLIPWAY_SHARD_SIZE = 2
    tasks.collect_all("a person")
    run = models.CollectionRun.objects.newest()
    assert run is not None and (run.why, run.asked, run.done, run.failed) == ("a person", 4, 1, 3)
    assert run.ended_at is not None and run.waiting == 0
    assert "no answer" in run.failures.get(router__name="r1").reason
    ids = list(models.Router.objects.filter(name__in=["r0", "r1"]).values_list("pk", flat=True))
    tasks.collect(ids, run.pk)  # the same message again
    answers["r1"] = FACTS
    tasks.collect(ids, run.pk)  # and once more, when r1 is back
    run.refresh_from_db()
    assert (run.done, run.failed) == (2, 2)


@given(JSON)
def test_whatever_the_facts_hold_reading_rows_never_raises(value: Any) -> None:
    documents: tuple[Any, ...] = (
        value,
        {"cpu": value, "packages": value, "modules": value, "os": value, "booted_at": value},
        {"routing": {"daemon_list": value}, "interfaces": value, "modules": {"a": value}},
        {"routing": {"daemon_list": {"bgpd": value}}, "cmdline": value, "booted_at": 1_795_218_926},
    )
    for facts in documents:
        for read in (seen_machine.cpu, seen_machine.software, seen_machine.packages, seen_machine.modules):
            read(facts)
        seen_machine.daemons(facts)


def test_names_of_cards_and_a_machine_without_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    found = pci_ids.parse(IDS.splitlines(keepends=True))
    assert found.vendor("8086") == "Intel Corporation" and found.vendor("ffff") == "ffff"
    assert found.model("8086", "1583").endswith("XL710 for 40GbE QSFP+")
    assert found.model("8086", "0000") == "8086:0000" and found.model("", "x") == ""
    assert found.card("8086", "1583", "8086", "0001") == "Ethernet Converged Network Adapter XL710-Q1"
    assert pci_ids.parse(["\t1583  a device without a vendor\n", "garbage\x00\n", "\n"]).names == {}
    assert "00" not in found.names  # classes are no vendors
    monkeypatch.setattr(pci_ids._file, "__defaults__", ((tmp_path / "pci.ids",),))
    reason = pci_ids.missing()
    assert reason is not None and "apt-get install pci.ids" in reason.remedy


def own(serial: str) -> dict[str, Any]:
    facts = deepcopy(FACTS)
    facts["interfaces"]["eth1"]["nic"]["serial"] = serial
    return facts


def test_rows_cost_the_same_queries_for_two_devices_and_for_twenty(fleet: Fleet, now: datetime) -> None:
    fleet(22)
    counts = []
    for numbers in (range(2), range(2, 22)):
        answers = {f"r{n}": own(f"3c-a0-ca-ff-ff-00-00-{n:02x}") for n in numbers}
        for again in range(2):
            with CaptureQueriesContext(connection) as queries:
                collect(answers, now + timedelta(hours=again))
            counts.append(len(queries))
    assert counts[0] == counts[2] and counts[1] == counts[3], counts


class Forgetful(Fake):
    """Says of nobody that it is through."""

    def __call__(self, devices: Sequence[Device], *, workers: int, done: Callable[[str], None]) -> Mapping[str, Any]:
        return {}


def test_devices_without_an_answer_are_failures_of_the_collection(fleet: Fleet, now: datetime) -> None:
    fleet(2)
    run = models.CollectionRun.objects.create(why="test", asked=2, started_at=now)
    discovery.collect(["r0", "r1"], now=now, workers=1, reach=Forgetful({}), run=run)
    run.refresh_from_db()
    assert (run.done, run.failed, run.ended_at) == (0, 2, now)
