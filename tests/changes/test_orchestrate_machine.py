"""The machine of tests/core/test_machine.py on the real rows: ticks, transitions and legs on the test database.

MACHINE_EXAMPLES=500 looks longer.
"""

import os
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from tests.changes import real_engine
from tests.core.test_machine import TOPOLOGY, Fleet

# Rules and rows are the same on both; what differs between the databases is how they keep others out (test_races.py).
EXAMPLES = {"sqlite": 12, "postgresql": 6}


class RealFleet(Fleet):
    """Each example in a savepoint of the test's transaction."""

    people: tuple[User, User]

    def make_engine(self) -> Any:
        self.savepoint = transaction.savepoint()
        return real_engine.engine_on(TOPOLOGY, *self.people)

    def has_ended(self, run: Any) -> bool:
        return run.ended_at is not None

    @precondition(lambda self: self.engine.messages)
    @rule(data=st.data(), seconds=st.sampled_from([0.0, 20.0, 100.0]))
    def a_worker_is_overtaken(self, data: st.DataObject, seconds: float) -> None:
        """While a worker is at a device, time passes, ticks run and the same target is handed to another worker."""
        number = data.draw(st.sampled_from(self.engine.messages))

        def meanwhile() -> None:
            self.engine.seconds += seconds
            for run in self.engine.live():
                self.engine.tick(self.engine.snapshot(run))
            self._work(self.engine.deliver(number), 1)

        self.engine.during_act = meanwhile
        self._work(self.engine.deliver(number), 1)
        self.engine.during_act = None

    def teardown(self) -> None:
        if not hasattr(self, "engine"):
            return
        try:
            super().teardown()
            assert self.engine.chains_hold()
        finally:
            transaction.savepoint_rollback(self.savepoint)


@pytest.mark.django_db
def test_whatever_happens_on_real_rows(author: User, approver: User) -> None:
    real_engine.load_inventory(TOPOLOGY)
    RealFleet.people = (author, approver)
    examples = int(os.environ.get("MACHINE_EXAMPLES") or EXAMPLES[connection.vendor])
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large]
    run_state_machine_as_test(
        RealFleet,
        settings=settings(
            max_examples=examples, stateful_step_count=25, deadline=None, suppress_health_check=checks, database=None
        ),
    )
