"""How people come in: accounts are made by administrators or by single sign-on, never by the person alone."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.signals import user_logged_in
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.dispatch import receiver
from django.http import HttpRequest

from fleet.people import sealed

if TYPE_CHECKING:
    from allauth.socialaccount.models import SocialLogin


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Local accounts."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False


class SocialAccountAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """Accounts of the identity provider: whoever it lets in is a viewer; groups give the rest."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: "SocialLogin") -> bool:
        return bool(settings.SLIPWAY_OIDC_URL)

    def is_auto_signup_allowed(self, request: HttpRequest, sociallogin: "SocialLogin") -> bool:
        return True


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Second factors: who reads the database, or a copy of it, cannot sign in with them."""

    def encrypt(self, text: str) -> str:
        return sealed.seal(text)

    def decrypt(self, encrypted_text: str) -> str:
        return sealed.unseal(encrypted_text)


def claimed_groups(claims: Mapping[str, Any]) -> frozenset[str]:
    """The groups that the identity provider names; it may say so in the user information or in the token."""
    return frozenset(_groups(claims))


def _groups(claims: Mapping[str, Any]) -> Iterator[str]:
    for part in (claims, claims.get("userinfo"), claims.get("id_token")):
        named = part.get(settings.SLIPWAY_OIDC_GROUPS_CLAIM) if isinstance(part, Mapping) else None
        if isinstance(named, str):
            yield named
        elif isinstance(named, list):
            yield from (name for name in named if isinstance(name, str))


def map_groups(person: User, claims: Mapping[str, Any]) -> None:
    """Put a person into exactly those mapped groups that the claims name; other groups are left alone."""
    mapping: Mapping[str, str] = settings.SLIPWAY_OIDC_GROUPS
    if not mapping:
        return
    named = claimed_groups(claims)
    wanted = {ours for theirs, ours in mapping.items() if theirs in named}
    person.groups.remove(*Group.objects.filter(name__in=set(mapping.values()) - wanted))
    person.groups.add(*(Group.objects.get_or_create(name=name)[0] for name in sorted(wanted)))


@receiver(user_logged_in, dispatch_uid="slipway-groups-of-sso")
def _signed_in(request: HttpRequest, user: User, **more: Any) -> None:
    """At each sign-in: whoever left a group at the identity provider leaves it here as well."""
    if (login := more.get("sociallogin")) is not None:
        map_groups(user, login.account.extra_data)
