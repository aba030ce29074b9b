"""Which devices a running change has in its hands. The change engine tells; without it nothing is running.

The inventory may not import the engine: the engine's app registers its answer when Django starts.
"""

from collections.abc import Callable, Collection

InRunningChange = Callable[[Collection[str]], frozenset[str]]


def _none(names: Collection[str]) -> frozenset[str]:
    return frozenset()


_ask: InRunningChange = _none


def tell(answer: InRunningChange) -> None:
    """Register who knows. Called once, by the app of the change engine."""
    global _ask
    _ask = answer


def in_running_change(names: Collection[str]) -> frozenset[str]:
    """Those of these devices that a running change has in its hands. One query."""
    return _ask(names) if names else frozenset()
