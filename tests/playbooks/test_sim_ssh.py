"""The simulated fleet over real SSH: the transport's own client, every injectable behaviour once, the journal."""

import shlex
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import paramiko
import pytest
from netmiko import ConnectHandler
from ruamel.yaml import YAML

from lab.sim import FleetError, SimFleet, oracle
from playbooks.base import Device, HostKeyRefused, LoginRefused, Unreachable, Unsure
from playbooks.transport import SshSession, connect
from tests.playbooks.simlab import FRR_DRAIN, SAVE

QUICK = {"boot_s": 0.6, "halt_s": 0.1, "restart_s": 0.1, "adjacency_s": 0.2, "bgp_s": 0.3, "fib_s": 0.4, "drain_s": 0.1}
DRAIN, WRITE = shlex.split(FRR_DRAIN)[2:], shlex.split(SAVE)[2:]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimFleet]:
    with SimFleet.start(tmp_path_factory.mktemp("sim"), timing=QUICK) as running:
        yield running


@pytest.fixture(scope="module")
def devices(fleet: SimFleet) -> dict[str, Device]:
    return _devices(fleet)


def _devices(fleet: SimFleet) -> dict[str, Device]:
    rows = YAML(typ="safe").load(fleet.inventory)["routers"]
    credential = f"file:{fleet.private_key}"
    return {
        r["name"]: Device(
            r["name"], r["address"], r["port"], "ops", credential, r["host_key"], r["suite"], "sudo", r["router_id"]
        )
        for r in rows
    }


@pytest.fixture
def bly(fleet: SimFleet, devices: dict[str, Device]) -> Iterator[SshSession]:
    """A session to bly, which is put right again afterwards."""
    fleet.clear("bly")
    fleet.wait_reachable("bly")
    session = connect(devices["bly"], 5)
    yield session
    session.close()
    fleet.clear("bly")


def test_commands_batches_and_files_arrive(bly: SshSession) -> None:
    assert bly.run(["uname", "-n"]).out == "bly\n"
    odd = "it's $HOME; `id`\nsecond line\n"
    assert bly.put("/var/lib/slipway/x", odd).ok
    assert bly.run(["cat", "/var/lib/slipway/x"], root=True).out == odd
    answers = bly.batch({"a": ["uname", "-r"], "b": ["nosuch"]}, per_interface={"q": ["ethtool", "-l"]}, root=True)
    assert answers["b"].status == 127
    assert "Combined:\t4" in answers["q:eth1"].out


def test_a_session_carries_many_requests_and_many_sessions_one_router(
    fleet: SimFleet, devices: dict[str, Device]
) -> None:
    sessions = [connect(devices["dekker"], 5) for _ in range(5)]
    for number, session in enumerate(sessions):
        assert [session.run(["echo", str(number)]).out for _ in range(5)] == [f"{number}\n"] * 5
        session.close()


def test_the_password_opens_and_a_wrong_one_does_not(
    fleet: SimFleet, devices: dict[str, Device], monkeypatch: pytest.MonkeyPatch
) -> None:
    device = devices["lang"]
    by_password = Device(**{**vars(device), "credential": "env:SIM_PASSWORD"})
    monkeypatch.setenv("SIM_PASSWORD", fleet.password)
    session = connect(by_password, 5)
    assert session.run(["hostname"]).out == "lang\n"
    session.close()
    monkeypatch.setenv("SIM_PASSWORD", "wrong")
    with pytest.raises(LoginRefused):
        connect(by_password, 5)


