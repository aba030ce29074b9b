"""The audit page: every filter, keyset paging that misses and repeats nothing, what cannot be read."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import cast

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.db import connection
from django.http import StreamingHttpResponse
from django.test.utils import CaptureQueriesContext

from fleet import clock
from fleet.changes import policies, standards
from fleet.changes.models import ApprovalPolicy, Event, PolicyEdit, StandardChange
from fleet.changes.policies import WantedPolicy, WantedStage
from fleet.changes.views import audit, audit_rules
from tests.changes import builders
from tests.changes.test_views_pages import as_, page, words

pytestmark = pytest.mark.django_db


@pytest.fixture
def events(author: User, approver: User) -> list[int]:
    """Two changes; the second has 250 events at few instants, some of them of the future."""
    now = clock.now().replace(microsecond=0)
    builders.fleet(["bly", "aebi"])
    run = builders.running(author, approver, builders.plan([["bly"], ["aebi"]]), now - timedelta(hours=2))
    builders.begin(run, ["bly"], now - timedelta(hours=2))
    builders.walk(run, "bly", now - timedelta(hours=2))
    other = builders.draft(author, builders.plan([["aebi"]]), now, title="Other")
    made = [
        Event(change=other, at=now - timedelta(minutes=n % 7), actor="engine", kind="step done", text=f"event {n}")
        for n in range(250)
    ]
    Event.objects.bulk_create(made)
    return list(Event.objects.order_by("-at", "-id").values_list("pk", flat=True))


def shown(html: str) -> list[int]:
    return [int(n) for n in re.findall(r'id="event-(\d+)"', html)]


def walk(reader: User, query: str) -> list[int]:
    """All pages after each other, by their links."""
    found: list[int] = []
    address = f"/audit/?{query}"
    for _ in range(20):
        html = page(reader, address)
        found += shown(html)
        older = re.search(r'href="(\?[^"]*)" rel="next"', html)
        if older is None:
            return found
        address = "/audit/" + older[1].replace("&amp;", "&")
    raise AssertionError("no end")


def test_paging_shows_every_event_once_in_order(events: list[int], reader: User) -> None:
    assert walk(reader, "") == events
    one = Event.objects.values_list("change", flat=True).latest("pk")
    of_one = list(Event.objects.filter(change=one).order_by("-pk").values_list("pk", flat=True))
    assert walk(reader, f"change={one}") == of_one != []


def test_each_filter_finds_what_it_says(events: list[int], reader: User, approver: User) -> None:
    def rows(query: str) -> set[int]:
        return set(walk(reader, query))

    def those(**where: object) -> set[int]:
        return set(Event.objects.filter(**where).values_list("pk", flat=True))

    assert rows(f"person={approver}") == those(actor=approver.username) != set()
    done = Event.objects.filter(kind="step done").values_list("change", flat=True).first()
    assert rows(f"kind=step+done&change={done}") == those(kind="step done", change=done) != set()
    assert rows("device=bly") == those(target__name="bly") != set()
    assert rows("device=nobody") == set()
    since = clock.now() - timedelta(hours=1)
    assert rows(f"since={since:%Y-%m-%dT%H:%M}") == those(at__gte=since) != set(events)
    assert rows(f"until={since:%Y-%m-%dT%H:%M}&device=bly") == those(at__lte=since, target__name="bly")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("change=x", "wanted a number"),
        ("before=-1", "wanted a number"),
        ("since=tomorrow", "wanted a time such as"),
        ("since=0001-01-01T00:00%2B14:00", "wanted a time such as"),
        ("since=2026-01-02T00:00&until=2026-01-01T00:00", "wanted a time after since"),
        ("format=pdf", "wanted csv"),
    ],
)
def test_what_cannot_be_read_is_refused(query: str, said: str, reader: User) -> None:
    response = as_(reader).get(f"/audit/?{query}")
    assert response.status_code == 400
    assert said in words(response.content.decode())


def test_hostile_text_stays_text(author: User, reader: User) -> None:
    change = builders.draft(author, builders.plan([["bly"]]), clock.now())
    Event.objects.create(change=change, at=clock.now(), actor="=cmd()", kind="x", text="<script>alert(1)</script>")
    assert "&lt;script&gt;alert(1)" in page(reader, "/audit/")
    response = cast(StreamingHttpResponse, as_(reader).get("/audit/?format=csv"))

    async def whole() -> bytes:
        return b"".join([piece async for piece in cast(AsyncIterator[bytes], response)])

    text = async_to_sync(whole)().decode()
    assert text.splitlines()[0] == "at,who,kind,change,device,text,number,hash"
    assert ",=cmd()," not in text


def test_the_kinds_that_are_suggested_are_those_that_are_written(events: list[int]) -> None:
    written = set(Event.objects.values_list("kind", flat=True))
    assert written <= set(audit.KINDS)


# --- what was done to the rules --------------------------------------------------------------------------------------


@pytest.fixture
def rules(events: list[int], author: User, approver: User) -> None:
    """A policy that was added and edited, a standard change that was written, approved and withdrawn."""
    now = clock.now().replace(microsecond=0)
    stages = (WantedStage("peer"),)
    for minutes, name in ((150, "strict"), (1, "stricter")):
        old = ApprovalPolicy.objects.first()
        wanted = WantedPolicy(name, stages)
        known = policies.version(old)
        at = now - timedelta(minutes=minutes)
        builders.done(policies.keep(old, wanted, author, at, why="Agreed.", known=known))
    bounds = standards.Bounds({"queues": {"min": 1, "max": 8}}, 2, now + timedelta(days=9))
    row = standards.write("weekly", "nic-queues", "a" * 64, bounds, author=author, now=now - timedelta(minutes=2))
    assert isinstance(row, StandardChange)
    builders.done(standards.approve(row, approver, now, comment="<b>Read.</b>"))
    builders.done(standards.withdraw(row, approver, now, comment="Too many."))


def of_rules(html: str) -> list[str]:
    return re.findall(r'<tr class="rule">.*?<td class="inline soft">([^<]*)</td>', html)


def test_edits_of_the_rules_stand_between_the_events(rules: None, reader: User, approver: User) -> None:
    first = page(reader, "/audit/")
    done = ["standard change withdrawn", "standard change approved", "policy edited", "standard change written"]
    assert of_rules(first) == done
    text = words(first)
    assert "policy stricter: name: strict &gt; stricter. Why: Agreed." in text
    assert "weekly: nic-queues with queues 1 to 8, at most 2 devices" in text and "<b>Read" not in first
    assert of_rules(page(reader, f"/audit/?person={approver}")) == of_rules(first)[:2]
    assert of_rules(page(reader, "/audit/?kind=policy+edited")) == ["policy edited", "policy edited"]
    assert shown(page(reader, "/audit/?kind=policy+edited")) == []
    for elsewhere in ("device=bly", "kind=step+done", "change=1", "until=2020-01-01T00:00"):
        assert of_rules(page(reader, f"/audit/?{elsewhere}")) == [], elsewhere


def test_each_edit_is_on_one_page(rules: None, events: list[int], reader: User) -> None:
    """The pages of events divide them between them: what is older than a page's events comes with later ones."""
    found, address = [], "/audit/"
    for _ in range(20):
        html = page(reader, address)
        found += of_rules(html)
        older = re.search(r'href="(\?[^"]*)" rel="next"', html)
        if older is None:
            break
        address = "/audit/" + older[1].replace("&amp;", "&")
    assert len(found) == 5 and found[-1] == "policy edited"
    assert walk(reader, "") == events, "and none of the events is lost by it"


def test_the_file_has_them_too(rules: None, events: list[int], reader: User) -> None:
    response = cast(StreamingHttpResponse, as_(reader).get("/audit/?format=csv"))

    async def whole() -> bytes:
        return b"".join([piece async for piece in cast(AsyncIterator[bytes], response)])

    lines = async_to_sync(whole)().decode().splitlines()
    assert len(lines) == 1 + len(events) + 5
    times = [line.partition(",")[0] for line in lines[1:]]
    assert times == sorted(times, reverse=True)


def test_queries_do_not_grow_with_the_rules(rules: None, reader: User, author: User) -> None:
    client = as_(reader)

    def count() -> int:
        with CaptureQueriesContext(connection) as seen:
            client.get("/audit/")
        return len(seen)

    few = count()
    now = clock.now()
    PolicyEdit.objects.bulk_create(
        PolicyEdit(policy_number=1, name=f"p{n}", by=author, at=now, why="x") for n in range(300)
    )
    assert count() == few
    assert len(of_rules(page(reader, "/audit/"))) == audit_rules.MOST
