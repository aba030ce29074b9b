"""What a commit does to the blades: pending reboots, acknowledgements, associations that take time, succeed or fail.

Nothing is calculated for anybody and little is checked, as in the real one: counts that do not fit each other are
taken, and show as fewer queues on the host or as a failed association (story S4).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from lab.ucsm.build import DEFAULT_PACK, DEFAULT_POLICY
from lab.ucsm.tree import Node, Tree

# Of an association's stages those that tell the story; the real one has some fifty (schema of ucsmsdk).
STAGES = (
    "AssociateBegin",
    "AssociateBladePowerOff",
    "AssociateUpdateAdaptorNwFwLocal",  # skipped where the firmware is what it should be
    "AssociateNicConfigPnuOSLocal",
    "AssociateNicConfigHostOSLocal",
    "AssociateSwConfigHostOSLocal",
    "AssociateBootHost",
    "AssociateSuccess",
)
_FIRMWARE_STAGE = STAGES.index("AssociateUpdateAdaptorNwFwLocal")
_NIC_STAGE = STAGES.index("AssociateNicConfigHostOSLocal")
# Several vNICs whose counts together are above this do not get their completion queues (observed: two with 256 + 256
# do not, one does). What an adapter really has is not published.
COMPLETIONS = 512
CAPPED_AT = 8  # receive and transmit queues that the host shows (observed on both adapters)
FAILED = {
    "M81KR": "Out of CQ resources",
    "VIC 1240": "Adapter configDataNicCb(): vnicEthCreate failed",
}

FIRMWARE = "host firmware"  # stands in a configuration for the pack, beside the names of vNICs
# A bundle that its adapter does not take, for failure injection: the association fails in the stage that flashes.
BROKEN_BUNDLE = "4.3(9z)B"

Config = tuple[tuple[str, tuple[tuple[str, str], ...]], ...]


class Hosts(Protocol):
    """The machines on the blades: told when they lose power, and when they boot with so many queues on each vNIC."""

    def off(self, host: str) -> None: ...
    def on(self, host: str, queues: Mapping[str, int]) -> None: ...


class NoHosts:
    """Nobody is on the blades."""

    def off(self, host: str) -> None:
        """Nothing to switch off."""

    def on(self, host: str, queues: Mapping[str, int]) -> None:
        """Nothing to boot."""


@dataclass
class Association:
    """One that is under way."""

    profile: str
    config: Config
    began: float
    stage: int = -1


@dataclass
class Blades:
    """The blades of a domain. `done`: everything that happened to one, for whoever judges: (time, what, profile)."""

    tree: Tree
    clock: Callable[[], float]
    hosts: Hosts = field(default_factory=NoHosts)
    stage_s: float = 0.05
    changed: Callable[[str], None] = lambda dn: None
    done: list[tuple[float, str, str]] = field(default_factory=list)
    deployed: dict[str, Config] = field(default_factory=dict)
    refused: dict[str, Config] = field(default_factory=dict)  # what the adapter of a failed one did not take
    going: dict[str, Association] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.deployed = {profile.dn: config_of(self.tree, profile) for profile in self.tree.of_class("lsServer")}

    def settle(self, *, acknowledged: frozenset[str] = frozenset()) -> None:
        """After a commit: what is pending waits for its maintenance policy, or begins."""
        for vnic in self.tree.of_class("vnicEther"):
            vnic.props["operAdaptorProfileName"] = resolved(self.tree, vnic)
        for profile in self.tree.of_class("lsServer"):
            if not profile.props.get("pnDn") or profile.dn in self.going:
                continue
            profile.props["operHostFwPolicyName"] = pack_of(self.tree, profile)
            maintenance = maintenance_of(self.tree, profile)
            profile.props["operMaintPolicyName"] = maintenance.dn if maintenance else ""
            if config_of(self.tree, profile) == self.deployed[profile.dn]:
                self._nothing_pending(profile)
            elif profile.props["assocState"] == "failed" and not self._starts_by_itself(profile, maintenance):
                continue
            elif self._starts_by_itself(profile, maintenance) or profile.dn in acknowledged:
                self._begin(profile)
            elif maintenance is not None:
                self._pend(profile, maintenance)

    def _starts_by_itself(self, profile: Node, maintenance: Node | None) -> bool:
        """At once by its policy; or another try, because what failed has been changed."""
        if profile.props["assocState"] == "failed":
            return config_of(self.tree, profile) != self.refused.get(profile.dn)
        return maintenance is None or maintenance.props["uptimeDisr"] == "immediate"

    def pending(self, profile: Node) -> Node | None:
        return self.tree.get(f"{profile.dn}/ack")

    def host_power(self, host: str, *, on: bool) -> None:
        """The host on a blade has switched itself off, or on; an association that goes on has the say over it."""
        for profile in self.tree.of_class("lsServer"):
            if profile.props["name"] == host and profile.dn not in self.going and profile.props.get("pnDn"):
                self.tree[profile.props["pnDn"]].props["operPower"] = "on" if on else "off"
                self._note("host on" if on else "host off", profile)

    def power_up(self, profile: Node) -> None:
        """Somebody pressed the button: the host of an associated blade boots with what is deployed."""
        blade = self.tree[profile.props["pnDn"]]
        if profile.dn in self.going or blade.props["operPower"] == "on":
            return
        blade.props["operPower"] = "on"
        self._note("powered on", profile)
        self.hosts.on(profile.props["name"], queues(self.tree, blade, self.deployed[profile.dn]))

    def _nothing_pending(self, profile: Node) -> None:
        if self.pending(profile) is not None:
            self.tree.remove(f"{profile.dn}/ack")
            profile.props["operState"] = "ok"
            self.changed(profile.dn)

    def _pend(self, profile: Node, maintenance: Node) -> None:
        if self.pending(profile) is None:
            self._note("pending", profile)
        waits = "waiting-for-user" if maintenance.props["uptimeDisr"] == "user-ack" else "waiting-for-maint-window"
        self.tree.add(
            "lsmaintAck", f"{profile.dn}/ack", adminState="untriggered", operState=waits, disr="up-time",
            changes="networking", deploymentMode=maintenance.props["uptimeDisr"],
            changeDetails=",".join(details(config_of(self.tree, profile), self.deployed[profile.dn])),
        )  # fmt: skip
        profile.props["operState"] = "pending-reboot"
        self.changed(f"{profile.dn}/ack")

    def _begin(self, profile: Node) -> None:
        self.tree.remove(f"{profile.dn}/ack")
        self.going[profile.dn] = Association(profile.dn, config_of(self.tree, profile), self.clock())
        profile.props |= {"assocState": "associating", "operState": "config", "configState": "applying"}
        self._note("begun", profile)
        self.advance()

    def advance(self) -> None:
        """Let time pass: each association takes its stages, one after the other."""
        for dn, going in list(self.going.items()):
            due = int((self.clock() - going.began) / self.stage_s)
            while dn in self.going and going.stage < min(due, len(STAGES) - 1):
                going.stage += 1
                self._stage(self.tree[dn], going)

    def next_due(self) -> float | None:
        """When the next stage of any association begins."""
        due = [a.began + (a.stage + 1) * self.stage_s for a in self.going.values()]
        return min(due, default=None)

    def _stage(self, profile: Node, going: Association) -> None:
        blade, name = self.tree[profile.props["pnDn"]], STAGES[going.stage]
        progress = str(going.stage * 100 // (len(STAGES) - 1))
        self._say(blade, profile, name, progress)
        if name == "AssociateBladePowerOff":
            blade.props["operPower"] = "off"
            self.hosts.off(profile.props["name"])
            self._note("off", profile)
        bundle = dict(dict(going.config)[FIRMWARE])["bundle"]
        if going.stage == _FIRMWARE_STAGE and bundle == BROKEN_BUNDLE:
            self._fail(blade, profile, name, "Update of adaptor firmware failed: image is corrupt")
        elif going.stage == _NIC_STAGE and (why := exhausted(self.tree, blade, going.config)):
            self._fail(blade, profile, name, why)
        elif name == "AssociateBootHost":
            blade.props["operPower"] = "on"
        elif name == "AssociateSuccess":
            self._succeed(blade, profile, going)

    def _say(self, blade: Node, profile: Node, stage: str, progress: str, error: str = "") -> None:
        said = {"fsmStatus": stage, "fsmProgr": progress, "fsmRmtInvErrDescr": error}
        blade.props |= said | {"association": "establishing"}
        profile.props |= said
        self.tree.add(
            "computeBladeFsm", f"{blade.dn}/fsm", currentFsm="Associate", progress=progress, rmtErrDescr=error,
            fsmStatus="fail" if error else "inProgress",
        )  # fmt: skip
        self.tree.add(
            "computeBladeFsmStage", f"{blade.dn}/fsm/stage-{stage}", name=stage, order=str(STAGES.index(stage) + 1),
            stageStatus="fail" if error else "success",
        )  # fmt: skip
        self.changed(blade.dn)

    def _fail(self, blade: Node, profile: Node, stage: str, why: str) -> None:
        self.refused[profile.dn] = self.going.pop(profile.dn).config
        self._say(blade, profile, stage, blade.props["fsmProgr"], error=why)
        blade.props |= {"association": "failed", "operState": "config-failure", "operPower": "on"}
        profile.props |= {
            "assocState": "failed", "configState": "failed-to-apply", "operState": "config-failure",
            "configQualifier": "insufficient-resources",
        }  # fmt: skip
        self.deployed[profile.dn] = ()
        self._note("failed", profile)
        self.changed(profile.dn)

    def _succeed(self, blade: Node, profile: Node, going: Association) -> None:
        del self.going[profile.dn]
        blade.props |= {"association": "associated", "operState": "ok", "fsmStatus": "nop", "fsmProgr": "100"}
        profile.props |= {
            "assocState": "associated", "configState": "applied", "operState": "ok", "configQualifier": "",
            "fsmStatus": "nop", "fsmProgr": "100",
        }  # fmt: skip
        self.tree.add("computeBladeFsm", f"{blade.dn}/fsm", currentFsm="nop", progress="100", fsmStatus="success")
        self.deployed[profile.dn] = going.config
        self.tree[f"{blade.dn}/fw-status"].props["packageVersion"] = dict(dict(going.config)[FIRMWARE])["bundle"]
        self.hosts.on(profile.props["name"], queues(self.tree, blade, going.config))
        self._note("up", profile)
        self.changed(profile.dn)
        self.settle()  # what was committed meanwhile

    def _note(self, what: str, profile: Node) -> None:
        self.done.append((self.clock(), what, profile.props["name"]))


def resolved(tree: Tree, vnic: Node) -> str:
    """The dn of the policy that a vNIC gets: by its name in its own organisation, then upwards, then the default."""
    org = vnic.dn.partition("/ls-")[0]
    name = vnic.props.get("adaptorProfileName", "")
    while name and org:
        if (dn := f"{org}/eth-profile-{name}") in tree:
            return dn
        org = org.rpartition("/")[0]
    return DEFAULT_POLICY


def maintenance_of(tree: Tree, profile: Node) -> Node | None:
    """The maintenance policy of a profile; the default where the named one does not exist."""
    named = tree.get(f"org-root/maint-{profile.props.get('maintPolicyName') or 'default'}")
    return named or tree.get("org-root/maint-default")


def config_of(tree: Tree, profile: Node) -> Config:
    """What is configured for each vNIC of a profile: name and every value of its policy."""
    bundle = tree[pack_of(tree, profile)].props.get("bladeBundleVersion", "")
    made: list[tuple[str, tuple[tuple[str, str], ...]]] = [(FIRMWARE, (("bundle", bundle),))]
    for vnic in tree.children(profile.dn, "vnicEther"):
        policy = resolved(tree, vnic)
        values = [
            (f"{child.dn.rpartition('/')[2]}.{key}", value)
            for child in tree.children(policy)
            for key, value in sorted(child.props.items())
        ]
        made.append((vnic.props["name"], tuple(values)))
    return tuple(made)


def pack_of(tree: Tree, profile: Node) -> str:
    """The dn of the host firmware pack of a profile; the default where the named one does not exist."""
    named = f"org-root/fw-host-pack-{profile.props.get('hostFwPolicyName')}"
    return named if named in tree else DEFAULT_PACK


def details(now: Config, before: Config) -> list[str]:
    """What of a profile waits for a reboot, in UCS Manager's words."""
    made = ["adaptor-host-fw", "bios-fw"] if dict(now).get(FIRMWARE) != dict(before).get(FIRMWARE) else []
    vnics = [{name: values for name, values in config if name != FIRMWARE} for config in (now, before)]
    return made + ["host-eth-if-profile"] * (vnics[0] != vnics[1])


