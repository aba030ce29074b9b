"""The pages about more than one change: what they say, whom they ask, that their queries do not grow."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from fleet import clock
from fleet.changes import emergencies, rooms, standards, windows
from fleet.changes.models import BreakGlass, Event, Run, StandardChange, StandardDecision
from fleet.changes.windows import Wanted
from fleet.core import layout
from fleet.people.models import Grant
from inventory.models import Link, LinkEnd, Site
from tests.changes import builders
from tests.changes.test_views_pages import as_, page, words

pytestmark = pytest.mark.django_db
RING = ("bly", "aebi", "dekker", "thn1", "ixn1", "aql1")
LISTS = ("dashboard", "changes", "calendar", "windows", "topology", "audit", "policies", "standards", "break-glasses")


@pytest.fixture
def run(author: User, approver: User) -> Run:
    """aebi is stuck and drained, dekker is in its nic step."""
    now = clock.now() - timedelta(minutes=10)
    builders.fleet(RING)
    run = builders.running(author, approver, builders.plan([RING[:1], RING[1:]]), now)
    builders.begin(run, ["aebi", "dekker"], now)
    builders.stuck(run, "aebi", now)
    builders.walk(run, "dekker", now, until="nic")
    builders.pulse(clock.now())
    return run


def addresses() -> Iterator[tuple[str, str]]:
    for pattern in rooms.urlpatterns:
        name = str(pattern.name)
        yield name, reverse(name, kwargs=dict.fromkeys(pattern.pattern.converters, 1))


# --- who -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize(("name", "address"), list(addresses()))
def test_nothing_without_a_login(name: str, address: str, method: str) -> None:
    response = getattr(Client(), method)(address)
    assert response.status_code in {302, 405}, name
    if response.status_code == 302:
        assert response["Location"].startswith("/login/?next=")


@pytest.mark.parametrize("name", LISTS)
def test_a_reader_sees_every_page_empty_or_not(name: str, run: Run, reader: User) -> None:
    html = page(reader, reverse(name))
    assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son[a-z]+=", html)
    assert 'aria-current="page"' in html


def test_readers_keep_no_windows(reader: User) -> None:
    for name in ("window-add", "freeze-add", "windows-import"):
        assert as_(reader).get(reverse(name)).status_code == 403
    assert "changes.add_window" in words(page(reader, reverse("windows")))


# --- first page ------------------------------------------------------------------------------------------------------


def test_the_first_page_tells_what_is_stuck_drained_and_by_whom(run: Run, reader: User) -> None:
    text = words(page(reader, "/"))
    assert "aebi needs a person" in text
    assert "2 without traffic" in text
    assert f"{run.revision.change_id} Eight queues on the edge , {run.started_by}" in text
    assert "Nothing waits for you." in text


def test_what_waits_for_me_is_not_what_i_wrote(author: User, approver: User) -> None:
    builders.fleet(RING)
    change = builders.submitted(author, builders.plan([RING]), clock.now(), title="Rings of 4096")
    author.user_permissions.set(approver.user_permissions.all())
    assert "Read the plan and decide" in words(page(approver, "/"))
    assert "Read the plan and decide" not in words(page(author, "/"))
    builders.done(emergencies_of(change, approver))
    assert "Look at this break-glass" not in words(page(approver, "/")), "who broke it is no second person"


def emergencies_of(change: object, person: User) -> tuple[object, ...]:
    person.user_permissions.add(Permission.objects.get(codename="add_breakglass"))
    fresh = User.objects.get(pk=person.pk)
    revision = change.revision  # type: ignore[attr-defined]
    return emergencies.break_glass(change, fresh, clock.now(), why="Customers down.", digest=revision.digest)  # type: ignore[arg-type]


def test_break_glass_is_listed_with_who_reviewed_it(author: User, approver: User, reader: User) -> None:
    builders.fleet(RING)
    change = builders.submitted(author, builders.plan([RING]), clock.now())
    builders.done(emergencies_of(change, reader))
    assert "1 waits for a second person" in words(page(reader, reverse("break-glasses")))
    assert "Look at this break-glass" in words(page(approver, "/"))
    glass = BreakGlass.objects.select_related("revision__change", "by").get()
    builders.done(emergencies.review(glass, approver, clock.now(), comment="Right so."))
    text = words(page(reader, reverse("break-glasses")))
    assert f"{approver}" in text and "Right so." in text and "nobody yet" not in text


# --- standard changes ------------------------------------------------------------------------------------------------


def standard(author: User, name: str = "queues") -> StandardChange:
    return StandardChange.objects.create(
        name=name, recipe="nic-queues", recipe_digest="a" * 64, bounds={"queues": {"min": 1, "max": 8}}, max_devices=2,
        expires_at=clock.now() + timedelta(days=9), author=author, created_at=clock.now(),
    )  # fmt: skip


def test_a_standard_change_is_approved_by_others_and_withdrawn_with_a_reason(author: User, approver: User) -> None:
    row = standard(author)
    author.user_permissions.set(approver.user_permissions.all())
    mine = as_(author).post(reverse("standard-approve", args=[row.pk]))
    assert mine.status_code == 409
    assert "who is the author, wanted a second person" in words(mine.content.decode())
    assert as_(approver).post(reverse("standard-approve", args=[row.pk])).status_code == 302
    again = as_(approver).post(reverse("standard-approve", args=[row.pk]))
    assert "approved it already" in words(again.content.decode())
    silent = as_(approver).post(reverse("standard-withdraw", args=[row.pk]), {"comment": " "})
    assert silent.status_code == 409
    assert StandardDecision.objects.count() == 1
    assert "queues: 1 to 8; at most 2 devices" in words(page(approver, reverse("standards")))


def test_a_grant_for_one_site_approves_no_standard_change_of_all(author: User) -> None:
    builders.fleet(RING)
    small = builders.person("small")
    grant = Grant.objects.create(person=small, role="approver")
    grant.sites.set([Site.objects.get(name="site0")])
    said = as_(small).post(reverse("standard-approve", args=[standard(author).pk]))
    assert said.status_code == 409
    assert "every site" in words(said.content.decode())
    assert not StandardDecision.objects.exists()


# --- topology --------------------------------------------------------------------------------------------------------


def test_the_drawing_shows_each_device_with_its_state_and_what_links_it(run: Run, reader: User) -> None:
    link = Link.objects.create(kind="fibre", capacity_mbps=100_000)
    for side, name in (("a", "bly"), ("b", "aebi")):
        router = run.targets.get(name=name).router
        LinkEnd.objects.create(link=link, side=side, router=router, interface="eth1")
    html = page(reader, reverse("topology"))
    assert html.count('<g class="node') == len(RING)
    assert "aebi: stuck, needs a person" in html
    assert "dekker: without traffic" in html
    assert "bly: nothing is done to it" in html
    assert "100 Gb/s, an end is without traffic" in html


def test_a_large_fleet_is_drawn_by_site_and_a_site_by_device(run: Run, reader: User) -> None:
    builders.fleet([f"edge{n:03}" for n in range(layout.MOST * 4)])
    html = page(reader, reverse("topology"))
    assert html.count('<g class="node') == 3
    assert "1 stuck, needs a person" in html
    site = page(reader, reverse("topology") + "?site=site1")
    assert site.count('<g class="node') == 82
    assert "aebi: stuck" in site
    assert as_(reader).get(reverse("topology") + "?domain=fd1")["Location"].endswith("?site=site1")
    lost = as_(reader).get(reverse("topology") + "?site=nowhere")
    assert lost.status_code == 400
    assert "wanted a site of the inventory" in words(lost.content.decode())


# --- changes ---------------------------------------------------------------------------------------------------------


def test_changes_are_found_by_state_words_author_and_recipe(author: User, approver: User, reader: User) -> None:
    builders.fleet(RING)
    now = clock.now()
    builders.draft(author, builders.plan([RING]), now, title="Kernel of the ring")
    builders.submitted(author, builders.plan([RING], recipe="sysctl"), now, title="Sysctl of the ring")

    def shown(query: str) -> set[str]:
        return set(re.findall(r"(Kernel|Sysctl) of the ring", page(reader, f"/changes/{query}")))

    assert shown("") == {"Kernel", "Sysctl"}
    assert shown("?state=draft") == {"Kernel"}
    assert shown("?state=waiting") == {"Sysctl"}
    assert shown("?recipe=sysctl") == {"Sysctl"}
    assert shown("?q=kernel+ring") == {"Kernel"}
    assert shown("?author=nobody") == set()
    assert as_(reader).get("/changes/?state=odd").status_code == 400


# --- queries ---------------------------------------------------------------------------------------------------------


def _more(author: User, approver: User, rows: int, offset: int) -> None:
    """So many more of everything that the pages list."""
    now = clock.now()
    names = [f"more{offset + n:04}" for n in range(rows)]
    builders.fleet(names, domains=3 + rows // 20)
    run = builders.running(author, approver, builders.plan([names]), now)
    builders.begin(run, names[: rows // 2], now)
    run.targets.filter(name__in=names[: rows // 4]).update(drained=True, drained_at=now)
    for n in range(rows // 8):
        builders.submitted(author, builders.plan([names[n : n + 1]]), now)
        row = standard(author, f"s{offset}-{n}")
        builders.done(standards.approve(row, approver, now))
        said = Wanted(f"w{offset}-{n}", now.date(), now.time(), timedelta(hours=1), "UTC", "FREQ=DAILY")
        builders.done(windows.add(windows.window_row(said, author, now)))
        change = builders.draft(author, builders.plan([names[n : n + 1]]), now)
        builders.done(emergencies_of(change, builders.person("zoe")))
    builders.events(run.revision.change, rows, now)


# How many queries a page takes is the same on either database.
@pytest.mark.sqlite
def test_queries_do_not_grow(author: User, approver: User) -> None:
    calendars = ["/calendar/?view=month", "/calendar/?view=day"]
    asked = [*map(reverse, LISTS), *calendars, "/audit/?device=more0001", "/topology/?site=site0"]
    counted: list[dict[str, int]] = []
    for offset, rows in ((0, layout.MOST + 4), (100, 200)):
        _more(author, approver, rows, offset)
        client = as_(approver)
        found = {}
        for address in asked:
            client.get(address)
            with CaptureQueriesContext(connection) as queries:
                assert client.get(address).status_code == 200
            found[address] = len(queries)
        counted.append(found)
    assert counted[0] == counted[1]
    assert max(counted[1].values()) <= 40, counted[1]
    assert Event.objects.count() > 200