def test_a_reboot_ends_sessions_refuses_and_returns_with_another_boot_id(
    fleet: SimFleet, devices: dict[str, Device], bly: SshSession
) -> None:
    before = bly.run(["cat", "/proc/sys/kernel/random/boot_id"]).out
    assert bly.run(["systemd-run", "--unit=r", "--on-active=1s", "systemctl", "reboot"], root=True).ok
    fleet.advance(1.0)
    time.sleep(0.3)
    with pytest.raises((Unreachable, Unsure)):
        bly.run(["uname", "-r"])
    with pytest.raises(Unreachable):
        connect(devices["bly"], 2)
    fleet.wait_reachable("bly")
    again = connect(devices["bly"], 5)
    assert again.run(["cat", "/proc/sys/kernel/random/boot_id"]).out != before
    again.close()


# --- behaviours ----------------------------------------------------------------------------------------------------


def test_hang(fleet: SimFleet, bly: SshSession) -> None:
    fleet.inject("bly", "hang", match="uname", nth=2)
    assert bly.run(["uname", "-r"]).ok
    with pytest.raises(Unsure):
        bly.run(["uname", "-r"], timeout_s=0.3)
    assert fleet.state("bly")["behaviours"] == [], "once"


def test_drop_before_leaves_the_router_unchanged(fleet: SimFleet, devices: dict[str, Device], bly: SshSession) -> None:
    fleet.inject("bly", "drop_before", match="rmem_max=4")
    with pytest.raises(Unsure):
        bly.run(["sysctl", "-w", "net.core.rmem_max=4"], root=True, timeout_s=5)
    assert fleet.state("bly")["sysctls"]["net.core.rmem_max"] == "212992"


def test_drop_after_leaves_it_changed(fleet: SimFleet, bly: SshSession) -> None:
    fleet.inject("bly", "drop_after", match="wmem_max=5")
    with pytest.raises(Unsure):
        bly.run(["sysctl", "-w", "net.core.wmem_max=5"], root=True, timeout_s=5)
    assert fleet.state("bly")["sysctls"]["net.core.wmem_max"] == "5"
    assert ("bly", oracle.Kind.SYSCTL) in oracle.count(fleet.journal())


def test_lie(fleet: SimFleet, bly: SshSession) -> None:
    fleet.inject("bly", "lie", match="ethtool -L")
    assert bly.run(["ethtool", "-L", "eth1", "combined", "8"], root=True).ok
    assert fleet.state("bly")["nics"]["eth1"]["channels"] == {"combined": 4}
    assert ("bly", oracle.Kind.NIC) not in oracle.count(fleet.journal())
    assert bly.run(["ethtool", "-L", "eth1", "combined", "2"], root=True).ok
    assert fleet.state("bly")["nics"]["eth1"]["channels"] == {"combined": 2}


def test_slow(fleet: SimFleet, bly: SshSession) -> None:
    fleet.inject("bly", "slow", seconds=0.4)
    began = time.monotonic()
    assert bly.run(["uname", "-r"]).ok
    assert time.monotonic() - began >= 0.4


def test_garbage_output(fleet: SimFleet, bly: SshSession) -> None:
    fleet.inject("bly", "garbage_output", match="show bgp")
    answer = bly.run(["vtysh", "-c", "show bgp summary json"])
    assert answer.ok and "ipv4Unicast" not in answer.out
    assert "ipv4Unicast" in bly.run(["vtysh", "-c", "show bgp summary json"]).out


def test_refuse_login(fleet: SimFleet, devices: dict[str, Device]) -> None:
    fleet.inject("tarbell", "refuse_login")
    with pytest.raises(LoginRefused):
        connect(devices["tarbell"], 5)
    fleet.clear("tarbell", "refuse_login")
    connect(devices["tarbell"], 5).close()


def test_wrong_host_key(fleet: SimFleet, devices: dict[str, Device]) -> None:
    fleet.inject("tarbell", "wrong_host_key")
    with pytest.raises(HostKeyRefused):
        connect(devices["tarbell"], 5)
    fleet.clear("tarbell")
    connect(devices["tarbell"], 5).close()


