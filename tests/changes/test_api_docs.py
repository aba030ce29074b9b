"""docs/api.md and the OpenAPI document say what there is."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from fleet.api import idempotency, me, paging, reference, tokens
from fleet.api.scopes import Scope

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "api.md").read_text()


def test_the_page_names_every_address() -> None:
    assert reference.page(PAGE) == PAGE, "run ./manage.py api_reference"
    assert PAGE.count("\n| GET | `") > 40


def test_the_page_says_the_figures_of_the_code() -> None:
    assert all(f"| `{scope}` |" in PAGE for scope in Scope)
    assert f"**{idempotency.KEPT_FOR.days} days**" in PAGE
    assert f"at the latest {idempotency.CLAIMED_FOR.seconds} s later" in PAGE
    assert f"`?limit=` ({paging.USUAL}, at most {paging.MOST})" in PAGE
    assert f"at most {tokens.LONGEST_DAYS} days" in PAGE
    assert f"for {tokens.OVERLAP.days * 24 + tokens.OVERLAP.seconds // 3600} hours more" in PAGE


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return me.document()


def test_the_document_has_every_method_of_every_address(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    methods = {(path, method) for path, said in document["paths"].items() for method in said}
    assert len(methods) == sum(len(view.ops) for _, view in reference.views())
    names = [said["operationId"] for path in document["paths"].values() for said in path.values()]
    assert len(names) == len(set(names))


def test_every_post_that_acts_wants_a_key_and_every_write_says_what_it_may_answer(document: dict[str, Any]) -> None:
    for path, said in document["paths"].items():
        for method, operation in said.items():
            headers = {
                p["name"]: p.get("required", False) for p in operation.get("parameters", []) if p["in"] == "header"
            }
            if method == "post":
                assert headers.get("Idempotency-Key") is True, path
                assert {"409", "422"} <= set(operation["responses"]), path
            if method in {"put", "delete"}:
                assert headers.get("If-Match") is True, path
                assert {"412", "428"} <= set(operation["responses"]), path
            assert {"400", "401", "403", "429"} <= set(operation["responses"]), path


def test_it_is_served_without_a_token_and_an_unknown_address_is_a_problem(document: dict[str, Any]) -> None:
    answer = Client().get("/api/v1/openapi.json")
    assert json.loads(answer.content) == json.loads(json.dumps(document))
    nowhere = Client().post("/api/v1/nowhere")
    assert nowhere.status_code == 404
    assert nowhere["Content-Type"] == "application/problem+json"
