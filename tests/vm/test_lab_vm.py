"""What lab/vm does without a machine: which modules stay, a kernel that stands still, a management controller."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lab.vm import kernels
from lab.vm.controller import redfish
from playbooks import oob
from playbooks.base import Refused


def test_modules_stay_with_what_they_depend_on_and_the_others_go(tmp_path: Path) -> None:
    for name, needs in (
        ("drivers/net/virtio_net.ko", "net_failover,virtio"),
        ("drivers/net/net_failover.ko", "fail-over"),
        ("net/core/fail-over.ko", ""),
        ("drivers/virtio/virtio.ko", ""),
        ("drivers/net/e1000.ko", "virtio"),
        ("fs/btrfs/btrfs.ko", ""),
    ):
        module = tmp_path / "kernel" / name
        module.parent.mkdir(parents=True, exist_ok=True)
        module.write_bytes(b"\x7fELF\0license=GPL\0depends=" + needs.encode() + b"\0retpoline=Y\0")
    kernels._without_modules(tmp_path)
    left = {path.relative_to(tmp_path / "kernel").as_posix() for path in tmp_path.rglob("*.ko")}
    assert left == {
        "drivers/net/virtio_net.ko", "drivers/net/net_failover.ko", "net/core/fail-over.ko", "drivers/virtio/virtio.ko",
    }  # fmt: skip
    assert not (tmp_path / "kernel/fs").exists(), "no empty folders"


def test_a_kernel_that_stands_still_does_so_where_grub_jumps_to(tmp_path: Path) -> None:
    image = bytearray(range(256)) * 256
    image[0x1F1] = 27  # setup sectors, as Debian's have
    (tmp_path / "vmlinuz").write_bytes(image)
    kernels._stands_still(tmp_path / "vmlinuz")
    made = (tmp_path / "vmlinuz").read_bytes()
    assert made[28 * 512 : 28 * 512 + 4] == b"\xfa\xf4\xeb\xfd"
    assert [at for at in range(len(image)) if image[at] != made[at]] == [*range(28 * 512, 28 * 512 + 4)]


def test_the_controller_presses_the_button_for_who_may(tmp_path: Path) -> None:
    pressed: list[str] = []
    machine: Any = SimpleNamespace(reset=lambda: pressed.append("reset"))
    (tmp_path / "right").write_text("secret\n")
    (tmp_path / "wrong").write_text("guess\n")
    with redfish(machine, "ops", "secret") as controller:
        where = ("hopper", "redfish", controller.address, controller.port, "ops")
        with pytest.raises(Refused, match="401"):
            oob.power_cycle(oob.Console(*where, f"file:{tmp_path}/wrong"))
        assert not pressed
        assert "by Redfish" in oob.power_cycle(oob.Console(*where, f"file:{tmp_path}/right"))
    assert pressed == ["reset"] and len(controller.resets) == 1
