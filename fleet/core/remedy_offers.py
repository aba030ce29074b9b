"""What a person can have done about a verification that does not pass, where Slipway must not do it by itself. Pure.

One remedy so far (story S0-15): a neighbour whose kernel forwards elsewhere than its routing daemon says. A hard reset
of the session that the route comes from installs it anew; that costs some seconds of traffic there, so people ask.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from fleet.core.model import Json, Verdict

CHECK = "rib_fib_neighbours"
# The words of `check_routing.rib_fib_neighbours`: results keep sentences.
_SAID = re.compile(
    r"^route to (?P<address>[0-9A-Fa-f:.]{2,45}) on (?P<neighbour>[^:]{1,100}): found (?P<found>.{1,200}?), wanted"
)


@dataclass(frozen=True)
class Offer:
    """One remedy: which neighbour, by which destination the fault is seen, and what was found there."""

    neighbour: str
    address: str
    found: str

    @property
    def words(self) -> str:
        return (
            f"hard reset of the BGP session on {self.neighbour} that the route to {self.address} comes from "
            f"(its kernel uses {self.found}); traffic through that session is interrupted for some seconds"
        )


def offers(data: Mapping[str, Json]) -> tuple[Offer, ...]:
    """From the data of a verification: one offer for each neighbour that forwards wrongly, in their order."""
    results = data.get("results")
    made: dict[str, Offer] = {}
    for row in results if isinstance(results, list) else ():
        if not isinstance(row, Mapping) or row.get("name") != CHECK or row.get("verdict") != Verdict.FAIL.value:
            continue
        reasons = row.get("reasons")
        for sentence in reasons if isinstance(reasons, list) else ():
            said = _SAID.match(str(sentence))
            if said is not None:
                made.setdefault(said["neighbour"], Offer(said["neighbour"], said["address"], said["found"]))
    return tuple(made.values())
