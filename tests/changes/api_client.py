"""A program that uses the API: a token, JSON, a key with each request; and the engine, asked for one turn."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from django.contrib.auth.models import User
from django.test import Client

from fleet import clock
from fleet.api import tokens
from fleet.api.models import ApiToken
from fleet.api.scopes import Scope

BASE = "/api/v1"


def token(person: User, *scopes: str, **more: Any) -> tuple[str, ApiToken]:
    """A token of a person, for these scopes or all."""
    wanted = tokens.Wanted("test", scopes or tuple(Scope), **more)
    made = tokens.make(wanted, holder=person, person=person, now=clock.now())
    assert isinstance(made[1], ApiToken), made
    return made  # type: ignore[return-value]


class Program:
    """Somebody's program."""

    def __init__(self, person: User, *scopes: str, text: str = "") -> None:
        self.text = text or token(person, *scopes)[0]
        self.client = Client(raise_request_exception=False)

    def get(self, path: str, **headers: str) -> Any:
        return self.send("GET", path, headers=headers)

    def post(self, path: str, said: Any = None, *, key: str = "", **headers: str) -> Any:
        return self.send("POST", path, said, headers={"Idempotency-Key": key or str(uuid4()), **headers})

    def send(self, method: str, path: str, said: Any = None, *, headers: Mapping[str, str] | None = None) -> Any:
        """One request; `said` is sent as JSON."""
        body = b"" if method == "GET" else json.dumps({} if said is None else said).encode()
        found = {"Authorization": f"Bearer {self.text}", **(headers or {})}
        address = path if path.startswith("/api/") else f"{BASE}{path}"
        return self.client.generic(method, address, body, content_type="application/json", headers=found)
