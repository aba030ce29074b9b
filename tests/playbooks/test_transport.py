"""The transport against a real SSH server: what it sends, what it returns, and every way in which it can go wrong."""

import os
import socket
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbooks import ssh, transport, wire
from playbooks.base import (
    Answer,
    Device,
    HostKeyRefused,
    Impossible,
    LoginRefused,
    Refused,
    Unreachable,
    Unsure,
)
from playbooks.deadlines import nothing_after
from tests.playbooks.ssh_server import SshServer, free_port


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    with SshServer(tmp_path_factory.mktemp("ssh")) as running:
        yield running


@pytest.fixture
def session(server: SshServer) -> Iterator[transport.SshSession]:
    server.tricks.clear()
    opened = transport.connect(server.device(), timeout_s=10)
    yield opened
    opened.close()


def test_a_command_is_quoted_and_answers_with_status_and_both_outputs(session: transport.SshSession) -> None:
    nasty = 'a b\'; echo $HOME `id` "x"\n*'
    assert session.run(["printf", "%s", nasty]) == Answer(0, nasty, "")
    assert session.run(["sh", "-c", "echo out; echo err >&2; exit 7"]) == Answer(7, "out\n", "err\n")
    assert session.run(["cat"], stdin="grüße\n").out == "grüße\n"
    assert session.run(["printf", "\\377x"]).out == "\ufffdx"


def test_nothing_is_sent_once_the_claim_has_run_out(server: SshServer, session: transport.SshSession) -> None:
    before = len(server.seen)
    with nothing_after(time.monotonic() - 1.0, time.monotonic), pytest.raises(Unreachable, match="no claim"):
        session.run(["echo", "late"])
    assert server.seen[before:] == []
    with nothing_after(time.monotonic() + 60.0, time.monotonic):
        assert session.run(["echo", "in time"]).out == "in time\n"


def test_root_goes_through_sudo_only_where_the_login_needs_it(server: SshServer) -> None:
    assert wire.command(["id", "-u"], root=True, become="sudo") == "sudo -n id -u"
    assert wire.command(["id", "-u"], root=True, become="") == "id -u"
    assert wire.command(["id", "-u"], root=False, become="sudo") == "id -u"


def test_a_batch_is_one_request_and_every_command_has_its_own_answer(
    server: SshServer, session: transport.SshSession
) -> None:
    before = len(server.seen)
    answers = session.batch(
        {
            "yes": ["echo", "it's"],
            "no": ["false"],
            "none": ["true"],
            "odd": ["printf", "no newline"],
            "gone": ["nix-da"],
        },
        per_interface={"if": ["echo", "interface"]},
    )
    assert server.seen[before:] == ["/bin/sh -s"]
    assert answers["yes"] == Answer(0, "it's\n", "")
    assert answers["no"] == Answer(1, "", "")
    assert answers["none"] == Answer(0, "", "")
    assert answers["odd"] == Answer(0, "no newline", "")
    assert answers["gone"].status == 127 and "not found" in answers["gone"].out
    wanted = {name for _, name in socket.if_nameindex() if name != "lo"}
    assert {name.partition(":")[2] for name in answers if name.startswith("if:")} == wanted
    assert all(answers[f"if:{name}"].out == f"interface {name}\n" for name in wanted)


def test_output_cannot_forge_the_end_of_its_section(session: transport.SshSession) -> None:
    forged = "@@slipway-0123456789abcdef a end 0\n@@slipway-0123456789abcdef b begin\nlie"
    answers = session.batch({"a": ["printf", "%s", forged], "b": ["echo", "truth"]})
    assert answers["a"].out == forged and answers["b"].out == "truth\n"


@pytest.mark.parametrize("lines", [0, 10, 60_000])
def test_a_file_is_put_by_rename_with_its_mode(session: transport.SshSession, tmp_path: Path, lines: int) -> None:
    path = tmp_path / "new folder" / "it's.conf"
    text = "line ü\n" * lines  # up to 420 kB: many SSH packets
    assert session.put(str(path), text, mode="0640").ok
    assert path.read_text() == text
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [p.name for p in path.parent.iterdir()] == ["it's.conf"]
    assert session.put("/proc/nowhere/x", text).status != 0
    with pytest.raises(ValueError):
        session.put("relative", text)


