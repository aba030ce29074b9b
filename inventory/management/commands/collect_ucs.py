"""collect_ucs [NAME...]: ask UCS Managers for blades, profiles and policies, and standalone servers for their vNICs."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from fleet import clock
from inventory import ucs
from inventory.console import table
from inventory.models import RackServer, UcsDomain
from playbooks.base import DeviceError


class Command(BaseCommand):
    help = "Collect UCS domains (blades, service profiles, policies; linked to their devices) and standalone servers."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "domains", nargs="*", metavar="NAME", help="domains, or devices that are standalone servers"
        )
        parser.add_argument(
            "--accept-new-certificates",
            action="store_true",
            help="record the certificate that is shown now, where none is recorded",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        rows = UcsDomain.objects.select_related("credential")
        racks = RackServer.objects.select_related("credential", "router")
        names = options["domains"]
        domains = list(rows.filter(name__in=names) if names else rows.all())
        servers = list(racks.filter(router__name__in=names) if names else racks.all())
        missing = sorted(set(names) - {row.name for row in domains} - {row.router.name for row in servers})
        if missing or not (domains or servers):
            raise CommandError(f"UCS domain: found no {', '.join(missing) or 'domain at all'}. Enter it in the admin.")
        if options["accept_new_certificates"]:
            for domain in domains:
                self._record_certificate(domain)
            for server in servers:
                self._record_certificate(server)
        failures = [*self._domains(domains), *self._racks(servers)]
        if failures:
            raise CommandError("\n".join(failures))

    def _domains(self, rows: list[UcsDomain]) -> list[str]:
        failures, cells = [], []
        for row in rows:
            found = ucs.collect(row, now=clock.now())
            if found.failed is not None:
                failures.append(f"{row.name}: {found.failed}")
                continue
            cells.append((found.domain, found.blades, found.profiles, found.policies, found.linked))
            for reason in found.unlinked:
                self.stderr.write(str(reason))
        if rows:
            table("collected", ("domain", "blades", "profiles", "adapter policies", "linked to devices"), cells)
        return failures

    def _racks(self, rows: list[RackServer]) -> list[str]:
        failures, cells = [], []
        for row in rows:
            reason = ucs.collect_rack(row, now=clock.now())
            if reason is not None:
                failures.append(f"{row.router.name}: {reason}")
                continue
            row.refresh_from_db()
            cells.append((row.router.name, row.model, row.version, len(row.vnics)))
        if rows:
            table("collected", ("standalone server", "model", "version", "vNICs"), cells)
        return failures

    def _record_certificate(self, row: UcsDomain | RackServer) -> None:
        from playbooks.ucs.collect import shown_certificate

        if row.certificate:
            return
        where = ucs.address_of(row) if isinstance(row, UcsDomain) else ucs.rack_address(row)
        try:
            row.certificate = shown_certificate(where)
        except DeviceError as error:
            raise CommandError(str(error.reason)) from None
        row.save(update_fields=["certificate"])
        self.stdout.write(f"{where.name}: recorded its certificate, SHA-256 {row.certificate}")
