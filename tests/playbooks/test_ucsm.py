"""The UCS Manager of the lab, asked by the real ucsmsdk: answers, commits and what becomes of blades."""

import hashlib
import http.client
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from ucsmsdk.mometa.adaptor.AdaptorHostEthIfProfile import AdaptorHostEthIfProfile
from ucsmsdk.ucsexception import UcsException
from ucsmsdk.ucshandle import UcsHandle

from lab.ucsm import Blade, UcsManager

PASSWORD = "only of this test"
POLICY = "org-root/eth-profile-default"


class Machines:
    """The hosts on the blades."""

    def __init__(self) -> None:
        self.running: dict[str, Mapping[str, int]] = {}
        self.down: set[str] = set()

    def off(self, host: str) -> None:
        self.down.add(host)

    def on(self, host: str, queues: Mapping[str, int]) -> None:
        self.down.discard(host)
        self.running[host] = queues


def domain(*blades: Blade, **more: Any) -> UcsManager:
    return UcsManager(blades, password=PASSWORD, stage_s=0.02, **more)


@pytest.fixture
def machines() -> Machines:
    return Machines()


@pytest.fixture
def manager(machines: Machines) -> Iterator[UcsManager]:
    blades = (Blade("cache1"), Blade("cache2"), Blade("cache3", maintenance="default"), Blade("cache4", vnics=2))
    with domain(*blades, hosts=machines) as running:
        yield running


def login(manager: UcsManager) -> UcsHandle:
    handle = UcsHandle("127.0.0.1", "admin", PASSWORD, port=manager.port, secure=False)
    handle.login()
    return handle


def soon(what: Callable[[], object], within_s: float = 5.0) -> None:
    end = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.01)


def set_queues(handle: UcsHandle, count: int, policy: str = POLICY) -> None:
    """As `set recv-queue count N` and so on, in one commit."""
    values = {
        "eth-rcv-q": {"count": count}, "eth-work-q": {"count": count}, "eth-comp-q": {"count": 2 * count},
        "eth-int": {"count": 2 * count + 2}, "rss": {"receive_side_scaling": "enabled"},
    }  # fmt: skip
    for rn, props in values.items():
        node = handle.query_dn(f"{policy}/{rn}")
        node.set_prop_multiple(**{k: str(v) for k, v in props.items()})
        handle.set_mo(node)
    handle.commit()


def test_the_real_client_logs_in_asks_and_logs_out(manager: UcsManager) -> None:
    handle = login(manager)
    assert (handle.ucs, str(handle.version)) == ("ucs1-osl3", "4.2(3d)")
    (policy,) = handle.query_classid("adaptorHostEthIfProfile")
    assert policy.dn == POLICY
    assert [p.name for p in handle.query_classid("lsServer", filter_str='(name, "cache1", type="eq")')] == ["cache1"]
    assert (
        len(handle.query_classid("lsServer", filter_str='(name, "cache") and (assoc_state, "associated", type="eq")'))
        == 4
    )
    assert handle.query_dn("org-root/ls-nosuch") is None
    queue = handle.query_children(in_dn=POLICY, class_id="adaptorEthRecvQueueProfile")
    assert [q.count for q in queue] == ["1"]
    assert manager.sessions.count() == 1
    assert handle.logout() and manager.sessions.count() == 0


def test_a_wrong_password_and_a_lost_session_have_their_codes(manager: UcsManager) -> None:
    with pytest.raises(UcsException) as refused:
        UcsHandle("127.0.0.1", "admin", "wrong", port=manager.port, secure=False).login()
    assert refused.value.error_code == "551"
    handle = login(manager)
    manager.sessions.end_all()
    with pytest.raises(UcsException) as gone:
        handle.query_dn("sys")
    assert gone.value.error_code == "552"


def test_sessions_are_not_without_end(machines: Machines) -> None:
    with domain(Blade("cache1"), most_sessions=1, hosts=machines) as manager:
        login(manager)
        with pytest.raises(UcsException) as full:
            login(manager)
        assert full.value.error_code == "ERR-max-userid-sessions-reached"


def test_a_commit_waits_for_user_ack_where_the_policy_says_so_and_reboots_the_others_at_once(
    manager: UcsManager, machines: Machines
) -> None:
    handle = login(manager)
    set_queues(handle, 8)
    soon(lambda: manager.history("up") == ["cache3"])
    assert machines.running == {"cache3": {"eth0": 8}}
    waiting = handle.query_classid("lsmaintAck")
    assert {(a.oper_state, a.change_details) for a in waiting} == {("waiting-for-user", "host-eth-if-profile")}
    assert sorted(manager.history("pending")) == ["cache1", "cache2", "cache4"]
    ack = handle.query_dn("org-root/ls-cache1/ack")
    ack.admin_state = "trigger-immediate"
    handle.set_mo(ack)
    handle.commit()
    soon(lambda: "cache1" in machines.running)
    assert manager.history("acknowledged") == ["cache1"]
    assert manager.history("off") == ["cache3", "cache1"]
    assert handle.query_dn("org-root/ls-cache1/ack") is None
    assert handle.query_dn("org-root/ls-cache2").oper_state == "pending-reboot"


