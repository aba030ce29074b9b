"""Which accelerator QEMU can use here: KVM where a guest really runs under it, else its own emulation (TCG)."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from lab.vm.paths import cache

# A guest that stops at its first instruction needs some tens of milliseconds. Where KVM only seems to be there (a
# nested host without the extension: QEMU aborts, or spins and ignores SIGTERM) this is what the question costs, once.
_PATIENCE_S = 4.0
_BIOS = bytes([0xB0, 0x10, 0xE6, 0xF4, 0xF4])  # mov al, 0x10; out 0xf4, al; hlt: ends QEMU with status 33


def accelerator() -> str:
    """`kvm` or `tcg`; tried once per boot of this machine."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    kept = cache() / "accelerator.json"
    try:
        known = json.loads(kept.read_text())
    except (OSError, ValueError):
        known = {}
    if known.get("boot") != boot:
        cache().mkdir(parents=True, exist_ok=True)
        known = {"boot": boot, "use": "kvm" if kvm_works() else "tcg"}
        kept.write_text(json.dumps(known))
    return str(known["use"])


def kvm_works() -> bool:
    """Does a guest of a few instructions run to its end under KVM?"""
    bios = cache() / "kvm-probe.bin"
    cache().mkdir(parents=True, exist_ok=True)
    image = bytearray(b"\xf4" * 65536)
    image[0x0 : len(_BIOS)] = _BIOS
    image[0xFFF0:0xFFF5] = b"\xea\x00\x00\x00\xf0"  # the reset vector: jump to F000:0000
    bios.write_bytes(image)
    argv = ["qemu-system-x86_64", "-accel", "kvm", "-cpu", "host", "-m", "16", "-display", "none", "-nodefaults",
            "-bios", str(bios), "-device", "isa-debug-exit,iobase=0xf4,iosize=1"]  # fmt: skip
    try:
        done = subprocess.run(argv, capture_output=True, timeout=_PATIENCE_S, check=False, stdin=subprocess.DEVNULL)
    except (subprocess.TimeoutExpired, FileNotFoundError):  # run() kills it for good
        return False
    return done.returncode == 0x21
