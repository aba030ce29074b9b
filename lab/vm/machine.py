"""One virtual machine: its disk, its QEMU process, its serial console, and the power button."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lab.netns.command import LabError, run
from lab.vm import urgency
from lab.vm.accelerator import accelerator
from lab.vm.image import Image
from lab.vm.paths import REPOSITORY

MEMORY_MIB = 768
QUEUES = 4
# The firmware's own memory for what a kernel writes as it dies (ACPI ERST): a panic text survives the reset in it.
_ERST_BYTES = 0x10000
# An older processor is less to emulate: to the login 27 s of processor time instead of 39 with "max" (five levels of
# page tables, checks at each access to a user's memory, wide vectors that memcpy then uses), a new process 48 ms
# instead of 57.
_EMULATED = ("-accel", "tcg,thread=multi,tb-size=512", "-cpu", "Nehalem")


@dataclass(frozen=True)
class Nic:
    """A network card: its tap interface (made by the caller, `multi_queue vnet_hdr`) and its address."""

    tap: str
    mac: str


@dataclass(frozen=True)
class Machine:
    """A machine that may run. `namespace`: the network namespace its taps are in; "" is the host's own."""

    name: str
    folder: Path
    nics: tuple[Nic, ...]
    namespace: str = ""

    @property
    def console(self) -> Path:
        """Everything that the machine ever wrote to its serial line."""
        return self.folder / "console.log"

    @property
    def disk(self) -> Path:
        return self.folder / "disk.qcow2"

    @property
    def pid(self) -> int | None:
        """Process id of what keeps it running; None while it is switched off."""
        try:
            pid = int((self.folder / "qemu.pid").read_text())
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return pid if str(self.folder).encode() in words and b"lab.vm.keeper" in words else None

    def make(self, image: Image, configuration: bytes) -> None:
        """A fresh disk. `configuration`: a tar archive, unpacked onto it at its first boot (configuration.py)."""
        if self.pid is not None:
            raise LabError(f"machine {self.name}: it runs; wanted it off before its disk is made anew: stop() it")
        self.folder.mkdir(parents=True, exist_ok=True)
        for old in (self.disk, self.console, self.folder / "qemu.log"):
            old.unlink(missing_ok=True)
        run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", str(image.path), str(self.disk)])
        (self.folder / "config.tar").write_bytes(configuration)
        (self.folder / "erst").write_bytes(bytes(_ERST_BYTES))

    def start(self) -> None:
        """Switch it on; fine when it is. It goes on when this process ends: `stop` switches it off."""
        if self.pid is not None:
            return
        inside = ["ip", "netns", "exec", self.namespace] if self.namespace else []
        with (self.folder / "qemu.log").open("ab") as log:
            process = subprocess.Popen(
                [*inside, sys.executable, "-m", "lab.vm.keeper", str(self.folder), *self._command()],
                cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        (self.folder / "qemu.pid").write_text(str(process.pid))
        urgency.as_ours(process.pid)
        time.sleep(1.0)
        if process.poll() is not None:
            said = (self.folder / "qemu.log").read_text()[-600:]
            raise LabError(f"machine {self.name}: QEMU ended with {process.returncode}: {said.strip()}")

    def _command(self) -> Sequence[str]:
        argv = [
            "qemu-system-x86_64", "-name", f"slipway-vm-{self.name}", "-machine", "q35", "-m", str(MEMORY_MIB),
            *(("-accel", "kvm", "-cpu", "host") if accelerator() == "kvm" else _EMULATED),
            "-smp", "2", "-display", "none", "-nodefaults", "-rtc", "base=utc",
            "-drive", f"file={self.disk},if=none,id=disk,cache=unsafe", "-device", "virtio-blk-pci,drive=disk",
            "-drive", f"file={self.folder}/config.tar,format=raw,if=none,id=config,readonly=on",
            "-device", "virtio-blk-pci,drive=config",
            "-object", f"memory-backend-file,id=erst,mem-path={self.folder}/erst,size={_ERST_BYTES},share=on",
            "-device", "acpi-erst,memdev=erst", "-device", "virtio-rng-pci",
            "-chardev", f"file,id=console,path={self.console},append=on", "-serial", "chardev:console",
            "-qmp", f"unix:{self.folder}/qmp,server=on,wait=off", "-no-reboot",
            "-qmp", f"unix:{self.folder}/events,server=on,wait=off",
        ]  # fmt: skip
        card = f"virtio-net-pci,mq=on,rss=on,vectors={2 * QUEUES + 2},romfile="
        for number, nic in enumerate(self.nics):
            argv += [
                "-netdev", f"tap,id=n{number},ifname={nic.tap},script=no,downscript=no,queues={QUEUES}",
                "-device", f"{card},netdev=n{number},mac={nic.mac}",
            ]  # fmt: skip
        return argv

    def stop(self) -> None:
        """Pull the plug; fine when it is off."""
        pid = self.pid
        if pid is None:
            return
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while self.pid is not None and time.monotonic() < deadline:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
            time.sleep(0.05)

    def reset(self) -> None:
        """Press the reset button."""
        self.monitor("system_reset")

    def monitor(self, command: str, **arguments: object) -> object:
        """One command of QEMU's own control socket (QMP); its answer."""
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(30)
            control.connect(str(self.folder / "qmp"))
            stream = control.makefile("rw")
            stream.readline()
            for request in ({"execute": "qmp_capabilities"}, {"execute": command, "arguments": arguments}):
                stream.write(json.dumps(request) + "\n")
                stream.flush()
                answer = json.loads(stream.readline())
                while "event" in answer:
                    answer = json.loads(stream.readline())
        if "error" in answer:
            raise LabError(f"machine {self.name}: {command}: {answer['error'].get('desc')}")
        return answer.get("return")
