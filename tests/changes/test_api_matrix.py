"""Every endpoint against every role and every scope: what is not granted is refused, what is granted is not.

The endpoints come from the URL configuration, what each should want from this table, which knows nothing of the views:
by method and last part of the address. A new endpoint is tried by itself; one that the table does not know is red.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from fleet import clock
from fleet.api import reference
from fleet.api.scopes import Scope
from fleet.api.views import ApiView
from fleet.people.models import Grant
from fleet.people.roles import Role
from tests.changes import builders
from tests.changes.api_client import Program, token

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]  # who may is asked before any row: once is enough

NOBODY: frozenset[str] = frozenset()  # no role gives it: a right of Django's own is wanted (superusers have it)
ALL = frozenset({"none", *Role})
DRAFTS = frozenset({Role.OPERATOR, Role.APPROVER, Role.ADMIN})
OPERATES = frozenset({Role.OPERATOR, Role.ADMIN})
APPROVES = frozenset({Role.APPROVER, Role.ADMIN})
ADMINS = frozenset({Role.ADMIN})

# What a POST wants, by the last word of its address: scope, and the roles that may.
POSTS = {
    "changes": (Scope.DRAFT, DRAFTS),
    "revisions": (Scope.DRAFT, ALL),  # the author's, whoever that is: asked beside the row
    "plan": (Scope.DRAFT, ALL),
    "submit": (Scope.DRAFT, ALL),
    "cancel": (Scope.DRAFT, ALL),
    "comment": (Scope.DRAFT, ALL),
    "repairs": (Scope.DRAFT, DRAFTS),
    "queue-looks": (Scope.DRAFT, DRAFTS),
    "drafts": (Scope.DRAFT, DRAFTS),
    "approve": (Scope.APPROVE, APPROVES),
    "deny": (Scope.APPROVE, APPROVES),
    **dict.fromkeys(
        ("schedule", "start", "pause", "resume", "abort", "rollback", "release"), (Scope.OPERATE, OPERATES)
    ),
    "windows": (Scope.CALENDAR, ADMINS),
    "freezes": (Scope.CALENDAR, ADMINS),
}
AUTHORS_ONLY = {"revisions", "plan", "submit", "cancel"}


def wanted(method: str, pattern: str) -> tuple[Scope, frozenset[str]]:
    """Scope and roles that an endpoint should want. KeyError: nobody has thought about it yet."""
    parts = [p for p in pattern.strip("/").split("/") if not p.startswith("<")]
    if method == "GET":
        return Scope.READ, ALL
    if parts[0] == "inventory":
        return Scope.INVENTORY, NOBODY
    if method in {"PUT", "DELETE"}:
        return {"windows": (Scope.CALENDAR, ADMINS), "freezes": (Scope.CALENDAR, ADMINS)}[parts[0]]
    return POSTS[parts[-1]]


ENDPOINTS = [(method, pattern) for pattern, view in reference.views() for method in view.ops]
FILLED = {"<int:pk>": "1", "<int:number>": "1", "<str:name>": "bly", "<str:recipe>": "nic-queues"}


def address(pattern: str) -> str:
    for argument, value in FILLED.items():
        pattern = pattern.replace(argument, value)
    assert "<" not in pattern, f"{pattern}: say in FILLED what stands for its argument"
    return pattern


def below(entries: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    for entry in entries:
        here = before + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from below(entry.url_patterns, here)
        elif isinstance(entry, URLPattern):
            yield here, entry.callback


def test_every_address_of_the_api_is_in_the_matrix() -> None:
    """Found from the whole URL configuration, not from what the API says of itself."""
    mine = {p: view for p, view in below(get_resolver().url_patterns) if p.startswith("api/")}
    others = {p for p, view in mine.items() if not issubclass(getattr(view, "cls", object), ApiView)}
    assert others == {"api/v1/openapi.json", "api/v1/^(?P<rest>[\\s\\S]*)$"}, "what needs no token"
    assert {f"/{p.removeprefix('api/v1/')}" for p in set(mine) - others} == {p for _, p in ENDPOINTS}
    assert len(ENDPOINTS) > 80


@pytest.mark.parametrize(("method", "pattern"), ENDPOINTS)
def test_each_says_what_it_should_want(method: str, pattern: str) -> None:
    view = dict(reference.views())[pattern]
    assert view.ops[method].scope == wanted(method, pattern)[0]
    assert method != "GET" or not view.ops[method].rights, "everybody who may sign in may look"


@pytest.fixture
def people(author: User) -> dict[str, User]:
    """Somebody of each role, and somebody with none; over a change of somebody else."""
    builders.fleet(["bly"])
    builders.submitted(author, builders.plan([["bly"]]), clock.now())
    made = {"none": builders.person("nobody")}
    for role in Role:
        made[role] = builders.person(f"one-{role}")
        Grant.objects.create(person=made[role], role=role)
    return made


def refused(answer: Any, *codes: str) -> bool:
    return answer.status_code == 403 and answer.json()["code"] in codes


def test_the_matrix(people: dict[str, User], settings: Any) -> None:
    """Role by role and scope by scope: 403 and nothing else where it is not granted, and no 401 or 403 where it is."""
    settings.SLIPWAY_API_PER_MINUTE = 10**9
    wrong, tried = [], 0
    for role, person in people.items():
        for scope in Scope:
            program = Program(person, scope)
            for method, pattern in ENDPOINTS:
                needs, roles = wanted(method, pattern)
                answer = ask(program, method, pattern)
                granted = needs is scope and role in roles
                tried += 1
                if not granted and not refused(answer, "scope", "permission"):
                    wrong.append(f"{role} {scope} {method} {pattern}: {answer.status_code}, not granted")
                elif granted and answer.status_code in {401, 403, 405} and not theirs(role, pattern, answer):
                    wrong.append(f"{role} {scope} {method} {pattern}: {answer.status_code}, granted")
    assert wrong == []
    assert tried == len(ENDPOINTS) * len(people) * len(Scope)


def ask(program: Program, method: str, pattern: str) -> Any:
    """One request that would be understood as far as scope and right are asked."""
    if method == "POST":
        return program.post(address(pattern), {})
    return program.send(method, address(pattern), {})


def theirs(role: str, pattern: str, answer: Any) -> bool:
    """Refused beside the row: it is somebody else's change, and only an admin edits those."""
    last = pattern.strip("/").split("/")[-1]
    return last in AUTHORS_ONLY and role != Role.ADMIN and refused(answer, "permission")


