"""Who may do what on which devices: Django's permissions hold everywhere, grants where they are given."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Model, Q

from fleet.core.model import Reason
from fleet.people.models import Grant
from fleet.people.roles import RIGHTS, Role
from inventory.models import Router


@dataclass(frozen=True)
class Place:
    """Where a grant holds; empty sets: everywhere."""

    role: Role
    sites: frozenset[str]
    device_roles: frozenset[str]

    def covers(self, site: str, device_role: str) -> bool:
        return (not self.sites or site in self.sites) and (not self.device_roles or device_role in self.device_roles)


def places(person: AbstractBaseUser) -> tuple[Place, ...]:
    """The grants of a person, own and of groups. Two queries, once per object in hand."""
    kept: tuple[Place, ...] | None = getattr(person, "_slipway_places", None)
    if kept is None:
        rows = Grant.objects.filter(Q(person_id=person.pk) | Q(group__user=person.pk)).distinct()
        kept = tuple(
            Place(Role(g.role), frozenset(s.name for s in g.sites.all()), frozenset(g.device_roles))
            for g in rows.prefetch_related("sites")
        )
        person._slipway_places = kept  # type: ignore[attr-defined]
    return kept


class GrantBackend(BaseBackend):
    """Somebody with a grant may open what the grant is for; on which devices is asked with `refusals`."""

    def has_perm(self, user_obj: AbstractBaseUser | AnonymousUser, perm: str, obj: Model | None = None) -> bool:
        if obj is not None or isinstance(user_obj, AnonymousUser) or not user_obj.is_active:
            return False
        return any(perm in RIGHTS[place.role] for place in places(user_obj))


def holds_everywhere(person: AbstractBaseUser, right: str) -> bool:
    """Does a person have this by Django's own permissions (own, of groups, superuser)?"""
    from django.contrib.auth.backends import ModelBackend
    from django.contrib.auth.models import User

    assert isinstance(person, User)
    return person.is_superuser or ModelBackend().has_perm(person, right)


def refusals(person: AbstractBaseUser, right: str, names: Collection[str]) -> tuple[Reason, ...]:
    """Why a person may not do this on these devices: those that no grant covers.

    Empty as well for somebody who has no grant for it at all: that door (`guards.acts`, the shell) was passed before.
    """
    here = [place for place in places(person) if right in RIGHTS[place.role]]
    if not here or holds_everywhere(person, right):
        return ()
    rows = Router.objects.filter(name__in=names).values_list("name", "site__name", "role").order_by("name")
    outside = [(n, site, role) for n, site, role in rows if not any(p.covers(site, role) for p in here)]
    return (_outside(person.get_username(), right, outside),) if outside else ()


def refusals_of_scope(
    person: AbstractBaseUser, right: str, *, sites: Collection[str], roles: Collection[str]
) -> tuple[Reason, ...]:
    """Why a person may not do this for a scope (empty: all sites, all roles): no one grant covers all of it."""
    here = [place for place in places(person) if right in RIGHTS[place.role]]
    if not here or holds_everywhere(person, right):
        return ()
    for place in here:
        at_sites = not place.sites or (sites and set(sites) <= place.sites)
        for_roles = not place.device_roles or (roles and set(roles) <= place.device_roles)
        if at_sites and for_roles:
            return ()
    wide = f"{', '.join(sorted(roles)) or 'every role'} at {', '.join(sorted(sites)) or 'every site'}"
    mine = "; ".join(
        f"{', '.join(sorted(p.device_roles)) or 'every role'} at {', '.join(sorted(p.sites)) or 'every site'}"
        for p in here
    )
    remedy = "Narrow it to what is yours, or ask an administrator for a wider grant."
    return (Reason("permission", f"{person.get_username()}, with {right} for {mine}", f"it for {wide}", remedy),)


def _outside(name: str, right: str, outside: Sequence[tuple[str, str, str]]) -> Reason:
    shown = ", ".join(f"{n} ({role} at {site})" for n, site, role in outside[:5])
    more = f" and {len(outside) - 5} more" if len(outside) > 5 else ""
    remedy = "Ask somebody who may there, or an administrator for a wider grant."
    return Reason("permission", f"{name}, without {right} on {shown}{more}", "it on every device of the change", remedy)