def vnics_of(config: Config) -> Config:
    return tuple(row for row in config if row[0] != FIRMWARE)


def exhausted(tree: Tree, blade: Node, config: Config) -> str:
    """What the adapter says when its completion queues do not suffice; "" when they do."""
    counts = [_count(values, "eth-rcv-q") + _count(values, "eth-work-q") for _, values in vnics_of(config)]
    if len(counts) < 2 or sum(counts) <= COMPLETIONS:
        return ""
    return FAILED.get(tree[f"{blade.dn}/adaptor-1"].props["model"], FAILED["VIC 1240"])


def queues(tree: Tree, blade: Node, config: Config) -> dict[str, int]:
    """Receive queues that the host shows on each vNIC: fewer than asked for, where other counts do not fit."""
    made = {}
    for name, values in vnics_of(config):
        asked = _count(values, "eth-rcv-q")
        by_completion = max(1, _count(values, "eth-comp-q") - _count(values, "eth-work-q"))
        by_interrupts = max(1, _count(values, "eth-int") - 2 - _count(values, "eth-work-q"))
        cpus = int(tree[blade.dn].props["numOfThreads"])
        made[name] = min(asked, by_completion, by_interrupts, CAPPED_AT, cpus)
    return made


def _count(values: tuple[tuple[str, str], ...], rn: str) -> int:
    return int(dict(values).get(f"{rn}.count", "1"))
