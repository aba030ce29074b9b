"""Receivers, ticket systems, secrets and fleets for the tests of what goes out and comes in."""

import base64
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User

from lab.tickets.server import Fake, Site, served
from lab.tickets.servicenow import ServiceNow
from tests.changes import builders

if TYPE_CHECKING:
    from fleet.changes.models import Change
    from fleet.outward.models import TicketSystem

SECRET = "whsec_" + base64.b64encode(b"a secret of 32 bytes for testing"[:32]).decode()
OLD_SECRET = "whsec_" + base64.b64encode(b"another secret of 32 bytes, old."[:32]).decode()


class Clock:
    """A clock that is turned by hand; it starts now, as receivers compare with theirs."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)

    def __call__(self) -> datetime:
        return self.now

    def on(self, **more: float) -> datetime:
        self.now += timedelta(**more)
        return self.now


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the whole house: pages and callbacks read it too."""
    made = Clock()
    monkeypatch.setattr("fleet.clock.now", made)
    return made


@pytest.fixture(autouse=True)
def _house(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our servers are on this machine, which is refused unless it is allowed."""
    settings.SLIPWAY_OUTWARD_NETWORKS = (ip_network("127.0.0.0/8"),)
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    monkeypatch.setenv("HOOK_OLD_SECRET", OLD_SECRET)
    monkeypatch.setenv("TICKET_SECRET", "ticket-password")


@pytest.fixture
def serve() -> Iterator[Callable[[Fake], Site]]:
    """`serve(fake)`: a site, stopped at the end."""
    with ExitStack() as stack:
        yield lambda fake: stack.enter_context(served(fake))


# --- a ServiceNow of ours, and a change whose author has named a ticket of it ---


@pytest.fixture
def now_() -> ServiceNow:
    return ServiceNow()


@pytest.fixture
def site(now_: ServiceNow, serve: Callable[[Fake], Site]) -> Site:
    return serve(now_)


@pytest.fixture
def system(site: Site) -> "TicketSystem":
    return make_system(site.url)


def make_system(url: str, **more: Any) -> "TicketSystem":
    from fleet.outward.models import TicketSystem

    values = {"kind": "servicenow", "username": "slipway", "credential": "env:TICKET_SECRET", **more}
    return TicketSystem.objects.create(name="now", url=url, **values)


@pytest.fixture
def change(system: "TicketSystem", now_: ServiceNow, author: User, at: Clock) -> "Change":
    """A draft whose author has named a ticket."""
    from fleet.changes.models import Change

    builders.fleet(["bly", "aebi"])
    made = builders.draft(author, builders.plan([["bly"], ["aebi"]]), at())
    Change.objects.filter(pk=made.pk).update(ticket=f"see {now_.make()['number']}")
    made.refresh_from_db()
    return made
