"""Blades of the lab's UCS Manager with hosts that answer the commands of a step, walked as the engine walks them."""

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fleet.core.model import Json, Reason, StepSpec
from fleet.core.ucs import KNOWN_LIMITS, Limits, Policy
from lab.ucsm import Blade, UcsManager
from lab.ucsm.build import BUNDLES, DEFAULT_PACK
from playbooks.base import Answer, Device, Driver, Look, Step, Unreachable
from playbooks.engine import Outcome, OutcomeKind, perform, perform_rollback
from playbooks.ucs import client, driver, places

PASSWORD, ENV = "only of this test", "SLIPWAY_TEST_UCS"
DEFAULT = "org-root/eth-profile-default"
UCS = driver.Ucs()


class Machine:
    """The host on a blade: answers the commands of the step while it is on, and obeys `poweroff`."""

    def __init__(self, name: str, macs: list[str]) -> None:
        self.device = Device(name, "192.0.2.1", 22, "ops", "env:NONE", "ssh-ed25519 AAAA", "frr")
        self.manager: UcsManager | None = None
        self.macs, self.alive, self.boots, self.queues = macs, True, 1, dict.fromkeys(range(len(macs)), 1)
        self.hangs = False

    @property
    def boot_id(self) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self.device.name}/{self.boots}"))

    def run(self, argv: list[str], *, stdin: str = "", timeout_s: float = 30.0, root: bool = False) -> Answer:
        if not self.alive:
            raise Unreachable(Reason(self.device.name, "no answer", "an answer"))
        if argv[0] == "cat":
            return Answer(0, self.boot_id + "\n", "")
        if "poweroff" in argv and not self.hangs:
            assert root
            self.alive = False
            assert self.manager is not None
            self.manager.host_power(self.device.name, on=False)
        return Answer(0, "", "")

    def batch(self, commands: Mapping[str, list[str]], **_: Any) -> dict[str, Answer]:
        boot = self.run(commands["boot"])
        links = [{"ifname": f"eth{n}", "address": mac} for n, mac in enumerate(self.macs)]
        rows = ["           CPU0       CPU1"]
        for number, count in self.queues.items():
            rows += [f" 4{n}:  {n} 7  PCI-MSI 1-edge  eth{number}-rx-{n}" for n in range(count)]
            rows += [f" 5{n}:  {n} 7  PCI-MSI 1-edge  eth{number}-tx-{n}" for n in range(count)]
        return {
            "boot": boot, "uname": Answer(0, "6.1.0-18-amd64\n", ""), "links": Answer(0, json.dumps(links), ""),
            "interrupts": Answer(0, "\n".join(rows) + "\n", ""), "irqbalance": Answer(1, "", ""),
        }  # fmt: skip

    def put(self, path: str, text: str, *, mode: str = "0644") -> Answer:
        raise AssertionError("nothing is written onto the host")


class Machines:
    """All hosts, as the blades tell them."""

    def __init__(self) -> None:
        self.by_name: dict[str, Machine] = {}

    def off(self, host: str) -> None:
        self.by_name[host].alive = False

    def on(self, host: str, queues: Mapping[str, int]) -> None:
        machine = self.by_name[host]
        machine.alive, machine.boots = True, machine.boots + 1
        machine.queues = dict(enumerate(queues.values()))


class Scene:
    """A domain with one blade for each name, and steps walked as the engine walks them."""

    def __init__(self, manager: UcsManager, machines: Machines, limits: Limits | None) -> None:
        self.manager, self.machines = manager, machines
        assert manager.certificate is not None
        self.domain = places.Domain(
            "ucs1", "127.0.0.1", manager.port, "admin", f"env:{ENV}", manager.certificate.fingerprint
        )
        self.limits, self.bundles = limits, BUNDLES
        places.tell(self)
        self.sent = 0

    def of(self, device: str) -> places.Place | None:
        profile = self.manager.tree[f"org-root/ls-{device}"]
        vnics = {v.props["name"]: DEFAULT for v in self.manager.tree.children(profile.dn, "vnicEther")}
        return places.Place(
            self.domain, "4.2(3d)", profile.dn, profile.props["pnDn"], "VIC 1240", "user-ack", vnics,
            {DEFAULT: Policy("default")}, self.limits, pack=DEFAULT_PACK, packs={DEFAULT_PACK: BUNDLES[0]},
            bundles=self.bundles,
        )  # fmt: skip

    def rack(self, device: str) -> None:
        """Nobody is a standalone server here."""

    def step(self, name: str, queues: int | None = 8, **params: Json) -> Step:
        asked = {"receive": queues} if queues is not None else {}
        return self.planned(UCS, name, {**asked, **params})

    def planned(self, kind: Driver, name: str, params: Mapping[str, Json]) -> Step:
        device = self.machines.by_name[name].device
        made = kind.plan(StepSpec(kind.verb, dict(params)), device, {"kernel": "6.1.0-18"})
        return Step(kind.verb, made.params, made, device)

    def observed(self, step: Step) -> Look:
        """What the kind sees of a step now."""
        return UCS.observe(self.machines.by_name[step.device.name], step)

    def walk(
        self, step: Step, *, kind: Driver = UCS, back: bool = False, until: Callable[[Outcome], bool] | None = None
    ) -> Outcome:
        """Visits until the step has ended (or `until`); time between them passes a hundred times faster."""
        act, session = (perform_rollback if back else perform), self.machines.by_name[step.device.name]
        sent, began = False, time.monotonic()

        def ahead(artifact: Mapping[str, Json] | None) -> bool:
            nonlocal step, sent
            sent = True
            self.sent += 1
            step = step if artifact is None else replace(step, artifact=artifact)
            return True

        while True:
            outcome = act(kind, session, step, sent=sent, deadline_s=60.0, write_ahead=ahead)
            self.last = step
            if outcome.kind not in {OutcomeKind.WAIT, OutcomeKind.RETRY} or (until is not None and until(outcome)):
                return outcome
            assert time.monotonic() - began < 20, outcome
            time.sleep(0.01)
            waited = step.waited_s + max(outcome.after_s, 0.1)
            step = replace(step, progress=outcome.data, waited_s=waited)


@contextmanager
def standing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Scene]]:
    """Makes domains of blades; the last one is where devices are looked up."""
    monkeypatch.setenv(ENV, PASSWORD)
    before, running = places._kept, list[UcsManager]()

    def made(*blades: Blade, limits: Limits | None = KNOWN_LIMITS["VIC 1240"], **more: Any) -> Scene:
        machines = Machines()
        more = {"stage_s": 0.02, **more}
        manager = UcsManager(blades, password=PASSWORD, folder=tmp_path, hosts=machines, **more)
        for blade in blades:
            vnics = manager.tree.children(f"org-root/ls-{blade.host}", "vnicEther")
            machine = Machine(blade.host, [v.props["addr"].lower() for v in vnics])
            machine.manager, machines.by_name[blade.host] = manager, machine
        running.append(manager.__enter__())
        return Scene(manager, machines, limits)

    yield made
    client.close_all()
    for manager in running:
        manager.__exit__()
    if before is not None:
        places.tell(before)
