"""What VPP forwards, by its counters: recordings of 24.06, the script in real shells, and what a drain makes of it."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from playbooks import vpp_counters
from playbooks.base import Answer, Seen, Step
from playbooks.drain.driver import Drain
from playbooks.vpp_counters import Traffic, traffic
from tests.needs import need, program
from tests.playbooks.scripted import Scripted
from tests.playbooks.test_drain_driver import Router, drained

RECORDED = (Path(__file__).parent / "recordings" / "vpp-24.06" / "interface.txt").read_text()
PAIRS = "lcp default netns 'dataplane'\nitf-pair: [0] eth1 tap1 eth1 6 type tap netns dataplane\n"
Counters = Mapping[str, Mapping[str, int]]


def shown(ports: Counters) -> str:
    """As `show interface` prints it."""
    text = ""
    for n, (name, counters) in enumerate(ports.items()):
        rows = [f"{what:<16}{count:>16}" for what, count in counters.items()] or [""]
        text += f"{name:<32}{n:>5}{'up':>10}{'9000/0/0/0':>21}     {rows[0]}\n"
        text += "".join(f"{'':<68}{row}\n" for row in rows[1:])
    return text


def said(interface: str, at: float, *, process: str = "4000", pairs: str = PAIRS) -> str:
    return f"@ process {process}\n@ uptime {at:.2f}\n@ interface\n{interface}\n@ uptime {at:.2f}\n@ lcp\n{pairs}"


def silent(at: float) -> str:
    return f"@ process 4000\n@ uptime {at:.2f}\n@ interface\n\n@ silent\n"


def between(first: Counters, second: Counters, **more: Any) -> Traffic:
    return traffic(said(shown(first), 10.0), said(shown(second), 12.0, **more), device="bly")


def test_the_recording_of_24_06_is_read_and_its_sub_interfaces_bonds_and_loopbacks_are_no_wires() -> None:
    listed = vpp_counters.interfaces(RECORDED)
    assert listed is not None
    recorded: dict[str, dict[str, int]] = {name: about["counters"] for name, about in listed.items()}
    assert recorded["host-cvC"]["tx packets"] == 29 and recorded["local0"] == {}
    for name, counters in recorded.items():
        later = {**recorded, name: {**counters, "tx packets": counters.get("tx packets", 0) + 70}}
        found = traffic(said(RECORDED, 10.0, pairs=""), said(shown(later), 12.0, pairs=""), device="bly")
        assert found == Traffic("4000", 35.0 if name.startswith("host-") else 0.0), name


BEFORE = {"eth1": {"rx packets": 50, "tx packets": 100}, "eth1.300": {"tx packets": 40}, "tap1": {"rx packets": 60}}


@pytest.mark.parametrize(
    ("grown", "pps"),
    [
        ({"eth1": {"tx packets": 2000}}, 1000.0),  # forwarded
        ({"eth1": {"tx packets": 2000}, "eth1.300": {"tx packets": 2000}}, 1000.0),  # the same packets, counted twice
        ({"eth1": {"tx packets": 600}, "tap1": {"rx packets": 600}}, 0.0),  # the router's own, from Linux
        ({"eth1": {"rx packets": 9000}, "tap1": {"tx packets": 9000}}, 0.0),  # to the router: punted
        ({"eth1": {"rx packets": 9000, "drops": 9000}}, 0.0),
        # What Linux gives and VPP drops hides nothing that is forwarded.
        ({"eth1": {"tx packets": 2000}, "tap1": {"rx packets": 2000, "drops": 2000}}, 1000.0),
    ],
)
def test_forwarded_is_what_left_on_wires_and_did_not_come_from_linux(grown: Counters, pps: float) -> None:
    after = {
        name: {k: had.get(k, 0) + grown.get(name, {}).get(k, 0) for k in {**had, **grown.get(name, {})}}
        for name, had in BEFORE.items()
    }
    assert between(BEFORE, after) == Traffic("4000", pps)


def test_what_is_no_two_samples_of_one_vpp_is_a_doubt_and_never_a_number() -> None:
    now, later = said(shown(BEFORE), 10.0), said(shown(BEFORE), 12.0)
    fewer = {name: {k: v - 1 for k, v in counters.items()} for name, counters in BEFORE.items()}
    wrong = {
        "silent": (now, silent(12.0)),
        "silent from the first": (silent(10.0), silent(17.0)),
        "restarted": (now, said(shown(BEFORE), 12.0, process="4001")),
        "gone": (now, "@ none\n"),
        "backwards": (now, said(shown(fewer), 12.0)),
        "another interface": (now, said(shown({**BEFORE, "eth2": {}}), 12.0)),
        "another pair": (now, said(shown(BEFORE), 12.0, pairs="")),
        "no time between": (now, said(shown(BEFORE), 10.1)),
        "no shell": ("sh: 1: not found\n", "sh: 1: not found\n"),
        "noise": (now, "\x00\x1b[31m@ process 1;rm\n"),
    }
    for what, (first, second) in wrong.items():
        found = traffic(first, second, device="bly")
        assert found.pps is None and found.doubt is not None, what
    assert traffic(now, later, device="bly", known="4000").pps == 0.0
    assert traffic("@ none\n", "@ none\n", device="bly") == Traffic()
    for known in ("3999", "?"):
        gone = traffic("@ none\n", "@ none\n", device="bly", known=known)
        assert gone.doubt is not None and gone.process == known, "it ran before: a drain does not take it for quiet"
    again = traffic(now, later, device="bly", known="3999")
    assert again.doubt is not None and "restarted" in again.doubt.found and again.process == "4000"


@pytest.mark.parametrize("shell", ["dash", "busybox"])
def test_the_script_in_real_shells(tmp_path: Path, shell: str) -> None:
    need(program(shell, shell))
    root, bin_ = tmp_path / "root", tmp_path / "bin"
    for pid, name in ((1, "systemd"), (4000, "vpp_main")):
        (root / f"proc/{pid}").mkdir(parents=True)
        (root / f"proc/{pid}/comm").write_text(f"{name}\n")
    (root / "proc/uptime").write_text("100.25 7.00\n")
    bin_.mkdir()
    answers = f"#!/bin/sh\ncase \"$*\" in *interface) cat <<'E'\n{RECORDED}E\n;; *) cat <<'E'\n{PAIRS}E\n;; esac\n"

    def run() -> str:
        argv = vpp_counters.argv(root=str(root))
        command = [*(["busybox", "sh"] if shell == "busybox" else [shell]), *argv[1:]]
        environment = {"PATH": f"{bin_}:/usr/sbin:/usr/bin:/sbin:/bin"}
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout

    def vppctl(text: str) -> None:
        (bin_ / "vppctl").write_text(text)
        (bin_ / "vppctl").chmod(0o755)

    vppctl(answers)
    found = vpp_counters.sample(run())
    assert found is not None and (found.process, found.begun_s, found.ended_s) == ("4000", 100.25, 100.25)
    assert found.ports is not None and found.ports["host-cvC"]["punt"] == 1 and found.taps == {"tap1"}
    vppctl("#!/bin/sh\nexit 1\n")
    assert vpp_counters.sample(run()) == vpp_counters.Sample("4000")
    (root / "proc/4000/comm").write_text("vppx\n")
    assert run() == "@ none\n"


def test_a_command_runs_in_the_namespace_of_the_routing_daemon(tmp_path: Path) -> None:
    """nsenter is a stand-in here: entering a namespace takes root."""
    from playbooks.facts import commands

    for pid, name in ((1, "systemd"), (77, "zebra")):
        (tmp_path / f"proc/{pid}").mkdir(parents=True)
        (tmp_path / f"proc/{pid}/comm").write_text(f"{name}\n")
    (tmp_path / "nsenter").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "nsenter").chmod(0o755)
    asked = commands.there({"get:a": ["ip", "-j", "route", "get", "192.0.2.1"], "rib:ipv4": ["vtysh"]})
    assert list(asked) == ["get:a"], "the daemon answers from anywhere"
    argv = [str(tmp_path) if word == "" else word for word in asked["get:a"]]
    run = {"capture_output": True, "text": True, "env": {"PATH": f"{tmp_path}:/usr/bin:/bin"}}
    found: Any = subprocess.run(argv, check=True, **run)  # type: ignore[call-overload]
    assert found.stdout == f"--net={tmp_path}/proc/77/ns/net -- ip -j route get 192.0.2.1\n"
    (tmp_path / "proc/77/comm").write_text("bash\n")
    found = subprocess.run(argv, check=False, **run)  # type: ignore[call-overload]
    assert found.returncode == 3


@dataclass
class Forwards(Router):
    """A router on which VPP forwards `vpp_pps`, whatever its kernel counts. `mood`: fine | hangs | gone."""

    vpp_pps: int = 0
    mood: str = "fine"
    process: int = 4000

    def file(self, argv: tuple[str, ...]) -> str | None:
        if argv[3:4] != ("slipway-vpp-counters",):
            return super().file(argv)
        match self.mood:
            case "gone":
                return "@ none\n"
            case "hangs":
                return silent(self.now)
            case _:
                sent = {"tx packets": int(self.now * (self.vpp_pps + 50))}
                text = shown({"eth1": sent, "tap1": {"rx packets": int(self.now * 50)}})
                return said(text, self.now, process=str(self.process))


def quiet_drain(router: Forwards) -> tuple[Scripted, Step]:
    return drained(router)


def test_a_router_with_vpp_is_drained_when_vpp_is_quiet_too() -> None:
    router = Forwards()
    session, held = quiet_drain(router)
    first = Drain().observe(session, replace(held, waited_s=1.0))
    assert first.seen is Seen.WAITING and first.data["forwarded"] == {"ipv4": 0.0, "ipv6": 0.0, "vpp": 0.0}
    assert Drain().observe(session, replace(held, waited_s=4.0, progress=first.data)).seen is Seen.DONE


def test_traffic_that_vpp_forwards_on_is_named_and_the_drain_not_proven() -> None:
    router = Forwards()
    session, held = quiet_drain(router)
    quiet = Drain().observe(session, held)
    router.vpp_pps = 5000
    look = Drain().observe(session, replace(held, waited_s=5.0, progress=quiet.data))
    assert look.seen is Seen.WAITING and "quiet_since_s" not in look.data
    late = Drain().observe(session, replace(held, waited_s=61.0, progress=look.data))
    assert late.seen is Seen.NOT_DONE
    assert [(r.subject, r.found) for r in late.reasons] == [("vpp through bly", "5000 packets/s forwarded")]


@pytest.mark.parametrize(("mood", "found"), [("hangs", "no answer within 5 s"), ("gone", "its process is gone")])
def test_a_vpp_that_is_silent_or_gone_is_never_quiet(mood: str, found: str) -> None:
    router = Forwards()
    session, held = quiet_drain(router)
    quiet = Drain().observe(session, replace(held, waited_s=1.0))
    router.mood = mood
    for waited_s in (5.0, 30.0):
        look = Drain().observe(session, replace(held, waited_s=waited_s, progress=quiet.data))
        assert look.seen is Seen.WAITING and look.reasons[0].found == found
        quiet = look
    late = Drain().observe(session, replace(held, waited_s=61.0, progress=look.data))
    assert late.seen is Seen.UNKNOWN and late.reasons[0].found == found


def test_one_that_ran_in_the_baseline_has_to_be_there_at_the_first_look_already() -> None:
    router = Forwards()
    session, held = quiet_drain(router)
    router.mood = "gone"
    with_vpp = replace(held, progress={"stage": held.progress["stage"]}, baseline={"vpp": {"running": True}})
    assert Drain().observe(session, with_vpp).reasons[0].found == "its process is gone"
    without = replace(with_vpp, baseline={"vpp": {"running": False}})
    assert Drain().observe(session, without).reasons == ()


def test_a_restart_between_two_looks_starts_the_settling_again() -> None:
    router = Forwards()
    session, held = quiet_drain(router)
    quiet = Drain().observe(session, replace(held, waited_s=1.0))
    router.process = 4001
    doubt = Drain().observe(session, replace(held, waited_s=4.0, progress=quiet.data))
    assert doubt.seen is Seen.WAITING and "restarted" in doubt.reasons[0].found
    again = Drain().observe(session, replace(held, waited_s=5.0, progress=doubt.data))
    assert (again.seen, again.data["quiet_since_s"]) == (Seen.WAITING, 5.0)
    assert Drain().observe(session, replace(held, waited_s=8.0, progress=again.data)).seen is Seen.DONE


def test_no_answer_whether_vpp_runs_is_no_proof() -> None:
    router = Forwards()
    session, held = quiet_drain(router)

    def without_shell(argv: tuple[str, ...]) -> Answer | str | None:
        return Answer(127, "sh: not found\n", "") if "slipway-vpp-counters" in argv else router(argv)

    session.script = without_shell
    assert Drain().observe(session, held).seen is Seen.WAITING
    assert Drain().observe(session, replace(held, waited_s=61.0)).seen is Seen.UNKNOWN
