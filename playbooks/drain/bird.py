"""Read and set the drain of a BIRD router: constants in a file that the operator's configuration includes."""

import re
from collections.abc import Iterable, Mapping

from fleet.core.model import Reason
from playbooks import birdc
from playbooks.base import Answer, Impossible, Refused, Session
from playbooks.drain import fresh
from playbooks.drain.parse import LEAST_DRAINED, Graph, bird_graph, bird_neighbours, stub_routers
from playbooks.drain.render import (
    BIRD_CONSTANTS,
    BIRD_EXTRA_COST,
    BIRD_FILE,
    bird_constants,
    bird_file,
    bird_values,
)
from playbooks.drain.state import Group, Stage, State, Switch

LOOK: Mapping[str, list[str]] = {
    "file": ["cat", BIRD_FILE],
    "config": ["cat", "/etc/bird/bird.conf"],
    "protocols": ["birdc", "show", "protocols"],
    **{f"eval_{group}": ["birdc", "eval", name] for group, name in BIRD_CONSTANTS.items()},
}
CHECK = ["birdc", "configure", "check"]
CONFIGURE = ["birdc", "configure"]

_INCLUDE = re.compile(r'^\s*include\s+"(?:/etc/bird/)?(?:slipway-drain|slipway-\*|\*)\.conf"\s*;', re.MULTILINE)
_UNDRAINED = {"bgp": "false", "igp": "0"}


class Bird:
    """BIRD 2: the operator's filters and OSPF costs use the constants, Slipway writes them and reconfigures."""

    name = "bird"
    almost = BIRD_EXTRA_COST - 1  # one less than drained

    def look_commands(self) -> Mapping[str, list[str]]:
        return LOOK

    def live_commands(self, answers: Mapping[str, Answer]) -> Mapping[str, list[str]]:
        """What shows the network around, by the names of the OSPF protocols that the first look found."""
        made: dict[str, list[str]] = {}
        for name in birdc.ospf_protocols(answers["protocols"].out if "protocols" in answers else ""):
            made[f"state:{name}"] = ["birdc", "show", "ospf", "state", name]
            made[f"neighbours:{name}"] = ["birdc", "show", "ospf", "neighbors", name]
        return made

    def look(self, answers: Mapping[str, Answer], *, own_router_id: str) -> State | Reason:
        """The state from the answers to both; a reason where it cannot be told.

        Raises Impossible where the operator's configuration does not include the file: nothing would be drained.
        """
        config = answers.get("config")
        if config is None or not config.ok or not config.out.strip():
            return Reason("/etc/bird/bird.conf", "no configuration that can be read", "the configuration of BIRD")
        if not _INCLUDE.search(config.out) or "file" not in answers or not answers["file"].ok:
            raise Impossible(_no_include())
        written = bird_constants(answers["file"].out)
        running: list[Switch] = []
        for group, name in BIRD_CONSTANTS.items():
            value = birdc.value(answers[f"eval_{group}"].out) if f"eval_{group}" in answers else None
            if value is None:
                remedy = f"Define it in {BIRD_FILE}, include that file, and `birdc configure`."
                return Reason(f"constant {name} in BIRD", "no value", "a value that is in effect", remedy)
            running.append(_switch(group, name, value))
        saved = tuple(
            _switch(group, name, written.get(name, _UNDRAINED[group])) for group, name in BIRD_CONSTANTS.items()
        )
        graph, full = _around(answers)
        stubs = None if graph is None else stub_routers(graph) - {own_router_id}
        return State(tuple(running), saved, stubs, graph or {}, full)

    def last_extra(self, switches: Iterable[Switch]) -> int:
        """What the drain adds to the costs at its end."""
        return BIRD_EXTRA_COST - max((s.base for s in switches if s.group is Group.IGP), default=0)

    def notes(self, answers: Mapping[str, Answer]) -> tuple[Reason, ...]:
        """Nothing: the file that the drain writes is what a restart reads too."""
        return ()

    def denied(self, answers: Mapping[str, Answer], state: State) -> tuple[Reason, ...]:
        """Nothing to add: `birdc eval` shows the constant that is in effect, not the file."""
        return ()

    def go(self, session: Session, stage: Stage, switches: Iterable[Switch], *, save: bool, timeout_s: float) -> None:
        """Bring the router to a stage. The file is what a restart reads too: nothing is left to save."""
        values = bird_values(stage, switches)
        if values:
            self._configure(session, values, timeout_s=timeout_s)

    def _configure(self, session: Session, wanted: Mapping[str, str], *, timeout_s: float) -> None:
        """Write the constants, check, reconfigure. What BIRD refuses leaves the old file in place."""
        seen = fresh.kept(session, fresh.SEEN) or {}
        before = seen.get("file") or session.run(["cat", BIRD_FILE], timeout_s=timeout_s, root=True)
        if not before.ok:
            raise Impossible(_no_include())
        session.put(BIRD_FILE, bird_file(before.out, wanted))
        for command, fits in ((CHECK, _CHECKED), (CONFIGURE, _CONFIGURED)):
            meaning, said = birdc.configured(session.run(command, timeout_s=timeout_s, root=True).out)
            if meaning not in fits:
                session.put(BIRD_FILE, before.out)
                remedy = "The file is as it was before. Costs of up to 5535 leave room for the drain."
                raise Refused(Reason(f"BIRD, {' '.join(command[1:])}", f"refused: {said}", "accepted", remedy))

    def planned(self, stages: Iterable[tuple[Stage, tuple[Switch, ...]]]) -> tuple[str, ...]:
        """The commands as the approver sees them."""
        values = (bird_values(stage, switches) for stage, switches in stages)
        settings = (", ".join(f"{name} = {value}" for name, value in some.items()) for some in values if some)
        return tuple(f"{BIRD_FILE}: {some}; birdc configure check; birdc configure" for some in settings)

    def switches_of(self, config: str) -> tuple[Switch, ...]:
        """What a plan can say without the device: the constants are the same everywhere."""
        return tuple(_switch(group, name, _UNDRAINED[group]) for group, name in BIRD_CONSTANTS.items())


