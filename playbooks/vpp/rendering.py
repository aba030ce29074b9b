"""From facts and parameters to what an approver sees: configuration, commands, every reason against it. Pure."""

from collections.abc import Mapping
from typing import Any

from fleet.core import vpp, vpp_host, vpp_rules
from fleet.core.model import Json, Reason
from fleet.core.vpp import Dataplane
from playbooks.base import Device, Impossible
from playbooks.vpp import daemon, present, render, vppcfg_tool
from playbooks.vpp.holds import to_json
from playbooks.vpp.params import ChangeParams, VppParams

_SHOWN = 20


def refuse(device: Device, reasons: tuple[Reason, ...]) -> None:
    """All reasons at once, as one: a plan shows one finding for each step."""
    if not reasons:
        return
    found = "; ".join(str(reason).rstrip(".") for reason in reasons[:_SHOWN])
    raise Impossible(Reason(f"VPP on {device.name}", found, "a configuration that may be planned"))


def against(config: Mapping[str, Json], facts: Mapping[str, Json], *, known_good: bool) -> tuple[Reason, ...]:
    """What our rules, the advisory and vppcfg's validator hold against a configuration."""
    stubs = vpp_rules.ospf3_stubs(daemon.config_of(facts))
    ours = (
        *vpp_rules.violations(config),
        *vpp_rules.loopback_hang(config, ospf3_stubs=stubs, known_good=known_good),
    )
    return ours or vppcfg_tool.refusals(config)


def planned(config: Mapping[str, Json], has: present.Present, device: Device) -> list[str]:
    """vppcfg's commands. Raises Impossible."""
    made = vppcfg_tool.commands(config, has)
    wrong = tuple(one for one in made if isinstance(one, Reason))
    refuse(device, wrong)
    return [str(line) for line in made]


def migration(params: VppParams, device: Device, facts: Mapping[str, Json]) -> dict[str, Json]:
    """Everything for the way from the kernel to VPP. Raises Impossible with all reasons."""
    if facts.get("dataplane") == "vpp" or facts.get("vpp"):
        found = "VPP forwards already"
        raise Impossible(Reason(f"VPP on {device.name}", found, "the kernel", "Use `vpp-change` for what is small."))
    speaker = daemon.of(device)
    intent = vpp.from_kernel(facts, params.wish())
    cpus = _cores(params, facts)
    wrong = intent.wrong or against(intent.config, facts, known_good=params.loopback6_known_good)
    refuse(device, (*wrong, *speaker.against(daemon.config_of(facts)), *(cpus if isinstance(cpus, tuple) else ())))
    assert isinstance(cpus, vpp_host.Cores)
    dpdk = params.dataplane is Dataplane.DPDK
    buffers = vpp_host.hugepages(
        buffers=params.buffers,
        heap_mb=vpp_host.heap_mb(params.routes),
        stats_mb=render.STATS_MB,
        numa_nodes=_nodes(facts),
    )
    pages = buffers if dpdk else 0
    return {
        "yaml": render.text_of(intent.config),
        "startup": render.startup(params, intent, cpus, pages=pages),
        "creating": list(render.creating(params, intent.phys)),
        "commands": planned(intent.config, present.fresh(intent.phys), device),
        "novpp": planned(intent.config, present.mocked(intent.config), device),
        "phys": [vars(phy) for phy in intent.phys],
        "pairs": dict(vpp.pairs(intent.config)),
        "held": to_json(speaker.holds(daemon.config_of(facts))),
        "isolated": vpp_host.cpu_list(cpus.isolated),
        "pages": pages,
        "vppcfg": vppcfg_tool.vppcfg_version(),
    }


def _cores(params: VppParams, facts: Mapping[str, Json]) -> vpp_host.Cores | tuple[Reason, ...]:
    siblings = vpp_host.siblings_of(facts)
    return (
        vpp_host.Cores(0, (), ()) if not params.workers and not siblings else vpp_host.cores(siblings, params.workers)
    )


def _nodes(facts: Mapping[str, Json]) -> int:
    cpu = facts.get("cpu")
    nodes = cpu.get("numa_nodes") if isinstance(cpu, Mapping) else None
    return nodes if isinstance(nodes, int) and nodes > 0 else len(nodes) if isinstance(nodes, list) and nodes else 1


def change(params: ChangeParams, device: Device, facts: Mapping[str, Json]) -> dict[str, Json]:
    """Everything for a small change of a router that forwards with VPP. Raises Impossible with all reasons."""
    known: Any = facts.get("vpp")
    text = known.get("config") if isinstance(known, Mapping) else None
    has = render.config_of(text) if isinstance(text, str) else None
    if has is None:
        found = "no configuration of VPP in the facts"
        remedy = f"Collect facts; {render.CONFIG} must be what vppcfg applied last."
        raise Impossible(Reason(f"VPP on {device.name}", found, "the one that is in force", remedy))
    wanted = render.config_of(params.config)
    if wanted is None:
        raise Impossible(Reason(f"VPP on {device.name}", "no YAML mapping in `config`", "one in vppcfg's schema"))
    config = vpp.normalised(vpp.merged(_keys(has), _keys(wanted)))
    refuse(device, against(config, facts, known_good=params.loopback6_known_good))
    return {
        "yaml": render.text_of(config),
        "before": render.text_of(vpp.normalised(has)),
        "commands": planned(config, present.in_force(has), device),
        "back": planned(vpp.normalised(has), present.in_force(config), device),
        "pairs": dict(vpp.pairs(config)),
        "vppcfg": vppcfg_tool.vppcfg_version(),
    }


def _keys(value: Any) -> Any:
    """Ids of sub-interfaces as numbers, however they were written."""
    if isinstance(value, Mapping):
        return {int(k) if isinstance(k, str) and k.isdecimal() else k: _keys(v) for k, v in value.items()}
    return [_keys(v) for v in value] if isinstance(value, list | tuple) else value
