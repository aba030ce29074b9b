"""Every page: who may see it, what it says, that device output cannot do harm, and that its queries do not grow."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from fleet import clock
from fleet.changes.models import Change, Revision, Run, StepRun, TargetRun
from fleet.core.model import Reason
from fleet.core.states import ChangeState, StepState
from tests.changes import builders

RING = ("bly", "aebi", "dekker", "thn1", "ixn1", "aql1")


@pytest.fixture
def run(author: User, approver: User) -> Run:
    """Wave 0 done, aebi soaking and dekker in its nic step in wave 1."""
    now = clock.now() - timedelta(minutes=10)
    builders.fleet(RING)
    plan = builders.plan([RING[:1], RING[1:4], RING[4:]], findings=[builders.one_way_finding("aebi")])
    run = builders.running(author, approver, plan, now)
    builders.begin(run, ["bly"], now)
    builders.walk(run, "bly", now)
    builders.begin(run, ["aebi", "dekker"], now)
    builders.walk(run, "aebi", now, until="soak")
    builders.walk(run, "dekker", now, until="nic")
    builders.pulse(clock.now())
    return run


def as_(who: User) -> Client:
    client = Client()
    client.force_login(who)
    return client


def page(who: User, address: str, **headers: str) -> str:
    response = as_(who).get(address, headers=headers)
    assert response.status_code == 200, response.content[:500]
    return response.content.decode()


def words(html: str) -> str:
    """The page as a person reads it."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


# --- who -----------------------------------------------------------------------------------------------------------


def addresses() -> list[tuple[str, str]]:
    """Every address of the changes app, by name, with arguments filled in."""
    found = []
    filled = {"pk": 1, "number": 1, "name": "bly", "old": 1, "new": 1}
    for entry in get_resolver().url_patterns:
        if isinstance(entry, URLResolver) and "fleet.changes.urls" in str(entry.urlconf_name):
            for pattern in entry.url_patterns:
                assert isinstance(pattern, URLPattern)
                kwargs = {k: filled[k] for k in pattern.pattern.converters}
                found.append((str(pattern.name), reverse(str(pattern.name), kwargs=kwargs)))
    return found


def test_there_are_addresses_to_try() -> None:
    assert {"changes", "change", "target", "abort", "release", "stream"} <= {name for name, _ in addresses()}


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize(("name", "address"), addresses())
def test_nothing_without_a_login(name: str, address: str, method: str) -> None:
    response = getattr(Client(), method)(address)
    assert response.status_code in {302, 401, 405}
    if response.status_code == 302:
        assert response["Location"].startswith("/login/?next=")


@pytest.mark.django_db
def test_a_fragment_without_a_login_sends_the_window_to_the_login_page() -> None:
    response = Client().get(reverse("changes"), headers={"HX-Request": "true"})
    assert response.status_code == 401
    assert response["HX-Redirect"] == "/login/"


def test_a_reader_sees_every_page(run: Run, reader: User) -> None:
    pk = run.revision.change_id
    for address in (
        "/",
        reverse("change", args=[pk]),
        reverse("change-plan", args=[pk]),
        reverse("revision-plan", args=[pk, 1]),
        reverse("change-events", args=[pk]),
        reverse("wave", args=[pk, 1]),
        reverse("target", args=[pk, "dekker"]),
    ):
        html = page(reader, address)
        assert "<title>" in html
        assert "style=" not in html
        assert not re.search(r"<script(?![^>]*src=)|<style|\son[a-z]+=", html)


@pytest.mark.django_db
def test_every_answer_brings_the_policy(reader: User) -> None:
    for client in (Client(), as_(reader)):
        response = client.get("/")
        policy = response["Content-Security-Policy"]
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert response["X-Frame-Options"] == "DENY"
    assert as_(reader).get("/")["Cache-Control"] == "no-store"


@pytest.mark.django_db
def test_what_does_not_exist_is_said(reader: User) -> None:
    for address in ("/changes/77/", "/changes/77/plan/", "/changes/77/targets/bly/", "/changes/77/events/"):
        response = as_(reader).get(address)
        assert response.status_code == 404
        assert "There is no change 77." in response.content.decode()


# --- what the pages say --------------------------------------------------------------------------------------------


def test_first_page_of_an_empty_system(reader: User) -> None:
    assert "Nothing is running." in words(page(reader, "/"))
    assert "There are no changes." in words(page(reader, "/changes/"))