_CHECKED = frozenset({birdc.Configured.CHECKED})
_CONFIGURED = frozenset({birdc.Configured.DONE, birdc.Configured.IN_PROGRESS, birdc.Configured.NOTHING})


def _switch(group: str, name: str, value: str) -> Switch:
    literal = value.lower()
    drained = literal == "true" or (literal.isdecimal() and group == "igp" and int(literal) >= LEAST_DRAINED)
    base = int(literal) if literal.isdecimal() and not drained else 0
    return Switch(Group(group), "bird", name, drained, "" if drained else literal, base)


def _around(answers: Mapping[str, Answer]) -> tuple[Graph | None, Mapping[str, frozenset[str]]]:
    """The routers around and the metrics that they announce (None: cannot be seen), and neighbours that are Full.

    Where OSPF and OSPFv3 differ, the lower metric counts: a router is drained when it is drained in both.
    """
    carries = birdc.ospf_protocols(answers["protocols"].out if "protocols" in answers else "")
    merged: dict[str, dict[str, int]] = {}
    full: dict[str, frozenset[str]] = {"ospf": frozenset(), "ospf3": frozenset()}
    unseen = False
    for name, family in carries.items():
        graph = bird_graph(answers[f"state:{name}"].out) if f"state:{name}" in answers else None
        unseen = unseen or graph is None
        for router, far in (graph or {}).items():
            links = merged.setdefault(router, {})
            links.update({other: min(metric, links.get(other, metric)) for other, metric in far.items()})
        listed = answers.get(f"neighbours:{name}")
        key = "ospf3" if family == "ipv6" else "ospf"
        full[key] |= bird_neighbours(listed.out).get("ospf", frozenset()) if listed is not None else frozenset()
    return None if unseen else merged, full


def _no_include() -> Reason:
    bgp, igp = BIRD_CONSTANTS["bgp"], BIRD_CONSTANTS["igp"]
    return Reason(
        "drain of BIRD",
        f'no `include "{BIRD_FILE}";` in /etc/bird/bird.conf, or no such file',
        "a configuration that uses the constants of that file",
        f"Create it with `define {bgp} = false;` and `define {igp} = 0;`, include it, and use the constants in filters "
        "and OSPF costs as playbooks/drain/README.md shows.",
    )