def test_what_is_put_back_is_pending_no_more(manager: UcsManager) -> None:
    handle = login(manager)
    for count in ("2", "1"):
        queue = handle.query_dn(f"{POLICY}/eth-rcv-q")
        queue.count = count
        handle.set_mo(queue)
        handle.commit()
    assert handle.query_dn("org-root/ls-cache1/ack") is None
    assert handle.query_dn("org-root/ls-cache1").oper_state == "ok"


def test_a_commit_is_taken_whole_or_not_at_all(manager: UcsManager) -> None:
    handle = login(manager)
    queue = handle.query_dn(f"{POLICY}/eth-rcv-q")
    queue.count = "2"
    handle.set_mo(queue)
    handle.remove_mo(AdaptorHostEthIfProfile(parent_mo_or_dn="org-root", name="nosuch"))
    with pytest.raises(UcsException) as refused:
        handle.commit()
    assert refused.value.error_code == "102"
    handle.commit_buffer_discard()
    assert handle.query_dn(f"{POLICY}/eth-rcv-q").count == "1"


@pytest.mark.parametrize(
    ("adapter", "words"),
    [("M81KR", "Out of CQ resources"), ("VIC 1240", "Adapter configDataNicCb(): vnicEthCreate failed")],
)
def test_two_vnics_with_256_queues_do_not_associate_and_only_the_old_policy_helps(adapter: str, words: str) -> None:
    machines = Machines()
    with domain(Blade("cache1", adapter=adapter, vnics=2, maintenance="default"), hosts=machines) as manager:
        handle = login(manager)
        set_queues(handle, 256)
        soon(lambda: manager.history("failed") == ["cache1"])
        blade = handle.query_dn("sys/chassis-1/blade-1")
        assert (blade.association, blade.fsm_rmt_inv_err_descr) == ("failed", words)
        assert handle.query_dn("sys/chassis-1/blade-1/fsm/stage-AssociateNicConfigHostOSLocal").stage_status == "fail"
        assert handle.query_dn("org-root/ls-cache1").config_qualifier == "insufficient-resources"
        assert "cache1" in machines.down
        time.sleep(0.2)
        assert manager.history("begun") == ["cache1"]  # it does not try again by itself
        set_queues(handle, 1)
        soon(lambda: machines.running.get("cache1") == {"eth0": 1, "eth1": 1})
        assert "cache1" not in machines.down


def test_one_vnic_with_256_queues_shows_eight() -> None:
    machines = Machines()
    with domain(Blade("cache1", maintenance="default"), hosts=machines) as manager:
        set_queues(login(manager), 256)
        soon(lambda: machines.running.get("cache1") == {"eth0": 8})


def test_impact_is_told_before_a_commit(manager: UcsManager) -> None:
    handle = login(manager)
    queue = handle.query_dn(f"{POLICY}/eth-rcv-q")
    queue.count = "8"
    handle.set_mo(queue)
    impact = handle.estimate_impact()
    told = {
        how: [one["name"] for one in blades] for how, blades in json.loads(impact).items() if how.startswith("reboot")
    }
    assert told == {"reboot_immediate": ["cache3"], "reboot_user_ack": ["cache1", "cache2", "cache4"]}
    assert not manager.history("begun") and not manager.history("pending")


def frames(manager: UcsManager, cookie: str, into: list[str]) -> None:
    """Subscribe, and keep what comes until the stream ends: frames of LENGTH, a line's end, XML."""
    connection = http.client.HTTPConnection("127.0.0.1", manager.port, timeout=10)
    connection.request("POST", "/nuova", f'<eventSubscribe cookie="{cookie}"/>')
    answer = connection.getresponse()
    while length := answer.readline():
        into.append(answer.read(int(length)).decode())


def test_events_come_to_who_listens_until_a_restart(manager: UcsManager) -> None:
    handle, heard = login(manager), list[str]()
    listener = threading.Thread(target=frames, args=(manager, handle.cookie, heard))
    listener.start()
    soon(lambda: manager.listeners)
    set_queues(handle, 8)
    soon(lambda: any("org-root/ls-cache1/ack" in frame for frame in heard))
    soon(lambda: any("AssociateSwConfigHostOSLocal" in frame for frame in heard))
    numbers = [int(frame.partition('inEid="')[2].partition('"')[0]) for frame in heard]
    assert numbers == sorted(set(numbers))
    manager.restart(away_s=0.0)
    listener.join(5)
    assert not listener.is_alive()


def test_a_restart_ends_sessions_and_the_blades_go_on(manager: UcsManager) -> None:
    handle = login(manager)
    set_queues(handle, 8)
    manager.restart(away_s=0.1)
    with pytest.raises(HTTPError, match="503"):
        handle.query_dn("sys")
    soon(lambda: manager.history("up") == ["cache3"])
    time.sleep(0.1)
    assert login(manager).query_dn("org-root/ls-cache1/ack").oper_state == "waiting-for-user"


def test_over_tls_with_a_certificate_that_can_be_checked(tmp_path: Path) -> None:
    with domain(Blade("cache1"), folder=tmp_path) as manager:
        shown = ssl.get_server_certificate(("127.0.0.1", manager.port))
        assert manager.certificate is not None
        assert hashlib.sha256(ssl.PEM_cert_to_DER_cert(shown)).hexdigest() == manager.certificate.fingerprint
        handle = UcsHandle("127.0.0.1", "admin", PASSWORD, port=manager.port, secure=True)
        assert handle.login()
