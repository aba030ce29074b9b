"""Tokens: shown once, kept as a hash, ended, narrowed, rotated; and service accounts, which are their owner's."""

from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

from fleet import clock
from fleet.api import accounts, tokens
from fleet.api.authentication import MOST_WRONG
from fleet.api.models import ApiToken, ServiceAccount
from fleet.changes import lifecycle
from fleet.changes.models import ApprovalPolicy, ApprovalStage
from fleet.people.models import Grant
from tests.changes import builders
from tests.changes.api_client import Program, token

pytestmark = pytest.mark.django_db


def test_a_token_is_shown_once_and_kept_as_a_hash(reader: User) -> None:
    text, row = token(reader, "read")
    assert text.startswith(f"slipway_{row.prefix}_")
    assert row.hash == tokens.hash_of(text)
    assert text not in str(ApiToken.objects.values())
    answer = Program(reader, text=text).get("/me")
    assert answer.status_code == 200
    assert answer.json()["username"] == "reader"
    assert answer.json()["scopes"] == ["read"]


@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        ("", "no token"),
        ("Basic abc", "Basic"),
        ("Bearer nonsense", "nobody was given"),
        ("Bearer slipway_00000000_x", "nobody was given"),
        ("Bearer slipway_\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9_x", "nobody was given"),
        ("Bearer ", "nobody was given"),
    ],
)
def test_what_is_no_token_opens_nothing(wrong: str, found: str) -> None:
    answer = Client().get("/api/v1/me", headers={"Authorization": wrong} if wrong else {})
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == 'Bearer realm="slipway"'
    assert answer["Content-Type"] == "application/problem+json"
    assert found in answer.json()["detail"] or found == "no token"


def test_another_secret_with_a_prefix_that_exists_says_nothing_of_it(reader: User) -> None:
    _, row = token(reader)
    one = Client().get("/api/v1/me", headers={"Authorization": f"Bearer slipway_{row.prefix}_wrong"})
    other = Client().get("/api/v1/me", headers={"Authorization": "Bearer slipway_12345678_wrong"})
    assert one.status_code == other.status_code == 401
    assert one.content == other.content


def test_a_session_opens_nothing_here(admin: User) -> None:
    client = Client()
    client.force_login(admin, backend="django.contrib.auth.backends.ModelBackend")
    assert client.get("/api/v1/me").status_code == 401
    assert client.post("/api/v1/changes/1/approve").status_code == 401


def test_a_token_that_ended_says_why(reader: User) -> None:
    text, row = token(reader)
    program = Program(reader, text=text)
    for change, words in (
        ({"expires_at": clock.now() - timedelta(seconds=1)}, "expired"),
        ({"expires_at": clock.now() + timedelta(days=1), "revoked_at": clock.now()}, "revoked"),
        ({"revoked_at": None, "networks": ["192.0.2.0/24"]}, "used from 127.0.0.1, wanted from 192.0.2.0/24"),
    ):
        ApiToken.objects.filter(pk=row.pk).update(**change)
        answer = program.get("/me")
        assert answer.status_code == 401, words
        assert words in answer.json()["detail"]
    ApiToken.objects.filter(pk=row.pk).update(networks=["127.0.0.0/8"])
    assert program.get("/me").status_code == 200
    User.objects.filter(pk=reader.pk).update(is_active=False)
    assert "account that is closed" in program.get("/me").json()["detail"]


def test_an_address_is_within_a_prefix_of_its_family() -> None:
    assert tokens.within("192.0.2.7", ["192.0.2.0/24"])
    assert tokens.within("::ffff:192.0.2.7", ["192.0.2.0/24"]), "an IPv4 client of a socket for both"
    assert not tokens.within("2001:db8::1", ["192.0.2.0/24"])
    assert not tokens.within("", ["0.0.0.0/0"])


def test_it_is_kept_when_a_token_was_used_last_but_not_each_time(reader: User) -> None:
    text, row = token(reader)
    program = Program(reader, text=text)
    assert program.get("/me").status_code == 200
    row.refresh_from_db()
    first = row.last_used_at
    assert first is not None
    assert row.last_used_from == "127.0.0.1"
    assert program.get("/me").status_code == 200
    row.refresh_from_db()
    assert row.last_used_at == first


