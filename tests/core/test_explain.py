"""The words for where things stand: there for every state, each reason once."""

from fleet.core import explain
from fleet.core.model import Reason
from fleet.core.states import ChangeState, TargetState


def test_every_state_has_its_words() -> None:
    assert set(explain.CHANGE_WORDS) == set(ChangeState)
    assert set(explain.TARGET_WORDS) == set(TargetState)
    for words in (*explain.CHANGE_WORDS.values(), *explain.TARGET_WORDS.values()):
        assert words.strip() == words and words


def test_reasons_are_told_once_and_in_order() -> None:
    a, b = Reason("bly", "x", "y", "Do z."), Reason("aebi", "x", "y")
    assert explain.sentences([a, b, a]) == ("bly: found x, wanted y. Do z.", "aebi: found x, wanted y.")
    assert explain.why_not(ChangeState.PAUSED, [a]) == (explain.CHANGE_WORDS[ChangeState.PAUSED], str(a))