def test_list_is_paged(author: User) -> None:
    plan, now = builders.plan([RING]), clock.now()
    for number in range(55):
        builders.draft(author, plan, now, title=f"draft number {number}")
    first, second = page(author, "/changes/"), page(author, "/changes/?page=2")
    assert "draft number 54" in first and "draft number 4<" not in first
    assert "draft number 4<" in second and "draft number 54" not in second
    assert "draft number 54" in page(author, "/changes/?page=rubbish")


def test_change_says_what_happens_now_and_next(run: Run, reader: User) -> None:
    builders.holds(run, Reason("budget", "2 of 2 drained", "room for one more", "Waits for one of them."))
    text = words(page(reader, reverse("change", args=[run.revision.change_id])))
    assert "Now Working through its waves." in text
    assert "Next Wave 1 (2 of 3): 0 of 3 done, 2 in flight, 1 not started." in text
    assert "Waits because budget: found 2 of 2 drained, wanted room for one more. Waits for one of them." in text
    assert re.search(r"Without traffic dekker for ", text)
    assert "firmware on aebi : found reversible by reflash" in text
    assert "approved by approver" in text
    assert run.revision.digest in text
    assert "dekker: nic begins" in text


def test_a_reader_is_told_who_may_stop(run: Run, reader: User) -> None:
    html = page(reader, reverse("change", args=[run.revision.change_id]))
    assert "Stopping needs the permission changes.change_run." in words(html)
    assert "Abort now" not in html


def test_the_stop_place_is_on_every_page_of_a_running_change(run: Run, approver: User) -> None:
    pk = run.revision.change_id
    for address in (reverse("change", args=[pk]), reverse("wave", args=[pk, 1]), reverse("target", args=[pk, "bly"]),
                    reverse("change-events", args=[pk]), reverse("change-plan", args=[pk])):  # fmt: skip
        html = page(approver, address)
        assert html.count('id="stop"') == 1
        assert "Abort now" in html and "Pause now" in html and "Roll back everything" in html


def test_a_silent_engine_is_said(run: Run, reader: User) -> None:
    address = reverse("change", args=[run.revision.change_id])
    assert "The engine is not running" not in page(reader, address)
    builders.pulse(clock.now() - timedelta(seconds=60))
    assert "The engine is not running" in page(reader, address)
    assert "The engine is not running" in page(reader, "/")


def test_stuck_says_every_reason_and_offers_release(run: Run, approver: User) -> None:
    now = clock.now()
    builders.end_step(_hand(run, "dekker"), now)
    builders.stuck(run, "dekker", now)
    for address in (reverse("change", args=[run.revision.change_id]), "/"):
        text = words(page(approver, address))
        assert "dekker needs a person; it stays drained" in text
        assert "verify : bgp 10.255.0.1 ipv6Unicast: found 3 of 5 sessions Established, wanted 5" in text
        assert "undo nic : dekker: found no answer for 60 s, wanted an SSH session." in text
    assert "Release dekker" in page(approver, reverse("change", args=[run.revision.change_id]))


def _hand(run: Run, name: str) -> builders.transitions.StepInHand:
    row = builders.target(run, name)
    step = next(s for s in row.steps.all() if s.state == StepState.CLAIMED)
    return builders.transitions.StepInHand(step, row, run.revision.change_id)


def test_target_shows_steps_diff_commands_and_what_restores_it(run: Run, reader: User) -> None:
    html = page(reader, reverse("target", args=[run.revision.change_id, "dekker"]))
    text = words(html)
    assert 'id="step-3"' in html
    assert "ethtool -L eth0 combined 8" in text
    assert "+eth0 combined 8" in text
    assert "What restores it, kept before the first touch" in text
    assert "&quot;persisted&quot;: false" in text
    assert "Being changed." in text
    assert "Its traffic is away since" in text


