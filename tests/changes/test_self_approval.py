"""Nobody approves what they wrote, on any path: every address that takes a POST, found from the URL configuration.

The person who tries is author and superuser, holds every permission, sits in every group, and may use the admin. They
press everything there is, with fields that would approve if a rule were missing. A new address is tried by itself.
"""

import asyncio
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from django.db import DatabaseError, transaction
from django.http import Http404
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from fleet.api import reference
from fleet.changes import approvals, drafts, lifecycle, standards
from fleet.changes.models import (
    Approval,
    ApprovalPolicy,
    ApprovalStage,
    BreakGlass,
    Change,
    Revision,
    StandardChange,
    StandardUse,
)
from fleet.core import approval
from fleet.core.states import ChangeState
from fleet.people.models import Grant
from tests.changes import builders
from tests.changes.api_client import Program

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 5, 5, 0, tzinfo=UTC)
OPEN = {"api/v1/openapi.json", "api/v1/^(?P<rest>[\\s\\S]*)$"}  # they take no token and answer no more than an address
METHODS = ("post", "put", "patch", "delete")
UNAPPROVED = {ChangeState.DRAFT, ChangeState.SUBMITTED, ChangeState.REJECTED, ChangeState.CANCELLED}


# --- every address that there is -------------------------------------------------------------------------------------


# What stands in a path for an argument: numbers of rows, names that exist.
_SAMPLES = {"name": "bly", "number": "1", "provider_id": "sso", "app_label": "changes", "content_type_id": "1"}


