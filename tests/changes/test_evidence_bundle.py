"""A bundle of evidence: the same rows give the same bytes, it verifies without the database, and it holds no secret."""

import io
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from fleet.changes import evidence_bundle, evidence_check, transitions
from fleet.changes.models import Change, StepRun
from tests.changes import builders

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 5, 5, 0, tzinfo=UTC)
NAMES = ["bly", "aebi", "cow"]


@pytest.fixture
def change(author: User, approver: User) -> Change:
    builders.fleet(NAMES)
    run = builders.running(author, approver, builders.plan([["bly"], ["aebi", "cow"]]), NOW)
    builders.begin(run, ["bly"], NOW)
    builders.walk(run, "bly", NOW)
    return Change.objects.get(pk=run.revision.change_id)


def bundle(change: Change) -> bytes:
    file = io.BytesIO()
    evidence_bundle.write(change, file)
    return file.getvalue()


def files(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


def altered(content: bytes, name: str, alter: Callable[[bytes], bytes], *, manifest: bool = False) -> io.BytesIO:
    """The bundle with one file altered; `manifest`: by somebody who also puts its digest right."""
    import hashlib

    held = files(content)
    held[name] = alter(held[name])
    if manifest:
        said = json.loads(held["manifest.json"])
        said["files"][name]["sha256"] = hashlib.sha256(held[name]).hexdigest()
        held["manifest.json"] = json.dumps(said).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for key, value in held.items():
            archive.writestr(f"x/{key}", value)
    return out


def test_the_same_rows_give_the_same_bytes(change: Change) -> None:
    assert bundle(change) == bundle(change)


def test_it_holds_plan_approvals_measurements_times_and_the_chain(change: Change) -> None:
    held = files(bundle(change))
    assert sorted(held) >= ["approvals.json", "change.json", "events.jsonl", "index.html"]
    assert json.loads(held["plan.json"])["recipe"] == "nic-queues"
    said = json.loads(held["approvals.json"])["said"]
    assert [(a["by"], a["decision"], a["comment"]) for a in said] == [("approver", "approved", "Read it all.")]
    targets = {t["name"]: t for t in map(json.loads, held["targets.jsonl"].splitlines())}
    assert list(targets) == ["bly", "aebi", "cow"]
    nic = next(s for s in targets["bly"]["steps"] if s["title"] == "nic")
    assert nic["took_s"] == 5.0
    assert nic["measured"] == {"seen": "nic of bly", "rx_pps": 12}
    assert "+eth0 combined 8" in nic["diff"]
    assert len(nic["artifact_sha256"]) == 64
    assert b"Read it all." in held["index.html"]
    assert b"eth0 combined 8" in held["index.html"]


def test_it_verifies_from_the_file_alone(change: Change, django_assert_num_queries: Callable[[int], object]) -> None:
    content = bundle(change)
    with django_assert_num_queries(0):  # type: ignore[attr-defined]
        checked = evidence_check.check(io.BytesIO(content))
    assert isinstance(checked, evidence_check.Checked)
    assert checked.broken == ()
    assert checked.links == change.events.count() > 10


@pytest.mark.parametrize("manifest", [False, True])
@pytest.mark.parametrize("name", ["events.jsonl", "plan.json"])
def test_what_was_altered_is_named(change: Change, name: str, manifest: bool) -> None:
    file = altered(bundle(change), name, lambda text: text.replace(b"bly", b"sly", 1), manifest=manifest)
    checked = evidence_check.check(file)
    assert isinstance(checked, evidence_check.Checked)
    told = " ".join(str(r) for r in checked.broken)
    assert ("hash" in told if name == "events.jsonl" else "digest" in told) or "SHA-256" in told
    assert (name in told) is (not manifest or name == "plan.json")


def test_an_event_that_was_taken_out_is_missed(change: Change) -> None:
    def without_third(text: bytes) -> bytes:
        lines = text.splitlines(keepends=True)
        return b"".join(lines[:2] + lines[3:])

    def without_last(text: bytes) -> bytes:
        return b"".join(text.splitlines(keepends=True)[:-1])

    for alter, words in ((without_third, "wanted link 3"), (without_last, "chain: found")):
        checked = evidence_check.check(altered(bundle(change), "events.jsonl", alter, manifest=True))
        assert isinstance(checked, evidence_check.Checked)
        assert words in " ".join(str(r) for r in checked.broken)


def test_what_is_no_bundle_is_refused_in_words() -> None:
    empty = io.BytesIO()
    zipfile.ZipFile(empty, "w").close()
    for content in (b"", b"PK\x03\x04 nonsense", b"\x00" * 1000, empty.getvalue()):
        said = evidence_check.check(io.BytesIO(content))
        assert isinstance(said, tuple) and said[0].subject == "bundle"


def test_secrets_are_taken_out_and_it_is_said(change: Change) -> None:
    secret = "hunter2-is-not-a-password"
    step = StepRun.objects.filter(verb="nic", target__name="bly").get()
    step.data = {"config": f"router bgp 1\n neighbor 10.0.0.1 password {secret}\n", "api_key": secret, "rx": 1}
    step.save(update_fields=["data"])
    transitions.note(change.pk, "comment", transitions.Note("a", f"I tried password={secret} there"), NOW)
    content = bundle(change)
    assert all(secret.encode() not in text for text in files(content).values())
    checked = evidence_check.check(io.BytesIO(content))
    assert isinstance(checked, evidence_check.Checked)
    assert (checked.withheld, checked.broken) == (1, ())
    assert "secrets were taken out of 1 events" in files(content)["manifest.json"].decode()


def test_what_is_too_large_is_replaced_by_its_digest(change: Change) -> None:
    step = StepRun.objects.filter(verb="nic", target__name="bly").get()
    step.data = {"routes": ["10.0.0.0/8"] * 30_000}
    step.save(update_fields=["data"])
    held = files(bundle(change))
    assert len(held["targets.jsonl"]) < 100_000
    assert b"left_out_sha256" in held["targets.jsonl"]
    assert "1 measurements that are too large" in json.loads(held["manifest.json"])["left_out"][0]


def test_queries_do_not_grow_with_events(change: Change) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as counted:
            bundle(change)
        return len(counted)

    bundle(change)
    before = queries()
    builders.events(change, 500, NOW + timedelta(hours=1))
    bundle(change)  # seals them
    assert queries() == before <= 30


def test_the_command_verifies_a_file(change: Change, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bundle.zip"
    path.write_bytes(bundle(change))
    call_command("verify_events", bundle=path)
    assert "the chain holds" in capsys.readouterr().out
    path.write_bytes(altered(bundle(change), "events.jsonl", lambda t: t.replace(b"drained", b"drowned", 1)).getvalue())
    with pytest.raises(CommandError, match="SHA-256"):
        call_command("verify_events", bundle=path)
    with pytest.raises(CommandError, match="No such file"):
        call_command("verify_events", bundle=tmp_path / "none.zip")


def test_the_page_gives_it_to_who_is_signed_in(change: Change, reader: User, client: Client) -> None:
    address = f"/changes/{change.pk}/evidence.zip"
    assert client.get(address).status_code == 302
    client.force_login(reader)
    answer = client.get(address)
    assert answer["Content-Disposition"] == f'attachment; filename="slipway-change-{change.pk}.zip"'
    content = b"".join(answer.streaming_content)  # type: ignore[attr-defined]
    assert isinstance(evidence_check.check(io.BytesIO(content)), evidence_check.Checked)
    assert address.encode() in client.get(f"/changes/{change.pk}/").content
    assert client.get("/changes/999/evidence.zip").status_code == 404
