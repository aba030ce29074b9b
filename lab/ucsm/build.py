"""A domain to begin with: two fabric interconnects, chassis of eight blades, a service profile on each, policies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from lab.ucsm.tree import Tree

PER_CHASSIS = 8
DEFAULT_POLICY = "org-root/eth-profile-default"
DEFAULT_PACK = "org-root/fw-host-pack-default"
BUNDLES = ("4.2(3d)B", "4.3(2b)B")  # that lie on the fabric interconnects; the first is what all run


@dataclass(frozen=True)
class Blade:
    """One blade and the host on it. `vnics`: of the policy `policy`; `maintenance`: name of a maintenance policy."""

    host: str
    adapter: str = "VIC 1240"
    vnics: int = 1
    policy: str = ""  # "": none named, so the default holds
    maintenance: str = "ask"
    cpus: int = 40
    template: str = ""  # name of the template that it was made from, as `templates` of `build` has it


def build(
    blades: Sequence[Blade],
    *,
    name: str = "ucs1-osl3",
    version: str = "4.2(3d)",
    templates: Mapping[str, str] = MappingProxyType({}),
) -> Tree:
    """The domain, everything associated and applied. UCS Manager's own default maintenance policy is `immediate`.

    `templates`: name > updating-template or initial-template.
    """
    tree = Tree()
    tree.add("topSystem", "sys", name=name, address="192.0.2.10", mode="cluster")
    for fabric in "AB":
        tree.add("networkElement", f"sys/switch-{fabric}", id=fabric, model="UCS-FI-6248UP", operability="operable")
    tree.add("firmwareRunning", "sys/mgmt/fw-system", deployment="system", version=version, type="mgmt-ext")
    tree.add("orgOrg", "org-root", name="root")
    for policy, when in (("default", "immediate"), ("ask", "user-ack"), ("at-night", "timer-automatic")):
        tree.add("lsmaintMaintPolicy", f"org-root/maint-{policy}", name=policy, uptimeDisr=when, dataDisr=when)
    add_policy(tree, DEFAULT_POLICY)
    tree.add("firmwareComputeHostPack", DEFAULT_PACK, name="default", bladeBundleVersion=BUNDLES[0], mode="staged")
    tree.add("firmwareExcludeServerComponent", f"{DEFAULT_PACK}/exclude-server-component-local-disk",
             serverComponent="local-disk")  # fmt: skip
    for bundle in BUNDLES:
        file = f"ucs-k9-bundle-b-series.{bundle.replace('(', '.').replace(')', '.')}.bin"
        tree.add(
            "firmwareDistributable", f"sys/fw-catalogue/distrib-{file}", name=file, type="b-series-bundle",
            version=bundle,
        )  # fmt: skip
    for template, kind in templates.items():
        tree.add("lsServer", f"org-root/ls-{template}", name=template, type=kind, assocState="unassociated", pnDn="")
    for number, blade in enumerate(blades):
        _associated(tree, number, blade)
    return tree


def add_policy(tree: Tree, dn: str, *, queues: int = 1) -> None:
    """An adapter policy as it is created: 1 + 1 queues, RSS off, unless asked otherwise."""
    rss = "enabled" if queues > 1 else "disabled"
    tree.add("adaptorHostEthIfProfile", dn, name=dn.rpartition("eth-profile-")[2], descr="", policyOwner="local")
    tree.add("adaptorEthRecvQueueProfile", f"{dn}/eth-rcv-q", count=str(queues), ringSize="512")
    tree.add("adaptorEthWorkQueueProfile", f"{dn}/eth-work-q", count=str(queues), ringSize="256")
    tree.add("adaptorEthCompQueueProfile", f"{dn}/eth-comp-q", count=str(2 * queues), ringSize="1")
    tree.add(
        "adaptorEthInterruptProfile", f"{dn}/eth-int", count=str(2 * queues + 2), coalescingTime="125",
        coalescingType="min", mode="msi-x",
    )  # fmt: skip
    tree.add("adaptorRssProfile", f"{dn}/rss", receiveSideScaling=rss)
    tree.add("adaptorEthArfsProfile", f"{dn}/eth-arfs", accelaratedRFS="disabled")
    tree.add("adaptorEthFailoverProfile", f"{dn}/eth-failover", timeout="5")


def _associated(tree: Tree, number: int, blade: Blade) -> None:
    chassis, slot = number // PER_CHASSIS + 1, number % PER_CHASSIS + 1
    place, profile = f"sys/chassis-{chassis}/blade-{slot}", f"org-root/ls-{blade.host}"
    serial, uuid = f"FCH1846{number:04d}", f"0025b500-0000-0000-0000-{number:012d}"
    tree.add("equipmentChassis", f"sys/chassis-{chassis}", id=str(chassis), operState="operable")
    tree.add(
        "computeBlade", place, chassisId=str(chassis), slotId=str(slot), model="UCSB-B200-M3", serial=serial, uuid=uuid,
        operPower="on", operState="ok", association="associated", availability="unavailable", assignedToDn=profile,
        numOfThreads=str(blade.cpus), numOfCores=str(blade.cpus // 2), numOfAdaptors="1", fsmStatus="nop",
        fsmProgr="100", fsmRmtInvErrDescr="",
    )  # fmt: skip
    tree.add("adaptorUnit", f"{place}/adaptor-1", id="1", model=blade.adapter, vendor="Cisco Systems Inc")
    tree.add("computeBladeFsm", f"{place}/fsm", currentFsm="nop", progress="100", rmtErrDescr="", fsmStatus="success")
    tree.add(
        "lsServer", profile, name=blade.host, type="instance", assignState="assigned", assocState="associated",
        configState="applied", configQualifier="", operState="ok", maintPolicyName=blade.maintenance, pnDn=place,
        operMaintPolicyName=f"org-root/maint-{blade.maintenance}", fsmStatus="nop", fsmProgr="100", uuid=uuid,
        srcTemplName=blade.template, operSrcTemplName=f"org-root/ls-{blade.template}" if blade.template else "",
        hostFwPolicyName="", operHostFwPolicyName=DEFAULT_PACK, fsmRmtInvErrDescr="",
    )  # fmt: skip
    tree.add("firmwareStatus", f"{place}/fw-status", packageVersion=BUNDLES[0], operState="ready")
    tree.add("lsPower", f"{profile}/power", state="up", softShutdownTimer="150-secs")
    resolved = f"org-root/eth-profile-{blade.policy or 'default'}"
    for vnic in range(blade.vnics):
        mac = f"00:25:B5:00:{vnic:02X}:{number:02X}"
        tree.add(
            "vnicEther", f"{profile}/ether-eth{vnic}", name=f"eth{vnic}", addr=mac, adaptorProfileName=blade.policy,
            operAdaptorProfileName=resolved, switchId="AB"[vnic % 2], mtu="1500", configState="applied",
        )  # fmt: skip
        tree.add(
            "adaptorHostEthIf", f"{place}/adaptor-1/host-eth-{vnic + 1}", id=str(vnic + 1), name=f"eth{vnic}", mac=mac,
            vnicDn=f"{profile}/ether-eth{vnic}", operState="operable", isRingSizeCapped="no",
        )  # fmt: skip