def test_half_a_file_never_gets_its_name(server: SshServer, session: transport.SshSession, tmp_path: Path) -> None:
    path = tmp_path / "frr.conf"
    path.write_text("old\n")
    server.tricks["slipway-put"] = "half of stdin"
    answer = session.put(str(path), "new line\n" * 50_000)
    assert not answer.ok and "not what was sent" in answer.err
    assert path.read_text() == "old\n"


def test_stdin_that_nobody_reads_does_not_hide_the_exit_status(session: transport.SshSession) -> None:
    assert session.run(["sh", "-c", "exit 3"], stdin="x" * 5_000_000).status == 3


def test_stderr_beyond_the_window_does_not_stop_the_command(session: transport.SshSession) -> None:
    answer = session.run(["sh", "-c", "head -c 6000000 /dev/zero | tr '\\0' e >&2; echo done"], timeout_s=60)
    assert answer.ok and answer.out == "done\n" and len(answer.err) == 6_000_000


def test_output_beyond_the_limit_is_cut_and_never_ok(
    session: transport.SshSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh, "OUTPUT_LIMIT", 1000)
    answer = session.run(["sh", "-c", "head -c 100000 /dev/zero | tr '\\0' x"])
    assert answer.status == ssh.CUT_STATUS and len(answer.out) == 1000 and "cut at 1000 bytes" in answer.err
    assert session.run(["echo", "on"]).out == "on\n"


def test_another_host_key_is_refused_with_both_fingerprints_before_any_login(server: SshServer) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519")
    device = server.device(host_key=other.export_public_key().decode())
    with pytest.raises(HostKeyRefused) as refused:
        transport.connect(device)
    reason = refused.value.reason
    assert server.host_key.get_fingerprint() in reason.found
    assert other.get_fingerprint() in reason.wanted
    assert "bly" in reason.subject and reason.remedy


@pytest.mark.parametrize("known", ["", "ssh-ed25519", "ssh-ed25519 not*base64", "nonsense"])
def test_an_unknown_host_key_is_refused_and_shown(server: SshServer, known: str) -> None:
    with pytest.raises(HostKeyRefused) as refused:
        transport.connect(server.device(host_key=known))
    assert server.host_key.get_fingerprint() in refused.value.reason.found
    assert "record" in refused.value.reason.remedy


def test_the_recorded_type_is_asked_for_among_several_host_keys(tmp_path: Path) -> None:
    rsa, ed = asyncssh.generate_private_key("ssh-rsa"), asyncssh.generate_private_key("ssh-ed25519")
    with SshServer(tmp_path, {"server_host_keys": [ed, rsa]}) as server:
        for key in (rsa, ed):
            transport.connect(server.device(host_key=key.export_public_key().decode())).close()


def test_a_refused_login_is_no_unreachable_device(server: SshServer, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger"
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(stranger))
    with pytest.raises(LoginRefused) as refused:
        transport.connect(server.device(credential=f"file:{stranger}"))
    assert "slipway" in refused.value.reason.wanted


@pytest.mark.parametrize(
    ("credential", "found"),
    [
        ("file:/nowhere/key", "No such file"),
        ("file:/etc/hostname", "no private key"),
        ("env:SLIPWAY_UNSET", "unset"),
        ("hunter2", "unknown kind"),
    ],
)
def test_a_credential_that_holds_nothing_is_named(server: SshServer, credential: str, found: str) -> None:
    with pytest.raises(LoginRefused) as refused:
        transport.connect(server.device(credential=credential))
    assert found in refused.value.reason.found
    assert "hunter2" not in str(refused.value)


