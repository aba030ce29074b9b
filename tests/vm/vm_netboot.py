"""A real machine boots over IPv6 from Slipway's boot endpoint: the old kernel, a new one once, back, and kept.

QEMU with the iPXE of Debian in its network card, in a network namespace of its own: router advertisements and DHCPv6
from a dnsmasq that is configured by what `./manage.py netboot` prints, kernels from Slipway's web server. The guest
says which kernel it runs and restarts.
"""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet.netboot.models import BootHost, BootNetwork, BootTarget
from fleet.netboot.store import Store
from inventory.models import Router
from playbooks.netboot import render
from tests import needs
from tests.changes import builders

ROOT = Path(__file__).resolve().parents[2]
ROM = Path("/usr/lib/ipxe/qemu/efi-virtio.rom")
HERE, PREFIX, MAC = "fd51:77::1", "fd51:77::/64", "52:54:00:51:77:01"
INIT = """\
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
echo "SLIPWAY-BOOTED $(/bin/busybox uname -r)"
/bin/busybox sleep 2
/bin/busybox reboot -f
"""

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite, pytest.mark.timeout(900)]


def missing() -> str | None:
    return (
        needs.root()
        or needs.program("qemu-system-x86_64", "qemu-system-x86")
        or needs.program("dnsmasq", "dnsmasq-base")
        or needs.program("busybox", "busybox-static")
        or (None if ROM.exists() else f"{ROM}: found none, wanted the card's iPXE. apt-get install ipxe-qemu")
        or (None if Path("/dev/net/tun").exists() else "/dev/net/tun: found none, wanted taps. modprobe tun")
        or no_kernels()
    )


def no_kernels() -> str | None:
    """Why there are no two kernels of Debian to boot; None: there are."""
    from lab.netns.command import LabError
    from lab.vm import kernels

    try:
        kernels.as_packaged(2)
    except LabError as error:
        return str(error)
    return None


def newc(entries: dict[str, tuple[int, bytes]]) -> bytes:
    """A cpio archive as the kernel reads it: path > (mode, content)."""
    made = b""
    for number, (name, (mode, body)) in enumerate([*entries.items(), ("TRAILER!!!", (0, b""))], 1):
        raw = name.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(body), 0, 0, 0, 0, len(raw), 0)
        head = b"070701" + b"".join(b"%08X" % value for value in fields) + raw
        made += head + b"\0" * (-len(head) % 4) + body + b"\0" * (-len(body) % 4)
    return made


@pytest.fixture
def boot_files(tmp_path: Path) -> dict[str, Any]:
    """Two real kernels of Debian and an initramfs that says which one runs; release > their names below the folder."""
    needs.need(missing())
    from lab.vm import kernels

    folder = tmp_path / "boot"
    folder.mkdir()
    busybox = Path(needs.which("busybox") or "").read_bytes()
    entries = {"proc": (0o40755, b""), "bin": (0o40755, b""), "dev": (0o40755, b"")}
    files = {"bin/busybox": (0o100755, busybox), "init": (0o100755, INIT.encode())}
    (folder / "initrd.img").write_bytes(newc({**entries, **files}))
    releases = []
    for kernel in kernels.newest(2):
        with tempfile.TemporaryDirectory(dir=tmp_path) as unpacked:
            subprocess.run(["dpkg-deb", "-x", str(kernel.path), unpacked], check=True)
            shutil.copy(f"{unpacked}/boot/vmlinuz-{kernel.release}", folder / f"vmlinuz-{kernel.release}")
        releases.append(kernel.release)
    return {"folder": folder, "releases": releases}


@pytest.fixture
def namespace() -> Iterator[str]:
    """A network of its own with one tap; gone afterwards with everything in it."""
    name = f"slipway-boot-{os.getpid()}"
    inside = ["ip", "netns", "exec", name]
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        for argv in (
            ["ip", "link", "set", "lo", "up"],
            ["ip", "tuntap", "add", "dev", "tap0", "mode", "tap"],
            ["ip", "link", "set", "tap0", "up"],
            ["ip", "addr", "add", f"{HERE}/64", "dev", "tap0", "nodad"],
        ):
            subprocess.run([*inside, *argv], check=True)
        yield name
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False)


class Guest:
    """What the machine wrote to its serial line."""

    def __init__(self, console: Path) -> None:
        self.console = console

    @property
    def text(self) -> str:
        return self.console.read_text(errors="replace") if self.console.exists() else ""

    @property
    def booted(self) -> list[str]:
        return re.findall(r"SLIPWAY-BOOTED (\S+)", self.text)

    def wait(self, true: Callable[[], bool], what: str, *, within_s: float = 240) -> None:
        until = time.monotonic() + within_s
        while not true():
            assert time.monotonic() < until, f"{what}: not within {within_s:.0f} s\n{self.text[-3000:]}"
            time.sleep(0.2)

    def next_boot(self, count: int) -> str:
        """Wait for the boot of that number; what it runs."""
        self.wait(lambda: len(self.booted) >= count, f"boot {count}")
        return self.booted[count - 1]


