"""vppcfg as a library: its validator, and its own planner on a VPP that is a value instead of a process.

What it plans here for an empty VPP is what `vppcfg plan --novpp` of the same version plans on the router.
"""

import copy
import logging
import re
import threading
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

from fleet.core.model import Json, Reason
from fleet.core.vpp import canonical
from playbooks.vpp.present import Present

PHASES = ("prune", "create", "sync")
_MESSAGES = 20
_EXACT, _DOT1AD = 16, 8  # sub_if_flags of the API (interface_types.api)
_ADDRESS_ON = re.compile(r"set interface ip address (?!del )(\S+) (\S+)")
_ADDRESS_OFF = re.compile(r"set interface ip address del (\S+) (\S+)")
_LOCK = threading.Lock()  # its modules keep loggers and no state; the schema is parsed each time


def vppcfg_version() -> str:
    """The version that plans here: the router's should be the same."""
    return version("vppcfg")


def refusals(config: Mapping[str, Json]) -> tuple[Reason, ...]:
    """What vppcfg's validator says against a configuration, a reason for each message. Never raises."""
    from vppcfg.config import Validator

    logging.getLogger("vppcfg").setLevel(logging.CRITICAL)
    try:
        with _LOCK:
            good, messages = Validator(schema=None).validate(copy.deepcopy(_plain(config)))
    except Exception as error:  # its validators take the shape for granted that the schema only half checks
        found = f"{type(error).__name__}: {error}"[:200]
        return (Reason("vppcfg's validator", found, "a configuration that it can read"),)
    if good:
        return ()
    listed = messages or ["not valid"]
    return tuple(Reason("vppcfg", str(text)[:300], "a valid configuration") for text in listed[:_MESSAGES])


def commands(config: Mapping[str, Json], present: Present) -> tuple[str, ...] | tuple[Reason, ...]:
    """The commands of VPP that bring it from what it has to the configuration, in vppcfg's order.

    Reasons where its planner fails. The configuration must be valid and spelled canonically.
    """
    from vppcfg.vpp.planner import Planner

    logging.getLogger("vppcfg").setLevel(logging.CRITICAL)
    planner = Planner(copy.deepcopy(_plain(config)))
    try:
        _fill(planner.vpp, present)
        without = [phase for phase in PHASES if not getattr(planner, phase)()]
    except Exception as error:
        found = f"{type(error).__name__}: {error}"[:200]
        return (Reason("vppcfg's planner", found, "a plan", "Report it with the configuration."),)
    if without:
        found = f"no plan for {', '.join(without)}"
        return (Reason("vppcfg's planner", found, "a plan", "Run `vppcfg -d plan` on the router to see why."),)
    said = planner.get_commands()
    return meant([str(line) for phase in PHASES for line in said[phase]])


def meant(lines: Iterable[str]) -> tuple[str, ...]:
    """The commands among the lines of a plan: without comments, and without what is taken away to be put back.

    vppcfg 1.2.4 plans to delete and to add again an address whose spelling differs on a sub-interface, and every
    address of a bond itself, at each run: traffic would be hit for nothing and no plan would ever be empty.
    """
    kept = [line for text in lines if (line := " ".join(text.split())) and not line.startswith("comment ")]
    taken, put = (
        {(m[1], _value(m[2])) for line in kept if (m := form.fullmatch(line))} for form in (_ADDRESS_OFF, _ADDRESS_ON)
    )
    idle = taken & put

    def is_idle(line: str) -> bool:
        found = _ADDRESS_OFF.fullmatch(line) or _ADDRESS_ON.fullmatch(line)
        return found is not None and (found[1], _value(found[2])) in idle

    return tuple(line for line in kept if not is_idle(line))


def _value(address: str) -> str:
    return canonical(address) or address


def is_reasons(made: tuple[str, ...] | tuple[Reason, ...]) -> bool:
    return bool(made) and isinstance(made[0], Reason)


def _plain(value: Any) -> Any:
    """Without frozen mappings and tuples, keys of sub-interfaces as numbers: as YAML gives it."""
    if isinstance(value, Mapping):
        return {_key(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value


def _key(key: Any) -> Any:
    return int(key) if isinstance(key, str) and key.isdecimal() else key


def _fill(vpp: Any, present: Present) -> None:
    """The cache that vppcfg reads out of a running VPP, made from a value."""
    from vppcfg.config import bondethernet

    vpp.cache_clear()
    index = {port.name: n for n, port in enumerate(present.ports)}
    for port in present.ports:
        n = index[port.name]
        flags = (_EXACT if port.exact else 0) | (_DOT1AD if port.dot1ad else 0)
        vpp.cache["interfaces"][n] = SimpleNamespace(
            sw_if_index=n, sup_sw_if_index=index.get(port.sup, n), l2_address=port.mac, flags=int(port.up), type=0,
            link_duplex=0, link_speed=0, sub_id=port.sub_id, sub_number_of_tags=port.tags,
            sub_outer_vlan_id=port.outer, sub_inner_vlan_id=port.inner, sub_if_flags=flags, vtr_op=0, vtr_push_dot1q=0,
            vtr_tag1=0, vtr_tag2=0, outer_tag=0, link_mtu=port.link_mtu, mtu=[port.mtu, 0, 0, 0],
            interface_name=port.name, interface_dev_type=port.kind, tag=port.tag,
        )  # fmt: skip
        vpp.cache["interface_names"][port.name] = n
        vpp.cache["interface_addresses"][n] = list(port.addresses)
    for bond in present.bonds:
        n = index[bond.name]
        mode, balance = bondethernet.mode_to_int(bond.mode), bondethernet.lb_to_int(bond.balance)
        vpp.cache["bondethernets"][n] = SimpleNamespace(interface_name=bond.name, sw_if_index=n, mode=mode, lb=balance)
        vpp.cache["bondethernet_members"][n] = [index[m] for m in bond.members if m in index]
    for number, (name, host) in enumerate(present.pairs.items()):
        n, tap = index[name], len(index) + number
        vpp.cache["lcps"][n] = SimpleNamespace(phy_sw_if_index=n, host_sw_if_index=tap, host_if_name=host)
        vpp.cache["interfaces"][tap] = SimpleNamespace(
            sw_if_index=tap, sup_sw_if_index=tap, l2_address="00:00:00:00:00:00", flags=1, sub_id=0,
            sub_number_of_tags=0, sub_outer_vlan_id=0, sub_inner_vlan_id=0, sub_if_flags=0, link_mtu=9000,
            mtu=[9000, 0, 0, 0], interface_name=f"tap{4096 + number}", interface_dev_type="virtio", tag="",
        )  # fmt: skip
        vpp.cache["interface_names"][f"tap{4096 + number}"] = tap
        vpp.cache["interface_addresses"][tap] = []
    vpp.lcp_enabled = present.lcp
