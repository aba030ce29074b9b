"""Writes the table of addresses into docs/api.md."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from fleet.api import reference


class Command(BaseCommand):
    """./manage.py api_reference."""

    help = __doc__

    def handle(self, **options: Any) -> None:
        page = settings.BASE_DIR / "docs" / "api.md"
        page.write_text(reference.page(page.read_text()))
        self.stdout.write(f"{page.name}: written")
