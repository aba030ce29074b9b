"""Signing in: refusals in words, the closed door after wrong passwords, the second factor on every door."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

pytestmark = pytest.mark.django_db


def words(response: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def sign_in(name: str, password: str, client: Client | None = None, **more: Any) -> Any:
    return (client or Client()).post(reverse("login"), {"login": name, "password": password, **more})


def test_the_right_password_leads_to_the_page_that_was_asked_for(reader: User) -> None:
    client = Client()
    answer = sign_in("reader", "reader-password", client, next="/changes/7/")
    assert (answer.status_code, answer["Location"]) == (302, "/changes/7/")
    assert client.get("/").status_code == 200


@pytest.mark.parametrize(("name", "password"), [("reader", "wrong"), ("nobody", "wrong")])
def test_a_wrong_one_is_refused_in_the_same_words(reader: User, name: str, password: str) -> None:
    answer = sign_in(name, password)
    assert answer.status_code == 200
    assert "Name and password do not belong together" in words(answer)


def test_nowhere_else_after_signing_in(reader: User) -> None:
    assert sign_in("reader", "reader-password", next="https://evil.example/")["Location"] == "/"


def test_five_wrong_passwords_close_the_door_for_that_name_from_there(reader: User, approver: User) -> None:
    for _ in range(5):
        answer = sign_in("reader", "wrong")
    assert answer.status_code == 429
    assert "Closed for a while" in words(answer)
    assert sign_in("reader", "reader-password").status_code == 429, "also with the right one now"
    assert sign_in("approver", "approver-password").status_code == 302, "others are let in"


@pytest.mark.parametrize("address", ["/login/", "/admin/login/"])
def test_a_second_factor_holds_at_every_door(admin: User, address: str) -> None:
    from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret

    TOTP.activate(admin, generate_totp_secret())
    client = Client()
    first = client.post(address, {"login": "admin", "password": "admin-password", "username": "admin"}, follow=True)
    assert "_auth_user_id" not in client.session
    assert first.redirect_chain
    if address == "/login/":
        assert first.redirect_chain[-1][0].startswith("/accounts/second-factor/authenticate/")
    assert client.get("/").status_code == 302


def test_a_second_factor_can_be_set_up(reader: User) -> None:
    client = Client()
    sign_in("reader", "reader-password", client)
    asked = client.get(reverse("mfa_activate_totp"))
    assert asked["Location"].startswith("/accounts/reauthenticate/"), "the password again, before locks are changed"
    page = client.post(asked["Location"], {"password": "reader-password"}, follow=True)
    assert page.status_code == 200
    assert "<script>" not in page.content.decode()
    assert 'src="data:image/svg' in page.content.decode()


def test_nobody_signs_up(db: None) -> None:
    assert Client().get("/accounts/signup/")["Location"] == "/login/"
    assert Client().post("/accounts/signup/", {"username": "me", "password1": "x"})["Location"] == "/login/"
    assert not User.objects.exists()


def test_the_button_of_single_sign_on_is_there_only_where_it_is_set(client: Client) -> None:
    assert "Sign in with" not in words(client.get("/login/"))
