"""What an engineer does with the inventory, in a real browser: narrow the fleet, read one device, ask for a repair."""

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


def test_from_the_fleet_to_the_draft_that_repairs_one_device(site: Start, sign_in: SignIn) -> None:
    from playwright.sync_api import expect

    here = site("inventory")
    page = sign_in(here, "tabitha", "/inventory/devices/")
    page.get_by_role("link", name=re.compile(r"\d+ with drift")).click()
    page.get_by_text("Filters (1 in use)").click()
    expect(page.locator(".narrow-grid")).to_be_hidden()
    page.get_by_text("Filters (1 in use)").click()
    page.get_by_label("Driver", exact=True).select_option("i40e")
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(re.compile("driver=i40e"))
    page.get_by_text("Save this filter").click()
    page.get_by_label("Name").fill("i40e that drift")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("link", name="i40e that drift")).to_be_visible()
    page.get_by_role("link", name="bly", exact=True).click()
    row = page.locator("tr.differs")
    expect(row).to_contain_text("nic.queues[eth0]")
    expect(row).to_contain_text("instead of 8 (nic-base, the whole fleet)")
    page.get_by_role("button", name="Draft the repair").click()
    expect(page.get_by_text("The change is being drafted.")).to_be_visible()
    here.do("from fleet.changes import repair_requests; repair_requests.take_up(now)")
    # The page looks again by itself.
    expect(page.get_by_role("link", name=re.compile("Repair drift: nic-queues on bly"))).to_be_visible()


def test_own_hours_are_fetched_into_the_page(site: Start, sign_in: SignIn) -> None:
    from playwright.sync_api import expect

    page = sign_in(site("inventory"), "reader", "/inventory/compat/")
    expect(page.get_by_text("Intel's i40e 2.13.10 leaks slab memory")).to_be_visible()
    page.locator("#running + .sheet .own a").first.click()
    expect(page.locator("#running + .sheet .own").first).to_contain_text("soaked")
    assert page.url.endswith("/inventory/compat/")
