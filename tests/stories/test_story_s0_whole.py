"""Story S0, whole, on simulated routers and a clock of the test's own: what Faelix lived through around New Year 2021.

The image that brings the vendor's driver is stopped (test_story_s0_planning.py as well). Firmware goes in on its own.
The vendor's driver goes in because somebody overrides the warning. Ten hours after its window the router panics: it is
taken out of service, put back to the in-tree driver, and stays out while its neighbour still forwards to it.
"""

import hashlib
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import call_command

from fleet.changes import lifecycle, overrides, remedy_asks, seals
from fleet.changes.models import Change, Event, Remedy
from fleet.core import overrides as rules
from inventory.models import Artifact
from lab.sim import SimFleet, oracle
from playbooks import wire
from tests import needs
from tests.stories.clockwork import Clockwork
from tests.stories.stage import Stage, targets

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]

AEBI, BLY = "aebi", "bly"  # MA2, which is changed, and its neighbour MA1
CFG = "CURRENT FAMILY: 1.0.0\nBEGIN DEVICE\nDEVICENAME: XL710\nNVM IMAGE: XL710.bin\nEEPID: 80008B82\nEND DEVICE\n"
FOLDER = "/opt/nvm"
# The last words of the router, by the function names of its photograph (S0-13).
PANIC = """\
<4>[37812.113201] Modules linked in: nf_nat_ipv4(E) 8021q(E) i40e(OE) bonding(E)
<4>[37812.113211] Call Trace:
<4>[37812.113219]  get_page_from_freelist+0x1051/0x1180
<4>[37812.113223]  new_slab+0x2f3/0x3a0
<4>[37812.113230]  nf_nat_ipv4_out+0x5c/0xe0 [nf_nat_ipv4]
<4>[37812.113236]  vlan_dev_hard_start_xmit+0x8d/0x110 [8021q]
<4>[37812.113241]  i40e_napi_poll+0x4d2/0xb60 [i40e]
<0>[37812.113300] Kernel panic - not syncing: Out of memory and no killable processes...
"""
QUICK = {"settle": "0s", "below": "1kpps", "gate": "1s"}
VENDOR = {
    "driver": "i40e", "flavour": "vendor", "version": "2.13.10", "package": "intel-i40e-dkms=2.13.10-1",
    "artifact": "driver i40e 2.13.10", "soak": "24h", "every": "10m", **QUICK,
}  # fmt: skip


@pytest.fixture
def fleet(sim_fleet: Callable[..., SimFleet], tmp_path: Path) -> SimFleet:
    """Six routers on FRR with XL710 cards; aebi's firmware is the one from before."""
    made = sim_fleet(routers=6, dir=tmp_path / "sim", suite_mix="frr=1", timing={"boot_s": 30.0})
    made.set_firmware(AEBI, "7.00")
    return made


@pytest.fixture
def work(fleet: SimFleet) -> Iterator[Clockwork]:
    made = Clockwork(fleet)
    with made.running():
        yield made


@pytest.fixture
def stage(work: Clockwork, author: User, approver: User, fleet: SimFleet) -> Stage:
    made = Stage(author, approver)
    made.load(fleet.inventory)
    more = {"sha256": "ab" * 32, "location": "https://images.example/x"}
    Artifact.objects.create(
        kind="image", name="vyos", version="1.3-rolling-202012291737", **more,
        brings=[{"kind": "routing", "name": "frr", "version": "7.5"},
                {"kind": "driver", "name": "i40e", "version": "2.13.10", "flavour": "vendor"}],
    )  # fmt: skip
    Artifact.objects.create(kind="driver", name="i40e", version="2.13.10", **more)
    Artifact.objects.create(kind="firmware", name="i40e", version="8.00", **more)
    return made


@pytest.fixture
def third(db: None) -> User:
    """Approves what the second person has overridden."""
    made = User.objects.create_user("third")
    made.user_permissions.add(Permission.objects.get(codename="add_approval"))
    return made


def fatal(change: Change) -> list[Mapping[str, Any]]:
    change.refresh_from_db()
    assert change.revision is not None
    return [f for f in change.revision.plan["findings"] if f["severity"] == "fatal"]


