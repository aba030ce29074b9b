"""Second factors lie sealed in the database, and a key can be changed without anybody setting one up again."""

from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection

from fleet.people import sealed

SECRET = "JBSWY3DPEHPK3PXP"
FORMER, NEWER = "former-key-of-this-test", "newer-key-of-this-test"


@pytest.fixture
def person(settings: Any) -> User:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = FORMER, []
    return User.objects.create_user("mary", password="not-to-be-guessed-by-anybody")


def stored() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT data FROM mfa_authenticator")
        return " ".join(str(row[0]) for row in cursor.fetchall())


@pytest.mark.django_db
def test_what_a_second_factor_is_made_of_is_not_in_the_database(person: User) -> None:
    TOTP.activate(person, SECRET)
    codes = RecoveryCodes.activate(person)
    seed = sealed.unseal(codes.instance.data["seed"])
    assert SECRET not in stored()
    assert seed not in stored()
    assert stored().count(sealed.MARK) == 2
    assert len(codes.generate_codes()) == 10


@pytest.mark.django_db
def test_a_key_is_changed_and_nobody_sets_up_anything_again(person: User, settings: Any) -> None:
    TOTP.activate(person, SECRET)
    before = RecoveryCodes.activate(person).generate_codes()
    earlier = User.objects.create_user("grace", password="not-to-be-guessed-by-anybody")
    Authenticator.objects.create(user=earlier, type="totp", data={"secret": "WRITTENBEFORE"})
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEWER, [FORMER]
    assert RecoveryCodes(Authenticator.objects.get(type="recovery_codes")).generate_codes() == before
    call_command("rotate_keys")
    settings.SECRET_KEY_FALLBACKS = []
    assert RecoveryCodes(Authenticator.objects.get(type="recovery_codes")).generate_codes() == before
    secrets = {sealed.unseal(row.data["secret"]) for row in Authenticator.objects.filter(type="totp")}
    assert secrets == {SECRET, "WRITTENBEFORE"}
    assert "WRITTENBEFORE" not in stored()


@pytest.mark.django_db
def test_without_its_key_the_refusal_says_what_to_do(person: User, settings: Any) -> None:
    TOTP.activate(person, SECRET)
    settings.SECRET_KEY = NEWER
    with pytest.raises(CommandError, match=r"second factor of mary.*SLIPWAY_SECRET_KEY_FALLBACKS"):
        call_command("rotate_keys")
    settings.SECRET_KEY = FORMER
    assert sealed.unseal(Authenticator.objects.get().data["secret"]) == SECRET, "nothing was lost"
