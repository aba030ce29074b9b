"""Which known faults a panic looks like: advisories that speak of the device, and whose trace it shows. Pure."""

from collections.abc import Collection
from dataclasses import dataclass

from fleet.core.compat import Advisory, Answer, Knowledge
from fleet.core.compat_components import Running

_SHOWN = 3


@dataclass(frozen=True)
class Suspect:
    """An advisory that fits, what of its trace is in the panic, and whether it surely speaks of this device."""

    advisory: Advisory
    seen: tuple[str, ...]
    sure: bool

    @property
    def words(self) -> str:
        """For people: which, how sure, by what, and what to do."""
        by = f", by {', '.join(self.seen)} in the trace" if self.seen else ", by what runs on it"
        sure = "" if self.sure else "possibly "
        return f"{sure}{self.advisory.id} ({self.advisory.title}){by}. {self.advisory.workaround}"


def suspects(knowledge: Knowledge, device: Running, named: Collection[str]) -> tuple[Suspect, ...]:
    """The advisories that a panic on this device looks like, likeliest first. `named`: its functions and modules.

    An advisory that speaks of the device and names no trace fits when its component is a module of the trace. One of
    which it cannot be told whether it speaks of the device fits only by its trace.
    """
    words, found = set(named), list[Suspect]()
    for advisory in knowledge.advisories:
        answer = advisory.of(device)
        seen = tuple(sorted(advisory.trace & words))
        of_module = not advisory.trace and advisory.component.rpartition(".")[2] in words
        if answer is Answer.NO or not (seen or (of_module and answer is Answer.YES)):
            continue
        found.append(Suspect(advisory, seen, answer is Answer.YES))
    found.sort(key=lambda s: (not s.sure, -len(s.seen), s.advisory.id))
    return tuple(found[:_SHOWN])
