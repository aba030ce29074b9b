"""Receivers, ticket systems, secrets and fleets for the tests of what goes out and comes in."""

import base64
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

import pytest

from lab.tickets.server import Fake, Site, served

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
