"""What a step wants of a host's blade: the copy of the policy, which vNICs get it, how many queues the host will show.

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


@dataclass(frozen=True)
class Wanted:
    """`copy`: dn of the policy that the vNICs are bound to; `policy`: its counts; `now`: the counts that they have.

    `shows`: receive queues that the host will show; None where that cannot be told before.
    """

    copy: str
    policy: Policy
    now: Policy
    vnics: tuple[str, ...]
    profile: str
    blade: str
    shows: int | None
    why: str

    def json(self) -> dict[str, Json]:
        """For `PlannedStep.expected`."""
        return {**asdict(self), "vnics": list(self.vnics)}


def read(planned: Mapping[str, Json]) -> Wanted:
    """The opposite of `Wanted.json`."""
    nested = {name: Policy(**planned[name]) for name in ("policy", "now")}
    return Wanted(**{**planned, **nested, "vnics": tuple(planned["vnics"])})


def wanted(params: UcsParams, place: Place, *, device: str, kernel: str, cpus: int | None) -> Wanted:
    """What this device's vNICs are to get. Raises Impossible, saying all that is in the way."""
    names = params.vnics or tuple(sorted(place.vnics))
    subject = f"UCS blade of {device}"
    missing = [name for name in names if name not in place.vnics]
    if missing or not names:
        found = f"vNICs {', '.join(sorted(place.vnics)) or 'none'}"
        raise Impossible(Reason(subject, found, ", ".join(missing) or "at least one vNIC", "Name the vNICs."))
    if place.template:
        remedy = "Unbind the profile from it, or change the policy in the template; both is for a person to decide."
        found = f"profile bound to template {place.template}"
        raise Impossible(Reason(subject, found, "vNICs of its own", remedy))
    present = {place.vnics[name] for name in names}
    unknown = sorted(dn or "(unresolved)" for dn in present if dn not in place.counts)
    if unknown or len(present) != 1:
        found = f"policies {', '.join(sorted(dn or '(unresolved)' for dn in present))}"
        remedy = "Collect the domain again." if unknown else "Name vNICs that have the same policy."
        raise Impossible(Reason(subject, found, "one adapter policy whose counts are known", remedy))
    (origin,) = present
    now = place.counts[origin]
    made = _policy(params, now)
    copy = origin.rpartition("/eth-profile-")[0] + f"/eth-profile-{made.name}"
    taken = place.counts.get(copy)
    if taken is not None and replace(taken, name=made.name) != made:
        found = f"{made.name} is there with {taken.receive} + {taken.transmit} queues, or other rings"
        raise Impossible(Reason(subject, found, "a name for the copy that is free", "Give another: `policy`."))
    shows = ucs.on_host(made, place.limits, kernel=ucs.linux(kernel), cpus=cpus)
    return Wanted(copy, made, now, tuple(sorted(names)), place.profile, place.blade, shows.value, shows.why)


def _policy(params: UcsParams, now: Policy) -> Policy:
    transmit = params.transmit or params.receive
    tail = f"-q{params.receive}" if transmit == params.receive else f"-q{params.receive}.{transmit}"
    name = params.policy or now.name[: ucs.NAME_LENGTH - len(tail)] + tail
    made = ucs.derived(name, receive=params.receive, transmit=transmit, like=now)
    return replace(
        made,
        receive_ring=params.receive_ring or now.receive_ring,
        transmit_ring=params.transmit_ring or now.transmit_ring,
        arfs=now.arfs if params.arfs is None else params.arfs,
    )
