"""`slipway`: how it finds its way and its token, what it sends again, how it says no, how it ends."""

import json
import os
import re
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from slipway_client import api as wire
from slipway_client import main, show, watch, where
from slipway_client.api import Api
from slipway_client.ends import MEANINGS, Ended, Exit
from slipway_client.where import Where
from tests.client.fake import Answer, serving

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "slipway_abc_secret"
ME = {"username": "ann", "token": "abc", "token_name": "laptop", "scopes": ["read"], "expires_at": "2026-12-01"}
Run = Callable[..., tuple[int, str, str]]


def problem(status: int, *sentences: str) -> Answer:
    reasons = [{"subject": "s", "found": "f", "wanted": "w", "remedy": "", "text": text} for text in sentences]
    return Answer(status, {"status": status, "code": "refused", "detail": " ".join(sentences), "reasons": reasons})


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """`slipway ARGS` in this process: exit code, standard output, standard error."""
    for name in [n for n in os.environ if n.startswith("SLIPWAY_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("SLIPWAY_TOKEN", TOKEN)
    monkeypatch.setattr(wire, "WAITS_S", (0.0, 0.0, 0.0))

    def once(*args: str, url: str = "") -> tuple[int, str, str]:
        if url:
            monkeypatch.setenv("SLIPWAY_URL", url)
        monkeypatch.setattr(sys, "argv", ["slipway", *args])
        with pytest.raises(SystemExit) as ended:
            main.run()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return once


# --- where ---------------------------------------------------------------------------------------------------------


def test_everything_that_is_missing_is_said_at_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLIPWAY_TOKEN")
    code, _, err = run("me")
    assert code == Exit.USAGE
    assert "SLIPWAY_URL=https://slipway.example.net" in err and "SLIPWAY_TOKEN_FILE" in err


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://slipway.example.net", "wanted https://"),
        ("https://bob:secret@slipway.example.net", "a name or password in it"),
        ("ftp://slipway.example.net", "wanted https://HOST"),
        ("https://", "wanted https://HOST"),
        ("https://host:99999", "wanted https://HOST"),
    ],
)
def test_addresses_to_which_no_token_is_sent(run: Run, url: str, words: str) -> None:
    code, _, err = run("me", url=url)
    assert (code, words in err) == (Exit.USAGE, True), err


