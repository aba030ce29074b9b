"""Reads sections out of the answers to a batch and remembers which could not be told. Pure; nothing here raises."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from fleet.core.model import Json
from playbooks.base import Answer
from playbooks.facts.text import short

Answers = Mapping[str, Answer]
T = TypeVar("T")
NEEDS_ROOT = "needs root"
# The last: what vtysh says to a user who may not speak to FRR, and to anybody when FRR is down; only root can tell.
_FORBIDDEN = ("ermission denied", "not permitted", "failed to connect to any daemons")


class Reader:
    """`unknown`: section > what was answered instead, shortened, or "needs root"."""

    def __init__(self, answers: Answers, *, root: bool | None = None) -> None:
        self.answers = answers
        self.unknown: dict[str, Json] = {}
        self.root = root

    def text(self, name: str) -> str:
        answer = self.answers.get(name)
        return answer.out if answer is not None else ""

    def read(
        self, section: str, parser: Callable[..., T | None], *names: str, only_ok: bool = False, roots: bool = False
    ) -> T | None:
        """The section by a parser of the answers of these names; None where one was not asked for or is unreadable.

        A command that failed without a word tells nothing; `only_ok`: nor does one that failed with words. `roots`:
        only root may read it, whatever was answered to somebody else.
        """
        if any(name not in self.answers for name in names):
            return None
        failed = any(not self.answers[n].ok and (only_ok or not self.answers[n].out.strip()) for n in names)
        value = None if failed else parser(*(self.text(name) for name in names))
        if value is None:
            self.miss(section, self.text(names[0]), roots=roots)
        return value

    def miss(self, section: str, text: str, *, roots: bool = False) -> None:
        """Remember that this section could not be told."""
        forbidden = roots or any(word in text for word in _FORBIDDEN)
        self.unknown[section] = NEEDS_ROOT if self.root is False and forbidden else short(text)