@pytest.fixture
def guest(
    namespace: str, boot_files: dict[str, Any], child_environment: dict[str, str], tmp_path: Path
) -> Iterator[Guest]:
    from lab.vm import urgency
    from lab.vm.accelerator import accelerator

    inside = ["ip", "netns", "exec", namespace]
    network = BootNetwork(name="lab")
    token = network.new_token()
    network.save()
    texts = render.options(address=f"http://[{HERE}]:8000", token=token, prefix=PREFIX, interface="tap0")
    (tmp_path / "dnsmasq.conf").write_text(texts["dnsmasq"] + f"pid-file={tmp_path}/dnsmasq.pid\n")
    _records(network, boot_files)
    (tmp_path / "var").mkdir(exist_ok=True)
    web = {**child_environment, "SLIPWAY_ALLOWED_HOSTS": f"[{HERE}]", "SLIPWAY_NETBOOT_DIR": str(boot_files["folder"])}
    fast = ["-accel", "kvm", "-cpu", "host"] if accelerator() == "kvm" else ["-accel", "tcg", "-cpu", "max"]
    qemu = [
        "qemu-system-x86_64", "-machine", "pc,graphics=off", *fast, "-m", "512", "-display", "none", "-nodefaults",
        "-serial", f"file:{tmp_path}/console.log", "-boot", "n",
        "-netdev", "tap,id=n,ifname=tap0,script=no,downscript=no",
        "-device", f"virtio-net-pci,netdev=n,mac={MAC}",
    ]  # fmt: skip
    commands = (
        ([needs.which("dnsmasq") or "dnsmasq", "--keep-in-foreground", f"--conf-file={tmp_path}/dnsmasq.conf"], None),
        ([sys.executable, "-m", "uvicorn", "fleet.asgi:application", "--host", HERE, "--port", "8000"], web),
        (qemu, None),
    )
    running = []
    try:
        for number, (argv, environment) in enumerate(commands):
            with (tmp_path / f"process{number}.log").open("w") as log:
                made = subprocess.Popen(
                    [*inside, *argv], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    start_new_session=True,
                )  # fmt: skip
            urgency.as_ours(made.pid)
            running.append(made)
            if number == 1:
                _answers(inside, made, tmp_path / "process1.log")
        yield Guest(tmp_path / "console.log")
    finally:
        for process in running:
            process.send_signal(signal.SIGKILL)
            process.wait()


def _answers(inside: list[str], web: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until the web server answers in the namespace."""
    probe = f"import urllib.request as u; u.urlopen('http://[{HERE}]:8000/boot/x/start.ipxe', timeout=2)"
    until = time.monotonic() + 60
    while subprocess.run([*inside, sys.executable, "-c", probe], capture_output=True, check=False).returncode:
        assert time.monotonic() < until and web.poll() is None, log.read_text()[-2000:]
        time.sleep(0.5)


def _records(network: BootNetwork, boot_files: dict[str, Any]) -> None:
    """Boot targets old, new, and broken (new, without an init: it panics); a host that boots the old one."""
    folder, (old, new) = boot_files["folder"], boot_files["releases"]

    def digest(name: str) -> str:
        return hashlib.sha256((folder / name).read_bytes()).hexdigest()

    line = "console=ttyS0 quiet panic=1"
    for name, release, more in (("old", old, ""), ("new", new, ""), ("broken", new, " rdinit=/none init=/none")):
        row = BootTarget(
            name=name, release=release, kernel=f"vmlinuz-{release}", kernel_sha256=digest(f"vmlinuz-{release}"),
            initrd="initrd.img", initrd_sha256=digest("initrd.img"), cmdline=line + more,
        )  # fmt: skip
        row.full_clean()
        row.save()
    builders.fleet(["bly"])
    BootHost.objects.create(
        router=Router.objects.get(), network=network, mac=MAC, default=BootTarget.objects.get(name="old")
    )


def test_a_real_machine_boots_the_old_kernel_the_new_one_once_and_what_is_kept(
    guest: Guest, boot_files: dict[str, Any]
) -> None:
    old, new = boot_files["releases"]
    store, name = Store(), Router.objects.get().name
    assert guest.next_boot(1) == old
    assert f"http://[{HERE}]:8000/boot/" in guest.text, "over IPv6, from the address that DHCPv6 named"

    store.arm(name, "new")
    assert guest.next_boot(2) == new
    assert guest.next_boot(3) == old, "tried once: the next boot is the old one by itself"

    store.arm(name, "broken")
    guest.wait(lambda: "Kernel panic - not syncing" in guest.text, "the panic of the broken one")
    assert guest.next_boot(4) == old, "it panicked, and nobody had to do anything"
    state = store.read(name)
    assert state is not None and (state.default, state.trial, state.once) == ("old", "broken", "")

    store.arm(name, "new")
    assert guest.next_boot(5) == new
    store.keep(name, "new")
    assert guest.next_boot(6) == new and guest.next_boot(7) == new
    print("boots:", guest.booted)