def test_a_key_with_a_passphrase_is_named(server: SshServer, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    server.user_key.write_private_key(str(locked), passphrase="x")
    with pytest.raises(LoginRefused, match="without a passphrase"):
        transport.connect(server.device(credential=f"file:{locked}"))


def test_a_password_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with SshServer(tmp_path, password="correct horse") as server:
        monkeypatch.setenv("SLIPWAY_TEST_PASSWORD", "correct horse")
        transport.connect(server.device(credential="env:SLIPWAY_TEST_PASSWORD")).close()
        monkeypatch.setenv("SLIPWAY_TEST_PASSWORD", "wrong horse")
        with pytest.raises(LoginRefused) as refused:
            transport.connect(server.device(credential="env:SLIPWAY_TEST_PASSWORD"))
        assert "horse" not in str(refused.value)


def test_no_listener_is_unreachable(server: SshServer) -> None:
    with pytest.raises(Unreachable, match="connection refused"):
        transport.connect(server.device(port=free_port()))


def test_an_unknown_address_is_unreachable(server: SshServer) -> None:
    with pytest.raises(Unreachable, match="no resolver knows"):
        transport.connect(server.device(address="no-such-router.invalid"))


def test_a_silent_listener_is_unreachable_in_time(server: SshServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        with pytest.raises(Unreachable) as raised:
            transport.connect(server.device(port=silent.getsockname()[1]), timeout_s=0.5)
        assert time.monotonic() - started < 5
        assert raised.value.reason.found in ("no SSH banner", "no end of the key exchange in time")


def test_something_else_than_ssh_is_unreachable(server: SshServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as web:

        def answer() -> None:
            peer, _ = web.accept()
            peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            peer.close()

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(Unreachable):
            transport.connect(server.device(port=web.getsockname()[1]), timeout_s=3)


@pytest.mark.parametrize(
    ("offered", "agreed"),
    [(["aes256-ctr", "aes128-gcm@openssh.com"], "aes128-gcm@openssh.com"), (["aes256-ctr"], "aes256-ctr")],
)
def test_a_cipher_that_authenticates_itself_is_taken_where_there_is_one(
    tmp_path: Path, offered: list[str], agreed: str
) -> None:
    with SshServer(tmp_path, {"encryption_algs": offered}) as server:
        session = transport.connect(server.device(), timeout_s=10)
        try:
            client = session._connection.remote_conn_pre
            assert client is not None
            assert client.get_transport().local_cipher == agreed
            assert session.run(["echo", "x" * 100_000]).out == "x" * 100_000 + "\n"
        finally:
            session.close()


def test_no_common_key_exchange_is_impossible_and_says_so(tmp_path: Path) -> None:
    with (
        SshServer(tmp_path, {"kex_algs": ["curve448-sha512"]}) as server,
        pytest.raises(Impossible, match="no acceptable kex algorithm"),
    ):
        transport.connect(server.device())


def test_a_deadline_after_sending_is_unsure_and_closes_the_connection(
    server: SshServer, session: transport.SshSession
) -> None:
    server.tricks["forever"] = "hang"
    started = time.monotonic()
    with pytest.raises(Unsure, match="none within its time"):
        session.run(["echo", "forever"], timeout_s=0.5)
    assert time.monotonic() - started < 5
    assert not session.alive
    with pytest.raises(Unreachable):
        session.run(["echo", "later"])


@pytest.mark.parametrize("trick", ["drop before", "drop after", "no status"])
def test_no_exit_status_is_unsure(server: SshServer, session: transport.SshSession, trick: str) -> None:
    server.tricks["victim"] = trick
    with pytest.raises(Unsure) as unsure:
        session.run(["echo", "victim"], timeout_s=10)
    assert unsure.value.may_have_changed and "exit status" in unsure.value.reason.wanted
    assert not session.alive


def test_a_batch_cut_short_is_unsure(server: SshServer, session: transport.SshSession) -> None:
    server.tricks["/bin/sh -s"] = "half"
    with pytest.raises(Unsure, match="no end of"):
        session.batch({"a": ["echo", "a"], "b": ["echo", "b" * 500]})


def test_a_batch_that_never_started_is_refused(server: SshServer) -> None:
    device = server.device(become="sudo")
    session = transport.connect(device)
    server.tricks.clear()
    path, os.environ["PATH"] = os.environ["PATH"], "/nonexistent"
    try:
        with pytest.raises(Refused, match="sudo"):
            session.batch({"a": ["echo"]}, root=True)
    finally:
        os.environ["PATH"] = path
        session.close()


def test_the_name_of_a_command_never_shows_its_arguments(server: SshServer, session: transport.SshSession) -> None:
    server.tricks["s3cret"] = "no status"
    with pytest.raises(Unsure) as unsure:
        session.run(["vtysh", "-c", "neighbor 192.0.2.1 password s3cret"])
    assert "s3cret" not in str(unsure.value) and "vtysh" in str(unsure.value)


def test_a_shard_returns_every_leg_s_value_or_exception(server: SshServer) -> None:
    server.tricks.clear()
    down = server.device(name="down", port=free_port())
    broken = server.device(name="broken")
    fine = [server.device(name=f"r{n}") for n in range(6)]
    before = server.connections

    def leg(device: Device) -> str:
        if device.name == "broken":
            raise KeyError("a bug")
        first = transport.leg_session(device)
        assert transport.leg_session(device) is first
        return first.run(["echo", device.name]).out.strip()

    results = transport.run_shard([down, broken, *fine], leg, 4, timeout_s=10)
    assert {n: r for n, r in results.items() if n.startswith("r")} == {d.name: d.name for d in fine}
    assert isinstance(results["down"], Unreachable)
    assert isinstance(results["broken"], KeyError)
    assert server.connections - before == len(fine)  # opened lazily: the broken leg never asked for one
    # A second shard takes the failed ones up again.
    assert isinstance(transport.run_shard([down], leg, 4)["down"], Unreachable)


def test_a_leg_s_session_is_closed_at_its_end_and_reopened_when_lost(server: SshServer) -> None:
    held: list[transport.SshSession] = []

    def leg(device: Device) -> str:
        first = transport.leg_session(device)
        first.close()
        second = transport.leg_session(device)
        held.extend((first, second))
        return second.run(["echo", "again"]).out

    assert transport.run_shard([server.device()], leg, 1) == {"bly": "again\n"}
    assert held[0] is not held[1] and not held[1].alive


def test_a_leg_cannot_take_another_device_s_session(server: SshServer) -> None:
    with pytest.raises(LookupError):
        transport.leg_session(server.device())
    other = server.device(name="other")
    results = transport.run_shard([server.device()], lambda device: transport.leg_session(other), 1)
    assert isinstance(results["bly"], LookupError)


def test_names_of_a_shard_are_unique_and_an_empty_shard_is_fine(server: SshServer) -> None:
    assert transport.run_shard([], lambda device: 1, 4) == {}
    with pytest.raises(ValueError, match="twice"):
        transport.run_shard([server.device(), server.device()], lambda device: 1, 4)


@given(st.text())
def test_taking_a_batch_apart_never_raises(text: str) -> None:
    wire.batch_answers(text, token="@@slipway-00")
    wire.batch_answers("@@slipway-00 a begin\n" + text, token="@@slipway-00")


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.text(max_size=40), max_size=4))
def test_what_a_batch_answers_is_read_back(outputs: dict[str, str]) -> None:
    token = "@@slipway-0011223344556677"
    text = "".join(f"{token} {name} begin\n{out}\n{token} {name} end 4\n" for name, out in outputs.items())
    assert wire.batch_answers(text, token=token) == {name: Answer(4, out, "") for name, out in outputs.items()}
    # Cut anywhere, what is still complete is right and nothing else is there.
    for cut in range(0, len(text), 7):
        part = wire.batch_answers(text[:cut], token=token)
        assert all(outputs[name] == answer.out for name, answer in part.items())


@pytest.mark.parametrize("name", ["a b", "a'b", "", "a;b", "a\nb"])
def test_a_wrong_name_in_a_batch_is_a_bug_of_ours(name: str) -> None:
    with pytest.raises(ValueError):
        wire.batch_script({name: ["true"]}, {}, token="t")
