"""A strategy as people write it in a form, read into a value or refused with everything that is wrong. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from fleet.core.model import Budget, OnFailure, Reason, Strategy

_PERCENT = re.compile(r"([1-9]\d?|100)%")
# More waves than devices of any fleet is a slip of the finger; a count of ten digits is no count of devices.
MOST_WAVES, MOST_DEVICES = 100, 100_000


@dataclass(frozen=True)
class Written:
    """What stands in the fields of a form, all text: waves "1, 25%, 100%"."""

    waves: str
    total: str
    per_failure_domain: str
    max_failures: str
    on_failure: str


def read(written: Written) -> Strategy | tuple[Reason, ...]:
    """The strategy, or every reason why it is none."""
    waves = _waves(written.waves)
    total = _count("at most drained at once", written.total, least=1)
    each = _count("at most drained in a failure domain", written.per_failure_domain, least=1)
    failures = _count("failures that are tolerated", written.max_failures, least=0)
    then = _then(written.on_failure)
    wrong = [r for part in (waves, total, each, failures, then) if isinstance(part, Reason) for r in (part,)]
    if (
        isinstance(waves, Reason)
        or isinstance(total, Reason)
        or isinstance(each, Reason)
        or isinstance(failures, Reason)
        or isinstance(then, Reason)
    ):
        return tuple(wrong)
    return Strategy(waves, Budget(total, each), failures, then)


def write(strategy: Strategy) -> Written:
    """The fields of a form that `read` reads back; waves that name devices are counted, each with those before it."""
    waves, so_far = [], 0
    for wave in strategy.waves:
        so_far += len(wave) if isinstance(wave, tuple) else 0
        waves.append(str(so_far) if isinstance(wave, tuple) else str(wave))
    budget = strategy.budget
    return Written(
        ", ".join(waves), str(budget.total), str(budget.per_failure_domain), str(strategy.max_failures),
        strategy.on_failure.value,
    )  # fmt: skip


def in_words(strategy: Strategy) -> Mapping[str, str]:
    """What the parts of a strategy are called beside what they say; for people who compare two."""
    written = write(strategy)
    return {
        "waves": written.waves,
        "drained at once": written.total,
        "drained at once in a failure domain": written.per_failure_domain,
        "failures tolerated": written.max_failures,
        "on failure": written.on_failure.replace("_", " "),
        "when a window closes on it": strategy.on_overrun.replace("_", " "),
    }


def _waves(text: str) -> tuple[int | str, ...] | Reason:
    parts = [part.strip() for part in text.replace(";", ",").split(",") if part.strip()]
    made: list[int | str] = []
    for part in parts[: MOST_WAVES + 1]:
        if _PERCENT.fullmatch(part):
            made.append(part)
        elif part.isascii() and part.isdigit() and 1 <= len(part) <= 6 and 1 <= int(part) <= MOST_DEVICES:
            made.append(int(part))
        else:
            wanted = 'counts and percentages that grow: "1, 25%, 100%"'
            return Reason("waves", repr(part[:40]), wanted, "Each says how many devices are done by its end.")
    if not made or len(made) > MOST_WAVES:
        return Reason("waves", str(len(made)) if made else "none", f"1 to {MOST_WAVES} waves", 'Write "1, 25%, 100%".')
    return tuple(made)


def _count(what: str, text: str, *, least: int) -> int | Reason:
    text = text.strip()
    if text.isascii() and text.isdigit() and len(text) <= 6 and least <= int(text) <= MOST_DEVICES:
        return int(text)
    return Reason(what, repr(text[:40]) if text else "nothing", f"a number of at least {least}", "Correct the number.")


def _then(text: str) -> OnFailure | Reason:
    if text in set(OnFailure):
        return OnFailure(text)
    return Reason("on failure", repr(text[:40]), f"one of {', '.join(OnFailure)}", "Choose one.")
