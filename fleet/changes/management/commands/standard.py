"""Standard changes: write one, approve or withdraw it, submit a draft as one, list them."""

import json
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from fleet import clock
from fleet.changes import console, drafts, standards
from fleet.changes.models import StandardChange
from fleet.core import standard
from playbooks.recipe import RecipeRefused


class Command(BaseCommand):
    """./manage.py standard write|approve|withdraw|submit|list."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        write = verbs.add_parser("write", help="a new one, in force once two others have approved it")
        write.add_argument("name")
        write.add_argument("recipe", help="name of a recipe, or a path to a YAML file")
        write.add_argument("--bounds", default="{}", help='JSON: {"queues": {"min": 1, "max": 8}}')
        write.add_argument("--devices", type=int, required=True, help="at most so many in one change")
        write.add_argument("--days", type=int, required=True, help="for so many days")
        write.add_argument("--site", action="append", default=[], help="only there (may be given again)")
        write.add_argument("--role", action="append", default=[], help="only such devices (may be given again)")
        for verb in ("approve", "withdraw", "submit"):
            one = verbs.add_parser(verb)
            one.add_argument("name")
            if verb == "submit":
                console.add_change(one)
            else:
                one.add_argument("--comment", default="")
        verbs.add_parser("list")
        for one in verbs.choices.values():
            console.add_person(one)

    def handle(self, **options: Any) -> None:
        match options["verb"]:
            case "list":
                _list()
            case "write":
                _write(options)
            case "submit":
                change = console.change(options["change"])
                person = console.person(options["user"])
                console.refuse(standards.submit(change, person, clock.now(), name=options["name"]))
                console.console.print(f"change {change.pk}: approved beforehand by standard change {options['name']}")
            case verb:
                row, person = _row(options["name"]), console.person(options["user"])
                act = standards.approve if verb == "approve" else standards.withdraw
                console.refuse(act(row, person, clock.now(), comment=options["comment"]))
                console.console.print(f"standard change {row.name}: {verb}")


def _row(name: str) -> StandardChange:
    row = StandardChange.objects.filter(name=name).first()
    if row is None:
        raise CommandError(f"standard change {name}: found none, wanted one that exists. See: standard list.")
    return row


def _write(options: dict[str, Any]) -> None:
    person, now = console.person(options["user"]), clock.now()
    try:
        path = drafts.find_recipe(options["recipe"])
        inputs = json.loads(options["bounds"])
    except RecipeRefused as error:
        raise CommandError(str(error)) from error
    except json.JSONDecodeError as error:
        raise CommandError(f"--bounds: found {options['bounds']!r} ({error}), wanted JSON.") from error
    until = now + timedelta(days=options["days"])
    bounds = standards.Bounds(inputs, options["devices"], until, tuple(options["site"]), tuple(options["role"]))
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{path}: found {error.strerror}, wanted a recipe.") from error
    made = standards.write(options["name"], path.stem, standards.digest_of(text), bounds, author=person, now=now)
    if not isinstance(made, StandardChange):
        console.refuse(made)
        return
    console.console.print(f"standard change {made.name}: two others approve it, then it is in force")


def _list() -> None:
    now = clock.now()
    for row in StandardChange.objects.prefetch_related("decisions__by"):
        value = row.value()
        count = len(value.approvers - {value.author})
        over = "withdrawn" if value.withdrawn else "run out" if now >= value.expires_at else ""
        stands = over or ("in force" if count >= standard.APPROVALS_WANTED else f"{count} of 2 approvals")
        bounds = ", ".join(f"{k} {standard.bound_in_words(v)}" for k, v in row.bounds.items()) or "no inputs"
        text = f"{row.name}: {row.recipe}, {bounds}, at most {row.max_devices} devices, until {row.expires_at:%Y-%m-%d}"
        console.console.print(f"{text} ({stands})", markup=False)