def test_nothing_without_a_token_and_nothing_in_every_method() -> None:
    client = Client(raise_request_exception=False)
    for method, pattern in ENDPOINTS:
        answer = client.generic(method, f"/api/v1{address(pattern)}")
        assert answer.status_code == 401, pattern
        assert answer["Content-Type"] == "application/problem+json"


def test_other_methods_are_refused_with_those_that_there_are(admin: User, settings: Any) -> None:
    settings.SLIPWAY_API_PER_MINUTE = 10**9
    program = Program(admin)
    for pattern, view in reference.views():
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} - set(view.ops):
            answer = program.send(method, address(pattern), {})
            assert answer.status_code == 405, f"{method} {pattern}"
            assert set(answer["Allow"].split(", ")) >= set(view.ops)


def test_places_hold_here_as_on_the_pages(people: dict[str, User], author: User) -> None:
    """A grant for one site does not reach the devices of another."""
    from fleet.changes.models import Change
    from inventory.models import Site

    person = builders.person("elsewhere")
    Grant.objects.create(person=person, role=Role.APPROVER).sites.set(Site.objects.filter(name="site2"))
    change = Change.objects.get()
    assert change.revision is not None
    answer = Program(person).post(f"/changes/{change.pk}/approve", {"digest": change.revision.digest})
    assert answer.status_code == 409
    assert "bly (edge at site0)" in answer.json()["detail"]


def test_a_view_that_says_nothing_of_a_method_cannot_be_written() -> None:
    with pytest.raises(TypeError, match="wanted those of"):
        type("Forgotten", (ApiView,), {"name": "x", "post": lambda *_: None})


def test_a_scope_gives_no_right_and_a_right_no_scope(author: User, reader: User) -> None:
    builders.fleet(["bly"])
    change = builders.submitted(author, builders.plan([["bly"]]), clock.now())
    digest = change.revision.digest  # type: ignore[union-attr]
    answer = Program(reader).post(f"/changes/{change.pk}/approve", {"digest": digest})
    assert refused(answer, "permission")
    assert "changes.add_approval" in answer.json()["detail"]
    text, row = token(author, "read")
    answer = Program(author, text=text).post(f"/changes/{change.pk}/approve", {"digest": digest})
    assert refused(answer, "scope")
    assert row.prefix in answer.json()["detail"]
