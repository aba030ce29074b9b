"""Drafting by form: what is read, what is refused, what the engine makes of it; scheduling and override as buttons."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from fleet import clock
from fleet.changes import draft_requests, lifecycle
from fleet.changes.models import Change, DraftRequest, RecipeCard, WindowOverride
from inventory.models import Observation, Router
from tests.changes import builders
from tests.changes.test_views_pages import as_, words

pytestmark = pytest.mark.django_db
FIELDS = {
    "recipe": "sysctl", "title": "Backlog", "ticket": "NET-1", "input-settings": "net.core.netdev_max_backlog = 5000",
    "input-settle": "1s", "names": "bly", "waves": "1, 100%", "total": "1", "per_failure_domain": "1",
    "max_failures": "0", "on_failure": "pause",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _fleet(db: None) -> None:
    draft_requests.publish()
    builders.fleet(["bly", "aebi", "dekker"])
    for router in Router.objects.all():
        facts = {"kernel": "6.1.9", "sysctl": {"net.core.netdev_max_backlog": "1000"}, "routing": {"suite": "frr"}}
        Observation.objects.create(router=router, observed_at=clock.now(), facts=facts)


@pytest.fixture
def drafter(author: User) -> Client:
    author.user_permissions.add(Permission.objects.get(codename="add_change"))
    return as_(User.objects.get(pk=author.pk))


def ask(client: Client, **more: Any) -> Any:
    return client.post(reverse("draft"), {**FIELDS, **more})


def test_recipes_are_written_once_and_kept_up_to_date() -> None:
    assert draft_requests.publish() == 0
    RecipeCard.objects.filter(name="sysctl").update(summary="old")
    RecipeCard.objects.create(name="gone")
    assert draft_requests.publish() == 1
    assert not RecipeCard.objects.filter(name="gone").exists()


def test_a_draft_is_asked_for_and_made(drafter: Client, author: User) -> None:
    waits = ask(drafter)["Location"]
    assert "It is being planned" in words(drafter.get(waits).content.decode())
    assert draft_requests.take_up(clock.now()) == 1
    change = Change.objects.get()
    assert drafter.get(waits)["Location"] == change.get_absolute_url()
    assert drafter.get(waits, headers={"HX-Request": "true"})["HX-Redirect"] == change.get_absolute_url()
    assert (change.title, change.ticket, change.author) == ("Backlog", "NET-1", author)
    assert change.revision is not None
    assert change.revision.plan["strategy"]["on_failure"] == "pause"
    assert change.revision.assessed["impact"] == "REDUCED-REDUNDANCY"
    assert draft_requests.take_up(clock.now()) == 0


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"title": ""}, "title: found none"),
        ({"title": "x" * 300}, "title: found 201 characters, wanted at most 200"),
        ({"input-settings": ""}, "settings: found nothing"),
        ({"names": "nobody"}, "device nobody: found none of that name"),
        ({"names": "aeby"}, "Did you mean aebi?"),
        ({"names": "", "site": "nowhere"}, "devices: found none for site ['nowhere']"),
        ({"waves": "all"}, "waves: found 'all'"),
        ({"recipe": "nic-queues", "input-queues": "many"}, "queues: found 'many', wanted a whole number"),
        ({"recipe": "nic-queues", "input-queues": "99999"}, "queues: found 99999, wanted at most 1024"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_asked_for(drafter: Client, more: dict[str, str], said: str) -> None:
    response = ask(drafter, **more)
    assert response.status_code == 400
    assert said in words(response.content.decode()).replace("&#x27;", "'")
    assert not DraftRequest.objects.exists()


def test_what_the_engine_refuses_is_said_with_the_form_as_it_was(drafter: Client, reader: User) -> None:
    waits = ask(drafter, **{"input-settings": "no such line"})["Location"]
    draft_requests.take_up(clock.now())
    assert not Change.objects.exists()
    html = drafter.get(waits).content.decode()
    assert "It cannot be planned" in html
    again = reverse("draft") + f"?from={DraftRequest.objects.get().pk}"
    assert again in html and "no such line" in drafter.get(again).content.decode()
    assert as_(reader).get(again).status_code == 403


def test_drafting_needs_a_right(approver: User) -> None:
    assert ask(as_(approver)).status_code == 403
    assert not DraftRequest.objects.exists()


def edit(client: Client, change: Change, **more: str) -> Any:
    return client.post(reverse("edit", args=[change.pk]), {**FIELDS, "edits": "1", **more})


def test_an_edit_after_approval_voids_it(drafter: Client, author: User, approver: User) -> None:
    ask(drafter)
    draft_requests.take_up(clock.now())
    change = Change.objects.get()
    builders.done(lifecycle.submit(change, author, clock.now()))
    assert change.revision is not None
    digest = change.revision.digest
    builders.done(lifecycle.decide_on(change, approver, clock.now(), approve=True, digest=digest))
    assert "every approval is void" in words(drafter.get(reverse("edit", args=[change.pk])).content.decode())
    assert edit(drafter, change, names="bly aebi").status_code == 302
    draft_requests.take_up(clock.now())
    change.refresh_from_db()
    assert change.state == "draft" and change.revision.number == 2 and change.revision.approved_digest is None
    found = words(drafter.get(reverse("compare", args=[change.pk, 1, 2])).content.decode())
    assert "1 device more" in found


def test_a_stale_form_and_a_stale_request_are_refused(drafter: Client, author: User) -> None:
    ask(drafter)
    draft_requests.take_up(clock.now())
    change = Change.objects.get()
    assert edit(drafter, change, edits="7").status_code == 400
    assert edit(drafter, change, title="first").status_code == 302
    assert edit(drafter, change, title="second").status_code == 302
    draft_requests.take_up(clock.now())
    draft_requests.take_up(clock.now() + timedelta(seconds=1))
    change.refresh_from_db()
    assert change.title == "first" and change.revision is not None and change.revision.number == 2
    assert "wanted revision 1, which you edited" in " ".join(DraftRequest.objects.get(title="second").left)


def test_others_do_not_edit_and_what_runs_is_not_edited(drafter: Client, author: User, approver: User) -> None:
    run = builders.running(author, approver, builders.plan([["bly"]], recipe="sysctl"), clock.now())
    assert edit(drafter, run.revision.change).status_code == 409
    draft = builders.draft(author, builders.plan([["aebi"]], recipe="sysctl"), clock.now())
    assert edit(as_(approver), draft).status_code == 403
    assert not DraftRequest.objects.exists()


def test_the_selection_is_shown_while_it_is_written(drafter: Client) -> None:
    answer = drafter.post(reverse("draft-devices"), {"recipe": "sysctl", "names": "dekker, *e*"})
    assert "2 devices : dekker, aebi" in words(answer.content.decode())


def test_schedule_and_override_are_buttons(author: User, approver: User) -> None:
    change = builders.approved(author, approver, builders.plan([["bly"]]), clock.now())
    client = as_(approver)
    assert client.post(reverse("schedule", args=[change.pk]), {"window": "nobody"}).status_code == 400
    assert client.post(reverse("schedule", args=[change.pk])).status_code == 409  # there is no window at all
    assert client.post(reverse("override-windows", args=[change.pk]), {"why": "x"}).status_code == 403
    approver.user_permissions.add(Permission.objects.get(codename="add_breakglass"))
    assert client.post(reverse("override-windows", args=[change.pk]), {"why": ""}).status_code == 409
    assert client.post(reverse("override-windows", args=[change.pk]), {"why": "customers are down"}).status_code == 302
    assert WindowOverride.objects.get().why == "customers are down"
    page = words(client.get(reverse("change", args=[change.pk])).content.decode())
    assert "Windows and freezes do not hold it: approver" in page