def test_rotation_overlaps_for_a_day_and_no_longer(reader: User) -> None:
    _, row = token(reader, "read", days=30)
    now = clock.now()
    made = tokens.rotate(row, reader, now)
    assert isinstance(made[1], ApiToken)
    new = made[1]
    row.refresh_from_db()
    assert row.expires_at == now + tokens.OVERLAP
    assert (new.name, new.scopes, new.networks) == (row.name, row.scopes, row.networks)
    assert new.expires_at == now + timedelta(days=30)
    assert row.usable(now)
    assert not row.usable(now + timedelta(hours=24, seconds=1))
    assert tokens.revoke(row, now) == ()
    row.refresh_from_db()
    assert "ended" in str(tokens.rotate(row, reader, now)[0])


@pytest.mark.parametrize(
    ("more", "subject"),
    [
        ({"name": ""}, "name"),
        ({"scopes": ()}, "scopes"),
        ({"scopes": ("everything",)}, "scopes"),
        ({"days": 0}, "days"),
        ({"days": 367}, "days"),
        ({"networks": ("192.0.2.7/24",)}, "networks"),
    ],
)
def test_what_is_wrong_with_a_token_is_said(reader: User, more: dict[str, object], subject: str) -> None:
    wanted = tokens.Wanted(**{"name": "x", "scopes": ("read",), **more})  # type: ignore[arg-type]
    (reason,) = tokens.make(wanted, holder=reader, person=reader, now=clock.now())
    assert reason.subject == subject  # type: ignore[union-attr]


def test_nobody_makes_a_token_for_somebody_else(reader: User, admin: User) -> None:
    (reason,) = tokens.make(tokens.Wanted("x", ("read",)), holder=reader, person=admin, now=clock.now())
    assert reason.subject == "account"  # type: ignore[union-attr]


def test_many_wrong_tokens_have_to_wait() -> None:
    client = Client(REMOTE_ADDR="198.51.100.77")
    headers = {"Authorization": "Bearer slipway_12345678_wrong"}
    found = [client.get("/api/v1/me", headers=headers).status_code for _ in range(MOST_WRONG + 2)]
    assert found[:MOST_WRONG].count(401) >= MOST_WRONG - 1  # a minute may end in between
    assert 429 in found or found.count(401) == len(found)


def test_too_many_requests_wait_as_long_as_is_said(reader: User, settings: object) -> None:
    settings.SLIPWAY_API_PER_MINUTE = 3  # type: ignore[attr-defined]
    program = Program(reader)
    answers = [program.get("/me") for _ in range(8)]
    refused = [a for a in answers if a.status_code == 429]
    assert refused
    assert 1 <= int(refused[0]["Retry-After"]) <= 60
    assert answers[0]["RateLimit-Limit"] == "3"
    assert answers[0]["RateLimit-Remaining"] == "2"


# --- the page and the commands ---------------------------------------------------------------------------------------


def test_the_page_shows_a_token_once(reader: User) -> None:
    client = Client()
    client.force_login(reader, backend="django.contrib.auth.backends.ModelBackend")
    said = {"name": "ticketing", "holder": reader.pk, "scopes": ["read"], "days": "30", "networks": "192.0.2.0/24"}
    html = client.post("/tokens/", said).content.decode()
    row = ApiToken.objects.get()
    assert f"slipway_{row.prefix}_" in html
    assert row.networks == ["192.0.2.0/24"]
    again = client.get("/tokens/").content.decode()
    assert row.prefix in again
    assert f"slipway_{row.prefix}_" not in again
    html = client.post(f"/tokens/{row.prefix}/rotate").content.decode()
    new = ApiToken.objects.get(replaces=row)
    assert f"slipway_{new.prefix}_" in html
    assert client.post(f"/tokens/{row.prefix}/revoke").status_code == 302
    assert client.post(f"/tokens/{row.prefix}/revoke").status_code == 409
    assert client.post("/tokens/", {**said, "days": "9999"}).status_code == 409
    assert client.post("/tokens/", {**said, "scopes": ["all"]}).status_code == 400


