"""What an engineer does with the pages, in a real browser: look, approve, be refused, watch, stop."""

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


def test_from_sign_in_to_a_running_change(site: Start, sign_in: SignIn) -> None:
    from playwright.sync_api import expect

    here = site("running")
    page = sign_in(here, "reader", by_form=True)
    expect(page.get_by_text("Wave 1 (2 of 3).")).to_be_visible()
    page.get_by_role("link", name="1 Eight queues on the ring").first.click()
    expect(page.get_by_text("Working through its waves.")).to_be_visible()
    expect(page.get_by_text("Stopping needs the permission changes.change_run.")).to_be_visible()
    page.locator("#t-dekker").click()
    expect(page.locator("#step-3")).to_contain_text("ethtool -L eth0 combined 8")
    assert page.url.endswith("/changes/1/targets/dekker/")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(re.compile("/login/"))


def test_a_wrong_password_is_refused_in_words(site: Start, chromium: object, sign_in: SignIn) -> None:
    from playwright.sync_api import expect

    page = sign_in(site("empty"), "reader")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("Name").fill("reader")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("Name and password do not belong together")


def test_the_author_is_refused_and_a_second_person_approves(site: Start, sign_in: SignIn) -> None:
    from playwright.sync_api import expect

    here = site("empty")
    here.do(
        """
        builders.fleet(["bly", "aebi"])
        builders.draft(builders.person("tabitha"), builders.plan([["bly"], ["aebi"]]), now, title="Eight queues")
        """
    )
    mine = sign_in(here, "tabitha", "/changes/1/")
    mine.get_by_role("button", name="Submit revision 1 for approval").click()
    expect(mine.get_by_text("You cannot approve it")).to_be_visible()
    expect(mine.get_by_text("found tabitha, who is the author, wanted a second person.")).to_be_visible()
    # The page has no such button for her; she makes one.
    mine.evaluate(
        """() => {
          const form = document.createElement("form");
          form.method = "post"; form.action = "/changes/1/decide";
          const digest = document.querySelector("code.digest").textContent;
          const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
          for (const [name, value] of [["decision", "approve"], ["digest", digest], ["csrfmiddlewaretoken", token]]) {
            const input = document.createElement("input"); input.name = name; input.value = value; form.append(input);
          }
          document.body.append(form); form.submit();
        }"""
    )
    expect(mine.locator("#refusals")).to_contain_text("found tabitha, who is the author, wanted a second person.")
    expect(mine.locator("#headline")).to_contain_text("submitted")

    theirs = sign_in(here, "rohan", "/changes/1/")
    theirs.get_by_role("link", name="Read the plan").click()
    expect(theirs.locator("#device-bly")).to_contain_text("+eth0 combined 8")
    theirs.go_back()
    theirs.get_by_role("textbox", name="Comment (a rejection").fill("Read it.")
    theirs.get_by_role("button", name="Approve").click()
    expect(theirs.get_by_text("Approved: digest")).to_be_visible()
    # Her page, still open, hears of it by itself: first the refusal, now the approval.
    expect(mine.locator("#headline")).to_contain_text("approved", timeout=15_000)
    theirs.get_by_role("button", name="Start now").click()
    expect(theirs.locator("#headline")).to_contain_text("running")


def test_a_page_changes_when_something_happens(site: Start, sign_in: SignIn) -> None:
    from playwright.sync_api import expect

    here = site("running")
    page = sign_in(here, "rohan", "/changes/1/")
    expect(page.locator("#live-sign")).to_have_text("Live")
    expect(page.locator("#live")).to_contain_text("being changed")
    page.locator("#ask-abort summary").click()  # an open question must survive what happens meanwhile
    page.get_by_label("Why (kept in the events)").locator("visible=true").fill("half a sentence")
    here.do(
        """
        row = builders.target(run, "dekker")
        step = next(s for s in row.steps.all() if s.state == "claimed")
        builders.end_step(builders.transitions.StepInHand(step, row, run.revision.change_id), now)
        builders.walk(run, "dekker", now, until="verify")
        """
    )
    expect(page.locator("#live")).to_contain_text("being compared with the baseline", timeout=5_000)
    assert page.locator("#why-abort").input_value() == "half a sentence"
    assert page.locator("#ask-abort").get_attribute("open") is not None
    here.do('builders.fail_step(run, "dekker", now, "rib_fib: found 3 routes less, wanted as in the baseline.")')
    expect(page.locator("#live")).to_contain_text("rolling back", timeout=5_000)
    expect(page.locator("#live")).to_contain_text("rib_fib: found 3 routes less")


