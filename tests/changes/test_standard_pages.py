"""Standard changes written on a page: bounds of every kind of input, who may, what is refused, and that they fit."""

from collections.abc import Mapping
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User

from fleet import clock
from fleet.changes import draft_requests, drafts, standards
from fleet.changes.models import Change, RecipeCard, StandardChange
from fleet.people.models import Grant
from tests.changes import builders
from tests.changes.test_pages_audit import words as text_of
from tests.changes.test_views_pages import as_

pytestmark = pytest.mark.django_db
ADDRESS = "/standard-changes/add/"


@pytest.fixture
def keeper(approver: User) -> User:
    approver.user_permissions.add(Permission.objects.get(codename="change_approvalpolicy"))
    builders.fleet(["bly", "aebi"])
    draft_requests.publish()
    return User.objects.get(pk=approver.pk)


def form(recipe: str = "nic-queues", **more: Any) -> dict[str, Any]:
    digest = RecipeCard.objects.get(name=recipe).digest
    return {"recipe": recipe, "digest": digest, "name": "weekly", "max_devices": 2, "days": 30, **more}


def post(who: User, said: Mapping[str, Any]) -> Any:
    return as_(who).post(ADDRESS, said, follow=True)


def test_it_is_written_as_asked_and_fits_a_change_that_a_form_drafted(keeper: User, author: User) -> None:
    chosen = text_of(as_(keeper).get(ADDRESS).content.decode())
    assert "nic-queues" in chosen and "kernel-cmdline" in chosen
    assert "From" in text_of(as_(keeper).get(f"{ADDRESS}?recipe=nic-queues").content.decode())
    said = {
        "least-queues": "1",
        "most-queues": "8",
        "listed-interface": "all\neth[12]\n",
        "sites": ["site0"],
        "roles": ["edge"],
    }
    answer = post(keeper, form(**said))
    assert "weekly is written. 2 others approve it" in text_of(answer.content.decode())
    row = StandardChange.objects.get()
    assert row.bounds == {"queues": {"min": 1, "max": 8}, "interface": {"one_of": ["all", "eth[12]"]}}
    assert (row.author, row.max_devices, row.site_names, row.roles) == (keeper, 2, ["site0"], ["edge"])
    assert row.recipe_digest == standards.digest_of(drafts.find_recipe("nic-queues").read_text())
    # A form writes every default out: that is no input outside of the bounds.
    defaults = {s["name"]: s["default"] for s in RecipeCard.objects.get(name="nic-queues").inputs if s["default"]}
    request = drafts.Request("nic-queues", {**defaults, "queues": 4}, ("bly",))
    change: Change = drafts.open_change(request, title="Four", author=author, now=clock.now())
    revision = change.revision
    assert revision is not None
    assert not [r for r in standards.misfits(row, revision, clock.now()) if r.subject.startswith("input")]
    other = drafts.open_change(
        drafts.Request("nic-queues", {**defaults, "queues": 9, "soak": "9s"}, ("bly",)), title="Nine", author=author,
        now=clock.now(),
    )  # fmt: skip
    assert other.revision is not None
    subjects = {r.subject for r in standards.misfits(row, other.revision, clock.now())}
    assert {"input queues", "input soak"} <= subjects


def test_choices_and_truths(keeper: User) -> None:
    said = form(
        "nic-rss", **{"listed-interface": "eth1", "chosen-spread": ["true"], "chosen-irqbalance": ["true", "false"]}
    )
    post(keeper, said)
    bounds = StandardChange.objects.get().bounds
    assert bounds["spread"] == {"one_of": [True]} and bounds["irqbalance"] == {"one_of": [True, False]}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, "bounds of queues: found none, wanted what it may be"),
        ({"least-queues": "4"}, "wanted two whole numbers"),
        ({"least-queues": "9", "most-queues": "4"}, "wanted two whole numbers"),
        ({"least-queues": "1", "most-queues": "9999"}, "found 1 to 9999, wanted 1 to 1024"),
        ({"least-queues": "x", "most-queues": "4"}, "wanted two whole numbers"),
        ({"least-queues": "1", "most-queues": "4", "max_devices": "0"}, "greater than or equal to 1"),
        ({"least-queues": "1", "most-queues": "4", "days": "4000"}, "less than or equal to 366"),
        ({"least-queues": "1", "most-queues": "4", "name": ""}, "required"),
        ({"least-queues": "1", "most-queues": "4", "listed-interface": "\n".join(map(str, range(60)))}, "at most 50"),
        ({"least-queues": "1", "most-queues": "4", "digest": "b" * 64}, "another text than this form was made for"),
        ({"least-queues": "1", "most-queues": "4", "sites": ["nowhere"]}, "nowhere"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(keeper: User, more: dict[str, Any], said: str) -> None:
    answer = post(keeper, form(**more))
    assert answer.status_code in {400, 409}
    assert said in text_of(answer.content.decode())
    assert not StandardChange.objects.exists()


def test_a_name_is_given_once(keeper: User) -> None:
    said = form(**{"least-queues": "1", "most-queues": "4"})
    post(keeper, said)
    answer = post(keeper, said)
    assert answer.status_code == 409 and "which exists" in text_of(answer.content.decode())


def test_who_may(keeper: User, author: User, reader: User) -> None:
    said = form(**{"least-queues": "1", "most-queues": "4"})
    for who in (author, reader):
        assert as_(who).get(ADDRESS).status_code == 403
        assert as_(who).post(ADDRESS, said).status_code == 403
        assert "Standard change</a>" not in as_(who).get("/standard-changes/").content.decode()
    assert "Standard change</a>" in as_(keeper).get("/standard-changes/").content.decode()
    near = builders.person("near")
    Grant.objects.create(person=near, role="admin", device_roles=["edge"])
    answer = as_(near).post(ADDRESS, said)
    assert answer.status_code == 409 and "Narrow it" in text_of(answer.content.decode())
    assert as_(near).post(ADDRESS, {**said, "roles": ["edge"]}).status_code == 302
    assert as_(keeper).get(f"{ADDRESS}?recipe=nothing").status_code == 404


def test_its_author_does_not_approve_it(keeper: User) -> None:
    post(keeper, form(**{"least-queues": "1", "most-queues": "4"}))
    row = StandardChange.objects.get()
    answer = as_(keeper).post(f"/standard-changes/{row.pk}/approve", {"comment": ""})
    assert answer.status_code == 409 and "who is the author" in text_of(answer.content.decode())
