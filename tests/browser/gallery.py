"""Screenshots of every page, light and dark, on a desktop and on a phone, to be looked at by a person.

    python -m tests.browser.gallery DIRECTORY [--scene running|stuck|empty|everything ...] [--only WORD]

Without --scene: all four. Beside the pictures: `index.html`, which shows the four of each page side by side, and
`faults.txt` with what tests/browser/looks.py finds. The list of pages is made from the URL configuration.
"""

import argparse
import html
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests import needs
from tests.browser import looks
from tests.browser.site import ARGUMENTS, Site, enter

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

SCENES = ("everything", "running", "stuck", "empty")
VIEWS = tuple((size, scheme) for size in ("desktop", "phone") for scheme in ("light", "dark"))
SIZES = {"desktop": looks.DESKTOP, "phone": looks.PHONE}
# Enough to judge a list by; one with hundreds of rows goes on like that.
TALLEST = 3000
# Beside those of the URL configuration, for somebody who is signed in: nothing there, and calendars in every shape.
MORE = (
    "/nothing-here/", "/calendar/?view=month", "/calendar/?view=day", "/windows/?withdrawn=1", "/changes/?state=live",
    "/standard-changes/add/?recipe=nic-rss", "/topology/?site=site1", "/audit/?kind=nonsense",
    "/changes/new/?recipe=nic-queues", "/inventory/devices/?drift=yes",
)  # fmt: skip


@dataclass(frozen=True)
class Shown:
    """A page that was looked at: its address, where its pictures lie, what is wrong with it."""

    scene: str
    address: str
    stem: str
    faults: Sequence[str]


def stem(address: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", address.strip("/").lower()).strip("-") or "now"


def pages(context: "BrowserContext", site: Site, only: str) -> Iterator[str]:
    """The addresses that answer with a page; buttons, files and what only leads elsewhere do not."""
    seen: set[str] = set()
    for address in [path for paths in site.addresses().values() for path in paths] + list(MORE):
        if only not in address:
            continue
        answer = context.request.get(site.url + address, max_redirects=0)
        if answer.status in {200, 400, 403, 404, 500} and "html" in answer.headers.get("content-type", ""):
            if address not in seen:
                yield address
            seen.add(address)


def take(page: "Page", site: Site, address: str, directory: Path, scene: str) -> Shown:
    """All pictures of one page; it is loaded once."""
    name = stem(address)
    answer = page.goto(site.url + address, wait_until="load")
    faults = [f"status {answer.status}"] if answer is not None and answer.status >= 500 else []
    for size, scheme in VIEWS:
        page.set_viewport_size(SIZES[size])  # type: ignore[arg-type]
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        tall = page.evaluate("document.documentElement.scrollHeight")
        clip = {"x": 0, "y": 0, "width": SIZES[size]["width"], "height": min(tall, TALLEST)}
        page.screenshot(path=directory / f"{name}.{size}.{scheme}.png", full_page=True, clip=clip)  # type: ignore[arg-type]
        faults += [f"{size} {scheme}: {fault}" for fault in looks.faults(page)]
    return Shown(scene, address, name, faults)


def walk(browser: "Browser", scene: str, directory: Path, only: str) -> Iterator[Shown]:
    """One scene: its pages for an administrator, and those for who is not signed in."""
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        site = Site(Path(home))
        site.fill(scene)
        site.start()
        try:
            for who, addresses in (("mira", None), ("", ("/login/", "/login/?next=/changes/1/"))):
                context = browser.new_context(viewport=looks.DESKTOP, reduced_motion="reduce")  # type: ignore[arg-type]
                page = context.new_page()
                if who:
                    enter(page, site, who)
                for address in addresses or pages(context, site, only):
                    if only in address:
                        yield take(page, site, address, directory, scene)
                context.close()
        finally:
            site.close()


def index(shown: Sequence[Shown]) -> str:
    """A page that shows all pictures."""
    parts = ["<!doctype html><meta charset='utf-8'><title>Gallery</title>"]
    for one in shown:
        wrong = "".join(f"<li>{html.escape(f)}</li>" for f in one.faults)
        parts.append(f"<h2>{one.scene} <code>{html.escape(one.address)}</code></h2><ul>{wrong}</ul><p>")
        for size, scheme in VIEWS:
            width = 620 if size == "desktop" else 240
            parts.append(f"<img loading=lazy width={width} src='{one.scene}/{one.stem}.{size}.{scheme}.png'> ")
    return "".join(parts)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.browser.gallery")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--scene", action="append", choices=SCENES)
    parser.add_argument("--only", default="", help="only addresses that contain this")
    asked = parser.parse_args(arguments)
    if reason := needs.chromium():
        print(reason, file=sys.stderr)
        return 2
    from playwright.sync_api import sync_playwright

    shown: list[Shown] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(needs.which("chromium")), args=ARGUMENTS)
        for scene in asked.scene or SCENES:
            for one in walk(browser, scene, asked.directory / scene, asked.only):
                print(f"{one.scene} {one.address}", *one.faults, sep="\n    ", flush=True)
                shown.append(one)
        browser.close()
    (asked.directory / "index.html").write_text(index(shown))
    lines = [f"{one.scene} {one.address}: {fault}\n" for one in shown for fault in one.faults]
    (asked.directory / "faults.txt").write_text("".join(lines))
    print(f"{len(shown)} pages, {len(shown) * len(VIEWS)} pictures, {len(lines)} faults: {asked.directory}/index.html")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
