"""Deadlines: acted on when they pass, each on its own, and not when the block has ended."""

import multiprocessing
import threading
import time

from playbooks import deadlines
from playbooks.deadlines import deadline


def passes(seconds: float = 0.05) -> bool:
    passed = threading.Event()
    with deadline(seconds, passed.set):
        return passed.wait(3)


def test_a_deadline_that_passes_is_acted_on() -> None:
    assert passes()


def test_a_block_that_ends_in_time_is_left_alone() -> None:
    passed = threading.Event()
    with deadline(0.05, passed.set) as ends_at:
        assert 0 < ends_at - time.monotonic() <= 0.05
    assert not passed.wait(0.2)


def test_a_shorter_deadline_does_not_wait_for_a_longer_one_nor_for_a_slow_act() -> None:
    release = threading.Event()
    with deadline(60, lambda: None), deadline(0.01, release.wait):
        time.sleep(0.05)
        assert passes()
    release.set()


def test_an_error_in_the_block_goes_through_and_cancels() -> None:
    passed = threading.Event()
    try:
        with deadline(0.05, passed.set):
            raise OSError
    except OSError:
        pass
    assert not passed.wait(0.2)


def test_many_take_one_thread() -> None:
    with deadline(60, lambda: None):
        before = threading.active_count()
        for _ in range(100):
            with deadline(60, lambda: None):
                assert threading.active_count() <= before


def test_a_forked_process_has_deadlines_of_its_own() -> None:
    assert passes(), "the watcher runs, and is not there in a fork"
    forks = multiprocessing.get_context("fork")
    with deadlines._changed:  # the worst moment: the lock is held while the process forks
        child = forks.Process(target=lambda: exit(0 if passes() else 1))
        child.start()
    child.join(10)
    assert child.exitcode == 0
