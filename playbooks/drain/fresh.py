"""What was just seen of a router is kept with the session until anything else is asked over it."""

from typing import Any, Protocol, runtime_checkable

# Between the look before an act and the act lies one commit: 20 ms, some 300 on a machine at a load of 20. Shorter
# than any wait between two visits, so that whoever has waited looks anew.
FRESH_S = 0.8
SEEN, ASKED = "drain: answers", "drain: commands by the names that were found"


@runtime_checkable
class Remembers(Protocol):
    """A session that keeps notes. One that does not (a session of a test, of a console) is asked every time."""

    def remember(self, name: str, value: Any) -> None:
        """Keep a note for as long as the session is the same."""
        ...

    def recall(self, name: str, *, within_s: float | None) -> Any | None:
        """The note; None when there is none. With `within_s` also when it is older, or anything was asked since."""
        ...


def keep(session: object, name: str, value: Any) -> None:
    """Note what was just seen over this session."""
    if isinstance(session, Remembers):
        session.remember(name, value)


def kept(session: object, name: str, *, within_s: float | None = FRESH_S) -> Any | None:
    """What was noted, while it is fresh; `within_s=None`: whatever was noted last."""
    return session.recall(name, within_s=within_s) if isinstance(session, Remembers) else None
