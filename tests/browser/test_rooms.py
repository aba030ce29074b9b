"""The pages about more than one change in a real browser: live, by keyboard, on a phone; from form to calendar."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.browser.site import Site

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.chromium
Start = Callable[[str], Site]
SignIn = Callable[..., "Page"]


def test_rooms_move_by_themselves(site: Start, sign_in: SignIn) -> None:
    from playwright.sync_api import expect

    here = site("rooms")
    page = sign_in(here, "mira", "/", viewport={"width": 360, "height": 740}, color_scheme="dark")
    expect(page.locator("#live-sign")).to_have_text("Live")
    expect(page.locator("#drained + .sheet")).to_contain_text("edge006")
    before = page.locator(".now-line")
    expect(before).to_contain_text("1 drained by others")
    expect(page.locator("#outside + .sheet")).to_contain_text("bgp graceful-shutdown")
    expect(before).to_contain_text("3 without traffic")
    here.do(
        """
        run = Run.objects.get(revision__change__title="Eight queues on 300 edges")
        builders.walk(run, "edge006", now)
        """
    )
    expect(before).to_contain_text("2 without traffic")
    page.goto(here.url + "/topology/")
    expect(page.locator("svg.topology")).to_contain_text("1 by others")
    page.goto(here.url + "/topology/?site=site1")
    page.get_by_role("link", name="edge007: without traffic").focus()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/inventory/devices/edge007/"))


def test_a_window_from_a_wrong_form_to_the_calendar(site: Start, sign_in: SignIn) -> None:
    from playwright.sync_api import expect

    here = site("rooms")
    page = sign_in(here, "mira", "/calendar/")
    page.get_by_role("link", name="Window", exact=True).click()
    page.get_by_label("Name").fill("edge-tuesdays")
    page.get_by_label("Starts").fill("2027-01-05T03:00")
    page.get_by_label("Ends").fill("2027-01-05T01:00")
    page.get_by_label("Zone").fill("Europe/Berlin")
    page.get_by_label("Repeat").fill("FREQ=WEEKLY;BYDAY=TU")
    page.get_by_role("button", name="Add").click()
    expect(page.locator("#refusals")).to_contain_text("before its start, wanted after its start")
    page.get_by_label("Ends").fill("2027-01-05T05:00")
    page.get_by_role("button", name="When would it be?").click()
    expect(page.locator("#ahead")).to_contain_text("Tue 2027-01-12 03:00 – 05:00")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("status").first).to_contain_text("edge-tuesdays")
    page.goto(here.url + "/calendar/?view=week&day=2027-01-05&zone=Europe/Berlin")
    expect(page.locator(".agenda")).to_contain_text("03:00–05:00 edge-tuesdays")
    page.goto(here.url + "/windows/")
    page.get_by_label("Withdraw edge-tuesdays").click()
    page.get_by_role("button", name="Withdraw edge-tuesdays").click()
    expect(page.get_by_role("status").first).to_contain_text("withdrawn")


def test_the_audit_is_narrowed_and_paged(site: Start, sign_in: SignIn) -> None:
    from playwright.sync_api import expect

    page = sign_in(site("rooms"), "reader", "/audit/")
    page.get_by_label("Person").fill("rohan")
    page.get_by_label("Kind").fill("change approved")
    page.get_by_role("button", name="Show").click()
    rows = page.locator("table.audit tbody tr")
    expect(rows.first).to_contain_text("approved revision 1")
    assert set(page.locator("table.audit tbody tr td:nth-child(2)").all_inner_texts()) == {"rohan"}
    page.get_by_role("link", name="Without person: rohan").click()
    expect(page.locator(".chips")).not_to_contain_text("rohan")
    page.get_by_role("link", name="All", exact=True).click()
    first = rows.first.get_attribute("id")
    page.get_by_role("link", name="Older").click()
    page.get_by_role("link", name="Newest").click()
    assert rows.first.get_attribute("id") == first


def test_a_policy_is_written_by_form_asks_for_its_groups_and_is_removed(site: Start, sign_in: SignIn) -> None:
    from playwright.sync_api import expect

    page = sign_in(site("rooms"), "mira", "/policies/")
    page.get_by_role("link", name="Policy", exact=True).click()
    page.get_by_label("Name").first.fill("edges")
    page.get_by_role("group", name="Stage 1").get_by_label("Name").fill("night")
    page.get_by_role("group", name="Stage 1").get_by_label("Of these groups").select_option("night-shift")
    page.get_by_label("the change names a ticket").check()
    page.get_by_role("button", name="Add").click()
    expect(page.locator("#refusals")).to_contain_text("reason: found none")
    page.get_by_label("Why the rules change").fill("Agreed on Monday.")
    page.get_by_role("button", name="Add").click()
    policy = page.get_by_role("region", name="Policy edges")
    expect(policy).to_contain_text("night: 1 of night-shift")
    expect(policy).to_contain_text("has too few people: it cannot be met")
    expect(page.locator("table").last).to_contain_text("Agreed on Monday.")
    page.get_by_role("link", name="Edit edges").click()
    page.locator("summary", has_text="Remove").click()
    page.get_by_label("Why", exact=True).fill("No longer.")
    page.get_by_role("button", name="Remove edges").click()
    expect(policy).to_have_count(0)
    expect(page.locator("table tbody tr").first).to_contain_text("removed")
