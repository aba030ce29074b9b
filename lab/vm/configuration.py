"""What makes one machine of the image: the archive on its second disk."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from lab.netns import paths as netns
from lab.netns.command import run
from lab.netns.frr_config import ZEBRA_OPTIONS, daemons_file
from lab.netns.paths import HOSTS
from lab.netns.topology import Router
from lab.netns.tree import SUITE, VERSION
from lab.vm.network import HOST_ADDRESS, MACHINE_ADDRESS, MASK
from lab.vm.paths import STATE

# Of a router in namespaces, what is its own; the rest of its overlay are logs and run state.
_OWN = (
    "etc/hostname", "etc/hosts", "etc/network/interfaces", "etc/sysctl.d/90-router.conf", "etc/frr", "etc/bird",
    "etc/ssh", "etc/systemd/system", "home/ops",
)  # fmt: skip
# watchfrr gives a daemon 20 s to start and kills it then; an emulated processor beside other work needs more.
_PATIENT = 'watchfrr_options="--restart-timeout 300"\n'
# The static route: one that leads to somebody, to compare what FRR says of it with what the kernel does.
_ALONE = f"""\
frr defaults traditional
log syslog informational
service integrated-vtysh-config
!
ip route 203.0.113.0/24 {HOST_ADDRESS}
!
router bgp 65000
 bgp router-id 198.18.78.2
 address-family ipv4 unicast
  network 192.0.2.0/24
 exit-address-family
exit
!
"""
_OPS = 1000  # the login user of the tree: the first that was added to it


def of_router(router: Router) -> bytes:
    """The files that the lab wrote for a router, owners and links included: the same router on another machine."""
    upper, out = HOSTS / router.name / "upper", io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name in _OWN:
            if (upper / name).exists():
                tar.add(upper / name, arcname=name, filter=_no_device)
        if router.suite == "frr":
            _add(tar, "etc/frr/daemons", daemons_file() + _PATIENT)
    return out.getvalue()


def _add(tar: tarfile.TarFile, path: str, text: str) -> None:
    member = tarfile.TarInfo(path)
    member.mode, member.size = 0o644, len(text.encode())
    tar.addfile(member, io.BytesIO(text.encode()))


def _no_device(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """An overlay marks what was deleted with a device node; the machine's own tree has no use for it."""
    return None if member.ischr() or member.isblk() else member


def alone(name: str) -> bytes:
    """A machine without a ring: an address, a host key, a login, and an FRR that speaks BGP with nobody."""
    key, login = host_key(name), login_key()
    network = f"iface eth0 inet static\n  address {MACHINE_ADDRESS}/{MASK}\n"
    user, group = _owner("passwd", "frr"), _owner("group", "frrvty")
    files = {
        "etc/hostname": (f"{name}\n", 0o644, 0, 0),
        "etc/hosts": (f"127.0.0.1 localhost\n127.0.1.1 {name}\n", 0o644, 0, 0),
        "etc/network/interfaces": (f"auto lo\niface lo inet loopback\n\nauto eth0\n{network}", 0o644, 0, 0),
        "etc/ssh/ssh_host_ed25519_key": (key.read_text(), 0o600, 0, 0),
        "home/ops/.ssh/authorized_keys": (Path(f"{login}.pub").read_text(), 0o600, _OPS, _OPS),
        "etc/frr/daemons": (
            f'bgpd=yes\nvtysh_enable=yes\nzebra_options="{ZEBRA_OPTIONS}"\n{_PATIENT}',
            0o644,
            user,
            group,
        ),
        "etc/frr/vtysh.conf": ("service integrated-vtysh-config\n", 0o640, user, group),
        "etc/frr/frr.conf": (_ALONE, 0o640, user, group),
    }
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        folder = tarfile.TarInfo("home/ops/.ssh")
        folder.type, folder.mode, folder.uid, folder.gid = tarfile.DIRTYPE, 0o700, _OPS, _OPS
        tar.addfile(folder)
        for path, (text, mode, owner, members) in files.items():
            member = tarfile.TarInfo(path)
            member.mode, member.uid, member.gid, member.size = mode, owner, members, len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
        for path in ("etc/systemd/system/frr.service", "etc/systemd/system/multi-user.target.wants/frr.service"):
            link = tarfile.TarInfo(path)
            link.type, link.linkname = tarfile.SYMTYPE, "/lib/systemd/system/frr.service"
            tar.addfile(link)
    return out.getvalue()


def _owner(file: str, name: str) -> int:
    """The number of a user or group in the tree that the disk is made of."""
    rows = (netns.cache() / f"{SUITE}-{VERSION}" / "etc" / file).read_text().splitlines()
    return next(int(row.split(":")[2]) for row in rows if row.startswith(f"{name}:"))


def login_key() -> Path:
    """The private key that opens every machine that stands alone."""
    return _made(STATE / "key" / "id_ed25519")


def host_key(name: str) -> Path:
    """The private host key of a machine that stands alone."""
    return _made(STATE / "key" / f"host_{name}_ed25519")


def public(key: Path) -> str:
    """The public half as `type base64`."""
    return " ".join(Path(f"{key}.pub").read_text().split()[:2])


def _made(path: Path) -> Path:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"slipway-vm {path.name}", "-f", str(path)])
    return path