def test_hostile_output_stays_text_and_is_shortened(run: Run, reader: User) -> None:
    evil = '<script>alert("x")</script><img src=x onerror=alert(1)>'
    StepRun.objects.filter(target__name="dekker", verb="nic").update(data={"out": evil + "z" * 50_000}, reasons=[evil])
    TargetRun.objects.filter(name="dekker").update(reasons=[evil])
    Run.objects.update(holds=[evil])
    Change.objects.update(title=evil)
    pk = run.revision.change_id
    for address in ("/", reverse("change", args=[pk]), reverse("target", args=[pk, "dekker"]), f"/changes/{pk}/plan/"):
        html = page(reader, address)
        assert "<script>alert" not in html and "<img" not in html
        assert "&lt;script&gt;" in html
        assert len(html) < 60_000
    assert "... shortened: " in page(reader, reverse("target", args=[pk, "dekker"]))


def test_plan_page_says_what_is_approved(run: Run, reader: User) -> None:
    text = words(page(reader, reverse("change-plan", args=[run.revision.change_id])))
    assert run.revision.digest in text
    assert "at worst 1 h 48 min" in text and "no artifact" in text and "REDUCED-REDUNDANCY" in text
    assert "Exactly the same as on bly" in text or "Exactly the same as on aebi" in text
    assert "at most 2 drained at once, 1 in each failure domain" in text
    assert "disruptive" in text and "in place" in text and "nothing to undo" in text
    assert "Only if it is still so" in text


def test_a_plan_says_what_was_measured(run: Run, reader: User) -> None:
    address = reverse("change-plan", args=[run.revision.change_id])
    assert "measured, n=" not in words(page(reader, address))
    now = clock.now() - timedelta(minutes=5)
    rest = Run.objects.get(pk=run.pk)
    for name in ("dekker",):
        builders.end_step(builders.transitions.StepInHand(
            next(s for s in builders.target(rest, name).steps.all() if s.state == "claimed"),
            builders.target(rest, name), run.revision.change_id), now)  # fmt: skip
    # Three baselines and three drains were done by now: 5 s each.
    text = words(page(reader, address + "?device=bly"))
    assert "n=3" in text and "role edge" not in text.partition("1 baseline")[2].partition("soak")[2]


def test_devices_of_a_plan_are_narrowed(run: Run, reader: User) -> None:
    address = reverse("change-plan", args=[run.revision.change_id])
    text = page(reader, address + "?wave=2")
    assert 'id="device-ixn1"' in text and 'id="device-bly"' not in text
    assert "No device of this plan" in words(page(reader, address + "?device=nobody"))
    assert "1 to 6 of 6" in words(page(reader, address + "?wave=rubbish&page=0"))


def test_wave_target_and_step_have_addresses_before_and_after_the_start(run: Run, author: User) -> None:
    pk = run.revision.change_id
    html = page(author, reverse("step", args=[pk, "dekker", 1]))
    assert 'id="step-1" data-wanted="yes"' in html
    draft = builders.draft(author, builders.plan([["bly"], ["aebi"]]), clock.now())
    for address in (reverse("wave", args=[draft.pk, 1]), reverse("target", args=[draft.pk, "aebi"])):
        html = as_(author).get(address, follow=True).content.decode()
        assert 'id="device-aebi"' in html and 'id="device-bly"' not in html


def test_plan_of_an_older_revision_says_so(author: User) -> None:
    change = builders.draft(author, builders.plan([["bly"]]), clock.now())
    builders.revise(change, author, builders.plan([["bly"], ["aebi"]]), clock.now())
    assert "This is not the newest revision." in page(author, reverse("revision-plan", args=[change.pk, 1]))
    assert "This is not the newest revision." not in page(author, reverse("revision-plan", args=[change.pk, 2]))
    assert as_(author).get(reverse("revision-plan", args=[change.pk, 3])).status_code == 404


def test_wave_and_events_are_paged(author: User, approver: User) -> None:
    names = [f"r{n:03}" for n in range(130)]
    builders.fleet(names)
    run = builders.running(author, approver, builders.plan([names]), clock.now())
    pk = run.revision.change_id
    first, second = page(author, reverse("wave", args=[pk, 0])), page(author, reverse("wave", args=[pk, 0]) + "?page=2")
    assert "r000" in first and "r129" not in first
    assert "r129" in second and "r000" not in second
    assert as_(author).get(reverse("wave", args=[pk, 9])).status_code == 404
    builders.events(run.revision.change, 450, clock.now())
    newest = page(author, reverse("change-events", args=[pk]))
    assert "event 449" in newest and "event 249<" not in newest
    older = re.search(r"\?before=(\d+)", newest)
    assert older
    assert "event 249<" in page(author, reverse("change-events", args=[pk]) + older[0])


