"""From drift to requests where something has to be brought, and for every setting of a card."""

import pytest

from fleet.core.intent_settings import SETTINGS
from fleet.core.model import Json
from fleet.core.repair import Card, Drifted, Means, Offered, Repair, repairs

SHA = "ab" * 32


def artifact(kind: str, name: str, version: str, location: str = "/srv/x", *brings: dict[str, Json]) -> Offered:
    return Offered(kind, name, version, SHA, location, brings)


KERNELS = tuple(
    artifact("kernel", f"linux-image-{release}", version, f"https://deb.example/{release}.deb",
             {"kind": "kernel", "name": "linux", "version": release})
    for release, version in (
        ("6.1.0-55-amd64", "6.1.190-1"), ("6.1.0-56-amd64", "6.1.192-2"), ("6.12.9-amd64", "6.12.9-1"),
    )
)  # fmt: skip


def only(rows: list[Drifted], *artifacts: Offered, cards: tuple[Card, ...] = (), suite: str = "frr") -> Repair:
    made = repairs(rows, Means(artifacts, cards, {row.device: suite for row in rows}))
    assert made.left == ()
    (one,) = made.requests
    return one


def left(rows: list[Drifted], *artifacts: Offered, cards: tuple[Card, ...] = ()) -> str:
    made = repairs(rows, Means(artifacts, cards, {}))
    assert made.requests == ()
    return " ".join(map(str, made.left))


# --- cards -----------------------------------------------------------------------------------------------------------

NIC: dict[str, tuple[Json, str, Json]] = {
    "nic.rings.rx": (4096, "rings_rx", 4096),
    "nic.rings.tx": (512, "rings_tx", 512),
    "nic.rss.key": ("6D:5A:00", "rss_key", "6d:5a:00"),
    "nic.rss.indir": ({"equal": 8}, "equal", 8),
    "nic.flow_hash.udp4": ("sdfn", "flow_hash", "udp4 = sdfn"),
    "nic.coalesce.rx-usecs": (50, "coalesce", "rx-usecs = 50"),
    "nic.offload.gro": (False, "offloads", "gro = off"),
    "nic.priv_flags.disable-fw-lldp": (True, "flags", "disable-fw-lldp = on"),
    "nic.affinity": ("2-4", "interrupts", "2,3,4"),
    "nic.rps": (1, "rps", "1"),
    "nic.xps": ([0, 1], "xps", "0,1"),
}


@pytest.mark.parametrize("setting", NIC)
def test_every_setting_of_a_card_has_its_input(setting: str) -> None:
    wanted, name, value = NIC[setting]
    one = only([Drifted("bly", f"{setting}[eth1]", wanted, None)])
    assert (one.recipe, one.inputs, one.targets) == ("nic-settings", {name: value, "interface": "eth1"}, ("bly",))


def test_none_is_forgotten() -> None:
    patterns = {s.pattern.partition("<")[0] for s in SETTINGS if s.pattern.startswith("nic.")}
    assert patterns == {"nic.queues", *(p if p[4:].count(".") < 1 or "rings" in p or "rss" in p else
                                        p[: p.rindex(".") + 1] for p in NIC)}  # fmt: skip


def test_one_drain_for_all_that_is_wrong_with_a_card() -> None:
    rows = [
        Drifted(device, f"{setting}[{interface}]", wanted, None)
        for device in ("bly", "aebi") for interface in ("eth1", "eth2")
        for setting, wanted in (
            ("nic.queues", 8), ("nic.rings.rx", 4096), ("nic.offload.gro", True), ("nic.offload.lro", False),
        )
    ]  # fmt: skip
    one = only(rows)
    assert one.inputs == {"queues": 8, "rings_rx": 4096, "offloads": "gro = on\nlro = off", "interface": "eth[12]"}
    assert (one.recipe, one.targets) == ("nic-settings", ("aebi", "bly"))


@pytest.mark.parametrize(
    ("setting", "wanted"),
    [("nic.rss.indir", [0, 1]), ("nic.rps", []), ("nic.affinity", {"eth1-rx-0": 2}), ("nic.flow_hash.udp4", "pe"),
     ("nic.coalesce.x\n-- y", 1)],
)  # fmt: skip
def test_what_no_input_can_say_is_left(setting: str, wanted: Json) -> None:
    assert "No recipe repairs nic." in left([Drifted("bly", f"{setting}[eth1]", wanted, None)])


# --- software --------------------------------------------------------------------------------------------------------


