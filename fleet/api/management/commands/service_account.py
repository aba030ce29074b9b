"""Opens and lists accounts that programs use. Roles are given to them as to people (./manage.py or the admin)."""

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from fleet import clock
from fleet.api import accounts
from fleet.api.models import ServiceAccount


class Command(BaseCommand):
    """./manage.py service_account open ticketing --owner ann --purpose "ServiceNow; ask the service desk"."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        commands = parser.add_subparsers(dest="what", required=True)
        opening = commands.add_parser("open")
        opening.add_argument("name")
        opening.add_argument("--owner", required=True, help="the person who answers for it")
        opening.add_argument("--purpose", required=True, help="which program it is, and whom to ask")
        opening.add_argument("--may-approve", action="store_true", help="its approvals count, where it has the right")
        commands.add_parser("list")

    def handle(self, **options: Any) -> None:
        if options["what"] == "list":
            for row in ServiceAccount.objects.select_related("user", "owner"):
                approves = "  may approve" if row.may_approve else ""
                self.stdout.write(f"{row.user}  owner {row.owner}  {row.purpose}{approves}")
            return
        owner = User.objects.filter(username=options["owner"], is_active=True).first()
        if owner is None:
            raise CommandError(f"owner: found {options['owner']!r}, who does not exist, wanted an active user.")
        made = accounts.open_account(
            options["name"],
            owner=owner,
            purpose=options["purpose"],
            now=clock.now(),
            may_approve=options["may_approve"],
        )
        if not isinstance(made, ServiceAccount):
            raise CommandError("\n".join(str(r) for r in made))
        self.stdout.write(f"{made.user} is there; {owner} answers for it. Give it a role, then make it a token:")
        self.stdout.write(f"./manage.py api_token --user {owner} make NAME --for {made.user} --scope read")