def test_the_page_knows_only_ones_own(reader: User, author: User) -> None:
    _, row = token(author)
    client = Client()
    client.force_login(reader, backend="django.contrib.auth.backends.ModelBackend")
    assert row.prefix not in client.get("/tokens/").content.decode()
    for what in ("rotate", "revoke"):
        assert client.post(f"/tokens/{row.prefix}/{what}").status_code == 404
    assert Client().get("/tokens/").status_code == 302


def test_commands(reader: User) -> None:
    out = StringIO()
    call_command("api_token", "--user", "reader", "make", "cron", "--scope", "read", stdout=out, stderr=StringIO())
    text = out.getvalue().strip()
    assert Program(reader, text=text).get("/me").status_code == 200
    out = StringIO()
    call_command("api_token", "--user", "reader", "list", stdout=out)
    assert "cron" in out.getvalue()
    assert text not in out.getvalue()
    call_command("api_token", "--user", "reader", "revoke", text.split("_")[1], stdout=StringIO())
    assert Program(reader, text=text).get("/me").status_code == 401
    with pytest.raises(CommandError, match="wanted some of"):
        call_command("api_token", "--user", "reader", "make", "cron", stdout=StringIO())


# --- service accounts ------------------------------------------------------------------------------------------------


@pytest.fixture
def service(author: User) -> User:
    """An account that `author` answers for, with every right that a role gives."""
    made = accounts.open_account("ticketing", owner=author, purpose="the service desk", now=clock.now())
    assert isinstance(made, ServiceAccount)
    Grant.objects.create(person=made.user, role="admin")
    builders.fleet(["bly"])
    return made.user


def decided(change: object, person: User) -> list[str]:
    digest = change.revision.digest  # type: ignore[attr-defined]
    reasons = lifecycle.decide_on(change, person, clock.now(), approve=True, digest=digest)  # type: ignore[arg-type]
    return [f"{r.subject}: {r.found}" for r in reasons]


def test_nobody_signs_in_with_a_service_account(service: User) -> None:
    assert not service.has_usable_password()


def test_a_service_account_approves_only_when_that_was_said(service: User, reader: User) -> None:
    change = builders.submitted(reader, builders.plan([["bly"]]), clock.now())
    assert decided(change, service) == ["approver: ticketing, a service account"]
    ServiceAccount.objects.update(may_approve=True)
    assert decided(change, service) == []


def test_the_owner_does_not_approve_what_the_account_wrote_nor_the_other_way_round(
    service: User, author: User, approver: User
) -> None:
    ServiceAccount.objects.update(may_approve=True)
    now = clock.now()
    change = builders.submitted(service, builders.plan([["bly"]]), now)
    assert decided(change, author) == ["approver: author, who is the author"]
    assert decided(change, service) == ["approver: ticketing, who is the author"]
    of_owner = builders.submitted(author, builders.plan([["bly"]]), now)
    assert decided(of_owner, service) == ["approver: ticketing, who is the author"]
    other = accounts.open_account("second", owner=author, purpose="another", now=now, may_approve=True)
    assert isinstance(other, ServiceAccount)
    Grant.objects.create(person=other.user, role="approver")
    assert decided(change, other.user) == ["approver: second, who is the author"]
    assert decided(change, approver) == []


def test_what_a_service_account_writes_meets_its_policy_too(service: User, approver: User, reader: User) -> None:
    policy = ApprovalPolicy.objects.create(name="by programs", recipes=["something-else"])
    ApprovalStage.objects.create(policy=policy, number=1, name="two people", quorum=2)
    ServiceAccount.objects.update(policy=policy)
    change = builders.submitted(service, builders.plan([["bly"]]), clock.now())
    Grant.objects.create(person=reader, role="approver")
    assert decided(change, approver) == []
    assert change.state == "submitted", "one more is wanted"
    assert decided(change, reader) == []
    assert change.state == "approved"
    of_a_person = builders.submitted(reader, builders.plan([["bly"]]), clock.now())
    assert decided(of_a_person, approver) == []
    assert of_a_person.state == "approved"


def test_the_account_is_opened_by_command(author: User) -> None:
    out = StringIO()
    call_command("service_account", "open", "desk", "--owner", "author", "--purpose", "ask Ann", stdout=out)
    assert ServiceAccount.objects.get().owner == author
    with pytest.raises(CommandError, match="which exists"):
        call_command("service_account", "open", "desk", "--owner", "author", "--purpose", "x", stdout=out)
