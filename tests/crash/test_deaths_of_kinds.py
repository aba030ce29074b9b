"""Every kind of step that tries a kernel, a driver, a firmware, packages, an image or settings, with a worker that dies
before and after requests to the device: the next one ends it as if nothing had been. Settings and packages also back.

The real engine's visits on a simulated router, in one process: what a dead worker leaves behind is what `write_ahead`
and whole visits recorded. SIGKILL of real processes is test_kills_one_by_one.py.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from fleet.core.model import Json
from lab.sim import oracle, sdboot, vyos
from lab.sim.grub import package_text
from lab.sim.topology import ring
from playbooks import engine, registry
from playbooks.base import Step
from playbooks.engine import Outcome, OutcomeKind
from playbooks.netboot import targets
from tests import needs
from tests.playbooks import test_firmware, test_netboot
from tests.playbooks.simlab import SimLab
from tests.playbooks.simsession import SimSession, Walk, device

LEASE_S = 3.0
HARMLESS = frozenset({oracle.Kind.FILE, oracle.Kind.TIMER, oracle.Kind.SERVICE})
KERNEL = "https://packages.example.net/linux-image-6.1.0-56-amd64_6.1.192-2_amd64.deb"
IMAGE = "https://images.example.net/vyos-1.4.1-amd64.iso"


class Killed(BaseException):
    """The worker is gone; no handler of the engine catches it."""


@dataclass
class Fate:
    """Where a worker dies: before or after request number `at`; 0: nowhere."""

    at: int = 0
    after: bool = False
    count: int = 0


@dataclass
class Mortal(SimSession):
    """A connection of a worker that may die at a request."""

    fate: Fate = field(default_factory=Fate)

    def _sent(self, argv: list[str], stdin: str, *, root: bool) -> tuple[int, str]:
        self.fate.count += 1
        dies = self.fate.count == self.fate.at
        if dies and not self.fate.after:
            raise Killed
        try:
            return super()._sent(argv, stdin, root=root)
        finally:
            if dies:
                raise Killed


@dataclass
class Row:
    """What the database holds of a step: recorded by `write_ahead` and by visits that were finished."""

    step: Step
    sent: bool = False


def carried(lab: SimLab, row: Row, fate: Fate, *, back: bool = False) -> tuple[Outcome, int]:
    """Visit it until its end, over deaths; the end and how many workers died."""
    driver, began, deaths = registry.driver(row.step.verb), lab.now, 0

    def ahead(artifact: Mapping[str, Json] | None) -> bool:
        row.sent = True
        row.step = replace(row.step, artifact=artifact) if artifact is not None else row.step
        return True

    act = engine.perform_rollback if back else engine.perform
    for _ in range(600):
        now = replace(row.step, waited_s=lab.now - began)
        session = Mortal(row.step.device, lab, fate)
        try:
            outcome = act(driver, session, now, sent=row.sent, deadline_s=60.0, write_ahead=ahead)
        except Killed:
            deaths += 1
            lab.wait(LEASE_S)
            continue
        row.step = replace(row.step, progress=outcome.data)
        if outcome.kind not in (OutcomeKind.WAIT, OutcomeKind.RETRY):
            return outcome, deaths
        lab.wait(max(0.1, outcome.after_s))
    raise AssertionError(f"no end: {outcome}")


def kernel(lab: SimLab) -> tuple[str, Mapping[str, Any]]:
    digest = hashlib.sha256(package_text(KERNEL).encode()).hexdigest()
    return "kernel", {"release": "6.1.0-56-amd64", "version": "6.1.192-2", "source": KERNEL, "sha256": digest}


def kernel_by_systemd_boot(lab: SimLab) -> tuple[str, Mapping[str, Any]]:
    sdboot.make(lab.machines["bly"].router, tries=3)
    return kernel(lab)


def vendor_driver(lab: SimLab) -> tuple[str, Mapping[str, Any]]:
    package = "intel-i40e-dkms=2.13.10-1"
    return "driver", {"name": "i40e", "flavour": "vendor", "version": "2.13.10", "package": package}


def firmware(lab: SimLab) -> tuple[str, Mapping[str, Any]]:
    session = SimSession(device(lab, "bly"), lab)
    session.put("/opt/nvm/nvmupdate.cfg", test_firmware.CFG)
    session.put("/opt/nvm/x.bin", "image")
    return "firmware", test_firmware.params(lab)


def packages(lab: SimLab) -> tuple[str, Mapping[str, Any]]:
    return "packages", {"versions": {"frr": "8.5.2-1~deb12u1", "frr-pythontools": "8.5.2-1~deb12u1"}}


def netboot(lab: SimLab) -> tuple[str, Mapping[str, Any]]:
    targets.tell(test_netboot.Endpoint(lab))
    return "netboot", {"target": "new"}


def vyos_image(lab: SimLab) -> tuple[str, Mapping[str, Any]]:
    vyos.make(lab.machines["bly"].router, "1.4.0")
    digest = hashlib.sha256(vyos.iso_text(IMAGE).encode()).hexdigest()
    return "vyos-image", {"image": "1.4.1", "source": IMAGE, "sha256": digest}


def sysctl(lab: SimLab) -> tuple[str, Mapping[str, Any]]:
    return "sysctl", {"set": {"net.core.netdev_max_backlog": "4321"}}


def nic(lab: SimLab) -> tuple[str, Mapping[str, Any]]:
    return "nic", {"interface": "eth1", "queues": 8}


KINDS = (kernel, kernel_by_systemd_boot, vendor_driver, firmware, packages, netboot, vyos_image, sysctl, nic)
LOOKS = ("grub-editenv - list", "dkms status", "apt-mark showhold", "ethtool -i eth1")
Made = Callable[[SimLab], tuple[str, Mapping[str, Any]]]


@dataclass(frozen=True)
class End:
    """What is left on the router, in the row, and what was done to it."""

    kinds: tuple[OutcomeKind, ...]
    router: Mapping[str, Any]
    done: Mapping[str, int]
    boots: int


def lived(made: Made, fate: Fate, *, in_rollback: bool = False) -> tuple[End, int, int]:
    """A whole life of the step: forwards, then back. The end, the requests of the phase in question, deaths."""
    lab = SimLab(ring(prefixes=(20, 10)), boot_s=5.0)
    verb, params = made(lab)
    legs = Walk(lab, device(lab, "bly"))
    began = len(lab.journal)
    row, none = Row(legs.made(verb, params)), Fate()
    first, died = carried(lab, row, none if in_rollback else fate)
    router, half = _left(lab), len(lab.journal)
    back = Row(replace(row.step, progress={}))
    second, died_back = carried(lab, back, fate if in_rollback else none, back=True)
    entries = lab.journal[began:]
    for phase in (lab.journal[began:half], lab.journal[half:]):
        assert not (twice := oracle.repeated(phase)), twice
    assert not [c for c in entries if c.get("unknown")]
    done = Counter(m.change for m in oracle.mutations(entries) if m.kind not in HARMLESS)
    end = End((first.kind, second.kind), {"then": router, "back": _left(lab)}, done, lab.state("bly")["boots"])
    targets._kept = None
    return end, fate.count, died + died_back


def _left(lab: SimLab) -> Mapping[str, Any]:
    state = lab.state("bly")
    own = ("/var/lib/slipway/", "/run/", vyos.ROOT)  # named after the step, and gone with the boot
    files = [path for path in state["files"] if not path.startswith(own)]
    kept = {key: state[key] for key in ("kernel", "nics", "sysctls", "enabled", "timers")}
    more = {
        c: lab.run("bly", c)[1] for c in ("grub-editenv - list", "dkms status", "apt-mark showhold", "ethtool -i eth1")
    }
    return {**kept, **more, "files": [f for f in files if "/sys/fs/pstore" not in f]}


# The way back of what reboots, and images of VyOS, are not in here: tests/playbooks walks them without deaths.
FORWARDS = [pytest.param(made, False, id=f"{made.__name__}-forwards") for made in KINDS if made is not vyos_image]
BACK = [pytest.param(made, True, id=f"{made.__name__}-back") for made in (packages, sysctl, nic)]


@pytest.mark.parametrize(("made", "in_rollback"), [*FORWARDS, *BACK])
def test_a_worker_dies_at_every_request(made: Made, in_rollback: bool) -> None:
    counting = Fate()
    expected, requests, _ = lived(made, counting, in_rollback=in_rollback)
    assert requests >= 3
    wrong: list[str] = []
    # Every second with REQUIRE_ALL, else every eighth, each kind from another one on: all of them take minutes.
    step = 2 if needs.minutes() is None else 8
    for at in range(1 + KINDS.index(made) % step, requests + 1, step):
        for after in (False, True):
            try:
                end, _, deaths = lived(made, Fate(at, after), in_rollback=in_rollback)
                assert deaths == 1
                assert end == expected, {
                    k: (v, vars(expected)[k]) for k, v in vars(end).items() if v != vars(expected)[k]
                }
            except AssertionError as error:
                wrong.append(f"{'after' if after else 'before'} request {at} of {requests}: {error}"[:600])
    assert not wrong, "\n".join([f"{len(wrong)} of {2 * requests} wrong", *wrong[:8]])
