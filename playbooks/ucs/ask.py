"""What is asked of UCS Manager: one service profile now, a policy, a whole domain."""

from collections.abc import Mapping
from typing import Any

from fleet.core.model import Reason
from fleet.core.ucs import Policy
from playbooks.base import Impossible
from playbooks.ucs import seen
from playbooks.ucs.client import Manager

_UPDATING = "updating-template"
_BLADES = "b-series-bundle"
_PARTS = "eth-rcv-q eth-work-q eth-comp-q eth-int rss eth-arfs"


def profile(manager: Manager, dn: str) -> seen.Profile:
    """A service profile as it is now: three requests. Raises Impossible where it is gone."""

    def question(handle: Any) -> seen.Profile | None:
        first: Mapping[str, Any] = handle.query_dns(dn, f"{dn}/ack")
        server = first.get(dn)
        if server is None:
            return None
        vnics = handle.query_children(in_dn=dn, class_id="vnicEther")
        status, template = f"{server.pn_dn}/fw-status" if server.pn_dn else "", _source(server)
        named = [name for name in (server.oper_maint_policy_name, server.pn_dn, status, template) if name]
        more = handle.query_dns(*named) if named else {}
        blade, policy = more.get(server.pn_dn or ""), more.get(server.oper_maint_policy_name or "")
        return seen.profile(
            server, vnics, first.get(f"{dn}/ack"), blade, policy, running=more.get(status),
            template=template if seen.text(more.get(template), "type") == _UPDATING else "",
        )  # fmt: skip

    found = manager.ask(question)
    if found is None:
        remedy = "Was it renamed or deleted? Collect the domain again."
        raise Impossible(Reason(f"service profile {dn} of {manager.domain.name}", "not there", "as planned", remedy))
    return found


def _source(server: Any) -> str:
    """dn of the template that a profile was made from; whether it is still bound to it is the template's type."""
    return seen.text(server, "oper_src_templ_name")


def pack(manager: Manager, dn: str) -> str | None:
    """The bundle of a host firmware pack; None where there is none with this dn."""
    found = manager.ask(lambda handle: handle.query_dn(dn))
    return seen.text(found, "blade_bundle_version") if found is not None else None


def policy(manager: Manager, dn: str) -> Policy | None:
    """The counts of an adapter policy; None where there is none with this dn."""

    def question(handle: Any) -> Policy | None:
        found = handle.query_dns(dn, *(f"{dn}/{part}" for part in _PARTS.split()))
        if found.get(dn) is None:
            return None
        name = seen.text(found[dn], "name")
        return seen.policy(name, [one for key, one in found.items() if key != dn and one is not None])

    return manager.ask(question)


def domain(manager: Manager) -> seen.Domain:
    """Everything of a domain that concerns adapter policies and firmware: 16 requests, however many blades."""
    version = manager.version
    classes = (
        "adaptorHostEthIfProfile", "adaptorEthRecvQueueProfile", "adaptorEthWorkQueueProfile",
        "adaptorEthCompQueueProfile", "adaptorEthInterruptProfile", "adaptorRssProfile", "adaptorEthArfsProfile",
        "lsmaintMaintPolicy", "lsmaintAck", "lsServer", "vnicEther", "computeBlade", "adaptorUnit",
        "firmwareComputeHostPack", "firmwareStatus", "firmwareDistributable",
    )  # fmt: skip
    # Each class by itself: one request of them all is larger than what a busy UCS Manager answers in time.
    found = {name: _all(manager, name) for name in classes}
    policies: dict[str, Policy] = {}
    parts: dict[str, list[Any]] = {}
    for name in classes[1:7]:
        for one in found[name]:
            parts.setdefault(_parent(one.dn), []).append(one)
    for row in found["adaptorHostEthIfProfile"]:
        counts = seen.policy(seen.text(row, "name"), parts.get(row.dn, ()))
        if counts is not None:
            policies[row.dn] = counts
    servers = _profiles(found)
    return seen.Domain(
        version=version,
        policies=policies,
        maintenance={one.dn: seen.text(one, "uptime_disr") for one in found["lsmaintMaintPolicy"]},
        blades=tuple(_blades(found)),
        profiles=tuple(p for p, kind in servers if kind == "instance"),
        templates=tuple(p for p, kind in servers if kind != "instance"),
        packs={one.dn: seen.text(one, "blade_bundle_version") for one in found["firmwareComputeHostPack"]},
        bundles=tuple(
            sorted(seen.text(one, "version") for one in found["firmwareDistributable"] if one.type == _BLADES)
        ),
    )


def _all(manager: Manager, name: str) -> list[Any]:
    return manager.ask(lambda handle: list(handle.query_classid(name)))


def _parent(dn: str) -> str:
    return dn.rpartition("/")[0]


def _profiles(found: Mapping[str, list[Any]]) -> list[tuple[seen.Profile, str]]:
    vnics: dict[str, list[Any]] = {}
    for one in found["vnicEther"]:
        vnics.setdefault(_parent(one.dn), []).append(one)
    acks = {_parent(one.dn): one for one in found["lsmaintAck"]}
    blades = {one.dn: one for one in found["computeBlade"]}
    policies = {one.dn: one for one in found["lsmaintMaintPolicy"]}
    updating = {one.dn for one in found["lsServer"] if seen.text(one, "type") == _UPDATING}
    return [
        (
            seen.profile(
                row,
                vnics.get(row.dn, ()),
                acks.get(row.dn),
                blades.get(row.pn_dn or ""),
                policies.get(row.oper_maint_policy_name or ""),
                template=_source(row) if _source(row) in updating else "",
            ),
            seen.text(row, "type"),
        )
        for row in found["lsServer"]
    ]


def _blades(found: Mapping[str, list[Any]]) -> list[seen.Blade]:
    adapters: dict[str, list[str]] = {}
    for one in found["adaptorUnit"]:
        adapters.setdefault(_parent(one.dn), []).append(seen.text(one, "model"))
    running = {_parent(one.dn): seen.text(one, "package_version") for one in found["firmwareStatus"]}
    return [
        seen.Blade(
            row.dn, seen.text(row, "model"), seen.text(row, "serial"), seen.text(row, "uuid"),
            # Two adapters of different models: which of them a vNIC lies on is not asked, so neither is named.
            (adapters.get(row.dn) or [""])[0] if len(set(adapters.get(row.dn, ()))) == 1 else "",
            seen.text(row, "oper_power"), seen.text(row, "association"), seen.text(row, "assigned_to_dn"),
            seen.count(row, "num_of_threads"), running.get(row.dn, ""),
        )
        for row in found["computeBlade"]
    ]  # fmt: skip
