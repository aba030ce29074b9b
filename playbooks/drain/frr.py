"""Read and set the drain of an FRR router."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from fleet.core.model import Reason
from playbooks.base import Answer, Refused, Session
from playbooks.drain.parse import (
    MAX_COST,
    frr_graph,
    frr_neighbours,
    frr_ospf_is_stub,
    frr_own_costs,
    frr_switches,
    is_frr_config,
    stub_routers,
    unsaved,
)
from playbooks.drain.render import frr_lines, shown, vtysh_configure
from playbooks.drain.state import Stage, State, Switch
from playbooks.vtysh import argv, refusal

LOOK: Mapping[str, list[str]] = {
    "running": argv("show running-config"),
    "saved": ["cat", "/etc/frr/frr.conf"],
    "lsdb": argv("show ip ospf database router json"),
    "ospf_neighbours": argv("show ip ospf neighbor json"),
    "ospf6_neighbours": argv("show ipv6 ospf6 neighbor json"),
    "ospf": argv("show ip ospf json"),
}
WRITE_MEMORY = argv("write memory")


class Frr:
    """FRR: graceful shutdown, maximum metric, overload bit, and the cost of every OSPFv3 interface."""

    name = "frr"
    almost = MAX_COST - 1  # one less than drained, of an interface whose own cost is left out of it

    def look_commands(self) -> Mapping[str, list[str]]:
        return LOOK

    def live_commands(self, answers: Mapping[str, Answer]) -> Mapping[str, list[str]]:
        """Nothing more to ask: the first look shows the network around too."""
        return {}

    def look(self, answers: Mapping[str, Answer], *, own_router_id: str) -> State | Reason:
        """The state from the answers to `LOOK`; a reason where it cannot be told."""
        running = answers.get("running")
        if running is None or not is_frr_config(running.out):
            said = refusal(running.out) if running is not None else "no answer"
            return Reason(
                "running configuration of FRR", said or "no configuration", "the configuration of a running FRR",
                "See whether the routing daemons run (systemctl status frr).",
            )  # fmt: skip
        switches = frr_switches(running.out)
        saved_text = answers["saved"].out if "saved" in answers and answers["saved"].ok else ""
        saved = frr_switches(saved_text) if is_frr_config(saved_text) else None
        has_ospf = any(switch.protocol == "ospf" for switch in switches)
        lsdb, neighbours = _out(answers, "lsdb"), _out(answers, "ospf_neighbours")
        graph = frr_graph(lsdb) if has_ospf else {}
        own = frr_own_costs(lsdb, neighbours, own_router_id)
        return State(
            running=tuple(_based(switch, own) for switch in switches),
            saved=saved,
            stub_routers=None if graph is None else stub_routers(graph) - {own_router_id},
            graph=graph or {},
            neighbours=frr_neighbours(neighbours, _out(answers, "ospf6_neighbours")),
        )

    def notes(self, answers: Mapping[str, Answer]) -> tuple[Reason, ...]:
        """What an approver should know before the router is touched: what is not saved. Two configurations compared."""
        running, saved = _out(answers, "running"), answers.get("saved")
        readable = saved is not None and saved.ok and is_frr_config(saved.out)
        difference = unsaved(running, saved.out) if saved is not None and readable else _no_startup()
        return (difference,) if difference is not None else ()

    def last_extra(self, switches: Iterable[Switch]) -> int:
        """What the drain adds to the costs at its end: the highest of them becomes 65535."""
        return MAX_COST - max((s.base for s in switches if s.protocol in {"ospf-cost", "ospf6"}), default=0)

    def denied(self, answers: Mapping[str, Answer], state: State) -> tuple[Reason, ...]:
        """Where a daemon says otherwise than its configuration: the drain is configured and not in effect."""
        only_default = [switch for switch in state.running if switch.where == "router ospf"]
        if not only_default or not only_default[0].drained:
            return ()
        if frr_ospf_is_stub(_out(answers, "ospf")) is not False:
            return ()
        return (Reason("ospfd", "links announced with their usual metric", "maximum metric in every area"),)

    def go(self, session: Session, stage: Stage, switches: Iterable[Switch], *, save: bool, timeout_s: float) -> None:
        """Bring the router to a stage. vtysh stops at a line that is refused: what came before it stays, and the
        engine undoes it with the rest."""
        lines = frr_lines(stage, switches)
        commands = ([("configuration lines", vtysh_configure(lines))] if lines else []) + (
            [("write memory", WRITE_MEMORY)] if save else []
        )
        for what, command in commands:
            answer = session.run(command, timeout_s=timeout_s, root=True)
            said = refusal(answer.out) or refusal(answer.err)
            if not answer.ok or said:
                raise Refused(_refused(what, said or answer.out or answer.err))

    def planned(self, stages: Iterable[tuple[Stage, tuple[Switch, ...]]]) -> tuple[str, ...]:
        """The commands as the approver sees them."""
        lines = (frr_lines(stage, switches) for stage, switches in stages)
        return (*(shown(vtysh_configure(some)) for some in lines if some), shown(WRITE_MEMORY))

    def switches_of(self, config: str) -> tuple[Switch, ...]:
        """What a plan can say from the configuration text of the facts."""
        return frr_switches(config)


def _out(answers: Mapping[str, Answer], name: str) -> str:
    return answers[name].out if name in answers else ""


def _based(switch: Switch, own: Mapping[str, int]) -> Switch:
    """An interface without a cost of its own has the one that the router announces for it."""
    if switch.protocol not in {"ospf-cost", "ospf6"} or switch.was or switch.drained:
        return switch
    name = switch.where.split()[1]
    return replace(switch, base=own[name]) if own.get(name, MAX_COST) < MAX_COST else switch


def _no_startup() -> Reason:
    return Reason(
        "startup configuration of FRR", "no /etc/frr/frr.conf that can be read", "the integrated configuration file",
        "Set `service integrated-vtysh-config` in /etc/frr/vtysh.conf and write the configuration once.",
    )  # fmt: skip


def _refused(what: str, said: str) -> Reason:
    text = " ".join(said.split())[:200] or "no text"
    return Reason(f"FRR, {what}", f"refused: {text}", "accepted", "Enter the lines by hand in vtysh to see why.")
