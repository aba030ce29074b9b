"""What UCS Manager says of a service profile, a policy, a domain: managed objects as values. Never guesses."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fleet.core.ucs import Policy

_SHOWN = 200


@dataclass(frozen=True)
class Vnic:
    """A vNIC of a service profile. `named`: the policy's name as configured; `policy`: dn of what that resolves to."""

    dn: str
    name: str
    mac: str
    named: str
    policy: str


@dataclass(frozen=True)
class Pending:
    """A pending reboot (`lsmaintAck`). `changes`: what waits for it, as UCS Manager names it."""

    state: str
    admin: str
    changes: tuple[str, ...]


@dataclass(frozen=True)
class Profile:
    """A service profile and its blade, as they are now. Text that is not known is ""."""

    dn: str
    name: str
    association: str
    state: str
    qualifier: str
    maintenance: str  # uptimeDisr of the maintenance policy that holds
    blade: str
    vnics: tuple[Vnic, ...] = ()
    pending: Pending | None = None
    power: str = ""
    stage: str = ""
    progress: str = ""
    fault: str = ""
    uuid: str = ""
    template: str = ""  # dn of the updating template that it is bound to
    maintenance_named: str = ""  # maintenance policy as configured; "" = the default
    pack_named: str = ""  # host firmware pack as configured; "" = the default
    pack: str = ""  # dn of what that resolves to
    running: str = ""  # bundle that the blade runs (firmwareStatus)


@dataclass(frozen=True)
class Blade:
    """A blade of a domain."""

    dn: str
    model: str
    serial: str
    uuid: str
    adapter: str
    power: str
    association: str
    profile: str
    threads: int | None
    firmware: str = ""  # bundle that it runs


@dataclass(frozen=True)
class Domain:
    """Everything of a domain that concerns adapter policies. `packs`: dn of a host firmware pack > bundle of blades."""

    version: str
    policies: Mapping[str, Policy] = field(default_factory=dict)
    maintenance: Mapping[str, str] = field(default_factory=dict)
    blades: tuple[Blade, ...] = ()
    profiles: tuple[Profile, ...] = ()
    templates: tuple[Profile, ...] = ()
    packs: Mapping[str, str] = field(default_factory=dict)
    bundles: tuple[str, ...] = ()  # of blades, that lie on the fabric interconnects


def text(thing: Any, name: str, most: int = _SHOWN) -> str:
    """A property of a managed object, shortened; "" where it has none."""
    value = getattr(thing, name, None)
    return " ".join(str(value).split())[:most] if value is not None else ""


def count(thing: Any, name: str) -> int | None:
    """A whole number; None for anything else."""
    value = text(thing, name)
    return int(value) if value.isascii() and value.isdecimal() and len(value) < 9 else None


def policy(name: str, children: Iterable[Any]) -> Policy | None:
    """The counts of an adapter policy from its children; None where one that matters is missing or is no number."""
    found = {str(getattr(child, "rn", "")): child for child in children}
    wanted = {
        "receive": ("eth-rcv-q", "count"), "transmit": ("eth-work-q", "count"), "completion": ("eth-comp-q", "count"),
        "interrupts": ("eth-int", "count"), "receive_ring": ("eth-rcv-q", "ring_size"),
        "transmit_ring": ("eth-work-q", "ring_size"),
    }  # fmt: skip
    counts = {key: count(found.get(rn), prop) for key, (rn, prop) in wanted.items()}
    if any(value is None for value in counts.values()) or "rss" not in found:
        return None
    return Policy(
        name,
        **{key: value for key, value in counts.items() if value is not None},
        rss=text(found["rss"], "receive_side_scaling") == "enabled",
        arfs=text(found.get("eth-arfs"), "accelarated_rfs") == "enabled",
    )


def vnic(thing: Any) -> Vnic:
    return Vnic(
        text(thing, "dn"), text(thing, "name"), text(thing, "addr").lower(), text(thing, "adaptor_profile_name"),
        text(thing, "oper_adaptor_profile_name"),
    )  # fmt: skip


def pending(thing: Any) -> Pending | None:
    """A pending reboot; None where there is none or none that disturbs."""
    if thing is None:
        return None
    states = {"", "none", "untriggered", "applied", "expired"}
    state = text(thing, "oper_state")
    changes = tuple(word for word in text(thing, "change_details").replace(" ", "").split(",") if word)
    return None if state in states else Pending(state, text(thing, "admin_state"), changes)


def profile(
    server: Any,
    vnics: Iterable[Any],
    ack: Any,
    blade: Any,
    maintenance: Any,
    *,
    running: Any = None,
    template: str = "",
) -> Profile:
    """One profile from its managed objects; `ack`, `blade`, `maintenance`, `running` are None where there are none."""
    return Profile(
        dn=text(server, "dn"),
        name=text(server, "name"),
        association=text(server, "assoc_state"),
        state=text(server, "oper_state"),
        qualifier=text(server, "config_qualifier"),
        maintenance=text(maintenance, "uptime_disr") or "unknown",
        blade=text(server, "pn_dn"),
        vnics=tuple(sorted((vnic(one) for one in vnics), key=lambda v: v.name)),
        pending=pending(ack),
        power=text(blade, "oper_power"),
        stage=text(blade, "fsm_status"),
        progress=text(blade, "fsm_progr"),
        fault=text(blade, "fsm_rmt_inv_err_descr"),
        uuid=text(server, "uuid"),
        template=template,
        maintenance_named=text(server, "maint_policy_name"),
        pack_named=text(server, "host_fw_policy_name"),
        pack=text(server, "oper_host_fw_policy_name"),
        running=text(running, "package_version"),
    )
