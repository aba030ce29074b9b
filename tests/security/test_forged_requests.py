"""No form of a page can be sent from another site: every address of the configuration, with every acting method."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import get_resolver, reverse

from tests.browser import addresses

# Entered by a token or a signature and never by a session's cookie: a browser of somebody else has nothing to send.
BY_TOKEN = ("api/v1/", "hooks/")
ACTING = ("post", "put", "patch", "delete")


@pytest.mark.django_db
def test_no_address_acts_without_the_token_of_its_form(client: Client, record_property: Any) -> None:
    forged = Client(enforce_csrf_checks=True, raise_request_exception=False)
    forged.force_login(User.objects.create_superuser("judge"))
    tried, wrong = 0, []
    for pattern, name, arguments in addresses.patterns(get_resolver().url_patterns):
        if pattern.startswith(BY_TOKEN) or not name:
            continue
        path = reverse(name, kwargs={a: "sso" if a == "provider_id" else "1" for a in arguments})
        for method in ACTING:
            answer = getattr(forged, method)(path, {"name": "x"}, content_type="application/x-www-form-urlencoded")
            tried += 1
            if answer.status_code != 403:
                wrong.append(f"{method} {path}: status {answer.status_code}")
    record_property("forged requests", tried)
    assert not wrong, "\n".join(wrong)
    assert tried > 400


@pytest.mark.django_db
@pytest.mark.parametrize("method", ACTING)
def test_a_cookie_opens_nothing_where_a_token_is_wanted(method: str) -> None:
    forged = Client(enforce_csrf_checks=True, raise_request_exception=False)
    forged.force_login(User.objects.create_superuser("judge"))
    for path in ("/api/v1/changes", "/api/v1/me", "/hooks/noc/"):
        answer = getattr(forged, method)(path, "{}", content_type="application/json")
        assert answer.status_code in {401, 403, 404, 405}, f"{method} {path}"
