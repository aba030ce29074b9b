"""The scripts of discovery in real shells: dash and busybox, over a tree of files, with and without root's eyes."""

import shutil
import struct
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from lab.sim import discovery as sim
from playbooks import wire
from playbooks.base import Answer
from playbooks.facts import commands, parse, parse_machine, parse_nic, scripts
from tests.needs import need

SERIAL = bytes.fromhex("0001ff03ffcaa03c")  # as in the capability: low dword first
Run = Callable[..., str]


def put(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A machine of two cores with two threads each, one i40e port, FRR and VPP; values as sysfs writes them."""
    root = tmp_path / "root"
    system = "sys/devices/system"
    files = {f"{system}/cpu/cpu{n}/topology/physical_package_id": "0\n" for n in range(4)}
    files |= {f"{system}/cpu/cpu{n}/topology/thread_siblings_list": f"{n % 2},{n % 2 + 2}\n" for n in range(4)}
    files |= {f"{system}/cpu/isolated": "2-3\n", f"{system}/node/node0/cpulist": "0-3\n"}
    files |= {"proc/cpuinfo": "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Xeon D-1518\nflags\t: fpu\n"}
    files |= {"proc/modules": "i40e 557056 0 - Live 0x0000000000000000 (OE)\next4 1 2 - Live 0x0\n"}
    files |= {"sys/module/i40e/version": "2.13.10\n", "sys/module/i40e/srcversion": "x\n"}
    files |= {"proc/self/stat": "1 (sh) R\n"}
    for pid, name, start in ((701, "bgpd", 950), (702, "vpp_main", 1000), (703, "bgpd", 990), (704, "sshd", 1)):
        rest = " ".join(["S", *["0"] * 18, str(start), "0", "0"])
        files |= {f"proc/{pid}/comm": f"{name}\n", f"proc/{pid}/stat": f"{pid} ({name}) {rest}\n"}
    card = "sys/devices/pci0/0000:3b:00.0"
    ids = {"vendor": "0x8086", "device": "0x1572", "subsystem_vendor": "0x1374", "subsystem_device": "0x0001"}
    files |= {f"{card}/{name}": f"{value}\n" for name, value in ids.items()}
    files |= {f"{card}/numa_node": "1\n", f"{card}/msi_irqs/38": "msix\n", "proc/irq/38/smp_affinity_list": "0-1\n"}
    net = f"{card}/net/eth1"
    files |= {f"{net}/address": "3c:fd:fe:00:00:01\n", f"{net}/mtu": "9000\n", f"{net}/operstate": "up\n"}
    files |= {f"{net}/uevent": "DEVTYPE=phy\nINTERFACE=eth1\n"}
    files |= {f"{net}/queues/rx-{n}/rps_cpus": "0000000f\n" for n in range(2)}
    files |= {f"{net}/queues/tx-0/xps_cpus": "1\n", "sys/class/net/bonding_masters": "\n"}
    put(root, files)
    (root / "proc/irq/38/i40e-eth1-TxRx-0").mkdir()
    (root / card / "config").write_bytes(_config())
    (root / "sys/bus/pci/drivers/i40e").mkdir(parents=True)
    links = {
        f"{net}/device": "../..",
        "sys/class/net/eth1": "../../devices/pci0/0000:3b:00.0/net/eth1",
        f"{card}/driver": "../../../bus/pci/drivers/i40e",
        "sys/bus/pci/drivers/i40e/module": "../../../../module/i40e",
    }
    for name, target in links.items():
        (root / name).symlink_to(target)
    return root


def _config() -> bytes:
    """A configuration space: capability 1 at 0x100, the serial number's (3) at 0x148, no next one."""
    space = bytearray(4096)
    space[0x100:0x104] = struct.pack("<I", 0x1 | 1 << 16 | 0x148 << 20)
    space[0x148:0x154] = struct.pack("<I", 0x3 | 1 << 16) + SERIAL
    return bytes(space)


@pytest.fixture(params=["dash", "busybox"])
def run(request: pytest.FixtureRequest, tree: Path, tmp_path: Path) -> Run:
    """`run("cpu")`: what a script prints over the tree. Of busybox: with its own programs and nothing else in PATH."""
    shell = str(request.param)
    path = shutil.which(shell)
    need(None if path else f"{shell}: install it (./bootstrap.sh does)")
    programs = tmp_path / "bin"
    programs.mkdir()
    if shell == "busybox":
        for name in ("sh", "grep", "cat", "readlink", "od", "printf", "ip", "dmesg", "id"):
            (programs / name).symlink_to(str(path))
    where = str(programs) if shell == "busybox" else "/usr/sbin:/usr/bin:/sbin:/bin"

    def script(name: str, *more: str, root: Path = tree) -> str:
        argv = [str(path), *(["sh"] if shell == "busybox" else []), *scripts.argv(name, root=str(root))[1:], *more]
        done = subprocess.run(
            argv, env={"PATH": where}, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False
        )
        return done.stdout + done.stderr

    return script


def test_processors_modules_and_daemons_are_read_in_every_shell(run: Run) -> None:
    assert parse_machine.cpu(run("cpu")) == {
        "vendor": "GenuineIntel", "model": "Xeon D-1518", "sockets": 1, "cores": 2, "threads": 4, "numa_nodes": 1,
        "siblings": [[0, 2], [1, 3]], "isolated": "2-3",
    }  # fmt: skip
    assert parse_machine.modules(run("modules")) == {
        "i40e": {"version": "2.13.10", "flavour": "vendor"},
        "ext4": {"version": None, "flavour": "in-tree"},
    }
    assert parse_machine.processes(run("processes")) == {
        "bgpd": {"pid": 701, "started_s": 9.5},
        "bgpd 2": {"pid": 703, "started_s": 9.9},
        "vpp_main": {"pid": 702, "started_s": 10.0},
    }


def test_a_card_is_read_in_every_shell(run: Run) -> None:
    found = parse_nic.section(run("nic", "eth1"))
    assert parse_nic.pci(found) == {"vendor": "8086", "device": "1572", "subvendor": "1374", "subdevice": "0001"}
    assert (parse_nic.serial(found), parse_nic.numa_node(found)) == ("3c-a0-ca-ff-03-ff-01-00", 1)
    assert parse_nic.affinity(found) == {"i40e-eth1-TxRx-0": "0-1"}
    assert parse_nic.steering(found, "rps") == {"rx-0": [0, 1, 2, 3], "rx-1": [0, 1, 2, 3]}
    assert parse_nic.steering(found, "xps") == {"tx-0": [0]}
    assert {k: found.fields[k] for k in ("driver", "module", "version", "mtu", "operstate")} == {
        "driver": "i40e", "module": "i40e", "version": "2.13.10", "mtu": "9000", "operstate": "up",
    }  # fmt: skip
    assert set(found.answers) == {"rss", "coalesce", "offloads", "priv_flags", *(f"flow {f}" for f in FLOWS)}


FLOWS = ("tcp4", "udp4", "esp4", "tcp6", "udp6", "esp6")


def test_nothing_there_is_nothing_known(run: Run, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    for name in ("cpu", "modules", "processes"):
        assert getattr(parse_machine, name)(run(name, root=empty)) is None
    assert run("nic", "bonding_masters") == "" == run("nic", "eth9")
    assert run("nic", "eth1; reboot") == ""


def batch(shell: Sequence[str], env: dict[str, str]) -> dict[str, Answer]:
    token = "@@slipway-0123456789abcdef"
    script = wire.batch_script(commands.facts("frr"), commands.FACTS_PER_INTERFACE, token=token)
    done = subprocess.run([*shell, "-s"], input=script, env=env, capture_output=True, text=True, errors="replace",
                          timeout=60, check=False)  # fmt: skip
    return wire.batch_answers(done.stdout, token=token)


def test_the_whole_script_on_this_machine_in_busybox_without_ethtool_or_iproute2(tmp_path: Path) -> None:
    """One batch, busybox alone: interfaces and addresses come from sysfs and its own `ip`; what is missing is named."""
    busybox = shutil.which("busybox")
    need(None if busybox else "busybox: install it (./bootstrap.sh does)")
    for name in ("sh", "cat", "grep", "uname", "hostname", "nproc", "id", "ip", "sysctl", "readlink", "od", "dmesg"):
        (tmp_path / name).symlink_to(str(busybox))
    answers = batch([str(busybox), "sh"], {"PATH": str(tmp_path)})
    facts: dict[str, Any] = parse.facts(answers, "frr")
    names = {path.name for path in Path("/sys/class/net").iterdir() if (path / "address").exists()} - {"lo"}
    assert set(facts["interfaces"]) == names
    assert facts["kernel"] and facts["boot_id"] and facts["booted_at"] and facts["cpu"]["threads"]
    assert "not found" in facts["unknown"]["devlink"] and facts["packages"] is None
    assert facts["routing"]["version"] is None and "not found" in facts["unknown"]["routing"]
    for about in facts["interfaces"].values():
        assert about["mac"] and about["mtu"] and about["rss"] is None and about["offloads"] is None


def test_the_simulated_routers_answer_every_script() -> None:
    # The kind nic; what a kernel said when it died; the proof of a drain.
    of_others = {"slipway-nic-state", "slipway-nic-link", "slipway-last-words", "slipway-vpp-counters"}
    assert set(sim.SCRIPTS) - of_others == {f"slipway-{name}" for name in scripts.BY_NAME}
