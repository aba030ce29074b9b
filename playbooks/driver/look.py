"""A look at a driver on a device: on the disk, in the initramfs, loaded, and how it is set. Two round trips."""

from collections.abc import Mapping
from dataclasses import dataclass

from fleet.core.model import Json, Reason
from playbooks import boot
from playbooks.base import Answer, Session
from playbooks.driver import parse, render
from playbooks.driver.parse import Copy


@dataclass(frozen=True)
class State:
    """Where each copy of a driver stands. `initramfs` None: it holds no copy, so the disk decides."""

    kernel: str
    boot_id: str
    disk: Copy
    loaded: Copy | None
    initramfs: str | None
    known: Mapping[str, frozenset[str]]
    conf: str | None
    conf_in_initramfs: bool

    @property
    def built(self) -> str:
        """The version that dkms has installed for this kernel; "" for none."""
        return next((version for version, kernels in sorted(self.known.items()) if self.kernel in kernels), "")

    def differs(self, flavour: str, version: str, conf: str | None) -> tuple[Reason, ...]:
        """What on the disk and in the initramfs is not so. `conf` None: whatever the file says is fine."""
        wanted, reasons = f"{flavour} {version}".strip(), []
        if not self.disk.same(flavour, version):
            reasons.append(Reason("driver on the disk", str(self.disk), wanted))
        if self.initramfs is not None and self.initramfs != flavour:
            found = f"the copy {self.initramfs or 'of an unknown folder'}"
            reasons.append(Reason("driver in the initramfs", found, wanted, "It would be loaded first at a boot."))
        if conf is not None and (self.conf or "") != conf:
            reasons.append(Reason("modprobe options", "another file, or none", "the file as planned"))
        if conf and self.initramfs is not None and not self.conf_in_initramfs:
            reasons.append(Reason("modprobe options in the initramfs", "no such file", "the file as planned"))
        return tuple(reasons)

    def runs(self, flavour: str, version: str) -> bool:
        return self.loaded is not None and self.loaded.same(flavour, version)

    def data(self) -> dict[str, Json]:
        return {
            "loaded": str(self.loaded) if self.loaded is not None else "not loaded", "disk": str(self.disk),
            "initramfs": self.initramfs, "kernel": self.kernel, "boot_id": self.boot_id,
        }  # fmt: skip


def look(session: Session, name: str) -> State | Reason:
    """The state, or why it cannot be told. Raises as the session."""
    kernel = session.run(["uname", "-r"]).out.strip()
    if not kernel or len(kernel) > 100 or any(c.isspace() or c == "/" for c in kernel):
        return Reason(f"kernel of {session.device.name}", "no answer that can be read", "uname -r")
    conf = render.conf_path(name)
    folder = f"/sys/module/{name}"
    answers = session.batch(
        {
            "boot_id": boot.BOOT_ID,
            "modinfo": ["modinfo", "-k", kernel, name],
            "dkms": ["dkms", "status"],
            "initramfs": ["lsinitramfs", f"/boot/initrd.img-{kernel}"],
            "version": ["cat", f"{folder}/version"],
            "srcversion": ["cat", f"{folder}/srcversion"],
            "taint": ["cat", f"{folder}/taint"],
            "conf": ["cat", conf],
        },
        timeout_s=60.0,
        root=True,
    )
    disk = parse.modinfo(_out(answers, "modinfo") or "")
    boot_id = boot.boot_id(_out(answers, "boot_id") or "")
    listing = _out(answers, "initramfs")
    if disk is None or boot_id is None:
        said = answers["modinfo"].out if "modinfo" in answers else ""
        return Reason(
            f"module {name} on {session.device.name}", " ".join(said.split())[:200] or "no answer", "a module"
        )
    return State(
        kernel=kernel,
        boot_id=boot_id,
        disk=disk,
        loaded=parse.loaded(
            _out(answers, "version") or "", _out(answers, "srcversion") or "", _out(answers, "taint"), disk
        ),
        initramfs=parse.in_initramfs(listing, name) if listing is not None else None,
        known=parse.dkms(_out(answers, "dkms") or "", name),
        conf=_out(answers, "conf"),
        conf_in_initramfs=parse.conf_in_initramfs(listing or "", conf),
    )


def why_no_reload(session: Session, name: str) -> str:
    """Why the module must not be loaded anew while we come in; empty: it may."""
    ours = session.run(["printenv", "SSH_CONNECTION"]).out.split()
    answers = session.batch(
        {"addresses": ["ip", "-j", "-d", "addr", "show"]}, per_interface={"driver": ["ethtool", "-i"]}
    )
    drivers = {}
    for key, answer in answers.items():
        if key.startswith("driver:"):
            first = answer.out.partition("\n")[0]
            drivers[key.partition(":")[2]] = first.removeprefix("driver:").strip() if answer.ok else ""
    links = parse.rows(_out(answers, "addresses") or "")
    return parse.why_no_reload(ours[2] if len(ours) == 4 else "", links, drivers, name)


def _out(answers: Mapping[str, Answer], name: str) -> str | None:
    answer = answers.get(name)
    return answer.out if answer is not None and answer.ok else None