def test_htmx_gets_the_live_part_and_buttons_only_when_they_changed(run: Run, approver: User) -> None:
    address = reverse("change", args=[run.revision.change_id])
    whole = page(approver, address)
    key = re.search(r'id="stop-key" value="([^"]+)"', whole)
    assert key
    same = page(approver, f"{address}?seen={key[1]}", **{"HX-Request": "true"})
    assert "<html" not in same and "Working through its waves." in same
    assert 'id="stop"' not in same
    builders.done(builders.lifecycle.abort(run.revision.change, approver, clock.now()))
    moved = page(approver, f"{address}?seen={key[1]}", **{"HX-Request": "true"})
    assert 'id="stop" hx-swap-oob="true"' in moved
    assert "abort asked for" in moved


@pytest.mark.parametrize("state", [s for s in ChangeState if s not in {ChangeState.RUNNING, ChangeState.PAUSED}])
def test_every_state_has_a_page(state: ChangeState, author: User, reader: User) -> None:
    change = builders.draft(author, builders.plan([["bly"]]), clock.now())
    Change.objects.filter(pk=change.pk).update(state=state)
    text = words(page(reader, reverse("change", args=[change.pk])))
    assert state.replace("_", " ") in text
    assert re.search(r"Next \w+", text)


def test_a_change_without_a_plan_has_a_page(author: User) -> None:
    change = Change.objects.create(title="Bare", author=author, created_at=clock.now())
    assert "No plan yet." in page(author, reverse("change", args=[change.pk]))
    assert as_(author).get(reverse("change-plan", args=[change.pk])).status_code == 404


# --- queries -------------------------------------------------------------------------------------------------------


def _queries(who: User, address: str) -> int:
    client = as_(who)
    with CaptureQueriesContext(
        connection,
    ) as seen:
        assert client.get(address).status_code == 200
    return len(seen)


def _large(author: User, approver: User, count: int, prefix: str) -> Run:
    names = [f"{prefix}{n:03}" for n in range(count)]
    now = clock.now()
    builders.fleet(names)
    run = builders.running(author, approver, builders.plan([names[:1], names[1:5], names[5:]]), now)
    builders.begin(run, names[:3], now)
    builders.walk(run, names[0], now)
    builders.walk(run, names[1], now, until="nic")
    builders.walk(run, names[2], now, until="verify")
    builders.fail_step(run, names[2], now, "found this, wanted that.")
    more = names[3 : count // 5]  # the more targets there are, the more of them are in flight
    if more:
        builders.begin(run, more, now)
    for name in more[:5]:
        builders.walk(run, name, now, until="nic")
    return run


# How many queries a page takes is the same on either database.
@pytest.mark.sqlite
def test_queries_do_not_grow_with_the_fleet(author: User, approver: User) -> None:
    small, large = _large(author, approver, 10, "s"), _large(author, approver, 300, "l")
    builders.events(large.revision.change, 500, clock.now())
    # As the engine keeps it when it plans; without it a page of few devices looks at the risk itself.
    Revision.objects.update(assessed={"risk": "low", "impact": "NO-IMPACT", "blast_radius": 1, "factors": []})
    for name, args in (
        ("change", ()),
        ("change-plan", ()),
        ("change-events", ()),
        ("compare", (1, 1)),
        ("wave", (2,)),
    ):
        few = _queries(author, reverse(name, args=[small.revision.change_id, *args]))
        many = _queries(author, reverse(name, args=[large.revision.change_id, *args]))
        # A plan of many devices is not drawn one by one: that is one query less.
        assert few - many == (name == "change-plan"), f"{name}: {few} queries with 10 targets, {many} with 300"
        assert few <= 28
    few = _queries(author, reverse("target", args=[small.revision.change_id, "s002"]))
    assert few == _queries(author, reverse("target", args=[large.revision.change_id, "l002"]))


def test_queries_of_the_list_do_not_grow_with_its_changes(author: User, approver: User) -> None:
    _large(author, approver, 6, "a")
    builders.draft(author, builders.plan([["a000"]]), clock.now())
    before = _queries(author, "/")
    for prefix in "bcd":
        _large(author, approver, 6, prefix)
    for number in range(20):
        builders.draft(author, builders.plan([["a000"]]), clock.now(), title=f"draft {number}")
    assert _queries(author, "/") == before
