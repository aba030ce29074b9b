"""What is sent to UCS Manager. Each looks at what it is about once more, and sends nothing where it is so already."""

from collections.abc import Mapping
from typing import Any

from fleet.core.model import Reason
from fleet.core.ucs import Policy
from playbooks.base import Refused
from playbooks.ucs import ask, render
from playbooks.ucs.client import ALREADY_THERE, Manager, NotTaken
from playbooks.ucs.moves import FIRMWARE
from playbooks.ucs.seen import Profile
from playbooks.ucs.wanted import Pack


def make_copy(manager: Manager, dn: str, policy: Policy, origin: str) -> None:
    """Have the copy be there. Nobody uses it yet, so nothing is rebooted by it. Raises Refused where it is another."""
    found = ask.policy(manager, dn)
    if found is None:
        children = manager.ask(lambda handle: list(handle.query_children(in_dn=origin)))
        try:
            manager.commit([render.copy(dn, policy, children)], created=True)
        except NotTaken as no:
            if no.code != ALREADY_THERE:  # another target of the same change was faster
                raise
        found = ask.policy(manager, dn)
    if found != policy:
        shown = f"{found.receive} + {found.transmit} queues or other values" if found else "not there after its commit"
        raise Refused(Reason(f"adapter policy {dn}", shown, f"{policy.receive} + {policy.transmit} queues"))


def make_pack(manager: Manager, pack: Pack) -> None:
    """Have the copy of a host firmware pack be there, as `make_copy`."""
    found = ask.pack(manager, pack.dn)
    if found is None:
        origin = manager.ask(lambda handle: handle.query_dn(pack.origin))
        if origin is None:
            raise Refused(
                Reason(f"host firmware pack {pack.origin}", "not there any more", "as planned", "Plan again.")
            )
        without = manager.ask(lambda handle: list(handle.query_children(in_dn=pack.origin)))
        try:
            manager.commit([render.pack(pack.dn, pack.name, pack.bundle, origin, without)], created=True)
        except NotTaken as no:
            if no.code != ALREADY_THERE:
                raise
        found = ask.pack(manager, pack.dn)
    if found != pack.bundle:
        shown = f"bundle {found}" if found is not None else "not there after its commit"
        raise Refused(Reason(f"host firmware pack {pack.dn}", shown, f"bundle {pack.bundle}"))


def bind(manager: Manager, now: Profile, wanted: Mapping[str, tuple[str, str]]) -> None:
    """Bind vNICs of one profile to other policies, and the profile to another firmware pack, in one commit. Refused
    where any other profile would reboot, or this one at once."""
    changed = []
    if FIRMWARE in wanted and now.pack_named != wanted[FIRMWARE][0]:
        changed.append((now.dn, wanted[FIRMWARE][0]))
    for vnic in now.vnics:
        named, _ = wanted.get(vnic.name, (vnic.named, ""))
        if vnic.named != named:
            changed.append((vnic.dn, named))
    if not changed:
        return
    impact = manager.impact(_bound(manager, changed))
    hit = {how: [dn for dn in dns if dn and dn != now.dn] for how, dns in impact.items()}
    others = sorted(dn for dn in {dn for dns in hit.values() for dn in dns} if not _under_way(manager, dn))
    if others:
        raise Refused(Reason(f"commit for {now.name}", f"would disturb {', '.join(others)[:300]}", "it alone"))
    if wrong := [how for how in ("reboot_immediate", "reboot_timer", "failure") if now.dn in impact.get(how, ())]:
        found = f"UCS Manager foretells {', '.join(wrong)}"
        remedy = "Set a maintenance policy with user-ack on it, then plan again."
        raise Refused(Reason(f"commit for {now.name}", found, "a reboot that waits for its acknowledgement", remedy))
    manager.commit(_bound(manager, changed))


def make_user_ack(manager: Manager, dn: str, name: str) -> None:
    """Have a maintenance policy with user-ack be there. Raises Refused where one of this name does otherwise."""
    found = manager.ask(lambda handle: handle.query_dn(dn))
    if found is None:
        try:
            manager.commit([render.user_ack(dn, name)], created=True)
        except NotTaken as no:
            if no.code != ALREADY_THERE:
                raise
        found = manager.ask(lambda handle: handle.query_dn(dn))
    when = str(found.uptime_disr) if found is not None else "not there after its commit"
    if when != "user-ack":
        raise Refused(Reason(f"maintenance policy {dn}", when, "user-ack", "Name another: `policy`."))


def name_maintenance(manager: Manager, now: Profile, name: str) -> None:
    """Name another maintenance policy in one profile, where it names another now."""
    if now.maintenance_named == name:
        return
    found = manager.ask(lambda handle: handle.query_dn(now.dn))
    if found is None:
        raise Refused(Reason(now.dn, "not there any more", "as it was a moment ago"))
    found.maint_policy_name = name
    manager.commit([found])


def _under_way(manager: Manager, dn: str) -> bool:
    """Does a profile wait for a reboot, or take its association, already? An estimate names it too: seen with two
    hosts of one change at once. What it waits with is not of this commit, which touches one profile's vNICs only."""
    found = ask.profile(manager, dn)
    return found.pending is not None or found.association in {"associating", "disassociating"}


def _bound(manager: Manager, changed: list[tuple[str, str]]) -> list[Any]:
    """Fresh objects: an estimate leaves its marks on those that it was given."""
    found = manager.ask(lambda handle: handle.query_dns(*(dn for dn, _ in changed)))
    made = []
    for dn, named in changed:
        one = found.get(dn)
        if one is None:
            raise Refused(Reason(dn, "not there any more", "as it was a moment ago"))
        setattr(one, "host_fw_policy_name" if _is_profile(one) else "adaptor_profile_name", named)
        made.append(one)
    return made


def _is_profile(found: Any) -> bool:
    return bool(found.get_class_id() == "LsServer")


def acknowledge(manager: Manager, profile: str) -> None:
    """Acknowledge the pending reboot of one profile, if it waits for it in this very moment; otherwise nothing."""
    found = manager.ask(lambda handle: handle.query_dn(f"{profile}/ack"))
    if found is None or found.oper_state != "waiting-for-user" or found.admin_state not in {None, "", "untriggered"}:
        return
    found.admin_state = "trigger-immediate"
    manager.commit([found])


def power_on(manager: Manager, profile: str) -> None:
    """Give a blade its power again."""
    found = manager.ask(lambda handle: handle.query_dn(f"{profile}/power"))
    if found is None:
        raise Refused(Reason(f"power of {profile}", "no such object", "one that can be set"))
    found.state = "admin-up"  # what UCS Manager's own button sends; "up" is what it then shows
    manager.commit([found])
