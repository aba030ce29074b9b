"""Break-glass and standard changes on the command line: done in words, refused in words."""

from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

from fleet import clock
from fleet.changes import console
from fleet.changes.models import Change
from playbooks.recipe import recipe_path
from tests.changes import builders

pytestmark = pytest.mark.django_db


def run(*argv: str, monkeypatch: pytest.MonkeyPatch) -> str:
    out = StringIO()
    monkeypatch.setattr(console, "console", console.Console(file=out, width=300))
    call_command(*argv)
    return out.getvalue()


@pytest.fixture
def change(author: User) -> Change:
    builders.fleet(["bly"])
    made = builders.draft(author, builders.plan([["bly"]]), clock.now())
    made.revisions.update(recipe_text=recipe_path("nic-queues").read_text())
    return made


def test_break_glass(change: Change, admin: User, reader: User, monkeypatch: pytest.MonkeyPatch) -> None:
    for argv, words in (
        (["--user", "reader", "--why", "fire"], "changes.add_breakglass"),
        (["--user", "admin"], "reason: found none"),
        (["--user", "admin", "--why", "fire", "--digest", "0" * 12], "read it again"),
    ):
        with pytest.raises(CommandError, match=words):
            run("break_glass", str(change.pk), *argv, monkeypatch=monkeypatch)
    assert "others are told" in run(
        "break_glass", str(change.pk), "--user", "admin", "--why", "fire in MA1", monkeypatch=monkeypatch
    )
    assert "by admin: fire in MA1 (NOBODY HAS LOOKED AT IT)" in run("break_glass", "--list", monkeypatch=monkeypatch)
    with pytest.raises(CommandError, match="wanted its number"):
        run("break_glass", "--user", "admin", monkeypatch=monkeypatch)


def test_a_standard_change(
    change: Change, author: User, approver: User, reader: User, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def standard(*argv: str) -> str:
        return run("standard", *argv, monkeypatch=monkeypatch)

    write = ["write", "queues", "nic-queues", "--devices", "2", "--days", "30", "--user", "reader", "--bounds"]
    for bounds, words in (("{", "wanted JSON"), ('{"queues": 8}', "bounds of queues"), ("[]", "a table")):
        with pytest.raises(CommandError, match=words):
            standard(*write, bounds)
    standard(*write, '{"queues": {"min": 1, "max": 8}}')
    assert "queues: nic-queues, queues 1 to 8, at most 2 devices" in standard("list")
    with pytest.raises(CommandError, match="approved by 0"):
        standard("submit", "queues", str(change.pk), "--user", "author")
    for who in ("approver", "admin"):
        standard("approve", "queues", "--user", who)
    assert "(in force)" in standard("list")
    with pytest.raises(CommandError, match="who is the author"):
        standard("approve", "queues", "--user", "reader")
    page: Any = Client()
    page.force_login(author, backend="django.contrib.auth.backends.ModelBackend")
    assert "Submit as standard change queues" in page.get(f"/changes/{change.pk}/").content.decode()
    assert "approved beforehand" in standard("submit", "queues", str(change.pk), "--user", "author")
    assert Change.objects.get(pk=change.pk).state == "approved"
    standard("withdraw", "queues", "--user", "admin", "--comment", "enough")
    assert "(withdrawn)" in standard("list")
    with pytest.raises(CommandError, match="found none, wanted one that exists"):
        standard("approve", "other", "--user", "admin")


def test_the_admin_shows_policies_and_decisions_to_look_at_only(admin: User, change: Change) -> None:
    client = Client()
    client.force_login(admin, backend="django.contrib.auth.backends.ModelBackend")
    names = ("approvalpolicy", "policyedit", "approvalrules", "approvalvoid", "breakglass", "standardchange",
             "standarddecision", "notice")  # fmt: skip
    for name in names:
        assert client.get(f"/admin/changes/{name}/").status_code == 200, name
        assert client.get(f"/admin/changes/{name}/add/").status_code == 403, name
