"""After a change of SLIPWAY_SECRET_KEY: seals again with the new key what the former ones (fallbacks) sealed."""

from typing import Any

from allauth.mfa.models import Authenticator
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from fleet.people import sealed

SECRETS = frozenset({"secret", "seed", "migrated_codes"})


class Command(BaseCommand):
    """./manage.py rotate_keys."""

    help = __doc__

    def handle(self, **options: Any) -> None:
        count = 0
        # One at a time under a lock: a recovery code that is used meanwhile must stay used.
        for pk in Authenticator.objects.order_by("pk").values_list("pk", flat=True):
            with transaction.atomic():
                row = Authenticator.objects.select_for_update().select_related("user").filter(pk=pk).first()
                if row is None:
                    continue
                try:
                    row.data = sealed.seal_again(row.data, SECRETS)
                except sealed.CannotUnsealError as error:
                    raise CommandError(f"second factor of {row.user}: {error}") from None
                row.save(update_fields=["data"])
                count += 1
        self.stdout.write(f"{count} second factors are sealed with the newest key; former keys are not needed any more")
