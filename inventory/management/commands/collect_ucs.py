"""collect_ucs [DOMAIN...]: ask UCS Managers for blades, service profiles and policies."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from fleet import clock
from inventory import ucs
from inventory.console import table
from inventory.models import UcsDomain
from playbooks.base import DeviceError


class Command(BaseCommand):
    help = "Collect UCS domains: blades, service profiles, vNICs, policies; links them to devices by MAC address."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("domains", nargs="*", metavar="DOMAIN")
        parser.add_argument(
            "--accept-new-certificates",
            action="store_true",
            help="record the certificate that a UCS Manager shows now, where none is recorded",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        rows = UcsDomain.objects.select_related("credential")
        chosen = list(rows.filter(name__in=options["domains"]) if options["domains"] else rows.all())
        missing = sorted(set(options["domains"]) - {row.name for row in chosen})
        if missing or not chosen:
            raise CommandError(f"UCS domain: found no {', '.join(missing) or 'domain at all'}. Enter it in the admin.")
        failures, cells = [], []
        for row in chosen:
            if not row.certificate and options["accept_new_certificates"]:
                self._record_certificate(row)
            found = ucs.collect(row, now=clock.now())
            if found.failed is not None:
                failures.append(f"{row.name}: {found.failed}")
                continue
            cells.append((found.domain, found.blades, found.profiles, found.policies, found.linked))
            for reason in found.unlinked:
                self.stderr.write(str(reason))
        table("collected", ("domain", "blades", "profiles", "adapter policies", "linked to devices"), cells)
        if failures:
            raise CommandError("\n".join(failures))

    def _record_certificate(self, row: UcsDomain) -> None:
        from playbooks.ucs.collect import shown_certificate

        try:
            row.certificate = shown_certificate(ucs.address_of(row))
        except DeviceError as error:
            raise CommandError(str(error.reason)) from None
        row.save(update_fields=["certificate"])
        self.stdout.write(f"{row.name}: recorded its certificate, SHA-256 {row.certificate}")
