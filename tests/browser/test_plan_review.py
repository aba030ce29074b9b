"""The way of a change in a real browser: from a profile's drift over two approvals to the end, watched live.

Simulated routers and a real engine stand behind the first two tests; the others need rows only.
"""

import contextlib
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from lab.sim import oracle
from tests.browser.site import ROOT, START_S, Site

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.chromium, pytest.mark.sqlite]
Start = Callable[[str], Site]
SignIn = Callable[..., "Page"]

PEOPLE = """
from django.contrib.auth.models import Permission
from fleet.changes.models import ApprovalPolicy, ApprovalStage
rights = Permission.objects.filter(codename__in=["add_approval", "change_run", "add_change", "add_breakglass"])
for name in ("tabitha", "rohan", "ines"):
    builders.person(name).user_permissions.set(rights)
"""
TWO_OF_THEM = (
    PEOPLE
    + """
policy = ApprovalPolicy.objects.create(name="network")
ApprovalStage.objects.create(policy=policy, number=1, name="two engineers", quorum=2)
"""
)
# The waits of the recipe as short as simulated routers need them.
QUICK = {"settle": "0s", "gate": "0s", "soak": "1s"}


@contextlib.contextmanager
def engine(here: Site) -> Iterator[None]:
    """The in-process engine on the database of a site."""
    made = {**here.environment, "SLIPWAY_DISPATCH": "inline", "SLIPWAY_TICK_SECONDS": "0.5"}
    with (here.home / "engine.log").open("w") as log:
        argv = [sys.executable, "manage.py", "engine"]
        process = subprocess.Popen(argv, cwd=ROOT, env=made, stdout=log, stderr=log)
        try:
            _wait_for_its_pulse(here, process)
            yield
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_for_its_pulse(here: Site, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline:
        if (
            here.do("from fleet.changes.models import Pulse; print(Pulse.objects.filter(name='tick').exists())")
            == "True\n"
        ):
            return
        time.sleep(0.2)
    raise RuntimeError((here.home / "engine.log").read_text()[-3000:])


def drifting(here: Site, fleet: Any, *names: str) -> None:
    """The fleet in the inventory, seen, and a profile that wants other queues on these devices."""
    here.do(
        TWO_OF_THEM
        + f"""
from django.core.management import call_command
from inventory import drift
from inventory.models import Assignment, Profile, Router
call_command("load_inventory", {str(fleet.inventory)!r}, "--accept-new-host-keys", verbosity=0)
call_command("collect", *{names!r})
profile = Profile.objects.create(name="queues", kind="nic", settings={{f"nic.queues[eth{{n}}]": 2 for n in (1, 2)}})
for router in Router.objects.filter(name__in={names!r}):
    Assignment.objects.create(profile=profile, level="device", router=router)
drift.refresh(list(Router.objects.filter(name__in={names!r})), now)
"""
    )


def fill_quick(page: "Page") -> None:
    for name, value in QUICK.items():
        page.locator(f"#input-{name}").fill(value)


def approve(page: "Page") -> None:
    page.get_by_role("button", name="Approve").click()


def test_from_a_drift_over_an_edit_and_two_approvals_to_the_end(
    site: Start, sign_in: SignIn, sim_fleet: Callable[..., Any]
) -> None:
    from playwright.sync_api import expect

    fleet = sim_fleet(routers=6, timing={"boot_s": 1.0})
    here = site("empty")
    drifting(here, fleet, "bly")
    with engine(here):
        mine = sign_in(here, "tabitha", "/inventory/devices/bly/")
        mine.get_by_role("button", name="Draft the repair").first.click()
        mine.get_by_role("link", name=re.compile("Repair drift: nic-queues on bly")).click()
        mine.wait_for_url(re.compile(r"/changes/\d+/$"))
        change = mine.url
        mine.get_by_role("button", name="Submit revision 1 for approval").click()
        expect(mine.get_by_text("You cannot approve it")).to_be_visible()
        expect(mine.get_by_text("found tabitha, who is the author, wanted a second person.")).to_be_visible()

        rohan, ines = (sign_in(here, name, change.removeprefix(here.url)) for name in ("rohan", "ines"))
        rohan.get_by_role("link", name="Read the plan").click()
        expect(rohan.locator("#device-bly .sides .added").first).to_contain_text("2")
        rohan.go_back()
        approve(rohan)
        expect(rohan.get_by_text("Others are still wanted.")).to_be_visible()

        # She makes it quicker: a new revision, and the approval counts no longer.
        mine.reload()
        mine.get_by_role("link", name="Edit it").click()
        expect(mine.get_by_text("every approval is void")).to_be_visible()
        fill_quick(mine)
        mine.get_by_role("button", name="Plan revision 2").click()
        mine.wait_for_url(change)
        expect(mine.locator("#headline")).to_contain_text("draft")
        mine.locator("#compare-link").click()
        expect(mine.get_by_role("row", name=re.compile("input gate"))).to_contain_text("0s")
        mine.go_back()
        mine.get_by_role("button", name="Submit revision 2 for approval").click()
        rohan.goto(change)
        expect(rohan.locator(".stages")).to_contain_text("0 of 2")
        approve(rohan)
        expect(rohan.locator(".stages")).to_contain_text("1 of 2")
        ines.goto(change)
        approve(ines)
        expect(ines.locator("#headline")).to_contain_text("approved")
        ines.get_by_role("button", name="Start now").click()
        # Hers, still open, follows by itself to the end.
        expect(mine.locator("#headline")).to_contain_text("succeeded", timeout=40_000)
        expect(mine.locator("#live")).to_contain_text("1 of 1 done")
        expect(mine.locator("#stop")).to_contain_text("It has ended: nothing to stop.")


def test_an_emergency_by_form_goes_on_without_approval_and_is_aborted_in_the_middle(
    site: Start, sign_in: SignIn, sim_fleet: Callable[..., Any]
) -> None:
    from playwright.sync_api import expect

    fleet = sim_fleet(routers=6, timing={"boot_s": 1.0})
    here = site("empty")
    drifting(here, fleet, "bly", "dekker")
    page = sign_in(here, "tabitha", "/")
    with engine(here):
        expect(page.get_by_text("Nothing is running.")).to_be_visible()
        here.do("from fleet.changes import draft_requests; draft_requests.publish()")
        page.goto(here.url + "/changes/new/?recipe=nic-queues")
        page.get_by_label("Title").fill("Two queues, at once")
        page.locator("#input-queues").fill("2")
        page.locator("#input-interface").fill("eth[12]")
        fill_quick(page)
        page.locator("#input-gate").fill("2s")
        page.get_by_label("Waves").fill("1, 100%")
        page.get_by_label("Names").fill("bly, dekker")
        page.get_by_role("button", name="Plan it").click()
        expect(page.locator("#headline")).to_contain_text("Two queues, at once", timeout=40_000)

        rohan = sign_in(here, "rohan", page.url.removeprefix(here.url))
        rohan.locator("#ask-break-glass summary").click()
        rohan.get_by_label("What the emergency is").fill("LON drops packets")
        rohan.get_by_role("button", name="Break the glass").click()
        expect(rohan.get_by_text("Break-glass: rohan went on without approval")).to_be_visible()
        expect(rohan.get_by_role("button", name="I have looked at it")).to_have_count(0)
        rohan.get_by_role("button", name="Start now").click()
        expect(rohan.locator("#drained-bly")).to_be_visible(timeout=40_000)
        rohan.locator("#ask-abort summary").click()
        rohan.locator("#why-abort").fill("loss to LON")
        rohan.get_by_role("button", name="Abort now").click()
        expect(rohan.locator("#headline")).to_contain_text("rolled back", timeout=40_000)
    expect(rohan.locator("#drained-bly")).to_have_count(0)
    # The one that was under way is as before, the other was never touched.
    states = here.do("print(dict(TargetRun.objects.values_list('name', 'state')))")
    assert "'dekker': 'pending'" in states
    assert "'bly': 'rolled_back'" in states
    assert not oracle.forgotten_drained(fleet.journal())

    ines = sign_in(here, "ines", "/break-glass/")
    expect(ines.get_by_text("nobody yet")).to_be_visible()
    ines.get_by_role("link", name="Look at it").click()
    ines.get_by_label("What you found").fill("It was one.")
    ines.get_by_role("button", name="I have looked at it").click()
    expect(ines.get_by_text("Looked at by ines")).to_be_visible()
    ines.goto(here.url + "/break-glass/")
    expect(ines.locator("table")).to_contain_text("LON drops packets")
    expect(ines.locator("table")).to_contain_text("It was one.")


def test_what_two_others_approved_beforehand_needs_nobody_again(site: Start, sign_in: SignIn) -> None:
    from playwright.sync_api import expect

    here = site("empty")
    here.do(
        PEOPLE
        + """
from django.core.management import call_command
from playbooks.recipe import recipe_path
author = builders.person("tabitha")
builders.fleet(["bly"])
change = builders.draft(author, builders.plan([["bly"]]), now, title="Queues as every week")
change.revisions.update(recipe_text=recipe_path("nic-queues").read_text())
call_command("standard", "write", "queues", "nic-queues", "--devices", "2", "--days", "30", "--user", "tabitha",
             "--bounds", '{"queues": {"min": 1, "max": 8}}')
"""
    )
    mine = sign_in(here, "tabitha", "/standard-changes/")
    expect(mine.get_by_text("You wrote it: others approve it.")).to_be_visible()
    for name in ("rohan", "ines"):
        page = sign_in(here, name, "/standard-changes/")
        page.locator("summary", has_text="Approve").click()
        page.get_by_role("button", name="Approve queues").click()
        expect(page.get_by_text("queues: approved by you.")).to_be_visible()
    mine.goto(here.url + "/changes/1/")
    mine.get_by_role("button", name="Submit as standard change queues").click()
    expect(mine.locator("#headline")).to_contain_text("approved")
    expect(mine.get_by_text("Approved beforehand by the standard change queues")).to_be_visible()


def test_a_draft_by_form_says_all_that_is_wrong(site: Start, sign_in: SignIn) -> None:
    from playwright.sync_api import expect

    here = site("inventory")
    here.do(PEOPLE + "from fleet.changes import draft_requests; draft_requests.publish()")
    page = sign_in(here, "tabitha", "/changes/new/")
    page.locator("#recipe-nic-queues").click()
    page.get_by_label("Names").fill("blyy")
    page.get_by_label("Waves").fill("1, most")
    page.get_by_role("button", name="Plan it").click()
    wrong = page.locator("#refusals")
    for words in ("title: found none", "queues: found nothing", "Did you mean bly?", "waves: found 'most'"):
        expect(wrong).to_contain_text(words)
    page.get_by_label("Title").fill("Two queues on bly")
    page.locator("#input-queues").fill("2")
    page.get_by_label("Waves").fill("1, 100%")
    page.get_by_label("Names").fill("bly, ae*")
    expect(page.locator("#selected")).to_contain_text("bly, aebi")  # while it is filled in
    page.get_by_role("button", name="Plan it").click()
    expect(page.get_by_text("It is being planned")).to_be_visible()
    here.do("from fleet.changes import draft_requests; draft_requests.take_up(now)")
    expect(page.locator("#headline")).to_contain_text("Two queues on bly")
    expect(page.locator("#headline")).to_contain_text("draft")