def patterns(entries: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    for entry in entries:
        here = before + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from patterns(entry.url_patterns, here)
        elif isinstance(entry, URLPattern):
            yield here, entry.callback


def takes_posts(view: Any) -> bool:
    """Does the view refuse everything but GET by itself? Asked of the view, so that no list has to be kept."""
    from django.test import RequestFactory

    request = RequestFactory().post("/")
    try:
        answer = view(request)
        if asyncio.iscoroutine(answer):
            answer.close()
            return True
        return bool(answer.status_code != 405)
    except Http404:
        return True
    except Exception:  # it wants a session, a user, arguments: then it would have acted
        return True


def fill(pattern: str, change: Change) -> str:
    """A path for a pattern: `<int:pk>` is the change, names are those that exist."""

    def sample(match: re.Match[str]) -> str:
        name = match["name"]
        return _SAMPLES.get(name, str(change.pk))

    path = re.sub(r"<(?:\w+:)?(?P<name>\w+)>", sample, pattern)
    path = re.sub(r"\(\?P<(?P<name>\w+)>[^)]*\)", sample, path)
    return "/" + re.sub(r"[\^$\\]|\.\*|\?", "", path).removeprefix("/")


ALL = sorted({pattern for pattern, _ in patterns(get_resolver().url_patterns)})
ACTING = sorted({pattern for pattern, view in patterns(get_resolver().url_patterns) if takes_posts(view)})


def test_the_list_is_made_from_the_configuration() -> None:
    for known in ("decide", "submit", "start", "submit-standard", "break-glass", "comment"):
        assert any(p.endswith(f"/{known}") for p in ACTING), known
    assert any("admin/changes/approval/add" in p for p in ACTING)
    assert any("admin/auth/user/" in p for p in ACTING)
    assert any("admin/auth/group/" in p for p in ACTING)
    assert len(ACTING) > 100
    of_api = {f"/{p.removeprefix('api/v1/')}" for p in ACTING if p.startswith("api/v1/")}
    assert of_api >= {p for p, view in reference.views() if set(view.ops) - {"GET"}}, "every address that acts"


# --- who tries -------------------------------------------------------------------------------------------------------


@pytest.fixture
def mighty(author: User, approver: User) -> User:
    """The author, with everything that can be given: only the rule itself is left to say no."""
    author.is_staff = author.is_superuser = True
    author.save()
    group = Group.objects.create(name="core")
    author.groups.add(group)
    Grant.objects.create(person=author, role="admin")
    policy = ApprovalPolicy.objects.create(name="everything")
    stage = ApprovalStage.objects.create(policy=policy, number=1, name="core", quorum=1)
    stage.groups.add(group)
    builders.fleet(["bly", "aebi"])
    return User.objects.get(pk=author.pk)


@pytest.fixture
def submitted(mighty: User) -> Change:
    return builders.submitted(mighty, builders.plan([["bly"], ["aebi"]]), NOW)


def newest(change: Change) -> Revision:
    revision = change.revision
    assert revision is not None
    return revision


def fields(change: Change, who: User) -> dict[str, Any]:
    """What a form could carry that would approve, in the words of every form there is."""
    revision = newest(change)
    return {
        "decision": "approve", "digest": revision.digest, "comment": "mine", "approve": "1", "reject": "",
        "state": "approved", "author": "", "approver": who.pk, "revision": revision.pk, "change": change.pk,
        "at_0": "2026-01-05", "at_1": "05:00:00", "created_by": "", "groups": [g.pk for g in Group.objects.all()],
        "action": "delete_selected", "_selected_action": [str(change.pk)], "post": "yes", "standard": "fits",
        "name": "bly", "is_superuser": "on", "is_staff": "on", "is_active": "on", "username": who.username,
    }  # fmt: skip


def approved_by_themselves(change: Change, who: User) -> str:
    """What went wrong, in words; empty when the rule held."""
    change = Change.objects.get(pk=change.pk)
    if Approval.objects.filter(approver=who, decision=Approval.APPROVED).exists():
        return "an approval by the author exists"
    if change.author_id != who.pk:
        return "the author was altered"
    if ChangeState(change.state) not in UNAPPROVED and not Approval.objects.filter(decision=Approval.APPROVED).exists():
        return f"it is {change.state} without any approval"
    return ""


def said(pattern: str, method: str, form: dict[str, Any]) -> dict[str, Any]:
    """What a program would send there to approve: of the fields that the address takes, those that a form has too."""
    view = dict(reference.views())[f"/{pattern.removeprefix('api/v1/')}"]
    op = view.ops.get(method.upper())
    takes = op.takes().fields if op is not None and op.takes is not None else {}
    more = {"why": "mine", "names": ["bly"], "title": "mine", "recipe": "nic-queues", **form}
    return {name: more[name] for name in takes if name in more and name not in {"standard", "groups"}}


def call(who: User, method: str, pattern: str, change: Change) -> None:
    """The same by program: a token for everything, a key of its own, whatever is in the row."""
    program = Program(who)
    headers = {"Idempotency-Key": str(uuid4()), "If-Match": "*"}
    path = fill(pattern, change).replace(f"/recipes/{change.pk}", "/recipes/nic-queues")
    program.send(method.upper(), path, said(pattern, method, fields(change, who)), headers=headers)


def press(client: Client, who: User, pattern: str, change: Change) -> str:
    """Try one address with every method, in a transaction that is rolled back; what went wrong, in words."""
    form = fields(change, who)
    by_program = pattern.startswith("api/v1/") and pattern not in OPEN
    # Django's admin takes whatever is not a POST for a GET.
    methods = ("post",) if pattern.startswith("admin/") else METHODS
    path = fill(pattern, change)
    for method in methods:
        mark = transaction.savepoint()
        client.force_login(who, backend="django.contrib.auth.backends.ModelBackend")
        if by_program:
            call(who, method, pattern, change)
        elif method == "post":
            client.post(path, form)
        else:
            client.generic(method.upper(), path, data=b'{"decision": "approve"}', content_type="application/json")
        wrong = approved_by_themselves(change, who)
        if BreakGlass.objects.exists():
            wrong += " the glass was broken without a reason"
        transaction.savepoint_rollback(mark)
        if wrong:
            return f"{method} {path}: {wrong}"
    return ""


# Who may is asked in Python before any row is written, and seen at the rows: whichever database keeps them.
@pytest.mark.sqlite
@pytest.mark.parametrize("part", ["admin", "api", "the rest"])
def test_no_address_lets_the_author_approve(submitted: Change, mighty: User, part: str, settings: Any) -> None:
    settings.SLIPWAY_API_PER_MINUTE = 10**9
    client = Client(raise_request_exception=False)
    parts = ("admin", "api")
    wanted = [p for p in ACTING if next((n for n in parts if p.startswith(f"{n}/")), "the rest") == part]
    wrong = [words for pattern in wanted if (words := press(client, mighty, pattern, submitted))]
    assert wrong == []


def test_it_would_be_seen(submitted: Change, mighty: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approval, "not_an_author", lambda *_: ())
    wrong = press(Client(), mighty, "changes/<int:pk>/decide", submitted)
    assert "an approval by the author exists" in wrong


def test_it_would_be_seen_by_program(submitted: Change, mighty: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approval, "not_an_author", lambda *_: ())
    wrong = press(Client(), mighty, "api/v1/changes/<int:pk>/approve", submitted)
    assert "an approval by the author exists" in wrong


def test_break_glass_is_no_approval_and_is_shown_for_what_it_is(submitted: Change, mighty: User) -> None:
    client = Client()
    client.force_login(mighty, backend="django.contrib.auth.backends.ModelBackend")
    digest = fields(submitted, mighty)["digest"]
    answer = client.post(f"/changes/{submitted.pk}/break-glass", {"why": "fire in MA1", "digest": digest})
    assert answer.status_code == 302
    assert not Approval.objects.exists()
    assert BreakGlass.objects.get().by == mighty
    assert "went on without approval" in client.get(f"/changes/{submitted.pk}/").content.decode()


# --- the ways that are no address ------------------------------------------------------------------------------------


def refused(change: Change, who: User, *, approve: bool = True) -> list[str]:
    revision = change.revision
    assert revision is not None
    digest = revision.digest
    reasons = lifecycle.decide_on(change, who, NOW, approve=approve, digest=digest, comment="mine")
    return [r.found for r in reasons if r.subject == "approver"]


def test_by_function(submitted: Change, mighty: User) -> None:
    assert refused(submitted, mighty) == ["author, who is the author"]
    assert refused(submitted, mighty, approve=False) == ["author, who is the author"]


@pytest.mark.parametrize("more", [[], ["--reject", "--comment", "x"]])
def test_by_command(submitted: Change, mighty: User, more: list[str]) -> None:
    with pytest.raises(CommandError, match="who is the author"):
        call_command("approve", str(submitted.pk), "--user", mighty.username, *more, stdout=StringIO())
    assert approved_by_themselves(submitted, mighty) == ""


def test_by_another_author_in_the_row(submitted: Change, mighty: User, approver: User) -> None:
    """Whoever can write the row (a shell, an import) does not stop being an author: the events say who wrote it."""
    change = submitted
    what = drafts.Note(mighty.username, "drafted: x", {"user": mighty.pk})
    drafts.transitions.note(change.pk, "change draft", what, NOW)
    Change.objects.filter(pk=change.pk).update(author=approver)
    Revision.objects.filter(change=change).update(created_by=approver)
    assert mighty.pk in approvals.authors(change)
    assert refused(Change.objects.get(pk=change.pk), mighty) == ["author, who is the author"]


def test_by_co_editing(submitted: Change, mighty: User, approver: User, admin: User) -> None:
    """Whoever wrote any revision is an author of all that follow, and whoever wrote the first stays one."""
    core = Group.objects.get(name="core")
    for person in (approver, admin):
        person.groups.add(core)
    assert drafts.transitions.move_change(submitted, ChangeState.DRAFT, drafts.Note("approver", "edited"), NOW)
    builders.revise(submitted, approver, builders.plan([["bly"]]), NOW)
    builders.revise(submitted, admin, builders.plan([["aebi"]]), NOW)
    assert lifecycle.submit(submitted, approver, NOW) == ()
    for person in (mighty, approver, admin):
        assert refused(submitted, person), person
    assert not Approval.objects.exists()


def test_by_editing_groups_afterwards(author: User, approver: User, reader: User) -> None:
    """A stage asks for people who were in its group when they decided; who comes later, or wrote it, does not count."""
    core = Group.objects.create(name="core")
    policy = ApprovalPolicy.objects.create(name="two")
    ApprovalStage.objects.create(policy=policy, number=1, name="any", quorum=1)
    ApprovalStage.objects.create(policy=policy, number=2, name="core", quorum=1).groups.add(core)
    builders.fleet(["bly"])
    change = builders.submitted(author, builders.plan([["bly"]]), NOW)
    digest = newest(change).digest
    assert lifecycle.decide_on(change, approver, NOW, approve=True, digest=digest) == ()
    for person in (author, approver, reader):
        person.groups.add(core)
    assert change.state == ChangeState.SUBMITTED, "who was not in it then has not approved for it"
    assert refused(change, author) == ["author, who is the author"]
    assert refused(change, approver) == ["approver, who has approved it already"]
    assert lifecycle.decide_on(change, reader, NOW, approve=True, digest=digest) == ()
    assert change.state == ChangeState.APPROVED


def test_by_editing_the_policy_afterwards(submitted: Change, mighty: User, approver: User) -> None:
    ApprovalStage.objects.all().delete()
    ApprovalPolicy.objects.all().delete()
    digest = newest(submitted).digest
    (reason,) = lifecycle.decide_on(submitted, approver, NOW, approve=True, digest=digest)
    assert reason.subject == "stage core of everything", "what was asked for at the submission is what counts"


@pytest.mark.parametrize("how", ["update", "delete", "save"])
def test_by_altering_a_decision(submitted: Change, mighty: User, approver: User, how: str) -> None:
    digest = newest(submitted).digest
    assert lifecycle.decide_on(submitted, approver, NOW, approve=False, digest=digest, comment="no") == ()
    row = Approval.objects.get()
    row.decision = Approval.APPROVED
    acts = {
        "update": lambda: Approval.objects.update(decision=Approval.APPROVED),
        "delete": lambda: row.delete(),
        "save": lambda: row.save(),
    }
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        acts[how]()


def test_by_a_standard_change_of_ones_own(mighty: User, approver: User, reader: User) -> None:
    """One's own standard change, or one that one has approved oneself, wants two others."""
    change = builders.draft(mighty, builders.plan([["bly"]]), NOW)
    revision = change.revision
    assert revision is not None
    later = NOW.replace(year=2027)
    bounds = standards.Bounds({"queues": {"min": 1, "max": 8}}, 5, later)
    digest = standards.digest_of(revision.recipe_text)
    row = standards.write("fits", revision.recipe, digest, bounds, author=approver, now=NOW)
    assert isinstance(row, StandardChange)
    assert standards.approve(row, approver, NOW), "not its author"
    assert standards.approve(row, mighty, NOW) == ()
    assert standards.approve(row, mighty, NOW), "once"
    assert standards.approve(row, reader, NOW) == ()
    (reason,) = standards.submit(change, mighty, NOW, name="fits")
    assert reason.found == "approved by 1 who wrote neither it nor this change"
    assert not StandardUse.objects.exists()
    assert Change.objects.get(pk=change.pk).state == ChangeState.DRAFT
