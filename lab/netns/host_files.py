"""Writes what makes each host itself: the files of its overlay's upper directory, and the keys."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from lab.netns import bird_config, frr_config
from lab.netns.command import run
from lab.netns.paths import HOSTS, KEYS, LOGIN_KEY
from lab.netns.topology import EXTERNALS, ROUTERS, End, External, Router, ends_of

SYSCTL = """\
net.ipv4.ip_forward = 1
net.ipv6.conf.all.forwarding = 1
net.ipv4.conf.all.rp_filter = 0
net.ipv4.conf.default.rp_filter = 0
net.ipv4.fib_multipath_hash_policy = 1
net.ipv6.fib_multipath_hash_policy = 1
# An address of a point-to-point link has nobody to collide with, and must be usable when the link comes up.
net.ipv6.conf.*.accept_dad = 0
net.ipv6.conf.*.accept_ra = 0
# A probe that is dropped shall hear from whom, every time.
net.ipv4.icmp_ratelimit = 0
net.ipv6.icmp.ratelimit = 0
"""


# Every login runs through the recorder (recorder.py), which enter.sh gives a folder that outlives the router.
RECORDER = "/usr/local/lib/slipway-recorder"
_RECORDED = f"ForceCommand /usr/bin/python3 -I -S -B {RECORDER}\n"


def write_host(
    host: Router | External, tree: Path, *, prefixes4: int, prefixes6: int, recorded: bool = False, disk_mb: int = 0
) -> Path:
    """A fresh folder for the host with `upper`, `work`, `root`; whatever was there before is gone.

    `recorded`: what a router is asked over SSH is written to `journal`. `disk_mb`: its disk is a file system of its
    own of this size, on `disk`, that can be filled.
    """
    folder = HOSTS / host.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if disk_mb and isinstance(host, Router):
        (folder / "disk").mkdir()
        run(["mount", "-t", "tmpfs", "-o", f"size={disk_mb}m,mode=755", "slipway-lab", str(folder / "disk")])
        for part in ("upper", "work"):
            (folder / "disk" / part).mkdir()
            (folder / part).symlink_to(Path("disk") / part)
    for part in ("upper", "work", "root"):
        (folder / part).mkdir(exist_ok=True)
    if recorded and isinstance(host, Router):
        (folder / "journal").mkdir()
        (folder / "journal").chmod(0o777)
    (folder / "console").touch()
    files = _Files(folder / "upper", tree)
    files.write("/etc/hostname", f"{host.name}\n")
    files.write("/etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {host.name}\n::1 localhost\n")
    if isinstance(host, Router):
        _router(files, host)
        if recorded:
            files.write(RECORDER, Path(__file__).with_name("recorder.py").read_text(), mode=0o755)
            files.write("/etc/ssh/sshd_config.d/recorded.conf", _RECORDED)
    else:
        config = bird_config.external_conf(host, prefixes4=prefixes4, prefixes6=prefixes6)
        files.write("/etc/bird/bird.conf", config, owner="bird:bird", mode=0o640)
    return folder


def make_keys() -> None:
    """The login key and one host key per router; kept over `down`, so that the inventory stays true."""
    KEYS.mkdir(parents=True, exist_ok=True)
    KEYS.chmod(0o700)
    for path in (LOGIN_KEY, *(host_key(router.name) for router in ROUTERS)):
        if not path.exists():
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"slipway-lab {path.name}", "-f", str(path)])
        path.chmod(0o600)


def host_key(router: str) -> Path:
    """Private host key of a router; the public one lies beside it with .pub."""
    return KEYS / f"host_{router}_ed25519"


def public_host_key(router: str) -> str:
    """The public host key as `type base64`, without comment."""
    return " ".join(Path(f"{host_key(router)}.pub").read_text().split()[:2])


class _Files:
    """Files of one upper directory, owned as the tree's passwd says."""

    def __init__(self, upper: Path, tree: Path) -> None:
        self._upper = upper
        self._users = _ids(tree / "etc/passwd")
        self._groups = _ids(tree / "etc/group")

    def write(self, path: str, text: str, *, owner: str = "root:root", mode: int = 0o644) -> None:
        target = self.directory(os.path.dirname(path)) / os.path.basename(path)
        target.write_text(text)
        target.chmod(mode)
        self._chown(target, owner)

    def directory(self, path: str, *, owner: str = "root:root", mode: int = 0o755) -> Path:
        """The directory in the upper layer; owner and mode are only set when it is made here."""
        target = self._upper / path.lstrip("/")
        for part in (*reversed(target.relative_to(self._upper).parents), target.relative_to(self._upper)):
            step = self._upper / part
            if not step.exists():
                step.mkdir()
                if step == target:
                    step.chmod(mode)
                    self._chown(step, owner)
        return target

    def unit(self, name: str) -> None:
        """Unmasks a unit that the tree masks, and has it started at boot."""
        system = self.directory("/etc/systemd/system")
        os.symlink(f"/lib/systemd/system/{name}", system / name)
        os.symlink(f"/lib/systemd/system/{name}", self.directory(f"{system_wants()}") / name)

    def _chown(self, target: Path, owner: str) -> None:
        user, group = owner.split(":")
        os.chown(target, self._users[user], self._groups[group])


