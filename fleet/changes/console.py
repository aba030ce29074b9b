"""What the commands share: who acts, which change is meant, how a "no" is printed."""

import argparse
import getpass
import os
from collections.abc import Iterable

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.management.base import CommandError
from rich.console import Console

from fleet.changes.models import Change
from fleet.core.model import Reason

console = Console()


def add_person(parser: argparse.ArgumentParser) -> None:
    """The option that says who acts; default SLIPWAY_USER, else the login name."""
    default = os.environ.get("SLIPWAY_USER") or getpass.getuser()
    parser.add_argument("--user", default=default, help=f"who does this (default: {default})")


def add_change(parser: argparse.ArgumentParser) -> None:
    """The argument that names a change."""
    parser.add_argument("change", type=int, help="number of the change")


def person(name: str) -> AbstractBaseUser:
    """The user of that name, who must exist and be active."""
    found = get_user_model().objects.filter(username=name, is_active=True).first()
    if found is None:
        raise CommandError(
            f"user: found {name!r}, who does not exist, wanted an active user. "
            "Name one with --user, or make one with ./manage.py createsuperuser."
        )
    return found


def change(number: int) -> Change:
    """The change of that number."""
    found = Change.objects.filter(pk=number).first()
    if found is None:
        raise CommandError(f"change {number}: found none, wanted an existing change. See ./manage.py explain.")
    return found


def refuse(reasons: Iterable[Reason]) -> None:
    """End the command with every reason, each on a line of its own; nothing when there is none."""
    lines = [str(r) for r in reasons]
    if lines:
        raise CommandError("\n".join(lines))