def test_reboot_never_returns_until_a_person_comes(fleet: SimFleet, devices: dict[str, Device]) -> None:
    fleet.inject("tarbell", "reboot_never_returns")
    fleet.console("tarbell", "sudo -n systemctl reboot")
    fleet.advance(3600)
    with pytest.raises(Unreachable):
        connect(devices["tarbell"], 2)
    fleet.clear("tarbell")
    fleet.wait_reachable("tarbell")
    connect(devices["tarbell"], 5).close()


def test_panic_on_new_kernel(fleet: SimFleet) -> None:
    old = fleet.state("tarbell")["kernel"]
    fleet.inject("tarbell", "panic_on_new_kernel")
    for expected in (old, "6.1.0-56-amd64"):
        fleet.set_next_kernel("tarbell", "6.1.0-56-amd64")
        fleet.console("tarbell", "sudo -n systemctl reboot")
        fleet.advance(30)
        assert fleet.state("tarbell")["kernel"] == expected
        fleet.clear("tarbell")
    assert any(path.startswith("/sys/fs/pstore/") for path in fleet.state("tarbell")["files"])


def test_new_kernel_unreachable(fleet: SimFleet) -> None:
    """What has no watch stays away; test_kernel.py has the whole way."""
    fleet.inject("lang", "new_kernel_unreachable")
    for command in ("grub-editenv /boot/grub/grubenv set next_entry=nosuch", "systemctl reboot"):
        fleet.console("lang", f"sudo -n {command}")
    fleet.advance(30)
    assert fleet.state("lang")["reachable"], "an entry that is not in the menu is no trial"
    fleet.clear("lang")


def test_new_kernel_stands_still(fleet: SimFleet) -> None:
    """Only a trial does; its end is tests/stories/test_silence_on_sim.py."""
    fleet.inject("lang", "new_kernel_stands_still")
    fleet.console("lang", "sudo -n systemctl reboot")
    fleet.advance(30)
    assert fleet.state("lang")["reachable"], "a boot that is no trial"
    fleet.clear("lang")


def test_slab_leak(fleet: SimFleet, bly: SshSession) -> None:
    before = fleet.state("bly")["slab_kb"]
    fleet.inject("bly", "slab_leak", rate=1000)
    fleet.advance(60)
    assert 59_000 < fleet.state("bly")["slab_kb"] - before < 62_000
    row = next(r for r in bly.run(["cat", "/proc/meminfo"]).out.splitlines() if r.startswith("SUnreclaim:"))
    assert int(row.split()[1]) - before >= 59_000


def test_rib_fib_mismatch(fleet: SimFleet, bly: SshSession) -> None:
    kernel, daemons = ["ip", "-j", "route", "get", "20.0.3.1"], ["vtysh", "-c", "show ip route 20.0.3.0/24 json"]
    assert '"dev":"eth3"' in bly.run(kernel).out
    fleet.inject("bly", "rib_fib_mismatch")
    assert '"dev":"eth3"' not in bly.run(kernel).out
    assert '"interfaceName":"eth3"' in bly.run(daemons).out


def test_forwards_to_dead_neighbour(fleet: SimFleet, devices: dict[str, Device]) -> None:
    fleet.inject("lang", "forwards_to_dead_neighbour", neighbour="wells")
    fleet.console("wells", "sudo -n systemctl reboot")
    session = connect(devices["lang"], 5)
    ports = {row["ifname"] for row in YAML(typ="safe").load(session.run(["ip", "-j", "link", "show"]).out)}
    assert {"eth1", "eth2", "eth3"} <= ports
    assert '"dev":"eth2"' in session.run(["ip", "-j", "route", "get", "20.0.3.1"]).out, "eth2 leads to wells"
    assert '"interfaceName":"eth1"' in session.run(["vtysh", "-c", "show ip route 20.0.3.0/24 json"]).out
    session.close()
    fleet.clear("lang")
    fleet.wait_reachable("wells")