def system_wants() -> str:
    """Where units are enabled for a normal boot."""
    return "/etc/systemd/system/multi-user.target.wants"


def _ids(path: Path) -> dict[str, int]:
    rows = [line.split(":") for line in path.read_text().splitlines()]
    return {row[0]: int(row[2]) for row in rows}


def _router(files: _Files, router: Router) -> None:
    files.write("/etc/network/interfaces", interfaces(router))
    files.write("/etc/sysctl.d/90-router.conf", SYSCTL)
    files.directory("/home/ops", owner="ops:ops", mode=0o755)
    files.directory("/home/ops/.ssh", owner="ops:ops", mode=0o700)
    public = Path(f"{LOGIN_KEY}.pub").read_text()
    files.write("/home/ops/.ssh/authorized_keys", public, owner="ops:ops", mode=0o600)
    files.write("/etc/ssh/ssh_host_ed25519_key", host_key(router.name).read_text(), mode=0o600)
    files.write("/etc/ssh/ssh_host_ed25519_key.pub", Path(f"{host_key(router.name)}.pub").read_text())
    if router.suite == "frr":
        files.directory("/etc/frr", owner="frr:frr", mode=0o775)
        files.write("/etc/frr/frr.conf", frr_config.frr_conf(router), owner="frr:frrvty", mode=0o640)
        files.write("/etc/frr/vtysh.conf", "service integrated-vtysh-config\n", owner="frr:frrvty", mode=0o640)
        files.unit("frr.service")
    else:
        files.directory("/etc/bird", owner="bird:bird", mode=0o750)
        files.write("/etc/bird/bird.conf", bird_config.router_conf(router), owner="bird:bird", mode=0o640)
        files.write(bird_config.DRAIN_FILE, bird_config.drain_file(), owner="bird:bird", mode=0o640)
        files.unit("bird.service")


def interfaces(router: Router) -> str:
    """/etc/network/interfaces of a router."""
    loopback = ["auto lo", "iface lo inet loopback"]
    loopback += [f"  up ip addr add {router.loopback4}/32 dev lo", f"  up ip -6 addr add {router.loopback6}/128 dev lo"]
    if router.suite == "bird":
        loopback.append(f"  up ip -6 rule add pref 33000 lookup {bird_config.SHADOW_TABLE} || true")
    parts = ["\n".join(loopback), f"auto eth0\niface eth0 inet static\n  address {router.management_address}/24"]
    parts += [_interface(mine) for mine, _far, _link in ends_of(router.name)]
    return "\n\n".join(parts) + "\n"


def _interface(end: End) -> str:
    return (
        f"auto {end.interface}\n"
        f"iface {end.interface} inet static\n  address {end.address4}/30\n"
        f"iface {end.interface} inet6 static\n  address {end.address6}/64\n  dad-attempts 0\n  accept_ra 0"
    )


def all_hosts() -> tuple[Router | External, ...]:
    """Routers first, then the outside networks."""
    return (*ROUTERS, *EXTERNALS)
