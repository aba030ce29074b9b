"""What a step wants of a host's blade: copies of policy and firmware pack, which vNICs get it, what the host will show.

Computed once, when the change is planned; the approver sees it and the executor does it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from fleet.core import ucs
from fleet.core.model import Json, Reason
from fleet.core.ucs import Policy
from playbooks.base import Impossible
from playbooks.ucs.params import UcsParams
from playbooks.ucs.places import Place

_NAMES = 12


@dataclass(frozen=True)
class Pack:
    """A host firmware pack: `dn` of the copy and its `bundle`; `origin` and `now`: what is bound before."""

    dn: str
    name: str
    bundle: str
    origin: str
    now: str


@dataclass(frozen=True)
class Wanted:
    """`copy`: dn of the policy that the vNICs are bound to; `policy`: its counts; `now`: the counts that they have.
    No policy where only the firmware changes; no pack where only the queues do.

    `shows`: receive queues that the host will show; None where that cannot be told before.
    """

    profile: str
    blade: str
    copy: str = ""
    policy: Policy | None = None
    now: Policy | None = None
    vnics: tuple[str, ...] = ()
    shows: int | None = None
    why: str = ""
    pack: Pack | None = None

    def json(self) -> dict[str, Json]:
        """For `PlannedStep.expected`."""
        return {**asdict(self), "vnics": list(self.vnics)}


def read(planned: Mapping[str, Json]) -> Wanted:
    """The opposite of `Wanted.json`."""
    nested = {name: Policy(**planned[name]) for name in ("policy", "now") if planned.get(name) is not None}
    pack = Pack(**planned["pack"]) if planned.get("pack") is not None else None
    return Wanted(**{**planned, **nested, "vnics": tuple(planned["vnics"]), "pack": pack})


def wanted(params: UcsParams, place: Place, *, device: str, kernel: str, cpus: int | None) -> Wanted:
    """What this device's blade is to get. Raises Impossible, saying what is in the way."""
    subject = f"UCS blade of {device}"
    if place.template:
        raise Impossible(in_template(subject, place))
    made = Wanted(place.profile, place.blade)
    if params.receive is not None:
        made = _queues(made, params, place, subject, params.receive)
        assert made.policy is not None
        shows = ucs.on_host(made.policy, place.limits, kernel=ucs.linux(kernel), cpus=cpus)
        made = replace(made, shows=shows.value, why=shows.why)
    return replace(made, pack=_pack(params, place, subject)) if params.firmware else made


def in_template(subject: str, place: Place) -> Reason:
    """What a profile is bound to by an updating template is the template's: a change there reaches all of them."""
    others = ", ".join(place.siblings[:_NAMES]) or "no other profile that is known"
    more = f" and {len(place.siblings) - _NAMES} more" if len(place.siblings) > _NAMES else ""
    remedy = (
        "What is bound in the template is bound for all of them in one commit, and with immediate all reboot with it. "
        "Unbind this profile from the template, or move it to a template of its own; both is for a person to decide."
    )
    found = f"bound to updating template {place.template}, as are {others}{more}"
    return Reason(subject, found, "a profile with vNICs and a firmware pack of its own", remedy)


def _queues(made: Wanted, params: UcsParams, place: Place, subject: str, receive: int) -> Wanted:
    names = params.vnics or tuple(sorted(place.vnics))
    missing = [name for name in names if name not in place.vnics]
    if missing or not names:
        found = f"vNICs {', '.join(sorted(place.vnics)) or 'none'}"
        raise Impossible(Reason(subject, found, ", ".join(missing) or "at least one vNIC", "Name the vNICs."))
    present = {place.vnics[name] for name in names}
    unknown = sorted(dn or "(unresolved)" for dn in present if dn not in place.counts)
    if unknown or len(present) != 1:
        found = f"policies {', '.join(sorted(dn or '(unresolved)' for dn in present))}"
        remedy = "Collect the domain again." if unknown else "Name vNICs that have the same policy."
        raise Impossible(Reason(subject, found, "one adapter policy whose counts are known", remedy))
    (origin,) = present
    now = place.counts[origin]
    policy = _policy(params, receive, now)
    copy = origin.rpartition("/eth-profile-")[0] + f"/eth-profile-{policy.name}"
    taken = place.counts.get(copy)
    if taken is not None and replace(taken, name=policy.name) != policy:
        found = f"{policy.name} is there with {taken.receive} + {taken.transmit} queues, or other rings"
        raise Impossible(Reason(subject, found, "a name for the copy that is free", "Give another: `policy`."))
    return replace(made, copy=copy, policy=policy, now=now, vnics=tuple(sorted(names)))


def _policy(params: UcsParams, receive: int, now: Policy) -> Policy:
    transmit = params.transmit or receive
    tail = f"-q{receive}" if transmit == receive else f"-q{receive}.{transmit}"
    name = params.policy or now.name[: ucs.NAME_LENGTH - len(tail)] + tail
    made = ucs.derived(name, receive=receive, transmit=transmit, like=now)
    return replace(
        made,
        receive_ring=params.receive_ring or now.receive_ring,
        transmit_ring=params.transmit_ring or now.transmit_ring,
        arfs=now.arfs if params.arfs is None else params.arfs,
    )


def _pack(params: UcsParams, place: Place, subject: str) -> Pack:
    bundle = params.firmware
    if place.pack not in place.packs:
        found = f"host firmware pack {place.pack or '(unresolved)'}"
        raise Impossible(Reason(subject, found, "a pack whose bundle is known", "Collect the domain again."))
    if bundle not in place.bundles:
        there = ", ".join(place.bundles) or "none that is known"
        remedy = "Download it to the fabric interconnects (Equipment > Firmware Management), and collect the domain."
        raise Impossible(Reason(subject, f"bundles of blades in {place.domain.name}: {there}", bundle, remedy))
    # Legal in names: letters, digits and - . : _ (schema). "4.2(3d)B" becomes "fw-4.2.3dB".
    name = params.pack or f"fw-{bundle.replace('(', '.').replace(')', '')}"[: ucs.NAME_LENGTH]
    dn = place.pack.rpartition("/fw-host-pack-")[0] + f"/fw-host-pack-{name}"
    if place.packs.get(dn, bundle) != bundle:
        found = f"{name} is there with bundle {place.packs[dn] or '(none)'}"
        raise Impossible(Reason(subject, found, "a name for the copy that is free", "Give another: `pack`."))
    return Pack(dn, name, bundle, place.pack, place.packs[place.pack])
