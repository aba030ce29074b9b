"""What a command gets and what it answers: the two values that all command handlers share."""

from dataclasses import dataclass

from lab.sim.network import Network
from lab.sim.router import Router


@dataclass(frozen=True)
class Context:
    """Where and when a command runs. `now`: the fleet's clock; `wall`: seconds since the epoch at fleet time 0."""

    router: Router
    net: Network
    now: float
    wall: float
    root: bool = False
    stdin: str = ""


@dataclass(frozen=True)
class Reply:
    """Output, exit status, and what was changed on the router (empty: nothing)."""

    out: str = ""
    err: str = ""
    status: int = 0
    changes: tuple[str, ...] = ()
    sleep_s: float = 0.0


def not_permitted(what: str) -> Reply:
    return Reply(err=f"{what}: Operation not permitted\n", status=1)
