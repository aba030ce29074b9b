"""Makes a token of the API and prints it once; lists, rotates and revokes tokens."""

import argparse
import getpass
import os
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from fleet import clock
from fleet.api import tokens
from fleet.api.models import ApiToken
from fleet.api.scopes import Scope


class Command(BaseCommand):
    """./manage.py api_token make NAME --scope read [--for ACCOUNT]; list; rotate PREFIX; revoke PREFIX."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        default = os.environ.get("SLIPWAY_USER") or getpass.getuser()
        parser.add_argument("--user", default=default, help=f"who does this (default: {default})")
        commands = parser.add_subparsers(dest="what", required=True)
        make = commands.add_parser("make", formatter_class=argparse.RawTextHelpFormatter)
        make.add_argument("name", help="the program that uses it")
        make.add_argument("--for", dest="account", default="", help="a service account of yours; default: yourself")
        make.add_argument("--scope", action="append", choices=list(Scope), default=[], help="what it is for; several")
        make.add_argument("--days", type=int, default=tokens.USUAL_DAYS)
        make.add_argument("--network", action="append", default=[], help="a prefix it may be used from; several")
        commands.add_parser("list")
        for name in ("rotate", "revoke"):
            commands.add_parser(name).add_argument("prefix")

    def handle(self, **options: Any) -> None:
        person = _user(options["user"])
        match options["what"]:
            case "make":
                holder = _user(options["account"]) if options["account"] else person
                scopes, networks = tuple(options["scope"]), tuple(options["network"])
                wanted = tokens.Wanted(options["name"], scopes, options["days"], networks)
                self._shown(tokens.make(wanted, holder=holder, person=person, now=clock.now()))
            case "list":
                for row in ApiToken.objects.filter(person__in=tokens.holders(person)).select_related("person"):
                    works = "works" if row.usable(clock.now()) else "ended"
                    until = f"until {row.expires_at:%Y-%m-%d}"
                    self.stdout.write(
                        f"{row.prefix}  {works:<6} {until}  {row.person}  {row.name}  {' '.join(row.scopes)}"
                    )
            case "rotate":
                self._shown(tokens.rotate(_token(person, options["prefix"]), person, clock.now()))
            case _:
                _refuse(tokens.revoke(_token(person, options["prefix"]), clock.now()))
                self.stdout.write("Revoked. It works no longer.")

    def _shown(self, made: "tuple[str, ApiToken] | tokens.Reasons") -> None:
        if made and isinstance(made[0], str):
            self.stderr.write("It is shown this once; only its hash is kept.")
            self.stdout.write(made[0])
            return
        _refuse(made)


def _refuse(reasons: tokens.Reasons) -> None:
    if reasons:
        raise CommandError("\n".join(str(r) for r in reasons))


def _user(name: str) -> User:
    found = User.objects.filter(username=name, is_active=True).first()
    if found is None:
        raise CommandError(f"user: found {name!r}, who does not exist, wanted an active user.")
    return found


def _token(person: User, prefix: str) -> ApiToken:
    row = ApiToken.objects.filter(person__in=tokens.holders(person), prefix=prefix).first()
    if row is None:
        raise CommandError(f"token {prefix}: found none of yours, wanted one. See ./manage.py api_token list.")
    return row