def test_a_kernel_is_the_newest_that_fits_and_takes_the_command_line_along() -> None:
    rows = [
        Drifted("bly", "kernel.version", "6.1.*", "5.10.46"),
        Drifted("bly", "kernel.cmdline.nosmt", True, False),
    ]
    one = only(rows, *KERNELS)
    assert one.recipe == "kernel" and len(one.repairs) == 2
    assert one.inputs == {
        "release": "6.1.0-56-amd64", "version": "6.1.192-2", "source": "https://deb.example/6.1.0-56-amd64.deb",
        "sha256": SHA, "artifact": "kernel linux-image-6.1.0-56-amd64 6.1.192-2", "cmdline": "nosmt",
    }  # fmt: skip
    assert "Enter a kernel 7.* among" in left([Drifted("bly", "kernel.version", "7.*", "6.1")], *KERNELS)


def test_a_driver_is_the_kernels_own_or_a_vendors() -> None:
    own = only([Drifted("bly", "driver.i40e.flavour", "in-tree", "vendor")])
    assert (own.recipe, own.inputs) == ("nic-driver", {"driver": "i40e", "flavour": "in-tree"})
    rows = [
        Drifted("bly", "driver.i40e.flavour", "vendor", "in-tree"),
        Drifted("bly", "driver.i40e.version", "2.14.*", "x"),
    ]
    tarball = artifact("driver", "i40e", "2.14.13", "/srv/i40e-2.14.13.tgz")
    one = only(rows, tarball, artifact("driver", "i40e", "2.13.10"), artifact("driver", "ice", "2.14.99"))
    assert one.inputs == {
        "driver": "i40e", "flavour": "vendor", "version": "2.14.13", "tarball": "/srv/i40e-2.14.13.tgz", "sha256": SHA,
        "artifact": "driver i40e 2.14.13", "intended": "driver.i40e",
    }  # fmt: skip
    component: dict[str, Json] = {"kind": "driver", "name": "i40e", "version": "2.14.20", "flavour": "vendor"}
    package = only(rows, tarball, artifact("package", "i40e-dkms", "2.14.20-1", "apt", component))
    assert (package.inputs["package"], package.inputs["version"]) == ("i40e-dkms=2.14.20-1", "2.14.20")
    assert "Enter a driver i40e 2.14.*" in left(rows)


def test_a_version_alone_is_a_vendors_only_where_a_vendors_runs() -> None:
    row, tarball = Drifted("bly", "driver.i40e.version", "2.14.*", "x"), artifact("driver", "i40e", "2.14.13", "/x.tgz")
    card = Card("bly", "eth1", "i40e", "vendor")
    assert only([row], tarball, cards=(card,)).inputs["version"] == "2.14.13"
    said = left([row], tarball, cards=(Card("bly", "eth1", "i40e", "in-tree"),))
    assert "Say whose driver it is: driver.i40e.flavour" in said


def test_firmware_is_flashed_card_by_card_as_its_artifact_says() -> None:
    row = Drifted("bly", "firmware.ice.nvm", ">= 4.40", {"eth1": "4.20", "eth3": "4.40", "eth5": "4.00"})
    how: dict[str, Json] = {
        "kind": "firmware",
        "name": "ice",
        "version": "4.40",
        "tool": "devlink",
        "component": "fw.mgmt",
    }
    image = artifact("firmware", "ice", "4.40", "intel/ice-4.40.bin", how)
    cards = (
        Card("bly", "eth1", "ice", nvm="4.20"),
        Card("bly", "eth3", "ice", nvm="4.40"),
        Card("bly", "eth5", "ice", nvm="4.00"),
    )
    made = repairs([row], Means((image,), cards, {}))
    assert [(r.recipe, r.inputs["interface"]) for r in made.requests] == [
        ("nic-firmware", "eth1"),
        ("nic-firmware", "eth5"),
    ]
    assert made.requests[0].inputs["file"] == "intel/ice-4.40.bin" and made.requests[0].inputs["tool"] == "devlink"
    assert "how it is flashed" in left([row], artifact("firmware", "ice", "4.40"), cards=cards)
    assert "collect the device again" in left([row], image)


def test_another_version_of_the_suite_that_is_there() -> None:
    row = Drifted("bly", "routing.suite_version", "8.5.*", "8.4.4")
    frr = artifact("package", "frr", "8.5.2-1~deb12u1")
    one = only([row], frr, artifact("package", "frr", "9.1-1"), artifact("package", "bird2", "8.5.9"))
    assert (one.recipe, one.inputs["package"], one.inputs["version"]) == ("suite-upgrade", "frr", "8.5.2-1~deb12u1")
    assert "Enter a package of its suite" in left([row], frr)
    assert "No recipe repairs routing.suite" in left([Drifted("bly", "routing.suite", "bird", "frr")])
