"""A real browser (Chromium without a screen) against a real uvicorn on a database of its own (tests/browser/site.py).

One web process serves all tests of a session; the browser lives as long as a module, because Playwright keeps an event
loop in this process, in which Django's ORM rightly refuses to work.
"""

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from tests import needs
from tests.browser.site import ARGUMENTS, Site, enter

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page


PATIENCE_MS = 20_000  # how long a page may take on a busy machine; what is there is there at once


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    needs.need(needs.chromium())
    made = Site(tmp_path_factory.mktemp("site"))
    yield made
    made.close()


@pytest.fixture
def site(house: Site) -> Callable[[str], Site]:
    """`site("running")`: a web process on a database with that scene and nothing else."""

    def start(scene: str) -> Site:
        house.fill(scene)
        house.start()
        return house

    return start


@pytest.fixture(scope="module")
def chromium() -> Iterator["Browser"]:
    needs.need(needs.chromium())
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(needs.which("chromium")), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def sign_in(chromium: "Browser") -> Iterator[Callable[..., "Page"]]:
    """`sign_in(site, "rohan", "/changes/1/")`: a page in a browser of its own, in which that person is signed in.

    With `by_form=True` through the form. At the end: no page logged an error or broke the content security policy.
    """
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def start(site: Site, name: str, address: str = "/", *, by_form: bool = False, **options: object) -> "Page":
        context = chromium.new_context(**options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        # What a refusal (409) looks like on the console is no complaint.
        page.on("console", lambda m: complaints.append(m.text) if _complains(m.type, m.text) else None)
        page.on("pageerror", lambda e: complaints.append(str(e)))
        if by_form:
            enter(page, site, name, address)
        else:
            context.add_cookies([site.session_of(name)])  # type: ignore[list-item]
            page.goto(site.url + address)
        return page

    yield start
    for context in contexts:
        context.close()
    assert not complaints


def _complains(kind: str, text: str) -> bool:
    """Errors, but for a refusal (409, 400), and for what htmx logs when a stream or an answer was lost."""
    known = r"409 \(Conflict\)|400 \(Bad Request\)|ERR_|^\[object |^htmx:(sendError|afterRequest)"
    return kind == "error" and not re.search(known, text)