def test_bgp_never_converges(fleet: SimFleet, bly: SshSession) -> None:
    fleet.inject("bly", "bgp_never_converges")
    assert fleet.state("bly")["converged"], "from the next start of the daemons on"
    bly.run(["systemctl", "restart", "frr"], root=True)
    fleet.advance(600)
    assert not fleet.state("bly")["converged"]
    out = bly.run(["vtysh", "-c", "show bgp summary json"]).out
    assert '"state":"Active"' in out and '"state":"Established"' not in out


def test_loses_ospf6_lsas_after_restart(fleet: SimFleet, bly: SshSession) -> None:
    def heard(name: str) -> bool:
        shown = "show ipv6 ospf6 database router adv-router 10.255.77.1 detail json"
        return '"metric"' in fleet.console(name, f"sudo -n vtysh -c '{shown}'")[1]

    fleet.inject("bly", "loses_ospf6_lsas_after_restart")
    assert heard("lang") and heard("dekker")
    bly.run(["systemctl", "restart", "frr"], root=True)
    fleet.advance(600)
    assert heard("lang") and not heard("dekker"), "lang is a neighbour, dekker is not"
    assert bly.run(["vtysh", "-c", "show bgp summary json"]).out.count('"state":"Active"') == 3
    for cost in ("11", "10"):
        bly.run(
            ["vtysh", "-c", "configure terminal", "-c", "interface eth1", "-c", f"ipv6 ospf6 cost {cost}"], root=True
        )
        fleet.advance(10)
    assert heard("dekker")
    assert '"state":"Active"' not in bly.run(["vtysh", "-c", "show bgp summary json"]).out


def test_mgmt_cut_until_the_timer_puts_the_configuration_back(
    fleet: SimFleet, devices: dict[str, Device], bly: SshSession
) -> None:
    fleet.inject("bly", "mgmt_cut", match="description cut-me-off")
    revert = "set -e\n/usr/lib/frr/frr-reload.py --reload /etc/frr/frr.conf\ntouch /var/lib/slipway/reverted-7\n"
    assert bly.put("/var/lib/slipway/revert-7.sh", revert).ok
    assert bly.run(
        ["systemd-run", "--unit=revert-7", "--on-active=60", "/bin/sh", "/var/lib/slipway/revert-7.sh"], root=True
    ).ok
    with pytest.raises(Unsure):
        bly.run(
            ["vtysh", "-c", "conf t", "-c", "interface eth1", "-c", "description cut-me-off", "-c", "end"],
            root=True,
            timeout_s=0.5,
        )
    with pytest.raises(Unreachable):
        connect(devices["bly"], 2)
    fleet.advance(60)
    fleet.wait_reachable("bly")
    again = connect(devices["bly"], 5)
    assert "cut-me-off" not in again.run(["vtysh", "-c", "show running-config"]).out
    assert again.run(["cat", "/var/lib/slipway/reverted-7"]).ok
    again.close()


def test_an_answer_that_was_cut_off_arrives_when_management_is_back(fleet: SimFleet, bly: SshSession) -> None:
    fleet.inject("bly", "mgmt_cut", match="description for-a-while")
    lines = ["conf t", "interface eth1", "description for-a-while", "end"]
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(bly.run, ["vtysh", *(part for line in lines for part in ("-c", line))], timeout_s=20)
        time.sleep(0.3)
        assert not late.done() and not fleet.state("bly")["reachable"]
        fleet.console("bly", "vtysh -c 'conf t' -c 'interface eth1' -c 'description aebi' -c end")
        assert late.result(timeout=5).ok
    assert bly.run(["hostname"]).out == "bly\n", "the connection lives on, as TCP does"


# --- the rest ------------------------------------------------------------------------------------------------------