def test_abort_is_one_press_and_one_confirmation(site: Start, sign_in: SignIn) -> None:
    from playwright.sync_api import expect

    here = site("running")
    page = sign_in(here, "rohan", "/changes/1/targets/dekker/")
    expect(page.get_by_role("button", name="Abort now")).not_to_be_visible()
    page.locator("#ask-abort summary").click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Abort now")).not_to_be_visible()
    assert here.do("print(builders.control_of(run))").strip() == "none"
    page.locator("#ask-abort summary").click()
    page.locator("#why-abort").fill("loss to LON")
    page.get_by_role("button", name="Abort now").click()
    expect(page.locator("#headline")).to_contain_text("abort asked for")
    expect(page.get_by_text("“abort: loss to LON”")).to_be_visible()
    assert here.do("print(builders.control_of(run))").strip() == "abort"


def test_pause_by_keyboard_alone(site: Start, sign_in: SignIn) -> None:
    from playwright.sync_api import expect

    page = sign_in(site("running"), "rohan", "/changes/1/")
    page.locator("#ask-pause summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("looking at the probes")
    page.keyboard.press("Enter")
    expect(page.locator("#headline")).to_contain_text("pause asked for")
    expect(page.get_by_text("Nothing, until somebody resumes or aborts it. dekker stays drained.")).to_be_visible()


def test_a_stuck_router_is_seen_first_and_released(site: Start, sign_in: SignIn) -> None:
    from playwright.sync_api import expect

    page = sign_in(site("stuck"), "rohan")
    expect(page.locator(".note.alarm").first).to_contain_text("aebi needs a person; it stays drained")
    page.get_by_role("link", name="aebi in change 1").click()
    expect(page.locator("#step-8")).to_contain_text("found no answer for 60 s")
    page.locator("#headline a").click()
    page.get_by_text("It was put right by hand").click()
    page.get_by_label("What was done").fill("power cycled, verified by hand")
    page.get_by_role("button", name="Release aebi").click()
    expect(page.get_by_text("Released: aebi.")).to_be_visible()
    expect(page.get_by_text("aebi needs a person")).to_have_count(0)


def test_without_a_script_the_pages_work_by_reloading(site: Start, sign_in: SignIn) -> None:
    from playwright.sync_api import expect

    page = sign_in(site("running"), "rohan", "/changes/1/", java_script_enabled=False)
    expect(page.locator("#live-sign")).to_have_text("Reload to see what is new")
    page.locator("#ask-abort summary").click()
    page.get_by_role("button", name="Abort now").click()
    expect(page.locator("#headline")).to_contain_text("abort asked for")


def test_without_the_stream_a_page_asks_by_itself(site: Start, sign_in: SignIn) -> None:
    from playwright.sync_api import expect

    here = site("running")
    page = sign_in(here, "rohan")
    page.route("**/stream*", lambda route: route.abort())
    page.goto(here.url + "/changes/1/")
    expect(page.locator("#live-sign")).to_have_text("Not live: asks every 5 s", timeout=10_000)
    here.do('builders.done(builders.lifecycle.pause(run.revision.change, builders.person("tabitha"), now))')
    expect(page.locator("#headline")).to_contain_text("pause asked for", timeout=10_000)
    expect(page.locator("#ask-resume")).to_be_visible()


def test_a_web_process_that_is_gone_is_said_and_found_again(site: Start, sign_in: SignIn) -> None:
    from playwright.sync_api import expect

    here = site("running")
    page = sign_in(here, "rohan", "/changes/1/")
    expect(page.locator("#live-sign")).to_have_text("Live")
    here.stop()
    expect(page.locator("#live-sign")).to_contain_text("No answer from Slipway", timeout=15_000)
    here.start()
    expect(page.locator("#live-sign")).to_have_text("Live", timeout=20_000)
