"""How a command ends: the exit codes, and the error that carries one with its sentences."""

from collections.abc import Sequence
from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of `slipway`. Scripts rely on them: none is ever given another meaning."""

    DONE = 0
    REFUSED = 1  # no, as things stand (409, 412, 428); every reason is printed
    USAGE = 2  # the command line is wrong, or Slipway did not understand what was sent (400, 422)
    NOT_ALLOWED = 3  # no token, or scope or right are missing (401, 403)
    NOT_FOUND = 4  # there is no such change, device, recipe (404)
    NO_ANSWER = 5  # Slipway cannot be reached, TLS does not hold, or it has a fault (5xx, 429 for too long)
    ENDED_BADLY = 6  # `watch`: the change did not succeed: rolled back, failed, cancelled, expired, rejected
    ALTERED = 7  # `verify`: the bundle of evidence is not as it was written
    TIMED_OUT = 8  # what was waited for did not come in time; it goes on all the same
    INTERRUPTED = 130  # Ctrl-C; what runs, runs on


MEANINGS = {
    Exit.DONE: "done",
    Exit.REFUSED: "no, as things stand; every reason is printed",
    Exit.USAGE: "the command line is wrong, or Slipway did not understand what was sent",
    Exit.NOT_ALLOWED: "no token, or its scope or your rights do not allow it",
    Exit.NOT_FOUND: "there is no such change, device or recipe",
    Exit.NO_ANSWER: "Slipway cannot be reached, its certificate does not hold, or it has a fault",
    Exit.ENDED_BADLY: "`watch`: the change ended, but did not succeed",
    Exit.ALTERED: "`verify`: the bundle of evidence is not as it was written",
    Exit.TIMED_OUT: "what was waited for did not come in time; it goes on all the same",
    Exit.INTERRUPTED: "Ctrl-C; what runs, runs on",
}


class Ended(Exception):
    """The command ends here. `sentences` are printed to standard error."""

    def __init__(self, code: Exit, sentences: Sequence[str], *, problem: object = None) -> None:
        super().__init__(" ".join(sentences))
        self.code, self.sentences, self.problem = code, tuple(sentences), problem