def test_a_wrong_request_to_the_control_socket_says_what_is_wanted(fleet: SimFleet) -> None:
    for what, says in (
        ({"op": "inject", "router": "nosuch", "behaviour": "hang"}, "router: found 'nosuch'"),
        ({"op": "inject", "router": "bly", "behaviour": "nosuch"}, "wanted one of hang"),
        ({"op": "inject", "router": "bly", "behaviour": "hang", "rate": 3}, "found parameter rate"),
        ({"op": "inject", "router": "bly", "behaviour": "mgmt_cut"}, "found no match"),
        ({"op": "inject", "router": "bly", "behaviour": "lie", "match": "("}, "regular expression"),
        ({"op": "nosuch"}, "op: found 'nosuch'"),
    ):
        with pytest.raises(FleetError, match=says.replace("(", r"\(")):
            fleet.ask(**what)


def test_the_journal_is_on_disk_before_the_answer(fleet: SimFleet, bly: SshSession) -> None:
    for number in range(5):
        bly.run(["sysctl", "-w", f"net.core.somaxconn={number + 1}"], root=True)
        changes = [c for e in fleet.journal() for c in e.get("changes", ())]
        assert changes[-1].endswith(f"-> {number + 1}")


def test_two_hundred_routers_start_quickly_and_keep_their_keys(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    with SimFleet.start(tmp_path / "many", routers=200) as fleet:
        took = time.monotonic() - began
        first = _devices(fleet)
        session = connect(first["r0200"], 5)
        assert session.run(["hostname"]).out == "r0200\n"
        session.close()
        assert len({d.host_key for d in first.values()}) == len({d.port for d in first.values()}) == 200
    with capsys.disabled():
        print(f"\n200 routers ready after {took:.2f} s, interpreter included")
    with SimFleet.start(tmp_path / "many", routers=200) as fleet:
        assert {n: d.host_key for n, d in _devices(fleet).items()} == {n: d.host_key for n, d in first.items()}


def test_two_fleets_share_no_port_even_while_a_router_is_down(tmp_path: Path, fleet: SimFleet) -> None:
    fleet.inject("tarbell", "reboot_never_returns")
    fleet.console("tarbell", "sudo -n systemctl reboot")
    fleet.advance(5)
    with SimFleet.start(tmp_path / "other", routers=40) as other:
        mine = {d.port for d in _devices(fleet).values()}
        assert not mine & {d.port for d in _devices(other).values()}
    fleet.clear("tarbell")
    fleet.wait_reachable("tarbell")


def test_a_fleet_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    fleet = SimFleet.start(tmp_path / "orphan")
    process = fleet._process
    assert process is not None and process.stdin is not None
    process.stdin.close()
    assert process.wait(timeout=10) == 0
    with pytest.raises(FleetError):
        fleet.state("bly")
    fleet.stop()


def test_raw_client_gets_no_forwarding(fleet: SimFleet, devices: dict[str, Device]) -> None:
    device = devices["dekker"]
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    client.connect(
        device.address, device.port, "ops", key_filename=str(fleet.private_key), look_for_keys=False, allow_agent=False
    )
    transport = client.get_transport()
    assert transport is not None
    with pytest.raises(paramiko.ChannelException):
        transport.open_channel("direct-tcpip", ("127.0.0.1", 22), ("127.0.0.1", 1))
    client.close()


def test_a_script_that_reads_prompts_gets_the_same_answers(bly: SshSession, devices: dict[str, Device]) -> None:
    """Slipway asks for no shell; what it is compared with does (tests/bench/plain_script.py)."""
    device = devices["bly"]
    key = device.credential.partition(":")[2]
    login = {"host": device.address, "port": device.port, "username": device.username}
    with ConnectHandler(device_type="linux", use_keys=True, key_file=key, **login) as shell:
        assert shell.find_prompt() == "ops@bly:~$"
        for argv in (["uname", "-r"], ["sysctl", "-n", "kernel.panic"], ["vtysh", "-c", "show bgp summary json"]):
            typed = shell.send_command(shlex.join(["sudo", "-n", *argv]))
            assert typed.strip() == bly.run(argv, root=True).out.strip()
        assert "nosuch: not found" in shell.send_command("nosuch")