def test_a_token_file_is_ours_alone(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    monkeypatch.delenv("SLIPWAY_TOKEN")
    monkeypatch.setenv("SLIPWAY_TOKEN_FILE", str(path))
    path.chmod(0o644)
    code, _, err = run("me", url="https://slipway.example.net")
    assert code == Exit.USAGE and "wanted 0600" in err
    path.chmod(0o600)
    with serving(Answer(document=ME)) as fake:
        assert run("me", url=fake.url)[0] == 0
        assert fake.asked[0][2]["Authorization"] == f"Bearer {TOKEN}"


def test_a_file_of_settings(run: Run, tmp_path: Path) -> None:
    (tmp_path / "config" / "slipway").mkdir(parents=True)
    file = tmp_path / "config" / "slipway" / "client.toml"
    with serving(Answer(document=ME)) as fake:
        file.write_text(f'url = "{fake.url}"\n')
        assert run("me")[0] == 0
    file.write_text('url = "https://x.example"\ntoken = "secret"\n')
    code, _, err = run("me")
    assert code == Exit.USAGE and "found token, wanted only" in err


def test_the_token_is_in_no_trace() -> None:
    assert TOKEN not in repr(Where("https://x.example", TOKEN))


def test_certificates_are_checked(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    words = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=127.0.0.1"
    argv = [*words.split(), "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(argv, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with serving(Answer(document=ME), tls=context) as fake:
        code, _, err = run("me", url=fake.url)
        assert code == Exit.NO_ANSWER and "a certificate that does not hold" in err
        assert fake.asked == []
        monkeypatch.setenv("SLIPWAY_CA_FILE", str(cert))
        assert run("me", url=fake.url)[0] == 0


# --- how it says no ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, 2),
        (401, 3),
        (403, 3),
        (404, 4),
        (409, 1),
        (412, 1),
        (422, 2),
        (428, 1),
        (429, 5),
        (500, 5),
        (503, 5),
        (302, 5),
    ],
)
def test_the_exit_code_follows_the_status_and_every_reason_is_printed(run: Run, status: int, code: int) -> None:
    with serving(problem(status, "first thing.", "second thing.")) as fake:
        found, out, err = run("explain", "7", url=fake.url)
        assert (found, out) == (code, "")
        assert err.splitlines() == ["first thing.", "second thing."]
        found, out, _ = run("explain", "7", "--json", url=fake.url)
        assert (found, json.loads(out)["exit"]) == (code, code)
        assert json.loads(out)["reasons"] == ["first thing.", "second thing."]


def test_what_is_no_slipway_is_said_so(run: Run) -> None:
    for answer in (
        Answer(200, body=b"<html>hello"),
        Answer(404, body=b"<html>"),
        Answer(301, headers={"Location": "/x"}),
    ):
        with serving(answer) as fake:
            code, _, err = run("me", url=fake.url)
            assert code in {Exit.NO_ANSWER, Exit.NOT_FOUND} and "found" in err
            assert len(fake.asked) == 1, "a redirect is not followed"


def test_nobody_there_is_said(run: Run) -> None:
    with serving(Answer()) as fake:
        url = fake.url
    code, _, err = run("me", url=url)
    assert code == Exit.NO_ANSWER and "no connection" in err


def test_wrong_words_end_as_usage(run: Run) -> None:
    assert run("explain", "none")[0] == Exit.USAGE
    assert run("nonsense")[0] == Exit.USAGE
    assert run("plan", "r", "--input", "queues", url="https://x.example")[0] == Exit.USAGE


# --- sending again -------------------------------------------------------------------------------------------------


def test_what_acts_is_sent_again_with_the_same_key(run: Run) -> None:
    row = {"id": 7, "title": "t", "state": "submitted", "in_words": "w", "revision": None}
    busy = Answer(409, {"reasons": []}, {"Retry-After": "0"})
    with serving(Answer(cut=True), Answer(503), busy, Answer(document=row)) as fake:
        assert run("submit", "7", url=fake.url)[0] == 0
        keys = [headers["Idempotency-Key"] for _, _, headers, _ in fake.asked]
        assert len(keys) == 4 and len(set(keys)) == 1
        fake.answers = [Answer(document=row)]
        run("submit", "7", url=fake.url)
        assert fake.asked[-1][2]["Idempotency-Key"] != keys[0]


def test_a_refusal_is_not_sent_again(run: Run) -> None:
    with serving(problem(409, "no.")) as fake:
        assert run("submit", "7", url=fake.url)[0] == Exit.REFUSED
        assert len(fake.asked) == 1


def test_retry_after_is_honoured_and_bounded() -> None:
    waited: list[float] = []
    with serving(
        Answer(429, {}, {"Retry-After": "3"}), Answer(503, {}, {"Retry-After": "9999"}), Answer(document=ME)
    ) as fake:
        Api(Where(fake.url, TOKEN), sleep=waited.append).get("/me")
    assert waited == [3.0, wire.LONGEST_WAIT_S]


# --- approving -----------------------------------------------------------------------------------------------------


def test_nobody_approves_what_was_not_read(run: Run) -> None:
    plan = Answer(document={"digest": "ab" * 32, "plan": {"findings": [], "targets": []}})
    with serving(plan) as fake:
        code, _, err = run("approve", "7", url=fake.url)
        assert code == Exit.USAGE and "--digest" in err
        for digest in ("cd" * 32, "abab", "AB" * 40):
            assert run("approve", "7", "--digest", digest, url=fake.url)[0] == Exit.REFUSED
        assert {method for method, _, _, _ in fake.asked} == {"GET"}
    row = {"id": 7, "title": "t", "state": "approved", "in_words": "w", "revision": None}
    with serving(plan, Answer(document=row)) as fake:
        assert run("approve", "7", "--digest", "ABABABABABAB", "--comment", "ok", url=fake.url)[0] == 0
        assert json.loads(fake.asked[1][3]) == {"digest": "ab" * 32, "comment": "ok"}


# --- watching ------------------------------------------------------------------------------------------------------


def events(*texts: str, cursor: int = 0) -> Answer:
    items = [{"id": n, "at": "2026-01-05T05:00:00Z", "text": t} for n, t in enumerate(texts)]
    return Answer(document={"items": items, "cursor": cursor, "next": None})


@pytest.mark.parametrize(("state", "code"), [("succeeded", 0), ("rolled_back", 6), ("failed", 6), ("cancelled", 6)])
def test_watching_ends_as_the_change_does(state: str, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    row = {"id": 7, "state": "running", "in_words": "w", "run": {"id": 3, "outcome": ""}}
    over = {**row, "state": state, "run": {"id": 3, "outcome": "2 done"}}
    waves = [{"number": 0, "targets": {"done": 1, "applying": 1}}]
    live = Answer(document={"holds": ["the window is closed."], "waves": waves})
    answers = (
        events(),
        Answer(document=row),
        events("began"),
        live,
        Answer(cut=True),
        Answer(document=over),
        events(),
        live,
    )
    with serving(*answers, events("ended")) as fake:
        api = Api(Where(fake.url, TOKEN), sleep=lambda _: None)
        assert watch.follow(api, 7, as_json=False, timeout_s=None, sleep=lambda _: None) == code
    said = capsys.readouterr().out
    assert "05:00:00 began" in said and "holds: the window is closed." in said and "05:00:00 ended" in said
    assert f"change 7 {state.replace('_', ' ')}: 2 done" in said


def test_watching_in_json_is_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"id": 7, "state": "succeeded", "in_words": "w", "run": None}
    with serving(events(), Answer(document=row), events("a"), events("b")) as fake:
        api = Api(Where(fake.url, TOKEN))
        assert watch.follow(api, 7, as_json=True, timeout_s=None, sleep=lambda _: None) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"]["text"] for line in lines[:-1]] == ["a", "b"]
    assert lines[-1] == {"change": row, "exit": 0}


def test_watching_has_an_end_of_patience() -> None:
    row = Answer(document={"id": 7, "state": "running", "in_words": "w", "run": None})
    with serving(events(), row, events()) as fake, pytest.raises(Ended) as ended:
        watch.follow(Api(Where(fake.url, TOKEN)), 7, as_json=True, timeout_s=0, sleep=lambda _: None)
    assert ended.value.code is Exit.TIMED_OUT


# --- what is printed -----------------------------------------------------------------------------------------------


def test_nothing_from_outside_steers_the_terminal(run: Run) -> None:
    evil = "\x1b[2J\x1b]0;owned\x07[bold red]bly\r\n\u202e"
    with serving(Answer(document={**ME, "username": evil})) as fake:
        _, out, _ = run("me", url=fake.url)
    assert "\x1b" not in out and "\r" not in out and "\u202e" not in out and "[bold red]bly" in out


def test_every_command_takes_json() -> None:
    import typer.main

    group = typer.main.get_command(main.app)
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        options = {option for parameter in command.params for option in parameter.opts}
        assert "--json" in options, name


# --- documentation and rooms ---------------------------------------------------------------------------------------


def test_the_exit_codes_of_the_page_are_those_of_the_code() -> None:
    page = (ROOT / "docs" / "client.md").read_text()
    table = page.partition("## Exit codes")[2].partition("\n## ")[0]
    assert {int(c): w for c, w in re.findall(r"^\| (\d+) \| (.*) \|$", table, re.MULTILINE)} == {
        int(code): words for code, words in MEANINGS.items()
    }
    assert set(MEANINGS) == set(Exit)


def test_every_command_is_on_the_page() -> None:
    page = (ROOT / "docs" / "client.md").read_text()
    names = [c.name or c.callback.__name__ for c in main.app.registered_commands]  # type: ignore[union-attr]
    assert [n for n in names if f"slipway {n}" not in page and f"`{n}`" not in page] == []


def test_the_client_needs_nothing_of_the_server(tmp_path: Path) -> None:
    code = "import sys, slipway_client.main; print(sorted({'django', 'fleet', 'inventory'} & set(sys.modules)))"
    environment = {"PYTHONPATH": str(ROOT / "client")}
    argv = [sys.executable, "-c", code]
    done = subprocess.run(argv, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def test_the_environment_is_the_only_place_of_a_token() -> None:
    assert not hasattr(where.Where, "argument")
    assert "--token" not in (ROOT / "client" / "slipway_client" / "main.py").read_text()
    assert show.plain("x").plain == "x"
