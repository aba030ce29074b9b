"""Every page of the URL configuration: one heading and title, no sideways scrolling, contrast, labels, keyboard.

The list is made from the configuration (tests/browser/addresses.py), so that none can be forgotten: a new page is
looked at by itself, and one for which the scene has no row fails until it has one.
"""

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from tests.browser import looks
from tests.browser.site import Site

if TYPE_CHECKING:
    from playwright.sync_api import APIResponse, Page

pytestmark = [pytest.mark.chromium, pytest.mark.sqlite]
# As narrow as phones are, and a desktop; the other scheme in each. `python -m tests.browser.gallery` shows all four.
VIEWS = (({**looks.PHONE, "width": 360}, "dark"), (looks.DESKTOP, "light"))
# Patterns that answer with a page only to who is in the middle of something (signing in, a second factor), and files
# for who has the token.
ON_THE_WAY = ("accounts/second-factor/", "accounts/oidc/", "accounts/sso/signup/", "feeds/")


def pages(page: "Page", here: Site) -> Iterator[tuple[str, "APIResponse"]]:
    """The first address of each pattern that answers with a page: not with a file, a refusal, or another place."""
    missing = []
    for pattern, paths in here.addresses().items():
        if re.fullmatch(r"inventory/.*/edit", pattern):
            continue  # the very form that `add` shows, filled in
        answer = page.context.request.get(here.url + paths[0], max_redirects=0) if paths else None
        if answer is None:
            missing.append(pattern)
        elif answer.status in {200, 404} and "html" in answer.headers.get("content-type", ""):
            if answer.status == 200:
                yield paths[0], answer
            elif not pattern.startswith(ON_THE_WAY):
                missing.append(pattern)
    assert not missing, f"{missing}: found no row in the scene `everything`, wanted one (rooms_scene.py, addresses.py)"


@pytest.mark.timeout(900)  # it is many pages, and machines are busy
def test_every_page(site: Callable[[str], Site], sign_in: Callable[..., "Page"]) -> None:
    here = site("everything")
    page = sign_in(here, "mira", "/login/")
    seen, wrong = set(), []
    # The pages are asked for once; what they are made of is not asked for again either.
    kept = {}

    for address, answer in pages(page, here):
        kept[here.url + address] = answer
    page.route(
        lambda url: url in kept,
        lambda route: route.fulfill(response=kept[route.request.url]),
    )
    page.route("**/*stream*", lambda route: route.abort())
    for address in [a.removeprefix(here.url) for a in kept]:
        page.goto(here.url + address, wait_until="load")
        for size, scheme in VIEWS:
            page.set_viewport_size(size)  # type: ignore[arg-type]
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            wrong += [f"{address} {size['width']} {scheme}: {fault}" for fault in looks.faults(page)]
        wrong += [f"{address}: no focus ring: {fault}" for fault in looks.ringless(page)]
        seen.add(page.title())
    assert not wrong, "\n".join(wrong)
    assert len(kept) > 70
    assert len(seen) > 40, "titles tell pages apart"


def test_what_is_wrong_is_found(chromium: object) -> None:
    """The checks can fail: a page with one fault of each kind."""
    from playwright.sync_api import Browser

    assert isinstance(chromium, Browser)
    page = chromium.new_page(viewport={"width": 360, "height": 740})
    page.set_content(
        """<title>No name</title><style>a:focus { outline: none }</style><main id=twice>
        <h1>One</h1><h1>Two</h1><p id=twice style="color: #999">pale</p><div style="width: 500px">wide</div>
        <input name=unlabelled><a href="/" tabindex=-1>not reached</a><button></button></main>"""
    )
    found = "\n".join(looks.faults(page))
    for words in ("found 2 h1", "title No name", "scrolls 148 px", "contrast 2.8: p#twice", "no label", "twice: #twice",
                  "no name: <button", "the Tab key does not get to a not reached"):  # fmt: skip
        assert words in found, f"{words}\n{found}"
    assert 'href="/"' in "\n".join(looks.ringless(page))
    page.close()
