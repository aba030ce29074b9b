"""Blades whose hosts are simulated routers, behind a UCS Manager: made, loaded, collected, linked, judged."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from fleet import clock
from inventory import models, ucs
from lab.sim import SimFleet, oracle
from lab.ucsm import Blade, UcsManager
from lab.ucsm.hosts import SimHosts
from playbooks.ucs import client
from tests.inventory import ucs_scene
from tests.stories.stage import Stage

MOST_VNICS = 16


class Blades:
    """A domain. `vnics`: of each host; vNIC eth0 is the host's interface eth1, and so on."""

    def __init__(self, fleet: SimFleet, manager: UcsManager, vnics: dict[str, int], stage: Stage) -> None:
        self.fleet, self.manager, self.vnics, self.stage = fleet, manager, vnics, stage
        self.names = sorted(vnics)

    def interfaces(self, name: str) -> list[str]:
        """The host's interfaces that are vNICs."""
        return [f"eth{n + 1}" for n in range(self.vnics[name])]

    def collect(self) -> None:
        """As an operator does it: devices first, then the domain."""
        for name in self.names:
            self.fleet.adapter(name, dict.fromkeys(self.interfaces(name), 1))
        self.stage.load(self.fleet.inventory)
        macs = {(i.router.name, i.name): i.mac for i in models.Interface.objects.select_related("router")}
        for name in self.names:
            for n, interface in enumerate(self.interfaces(name)):
                self.manager.tree[f"org-root/ls-{name}/ether-eth{n}"].props["addr"] = macs[name, interface].upper()
        found = ucs.collect(self.row(), now=clock.now())
        assert (found.failed, found.unlinked, found.linked) == (None, (), len(self.names))

    def row(self) -> models.UcsDomain:
        return ucs_scene.domain_row(self.manager, models.Site.objects.order_by("pk")[0])

    def queues(self) -> dict[str, set[int]]:
        """Receive queues on the interfaces of each host's vNICs."""
        states = self.fleet.states()
        return {n: {states[n]["nics"][i]["channels"]["combined"] for i in self.interfaces(n)} for n in self.names}

    def dropped(self) -> dict[str, int]:
        """Packets of each host for which there was no buffer since its boot."""
        return {name: state["no_bufs"] for name, state in self.fleet.states().items()}

    def most_down(self) -> int:
        """The most blades that were without power at once, by UCS Manager's own log."""
        down: set[str] = set()
        most = 0
        for _, what, name in self.manager.blades.done:
            if what in {"host off", "off"}:
                down.add(name)
            elif what == "up":
                down.discard(name)
            most = max(most, len(down))
        return most

    def judge(self, *, budget: int) -> None:
        """What must hold after every change, whatever came of it."""
        journal = self.fleet.journal()
        assert oracle.max_drained_at_once(journal) <= budget and self.most_down() <= budget
        assert not oracle.disrupted_undrained(journal)
        assert not oracle.forgotten_drained(journal)
        assert not oracle.unknown_commands(journal)


@contextmanager
def standing(
    sim_fleet: Callable[..., SimFleet], stage: Stage, folder: Path, monkeypatch: pytest.MonkeyPatch,
    *, hosts: int, vnics: int | None = 2, stage_s: float = 0.1, **blade: Any,
) -> Iterator[Blades]:  # fmt: skip
    """So many blades. `vnics` None: every interface that carries packets is one."""
    monkeypatch.setenv(ucs_scene.ENV, ucs_scene.PASSWORD)
    fleet = sim_fleet(routers=hosts, topology="pods", suite_mix="frr=1", timing={"boot_s": 1.0})
    counts = {name: vnics or len(_ports(state["nics"])) for name, state in fleet.states().items()}
    machines = SimHosts(fleet, {f"eth{n}": f"eth{n + 1}" for n in range(MOST_VNICS)})
    blades: Sequence[Blade] = [Blade(name, vnics=counts[name], **blade) for name in sorted(counts)]
    manager = UcsManager(
        blades, password=ucs_scene.PASSWORD, folder=folder / "ucsm", hosts=machines, stage_s=stage_s
    )  # fmt: skip
    machines.manager = manager
    with ExitStack() as open_now:
        open_now.enter_context(manager)
        open_now.enter_context(machines)
        open_now.callback(client.close_all)
        made = Blades(fleet, manager, counts, stage)
        made.collect()
        yield made


def _ports(nics: dict[str, Any]) -> list[str]:
    return [name for name in nics if name != "eth0"]
