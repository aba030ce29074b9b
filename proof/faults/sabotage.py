"""Engines broken on purpose, one rule each: a judge that does not see these is no judge."""

from typing import Any


def break_engine(how: str) -> None:
    """Take one rule away from the engine of this process; "" leaves it whole. Raises KeyError for a rule unknown."""
    if how:
        BROKEN[how]()


def _blind() -> None:
    """After a crash the step is done again without looking (rule 4)."""
    from fleet.changes import legs

    perform = vars(legs)["perform"]
    vars(legs)["perform"] = lambda *args, **more: perform(*args, **{**more, "sent": False})


def _no_admission() -> None:
    """Whoever read an older state of the fleet may start targets all the same (rule 6)."""
    from fleet.changes.transitions import targets

    vars(targets)["_take_admission"] = lambda generation: None


def _no_lease() -> None:
    """Who was overtaken goes on: it acts as late as it likes, and what it writes is taken (rule 8)."""
    from fleet.changes import legs
    from fleet.changes.transitions import steps

    claim = vars(steps)["_CLAIM"]
    vars(steps)["_CLAIM"] = claim.replace("AND due_at <= %(now)s", "").replace(
        "AND generation = %(step_generation)s", ""
    )
    vars(steps)["_mine"] = lambda step: {}
    vars(legs)["_left_s"] = lambda step, at: 1e6


def _no_verification() -> None:
    """What was verified is whatever was there (rule 2)."""
    from playbooks import registry
    from playbooks.base import Look, Seen

    verify: Any = type(registry.driver("verify"))
    verify.observe = lambda self, session, step: Look(Seen.DONE)


def _untold() -> None:
    """Nobody is told what is stuck."""
    from fleet.notices import messages

    vars(messages)["make"] = lambda now: 0


BROKEN = {
    "blind": _blind,
    "no admission": _no_admission,
    "no lease": _no_lease,
    "no verification": _no_verification,
    "untold": _untold,
}
