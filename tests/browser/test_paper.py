"""Paper: what can only be pressed is left out, what is folded is open, black on white for who reads in the dark."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.browser.site import Site

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.chromium
# A4 without its margins, in CSS pixels: what the layout on paper has to fit.
PAPER = {"width": 718, "height": 1030}


def test_a_change_its_plan_and_a_device_on_paper(site: Callable[[str], Site], sign_in: Callable[..., "Page"]) -> None:
    here = site("stuck")
    page = sign_in(here, "mira", "/changes/1/targets/aebi/", color_scheme="dark", viewport=PAPER)
    folded = page.locator("#step-3 .diff").first
    assert not folded.is_visible() and page.locator(".top").is_visible()
    page.emulate_media(media="print", color_scheme="dark")
    for address in ("/changes/1/targets/aebi/", "/changes/1/", "/changes/1/plan/"):
        page.goto(here.url + address)
        for left_out in (".top", "#stop", "form"):
            assert not any(one.is_visible() for one in page.locator(left_out).all()), (address, left_out)
        colours = page.evaluate("(b => [b.backgroundColor, b.color])(getComputedStyle(document.body))")
        assert colours == ["rgb(255, 255, 255)", "rgb(0, 0, 0)"], address
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), address
        assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF"), address
        if "targets" in address:
            assert page.locator("#step-3 .diff").first.is_visible(), "what is folded is printed"
        else:
            assert page.locator("thead").first.is_visible(), "tables have the heads of a desktop"
