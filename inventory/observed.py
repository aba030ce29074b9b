"""Who else wants to hear what was just observed of devices: the engine says so, the inventory may not import it."""

from collections.abc import Callable, Sequence

from inventory.models import Observation

Listener = Callable[[Sequence[Observation]], None]

_listeners: list[Listener] = []


def tell(listener: Listener) -> None:
    """From now on it hears each collection, in its transaction. Called once, by the app of the change engine."""
    if listener not in _listeners:
        _listeners.append(listener)


def heard(observations: Sequence[Observation]) -> None:
    """Tell everybody what was stored."""
    for listener in _listeners:
        listener(observations)
