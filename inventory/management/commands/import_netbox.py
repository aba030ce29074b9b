"""import_netbox URL: preview what a NetBox has, then import it."""

import argparse
import getpass
import os
from collections import defaultdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from fleet import clock
from fleet.core.model import Reason
from inventory.console import add_json, console, print_json, printable, progress_console, some, table
from inventory.importers import netbox
from inventory.importers.netbox import Defaults, Filters, Preview, Source, asks
from inventory.importers.preview import Change
from inventory.importers.rows import RowKind
from inventory.models import Credential, DeviceKind, Suite

# Of a thousand wrong rows the first say enough; --json prints all.
_SHOWN = 30


class Command(BaseCommand):
    help = (
        "Import sites, devices and links from a NetBox (docs/netbox.md). Shows every create, update and stale row; "
        "writes only with --apply. Deletes nothing, changes nothing in NetBox."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("url", help="address of NetBox")
        parser.add_argument("--token-env", required=True, metavar="NAME", help="environment variable with the token")
        parser.add_argument("--ca-file", default="", metavar="PEM", help="CA that signed NetBox's certificate")
        chosen = parser.add_argument_group("which devices (slugs, may be repeated)")
        chosen.add_argument("--site", action="append", default=[], help="of this site, or another one named")
        chosen.add_argument("--role", action="append", default=[], help="of this role or one below it")
        chosen.add_argument("--tag", action="append", default=[], help="with this tag, and all others named")
        chosen.add_argument("--status", action="append", default=[], help="of this status (left out: active)")
        fresh = parser.add_argument_group("what new devices get that NetBox does not know (custom fields go before it)")
        fresh.add_argument("--credential", default="", help="name of a credential of Slipway")
        fresh.add_argument("--suite", default="", choices=Suite.values, help="routing suite")
        fresh.add_argument("--kind", default=DeviceKind.ROUTER.value, choices=DeviceKind.values)
        fresh.add_argument("--port", type=int, default=22, help="port of SSH")
        fresh.add_argument("--link-kind", default="core", help="kind of new links")
        parser.add_argument(
            "--platform", action="append", default=[], metavar="SLUG=NAME", help="what a platform of NetBox is here"
        )
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--preview", action="store_true", help="write nothing (so it is without --apply, too)")
        what.add_argument("--apply", action="store_true", help="write it")
        parser.add_argument("--skip-wrong-rows", action="store_true", help="leave out what is wrong, take the rest")
        parser.add_argument("--another-netbox", action="store_true", help="NetBox has moved to this address")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        source = Source(options["url"], options["token_env"], options["ca_file"])
        sites, roles, tags = (tuple(options[key]) for key in ("site", "role", "tag"))
        filters = Filters(sites, roles, tags, tuple(options["status"]) or ("active",))
        defaults = _defaults(options)
        try:
            preview = _read(source, filters, defaults, another_netbox=options["another_netbox"])
            apply = options["apply"] and (not preview.wrong or options["skip_wrong_rows"])
            if apply:
                by, skip = os.environ.get("SLIPWAY_USER") or getpass.getuser(), options["skip_wrong_rows"]
                asks.record(preview, by=by, now=clock.now(), skip_wrong_rows=skip)
        except (netbox.NotRead, netbox.NotApplied) as refused:
            raise CommandError(printable(f"{refused} Nothing was written.")) from refused
        if options["json"]:
            about = {key: value for key, value in preview.as_json().items() if key != "snapshot"}
            print_json({"applied": apply, "digest": preview.digest, **about})
        else:
            _show(preview, applied=apply)
        if preview.wrong and not options["skip_wrong_rows"]:
            count = f"{len(preview.wrong)} wrong row(s), nothing was written. --skip-wrong-rows takes the rest."
            raise CommandError("\n".join([count, *_first(preview.wrong)]))


def _defaults(options: dict[str, Any]) -> Defaults:
    name = options["credential"]
    if name and not Credential.objects.filter(name=name).exists():
        raise CommandError(f"--credential: found {printable(name)}, wanted the name of a credential. Make it first.")
    if not 1 <= options["port"] <= 65_535:
        raise CommandError(f"--port: found {options['port']}, wanted a number from 1 to 65535.")
    platforms: dict[str, str] = {}
    for text in options["platform"]:
        slug, equals, platform = text.partition("=")
        if not (slug and equals and platform.isidentifier()):
            raise CommandError(f"--platform: found {printable(text)}, wanted SLUG=NAME such as onie=linux.")
        platforms[slug] = platform
    return Defaults(name, options["suite"], options["kind"], options["port"], options["link_kind"], platforms)


def _read(source: Source, filters: Filters, defaults: Defaults, *, another_netbox: bool) -> Preview:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    bars: dict[str, TaskID] = {}
    with Progress(*columns, console=progress_console, transient=True) as shown:

        def progress(what: str, read: int, of: int) -> None:
            if what not in bars:
                bars[what] = shown.add_task(f"reading {what}", total=of)
            shown.update(bars[what], completed=read, total=of)

        return netbox.preview_of(source, filters, defaults, progress=progress, another_netbox=another_netbox)


def _show(preview: Preview, *, applied: bool) -> None:
    if preview.creates:
        _table("new" if applied else "would be new", preview.creates)
    if preview.updates:
        title = "changed" if applied else "would change"
        cells = [(c.kind, c.name, f.field, _text(f.before), _text(f.after)) for c in preview.updates for f in c.fields]
        table(title, ("what", "name", "field", "was", "is"), cells)
    if preview.stale:
        rows = [(c.kind, c.name, c.fields[0].after) for c in preview.stale]
        table("marked stale, not deleted" if applied else "would be marked stale", ("what", "name", "why"), rows)
    if preview.wrong and applied:
        console.print("left out:", *_first(preview.wrong), sep="\n", markup=False)
    if preview.kept:
        console.print("kept as it is in Slipway:", *_first(preview.kept), sep="\n", markup=False)
    done = "imported" if applied else "preview, nothing written"
    console.print(
        f"{done}: {preview.changes} changes ({len(preview.creates)} new, {len(preview.updates)} changed, "
        f"{len(preview.stale)} stale), {preview.unchanged} unchanged, {len(preview.wrong)} left out, "
        f"{preview.cables_elsewhere} cables that lead elsewhere",
        markup=False,
    )


def _table(title: str, changes: tuple[Change, ...]) -> None:
    names: dict[RowKind, list[str]] = defaultdict(list)
    for change in changes:
        names[change.kind].append(change.name)
    table(title, ("what", "how many", "names"), [(kind, len(found), some(found)) for kind, found in names.items()])


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return ", ".join(value) if isinstance(value, list) else str(value)


def _first(reasons: tuple[Reason, ...]) -> list[str]:
    more = len(reasons) - _SHOWN
    lines = [printable(str(reason)) for reason in reasons[:_SHOWN]]
    return lines if more <= 0 else [*lines, f"and {more} more (--json prints all)"]