def overridden_and_started(stage: Stage, work: Clockwork, third: User, change: Change) -> None:
    """Every FATAL finding is overridden by a colleague, who then may not approve; a third person does."""
    for finding in fatal(change):
        why = "We watch slab for a day, and the console is at hand."
        assert overrides.override(change, stage.approver, work.now(), identity=rules.identity(finding), why=why) == ()
        change.refresh_from_db()
    assert change.revision is not None
    assert lifecycle.submit(change, stage.author, work.now()) == (), change.revision.plan["findings"]
    digest = change.revision.digest
    assert lifecycle.decide_on(change, third, work.now(), approve=True, digest=digest) == ()
    assert lifecycle.start(change, stage.author, work.now()) == ()


def ended(change: Change) -> Callable[[], bool]:
    def so() -> bool:
        change.refresh_from_db()
        return change.ended

    return so


def nic(fleet: SimFleet, router: str = AEBI) -> tuple[str, str]:
    """Version of the driver and of the firmware that run."""
    text = fleet.console(router, "ethtool -i eth1")[1]
    return re.findall(r"^version: (\S+)", text, re.M)[0], re.findall(r"^firmware-version: (\S+)", text, re.M)[0]


def flash(fleet: SimFleet) -> dict[str, str]:
    """Bring the package onto aebi; the inputs that name it."""
    digests = {}
    for name, text in (("XL710.bin", "image"), ("nvmupdate.cfg", CFG)):
        _put(fleet, f"{FOLDER}/{name}", text)
        digests[name] = hashlib.sha256(text.encode()).hexdigest()
    return {
        "tool": "nvmupdate", "interface": "eth1", "version": "8.00", "file": f"{FOLDER}/XL710.bin",
        "sha256": digests["XL710.bin"], "config": f"{FOLDER}/nvmupdate.cfg",
        "config_sha256": digests["nvmupdate.cfg"], "program": f"{FOLDER}/nvmupdate64e",
        "artifact": "firmware i40e 8.00", "soak": "1h", "every": "10m", **QUICK,
    }  # fmt: skip


def _put(fleet: SimFleet, path: str, text: str) -> None:
    argv = ["sudo", "-n", *wire.put_argv(path, "0644")]
    assert fleet.console(AEBI, shlex.join(argv), stdin=text)[0] == 0


