"""Sessions of BIRD held back for VPP: a bird.conf as people write it, read, changed, and started by BIRD itself."""

import stat
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbooks import birdc_show
from playbooks.base import Answer, Device, Refused, Session
from playbooks.vpp import bird, bird_holds
from playbooks.vpp.bird_holds import LINE, against, changed, held, holds
from tests import needs

CONF = Path(__file__).parent / "recordings/bird-conf/edge.conf"


def text() -> str:
    return CONF.read_text()


def test_sessions_are_held_back_by_group_and_what_is_disabled_already_is_not_ours() -> None:
    assert against(text()) == ()
    made = {one.section.split()[-1]: (one.group, one.peer) for one in holds(text(), members="^ams.*|member")}
    assert made == {
        "core4": ("ospf", ""), "core6": ("ospf3", ""), "v4_over_v3": ("ospf", ""), "rr1": ("ibgp", "10.255.0.1"),
        "rr2": ("ibgp", "2001:db8:ffff::2"), "transit": ("ebgp", "192.0.2.1"), "ams_ix": ("members", "198.51.100.7"),
        "customer": ("members", "fe80::1"), "brace": ("ebgp", "192.0.2.9"),
    }  # fmt: skip


def test_the_file_comes_back_to_the_byte_and_in_between_only_our_lines_differ() -> None:
    found = holds(text())
    shut = changed(text(), found, hold=True)
    assert held(shut, found) == found and held(text(), found) == ()
    assert holds(shut) == found and changed(shut, found, hold=True) == shut, "twice is as once"
    one = [hold for hold in found if hold.group == "ospf3"]
    opened = changed(shut, one, hold=False)
    assert held(opened, found) == tuple(hold for hold in found if hold not in one)
    assert changed(opened, found, hold=False) == text()
    assert shut.replace(f"\n  {LINE} # held back by Slipway until its group's turn\n", "") == text()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("protocol bgp { local as 1; neighbor 192.0.2.77 as 2; }", "no name"),
        ("protocol bgp a { local as ELSEWHERE; neighbor 192.0.2.77 as 2; }", "an AS on both sides"),
        ("protocol bgp a { local as 1; neighbor range 192.0.2.0/24 as 2; }", "neighbor range"),
        ("protocol bgp a { local as 1; }", "neighbor none"),
        ("protocol bgp a { disabled SOMETIMES; local as 1; neighbor 192.0.2.77 as 2; }", "disabled SOMETIMES"),
        ("protocol ospf v2 core4 { ipv4; }", "there twice"),
        ("protocol rip r { ipv4; }", "no group knows"),
        ("protocol bgp a { local as 1; neighbor 192.0.2.77 as 2;", "braces that do not match"),
        ("}", "braces that do not match"),
    ],
)
def test_what_cannot_be_told_is_refused(more: str, words: str) -> None:
    assert words in " ".join(map(str, against(f"{text()}\n{more}\n")))


@given(st.text(alphabet=st.sampled_from('protocl bgsf{};"/*#\n a4:.'), max_size=80))
def test_any_text_is_read_or_refused_and_never_raises(junk: str) -> None:
    for config in (junk, f"protocol bgp x {{{junk}}}", text() + junk):
        wrong, found = against(config), holds(config)
        assert wrong or changed(changed(config, found, hold=True), found, hold=False) == config


@contextmanager
def running(folder: Path, config: str) -> Iterator[Path]:
    """A BIRD that was started with it; its socket."""
    (folder / "bird.conf").write_text(config)
    socket = folder / "b.ctl"
    daemon = subprocess.Popen(
        ["bird", "-f", "-c", folder / "bird.conf", "-s", socket, "-P", folder / "b.pid"], stderr=subprocess.PIPE
    )
    try:
        for _ in range(100):
            if states(socket):
                break
            time.sleep(0.1)
        yield socket
    finally:
        daemon.terminate()
        daemon.communicate(timeout=10)


def states(socket: Path) -> dict[str, str]:
    """State of each protocol; none while it does not answer."""
    said = subprocess.run(["birdc", "-s", socket, "show", "protocols"], capture_output=True, text=True)
    return {row.name: row.state for row in birdc_show.protocols(said.stdout)}


