"""Read and set the drain of an FRR router."""

from collections.abc import Iterable, Mapping

from fleet.core.model import Reason
from playbooks.base import Answer, Refused, Session
from playbooks.drain.parse import (
    frr_neighbours,
    frr_ospf_is_stub,
    frr_stub_routers,
    frr_switches,
    is_frr_config,
    unsaved,
)
from playbooks.drain.render import drain_lines, shown, undrain_lines, vtysh_configure
from playbooks.drain.state import State, Switch
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
        difference = unsaved(running.out, saved_text) if saved is not None else _no_startup()
        has_ospf = any(switch.protocol == "ospf" for switch in switches)
        stubs = frr_stub_routers(_out(answers, "lsdb")) if has_ospf else frozenset()
        return State(
            running=switches,
            saved=saved,
            stub_routers=None if stubs is None else stubs - {own_router_id},
            neighbours=frr_neighbours(_out(answers, "ospf_neighbours"), _out(answers, "ospf6_neighbours")),
            notes=(difference,) if difference is not None else (),
        )

    def denied(self, answers: Mapping[str, Answer], state: State) -> tuple[Reason, ...]:
        """Where a daemon says otherwise than its configuration: the drain is configured and not in effect."""
        only_default = [switch for switch in state.running if switch.where == "router ospf"]
        if not only_default or not only_default[0].drained:
            return ()
        if frr_ospf_is_stub(_out(answers, "ospf")) is not False:
            return ()
        return (Reason("ospfd", "links announced with their usual metric", "maximum metric in every area"),)

    def drain(self, session: Session, switches: Iterable[Switch], *, timeout_s: float) -> None:
        self._configure(session, tuple(switches), drain=True, timeout_s=timeout_s)

    def undrain(self, session: Session, switches: Iterable[Switch], *, timeout_s: float) -> None:
        self._configure(session, tuple(switches), drain=False, timeout_s=timeout_s)

    def _configure(self, session: Session, switches: tuple[Switch, ...], *, drain: bool, timeout_s: float) -> None:
        """Set the switches and save. A refusal in the middle puts back what was set before it."""
        lines, back = drain_lines(switches), undrain_lines(switches)
        if not drain:
            lines, back = back, lines
        if lines:
            answer = session.run(vtysh_configure(lines), timeout_s=timeout_s, root=True)
            said = refusal(answer.out) or refusal(answer.err)
            if not answer.ok or said:
                # vtysh stops at the line that is refused: what came before it is in effect.
                session.run(vtysh_configure(back), timeout_s=timeout_s, root=True)
                raise Refused(_refused("configuration lines", said or answer.out or answer.err))
        answer = session.run(WRITE_MEMORY, timeout_s=timeout_s, root=True)
        said = refusal(answer.out) or refusal(answer.err)
        if not answer.ok or said:
            raise Refused(_refused("write memory", said or answer.out or answer.err))

    def planned(self, switches: Iterable[Switch], *, drain: bool) -> tuple[str, ...]:
        """The commands as the approver sees them."""
        lines = drain_lines(switches) if drain else undrain_lines(switches)
        return (shown(vtysh_configure(lines)), shown(WRITE_MEMORY))

    def switches_of(self, config: str) -> tuple[Switch, ...]:
        """What a plan can say from the configuration text of the facts."""
        return frr_switches(config)


def _out(answers: Mapping[str, Answer], name: str) -> str:
    return answers[name].out if name in answers else ""


def _no_startup() -> Reason:
    return Reason(
        "startup configuration of FRR", "no /etc/frr/frr.conf that can be read", "the integrated configuration file",
        "Set `service integrated-vtysh-config` in /etc/frr/vtysh.conf and write the configuration once.",
    )  # fmt: skip


def _refused(what: str, said: str) -> Reason:
    text = " ".join(said.split())[:200] or "no text"
    return Reason(f"FRR, {what}", f"refused: {text}", "accepted", "Enter the lines by hand in vtysh to see why.")