def test_story_s0(stage: Stage, work: Clockwork, fleet: SimFleet, third: User) -> None:
    # 30 December: the image for FRR 7.5 brings a driver that nobody planned. It does not leave the draft.
    image = stage.draft("image-restart", {"image": "vyos 1.3-rolling-202012291737", "intended": "routing.frr"}, [AEBI])
    assert "component-unplanned" in {f["code"] for f in fatal(image)}
    assert [r.subject for r in lifecycle.submit(image, stage.author, work.now())] == ["findings"]

    # 31 December: firmware 8.00, because a published list says so; in a change of its own.
    firmware = stage.draft("nic-firmware", flash(fleet), [AEBI])
    said = {f["code"]: f["reason"] for f in firmware.revision.plan["findings"]} if firmware.revision else {}
    assert "by reflash" in said["one-way"]["found"]
    overridden_and_started(stage, work, third, firmware)
    work.run_until(ended(firmware))
    assert firmware.state == "succeeded", {t.name: t.reasons for t in targets(firmware).values()}
    assert nic(fleet) == ("6.1.0-55-amd64", "8.00") and nic(fleet, BLY)[1] == "8.00"

    # The vendor's driver: stopped by the advisory and the withdrawn row, overridden with a reason, and put in.
    call_command("collect", "--all")
    driver = stage.draft("nic-driver", VENDOR, [AEBI])
    assert {"advisory", "compat-withdrawn"} <= {f["code"] for f in fatal(driver)}, fatal(driver)
    overridden_and_started(stage, work, third, driver)
    work.run_until(lambda: targets(driver)[AEBI].state == "soaking")
    assert nic(fleet) == ("2.13.10", "8.00")
    began = work.now()

    # Ten hours later it panics; bly's kernel goes on forwarding to it, whatever its routing daemon says.
    def dies() -> None:
        fleet.panic(AEBI, PANIC)
        fleet.inject(BLY, "forwards_to_dead_neighbour", neighbour=AEBI)

    work.in_hours(10, dies)
    work.run_until(lambda: bool(remedy_asks.offered(targets(driver)[AEBI])))
    assert 9.5 < (work.now() - began).total_seconds() / 3600 < 11
    seen = targets(driver)[AEBI]
    assert (seen.state, seen.drained) == ("rolling_back", True)
    words = " ".join(seen.reasons)
    assert "Kernel panic - not syncing: Out of memory" in words and "new_slab" in words and "pstore" in words
    assert "i40e-2.13.10-slab-leak" in words and "8021q" in words, words
    failed = next(s for s in seen.steps.all() if s.verb == "soak")
    assert (
        "get_page_from_freelist" in failed.data["panic"]["functions"]
        and "i40e_napi_poll+" in failed.data["panic"]["text"]
    )
    assert nic(fleet) == ("6.1.0-55-amd64", "8.00"), "the driver went back, the firmware does not"

    # It is drained and verified, and its neighbour is not right: the remedy is offered, and a person asks for it.
    offer = remedy_asks.offered(seen)[0]
    assert offer.neighbour == BLY and "hard reset" in offer.words
    assert fleet.state(AEBI)["drained"] == {"bgp": True, "igp4": True, "igp6": True}
    assert remedy_asks.ask(driver, stage.author, work.now(), target=AEBI, neighbour="lang")[0].subject == "remedy"
    assert remedy_asks.ask(driver, stage.author, work.now(), target=AEBI, neighbour=BLY) == ()
    work.run_until(ended(driver))
    done = Remedy.objects.get()
    assert done.done and f"on {BLY}" in done.said, done.said
    after = targets(driver)[AEBI]
    assert (after.state, after.drained, driver.state) == ("rolled_back", False, "rolled_back"), after.reasons
    assert not fleet.state(AEBI)["drained"]["bgp"]

    told = list(Event.objects.filter(change=driver).order_by("pk").values_list("kind", flat=True))
    assert told.index("target soaking") < told.index("target rolling_back") < told.index("remedy asked")
    assert told.index("remedy") < told.index("target rolled_back")
    entries = fleet.journal()
    assert not oracle.forgotten_drained(entries) and oracle.max_drained_at_once(entries) <= 1
    assert not oracle.unknown_commands(entries), oracle.unknown_commands(entries)[:3]
    seals.seal(driver.pk)
    assert seals.verify(driver).broken is None


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ("flash_power_lost", "the machine restarted in the middle of it; the card says 0.00"),
        ("flash_fails", "nvmupdate failed with exit status 2: Access error."),
        ("flash_lies", "after the restart the card runs 7.00"),
    ],
)
def test_a_flash_that_goes_wrong_ends_stuck_drained_and_with_words(
    behaviour: str, words: str, stage: Stage, work: Clockwork, fleet: SimFleet, third: User
) -> None:
    needs.need(needs.minutes())
    fleet.inject(AEBI, behaviour)
    change = stage.draft("nic-firmware", flash(fleet), [AEBI, BLY])
    overridden_and_started(stage, work, third, change)
    work.run_until(lambda: targets(change)[AEBI].state in {"stuck", "rolled_back", "done"})
    seen = targets(change)[AEBI]
    assert (seen.state, seen.drained) == ("stuck", True)
    assert words in " ".join(seen.reasons) and "stays drained" in " ".join(seen.reasons)
    assert targets(change)[BLY].state == "pending", "nobody else is flashed"
    work.run_until(lambda: change.state != "running" or ended(change)(), rounds=20)
    assert change.state != "succeeded"
    assert fleet.state(AEBI)["drained"]["bgp"]
    changes = [c for e in fleet.journal() for c in e.get("changes", ())]
    assert len([c for c in changes if c.startswith("firmware")]) <= 1, "never flashed twice"
