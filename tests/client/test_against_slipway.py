"""The client against the real API: drafted, submitted, approved by another, aborted, explained, evidence verified."""

import io
import json
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from fleet import clock
from fleet.changes import draft_requests, evidence_bundle, evidence_check, lifecycle
from fleet.changes.models import Change
from fleet.people.models import Grant
from inventory.models import Observation
from slipway_client import evidence as bundles
from slipway_client import main
from tests.changes import builders
from tests.changes.api_client import token

pytestmark = pytest.mark.django_db(transaction=True)
FACTS = {"kernel": "6.1.9", "sysctl": {"net.core.netdev_max_backlog": "1000"}, "routing": {"suite": "frr"}}
EVERY = ("read", "changes:draft", "changes:operate")
Said = tuple[int, str, str]


@pytest.fixture
def slipway(
    live_server: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], author: User, approver: User
) -> Callable[..., Said]:
    """`slipway ARGS`, as the author or the approver."""
    draft_requests.publish()
    for router in builders.fleet(["bly", "aebi"]):
        Observation.objects.create(router=router, observed_at=clock.now(), facts=FACTS)
    Grant.objects.create(person=author, role="operator")
    tokens = {"author": token(author, *EVERY)[0], "approver": token(approver, "read", "changes:approve")[0]}
    monkeypatch.setenv("SLIPWAY_URL", str(live_server.url))

    def once(*args: str, who: str = "author") -> Said:
        monkeypatch.setenv("SLIPWAY_TOKEN", tokens[who])
        monkeypatch.setattr(sys, "argv", ["slipway", *args])
        with pytest.raises(SystemExit) as ended:
            main.run()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return once


@pytest.fixture
def engine() -> Iterator[None]:
    """Plans what is asked for, beside."""
    stop = threading.Event()

    def turn() -> None:
        while not stop.wait(0.1):
            draft_requests.take_up(clock.now())
        connection.close()

    thread = threading.Thread(target=turn)
    thread.start()
    yield
    stop.set()
    thread.join()


def test_the_whole_way(slipway: Callable[..., Said], engine: None, tmp_path: Path, approver: User) -> None:
    code, out, err = slipway("me", "--json")
    assert (code, json.loads(out)["username"]) == (0, "author"), err
    code, out, _ = slipway("devices", "--json")
    assert {row["name"] for row in json.loads(out)} == {"bly", "aebi"}
    assert "bly" in slipway("devices")[1]
    assert slipway("drift")[1] == "Everything is as wanted.\n"
    assert "sysctl" in slipway("recipes")[1]

    wanted = ("-i", "settings=net.core.netdev_max_backlog = 5000", "-i", "settle=1s", "--ticket", "CHG1")
    code, out, err = slipway("plan", "sysctl", "bly", *wanted, "--json")
    assert code == 0, err
    made = json.loads(out)
    number, digest = str(made["change"]["id"]), made["plan"]["digest"]
    assert slipway("plan", "sysctl", "nobody", *wanted)[0] == 1
    assert slipway("plan", "no-such-recipe")[0] in {1, 2}

    assert slipway("start", number)[0] == 1
    assert slipway("submit", number)[0] == 0
    code, out, _ = slipway("explain", number)
    assert code == 0 and "submitted" in out and "Why not now:" in out
    code, _, err = slipway("approve", number, "--digest", digest)
    assert code == 3, err  # the author's token has no such scope
    code, out, err = slipway("approve", number, "--digest", digest[:12], "--comment", "read it", who="approver")
    assert code == 0 and "approved" in out, err
    assert slipway("abort", number)[0] == 1
    assert slipway("start", number)[0] == 0
    code, out, _ = slipway("watch", number, "--timeout", "0", "--json", "--from-start")
    assert code == 8
    time.sleep(2.1)  # events appear two seconds late
    code, out, _ = slipway("watch", number, "--timeout", "0", "--json", "--from-start")
    assert any('"change submitted"' in line for line in out.splitlines())
    assert slipway("abort", number, "--why", "enough")[0] == 0
    assert "No further target starts" in slipway("explain", number)[1]
    assert slipway("explain", "99999")[0] == 4

    path = tmp_path / "bundle.zip"
    code, out, err = slipway("evidence", number, "-o", str(path), "--json")
    assert code == 0 and json.loads(out)["events"] > 3, err
    path.write_bytes(path.read_bytes()[:-30])
    assert slipway("verify", str(path))[0] == 7


def test_two_programs_verify_the_same(author: User, approver: User, tmp_path: Path) -> None:
    builders.fleet(["bly"])
    now = clock.now()
    change: Change = builders.approved(author, approver, builders.plan([["bly"]]), now)
    builders.done(lifecycle.start(change, approver, now))
    file = io.BytesIO()
    evidence_bundle.write(change, file)
    path = tmp_path / "bundle.zip"
    path.write_bytes(file.getvalue())
    theirs, ours = evidence_check.check(io.BytesIO(file.getvalue())), bundles.look(path)
    assert isinstance(theirs, evidence_check.Checked)
    assert (theirs.links, theirs.head, theirs.broken) == (ours.events, ours.head, ours.wrong)
    for name in ("events.jsonl", "plan.json", "approvals.json"):
        altered = tmp_path / name
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(altered, "w") as new:
            for entry in old.namelist():
                content = old.read(entry)
                new.writestr(entry, content.replace(b"approver", b"intruder") if entry.endswith(name) else content)
        found = bundles.look(altered)
        if name != "plan.json":
            assert found.wrong, name
        again = evidence_check.check(io.BytesIO(altered.read_bytes()))
        assert isinstance(again, evidence_check.Checked)
        assert bool(again.broken) is bool(found.wrong)
