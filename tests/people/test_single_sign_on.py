"""Single sign-on against an identity provider that answers by HTTP: account, groups at each sign-in, refusals."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from tests.people.identity_provider import IdentityProvider, running

pytestmark = pytest.mark.django_db
LOGIN = "/accounts/oidc/sso/login/"


@pytest.fixture
def provider(settings: Any) -> Iterator[IdentityProvider]:
    with running() as made:
        settings.SLIPWAY_OIDC_URL = made.url
        settings.SLIPWAY_OIDC_GROUPS = {"noc": "operators", "core-team": "core"}
        settings.SOCIALACCOUNT_PROVIDERS = {
            "openid_connect": {
                "SCOPE": ["openid", "profile", "email"],
                "APPS": [
                    {
                        "provider_id": "sso", "name": "the NOC's sign-on", "client_id": "slipway", "secret": "s3",
                        "settings": {"server_url": made.url, "oauth_pkce_enabled": True},
                    }
                ],
            }
        }  # fmt: skip
        yield made


def sign_in(provider: IdentityProvider, client: Client, **claims: Any) -> Any:
    """Press the button, sign in there, come back."""
    provider.who = {"sub": "17", "preferred_username": "ada", "email": "ada@example.net", **claims}
    there = client.post(LOGIN)
    assert there.status_code == 302, there.content
    asked = {k: v[0] for k, v in parse_qs(urlsplit(there["Location"]).query).items()}
    assert there["Location"].startswith(f"{provider.url}/authorize?")
    assert asked["client_id"] == "slipway" and asked["code_challenge_method"] == "S256"
    return client.get("/accounts/oidc/sso/login/callback/", {"code": "c0de", "state": asked["state"]})


def groups(name: str) -> set[str]:
    return set(User.objects.get(username=name).groups.values_list("name", flat=True))


def test_whoever_it_lets_in_looks_and_has_the_groups_that_it_names(provider: IdentityProvider) -> None:
    client = Client()
    assert "Sign in with the NOC" in client.get("/login/").content.decode()
    assert sign_in(provider, client, groups=["noc", "canteen"]).status_code == 302
    assert client.get("/").status_code == 200
    assert groups("ada") == {"operators"}
    assert provider.asked[0]["client_secret"] == "s3" and "code_verifier" in provider.asked[0]
    ada = User.objects.get()
    assert not ada.is_staff and not ada.is_superuser and not ada.has_usable_password()
    assert not ada.has_perm("changes.add_approval")


def test_at_each_sign_in_groups_follow_and_others_stay(provider: IdentityProvider) -> None:
    sign_in(provider, Client(), groups=["noc"])
    User.objects.get().groups.add(Group.objects.create(name="given by hand"))
    sign_in(provider, Client(), groups="core-team")
    assert groups("ada") == {"core", "given by hand"}
    sign_in(provider, Client())
    assert groups("ada") == {"given by hand"}, "nothing named is nothing given"
    assert User.objects.count() == 1


def test_a_name_that_is_taken_is_not_taken_over(provider: IdentityProvider, admin: User) -> None:
    client = Client()
    sign_in(provider, client, preferred_username="admin", email=admin.email, groups=["noc"])
    assert client.session["_auth_user_id"] != str(admin.pk)
    assert not User.objects.exclude(pk=admin.pk).get().is_superuser
    assert groups("admin") == set()


def test_an_answer_that_nobody_asked_for_is_refused(provider: IdentityProvider) -> None:
    client = Client()
    client.get("/accounts/oidc/sso/login/callback/", {"code": "c0de", "state": "made-up"})
    assert "_auth_user_id" not in client.session
    assert not User.objects.exists() and not provider.asked


def test_without_it_there_is_no_such_door(settings: Any) -> None:
    assert Client().post(LOGIN).status_code == 404