def started(folder: Path, config: str) -> dict[str, str]:
    with running(folder, config) as socket:
        return states(socket)


@dataclass
class Here(Session):
    """A session that is this machine, with a BIRD of its own."""

    device: Device
    socket: Path

    def run(self, argv: list[str], *, stdin: str = "", timeout_s: float = 30.0, root: bool = False) -> Answer:
        words = ["birdc", "-s", str(self.socket), *argv[1:]] if argv[0] == "birdc" else argv
        said = subprocess.run(words, capture_output=True, text=True, timeout=timeout_s)
        return Answer(said.returncode, said.stdout, said.stderr)

    def batch(self, commands: Mapping[str, list[str]], **more: Any) -> dict[str, Answer]:
        return {name: self.run(argv) for name, argv in commands.items()}

    def put(self, path: str, text: str, *, mode: str = "0644") -> Answer:
        Path(path).write_text(text)
        return Answer(0, "", "")


def test_groups_of_a_real_bird_are_shut_and_opened_and_its_file_keeps_its_mode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs.need(needs.program("bird", "bird2"))
    conf = tmp_path / "bird.conf"
    for name, path in (("CONF", conf), ("_CANDIDATE", f"{conf}.slipway-vpp"), ("_WORK", tmp_path / "work")):
        monkeypatch.setattr(bird, name, str(path))
    with running(tmp_path, text()) as socket:
        conf.chmod(0o640)
        session = Here(Device("bly", "192.0.2.1", 22, "ops", "file:/nowhere", "", "bird"), socket)
        speaker = bird.Bird()
        mine = speaker.present(session)
        assert isinstance(mine, tuple) and len(mine) == 9
        assert speaker.shut(session, mine) == () and speaker.open(session, mine) == mine
        speaker.configure(session, mine, hold=True, timeout_s=10.0)
        assert speaker.shut(session, mine) == mine and speaker.open(session, mine) == ()
        assert speaker.present(session) == mine, "what we hold back is still ours"
        first = tuple(one for one in mine if one.group == "ospf")
        speaker.configure(session, first, hold=False, timeout_s=10.0)
        assert speaker.open(session, mine) == first
        said = speaker.asked(session)
        assert said.full == {"ospf": frozenset(), "ospf3": frozenset()} and said.bfd == {}
        assert said.sessions is not None and said.sessions["192.0.2.1"] == (False, 0)
        speaker.configure(session, mine, hold=False, timeout_s=10.0)
        assert conf.read_text() == text() and stat.S_IMODE(conf.stat().st_mode) == 0o640
        # What BIRD does not accept is not put in place.
        monkeypatch.setattr(bird_holds, "changed", lambda config, chosen, *, hold: config + "protocol nonsense;\n")
        with pytest.raises(Refused, match="syntax error"):
            speaker.configure(session, mine, hold=True, timeout_s=10.0)
        assert conf.read_text() == text() and sorted(p.name for p in tmp_path.iterdir()) == [
            "b.ctl", "b.pid", "bird.conf",
        ]  # fmt: skip


def test_bird_itself_accepts_it_and_starts_with_all_of_them_down(tmp_path: Path) -> None:
    needs.need(needs.program("bird", "bird2"))
    found = holds(text())
    opened = tuple(one for one in found if one.group == "ospf")
    for name, config in (("as it was", text()), ("held", changed(text(), found, hold=True))):
        (tmp_path / "check.conf").write_text(config)
        checked = subprocess.run(["bird", "-p", "-c", tmp_path / "check.conf"], capture_output=True, text=True)
        assert checked.returncode == 0, (name, checked.stderr)
    # Without its kernel protocols and link-local neighbour it needs neither root nor interfaces.
    states = started(tmp_path, changed(text(), found, hold=True))
    names = {one.section.split()[-1] for one in found}
    assert {name: states[name] for name in names} == dict.fromkeys(names, "down")
    shut = changed(changed(text(), found, hold=True), opened, hold=False)
    states = started(tmp_path, shut)
    assert {name for name in names if states[name] != "down"} == {one.section.split()[-1] for one in opened}
